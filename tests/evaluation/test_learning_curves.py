"""Learning curves: nested subsets, planted truths, and what shuffled labels give."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histotransfer.core.tables import read_table, write_table
from histotransfer.evaluation.comparison import SCHEMAS, write_comparison
from histotransfer.evaluation.curve_tables import LEARNING_CURVES, PERMUTED, write_curve_tables
from histotransfer.evaluation.kinds import KINDS
from histotransfer.evaluation.learning_curves import read_curve, trace_curve
from histotransfer.evaluation.permuted_labels import shuffled
from histotransfer.evaluation.splits import write_splits
from histotransfer.evaluation.training_subsets import few_labels, fractions, sizes
from histotransfer.labels.files import CLASS, TaskLabels
from histotransfer.study.parameters import StatisticsParameters
from histotransfer.study.tasks import PredictorParameters
from support.tasks import (
    PREDICTORS,
    cross_validated,
    patients,
    splitting,
    write_patch_features,
    write_pooled,
    write_values,
)

N = 100
BLIND, COLOUR = "BLIND", "COLOUR"
"""Features of tissue without any colour, and of colour alone."""
KINDS_OF = {"genes": "expression", "patches": "tissue"}


def labels_of(values: dict[str, object]) -> TaskLabels:
    table = pd.DataFrame(values)
    table.index = pd.Index([f"S{i}" for i in range(len(table))])
    return TaskLabels(pd.Series(table.index, table.index, name="group"), table)


@settings(max_examples=20)
@given(
    classes=st.lists(st.integers(0, 2), min_size=40, max_size=90),
    folds=st.integers(4, 6),
    seed=st.integers(0, 99),
)
def test_few_labels_are_as_many_of_each_class_from_all_folds_and_nested(classes, folds, seed):
    rng = np.random.default_rng(seed)
    labels = labels_of({CLASS: [f"C{code}" for code in [0, 0, 1, 1, 2, 2, *classes]]})
    n = len(labels.samples)
    fold_of = rng.permutation(np.arange(n) % folds)
    subsets = few_labels(labels, fold_of, rng)
    tried = sizes(labels, fold_of, of_patches=True)
    for away in range(folds):
        allowed = fold_of != away
        before = np.zeros(n, dtype=bool)
        for size in tried:
            chosen = subsets.of(size, allowed)
            assert (chosen <= allowed).all()
            assert (before <= chosen).all()
            assert labels.values[CLASS][chosen].value_counts().eq(size).all()
            pair = subsets.of_pair(size, allowed & (fold_of != (away + 1) % folds), folds)
            assert pair.sum() <= chosen.sum()
            before = chosen


@given(folds=st.integers(4, 6), n=st.integers(60, 120), seed=st.integers(0, 99))
def test_fractions_are_nested_and_spread_over_folds_and_strata(folds, n, seed):
    rng = np.random.default_rng(seed)
    positive = (np.arange(n) < n // 2).astype(float)
    labels = labels_of({"TP53": rng.permutation(positive)})
    fold_of = rng.permutation(np.arange(n) % folds)
    subsets = fractions(KINDS["mutation"], labels, fold_of, rng)
    everyone, before = np.ones(n, dtype=bool), np.zeros(n, dtype=bool)
    for size in (0.25, 0.5, 0.75, 1.0):
        chosen = subsets.of(size, everyone)
        assert (before <= chosen).all()
        by_fold = np.bincount(fold_of[chosen], minlength=folds) / np.bincount(fold_of)
        assert np.abs(by_fold - size).max() <= 1.5 / np.bincount(fold_of).min()
        carriers = labels.values["TP53"].to_numpy() == 1
        share = (chosen & carriers).sum() / carriers.sum()
        assert abs(share - size) <= folds * 1.0 / carriers.sum()
        before = chosen
    assert before.all()


def test_a_small_cohort_has_no_fractions():
    labels = labels_of({"G": np.arange(14.0)})
    assert sizes(labels, np.arange(14) % 4, of_patches=False) == []


@given(seed=st.integers(0, 99))
def test_labels_move_as_blocks_within_groups(seed):
    rng = np.random.default_rng(seed)
    group = pd.Series(["A"] * 6 + ["B"] * 5 + [f"alone{i}" for i in range(7)])
    truth = rng.normal(size=(18, 3))
    source = shuffled(truth, group, rng)
    assert sorted(source) == list(range(18))
    assert set(source[:6]) == set(range(6))
    assert set(source[6:11]) == set(range(6, 11))


@given(seed=st.integers(0, 99), size=st.integers(2, 5))
def test_labels_of_whole_groups_move_between_groups(seed, size):
    """Else a label that all patches of a patient share would never move."""
    rng = np.random.default_rng(seed)
    group = pd.Series(np.repeat([f"P{i}" for i in range(8)], size))
    truth = np.repeat(np.eye(2)[[0, 1] * 4], size, axis=0)
    moved = truth[shuffled(truth, group, rng)]
    assert pd.DataFrame(moved).groupby(group).nunique().eq(1).all(axis=None)
    assert moved.sum(axis=0).tolist() == truth.sum(axis=0).tolist()


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """One gene follows colour alone, one tissue alone; patches whose classes differ in tissue."""
    folder = tmp_path_factory.mktemp("curves")
    rng = np.random.default_rng(3)
    colour, tissue = rng.normal(size=(2, N))
    noise = rng.normal(size=(3, N))
    genes = {
        "STAINED": colour + 0.3 * noise[0],
        "MORPHOLOGY": tissue + 0.3 * noise[1],
        "NOTHING": noise[2],
    }
    codes = np.repeat(np.arange(3), 50)
    axes = rng.normal(size=(3, 40))
    for name, signal in {BLIND: tissue, COLOUR: colour}.items():
        x = np.outer(signal, rng.normal(size=60)) + rng.normal(size=(N, 60))
        write_pooled(folder / f"genes.{name}.h5", x, patients(N), name)
        strength = 0.35 if name == BLIND else 0.1
        patch_x = strength * axes[codes] + rng.normal(size=(150, 40))
        write_patch_features(folder / f"patches.{name}.h5", patch_x, codes, name)
    samples = [f"CLASS{code}/{i:04d}.tif" for i, code in enumerate(codes)]
    files, curves = {}, {}
    for task, values in {
        "genes": genes, "patches": {"class": [f"CLASS{code}" for code in codes]},
    }.items():  # fmt: skip
        kind, of_patches = KINDS_OF[task], task == "patches"
        labels = write_values(
            folder / f"{task}.tsv", samples if of_patches else patients(N), values
        )
        splits = folder / f"{task}.splits.tsv"
        write_splits(
            labels, splits, task=task, kind=kind, of_patches=of_patches,
            parameters=splitting(2, repeats=2),
        )  # fmt: skip
        features = {name: folder / f"{task}.{name}.h5" for name in (BLIND, COLOUR)}
        shared = {"parameters": PREDICTORS[kind], "task": task, "seed": 2}
        files[task] = cross_validated(folder, labels, splits, features, blocks=[[0, 1]], **shared)
        curves[task] = {name: folder / f"{task}.{name}.curve.h5" for name in features}
        for name, curve in curves[task].items():
            trace_curve(
                [features[name]], labels, splits, curve, extractor=name, parts=[name],
                of_patches=of_patches, group_by="patient", **shared,
            )  # fmt: skip
    parameters = StatisticsParameters(rope=0.01, alpha=0.05, seed=1)
    compared = {name: folder / f"tables/{name}.tsv" for name in SCHEMAS}
    write_comparison(files, KINDS_OF, parameters, compared)
    write_curve_tables(
        {task: {"scores": files[task]["scores"], "curves": curves[task]} for task in files},
        compared["comparison"], KINDS_OF, ["patches"], parameters,
        folder / "learning_curves.tsv", folder / "permuted.tsv",
    )  # fmt: skip
    return {
        "comparison": read_table(compared["comparison"], SCHEMAS["comparison"]),
        "metrics": read_table(compared["metrics"], SCHEMAS["metrics"]),
        "curves": read_table(folder / "learning_curves.tsv", LEARNING_CURVES),
        "permuted": read_table(folder / "permuted.tsv", PERMUTED),
        "paths": (curves, files),
    }


def test_a_gene_that_follows_colour_alone_makes_colour_win(study):
    table = study["comparison"].set_index(["task", "target"])
    stained, morphology = table.loc[("genes", "STAINED")], table.loc[("genes", "MORPHOLOGY")]
    assert stained["delta"] > 0.5
    assert stained["q_bh"] < 0.05
    assert morphology["delta"] < -0.5


def test_more_samples_help_and_the_last_point_is_the_comparison(study):
    curves = study["curves"]
    own = curves[(curves["task"] == "genes") & (curves["target"] == "MORPHOLOGY")]
    blind = own[own["extractor"] == BLIND].sort_values("n_train")
    assert blind["size"].tolist() == [0.25, 0.5, 0.75, 1.0]
    assert blind["n_train"].tolist() == pytest.approx([20, 40, 60, 80], abs=4)
    assert blind["mean"].iloc[0] < blind["mean"].iloc[-1]
    last = own[(own["extractor"] == COLOUR) & (own["size"] == 1)].iloc[0]
    table = study["comparison"].set_index(["task", "target"]).loc[("genes", "MORPHOLOGY")]
    assert [last["delta"], last["delta_low"], last["delta_high"]] == pytest.approx(
        [table["delta"], table["ci_low"], table["ci_high"]]
    )
    assert last["baseline"] == BLIND


def test_a_task_is_the_mean_over_the_same_targets_at_every_size(study):
    whole = study["curves"].query("task == 'genes' and scope == 'task' and extractor == @BLIND")
    single = study["curves"].query("task == 'genes' and scope == 'target' and extractor == @BLIND")
    assert set(single["target"]) == {"STAINED", "MORPHOLOGY"}
    means = single.groupby("size")["mean"].mean()
    assert whole["n_targets"].eq(2).all()
    assert whole.set_index("size")["mean"].to_numpy() == pytest.approx(means.to_numpy(), abs=1e-6)


def test_few_labels_are_worse_and_their_intervals_hold_the_next_size(study):
    curves = study["curves"].query("task == 'patches' and scope == 'task' and extractor == @BLIND")
    curves = curves.sort_values("n_train")
    assert curves["size"].tolist()[:5] == [2, 5, 10, 20, pytest.approx(np.nan, nan_ok=True)]
    assert curves["n_train"].tolist() == [6, 15, 30, 60, 120]
    assert curves["mean"].iloc[0] < curves["mean"].iloc[-1]
    assert (curves["ci_low"] < curves["mean"]).all()
    assert (curves["mean"] < curves["ci_high"]).all()


def test_shuffled_labels_give_chance_and_stand_beside_the_real_score(study):
    whole = study["permuted"].query("scope == 'task'").set_index(["task", "extractor"])
    assert whole["mean"][("genes", BLIND)] == pytest.approx(0, abs=0.25)
    assert whole["mean"][("patches", BLIND)] == pytest.approx(1 / 3, abs=0.12)
    assert (whole["shuffles"] == 2).all()
    metrics = study["metrics"].set_index(["task", "target", "extractor", "metric"])["mean"]
    assert whole["with_labels"][("patches", BLIND)] == pytest.approx(
        metrics["patches", "all", BLIND, "accuracy"]
    )


def test_a_curve_is_read_in_any_order_of_targets(study):
    curves, _ = study["paths"]
    path = curves["genes"][BLIND]
    names = ["STAINED", "NOTHING", "MORPHOLOGY"]
    one = read_curve(path, KINDS["regression"], names, task="genes", extractor=BLIND)
    other = read_curve(path, KINDS["regression"], names[::-1], task="genes", extractor=BLIND)
    assert np.array_equal(one.permuted, other.permuted[..., ::-1])
    assert np.array_equal(one.scores[0].folds, other.scores[0].folds[..., ::-1])


def test_a_predictor_that_needs_more_samples_has_no_score_there(study, tmp_path):
    """Nearest neighbours of which there are more than training samples."""
    _, files = study["paths"]
    path = tmp_path / "curve.h5"
    features = files["patches"]["labels"].with_name(f"patches.{BLIND}.h5")
    trace_curve(
        [features], files["patches"]["labels"], files["patches"]["splits"], path, parts=[BLIND],
        parameters=PredictorParameters("tissue", "knn", {"n_neighbors": [25]}), task="patches",
        extractor=BLIND, of_patches=True, group_by="patient", seed=2,
    )  # fmt: skip
    curve = read_curve(path, KINDS["tissue"], ["all"], task="patches", extractor=BLIND)
    assert all(scores.grouped for scores in curve.scores)
    known = [bool(np.isfinite(scores.folds).all()) for scores in curve.scores]
    assert known == [False, False, True, True]


def test_an_empty_comparison_leaves_every_target_in_the_mean(study, tmp_path):
    """Where nothing is tested, the curve of noise is shown all the same."""
    curves, files = study["paths"]
    empty = tmp_path / "comparison.tsv"
    write_table(SCHEMAS["comparison"].empty(), empty, SCHEMAS["comparison"])
    out = tmp_path / "curves.tsv"
    write_curve_tables(
        {"genes": {"scores": files["genes"]["scores"], "curves": curves["genes"]}},
        empty, {"genes": "expression"}, [], StatisticsParameters(0.01, 0.05, 1),
        out, tmp_path / "permuted.tsv",
    )  # fmt: skip
    table = read_table(out, LEARNING_CURVES)
    assert set(table["scope"]) == {"task"}
    assert table["n_targets"].eq(3).all()
