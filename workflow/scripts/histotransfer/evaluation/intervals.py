"""The interval of a fraction."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Z95 = 1.959963984540054
"""97.5 % quantile of the normal distribution."""


def wilson(fraction: ArrayLike, n: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the 95 % Wilson score interval of a fraction.

    Parameters
    ----------
    fraction : array_like
        Observed fractions, such as accuracies; a mean over repeats need not be a count over `n`.
    n : array_like
        Numbers of independent observations.

    Returns
    -------
    low, high : numpy.ndarray
        The bounds; NaN where `n` is 0 or missing.

    Notes
    -----
    Wilson EB, J Am Stat Assoc 1927;22:209. Patches of one patient resemble each other, so as an
    interval for an accuracy over patches it is the narrowest that can be defended.
    """
    p = np.asarray(fraction, dtype=float)
    count = np.asarray(n, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        z2_n = Z95**2 / count
        centre = (p + z2_n / 2) / (1 + z2_n)
        half = Z95 / (1 + z2_n) * np.sqrt(p * (1 - p) / count + z2_n / (4 * count))
    return centre - half, centre + half
