"""The tables of a small study with a known answer."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest

from histotransfer.core.tables import read_table, write_table
from histotransfer.evaluation import comparison
from histotransfer.evaluation.cross_validation import run_block
from histotransfer.evaluation.scores import write_scores
from histotransfer.evaluation.splits import write_splits
from histotransfer.labels.task_labels import write_labels
from histotransfer.results import planted_truth
from support.tasks import (
    TISSUE_TASK,
    expression_task,
    mutation_task,
    patients,
    write_cohort,
    write_patch_features,
    write_patient_table,
    write_pooled,
)

NOISY, CLEAN, COPY = "NOISY-9", "CLEAN-9", "COPY-9"
TABLES = ["comparison", "related_genes", "improved", "confusion", "mutation", "roc", "metrics"]
N = 80


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Three extractors of one truth: a noisy baseline, a clean one, and a copy of the baseline."""
    folder = tmp_path_factory.mktemp("study")
    rng = np.random.default_rng(1)
    names = patients(N)
    tissue = rng.dirichlet(np.full(4, 0.7), N)
    genes = {f"FOLLOWS{j}": tissue[:, j % 3] + rng.normal(0, 0.15, N) for j in range(6)}
    genes |= {f"NOISE{j}": rng.standard_normal(N) for j in range(6)}
    mutations = {"DRIVEN": (tissue[:, 0] + rng.normal(0, 0.1, N) > 0.25).astype(int)}
    mutations |= {"RANDOM": rng.integers(0, 2, N), "RARE": (np.arange(N) < 3).astype(int)}
    tasks = {
        "tissue": TISSUE_TASK,
        "genes": expression_task(write_patient_table(folder / "genes.tsv", genes, names)),
        "drivers": mutation_task(write_patient_table(folder / "drivers.tsv", mutations, names)),
    }
    cohort = write_cohort(folder / "cohort.tsv", names)
    codes = np.repeat(np.arange(3), 40)
    axes, patch_axes = rng.standard_normal((4, 90)), rng.standard_normal((3, 50))
    for name, noise in {NOISY: 2.0, CLEAN: 0.3}.items():
        x = tissue @ axes * 2 + noise * rng.standard_normal((N, 90))
        write_pooled(folder / f"pooled.{name}.h5", x, names)
        x = patch_axes[codes] + (2 + noise) * rng.standard_normal((120, 50))
        write_patch_features(folder / f"tissue.{name}.h5", x, codes)
    for kind in ("pooled", "tissue"):
        shutil.copy(folder / f"{kind}.{NOISY}.h5", folder / f"{kind}.{COPY}.h5")

    paths = {key: {task: {} for task in tasks} for key in ("scores", "cv")}
    paths["labels"] = {task: folder / f"{task}.labels.tsv" for task in tasks}
    paths["splits"] = {task: folder / f"{task}.splits.tsv" for task in tasks}
    for task, entry in tasks.items():
        labels, splits = paths["labels"][task], paths["splits"][task]
        write_labels(
            entry, labels, folder / "excluded.tsv", folder / "flow.tsv",
            cohort_table=cohort, dataset_features=folder / f"tissue.{NOISY}.h5",
        )  # fmt: skip
        write_splits(
            labels, splits, kind=entry["kind"], folds=5, repeats=4, seed=2, preserve="none"
        )
        for name in (NOISY, CLEAN, COPY):
            features = folder / f"{'tissue' if task == 'tissue' else 'pooled'}.{name}.h5"
            blocks = [folder / f"{task}.{name}.{block}.h5" for block in (0, 1)]
            for block, path in enumerate(blocks):
                run_block(
                    features, labels, splits, path, task=entry, task_name=task, extractor=name,
                    repeats=range(2 * block, 2 * block + 2), seed=2, threads=1,
                )  # fmt: skip
            paths["cv"][task][name] = blocks
            paths["scores"][task][name] = folder / f"{task}.{name}.tsv"
            write_scores(blocks, labels, splits, paths["scores"][task][name], kind=entry["kind"])
    kinds = {task: entry["kind"] for task, entry in tasks.items()}
    return folder, paths, kinds


