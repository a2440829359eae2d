"""External validation: the model of all training patients predicts the other cohort, once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from threadpoolctl import threadpool_limits

from ..core.hdf5 import create_store, open_store
from ..core.streams import derived_seed
from ..labels.files import read_labels_file
from ..study.tasks import PredictorParameters
from .cross_validation import read_data
from .kinds import KINDS
from .predictors.predictor import Draws, Float

SCHEMA = "validation/1"


@dataclass(frozen=True)
class ExternalPredictions:
    """(n, t) predictions of the samples of the external cohort; NaN where no model was fitted."""

    values: Float
    samples: list[str]
    targets: list[str]


def predict_externally(
    features: Mapping[str, str | Path],
    labels_path: str | Path,
    external_path: str | Path,
    out_path: str | Path,
    *,
    parameters: PredictorParameters,
    task: str,
    extractor: str,
    folds: int,
    seed: int,
) -> None:
    """Fit a task to all training patients as in a training fold, and predict the other cohort.

    The labels of the external cohort are not read beyond the names of its patients.

    Parameters
    ----------
    features : mapping of extractor to path
        ``pooled/{extractor}.h5``, of the patients of both cohorts; of an extractor that is several
        side by side, all of theirs.
    labels_path, external_path : str or Path
        The labels of the training cohort, and of the external one.
    out_path : str or Path
        ``validation/{task}/{extractor}.h5``: predictions (samples, targets) f4, NaN where no model
        could be fitted; hyper (targets,) f4, what was chosen, as in ``cv/``.
    parameters, task, extractor
        By what which task is predicted from whose features.
    folds : int
        A target that is too rare for cross-validation in so many folds is not fitted here either.
    seed : int
        Draws the inner folds.
    """
    kind = KINDS[parameters.kind]
    _, train = read_data(features, labels_path, kind)
    truth = np.where(kind.estimable(train.truth, folds), train.truth, np.nan)
    draws = Draws(derived_seed(seed, "external fit"), 0, 0)
    predictor = train.fitted_to(kind.predictor(parameters))
    samples: list[str] = []
    predictions = np.empty((0, len(train.targets)))
    with threadpool_limits(limits=1):  # the same bytes each time
        model = predictor.fit(train.features, truth, draws)
        if read_labels_file(external_path).samples:
            _, external = read_data(features, external_path, kind)
            samples, predictions = list(external.samples), model.predict(external.features)
    attrs = {
        "task": task,
        "kind": parameters.kind,
        "extractor": extractor,
        "predictor": parameters.predictor,
        "grid": json.dumps(predictor.settings) if predictor.settings else "",
        "n_trained_on": len(train.samples),
    }
    with create_store(out_path, SCHEMA, attrs) as store:
        text = h5py.string_dtype()
        store["predictions"] = predictions.astype(np.float32)
        store["hyper"] = model.chosen.astype(np.float32)
        store.create_dataset("sample", data=np.array(samples, dtype=object), dtype=text)
        store.create_dataset("target", data=np.array(train.targets, dtype=object), dtype=text)


def read_external(path: str | Path, *, task: str, extractor: str) -> ExternalPredictions:
    """Read what `predict_externally` wrote of this task and extractor."""
    with open_store(path, SCHEMA, task=task, extractor=extractor) as store:
        return ExternalPredictions(
            store["predictions"][:].astype(np.float64),
            [str(name) for name in store["sample"].asstr()[:]],
            [str(name) for name in store["target"].asstr()[:]],
        )
