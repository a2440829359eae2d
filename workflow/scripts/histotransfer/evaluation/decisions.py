"""Three questions about a difference: its direction, its size, and whether it is relevant.

They have different answers. A difference may be decided and yet too small to matter, and one that
is not decided may still be too small to matter, or as large as somebody else found. So each is
answered for itself, here and nowhere else; sentences and figures only report the answers.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy

from .power import detectable_difference, n_to_decide
from .statistics import LEVEL, NOT_ESTIMABLE, OK, UNTESTED, benjamini_hochberg

BETTER, WORSE, UNDECIDED = "better", "worse", "undecided"
"""Directions of a difference, with `UNTESTED` and `NOT_ESTIMABLE`."""
EQUIVALENT, RELEVANT = "no relevant difference", "relevant"
"""Whether a difference is relevant, with `UNDECIDED`."""
AS_PUBLISHED, LARGER, SMALLER, CANNOT_TELL = "as published", "larger", "smaller", "cannot tell"
"""The size of a difference, beside a published one."""

WHY = {
    "no_target": "no target is",
    "no_score": "fewer than two folds have a score",
    "ceiling": "both extractors are right about every sample, so there is no difference to measure",
    "no_variance": "the difference is the same in every fold, or too few folds have a score, which "
    "leaves its error unknown",
}
"""Why a difference is not estimable, by code."""

MOST_PATIENTS = 1e9
"""More are not told apart: no study decides so small a difference."""
FAMILY = ["task", "baseline", "extractor"]
"""What is tested together: the targets of a task under one pair of extractors."""
Float = npt.NDArray[np.float64]
Words = npt.NDArray[np.str_]


def decide(comparison: pd.DataFrame, *, alpha: float, rope: float) -> pd.DataFrame:
    """Answer the questions of direction and relevance of every difference.

    Parameters
    ----------
    comparison : pandas.DataFrame
        task, baseline, extractor, n, delta, se, df, ci_low, ci_high, p_corrected, q_bh
        (Benjamini–Hochberg's, over the targets of a task and pair), status; any other columns.
    alpha : float
        Level of significance, which q must not exceed.
    rope : float
        Differences within ± this are not relevant.

    Returns
    -------
    pandas.DataFrame
        The rows with these further columns, missing unless the difference was tested:

        direction
            `BETTER` or `WORSE` if q_bh ≤ alpha, else `UNDECIDED`; `UNTESTED` and `NOT_ESTIMABLE`
            as their status says.
        q_equivalent
            Benjamini–Hochberg's q of `equivalence_p`, over the same family as q_bh.
        relevance
            `EQUIVALENT` if q_equivalent ≤ alpha; `RELEVANT` if the direction is decided and the
            95 % interval lies beyond ±rope; else `UNDECIDED`.
        level
            The largest p that would have decided its direction (`levels`).
        detectable, n_to_decide
            See `power`, at this level; the latter only of an undecided difference, and at most
            `MOST_PATIENTS`.
    """
    table = comparison.reset_index(drop=True)
    tested = table["status"].eq(OK).to_numpy()
    number = {
        name: np.where(tested, table[name].to_numpy(dtype=np.float64, na_value=np.nan), np.nan)
        for name in ("n", "delta", "se", "df", "ci_low", "ci_high", "p_corrected", "q_bh")
    }
    significant = number["q_bh"] <= alpha
    family = [table[name] for name in FAMILY]
    level = _by(family, number["p_corrected"], lambda p: levels(p, alpha))
    p = equivalence_p(number["delta"], number["se"], number["df"], rope)
    q = _by(family, p, benjamini_hochberg)
    direction = directions(number["delta"], significant, table["status"].to_numpy(dtype=str))
    spread = number["se"], number["df"], level
    needed = np.minimum(n_to_decide(number["n"], number["delta"], *spread), MOST_PATIENTS)
    return table.assign(
        direction=direction,
        q_equivalent=q,
        relevance=relevances(number["ci_low"], number["ci_high"], q <= alpha, significant, rope),
        level=level,
        detectable=detectable_difference(*spread),
        n_to_decide=np.where(direction == UNDECIDED, needed, np.nan),
    )


def _by(family: list[pd.Series], values: Float, change: Callable[[pd.Series], Float]) -> Float:
    """Apply a function to the values of each family."""
    return pd.Series(values).groupby(family, sort=False).transform(change).to_numpy()


def directions(delta: Float, significant: npt.NDArray[np.bool_], status: Words) -> Words:
    """Return the direction of each difference, given whether its adjusted p is significant."""
    return np.select(
        [status == UNTESTED, status != OK, significant & (delta > 0), significant & (delta < 0)],
        [UNTESTED, NOT_ESTIMABLE, BETTER, WORSE],
        UNDECIDED,
    )


def equivalence_p(delta: Float, se: Float, df: Float, rope: float) -> Float:
    """Return the p of two one-sided tests of a difference outside ±rope.

    It is at most 0.05 if and only if the 90 % interval lies inside ±rope. Schuirmann, J
    Pharmacokinet Biopharm 1987;15:657; Lakens, Soc Psychol Personal Sci 2017;8:355.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        below, above = (delta + rope) / se, (rope - delta) / se
    return np.asarray(np.maximum(scipy.stats.t.sf(below, df), scipy.stats.t.sf(above, df)))


def relevances(
    low: Float,
    high: Float,
    equivalent: npt.NDArray[np.bool_],
    significant: npt.NDArray[np.bool_],
    rope: float,
) -> Words:
    """Return whether each difference is relevant, given its 95 % interval and both tests."""
    beyond = significant & ((low > rope) | (high < -rope))
    words = np.select([np.isnan(low), equivalent, beyond], ["", EQUIVALENT, RELEVANT], UNDECIDED)
    return np.asarray(words)


def levels(p: npt.ArrayLike, alpha: float) -> Float:
    """Return, of each test of a family, the largest p with which Benjamini–Hochberg would reject.

    Everything else being as it is: with the p of one test set to 0, the procedure rejects some R of
    the m tests, and it rejects this one whenever its p is at most alpha × R / m. The level of a
    single test is alpha. NaN are not part of the family and stay NaN.
    """
    values = np.asarray(p, dtype=np.float64)
    given = np.isfinite(values)
    own, m = values[given], int(given.sum())
    rank = np.arange(1, m + 1)
    below = np.searchsorted(np.sort(own), alpha * rank / m, side="right")
    rejected = rank[below >= rank].max(initial=0)
    # Of a test that is not rejected: the last rank that one more small p would carry it to.
    possible = rank[below >= rank - 1]
    reached = possible[np.searchsorted(possible, m * own / alpha, side="left") - 1]
    level = np.full(values.shape, np.nan)
    level[given] = alpha * np.where(m * own <= alpha * rejected, rejected, reached) / m
    return level


def size_beside(
    low: float, high: float, published: float, *, none: float, rounding: float = 0.0
) -> str:
    """Compare a 95 % interval with a published size, which counts as known up to its rounding.

    Parameters
    ----------
    low, high : float
        The interval of this study.
    published : float
        The published size.
    none : float
        The size that would mean the opposite: no difference, or the other extractor's level.
    rounding : float
        Half of the published number's last digit.

    Returns
    -------
    str
        `AS_PUBLISHED` if the interval includes the published size and not `none`, `CANNOT_TELL` if
        it includes both, `LARGER` or `SMALLER` if it lies beside the published size, "" if it is
        missing.
    """
    if np.isnan([low, high]).any():
        return ""
    if low > published + rounding:
        return LARGER
    if high < published - rounding:
        return SMALLER
    return CANNOT_TELL if low <= none <= high else AS_PUBLISHED


def average(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row about the mean difference over the targets that were tested.

    Parameters
    ----------
    rows : pandas.DataFrame
        Of one family, as for `decide`.

    Returns
    -------
    pandas.DataFrame
        A row that `decide` accepts: one question, so its q_bh is its p. `n` is the median. How the
        targets' errors are correlated is not known, so `se` is the mean of theirs, which the
        standard error of a mean cannot exceed, and `df` the smallest: the interval holds however
        they are correlated. If no target was tested, the status is `UNTESTED` if one might have
        been, and else `NOT_ESTIMABLE`.
    """
    tested = rows[rows["status"] == OK]
    names = ("baseline_mean", "extractor_mean", "delta", "se")
    means = {name: float(tested[name].mean()) for name in names}
    delta, se, df = means["delta"], means["se"], float(tested["df"].min())
    half = se * scipy.stats.t.isf((1 - LEVEL) / 2, df)
    p = 2 * scipy.stats.t.sf(abs(delta) / se, df)
    possible = UNTESTED if (rows["status"] == UNTESTED).any() else NOT_ESTIMABLE
    return rows.head(1).assign(
        **means,
        target="",
        n=round(rows["n"].median()),
        df=df,
        ci_low=delta - half,
        ci_high=delta + half,
        p_corrected=p,
        q_bh=p,
        status=OK if len(tested) else possible,
    )


def why_not_estimable(table: pd.DataFrame) -> Words:
    """Return a code of `WHY` for each row whose direction is not estimable, else "".

    A row without a target is a mean over targets.
    """
    means = table[["baseline_mean", "extractor_mean"]].to_numpy(dtype=np.float64)
    undefined, perfect = np.isnan(means).any(axis=1), (means > 1 - 1e-9).all(axis=1)
    mean = table["target"].to_numpy() == ""
    other = table["direction"].to_numpy(dtype=str) != NOT_ESTIMABLE
    cases = [other, mean, undefined, perfect]
    return np.select(cases, ["", "no_target", "no_score", "ceiling"], "no_variance")
