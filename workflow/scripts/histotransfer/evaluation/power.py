"""What a study could have decided: the smallest detectable difference, and the patients it takes.

Both hold for a difference that is tested by Student's t. If the true difference is δ, the statistic
follows the noncentral t distribution with noncentrality δ/se, so the power depends on that ratio
and on the degrees of freedom alone. Neither is the power "observed" at the observed difference,
which only says the p again (Hoenig & Heisey, Am Stat 2001;55:19): the first does not depend on it,
and the second asks how large a study would have to be if the difference were truly the one
observed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy

POWER = 0.8
"""The probability of deciding that both functions ask for."""

Float = npt.NDArray[np.float64]


def detectable_difference(
    se: npt.ArrayLike, df: npt.ArrayLike, level: npt.ArrayLike, power: float = POWER
) -> Float:
    """Return the smallest true difference that a test decides with the given power.

    Parameters
    ----------
    se : array
        Standard error of the difference.
    df : array
        Degrees of freedom of the test.
    level : array
        The two-sided p at or below which the difference counts as decided.
    power : float
        Probability that it does.

    Returns
    -------
    array
        In the unit of `se`, positive; NaN where one of the inputs is missing.
    """
    return np.asarray(se, dtype=np.float64) * _noncentrality(df, level, power)


def n_to_decide(
    n: npt.ArrayLike,
    delta: npt.ArrayLike,
    se: npt.ArrayLike,
    df: npt.ArrayLike,
    level: npt.ArrayLike,
    power: float = POWER,
) -> Float:
    """Return how many patients decide a true difference `delta` with the given power.

    The standard error is taken to shrink as 1/√n from the `se` that `n` patients gave, and the
    degrees of freedom, which come from the folds, to stay as they are. Better models from more
    patients are not foreseen.

    Parameters
    ----------
    n : array
        Patients of this study, or patches where these are the samples.
    delta : array
        The difference to decide, of either sign.
    se, df, level, power
        As in `detectable_difference`, of this study.

    Returns
    -------
    array
        Rounded up; infinite where `delta` is 0, NaN where one of the inputs is missing.
    """
    size = np.abs(np.asarray(delta, dtype=np.float64))
    with np.errstate(divide="ignore", over="ignore"):
        ratio = detectable_difference(se, df, level, power) / size
        return np.ceil(np.asarray(n, dtype=np.float64) * ratio**2)


def _noncentrality(df: npt.ArrayLike, level: npt.ArrayLike, power: float) -> Float:
    """Return δ/se at which Student's t exceeds its critical value with the given power.

    Rejections on the wrong side are left out: at 80 % power there are fewer than one in 10,000.
    """
    df, level = np.asarray(df, dtype=np.float64), np.asarray(level, dtype=np.float64)
    return np.asarray(scipy.special.nctdtrinc(df, 1 - power, scipy.stats.t.isf(level / 2, df)))
