"""Repeated cross-validation: out-of-fold predictions of one extractor for one block of repeats."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from ..core.errors import HistotransferError
from ..core.hdf5 import create_store, open_store
from ..core.tables import read_table
from .predictors import linear, scikit_learn
from .splits import STREAM

INNER_FOLDS = 5

Float = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Data:
    """What a task predicts, and from what.

    Attributes
    ----------
    features : (n, d) float64
    labels : (n, t) float64
        NaN where a sample lacks a label; for tissue (n, 1) with the index of the class.
    targets : tuple of str
        The columns of the predictions: genes or classes.
    """

    features: Float
    labels: Float
    targets: tuple[str, ...]


def run_block(
    features_path: str | Path,
    labels_path: str | Path,
    splits_path: str | Path,
    out_path: str | Path,
    *,
    task: Mapping[str, Any],
    task_name: str,
    extractor: str,
    repeats: Sequence[int],
    seed: int,
    threads: int,
) -> None:
    """Cross-validate one task on one extractor's features for some of the repeats.

    The bytes written for a repeat depend neither on the other repeats of the block nor on the
    number of threads: BLAS runs on one thread, and repeats run beside each other.

    Parameters
    ----------
    features_path : str or Path
        ``pooled/{extractor}.h5``, or for tissue the feature file of the dataset.
    labels_path, splits_path : str or Path
        ``labels/{task}.tsv`` and ``splits/{task}.tsv``.
    out_path : str or Path
        ``cv/{task}/{extractor}/{block}.h5``: predictions (repeats, samples, targets) f4, NaN where
        a sample lacks the label or could not be predicted; hyper (repeats, folds, targets) f4, the
        chosen alpha or C, or the number of the setting among the attribute `grid`.
    task : mapping
        The task's entry in the config.
    task_name, extractor : str
        Recorded in the file.
    repeats : sequence of int
        The block.
    seed : int
        Draws the inner folds.
    threads : int
        Number of repeats computed beside each other.

    Raises
    ------
    HistotransferError
        If the files do not fit each other, or a feature is not a number.
    """
    kind = str(task["kind"])
    samples, has_features, data = read_data(features_path, labels_path, kind)
    splits = read_table(splits_path, sample="str")
    n, t = len(samples), len(data.targets)
    folds = int(splits["fold"].max()) + 1
    predictions = np.full((len(repeats), n, t), np.nan, dtype=np.float32)
    hyper = np.full((len(repeats), folds, t), np.nan, dtype=np.float32)

    fold_of = [
        fold_of_samples(splits, repeat, samples, splits_path)[has_features] for repeat in repeats
    ]
    predict = _predictor(data, dict(task), folds, seed)
    with threadpool_limits(limits=1), ThreadPoolExecutor(threads) as pool:
        for position, (predicted, chosen) in enumerate(pool.map(predict, repeats, fold_of)):
            predictions[position, has_features], hyper[position] = predicted, chosen

    attrs = {
        "task": task_name,
        "kind": kind,
        "extractor": extractor,
        "predictor": task["predictor"],
        # Of the further predictors, `hyper` holds which of these was chosen.
        "grid": json.dumps(scikit_learn.settings(task["grid"])) if "grid" in task else "",
        "n_without_features": int((~has_features).sum()),
    }
    with create_store(out_path, "cv/1", attrs) as store:
        text = h5py.string_dtype()
        store.create_dataset("predictions", data=predictions)
        store.create_dataset("hyper", data=hyper)
        store.create_dataset("repeat", data=np.asarray(repeats, dtype=np.int32))
        store.create_dataset("sample", data=samples.to_numpy(dtype=object), dtype=text)
        store.create_dataset("target", data=np.array(data.targets, dtype=object), dtype=text)


def read_data(
    features_path: str | Path, labels_path: str | Path, kind: str
) -> tuple[pd.Series[str], npt.NDArray[np.bool_], Data]:
    """Read the labels of a task's samples, in their order, and the features of those that have any.

    Parameters
    ----------
    features_path, labels_path : str or Path
        As for `run_block`.
    kind : {"tissue", "expression", "mutation"}

    Returns
    -------
    samples : (n,) str
        Sorted.
    has_features : (n,) bool
    data : Data
        Of the samples that have features.

    Raises
    ------
    HistotransferError
        If no sample has features.
    """
    types = {"sample": "str", "group": "str", "tissue": "str"}
    labels = read_table(labels_path, **types).sort_values("sample", ignore_index=True)
    known, features = read_features(features_path, kind)
    row = labels["sample"].map(pd.Series(np.arange(len(known)), index=known))
    has_features = row.notna().to_numpy()
    if not has_features.any():
        raise HistotransferError(
            features_path, f"shares no sample with {labels_path}", "Check the ids of both"
        )
    data = _data(labels[has_features], features[row[has_features].astype(int)], kind)
    return labels["sample"], has_features, data


def read_features(path: str | Path, kind: str) -> tuple[list[str], Float]:
    """Return the ids and (n, d) float64 features of patients, or of a dataset's patches."""
    schema, ids = ("features/1", "names") if kind == "tissue" else ("pooled/1", "patient")
    with open_store(path, schema) as store:
        names = [str(name) for name in store[ids].asstr()[:]]
        features = store["features"][:].astype(np.float64)
    bad = ~np.isfinite(features).all(axis=1)
    if bad.any():
        raise HistotransferError(
            path,
            f"holds features of {names[int(bad.argmax())]} that are not finite numbers",
            "Delete the file and extract the features again; float32 holds what float16 cannot",
        )
    return names, features


