"""Repeated cross-validation: out-of-fold predictions of one extractor for one block of repeats."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from threadpoolctl import threadpool_limits

from ..core.errors import HistotransferError
from ..core.hdf5 import create_store, open_store
from ..core.tables import read_table
from ..labels.files import read_labels_file
from ..study.tasks import PredictorParameters
from .kinds import KINDS
from .predictions import SCHEMA
from .predictors.predictor import Float, Ints
from .splits import SPLITS, fold_of_samples


@dataclass(frozen=True)
class Data:
    """What a task predicts, and from what.

    The n samples are those that have features, sorted; (n, d) features, (n, t) truth as of
    `TaskKind.truth`, and t targets: genes or classes.
    """

    samples: tuple[str, ...]
    features: Float
    truth: Float
    targets: tuple[str, ...]


def run_block(
    features_path: str | Path,
    labels_path: str | Path,
    splits_path: str | Path,
    out_path: str | Path,
    *,
    parameters: PredictorParameters,
    task: str,
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
        ``pooled/{extractor}.h5``, or the feature file of the dataset for a task of patches.
    out_path : str or Path
        ``cv/{task}/{extractor}/{block}.h5``: predictions (repeats, samples, targets) f4, NaN where
        a sample lacks the label or could not be predicted; hyper (repeats, folds, targets) f4, the
        chosen alpha or C, or the number of the setting among the attribute `grid`.
    parameters, task, extractor
        By what which task is predicted from whose features.
    repeats, seed, threads
        The block, what draws the inner folds, and how many repeats run beside each other.

    Raises
    ------
    HistotransferError
        If the files do not fit each other, or a feature is not a number.
    """
    kind = KINDS[parameters.kind]
    samples, data = read_data(features_path, labels_path, parameters.kind, extractor)
    splits = read_table(splits_path, SPLITS, task=task)
    folds = int(splits["fold"].max()) + 1
    folds_of = [fold_of_samples(splits, repeat, data.samples, splits_path) for repeat in repeats]
    predictor = kind.predictor(parameters).prepared(data.features)
    # A target that cannot be estimated counts as unlabelled.
    truth = np.where(kind.estimable(data.truth, folds), data.truth, np.nan)

    n, t = len(samples), len(data.targets)
    has_features = np.isin(samples, data.samples)
    predictions = np.full((len(repeats), n, t), np.nan, dtype=np.float32)
    hyper = np.full((len(repeats), folds, t), np.nan, dtype=np.float32)

    def predict(repeat: int, fold_of: Ints) -> tuple[Float, Float]:
        return predictor.out_of_fold(data.features, truth, fold_of, folds, seed, repeat)

    with threadpool_limits(limits=1), ThreadPoolExecutor(threads) as pool:
        for position, (predicted, chosen) in enumerate(pool.map(predict, repeats, folds_of)):
            labelled = np.where(np.isfinite(truth), predicted, np.nan)
            predictions[position, has_features], hyper[position] = labelled, chosen

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
        store.create_dataset("repeat", data=np.asarray(repeats, dtype=np.int32))
        store.create_dataset("sample", data=np.array(samples, dtype=object), dtype=text)
        store.create_dataset("target", data=np.array(data.targets, dtype=object), dtype=text)


def read_data(
    features_path: str | Path, labels_path: str | Path, kind: str, extractor: str
) -> tuple[list[str], Data]:
    """Return a task's samples, sorted, and the data of those that have features: at least one."""
    labels = read_labels_file(labels_path)
    names, features = read_features(features_path, kind, extractor)
    row = {name: number for number, name in enumerate(names)}
    samples = sorted(labels.samples)
    if not (known := [sample for sample in samples if sample in row]):
        raise HistotransferError(
            features_path, f"shares no sample with {labels_path}", "Check the ids of both"
        )
    targets = KINDS[kind].targets(labels, known)
    return samples, Data(
        tuple(known),
        features[[row[sample] for sample in known]],
        KINDS[kind].truth(labels, known, targets),
        tuple(targets),
    )


def read_features(path: str | Path, kind: str, extractor: str) -> tuple[list[str], Float]:
    """Return the ids and (n, d) float64 features of a kind's samples: patches or patients."""
    schema, ids = ("features/1", "names") if KINDS[kind].of_patches else ("pooled/1", "patient")
    with open_store(path, schema, extractor=extractor) as store:
        names = [str(name) for name in store[ids].asstr()[:]]
        features = store["features"][:].astype(np.float64)
    if (bad := ~np.isfinite(features).all(axis=1)).any():
        raise HistotransferError(
            path,
            f"holds features of {names[int(bad.argmax())]} that are not finite numbers",
            "Delete the file and extract the features again; float32 holds what float16 cannot",
        )
    return names, features
