"""Columns of words: of two values, one of which is positive, and of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ..core.errors import HistotransferError, listed
from ..core.exclusions import Reason
from ..core.user_numbers import MISSING, plain_word
from .exclusions import Excluded
from .values import said_to_be_mutated, status_of

MAX_LISTED = 3
"""Values that an error shows."""
_OF_ALL = "all"
"""The name of scores over all classes."""


def two_values_of(
    table: pd.DataFrame, positive: str | float | None, path: Path, excluded: Excluded
) -> pd.DataFrame:
    """Read columns of two values each: 0 and 1, words for them, or two others of which one is told.

    Capitals do not matter.

    Parameters
    ----------
    table : pandas.DataFrame of str
        A column per target.
    positive : str, int, float or None
        The value that counts as positive; every other one is negative, if there is only one other.
        None if the columns say so themselves: by 0 and 1, or by the words of a mutation table.
    path : Path
        The table, for errors.
    excluded : Excluded
        Gets the targets without a value.

    Returns
    -------
    pandas.DataFrame of float64
        0, 1, and NaN where a value is missing.

    Raises
    ------
    HistotransferError
        If a column has other values than two, or does not say which is positive.
    """
    columns = {}
    for name, cells in table.items():
        words = _spelled(cells)
        if words:
            of_words = _meanings(str(name), words, positive, path)
            columns[name] = cells.map(plain_word).map(of_words).astype("float64")
        else:
            excluded.add([name], "target", Reason("no_number", "no cell has a value"))
    return pd.DataFrame(columns, index=table.index)


def classes_in(
    table: pd.DataFrame, wanted: Sequence[str] | None, path: Path, excluded: Excluded
) -> pd.DataFrame:
    """Read a column of classes.

    Parameters
    ----------
    table : pandas.DataFrame of str
        One column; none is returned as it is.
    wanted : list of str or None
        The classes that count; None for all.
    path : Path
        The table, for errors.
    excluded : Excluded
        Gets the patients of other classes.

    Returns
    -------
    pandas.DataFrame of str
        NaN where the class is missing; without the patients of other classes.

    Raises
    ------
    HistotransferError
        If there is one class only, a wanted one is absent, two differ only in capitals or blanks,
        or one has the name of a score over all classes.
    """
    if not table.shape[1]:
        return table
    (column,) = table.columns
    words = table[column].str.strip()
    words = words.mask(words.str.casefold().isin(MISSING))
    names = _spelled(words.dropna())
    for word in words.dropna().unique():
        if word != (alike := names[plain_word(word)]):
            raise HistotransferError(
                path,
                f"column {column!r} holds {alike!r} and {word!r}, which differ only in capitals, "
                "blanks or digits",
                "Write both alike if they are one class, else rename one",
            )
    if _OF_ALL in names.values():
        raise HistotransferError(
            path,
            f"column {column!r} has a class {_OF_ALL!r}, which is the name of the scores of all",
            "Rename it",
        )
    if wanted is not None:
        absent = [name for name in wanted if plain_word(name) not in names]
        if absent:
            raise HistotransferError(
                path,
                f"column {column!r} has no class {absent[0]!r} (it has {_listed(names)})",
                "Correct `classes` of the task",
            )
        counted = words.dropna().map(plain_word).isin([plain_word(name) for name in wanted])
        for patient in counted.index[~counted]:
            remedy = "Add the class to `classes` of the task if it should count"
            excluded.add(
                [patient], "patient", Reason("class_left_out", str(words[patient]), remedy)
            )
        words = words.drop(counted.index[~counted])
    if words.nunique() == 1:
        (only,) = words.dropna().unique()
        raise HistotransferError(
            path,
            f"column {column!r} has patients of one class only, {only!r}",
            "Name another column as `targets` of the task, or label other patients",
        )
    return words.to_frame()


def _meanings(
    column: str, words: Mapping[str, str], positive: str | float | None, path: Path
) -> dict[str, float]:
    """Tell of each plain word, of which the spellings are given, whether it is positive."""
    said = {plain: said_to_be_mutated(word) for plain, word in words.items()}
    if positive is None and not any(value is None for value in said.values()):
        return {plain: float(bool(value)) for plain, value in said.items()}
    if len(words) > 2:
        number = pd.to_numeric(pd.Series(list(words)), errors="coerce")
        remedy = "Use `kind: multiclass`, or empty the cells that say that a value is missing"
        if number.notna().all():
            remedy = "Use `kind: regression` for numbers"
        elif all(status_of(word) in (0, 1) for word in words.values()):
            remedy = "Use `kind: mutation`, which reads protein changes and variant classes"
        cause = f"column {column!r} holds {len(words)} different values ({_listed(words)}), not two"
        raise HistotransferError(
            path, cause, f"{remedy}; leave the column out if it is not a target"
        )
    if positive is not None:
        if (chosen := plain_word(str(positive))) not in words:
            raise HistotransferError(
                path,
                f"column {column!r} holds no {str(positive)!r}, which is `positive`, but "
                f"{_listed(words)}",
                "Correct `positive` of the task",
            )
        return {plain: float(plain == chosen) for plain in words}
    if len(words) == 1:
        raise HistotransferError(
            path,
            f"column {column!r} holds no value but {_listed(words)}",
            "Name another column as `targets` of the task, or label other patients",
        )
    first, second = words.values()
    raise HistotransferError(
        path,
        f"column {column!r} holds {first!r} and {second!r}, and nothing says which is positive",
        f"Write `positive: {first}` or `positive: {second}` in the task",
    )


def _spelled(cells: pd.Series) -> dict[str, str]:
    """Return the first spelling of each plain value that is not missing, sorted by plain value."""
    words: dict[str, str] = {}
    for word in cells.unique():
        if plain_word(word) not in MISSING:
            words.setdefault(plain_word(word), word.strip())
    return dict(sorted(words.items()))


def _listed(words: Mapping[str, str]) -> str:
    return listed([repr(word) for word in words.values()], MAX_LISTED)
