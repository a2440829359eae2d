"""Batches: slides that share one start of the network, also after the sheet has grown.

Imported by the Snakefile, so only what Snakemake itself depends on may be imported here.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path


def assign_batches(slides: Iterable[str], size: int, ledger: str | Path) -> dict[str, list[str]]:
    """Assign slides to batches; slides in the ledger stay in theirs.

    A batch cut from the sheet by position would have other members as soon as a slide is added
    above it, and all its slides would be read again.

    Parameters
    ----------
    slides : iterable of str
        The ids of the sheet's slides, in its order.
    size : int
        Slides of a new batch.
    ledger : str or Path
        The table that `write_ledger` wrote, or where it will.

    Returns
    -------
    dict of str to list of str
        Slides by batch, such as ``"0003"``; no batch is empty.
    """
    known = _read(ledger)
    batches: dict[str, list[str]] = {}
    new = []
    for slide in slides:
        if slide in known:
            batches.setdefault(known[slide], []).append(slide)
        else:
            new.append(slide)
    first = 1 + max(map(int, known.values()), default=-1)
    for start in range(0, len(new), size):
        batches[f"{first + start // size:04d}"] = new[start : start + size]
    return dict(sorted(batches.items()))


def write_ledger(batches: dict[str, list[str]], ledger: str | Path) -> None:
    """Remember the slides' batches, also of slides that have left the sheet.

    Parameters
    ----------
    batches : dict of str to list of str
        As `assign_batches` gave them.
    ledger : str or Path
        A TSV table of slide, batch.
    """
    ledger = Path(ledger)
    known = _read(ledger)
    now = known | {slide: batch for batch, slides in batches.items() for slide in slides}
    if now == known:
        return
    ledger.parent.mkdir(parents=True, exist_ok=True)
    part = ledger.with_name(f".{ledger.name}.part")
    with part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerows([("slide", "batch"), *now.items()])
    part.replace(ledger)


def _read(ledger: str | Path) -> dict[str, str]:
    try:
        with Path(ledger).open(encoding="utf-8", newline="") as file:
            return {row["slide"]: row["batch"] for row in csv.DictReader(file, delimiter="\t")}
    except FileNotFoundError:
        return {}