def write(study, out, kinds=None, extractors=(NOISY, CLEAN, COPY), without=()):
    _, paths, all_kinds = study
    tables = {name: out / f"{name}.tsv" for name in TABLES}
    chosen = {
        key: {
            task: {name: files[name] for name in extractors if (task, name) not in without}
            for task, files in paths[key].items()
        }
        for key in ("scores", "cv")
    }
    comparison.write_comparison(
        **paths | chosen, kinds=all_kinds if kinds is None else kinds,
        statistics={"rope": 0.01, "alpha": 0.05, "bootstrap": 300}, seed=2, out=tables,
    )  # fmt: skip
    return {name: read_table(path, target="str") for name, path in tables.items()}


@pytest.fixture(scope="module")
def tables(study):
    return write(study, study[0] / "tables")


def test_the_planted_difference_is_found(tables):
    table = tables["comparison"].set_index(["extractor", "task", "target"]).sort_index()
    overall = table.loc[CLEAN, "tissue", "all"]
    assert overall["status"] == "ok"
    assert overall["delta"] > 0.1
    assert overall["q_bh"] < 0.05
    assert overall["prob_better"] > 0.95
    assert 0 < overall["ci_low"] < overall["delta"] < overall["ci_high"]
    assert 0 < overall["boot_low"] < overall["delta"] < overall["boot_high"]
    genes = table.loc[CLEAN, "genes"]
    assert (genes.filter(like="FOLLOWS", axis=0)["delta"] > 0).all()
    assert genes["metric"].eq("pearson").all()
    assert table.loc[CLEAN, "drivers", "DRIVEN"]["delta"] > 0
    primary = table["delta"] - (table["extractor_mean"] - table["baseline_mean"])
    assert primary.abs().max() < 1e-12


def test_a_copy_of_the_baseline_makes_no_difference(tables):
    table = tables["comparison"]
    copy = table[(table["extractor"] == COPY) & (table["status"] != "not estimable")]
    assert (copy["status"] == "no difference").all()
    assert (copy[["delta", "ci_low", "ci_high", "boot_low", "boot_high"]] == 0).all(axis=None)
    assert (copy[["p_corrected", "p_wilcoxon", "prob_equivalent"]] == 1).all(axis=None)
    improved = tables["improved"].set_index("extractor").loc[COPY]
    assert improved["n_improved"] == 0


def test_rare_mutations_are_listed_as_not_estimable(tables):
    rare = tables["comparison"].query("target == 'RARE'")
    assert (rare["status"] == "not estimable").all()
    assert (rare["n"] == N).all()
    mutation = tables["mutation"].set_index(["target", "extractor"])
    assert (mutation.loc["RARE", "status"] == "not estimable").all()
    assert (mutation.loc["RARE", "n_positive"] == 3).all()
    assert mutation.loc[("DRIVEN", CLEAN), "mean"] > 0.8
    assert mutation.loc[("DRIVEN", CLEAN), "q_bh"] < 0.01
    assert (mutation.loc["RANDOM", "p"] > 0.001).all()


def test_related_genes_and_the_share_improved(tables):
    related = tables["related_genes"].set_index(["extractor", "target"])
    assert related.loc[CLEAN].filter(like="FOLLOWS", axis=0)["related_bh"].all()
    assert related.loc[CLEAN].filter(like="NOISE", axis=0)["related"].sum() <= 2
    either = related["related"].groupby("target").any()
    row = tables["improved"].set_index("extractor").loc[CLEAN]
    assert row["n_genes"] == 12
    assert row["n_related"] == either.sum()
    r = related["r"].unstack("extractor")[either]
    assert row["n_improved"] == (r[CLEAN] > r[NOISY]).sum()
    assert row["fraction"] == pytest.approx(row["n_improved"] / row["n_related"])
    assert 0.3 < row["ci_low"] <= row["ci_high"] <= 1


def test_every_score_is_tabulated(study, tables):
    metrics = tables["metrics"].set_index(["task", "extractor", "metric", "target"])
    by_task = tables["metrics"].groupby("task")["metric"].unique().map(sorted).to_dict()
    assert by_task == {
        "tissue": ["accuracy", "balanced_accuracy"],
        "genes": ["pearson", "r2", "spearman"],
        "drivers": ["auprc", "auroc", "brier"],
    }
    scores = read_table(study[1]["scores"]["genes"][CLEAN], target="str")
    scores = scores[(scores["fold"] == -1) & (scores["metric"] == "r2")]
    values = scores[scores["target"] == "FOLLOWS2"]["value"]
    row = metrics.loc["genes", CLEAN, "r2", "FOLLOWS2"]
    assert (row["mean"], row["sd"], row["repeats"]) == (
        pytest.approx(values.mean()), pytest.approx(values.std()), 4
    )  # fmt: skip
    rare = metrics.loc["drivers", CLEAN, "brier", "RARE"]
    assert rare["repeats"] == 0
    assert np.isnan(rare["mean"])


