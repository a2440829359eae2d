"""Repeated cross-validation: out-of-fold predictions of one extractor for one block of repeats."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import h5py
import numpy as np
from threadpoolctl import threadpool_limits

from ..core.errors import HistotransferError
from ..core.hdf5 import create_store, open_store
from ..core.tables import read_table
from ..labels.files import read_labels_file
from ..study.tasks import PredictorParameters
from .fold_scores import PAIRED_REPEATS
from .kinds import KINDS, TaskKind
from .predictions import SCHEMA
from .predictors.encoded import Encoded
from .predictors.predictor import Draws, Float, Ints, Predictor
from .splits import SPLITS, fold_of_samples

IDS = {"features/1": "names", "pooled/1": "patient", "covariates/1": "patient"}
"""Where files of features of patches, and of patients, have the samples' ids."""


@dataclass(frozen=True)
class Data:
    """What a task predicts, and from what.

    The n samples are those that have features, sorted; (n, d) features, (n, t) truth as of
    `TaskKind.truth`, and t targets: genes or classes. The features are blocks of `widths` side by
    side, and after them the clinical covariates, if there are any: `is_category` tells of each
    whether it is one of categories.
    """

    samples: tuple[str, ...]
    features: Float
    truth: Float
    targets: tuple[str, ...]
    widths: tuple[int, ...]
    is_category: tuple[bool, ...] = ()

    def fitted_to(self, predictor: Predictor) -> Predictor:
        """Return a predictor that knows the blocks and encodes the covariates."""
        if self.is_category:
            return Encoded(predictor, self.is_category, widths=self.widths)
        return predictor.in_blocks(self.widths).prepared(self.features)


def run_block(
    features_paths: str | Path | Sequence[str | Path],
    labels_path: str | Path,
    splits_path: str | Path,
    out_path: str | Path,
    *,
    parameters: PredictorParameters,
    task: str,
    extractor: str,
    parts: Sequence[str] = (),
    repeats: Sequence[int],
    seed: int,
    threads: int,
) -> None:
    """Cross-validate one task on one extractor's features for some of the repeats.

    The bytes written for a repeat depend neither on the other repeats of the block nor on the
    number of threads: BLAS runs on one thread, and repeats run beside each other.

    Parameters
    ----------
    features_paths : str or Path, or sequence of these
        ``pooled/{extractor}.h5``, or the feature file of the dataset for a task of patches; of an
        extractor of several parts, that of each.
    out_path : str or Path
        ``cv/{task}/{extractor}/{block}.h5``: predictions (repeats, samples, targets) f4, NaN where
        a sample lacks the label or could not be predicted; hyper (repeats, folds, targets) f4, the
        chosen alpha or C, or the number of the setting among the attribute `grid`; without, for
        those of the first `PAIRED_REPEATS` that the block has, (repeats, folds, samples, targets)
        f4, each sample's prediction by the model that was trained without its own fold and that
        one, NaN for its own.
    parameters, task, extractor
        By what which task is predicted from whose features.
    parts : sequence of str
        The extractors whose features these are, in the order of the files; by default `extractor`.
    repeats, seed, threads
        The block, what draws the inner folds, and how many repeats run beside each other.

    Raises
    ------
    HistotransferError
        If the files do not fit each other, or a feature is not a number.
    """
    kind = KINDS[parameters.kind]
    paths = [features_paths] if isinstance(features_paths, str | Path) else features_paths
    files = dict(zip(parts or [extractor], paths, strict=True))
    samples, data = read_data(files, labels_path, kind)
    splits = read_table(splits_path, SPLITS, task=task)
    folds = int(splits["fold"].max()) + 1
    folds_of = [fold_of_samples(splits, repeat, data.samples, splits_path) for repeat in repeats]
    predictor = data.fitted_to(kind.predictor(parameters))
    # A target that cannot be estimated counts as unlabelled.
    truth = np.where(kind.estimable(data.truth, folds), data.truth, np.nan)

    n, t = len(samples), len(data.targets)
    has_features = np.isin(samples, data.samples)
    predictions = np.full((len(repeats), n, t), np.nan, dtype=np.float32)
    hyper = np.full((len(repeats), folds, t), np.nan, dtype=np.float32)

    paired = [repeat for repeat in repeats if repeat < PAIRED_REPEATS]
    without = np.full((len(paired), folds, n, t), np.nan, dtype=np.float32)
    unlabelled = ~np.isfinite(truth)

    def predict(repeat: int, fold_of: Ints) -> tuple[Float, Float, Float | None]:
        drawn = Drawn(fold_of, folds, seed, repeat)
        pairs = None
        if repeat < PAIRED_REPEATS:
            pairs = without_pairs(predictor, data.features, truth, drawn)
        return *out_of_fold(predictor, data.features, truth, drawn), pairs

    with threadpool_limits(limits=1), ThreadPoolExecutor(threads) as pool:
        done = pool.map(predict, repeats, folds_of)
        for position, (repeat, (predicted, chosen, pairs)) in enumerate(
            zip(repeats, done, strict=True)
        ):
            predicted[unlabelled] = np.nan
            predictions[position, has_features], hyper[position] = predicted, chosen
            if pairs is not None:
                pairs[:, unlabelled] = np.nan
                without[paired.index(repeat)][:, has_features] = pairs

    settings = predictor.settings
    attrs = {
        "task": task,
        "kind": parameters.kind,
        "extractor": extractor,
        "predictor": parameters.predictor,
        "grid": json.dumps(settings) if settings else "",
        "n_without_features": int((~has_features).sum()),
    }
    with create_store(out_path, SCHEMA, attrs) as store:
        text = h5py.string_dtype()
        store.create_dataset("predictions", data=predictions)
        store.create_dataset("hyper", data=hyper)
        store.create_dataset("without", data=without)
        store.create_dataset("repeat", data=np.asarray(repeats, dtype=np.int32))
        store.create_dataset("sample", data=np.array(samples, dtype=object), dtype=text)
        store.create_dataset("target", data=np.array(data.targets, dtype=object), dtype=text)


