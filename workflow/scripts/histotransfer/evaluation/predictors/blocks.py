"""Blocks: features of several extractors side by side, each with the same weight as the others.

A penalty, or a distance, sees the variance of all features together. Standardised column by column,
a block of 1,024 features would have a thousand times the weight of the patient's age.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .predictor import Bools, Float


def spread(varies: Bools, widths: Sequence[int]) -> Float:
    """Return by what standardised features are divided so that all blocks vary alike.

    Each of B blocks then has a total variance of D/B, where D is that of the features together: the
    number of those that vary. So penalties mean what they mean for D features of one extractor, and
    blocks of the same width stay as they are.

    Parameters
    ----------
    varies : (d,) bool
        Which features vary among the training samples.
    widths : sequence of int
        How many of the features each block has, in order; none for a single block.

    Returns
    -------
    (d,) float64
    """
    if len(widths) < 2:
        return np.ones(len(varies))
    block = np.repeat(np.arange(len(widths)), widths)
    varying = np.bincount(block[varies], minlength=len(widths))
    share = varying * np.count_nonzero(varying) / max(varying.sum(), 1)
    return np.asarray(np.sqrt(np.where(varying, share, 1.0))[block])