def _data(labels: pd.DataFrame, features: Float, kind: str) -> Data:
    if kind == "tissue":
        classes = sorted(labels["tissue"].unique())
        codes = labels["tissue"].map({name: code for code, name in enumerate(classes)})
        return Data(features, codes.to_numpy(dtype=np.float64)[:, None], tuple(classes))
    values = labels.drop(columns="sample")
    return Data(features, values.to_numpy(dtype=np.float64), tuple(values.columns))


def fold_of_samples(
    splits: pd.DataFrame, repeat: int, samples: pd.Series[str], splits_path: str | Path
) -> Ints:
    """Return the fold of each sample in a repeat."""
    drawn = splits[splits["repeat"] == repeat].set_index("sample")["fold"]
    fold = samples.map(drawn)
    if fold.isna().any():
        raise HistotransferError(
            splits_path,
            f"has no fold for sample {samples[fold.isna().to_numpy()].iloc[0]} in repeat {repeat}",
            "Delete the file and run the workflow again to draw the splits anew",
        )
    return fold.to_numpy(dtype=np.int64)


def _predictor(
    data: Data, task: Mapping[str, Any], folds: int, seed: int
) -> Callable[[int, Ints], tuple[Float, Float]]:
    """Return what maps a repeat and the fold of each sample to predictions and hyper-parameters.

    Predictions are (n, targets), out of fold; hyper-parameters (folds, targets).
    """
    if task["kind"] == "tissue" and task["predictor"] == "logistic":
        c, k = float(task["inverse_penalty"]), len(data.targets)
        classes = data.labels[:, 0].astype(np.int64)
        tall = data.features.shape[0] > data.features.shape[1]
        axes = linear.principal_axes(data.features) if tall else None

        def tissue(_: int, fold_of: Ints) -> tuple[Float, Float]:
            predicted = linear.multinomial(data.features, classes, fold_of, k, c, axes)
            return predicted, np.full((folds, k), c)

        return tissue

    def genes(repeat: int, fold_of: Ints) -> tuple[Float, Float]:
        predictions = np.full((len(fold_of), len(data.targets)), np.nan)
        hyper = np.full((folds, len(data.targets)), np.nan)
        for fold in range(folds):
            test = fold_of == fold
            stream = [seed, STREAM["inner folds"], repeat, fold]
            predictions[test], hyper[fold] = _predict_fold(data, task, folds, test, stream)
        return predictions, hyper

    return genes


