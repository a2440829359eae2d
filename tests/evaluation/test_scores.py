"""Scores against scikit-learn and SciPy."""

from __future__ import annotations

from itertools import pairwise

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    r2_score,
    recall_score,
    roc_auc_score,
)

from histotransfer.core.errors import HistotransferError
from histotransfer.core.hdf5 import create_store
from histotransfer.core.tables import read_table, write_table
from histotransfer.evaluation import metrics, scores
from histotransfer.evaluation.cross_validation import Drawn, out_of_fold
from histotransfer.evaluation.kinds import KINDS
from histotransfer.evaluation.predictors.ridge import Ridge
from histotransfer.evaluation.splits import SPLITS
from support.tasks import write_values

TIED = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=30)


@given(TIED)
def test_ranking_scores_are_scikit_learns_ties_included(sample):
    positive, values = np.array([p for p, _ in sample]), np.array([float(v) for _, v in sample])
    assume(positive.any() and not positive.all())
    assert metrics.auroc(positive, values) == pytest.approx(roc_auc_score(positive, values))
    expected = average_precision_score(positive, values)
    assert metrics.average_precision(positive, values) == pytest.approx(expected)


@given(TIED, st.data())
def test_columns_of_which_some_values_are_unknown_are_ranked_by_the_others(sample, data):
    truth = np.array([[float(p)] * 2 for p, _ in sample])
    values = np.array([[float(v)] * 2 for _, v in sample])
    lost = np.array(data.draw(st.lists(st.sampled_from("-tv"), min_size=len(sample),
                                       max_size=len(sample))))  # fmt: skip
    truth[lost == "t", 1], values[lost == "v", 1] = np.nan, np.nan
    known = lost == "-"
    expected = [metrics.auroc(truth[rows, 0] == 1, values[rows, 0])
                for rows in (slice(None), known)]  # fmt: skip
    np.testing.assert_array_equal(metrics.aurocs(truth, values), expected)


def test_pearson_is_scipys_on_what_is_known():
    rng = np.random.default_rng(1)
    truth, predicted = rng.normal(5, 1, (40, 6)), rng.normal(5, 1, (40, 6))
    predicted[:, 0] += truth[:, 0]
    truth[::7, 1], predicted[3, 2] = np.nan, np.nan
    predicted[:, 3] = 0.1  # no variance
    truth[1:, 4] = np.nan  # one sample
    r = metrics.pearson(truth, predicted)
    for j in (0, 1, 2, 5):
        known = np.isfinite(truth[:, j] + predicted[:, j])
        expected = pearsonr(truth[known, j], predicted[known, j]).statistic
        assert r[j] == pytest.approx(expected, abs=1e-12)
    assert np.isnan(r[[3, 4]]).all()


@given(
    st.sampled_from([metrics.pearson, metrics.spearman, metrics.r2]),
    st.integers(0, 6),
    st.integers(0, 10**6),
)
def test_a_correlation_over_fewer_than_three_samples_is_undefined(score, known, seed):
    rng = np.random.default_rng(seed)
    truth, predicted = rng.standard_normal((2, 6, 4))
    truth[known:, 0] = np.nan
    predicted[rng.permutation(6)[known:], 1] = np.nan
    truth[known:, 2], predicted[6 - known :, 2] = np.nan, np.nan
    shared = np.isfinite(truth + predicted).sum(axis=0)
    np.testing.assert_array_equal(np.isfinite(score(truth, predicted)), shared >= 3)


def test_a_ranking_score_of_one_class_is_undefined():
    values = np.array([0.1, 0.4, 0.3])
    for score in (metrics.auroc, metrics.average_precision):
        for positive in (np.ones(3, dtype=bool), np.zeros(3, dtype=bool)):
            assert np.isnan(score(positive, values))


def test_spearman_and_r2_are_scipys_and_scikit_learns_on_what_is_known():
    rng = np.random.default_rng(1)
    truth = rng.normal(5, 1, (40, 5)).round(1)  # ties
    predicted = truth + rng.normal(0, 1, (40, 5))
    for gaps in (False, True):
        if gaps:
            truth[::7, 1], predicted[3, 2] = np.nan, np.nan
            truth[:, 3] = 0.1  # no variance
            truth[1:, 4] = np.nan  # one sample
        rho, r2 = metrics.spearman(truth, predicted), metrics.r2(truth, predicted)
        for j in range(3 if gaps else 5):
            known = np.isfinite(truth[:, j] + predicted[:, j])
            a, b = truth[known, j], predicted[known, j]
            assert rho[j] == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)
            assert r2[j] == pytest.approx(r2_score(a, b), abs=1e-12)
    assert np.isnan([*rho[3:], *r2[3:]]).all()
    table = KINDS["expression"].scores(truth, predicted, list("ABCDE"))
    assert table.groupby("metric")["target"].agg("".join).to_dict() == dict.fromkeys(
        ["pearson", "spearman", "r2"], "ABCDE"
    )


