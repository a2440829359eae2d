"""The labels file of a task: who is a sample, of which group, and with which values."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from ..core.errors import HistotransferError
from ..core.files import check_digest, readable, remake, written_with_digest

IDS = ["sample", "group"]
CLASS = "class"
"""The one column of a task of classes."""
_OF_CLASSES = f"sample\tgroup\t{CLASS}\n"
_OF_NUMBERS = f'sample\tgroup\t"{CLASS}"\n'
"""The header where the only target of a task of numbers has that name. Every reader of TSV takes
the quotes off; here they say that the values are numbers."""


@dataclass(frozen=True)
class TaskLabels:
    """The labels of a task.

    Attributes
    ----------
    group : pandas.Series of str
        Indexed by sample: what never stands on both sides of a split; of a task of patients the
        patient.
    values : pandas.DataFrame
        Indexed like `group`, a column per target. Numbers, NaN where a label is missing; of a
        task of classes the one column `CLASS` with text. A target may have any name, `sample` too.
    """

    group: pd.Series[str]
    values: pd.DataFrame

    def __post_init__(self) -> None:
        for what, names in (("sample", self.values.index), ("target", self.values.columns)):
            if names.has_duplicates:
                raise ValueError(f"{what} {names[names.duplicated()][0]!r} stands there twice")
        if not self.group.index.equals(self.values.index):
            raise ValueError("groups and values are of different samples")

    @property
    def samples(self) -> list[str]:
        """The samples, in order."""
        return [str(sample) for sample in self.values.index]


def write_labels_file(labels: TaskLabels, path: str | Path, *, whole: bool = False) -> None:
    """Write labels as TSV: `sample`, `group`, then the targets; empty where a label is missing.

    `whole` says that all values are whole numbers, to be written so.
    """
    targets = [str(target) for target in labels.values]
    named_like_classes = targets == [CLASS] and is_numeric_dtype(labels.values[CLASS])
    with (
        written_with_digest(path) as partial,
        Path(partial).open("w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        if named_like_classes:
            file.write(_OF_NUMBERS)
        else:
            writer.writerow([*IDS, *targets])
        cells = labels.values.to_numpy(dtype=object, na_value="")
        if whole:
            missing = labels.values.isna().to_numpy()
            integers = labels.values.fillna(0).to_numpy(dtype=np.int64).astype(object)
            cells = np.where(missing, "", integers)
        ids = zip(labels.group.index, labels.group, strict=True)
        writer.writerows([*of_row, *row] for of_row, row in zip(ids, cells, strict=True))


def read_labels_file(path: str | Path) -> TaskLabels:
    """Read the labels of a task.

    The first two columns are the ids, whatever the targets are called.

    Raises
    ------
    HistotransferError
        If the file is missing, damaged, or not a labels file.
    """
    check_digest(path)
    try:
        with readable(path), Path(path).open(encoding="utf-8", newline="") as file:
            of_classes = file.readline() == _OF_CLASSES
            file.seek(0)
            header = next(csv.reader(file, delimiter="\t"), [])
            if header[:2] != IDS:
                raise ValueError(f"its first columns are {header[:2]}")
            text = dict.fromkeys((0, 1, 2) if of_classes else (0, 1), "str")
            try:
                table = pd.read_csv(
                    file, sep="\t", header=None, dtype=text, keep_default_na=False, na_values=[""]
                )
            except pd.errors.EmptyDataError:  # an external cohort may have no labels
                types = {place: text.get(place, "float64") for place in range(len(header))}
                table = pd.DataFrame(columns=list(types)).astype(types)
        table = table.set_index(0).rename_axis("sample")
        values = table.iloc[:, 1:].set_axis(header[2:], axis=1)
        return TaskLabels(table[1].rename("group"), values)
    except ValueError as error:
        raise HistotransferError(path, f"is not a labels file ({error})", remake(path)) from error
