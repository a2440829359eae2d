"""Survival times as signed numbers: above 0 where the event was seen, below 0 where censored.

So a table of labels has one number per patient and target, as for every other kind of task, and NaN
where it is unknown.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..core.errors import HistotransferError
from ..core.exclusions import Reason
from ..core.user_numbers import MISSING
from ..study.tasks import LabelParameters
from .exclusions import Excluded
from .values import numbers_of, said_to_be_mutated

Float = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

SEEN = frozenset({"dead", "deceased", "died", "death", "event", "progressed", "recurred"})
NOT_SEEN = frozenset({"alive", "living", "censored", "no event", "disease free", "diseasefree"})
"""Words for an event that was observed, and for a follow-up that ended without it."""


def signed_times(
    table: pd.DataFrame, parameters: LabelParameters, path: Path, excluded: Excluded
) -> pd.DataFrame:
    """Read the columns of time and event into one of signed times, named like the target.

    Parameters
    ----------
    table : pandas.DataFrame of str
        Has the two columns.
    parameters : LabelParameters
        Names them.
    path : Path
        The table, for errors.
    excluded : Excluded
        Gets the patients whose time is not above 0.

    Returns
    -------
    pandas.DataFrame of float64
        NaN where a time or an event is missing.

    Raises
    ------
    HistotransferError
        If a time is not a number, or a word does not say whether the event was observed.
    """
    time = numbers_of(table[[parameters.time]], path, Excluded(), named=True)
    event = table[parameters.event].map(lambda cell: _event(cell, parameters.event, path))
    if not time.shape[1] or event.isna().all():
        empty = parameters.event if time.shape[1] else parameters.time
        raise HistotransferError(
            path, f"column {empty!r} has no value", "Correct `time` and `event` of the task"
        )
    times = time.iloc[:, 0].reindex(table.index)
    impossible = times <= 0
    remedy = "Correct the time; a patient who was never followed up cannot count"
    for patient in times.index[impossible]:
        excluded.add(
            [patient], "patient", Reason("time_not_positive", f"{times[patient]:g}", remedy)
        )
    kept = ~impossible
    signed = encode(times[kept].to_numpy(), event[kept].to_numpy(dtype=np.float64))
    return pd.DataFrame({parameters.targets[0]: signed}, index=times.index[kept])


def _event(cell: str, column: str, path: Path) -> float:
    """Return 1 for an event that was observed, 0 for none, NaN for a missing cell."""
    # cBioPortal writes 1:DECEASED and 0:LIVING.
    word = re.sub(r"^([01]):.*", r"\1", re.sub(r"\s+", " ", cell.strip().casefold()))
    if word in MISSING:
        return np.nan
    if word in SEEN or word in NOT_SEEN:
        return float(word in SEEN)
    said = said_to_be_mutated(word)
    if said is None:
        raise HistotransferError(
            path,
            f"column {column!r} holds {cell!r}, which does not say whether the event was observed",
            "Write 1 (observed), 0 (not observed until the time given) or nothing (unknown)",
        )
    return float(said)


def encode(time: Float, event: Float) -> Float:
    """Return the signed times; NaN where the time or the event is NaN.

    Parameters
    ----------
    time : (n, ...) float64
        From the start to the event, or to the end of the follow-up; above 0, in any unit.
    event : (n, ...) float64
        1 where the event was observed, 0 where the follow-up ended without it.

    Raises
    ------
    ValueError
        If a known time is not a number above 0, or a known event neither 0 nor 1.
    """
    known = ~(np.isnan(time) | np.isnan(event))
    if not (np.isfinite(time) & (time > 0))[known].all():
        raise ValueError("a survival time must be a number above 0")
    if not np.isin(event[known], (0, 1)).all():
        raise ValueError("an event must be 0 or 1")
    return np.where(known, np.where(event == 1, time, -time), np.nan)


def time_and_event(truth: Float) -> tuple[Float, Bools]:
    """Return the times, NaN where unknown, and whether the event was observed."""
    return np.abs(truth), truth > 0