@dataclass(frozen=True)
class Drawn:
    """A repeat: the (n,) fold in which each sample is tested, of how many, and its draws."""

    fold_of: Ints
    folds: int
    seed: int
    repeat: int

    def draws(self, first: int, n: int) -> list[Draws]:
        """Return the draws of n fits, of which the first has this number in the repeat."""
        return [Draws(self.seed, self.repeat, first + number) for number in range(n)]


def out_of_fold(
    predictor: Predictor, features: Float, truth: Float, drawn: Drawn
) -> tuple[Float, Float]:
    """Predict each sample by the model of the training set without its fold.

    Returns (n, t) predictions, and (folds, t) what was chosen.
    """
    masks = drawn.fold_of == np.arange(drawn.folds)[:, None]
    parts, chosen = predictor.held_out(features, truth, masks, drawn.draws(0, drawn.folds))
    predictions = np.full(truth.shape, np.nan)
    for mask, part in zip(masks, parts, strict=True):
        predictions[mask] = part
    return predictions, chosen


def without_pairs(predictor: Predictor, features: Float, truth: Float, drawn: Drawn) -> Float:
    """Predict each sample by the models of the training sets without its fold and another one.

    Returns (folds, n, t) predictions, the first axis being the other fold; NaN for a sample's own.
    `FoldScores.variance` says what they are for.
    """
    pairs = list(combinations(range(drawn.folds), 2))
    masks = np.array([np.isin(drawn.fold_of, pair) for pair in pairs])
    parts, _ = predictor.held_out(features, truth, masks, drawn.draws(drawn.folds, len(pairs)))
    predictions = np.full((drawn.folds, *truth.shape), np.nan)
    for pair, mask, part in zip(pairs, masks, parts, strict=True):
        tested = np.flatnonzero(mask)
        for own, other in (pair, pair[::-1]):
            rows = drawn.fold_of[tested] == own
            predictions[other, tested[rows]] = part[rows]
    return predictions


def read_data(
    files: Mapping[str, str | Path], labels_path: str | Path, kind: TaskKind
) -> tuple[list[str], Data]:
    """Return a task's samples, sorted, and the data of those that have features: at least one.

    `files` are the features by extractor. Of several, samples that all of them have count, and
    clinical covariates come last.
    """
    labels = read_labels_file(labels_path)
    samples = known = sorted(labels.samples)
    parts = []
    for extractor, path in files.items():
        names, features, is_category = read_features(path, extractor)
        row = {name: number for number, name in enumerate(names)}
        if not (known := [sample for sample in known if sample in row]):
            raise HistotransferError(
                path, f"shares no sample with {labels_path}", "Check the ids of both"
            )
        parts.append((row, features, is_category))
    targets = kind.targets(labels, known)
    return samples, Data(
        tuple(known),
        np.hstack([features[[row[sample] for sample in known]] for row, features, _ in parts]),
        kind.truth(labels, known, targets),
        tuple(targets),
        tuple(features.shape[1] for _, features, is_category in parts if not is_category),
        parts[-1][2],
    )


def read_features(path: str | Path, extractor: str) -> tuple[list[str], Float, tuple[bool, ...]]:
    """Return the ids and (n, d) float64 features of the samples of a file: patches or patients.

    Of clinical covariates also tell of each whether it is one of categories.
    """
    with open_store(path, tuple(IDS), extractor=extractor) as store:
        names = [str(name) for name in store[IDS[store.attrs["schema"]]].asstr()[:]]
        features = store["features"][:].astype(np.float64)
        if "is_category" in store:  # whose missing values are NaN
            return names, features, tuple(store["is_category"][:].tolist())
    if (bad := ~np.isfinite(features).all(axis=1)).any():
        raise HistotransferError(
            path,
            f"holds features of {names[int(bad.argmax())]} that are not finite numbers",
            "Delete the file and extract the features again; float32 holds what float16 cannot",
        )
    return names, features, ()
