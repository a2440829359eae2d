"""Batches of slides that share one start of the network, groups of networks that share one pass.

Both stay what they are when the study grows, so that what is done is not done again.

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


def assign_groups(
    networks: Iterable[str], sharing: Iterable[str], ledger: str | Path
) -> dict[str, list[str]]:
    """Assign networks to groups; networks in the ledger stay in theirs.

    Networks that join a study make a group of their own: one that joined a finished group would
    change the inputs of its jobs, and everything that follows from these networks would run again.

    Parameters
    ----------
    networks : iterable of str
        The networks of the study, in its order.
    sharing : iterable of str
        Those that are the same below a block; each of the others is a group of its own.
    ledger : str or Path
        The table that `write_ledger` wrote, or where it will.

    Returns
    -------
    dict of str to list of str
        Networks by group, which bears the name of its first network; no group is empty.
    """
    sharing = set(sharing)
    names = list(networks)
    alone = set(names) - sharing
    known = {name: group for name, group in _read(ledger).items() if group not in alone}
    new = [name for name in names if name in sharing and name not in known]
    groups: dict[str, list[str]] = {}
    for name in names:
        own = name if name in alone else known.get(name, new[0] if new else name)
        groups.setdefault(own, []).append(name)
    return groups


def write_ledger(
    batches: dict[str, list[str]],
    ledger: str | Path,
    *,
    what: str = "slide",
    where: str = "batch",
) -> None:
    """Remember the slides' batches, also of slides that have left the sheet; or networks' groups.

    Parameters
    ----------
    batches : dict of str to list of str
        As `assign_batches` or `assign_groups` gave them.
    ledger : str or Path
        A TSV table of `what` and `where`.
    what, where : str
        Its columns.
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
        writer.writerows([(what, where), *now.items()])
    part.replace(ledger)


def _read(ledger: str | Path) -> dict[str, str]:
    try:
        with Path(ledger).open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file, delimiter="\t"))[1:]
    except FileNotFoundError:
        return {}
    return {row[0]: row[1] for row in rows if len(row) == 2}
