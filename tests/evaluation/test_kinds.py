"""Tasks of patients by statistics, from the user's table to the comparison, on planted data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import brier_score_loss, r2_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from histotransfer.core.errors import HistotransferError
from histotransfer.core.hdf5 import open_store
from histotransfer.core.tables import read_table
from histotransfer.evaluation import comparison
from histotransfer.evaluation.scores import NO_OTHER, SCORES
from histotransfer.evaluation.splits import SPLITS, write_splits
from histotransfer.labels.task_labels import write_labels
from histotransfer.results.answers import TASK, answer_questions
from histotransfer.study.config import complete
from histotransfer.study.parameters import StatisticsParameters
from histotransfer.study.tasks import Task
from support.root import ROOT
from support.tasks import (
    cross_validated,
    patients,
    splitting,
    write_cohort,
    write_patch_features,
    write_pooled,
    write_values,
)

N, D, FOLDS, REPEATS = 90, 40, 5, 2
NOISY, CLEAN = "NOISY", "CLEAN"
CLASSES = ["adeno", "small cell", "squamous"]
CONFIG: dict[str, dict[str, Any]] = {
    "MSI": {"kind": "binary", "positive": "MSI-H"},
    "purity": {"kind": "regression", "targets": ["purity", "noise"]},
    "subtype": {"kind": "multiclass"},
    "tissue type": {"kind": "multiclass", "dataset": "patches"},
}


def task_of(name: str, table: Path) -> Task:
    """Read a task as the plan does, completed by the defaults."""
    entry = CONFIG[name]
    completed = complete({"tasks": {name: entry}}, ROOT / "workflow/defaults.yaml")["tasks"][name]
    return Task.from_config(name, completed, {} if "dataset" in entry else {"table": str(table)})


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> tuple[Path, Mapping[str, Any]]:
    """Run every task through labels, splits, cross-validation and scores of two extractors."""
    folder = tmp_path_factory.mktemp("kinds")
    rng = np.random.default_rng(1)
    names, codes = patients(N), np.tile(np.arange(3), N // 3)
    signal = rng.standard_normal(N)
    table = pd.DataFrame(
        {
            "patient": names,
            "MSI": np.where(signal + rng.normal(0, 0.3, N) > 0.2, "MSI-H", "MSS"),
            "purity": signal + rng.normal(0, 0.2, N),
            "noise": rng.standard_normal(N),
            "subtype": np.array(CLASSES)[codes],
        }
    )
    table.loc[[3, 40], ["MSI", "purity", "subtype"]] = ["NA", np.nan, "Not reported"]
    table.to_csv(folder / "labels.csv", index=False)
    cohort = write_cohort(folder / "cohort.tsv", names)
    axes, of_class = rng.standard_normal((2, D)), rng.standard_normal((3, D))
    for name, noise in {NOISY: 6.0, CLEAN: 1.0}.items():
        x = np.outer(signal, axes[0]) + of_class[codes] + noise * rng.standard_normal((N, D))
        write_pooled(folder / f"pooled.{name}.h5", x, names, name)
        write_patch_features(folder / f"patches.{name}.h5", x, codes, name)
    files = {}
    for number, name in enumerate(CONFIG):
        task = task_of(name, folder / "labels.csv")
        out = folder / str(number)
        out.mkdir()
        labels, splits = out / "labels.tsv", out / "splits.tsv"
        source = "patches" if task.dataset else "pooled"
        inputs = {"patches": folder / f"patches.{NOISY}.h5"} if task.dataset else {}
        write_labels(
            task.labels, labels, out / "excluded.tsv", out / "flow.tsv",
            cohort_table=None if task.dataset else cohort, **inputs,
        )  # fmt: skip
        write_splits(
            labels, splits, task=name, kind=task.kind, of_patches=bool(task.dataset),
            parameters=splitting(1, folds=FOLDS, repeats=REPEATS),
        )  # fmt: skip
        files[name] = cross_validated(
            out, labels, splits,
            {name: folder / f"{source}.{name}.h5" for name in (NOISY, CLEAN)},
            task=name, parameters=task.predictor, blocks=[range(REPEATS)], seed=1,
        )  # fmt: skip
    return folder, files


@pytest.fixture(scope="module")
def tables(study) -> dict[str, pd.DataFrame]:
    folder, files = study
    paths = {name: folder / f"{name}.tsv" for name in comparison.SCHEMAS}
    kinds = {name: entry["kind"] for name, entry in CONFIG.items()}
    parameters = StatisticsParameters(rope=0.01, alpha=0.05, seed=1)
    comparison.write_comparison(files, kinds, parameters, paths)
    return {name: read_table(path, comparison.SCHEMAS[name]) for name, path in paths.items()}


def held_out(study, name: str, extractor: str, repeat: int = 0):
    """Yield training and test features and texts of labels, C or alpha, and what was predicted."""
    folder, files = study
    (path,) = files[name]["predictions"][extractor]
    with open_store(path, "cv/2") as store:
        predictions, hyper = store["predictions"][repeat], store["hyper"][repeat]
        samples = [str(sample) for sample in store["sample"].asstr()[:]]
    source, ids = ("patches", "names") if "dataset" in CONFIG[name] else ("pooled", "patient")
    with open_store(
        folder / f"{source}.{extractor}.h5", f"{'features' if ids == 'names' else source}/1"
    ) as store:
        features = pd.DataFrame(store["features"][:].astype(float), store[ids].asstr()[:])
    labels = pd.read_csv(files[name]["labels"], sep="\t", index_col="sample")
    splits = read_table(files[name]["splits"], SPLITS)
    fold = splits[splits["repeat"] == repeat].set_index("sample")["fold"].loc[samples].to_numpy()
    x, y = features.loc[samples].to_numpy(), labels.loc[samples]
    for k in range(FOLDS):
        test = fold == k
        yield x[~test], y[~test], x[test], y[test], hyper[k], predictions[test]


def test_two_values_are_scikit_learns_logistic_regression_at_the_c_that_was_chosen(study):
    scores = read_table(study[1]["MSI"]["scores"][CLEAN], SCORES)
    scores = scores[(scores["without"] == NO_OTHER) & (scores["repeat"] == 0)]
    scores = scores.set_index(["metric", "fold"])["value"]
    for k, (x, y, x_test, y_test, c, predicted) in enumerate(held_out(study, "MSI", CLEAN)):
        theirs = make_pipeline(StandardScaler(), LogisticRegression(C=c[0], tol=1e-10))
        expected = theirs.fit(x, y["MSI"]).predict_proba(x_test)[:, 1]
        np.testing.assert_allclose(predicted[:, 0], expected, atol=1e-5)
        assert scores["auroc", k] == pytest.approx(roc_auc_score(y_test["MSI"], predicted[:, 0]))
        brier = brier_score_loss(y_test["MSI"], predicted[:, 0])
        assert scores["brier", k] == pytest.approx(brier, rel=1e-5)
        assert 0 <= scores["ece", k] <= 1


def test_numbers_are_scikit_learns_ridge_at_the_alpha_that_was_chosen(study):
    scores = read_table(study[1]["purity"]["scores"][CLEAN], SCORES)
    scores = scores[(scores["without"] == NO_OTHER) & (scores["repeat"] == 0)]
    scores = scores.set_index(["target", "metric", "fold"])["value"]
    for k, (x, y, x_test, y_test, alpha, predicted) in enumerate(held_out(study, "purity", CLEAN)):
        known, known_test = y["purity"].notna(), y_test["purity"].notna()
        theirs = make_pipeline(StandardScaler(), Ridge(alpha[0])).fit(x[known], y["purity"][known])
        expected = theirs.predict(x_test[known_test])
        np.testing.assert_allclose(predicted[known_test, 0], expected, atol=1e-4)
        r2 = r2_score(y_test["purity"][known_test], predicted[known_test, 0])
        assert scores["purity", "r2", k] == pytest.approx(r2, abs=1e-5)


@pytest.mark.parametrize("name", ["subtype", "tissue type"])
def test_classes_are_scikit_learns_logistic_regression_at_the_c_that_was_chosen(study, name):
    scores = read_table(study[1][name]["scores"][CLEAN], SCORES)
    scores = scores[(scores["without"] == NO_OTHER) & (scores["repeat"] == 0)]
    scores = scores.set_index(["target", "metric", "fold"])["value"]
    chosen = set()
    for k, (x, y, x_test, y_test, c, predicted) in enumerate(held_out(study, name, CLEAN)):
        assert (c == c[0]).all()
        chosen.add(float(c[0]))
        theirs = make_pipeline(
            StandardScaler(), LogisticRegression(C=c[0], tol=1e-10, max_iter=10000)
        )
        expected = theirs.fit(x, y["class"]).predict_proba(x_test)
        np.testing.assert_allclose(predicted, expected, atol=1e-5)
        macro = roc_auc_score(y_test["class"], expected, multi_class="ovr")
        assert scores["all", "macro_auroc", k] == pytest.approx(macro, abs=1e-6)
        right = theirs.predict(x_test) == y_test["class"]
        assert scores["all", "accuracy", k] == pytest.approx(right.mean())
        for of_class in set(y_test["class"]):
            recall = right[y_test["class"] == of_class].mean()
            assert scores[of_class, "accuracy", k] == pytest.approx(recall)
    if name == "tissue type":
        assert chosen == {1.0}  # as tissue: not tuned
    else:
        assert chosen != {1.0}


def test_the_better_extractor_is_found_in_every_kind(tables):
    table = tables["comparison"].set_index(["task", "target"])
    for name, target in {
        "MSI": "MSI",
        "purity": "purity",
        "subtype": "all",
        "tissue type": "all",
    }.items():
        row = table.loc[(name, target)]
        assert row["status"] == "ok"
        assert row["delta"] > 0.05
        assert row["q_bh"] < 0.05
    assert table.loc[("purity", "noise"), "status"] == "untested"
    assert set(tables["confusion"]["task"]) == {"subtype", "tissue type"}
    assert set(tables["mutation"]["task"]) == set(tables["roc"]["task"]) == {"MSI"}
    assert set(tables["related_genes"]["task"]) == set(tables["improved"]["task"]) == {"purity"}
    found = tables["metrics"].groupby("task")["metric"].unique().map(sorted).to_dict()
    of_classes = ["accuracy", "balanced_accuracy", "macro_auroc"]
    assert found == {
        "MSI": ["auprc", "auroc", "brier", "ece"], "purity": ["pearson", "r2", "spearman"],
        "subtype": of_classes, "tissue type": of_classes,
    }  # fmt: skip
    counts = table["n"]
    assert (counts["MSI", "MSI"], counts["subtype", "all"], counts["tissue type", "all"]) == (
        88,
        88,
        90,
    )


def test_answers_speak_of_patients_and_patches_as_the_task_has_them(tables):
    answers = answer_questions(tables, runs={}, patch_tasks=["tissue type"], alpha=0.05, rope=0.01)
    whole = answers[answers["scope"] == TASK].set_index("task")
    assert whole["unit"].to_dict() == {
        "MSI": "patient", "purity": "patient", "subtype": "patient", "tissue type": "patch"
    }  # fmt: skip
    assert not whole["sentence"].str.contains("gene").any()


@pytest.mark.parametrize("of_patches", [True, False])
def test_rare_classes_of_patients_have_no_folds(tmp_path, of_patches):
    values = {"class": ["A"] * 10 + ["B"] * 9}
    labels = write_values(tmp_path / "l.tsv", patients(19), values)
    drawn = {"task": "t", "kind": "multiclass", "parameters": splitting(1)}
    if of_patches:
        write_splits(labels, tmp_path / "s.tsv", of_patches=True, **drawn)
        return
    with pytest.raises(
        HistotransferError, match=r"fewer than 10 patients, 2 for each of 5 .*'B' 9"
    ):
        write_splits(labels, tmp_path / "s.tsv", **drawn)


def test_sites_are_kept_together_only_where_samples_are_patients(tmp_path):
    names = [
        f"TCGA-{site}-{number:04d}" for site in ("05", "44", "50", "55") for number in range(6)
    ]
    labels = write_values(tmp_path / "l.tsv", names, {"class": list("AB") * 12})
    for of_patches in (False, True):
        write_splits(
            labels, tmp_path / "s.tsv", task="t", kind="multiclass", of_patches=of_patches,
            parameters=splitting(1, folds=4, group_by="site"),
        )  # fmt: skip
        splits = read_table(tmp_path / "s.tsv", SPLITS)
        sites = splits["sample"].str[5:7]
        assert (splits.groupby(sites)["fold"].nunique() == 1).all() != of_patches
