"""Shuffled labels: what the whole pipeline gives where there is nothing to find."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .predictors.predictor import Float, Ints


def shuffled(truth: Float, group: pd.Series[str], rng: np.random.Generator) -> Ints:
    """Return (n,) whose labels each sample gets: all of that sample's targets as a block.

    Labels are exchanged within each group. Samples that are alone in theirs, as patients are where
    splits keep only patients together, exchange labels with each other. Where all labels of each
    group are the same, as if the group had been labelled, they say nothing within it; then the
    order of the groups is drawn, and each sample gets a label of the sample in its place.

    Parameters
    ----------
    truth : (n, t) float64
        Labels, NaN where one is missing.
    group : pandas.Series of str
        Of each sample: what never stands on both sides of a split.
    rng : numpy.random.Generator
    """
    codes, names = pd.factorize(group)
    size = np.bincount(codes)
    source = np.arange(len(codes))
    alike = pd.DataFrame(truth).groupby(codes).nunique(dropna=False).le(1).all(axis=None)
    if alike and len(names) < len(codes):
        place = rng.permutation(len(names))
        source[np.argsort(codes, kind="stable")] = np.argsort(place[codes], kind="stable")
        return source
    alone = np.flatnonzero(size[codes] == 1)
    for members in (alone, *(np.flatnonzero(codes == one) for one in np.flatnonzero(size > 1))):
        source[members] = rng.permutation(members)
    return source
