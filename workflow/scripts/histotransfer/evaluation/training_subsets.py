"""Nested subsets of training samples, in which a learning curve is traced."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..labels.files import CLASS, TaskLabels
from .kinds import TaskKind
from .predictors.predictor import Bools, Float, Ints
from .splits import stratified_folds

PARTS = 4
"""A fraction of the patients is so many of these parts of each fold."""
FEWEST = 10
"""Training patients below which no fraction is tried."""
LABELS_PER_CLASS = (2, 5, 10, 20, 50, 100)


class Subsets(ABC):
    """Subsets of the samples of one repeat: each size holds the smaller ones.

    Sizes are fractions of the patients, or labels of each class.
    """

    @abstractmethod
    def of(self, size: float, allowed: Bools) -> Bools:
        """Return which of the (n,) allowed samples are in the subset of a size."""

    def of_pair(self, size: float, allowed: Bools, folds: int) -> Bools:
        """Return the subset where two folds are held out: smaller in the same proportion."""
        return self.of(size, allowed)


@dataclass(frozen=True)
class Fractions(Subsets):
    """Fractions of every fold; `part` (n,) says which of `PARTS` parts of its fold a sample is."""

    part: Ints

    def of(self, size: float, allowed: Bools) -> Bools:
        """Return which samples belong to the first parts."""
        return allowed & (self.part < round(size * PARTS))


@dataclass(frozen=True)
class FewLabels(Subsets):
    """As many labels of each class; `codes` (n,) are the classes, `order` (n,) the draw."""

    codes: Ints
    order: Ints

    def of(self, size: float, allowed: Bools) -> Bools:
        """Return which samples are the first of their class."""
        chosen = np.zeros(len(allowed), dtype=bool)
        ordered = self.order[allowed[self.order]]
        rank = pd.Series(self.codes[ordered]).groupby(self.codes[ordered]).cumcount()
        chosen[ordered[rank.to_numpy() < size]] = True
        return chosen

    def of_pair(self, size: float, allowed: Bools, folds: int) -> Bools:
        """Return the subset of k - 2 folds instead of k - 1."""
        return self.of(np.ceil(size * (folds - 2) / (folds - 1)), allowed)


def fractions(
    kind: TaskKind, labels: TaskLabels, fold_of: Ints, rng: np.random.Generator
) -> Fractions:
    """Deal the samples of each fold to `PARTS` parts, alike in size and in the kind's strata.

    Because each fold gives the same share of its samples, the folds relate to each other as in the
    whole cross-validation, and so does the variance of their mean (`FoldScores.variance`).
    """
    strata = kind.strata(labels, int(fold_of.max()) + 1)
    part = np.empty(len(fold_of), dtype=np.int64)
    for fold in np.unique(fold_of):
        own = fold_of == fold
        ones = np.ones(int(own.sum()), dtype=np.int64)
        part[own] = stratified_folds(strata[own], ones, PARTS, rng)
    return Fractions(part)


def few_labels(labels: TaskLabels, fold_of: Ints, rng: np.random.Generator) -> FewLabels:
    """Order the samples at random, so that the first of each class come from all folds in turn."""
    codes, _ = pd.factorize(labels.values[CLASS], sort=True)
    shuffled = rng.permutation(len(codes))
    keys = [codes[shuffled], fold_of[shuffled]]
    rank = pd.Series(0, range(len(codes))).groupby(keys).cumcount().to_numpy()
    order = shuffled[np.lexsort((rng.random(len(codes)), rank))]
    return FewLabels(codes.astype(np.int64), order)


def sizes(labels: TaskLabels, fold_of: Ints, *, of_patches: bool) -> list[float]:
    """Return the sizes below that of the whole training set which every training set allows.

    Of patches, so many labels that each class has them; of patients, fractions of at least `FEWEST`
    training patients, also where two folds are held out.
    """
    k = int(fold_of.max()) + 1
    in_fold = np.bincount(fold_of, minlength=k)
    if not of_patches:
        least = len(fold_of) - np.sort(in_fold)[-2:].sum()
        tried: Float = np.arange(1, PARTS) / PARTS
        return [float(size) for size in tried if size * least >= FEWEST]
    by_class = pd.crosstab(labels.values[CLASS].to_numpy(), fold_of).to_numpy()
    enough = (by_class.sum(axis=1) - by_class.max(axis=1)).min()
    return [float(size) for size in LABELS_PER_CLASS if size < enough]