@pytest.mark.parametrize("kind", ["tissue", "multiclass"])
def test_scores_of_classes_are_scikit_learns(kind):
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 3, 50)
    probabilities = rng.dirichlet([1, 1, 1], 50) + 0.3 * np.eye(3)[codes]
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    table = KINDS[kind].scores(np.eye(3)[codes], probabilities, ["A", "B", "C"])
    predicted = probabilities.argmax(axis=1)
    expected = [
        accuracy_score(codes, predicted),
        *recall_score(codes, predicted, average=None),
        balanced_accuracy_score(codes, predicted),
        roc_auc_score(codes, probabilities, multi_class="ovr"),
    ]
    np.testing.assert_allclose(table["value"], expected)
    assert table["target"].tolist() == ["all", "A", "B", "C", "all", "all"]
    metric = ["accuracy"] * 4 + ["balanced_accuracy", "macro_auroc"]
    assert table["metric"].tolist() == metric


def test_the_macro_auroc_leaves_out_absent_classes_and_unpredicted_samples():
    truth = np.eye(3)[[0, 0, 1, 1, 1, 0]]
    rng = np.random.default_rng(5)
    predicted = rng.dirichlet([1, 1, 1], 6)
    predicted[5] = np.nan
    each = [roc_auc_score(truth[:5, k], predicted[:5, k]) for k in (0, 1)]
    assert metrics.macro_auroc(truth, predicted) == pytest.approx(np.mean(each))
    assert np.isnan(metrics.macro_auroc(truth[:2], predicted[:2]))


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 1) | st.integers(0, 10).map(lambda i: i / 10)),
             min_size=1, max_size=40)
)  # fmt: skip
def test_the_calibration_error_is_the_sum_over_ten_bins(sample):
    positive, values = np.array([p for p, _ in sample]), np.array([v for _, v in sample])
    expected = 0.0
    for number, (low, high) in enumerate(pairwise(np.linspace(0, 1, 11))):
        rows = (values <= high) & ((values > low) | (number == 0))
        if rows.any():
            gap = abs(positive[rows].mean() - values[rows].mean())
            expected += rows.sum() / len(values) * gap
    assert metrics.calibration_error(positive, values) == pytest.approx(expected, abs=1e-12)


def test_the_calibration_error_of_what_is_known():
    perfect = np.array([True, False, False, False]), np.full(4, 0.25)
    assert metrics.calibration_error(*perfect) == 0
    assert metrics.calibration_error(np.array([False, True]), np.array([1.0, 0.0])) == 1
    assert np.isnan(metrics.calibration_error(np.array([], dtype=bool), np.array([])))


def write_block(path, predictions, repeats, samples, targets, task="drivers"):
    """Write predictions; those of models without the other fold are half of them."""
    without = np.stack([predictions / 2] * 2, axis=1)
    with create_store(path, "cv/2", {"task": task, "extractor": "X"}) as store:
        store.create_dataset("without", data=without.astype("f4"))
        store.create_dataset("predictions", data=predictions.astype("f4"))
        store.create_dataset("repeat", data=np.array(repeats, dtype="i4"))
        for name, values in {"sample": samples, "target": targets}.items():
            store.create_dataset(name, data=np.array(values, object), dtype=h5py.string_dtype())
    return path


@pytest.fixture
def mutation(tmp_path):
    rng = np.random.default_rng(3)
    samples = [f"S{i:02d}" for i in range(20)]
    labels = pd.DataFrame({"G": [1] * 4 + [0] * 16, "RARE": [1] + [0] * 19})
    write_values(tmp_path / "labels.tsv", samples, labels)
    fold = np.array([0, 0, 1, 1] + [0, 1] * 8)
    splits = [
        pd.DataFrame({"repeat": r, "sample": samples, "fold": fold}).sample(frac=1, random_state=r)
        for r in range(3)
    ]
    write_table(pd.concat(splits).assign(task="drivers"), tmp_path / "splits.tsv", SPLITS)
    predictions = rng.uniform(size=(3, 20, 2))
    predictions[:, :, 1] = np.nan
    blocks = [
        write_block(tmp_path / "b.h5", predictions[2:], [2], samples, ["G", "RARE"]),
        write_block(tmp_path / "a.h5", predictions[:2], [0, 1], samples, ["G", "RARE"]),
    ]
    return tmp_path, blocks, labels, fold, predictions.astype("f4")


