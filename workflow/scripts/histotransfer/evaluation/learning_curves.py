"""Learning curves: one extractor's scores on a task after fewer training samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from ..core.hdf5 import create_store, open_store
from ..core.streams import stream
from ..core.tables import read_table
from ..labels.files import TaskLabels, read_labels_file
from ..study.tasks import PredictorParameters
from .cross_validation import Data, Drawn, out_of_fold, read_data
from .fold_scores import FoldScores
from .kinds import KINDS, TaskKind
from .permuted_labels import shuffled
from .predictors.predictor import Bools, Draws, Float, Ints, Predictor
from .splits import SPLITS, fold_of_samples, sites_of
from .training_subsets import Subsets, few_labels, fractions, sizes

SCHEMA = "curves/1"
PAIRED_REPEATS = 1
"""The first repeats in which models are fitted without two folds, too: one tells nearly as much of
the variance as ten (`FoldScores.df`), and these fits are the most."""
FITS = 1000
"""A repeat's fits at a size have numbers of their own, which begin at a multiple of this."""


@dataclass(frozen=True)
class Curve:
    """What a task's learning curve under an extractor holds.

    Attributes
    ----------
    sizes, n_train : (s,) float64
        Fractions of the patients or labels per class, and the mean number of training samples.
    n_full : float
        The mean number of training samples in the whole cross-validation.
    scores : list of FoldScores
        By size, of the primary score of t targets in the first few repeats.
    permuted : (p, k, t) float64
        The scores of the folds after p shuffles of the labels, with all training samples.
    """

    sizes: Float
    n_train: Float
    n_full: float
    scores: list[FoldScores]
    permuted: Float


def trace_curve(
    features_paths: Sequence[str | Path],
    labels_path: str | Path,
    splits_path: str | Path,
    out_path: str | Path,
    *,
    parameters: PredictorParameters,
    task: str,
    extractor: str,
    parts: Sequence[str],
    of_patches: bool,
    group_by: str,
    seed: int,
    sites: Mapping[str, str] | None = None,
) -> None:
    """Score an extractor on a task after training on fewer samples, and on shuffled labels.

    Repeats, folds and held-out samples are those of the splits, which are the first few of the
    cross-validation. Each training fold is thinned out to nested subsets (`training_subsets`), and
    the predictor is fitted and tuned again in each of them, in the first repeat also without each
    pair of folds, for the variance of the mean (`FoldScores.variance`). A predictor that cannot be
    fitted to so few samples has no score there.

    Parameters
    ----------
    features_paths, labels_path, splits_path, parameters, task, extractor, parts, seed
        As for `cross_validation.run_block`.
    out_path : str or Path
        A ``curves/1`` store, which `read_curve` reads.
    of_patches : bool
        Whether sizes are labels per class instead of fractions of the patients.
    group_by, sites
        As for `splits.write_splits`; within these groups labels are shuffled (`shuffled`).
    """
    kind = KINDS[parameters.kind]
    _, data = read_data(dict(zip(parts, features_paths, strict=True)), labels_path, kind)
    splits = read_table(splits_path, SPLITS, task=task)
    folds = int(splits["fold"].max()) + 1
    drawn = [
        Drawn(fold_of_samples(splits, repeat, data.samples, splits_path), folds, seed, repeat)
        for repeat in sorted(splits["repeat"].unique().tolist())
    ]
    every = read_labels_file(labels_path)
    labels = TaskLabels(every.group.loc[[*data.samples]], every.values.loc[[*data.samples]])
    group = labels.group
    if group_by == "site" and not of_patches:
        group = sites_of(data.samples, labels_path, sites)
    predictor = data.fitted_to(kind.predictor(parameters))
    truth = np.where(kind.estimable(data.truth, folds), data.truth, np.nan)
    with threadpool_limits(limits=1):
        task_of = _Task(kind, data, truth, predictor, labels, of_patches)
        found = [task_of.repeat(one) for one in drawn]
        permuted = np.array([task_of.permuted(one, group) for one in drawn])
    tried = sorted({size for repeat in found for size in repeat})
    # Folds of different repeats may allow different sizes; those count that all of them allow.
    tried = [size for size in tried if all(size in repeat for repeat in found)]
    n_full = np.mean([len(truth) - (one.fold_of == f).sum() for one in drawn for f in range(folds)])
    shape = (len(tried), len(drawn), folds)
    t = len(task_of.scored)
    attrs = {"task": task, "extractor": extractor, "n_full": float(n_full)}
    with create_store(out_path, SCHEMA, attrs) as store:
        store["sizes"] = np.array(tried, dtype=np.float64)
        for place, (name, inner) in enumerate(
            {"n_train": (), "folds": (t,), "pairs": (folds, t)}.items()
        ):
            values = [[repeat[size][place] for repeat in found] for size in tried]
            store[name] = np.array(values, dtype=np.float32).reshape(*shape, *inner)
        store["permuted"] = permuted.astype(np.float32)
        names = np.array(task_of.scored, dtype=object)
        store.create_dataset("target", data=names, dtype=h5py.string_dtype())


