"""Further predictors: scikit-learn's own pipelines, tuned in the training folds, leak-free."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from histotransfer.core.hdf5 import open_store
from histotransfer.core.tables import read_table, write_table
from histotransfer.evaluation.cross_validation import inner_folds, run_block
from histotransfer.evaluation.predictors.scikit_learn import fit_predict, settings
from histotransfer.evaluation.scores import auroc, pearson
from histotransfer.evaluation.splits import STREAM, write_splits
from support.tasks import (
    expression_task,
    mutation_task,
    patients,
    write_patch_features,
    write_pooled,
)

N, D = 80, 30
GRIDS = {
    "pls": {"n_components": [1, 2, 4]},
    "elastic_net": {"alpha": [0.05, 0.5], "l1_ratio": [0.2, 0.8]},
    "random_forest": {"n_estimators": [10], "min_samples_leaf": [1, 5]},
    "linear_svm": {"C": [1e-3, 1e-1]},
    "knn": {"n_neighbors": [3, 9]},
}
CHOICES = {
    "expression": ["pls", "elastic_net", "random_forest", "knn"],
    "mutation": ["random_forest", "linear_svm", "knn"],
    "tissue": ["random_forest", "linear_svm", "knn"],
}
BOTH = [(kind, name) for kind, names in CHOICES.items() for name in names]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Write a target that follows the features, one that is noise, and the folds' own features."""
    folder = tmp_path_factory.mktemp("predictors")
    rng = np.random.default_rng(1)
    names = patients(N)
    factors = rng.standard_normal((N, 3))
    loadings = rng.standard_normal((3, D)) * [[2], [0.5], [0.5]]
    x, signal = factors @ loadings + rng.standard_normal((N, D)), factors[:, 0]
    expression = pd.DataFrame({"sample": names, "UP": signal, "NOISE": rng.standard_normal(N)})
    expression.loc[3, "UP"] = np.nan
    mutation = pd.DataFrame(
        {"sample": names, "UP": (signal > 0).astype(int), "NOISE": rng.integers(0, 2, N)}
    )
    write_pooled(folder / "patients.h5", x, names)
    codes = np.repeat(np.arange(4), N // 4)
    x = 2 * np.eye(4)[codes] @ rng.standard_normal((4, D)) + rng.standard_normal((N, D))
    write_patch_features(folder / "patches.h5", x, codes)
    with open_store(folder / "patches.h5", "features/1") as store:
        patches = list(store["names"].asstr()[:])
    tissue = [f"CLASS{code}" for code in codes]
    tissue = pd.DataFrame({"sample": patches, "group": patches, "tissue": tissue})
    for kind, labels in {"expression": expression, "mutation": mutation, "tissue": tissue}.items():
        write_table(labels, folder / f"{kind}.tsv")
        write_splits(
            folder / f"{kind}.tsv", folder / f"{kind}.splits.tsv",
            kind=kind, folds=5, repeats=2, seed=3, preserve="none",
        )  # fmt: skip
    return folder


def run(folder, kind, name, out, *, repeats=(0, 1), threads=1, features=None):
    base = {"expression": expression_task(), "mutation": mutation_task(), "tissue": {}}[kind]
    run_block(
        folder / (features or ("patches.h5" if kind == "tissue" else "patients.h5")),
        folder / f"{kind}.tsv", folder / f"{kind}.splits.tsv", folder / out,
        task={**base, "kind": kind, "predictor": name, "grid": GRIDS[name]}, task_name=kind,
        extractor="X", repeats=repeats, seed=3, threads=threads,
    )  # fmt: skip
    with open_store(folder / out, "cv/1") as store:
        return store["predictions"][:], store["hyper"][:], store.attrs["grid"]


@pytest.mark.parametrize(("kind", "name"), BOTH)
def test_what_follows_the_features_is_found_whatever_the_blocks_and_threads(study, kind, name):
    predictions, hyper, grid = run(study, kind, name, "whole.h5")
    assert json.loads(grid) == settings(GRIDS[name])
    assert set(np.unique(hyper)) <= set(range(len(settings(GRIDS[name]))))
    run(study, kind, name, "threads.h5", threads=2)
    assert (study / "whole.h5").read_bytes() == (study / "threads.h5").read_bytes()
    later, _, _ = run(study, kind, name, "later.h5", repeats=[1])
    assert later.tobytes() == predictions[1:].tobytes()
    labels = read_table(study / f"{kind}.tsv")
    if kind == "tissue":
        codes = labels["tissue"].str[-1].astype(int).to_numpy()
        assert (predictions.argmax(axis=2) == codes).mean() > 0.8
        np.testing.assert_allclose(predictions.sum(axis=2), 1, rtol=1e-5)
    elif kind == "expression":
        truth = labels[["UP", "NOISE"]].to_numpy()
        up, noise = np.mean([pearson(truth, p.astype(float)) for p in predictions], axis=0)
        assert up > 0.5
        assert abs(noise) < 0.4
        assert np.isnan(predictions[:, 3, 0]).all()
    else:
        assert ((predictions >= 0) & (predictions <= 1)).all()
        up, noise = (
            np.mean([auroc(labels[gene] == 1, p[:, j].astype(float)) for p in predictions])
            for j, gene in enumerate(["UP", "NOISE"])
        )
        assert up > 0.75
        assert 0.3 < noise < 0.7


def test_pls_is_scikit_learns_grid_search_in_each_training_fold(study):
    predictions, hyper, _ = run(study, "expression", "pls", "pls.h5")
    labels = read_table(study / "expression.tsv", sample="str")
    splits = read_table(study / "expression.splits.tsv", sample="str")
    fold = splits[splits["repeat"] == 1].set_index("sample")["fold"].loc[labels["sample"]]
    with open_store(study / "patients.h5", "pooled/1") as store:
        x = store["features"][:].astype(float)
    y = labels["NOISE"].to_numpy()
    for k in range(5):
        train = (fold != k).to_numpy()
        stream = [3, STREAM["inner folds"], 1, k]
        inner = PredefinedSplit(inner_folds(np.zeros(train.sum()), stream))
        theirs = GridSearchCV(
            make_pipeline(StandardScaler(), PLSRegression(scale=False)),
            {"plsregression__n_components": GRIDS["pls"]["n_components"]},
            cv=inner, scoring="neg_mean_squared_error",
        ).fit(x[train], y[train])  # fmt: skip
        assert hyper[1, k, 1] == theirs.best_index_
        np.testing.assert_allclose(
            predictions[1, ~train, 1], np.ravel(theirs.predict(x[~train])), atol=1e-6
        )


@pytest.mark.parametrize("name", ["random_forest", "knn", "elastic_net", "pls"])
def test_features_that_tell_the_fold_do_not_leak_the_labels(study, name):
    """Noise stays at chance within each fold although features give the fold away."""
    rng = np.random.default_rng(9)
    splits = read_table(study / "expression.splits.tsv", sample="str")
    fold = splits[splits["repeat"] == 0]["fold"].to_numpy()
    x = np.hstack([rng.standard_normal((N, 10)), 100.0 * np.eye(5)[fold]])
    write_pooled(study / "leak.h5", x, patients(N))
    predictions, _, _ = run(
        study, "expression", name, "leak.cv.h5", repeats=[0], features="leak.h5"
    )
    y = read_table(study / "expression.tsv")[["NOISE"]].to_numpy()
    by_fold = [pearson(y[fold == k], predictions[0, fold == k, 1:].astype(float)) for k in range(5)]
    defined = np.array(by_fold)[np.isfinite(by_fold)]
    assert not len(defined) or abs(defined.mean()) < 3 / np.sqrt(N)


def test_a_forest_depends_on_its_seed_alone():
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((60, 5)), rng.integers(0, 2, 60)
    inner = np.arange(60) % 3

    def fit(seed):
        return fit_predict(
            "random_forest", "mutation", x[:40], y[:40], x[40:],
            grid={"n_estimators": [10]}, inner=inner[:40], seed=seed,
        )[0]  # fmt: skip

    assert (fit(1) == fit(1)).all()
    assert (fit(1) != fit(2)).any()