def score(folder, blocks, kind):
    out = folder / "scores.tsv"
    scores.write_scores(
        blocks, folder / "labels.tsv", folder / "splits.tsv", out,
        kind=kind, task="drivers", extractor="X",
    )  # fmt: skip
    return read_table(out, scores.SCORES, task="drivers", extractor="X")


def test_every_fold_is_scored_in_any_order_of_blocks(mutation):
    folder, blocks, labels, fold, predictions = mutation
    table = score(folder, blocks, "mutation")
    assert table.columns.tolist() == [*scores.SCORES.columns]
    # Three repeats of two folds: four scores of two targets, and AUROC without the other fold.
    assert len(table) == 3 * 2 * (2 * 4 + 2)
    table = table.set_index(["target", "metric", "repeat", "fold", "without"])["value"]
    positive = labels["G"].to_numpy() == 1
    for repeat, values in enumerate(predictions[:, :, 0]):
        for k, rows in {0: fold == 0, 1: fold == 1}.items():
            expected = roc_auc_score(positive[rows], values[rows])
            assert table["G", "auroc", repeat, k, -1] == pytest.approx(expected)
            assert table["G", "auroc", repeat, k, 1 - k] == pytest.approx(expected)
            expected = np.mean((values[rows] - positive[rows]) ** 2)
            assert table["G", "brier", repeat, k, -1] == pytest.approx(expected)
    assert table["RARE"].isna().all()
    first = (folder / "scores.tsv").read_bytes()
    score(folder, blocks[::-1], "mutation")
    assert (folder / "scores.tsv").read_bytes() == first


def test_an_undefined_fold_is_empty_and_the_others_are_not(mutation):
    folder, blocks, labels, _, _ = mutation
    values = labels.assign(G=[1, 1, 0, 0] + [0] * 16)
    write_values(folder / "labels.tsv", [f"S{i:02d}" for i in range(20)], values)
    table = score(folder, blocks, "mutation")
    auroc = table[(table["target"] == "G") & (table["metric"] == "auroc")].set_index("fold")[
        "value"
    ]
    assert auroc.loc[1].isna().all()
    assert auroc.loc[0].notna().all()


def test_blocks_that_do_not_fit_are_errors(mutation):
    folder, blocks, _, _, predictions = mutation
    samples = [f"S{i:02d}" for i in range(20)]
    again = write_block(folder / "c.h5", predictions[:1], [2], samples, ["G", "RARE"])
    with pytest.raises(HistotransferError, match="holds a repeat that another block holds too"):
        score(folder, [*blocks, again], "mutation")
    other = write_block(folder / "c.h5", predictions[:1], [3], samples, ["G", "H"])
    with pytest.raises(HistotransferError, match=r"c\.h5: has other samples or targets than"):
        score(folder, [*blocks, other], "mutation")


def test_another_tasks_predictions_are_refused(mutation):
    folder, blocks, _, _, predictions = mutation
    samples = [f"S{i:02d}" for i in range(20)]
    other = write_block(folder / "c.h5", predictions[:1], [3], samples, ["G", "RARE"], task="genes")
    with pytest.raises(HistotransferError, match=r"c\.h5: is of task genes, expected drivers"):
        score(folder, [*blocks, other], "mutation")
    score(folder, blocks, "mutation")
    with pytest.raises(HistotransferError, match=r"scores\.tsv: is of extractor X, expected Y"):
        read_table(folder / "scores.tsv", scores.SCORES, task="drivers", extractor="Y")


def test_the_mean_of_the_folds_is_unbiased_where_predictions_put_together_are_not():
    """Without any signal, at n = 50: pooled predictions carry the means of the training folds."""
    rng = np.random.default_rng(1)
    of_folds, pooled = [], []
    for _ in range(40):
        x, y = rng.standard_normal((50, 20)), rng.standard_normal((50, 10))
        fold_of = rng.permutation(np.arange(50) % 5)
        drawn = Drawn(fold_of, 5, 0, 0)
        predicted, _ = out_of_fold(Ridge(np.logspace(0, 5, 6).tolist()), x, y, drawn)
        folds = [metrics.pearson(y[fold_of == k], predicted[fold_of == k]) for k in range(5)]
        of_folds.append(np.mean(folds, axis=0))
        pooled.append(metrics.pearson(y, predicted))
    error = np.std(of_folds) / np.sqrt(400)
    assert abs(np.mean(of_folds)) < 4 * error
    assert np.mean(pooled) < -0.1