@dataclass(frozen=True)
class _Task:
    """A task under one extractor."""

    kind: TaskKind
    data: Data
    truth: Float
    predictor: Predictor
    labels: TaskLabels
    of_patches: bool

    @property
    def scored(self) -> list[str]:
        """The targets of the primary score."""
        nothing = np.empty((0, len(self.data.targets)))
        return [str(name) for name in self._primary(nothing, nothing)["target"]]

    def _primary(self, truth: Float, predicted: Float) -> pd.DataFrame:
        return self.kind.primary(truth, predicted, self.data.targets)

    def repeat(self, drawn: Drawn) -> Mapping[float, tuple[Float, Float, Float]]:
        """Return, by size, the (k,) numbers of training samples, (k, t) and (k, k, t) scores."""
        rng = stream(drawn.seed, "learning curve", drawn.repeat)
        subsets: Subsets
        if self.of_patches:
            subsets = few_labels(self.labels, drawn.fold_of, rng)
        else:
            subsets = fractions(self.kind, self.labels, drawn.fold_of, rng)
        tried = sizes(self.labels, drawn.fold_of, of_patches=self.of_patches)
        return {
            size: self._at(size, subsets, drawn, FITS * (1 + place))
            for place, size in enumerate(tried)
        }

    def _at(
        self, size: float, subsets: Subsets, drawn: Drawn, first: int
    ) -> tuple[Float, Float, Float]:
        k, t = drawn.folds, len(self.scored)
        n_train = np.zeros(k)
        folds, pairs = np.full((k, t), np.nan), np.full((k, k, t), np.nan)
        held_out: list[tuple[int, ...]] = [(fold,) for fold in range(k)]
        if drawn.repeat < PAIRED_REPEATS:
            held_out += combinations(range(k), 2)
        for away, draws in zip(held_out, drawn.draws(first, len(held_out)), strict=True):
            allowed = ~np.isin(drawn.fold_of, away)
            if len(away) == 1:
                train = subsets.of(size, allowed)
                n_train[away[0]] = train.sum()
            else:
                train = subsets.of_pair(size, allowed, k)
            for fold, other, score in self._scores(train, away, drawn.fold_of, draws):
                if other is None:
                    folds[fold] = score
                else:
                    pairs[fold, other] = score
        return n_train, folds, pairs

    def _scores(
        self, train: Bools, away: tuple[int, ...], fold_of: Ints, draws: Draws
    ) -> Iterator[tuple[int, int | None, Float]]:
        """Yield each fold that is held out, the other one if there is one, and its scores."""
        try:
            model = self.predictor.fit(self.data.features[train], self.truth[train], draws)
            tested = [fold_of == fold for fold in away]
            predicted = [model.predict(self.data.features[test]) for test in tested]
        except ValueError:
            return  # such as more neighbours than samples
        for number, fold in enumerate(away):
            score = self._primary(self.truth[tested[number]], predicted[number])["value"].to_numpy()
            yield fold, (away[1 - number] if len(away) == 2 else None), score

    def permuted(self, drawn: Drawn, group: pd.Series[str]) -> Float:
        """Return the (k, t) scores of a repeat's folds if labels are shuffled."""
        rng = stream(drawn.seed, "permuted labels", drawn.repeat)
        truth = self.truth[shuffled(self.truth, group, rng)]
        predicted, _ = out_of_fold(self.predictor, self.data.features, truth, drawn)
        tested = [drawn.fold_of == fold for fold in range(drawn.folds)]
        return np.array([self._primary(truth[t], predicted[t])["value"] for t in tested])


def read_curve(
    path: str | Path, kind: TaskKind, targets: Sequence[str], *, task: str, extractor: str
) -> Curve:
    """Read what `trace_curve` wrote of a task of this kind, with the targets in this order."""
    with open_store(path, SCHEMA, task=task, extractor=extractor) as store:
        place = {str(name): number for number, name in enumerate(store["target"].asstr()[:])}
        order = [place[target] for target in targets]
        values = {
            name: store[name][:].astype(np.float64) for name in ("folds", "pairs", "permuted")
        }
        folds, pairs, permuted = (values[name][..., order] for name in values)
        return Curve(
            store["sizes"][:],
            store["n_train"][:].astype(np.float64).mean(axis=(1, 2)),
            float(store.attrs["n_full"]),
            [
                FoldScores(own, of_pairs[:PAIRED_REPEATS], kind.grouped, kind.correlation)
                for own, of_pairs in zip(folds, pairs, strict=True)
            ],
            permuted,
        )
