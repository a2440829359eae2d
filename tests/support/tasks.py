"""A small study for the tests of cross-validation and comparison: features, labels, cohort."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from histotransfer.core.hdf5 import create_store
from histotransfer.core.tables import write_table
from histotransfer.evaluation.cross_validation import run_block
from histotransfer.evaluation.scores import write_scores
from histotransfer.labels.files import TaskLabels, write_labels_file
from histotransfer.study.parameters import SplitParameters
from histotransfer.study.tasks import PredictorParameters

ALPHAS = [1e1, 1e2, 1e3, 1e4, 1e5]
CS = [1e-4, 1e-2, 1.0]
PREDICTORS = {
    "expression": PredictorParameters("expression", "ridge", {"alpha": ALPHAS}),
    "mutation": PredictorParameters("mutation", "logistic", {"C": CS}),
    "tissue": PredictorParameters("tissue", "logistic", {"C": [1.0]}),
}
"""By what a task of each kind is predicted."""


AS_A_RULE = {
    "named_like_task": False, "positive": None, "classes": None, "time": "", "event": ""
}  # fmt: skip
"""What only the kinds by statistics have otherwise."""


def splitting(
    seed: int, *, folds: int = 5, repeats: int = 1, group_by: str = "patient"
) -> SplitParameters:
    return SplitParameters(folds, repeats, group_by, seed)


def write_values(
    path: Path, samples: list[str], values: object, groups: list[str] | None = None
) -> Path:
    """Write a labels file of these targets; without groups each sample is its own."""
    index = pd.Index(samples, name="sample")
    group = pd.Series(groups or samples, index=index, name="group")
    write_labels_file(TaskLabels(group, pd.DataFrame(values).set_axis(index)), path)
    return path


def patients(n: int) -> list[str]:
    return [f"SIM-{i:03d}" for i in range(n)]


def write_pooled(path: Path, features: np.ndarray, names: list[str], extractor: str = "X") -> Path:
    with create_store(path, "pooled/1", {"extractor": extractor}) as store:
        store.create_dataset("features", data=features.astype("f4"))
        store.create_dataset("patient", data=np.array(names, object), dtype=h5py.string_dtype())
    return path


def write_patch_features(
    path: Path, features: np.ndarray, codes: np.ndarray, extractor: str = "X"
) -> Path:
    classes = [f"CLASS{i}" for i in range(codes.max() + 1)]
    names = [f"{classes[code]}/{i:04d}.tif" for i, code in enumerate(codes)]
    with create_store(path, "features/1", {"classes": classes, "extractor": extractor}) as store:
        store.create_dataset("features", data=features.astype("f2"))
        store.create_dataset("labels", data=codes.astype("i2"))
        store.create_dataset("names", data=np.array(names, object), dtype=h5py.string_dtype())
    return path


def cross_validated(
    out: Path,
    labels: Path,
    splits: Path,
    features: Mapping[str, Path],
    *,
    task: str,
    parameters: PredictorParameters,
    blocks: Sequence[Sequence[int]],
    seed: int,
) -> dict[str, Any]:
    """Predict and score these blocks of repeats from each extractor's features.

    Returns the files of the task that a comparison reads.
    """
    scores, predictions = {}, {}
    for name, path in features.items():
        scores[name] = out / f"{task}.{name}.tsv"
        predictions[name] = [out / f"{task}.{name}.{block}.h5" for block in range(len(blocks))]
        for block, repeats in zip(predictions[name], blocks, strict=True):
            run_block(
                path, labels, splits, block, parameters=parameters, task=task, extractor=name,
                repeats=repeats, seed=seed, threads=1,
            )  # fmt: skip
        write_scores(
            predictions[name], labels, splits, scores[name],
            kind=parameters.kind, task=task, extractor=name,
        )  # fmt: skip
    return {"labels": labels, "splits": splits, "scores": scores, "predictions": predictions}


def write_cohort(path: Path, names: list[str], without_patches: tuple[str, ...] = ()) -> Path:
    everyone = [*names, *without_patches]
    n_patches = [30] * len(names) + [0] * len(without_patches)
    table = pd.DataFrame({"patient": everyone, "n_slides": 1, "n_patches": n_patches})
    write_table(table.assign(n_slides_used=(table["n_patches"] > 0).astype(int)), path)
    return path


def write_patient_table(path: Path, values: dict[str, np.ndarray], names: list[str]) -> Path:
    write_table(pd.DataFrame({"patient": names, **values}), path)
    return path


def expression_task(
    labels: Path | str | dict[str, str] = "", **changes: object
) -> dict[str, object]:
    return {**_task("expression", labels), "predictor": "ridge", "alphas": ALPHAS, **changes}


def mutation_task(labels: Path | str | dict[str, str] = "", **changes: object) -> dict[str, object]:
    return {**_task("mutation", labels), "predictor": "logistic", "C": CS, **changes}


def _task(kind: str, labels: Path | str | dict[str, str]) -> dict[str, object]:
    source = labels if isinstance(labels, dict) else {"table": str(labels)}
    return {"kind": kind, "labels": source, "targets": "all", "transform": "none", **AS_A_RULE}


TISSUE_TASK = {
    "kind": "tissue", "labels": {}, "targets": "all", "transform": "none", **AS_A_RULE,
    "predictor": "logistic", "C": 1.0,
}  # fmt: skip
