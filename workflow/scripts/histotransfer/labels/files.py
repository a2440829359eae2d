"""The labels file of a task: who is a sample, of which group, and with which values."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ..core.errors import HistotransferError
from ..core.files import check_digest, readable, remake, written_with_digest

IDS = ("sample", "group")
TISSUE = "tissue"
"""The one column of a tissue task, which holds classes."""


@dataclass(frozen=True)
class TaskLabels:
    """The labels of a task.

    Attributes
    ----------
    group : pandas.Series of str
        Indexed by sample, sorted: what never stands on both sides of a split; of a patient's task
        the patient.
    values : pandas.DataFrame
        Indexed by sample, a column per target. Numbers, NaN where a label is missing; of a tissue
        task the one column `tissue` with the class. A target may have any name, `sample` too.
    """

    group: pd.Series[str]
    values: pd.DataFrame

    @property
    def samples(self) -> list[str]:
        """The samples, sorted."""
        return [str(sample) for sample in self.values.index]


def write_labels_file(labels: TaskLabels, path: str | Path) -> None:
    """Write labels as TSV: `sample`, `group`, then the targets; empty where a label is missing."""
    columns: list[pd.Series[Any] | pd.DataFrame] = [
        labels.group.index.to_series(),
        labels.group,
        labels.values,
    ]
    table = pd.concat(columns, axis=1)
    with written_with_digest(path) as partial:
        table.to_csv(
            partial, sep="\t", index=False, lineterminator="\n", header=[*IDS, *labels.values]
        )


def read_labels_file(path: str | Path) -> TaskLabels:
    """Read the labels of a task.

    The first two columns are the ids, whatever the targets are called.

    Raises
    ------
    HistotransferError
        If the file is missing, damaged, or does not begin with the ids.
    """
    check_digest(path)
    try:
        with readable(path), Path(path).open(encoding="utf-8", newline="") as file:
            header = next(csv.reader(file, delimiter="\t"), [])
            if tuple(header[:2]) != IDS:
                raise ValueError(f"its first columns are {header[:2]}")
            targets = header[2:]
            text = {0: "str", 1: "str"} | ({2: "str"} if targets == [TISSUE] else {})
            table = pd.read_csv(
                file, sep="\t", header=None, dtype=text, keep_default_na=False, na_values=[""]
            )
    except ValueError as error:
        raise HistotransferError(path, f"is not a labels file ({error})", remake(path)) from error
    table = table.set_index(0).rename_axis("sample")
    values = table.iloc[:, 1:].set_axis(targets, axis=1)
    return TaskLabels(table[1].rename("group"), values)