def test_roc_curves_have_the_area_of_the_auroc_and_lie_in_their_interval(tables):
    roc, mutation = tables["roc"], tables["mutation"].set_index(["target", "extractor"])
    assert set(roc["target"]) == {"DRIVEN", "RANDOM"}
    for key, curve in roc.groupby(["target", "extractor"]):
        assert np.trapezoid(curve["tpr"], curve["fpr"]) == pytest.approx(
            mutation.loc[key, "mean"], abs=0.02
        )
        assert (curve["tpr"].diff().dropna() >= -1e-12).all()
        assert ((curve["ci_low"] <= curve["tpr"]) & (curve["tpr"] <= curve["ci_high"])).mean() > 0.9


def test_confusion_adds_up_and_its_diagonal_is_the_accuracy(tables):
    confusion = tables["confusion"]
    sums = confusion.groupby(["extractor", "true"])["fraction"].sum()
    np.testing.assert_allclose(sums, 1)
    assert (confusion["n"] == 40).all()
    diagonal = confusion[confusion["true"] == confusion["predicted"]]
    diagonal = diagonal[diagonal["extractor"] == CLEAN].set_index("true")["fraction"]
    table = tables["comparison"].query(
        "extractor == @CLEAN and task == 'tissue' and target != 'all'"
    )
    np.testing.assert_allclose(table.set_index("target")["extractor_mean"], diagonal, atol=1e-6)


def test_the_tables_are_the_same_bytes_again_and_without_the_third_extractor(
    study, tables, tmp_path
):
    write(study, tmp_path)
    for name in TABLES:
        again, first = tmp_path / f"{name}.tsv", study[0] / "tables" / f"{name}.tsv"
        assert again.read_bytes() == first.read_bytes()
    pair = write(study, tmp_path, extractors=(NOISY, CLEAN))["comparison"]
    both = tables["comparison"].query("extractor == @CLEAN").reset_index(drop=True)
    pd.testing.assert_frame_equal(pair, both)


def test_an_extractor_may_know_the_samples_of_some_tasks_only(study, tables, tmp_path):
    table = write(study, tmp_path, without={("tissue", COPY)})["comparison"]
    whole = tables["comparison"]
    expected = whole[(whole["extractor"] != COPY) | (whole["task"] != "tissue")]
    pd.testing.assert_frame_equal(table, expected.reset_index(drop=True))


def test_a_study_without_some_kind_of_task_has_empty_tables(study, tmp_path):
    tables = write(study, tmp_path, kinds={"tissue": "tissue"})
    for name in ("related_genes", "improved", "mutation"):
        assert tables[name].empty
        assert tables[name].columns.tolist() == comparison.COLUMNS[name].split()
    alone = write(study, tmp_path, extractors=(NOISY,))
    assert alone["comparison"].empty
    assert alone["improved"].empty
    assert len(alone["related_genes"]) == 12


def test_what_was_planted_is_recovered(study, tables, tmp_path):
    folder = study[0]
    genes = [(f"FOLLOWS{j}", "genes", "T") for j in range(6)]
    genes += [(f"NOISE{j}", "genes", "") for j in range(6)]
    drivers = [("DRIVEN", "drivers", "T"), ("RARE", "drivers", "T"), ("RANDOM", "drivers", "")]
    truth = pd.DataFrame([*genes, *drivers], columns=["target", "task", "follows"])
    write_table(truth.assign(effect=1.0), tmp_path / "truth.tsv")
    planted_truth.write_truth_check(
        tmp_path / "truth.tsv", folder / "tables/related_genes.tsv", folder / "tables/mutation.tsv",
        tmp_path / "check.tsv", alpha=0.05,
    )  # fmt: skip
    check = read_table(tmp_path / "check.tsv").set_index(["extractor", "target"])
    clean = check.loc[CLEAN]
    assert len(clean) == 15
    assert clean.drop("RARE").filter(regex="FOLLOWS|DRIVEN", axis=0)["recovered"].all()
    assert not clean.loc["RARE", "recovered"]
    assert not clean.loc["RARE", "agrees"]
    assert clean.filter(regex="NOISE|RANDOM", axis=0)["agrees"].mean() > 0.7