def _predict_fold(
    data: Data,
    task: Mapping[str, Any],
    folds: int,
    test: npt.NDArray[np.bool_],
    stream: Sequence[int],
) -> tuple[Float, Float]:
    """Return the (m, t) predictions of the test samples and the (t,) hyper-parameters chosen."""
    if task["kind"] == "tissue":
        classes = data.labels[~test, 0].astype(np.int64)
        fitted, choice = _by_scikit_learn(
            task, data.features[~test], classes, data.features[test], stream
        )
        probabilities = np.zeros((int(test.sum()), len(data.targets)))
        probabilities[:, np.unique(classes)] = fitted
        return probabilities, np.full(len(data.targets), float(choice))
    labelled = np.isfinite(data.labels)
    predictions = np.full((int(test.sum()), len(data.targets)), np.nan)
    hyper = np.full(len(data.targets), np.nan)
    usable = np.flatnonzero(labelled[~test].sum(axis=0) >= 2)
    if task["kind"] == "mutation":
        usable = np.flatnonzero(estimable(data.labels, folds) & _fittable(data.labels[~test]))
    # Targets that lack the same samples share one rotation; most tables have a single pattern.
    patterns, member = np.unique(labelled[~test][:, usable], axis=1, return_inverse=True)
    for number, pattern in enumerate(patterns.T):
        targets = usable[member == number]
        rows = np.flatnonzero(~test)[pattern]
        values = data.labels[np.ix_(rows, targets)]
        if task["predictor"] in scikit_learn.NAMES:
            for target, column in zip(targets, values.T, strict=True):
                fitted, choice = _by_scikit_learn(
                    task, data.features[rows], column, data.features[test], stream
                )
                predictions[:, target], hyper[target] = fitted[:, -1], choice
            continue
        rotated = linear.rotate(*linear.standardise(data.features[rows], data.features[test]))
        if task["kind"] == "expression":
            predicted, chosen = linear.ridge(rotated, values, task["alphas"])
        else:
            inner = np.column_stack([inner_folds(column, stream) for column in values.T])
            predicted, chosen = linear.logistic(rotated, values, inner, task["inverse_penalties"])
        predictions[:, targets], hyper[targets] = predicted, chosen
    predictions[~labelled[test]] = np.nan
    return predictions, hyper


def predict_rows(
    data: Data,
    task: Mapping[str, Any],
    fold_of: Ints,
    fold: int,
    rows: Float,
    *,
    repeat: int,
    seed: int,
) -> Float:
    """Predict rows that are no samples of the task by the model that a test fold was predicted by.

    Parameters
    ----------
    data : Data
        The task's samples.
    task : mapping
        The task's entry in the config, of kind expression or mutation.
    fold_of : (n,) int
        The fold of each sample in the repeat.
    fold : int
        The test fold: the model is fitted on all the others.
    rows : (m, d) float64
        Features to predict from.
    repeat, seed : int
        Draw the inner folds, as in the cross-validation.

    Returns
    -------
    (m, t) float64
        NaN of a target that cannot be estimated.
    """
    train = fold_of != fold
    # The rows stand in the test fold's place; their labels only say that a prediction is wanted.
    wanted = np.zeros((len(rows), len(data.targets)))
    both = Data(
        np.vstack([data.features[train], rows]),
        np.vstack([data.labels[train], wanted]),
        data.targets,
    )
    test = np.arange(len(both.features)) >= int(train.sum())
    folds = int(fold_of.max()) + 1
    stream = [seed, STREAM["inner folds"], repeat, fold]
    return _predict_fold(both, task, folds, test, stream)[0]


def _by_scikit_learn(
    task: Mapping[str, Any],
    train: Float,
    labels: npt.NDArray[Any],
    test: Float,
    stream: Sequence[int],
) -> tuple[Float, int]:
    """Fit one target with one of the further predictors; see `scikit_learn.fit_predict`."""
    seed, _, repeat, fold = stream
    kind = str(task["kind"])
    strata = np.zeros(len(labels)) if kind == "expression" else labels
    entropy = [seed, STREAM["predictor"], repeat, fold]
    return scikit_learn.fit_predict(
        task["predictor"],
        kind,
        train,
        labels,
        test,
        grid=task["grid"],
        inner=inner_folds(strata, stream),
        seed=int(np.random.SeedSequence(entropy).generate_state(1)[0]),
    )


def estimable(labels: Float, folds: int) -> npt.NDArray[np.bool_]:
    """Tell of each 0/1 target (NaN: missing) whether each class has a sample for every fold."""
    positives, negatives = (labels == 1).sum(axis=0), (labels == 0).sum(axis=0)
    enough: npt.NDArray[np.bool_] = np.minimum(positives, negatives) >= folds
    return enough


def _fittable(training_labels: Float) -> npt.NDArray[np.bool_]:
    """Two samples of each class, so that every inner training set has one of each."""
    return estimable(training_labels, 2)


def inner_folds(labels: Float, stream: Sequence[int]) -> Ints:
    """Deal the samples of one target to the inner folds, class by class in random order.

    Each target is dealt from the same fresh stream, so that its folds do not depend on which other
    targets the task has.
    """
    rng = np.random.default_rng(stream)
    order = np.lexsort((rng.random(len(labels)), labels))
    fold = np.empty(len(labels), dtype=np.int64)
    fold[order] = np.arange(len(labels)) % INNER_FOLDS
    return fold
