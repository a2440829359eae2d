"""The tables of a small study with a known answer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import calibration_curve

from histotransfer.core.errors import HistotransferError
from histotransfer.core.tables import read_table, write_table
from histotransfer.evaluation import comparison
from histotransfer.evaluation.predictions import read_predictions
from histotransfer.evaluation.scores import SCORES
from histotransfer.evaluation.splits import write_splits
from histotransfer.evaluation.statistics import holm
from histotransfer.labels.files import read_labels_file
from histotransfer.results import planted_truth
from histotransfer.study.parameters import StatisticsParameters
from support.tasks import (
    PREDICTORS,
    cross_validated,
    patients,
    splitting,
    write_patch_features,
    write_pooled,
    write_values,
)

NOISY, CLEAN, COPY = "NOISY-9", "CLEAN-9", "COPY-9"
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
    codes = np.repeat(np.arange(3), 40)
    kinds = {"tissue": "tissue", "genes": "expression", "drivers": "mutation"}
    values = {
        "tissue": {"class": [f"CLASS{code}" for code in codes]},
        "genes": genes,
        "drivers": mutations,
    }
    axes, patch_axes = rng.standard_normal((4, 90)), rng.standard_normal((3, 50))
    for name, noise in {NOISY: 2.0, CLEAN: 0.3}.items():
        x = tissue @ axes * 2 + noise * rng.standard_normal((N, 90))
        patch_x = patch_axes[codes] + (2 + noise) * rng.standard_normal((120, 50))
        for extractor in (NOISY, COPY) if name == NOISY else (CLEAN,):
            write_pooled(folder / f"pooled.{extractor}.h5", x, names, extractor)
            write_patch_features(folder / f"tissue.{extractor}.h5", patch_x, codes, extractor)
    samples = [f"CLASS{code}/{i:04d}.tif" for i, code in enumerate(codes)]

    files = {}
    for task, kind in kinds.items():
        labels = write_values(
            folder / f"{task}.labels.tsv", samples if task == "tissue" else names, values[task]
        )
        splits = folder / f"{task}.splits.tsv"
        write_splits(
            labels, splits, task=task, kind=kind, parameters=splitting(2, folds=5, repeats=4),
            of_patches=kind == "tissue",
        )  # fmt: skip
        source = "tissue" if task == "tissue" else "pooled"
        files[task] = cross_validated(
            folder, labels, splits,
            {name: folder / f"{source}.{name}.h5" for name in (NOISY, CLEAN, COPY)},
            task=task, parameters=PREDICTORS[kind], blocks=[[0, 1], [2, 3]], seed=2,
        )  # fmt: skip
    return folder, files, kinds


def write(study, out, kinds=None, extractors=(NOISY, CLEAN, COPY), without=()):
    _, files, all_kinds = study
    tables = {name: out / f"{name}.tsv" for name in comparison.SCHEMAS}
    chosen = {
        task: of_task
        | {
            key: {name: of_task[key][name] for name in extractors if (task, name) not in without}
            for key in ("scores", "predictions")
        }
        for task, of_task in files.items()
    }
    comparison.write_comparison(
        chosen, all_kinds if kinds is None else kinds,
        StatisticsParameters(rope=0.01, alpha=0.05, seed=2), tables,
    )  # fmt: skip
    return {name: read_table(path, comparison.SCHEMAS[name]) for name, path in tables.items()}


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
    assert (table.loc[(CLEAN, "genes"), "n_folds"] == 20).all()
    assert 0 < overall["ci_low"] < overall["delta"] < overall["ci_high"]
    genes = table.loc[CLEAN, "genes"]
    assert (genes.filter(like="FOLLOWS", axis=0)["delta"] > 0).all()
    assert genes["metric"].eq("pearson").all()
    assert table.loc[CLEAN, "drivers", "DRIVEN"]["delta"] > 0
    primary = table["delta"] - (table["extractor_mean"] - table["baseline_mean"])
    assert primary.abs().max() < 1e-12


def test_a_copy_of_the_baseline_cannot_be_told_from_it(tables):
    table = tables["comparison"]
    copy = table[(table["extractor"] == COPY) & (table["baseline"] == NOISY)]
    copy = copy[copy["target"] != "RARE"]
    assert (copy["status"] == "not estimable").all()
    assert (copy["delta"] == 0).all()
    assert copy[["ci_low", "ci_high", "p_corrected", "prob_equivalent"]].isna().all(axis=None)
    improved = tables["improved"].set_index(["baseline", "extractor"]).loc[(NOISY, COPY)]
    assert improved["n_improved"] == 0


def test_every_pair_is_compared_those_with_the_baseline_first(study, tables, tmp_path):
    table = tables["comparison"]
    pairs = [(NOISY, CLEAN), (NOISY, COPY), (CLEAN, COPY)]
    for _, rows in table.groupby("task", sort=False):
        whose = rows[["baseline", "extractor"]].drop_duplicates().to_numpy().tolist()
        assert [tuple(pair) for pair in whose] == pairs
    # The copy is as far below the clean one as the baseline is, with the same error.
    down, up = (
        table[(table["baseline"] == pair[0]) & (table["extractor"] == pair[1])].reset_index()
        for pair in (pairs[2], pairs[0])
    )
    same = ["task", "target", "n", "n_folds", "se", "df", "p_corrected", "q_bh", "status"]
    pd.testing.assert_frame_equal(down[same], up[same])
    np.testing.assert_allclose(down["delta"], -up["delta"])
    np.testing.assert_allclose(down["ci_low"], -up["ci_high"])
    improved = tables["improved"].set_index(["baseline", "extractor"])["n_improved"]
    n_related = tables["improved"]["n_related"].iloc[0]
    assert improved[CLEAN, COPY] == n_related - improved[NOISY, CLEAN]


def test_holms_family_is_the_pairs_of_a_target(study, tables, tmp_path):
    table = tables["comparison"]
    for _, rows in table.groupby(["task", "target"]):
        np.testing.assert_allclose(rows["p_holm"], holm(rows["p_corrected"]))
    two = write(study, tmp_path, extractors=(NOISY, CLEAN))["comparison"]
    pd.testing.assert_series_equal(two["p_holm"], two["p_corrected"], check_names=False)


def test_genes_that_nobody_predicts_are_listed_untested(tables):
    noise = tables["comparison"].query("extractor == @CLEAN and task == 'genes'")
    noise = noise.set_index("target").filter(like="NOISE", axis=0)
    assert (noise["status"] == "untested").sum() >= 4
    untested = noise[noise["status"] == "untested"]
    assert untested[["p_corrected", "q_bh", "ci_low"]].isna().all(axis=None)
    assert untested["delta"].notna().all()


def test_rare_mutations_are_listed_as_not_estimable(tables):
    rare = tables["comparison"].query("target == 'RARE'")
    assert (rare["status"] == "not estimable").all()
    assert (rare["n"] == N).all()
    assert (rare["n_folds"] == 0).all()
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
    assert row["status"] == "too few related targets"
    assert pd.isna(row["ci_low"])


def test_every_score_is_tabulated(study, tables):
    metrics = tables["metrics"].set_index(["task", "extractor", "metric", "target"])
    by_task = tables["metrics"].groupby("task")["metric"].unique().map(sorted).to_dict()
    assert by_task == {
        "tissue": ["accuracy", "balanced_accuracy", "macro_auroc"],
        "genes": ["pearson", "r2", "spearman"],
        "drivers": ["auprc", "auroc", "brier", "ece"],
    }
    scores = read_table(study[1]["genes"]["scores"][CLEAN], SCORES)
    scores = scores[(scores["metric"] == "r2") & (scores["target"] == "FOLLOWS2")]
    values = scores.groupby("repeat")["value"].mean()
    row = metrics.loc["genes", CLEAN, "r2", "FOLLOWS2"]
    assert (row["mean"], row["sd"], row["repeats"]) == (
        pytest.approx(values.mean()), pytest.approx(values.std()), 4
    )  # fmt: skip
    rare = metrics.loc["drivers", CLEAN, "brier", "RARE"]
    assert rare["repeats"] == 0
    assert pd.isna(rare["mean"])


def test_roc_curves_have_the_area_of_the_auroc(tables):
    roc, mutation = tables["roc"], tables["mutation"].set_index(["target", "extractor"])
    assert set(roc["target"]) == {"DRIVEN", "RANDOM"}
    for key, curve in roc.groupby(["target", "extractor"]):
        assert np.trapezoid(curve["tpr"], curve["fpr"]) == pytest.approx(
            mutation.loc[key, "mean"], abs=0.02
        )
        assert (curve["tpr"].diff().dropna() >= -1e-12).all()


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
    for name in comparison.SCHEMAS:
        again, first = tmp_path / f"{name}.tsv", study[0] / "tables" / f"{name}.tsv"
        assert again.read_bytes() == first.read_bytes()
    pair = write(study, tmp_path, extractors=(NOISY, CLEAN))["comparison"]
    both = tables["comparison"].query("extractor == @CLEAN").reset_index(drop=True)
    pd.testing.assert_frame_equal(pair.drop(columns="p_holm"), both.drop(columns="p_holm"))


def test_an_extractor_may_know_the_samples_of_some_tasks_only(study, tables, tmp_path):
    table = write(study, tmp_path, without={("tissue", COPY)})["comparison"]
    whole = tables["comparison"]
    expected = whole[(whole["extractor"] != COPY) | (whole["task"] != "tissue")]
    alone = expected["task"] == "tissue"
    expected = expected.assign(p_holm=expected["p_holm"].mask(alone, expected["p_corrected"]))
    pd.testing.assert_frame_equal(table, expected.reset_index(drop=True))


def test_a_study_without_some_kind_of_task_has_empty_tables(study, tmp_path):
    tables = write(study, tmp_path, kinds={"tissue": "tissue"})
    for name in ("related_genes", "improved", "mutation"):
        assert tables[name].empty
        assert tables[name].columns.tolist() == [*comparison.SCHEMAS[name].columns]
    alone = write(study, tmp_path, extractors=(NOISY,))
    assert alone["comparison"].empty
    assert alone["improved"].empty
    assert len(alone["related_genes"]) == 12


def test_folds_that_enter_are_counted(study, tmp_path):
    """A fold enters where both extractors have a score in it."""
    folder, files, _ = study
    of_task = {key: dict(value) for key, value in files["genes"].items() if key == "scores"}
    empty = 0
    for name, path in files["genes"]["scores"].items():
        scores = read_table(path, SCORES)
        rows = (scores["target"] == "NOISE0") & (scores["metric"] == "pearson")
        gone = rows & (scores["fold"] == (3 if name == CLEAN else 1))
        empty += int(gone.sum())
        of_task["scores"][name] = tmp_path / f"{name}.tsv"
        write_table(
            scores.assign(value=scores["value"].mask(gone)), tmp_path / f"{name}.tsv", SCORES
        )
    assert empty == 3 * 4 * 5  # alone and without each other fold
    changed = (folder, {**files, "genes": {**files["genes"], **of_task}}, {"genes": "expression"})
    table = write(changed, tmp_path)["comparison"].query("baseline == @NOISY")
    table = table.set_index(["extractor", "target"])
    assert table.loc[(CLEAN, "NOISE0"), "n_folds"] == 12  # of 20: neither fold 1 nor fold 3
    assert table.loc[(COPY, "NOISE0"), "n_folds"] == 16
    assert (table.drop(index="NOISE0", level="target")["n_folds"] == 20).all()


def test_scores_of_another_extractor_are_refused(study, tmp_path):
    folder, files, _ = study
    genes = files["genes"]
    swapped = {NOISY: genes["scores"][NOISY], CLEAN: genes["scores"][COPY]}
    wrong = {**files, "genes": {**genes, "scores": swapped}}
    with pytest.raises(HistotransferError, match=f"is of extractor {COPY}, expected {CLEAN}"):
        write((folder, wrong, {"genes": "expression"}), tmp_path, extractors=(NOISY, CLEAN))


def test_what_was_planted_is_recovered(study, tables, tmp_path):
    folder = study[0]
    genes = [(f"FOLLOWS{j}", "genes", "T") for j in range(6)]
    genes += [(f"NOISE{j}", "genes", "") for j in range(6)]
    drivers = [("DRIVEN", "drivers", "T"), ("RARE", "drivers", "T"), ("RANDOM", "drivers", "")]
    truth = pd.DataFrame([*genes, *drivers], columns=["target", "task", "follows"])
    write_table(truth.assign(effect=1.0), tmp_path / "truth.tsv", planted_truth.PLANTED)
    planted_truth.write_truth_check(
        tmp_path / "truth.tsv", folder / "tables/related_genes.tsv", folder / "tables/mutation.tsv",
        tmp_path / "check.tsv", alpha=0.05,
    )  # fmt: skip
    check = read_table(tmp_path / "check.tsv", planted_truth.TRUTH).set_index(
        ["extractor", "target"]
    )
    clean = check.loc[CLEAN]
    assert len(clean) == 15
    assert clean.drop("RARE").filter(regex="FOLLOWS|DRIVEN", axis=0)["recovered"].all()
    assert not clean.loc["RARE", "recovered"]
    assert not clean.loc["RARE", "agrees"]
    assert clean.filter(regex="NOISE|RANDOM", axis=0)["agrees"].mean() > 0.7


def test_roc_curves_of_classes_have_the_area_of_scikit_learns_aurocs(study, tables):
    """The mean over folds of the area of each class against all others."""
    curves = tables["class_roc"]
    assert set(curves["target"]) == {"CLASS0", "CLASS1", "CLASS2"}
    macro = tables["metrics"].query("metric == 'macro_auroc'").set_index("extractor")["mean"]
    for name, own in curves.groupby("extractor"):
        areas = [np.trapezoid(curve["tpr"], curve["fpr"]) for _, curve in own.groupby("target")]
        assert np.mean(areas) == pytest.approx(macro[name], abs=0.01)


def test_calibration_is_that_of_scikit_learn_over_all_repeats(study, tables):
    found = tables["calibration"]
    assert set(found["target"]) == {"DRIVEN", "RANDOM"}  # too few patients are positive in RARE
    labels = read_labels_file(study[1]["drivers"]["labels"])
    for name in (NOISY, CLEAN):
        predictions = read_predictions(
            study[1]["drivers"]["predictions"][name], task="drivers", extractor=name
        )
        for target in ("DRIVEN", "RANDOM"):
            values = predictions.values[:, :, predictions.targets.index(target)]
            truth = labels.values.loc[predictions.samples, target].to_numpy(float)
            observed, predicted = calibration_curve(
                np.tile(truth, len(values)), values.ravel().astype(float), n_bins=10
            )
            rows = found[(found["target"] == target) & (found["extractor"] == name)]
            np.testing.assert_allclose(rows["observed"], observed)
            np.testing.assert_allclose(rows["predicted"], predicted, rtol=1e-6)
            assert rows["n"].sum() == pytest.approx(N)  # patients, not predictions
            assert (rows["lower"] <= rows["predicted"]).all()
            assert (rows["predicted"] <= rows["upper"]).all()
            inside = rows["observed"].between(rows["ci_low"] - 1e-12, rows["ci_high"] + 1e-12)
            assert inside.all()
