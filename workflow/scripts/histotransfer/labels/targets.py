"""The targets of a task: which are wanted, and their columns in a labels table."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..core.errors import HistotransferError
from ..core.exclusions import Reason
from .exclusions import Excluded

Panel = dict[str, list[str]]
"""Targets, each with the names that a labels table may give it, the target's own first."""


def wanted_targets(targets: str | Sequence[str]) -> Panel | None:
    """Resolve `targets` of the config: ``all`` (None), a list, or a file of them.

    A file has a symbol on each line, or is tab-separated with the columns gene and, optionally,
    previous: further symbols of the same gene, separated by ``|``.
    """
    if targets == "all":
        return None
    if not isinstance(targets, str):
        return {target: [target] for target in targets}
    try:
        lines = Path(targets).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise HistotransferError(
            targets,
            f"cannot be read as a list of targets ({error})",
            "Give `all`, a list, or a file with a symbol on each line as the task's `targets`",
        ) from error
    lines = [line.strip(" ") for line in lines if line.strip() and line.strip()[0] != "#"]
    if not any("\t" in line for line in lines):
        return {line.strip(): [line.strip()] for line in lines}
    rows = list(csv.DictReader(lines, delimiter="\t"))
    if "gene" not in rows[0]:
        raise HistotransferError(
            targets, "has no column `gene`", "Give it a header (config/panels/immune.tsv has one)"
        )
    panel = {
        row["gene"]: [row["gene"], *filter(None, (row.get("previous") or "").split("|"))]
        for row in rows
    }
    # Where an earlier symbol is now another target's, it belongs to that target alone.
    return {
        gene: [n for n in names if n == gene or n not in panel] for gene, names in panel.items()
    }


def symbols(panel: Panel | None) -> list[str] | None:
    """Return every name of a panel's targets, earlier symbols included; None for all."""
    return None if panel is None else [name for names in panel.values() for name in names]


def columns_of(
    panel: Panel | None, table: pd.DataFrame, path: Path, excluded: Excluded, suffix: str = ""
) -> pd.DataFrame:
    """Return the columns of the targets that the table has, under the targets' own names.

    Targets without a name or a column are left out; without a panel every column is a target. With
    a suffix, such as ``_rnaseq``, targets are the columns that end in it, without it.
    """
    names = {str(name).removesuffix(suffix): name for name in table if str(name).endswith(suffix)}
    if not names and suffix:
        raise HistotransferError(
            path,
            f"has no column that ends in {suffix!r}",
            "Correct `suffix` of the task's labels",
        )
    panel = {name: [name] for name in names} if panel is None else panel
    # A table's column of row numbers, for example; an empty cell of a result means no target.
    excluded.add([target for target in panel if not target], "target", Reason("no_name"))
    found = {
        target: next((name for name in own_names if name in names), None)
        for target, own_names in panel.items()
        if target
    }
    columns = {target: name for target, name in found.items() if name is not None}
    absent = [target for target in found if target not in columns]
    excluded.add(absent, "target", Reason("not_in_labels"))
    for target, name in columns.items():
        if name != target:
            excluded.add([target], "target", Reason("earlier_symbol", name))
    return table[[names[name] for name in columns.values()]].set_axis(list(columns), axis=1)
