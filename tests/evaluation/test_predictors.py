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
from histotransfer.core.tables import read_table
from histotransfer.evaluation import cross_validation
from histotransfer.evaluation.cross_validation import run_block
from histotransfer.evaluation.metrics import auroc, pearson
from histotransfer.evaluation.predictors.predictor import Draws
from histotransfer.evaluation.predictors.scikit_learn import ScikitLearn
from histotransfer.evaluation.splits import SPLITS, write_splits
from histotransfer.labels.files import read_labels_file
from histotransfer.study.tasks import PredictorParameters
from support.tasks import (
    patients,
    splitting,
    write_patch_features,
    write_pooled,
    write_values,
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


@pytest.fixture(autouse=True)
def no_pairs(monkeypatch):
    """Fit no models without pairs of folds: they are fitted alike, and take most of the time."""
    monkeypatch.setattr(cross_validation, "PAIRED_REPEATS", 0)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Write a target that follows the features, one that is noise, and the folds' own features."""
    folder = tmp_path_factory.mktemp("predictors")
    rng = np.random.default_rng(1)
    names = patients(N)
    factors = rng.standard_normal((N, 3))
    loadings = rng.standard_normal((3, D)) * [[2], [0.5], [0.5]]
    x, signal = factors @ loadings + rng.standard_normal((N, D)), factors[:, 0]
    expression = pd.DataFrame({"UP": signal, "NOISE": rng.standard_normal(N)})
    expression.loc[3, "UP"] = np.nan
    mutation = pd.DataFrame({"UP": (signal > 0).astype(int), "NOISE": rng.integers(0, 2, N)})
    write_pooled(folder / "patients.h5", x, names)
    codes = np.repeat(np.arange(4), N // 4)
    x = 2 * np.eye(4)[codes] @ rng.standard_normal((4, D)) + rng.standard_normal((N, D))
    write_patch_features(folder / "patches.h5", x, codes)
    with open_store(folder / "patches.h5", "features/1") as store:
        patches = list(store["names"].asstr()[:])
    tissue = [f"CLASS{code}" for code in codes]
    tissue = pd.DataFrame({"class": tissue})
    for kind, labels in {"expression": expression, "mutation": mutation, "tissue": tissue}.items():
        samples = patches if kind == "tissue" else names
        path = write_values(folder / f"{kind}.tsv", samples, labels)
        write_splits(
            path, folder / f"{kind}.splits.tsv", task=kind, kind=kind,
            parameters=splitting(3, repeats=2), of_patches=kind == "tissue",
        )  # fmt: skip
    return folder


def run(folder, kind, name, out, *, repeats=(0, 1), threads=1, features=None):
    run_block(
        folder / (features or ("patches.h5" if kind == "tissue" else "patients.h5")),
        folder / f"{kind}.tsv", folder / f"{kind}.splits.tsv", folder / out,
        parameters=PredictorParameters(kind, name, GRIDS[name]), task=kind,
        extractor="X", repeats=repeats, seed=3, threads=threads,
    )  # fmt: skip
    with open_store(folder / out, "cv/2") as store:
        return store["predictions"][:], store["hyper"][:], store.attrs["grid"]


@pytest.mark.parametrize(("kind", "name"), BOTH)
def test_what_follows_the_features_is_found_whatever_the_blocks_and_threads(study, kind, name):
    predictions, hyper, grid = run(study, kind, name, "whole.h5")
    settings = ScikitLearn(name, GRIDS[name], "value").settings
    assert json.loads(grid) == settings
    assert set(np.unique(hyper)) <= set(range(len(settings)))
    run(study, kind, name, "threads.h5", threads=2)
    assert (study / "whole.h5").read_bytes() == (study / "threads.h5").read_bytes()
    later, _, _ = run(study, kind, name, "later.h5", repeats=[1])
    assert later.tobytes() == predictions[1:].tobytes()
    labels = read_labels_file(study / f"{kind}.tsv").values
    if kind == "tissue":
        codes = labels["class"].str[-1].astype(int).to_numpy()
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
            np.mean(
                [auroc(labels[gene].to_numpy() == 1, p[:, j].astype(float)) for p in predictions]
            )
            for j, gene in enumerate(["UP", "NOISE"])
        )
        assert up > 0.75
        assert 0.3 < noise < 0.7


def test_pls_is_scikit_learns_grid_search_in_each_training_fold(study):
    predictions, hyper, _ = run(study, "expression", "pls", "pls.h5")
    labels = read_labels_file(study / "expression.tsv").values
    splits = read_table(study / "expression.splits.tsv", SPLITS)
    fold = splits[splits["repeat"] == 1].set_index("sample")["fold"].loc[labels.index]
    with open_store(study / "patients.h5", "pooled/1") as store:
        x = store["features"][:].astype(float)
    y = labels["NOISE"].to_numpy()
    for k in range(5):
        train = (fold != k).to_numpy(dtype=bool)
        inner = PredefinedSplit(Draws(3, 1, k).inner_folds(np.zeros(train.sum())))
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
    splits = read_table(study / "expression.splits.tsv", SPLITS)
    fold = splits[splits["repeat"] == 0]["fold"].to_numpy(dtype=int)
    x = np.hstack([rng.standard_normal((N, 10)), 100.0 * np.eye(5)[fold]])
    write_pooled(study / "leak.h5", x, patients(N))
    predictions, _, _ = run(
        study, "expression", name, "leak.cv.h5", repeats=[0], features="leak.h5"
    )
    y = read_labels_file(study / "expression.tsv").values[["NOISE"]].to_numpy()
    by_fold = [pearson(y[fold == k], predictions[0, fold == k, 1:].astype(float)) for k in range(5)]
    defined = np.array(by_fold)[np.isfinite(by_fold)]
    assert not len(defined) or abs(defined.mean()) < 3 / np.sqrt(N)


def test_a_forest_depends_on_its_seed_alone():
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((60, 5)), rng.integers(0, 2, (60, 1)).astype(float)
    forest = ScikitLearn("random_forest", {"n_estimators": [10]}, "binary")

    def fit(seed):
        return forest.fit(x[:40], y[:40], Draws(seed, 0, 0)).predict(x[40:])

    assert (fit(1) == fit(1)).all()
    assert (fit(1) != fit(2)).any()
