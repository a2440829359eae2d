"""External validation: fitted on one cohort, tested on the other, honest about what is drawn."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from histotransfer.core.errors import HistotransferError
from histotransfer.core.tables import read_table, write_table
from histotransfer.evaluation.bootstrap import (
    drawn_patients,
    intervals,
    left_out_patients,
    scores_of_rows,
)
from histotransfer.evaluation.comparison import METRICS
from histotransfer.evaluation.external_predictions import predict_externally, read_external
from histotransfer.evaluation.external_scores import AT_ONCE, VALIDATION, validate, write_validation
from histotransfer.evaluation.kinds import ALL, FEWEST, FEWEST_OF_CLASS, KINDS, WHY_NOT
from histotransfer.evaluation.statistics import NOT_ESTIMABLE, OK
from support.tasks import PREDICTORS, write_pooled, write_values

BY_STATISTICS = ("binary", "regression", "multiclass", "survival")
N, M = 60, 40
TRAIN, TEST = [f"A{i:03d}" for i in range(N)], [f"B{i:03d}" for i in range(M)]
SEED = 3


def truth_of(kind: str, rng: np.random.Generator, n: int, t: int) -> np.ndarray:
    """Draw (n, t) labels of a kind."""
    if kind == "multiclass":
        return np.eye(t)[rng.integers(0, t, n)]
    if kind == "binary":
        return (rng.random((n, t)) < 0.4).astype(float)
    if kind == "survival":
        return rng.exponential(size=(n, t)) * rng.choice([1, 1, -1], (n, t))
    return rng.normal(size=(n, t))


def noisy(kind: str, truth: np.ndarray, rng: np.random.Generator, size: float) -> np.ndarray:
    """Predict labels with an error of this size."""
    signal = -np.log(np.abs(truth)) if kind == "survival" else truth
    return signal + size * rng.normal(size=truth.shape)


class Cohorts:
    """Files of a task of two targets, of which one carries over to the other cohort."""

    def __init__(self, folder: Path, kind: str = "expression", seed: int = 1) -> None:
        self.folder, self.kind = folder, kind
        rng = np.random.default_rng(seed)
        self.features = rng.normal(size=(N + M, 20))
        first, second = self.features[:, 0].copy(), self.features[:, 1].copy()
        second[N:] = rng.normal(size=M)  # elsewhere, it has nothing to do with the features
        values = np.column_stack([first, second]) + 0.5 * rng.normal(size=(N + M, 2))
        self.values = (values > 0).astype(float) if kind == "mutation" else values

    def predicted(self, name: str = "X", folds: int = 5, seed: int = SEED):
        pooled = write_pooled(self.folder / f"{name}.h5", self.features, [*TRAIN, *TEST], name)
        labels, external = (
            write_values(
                self.folder / f"{part}.tsv", names, dict(zip(("G1", "G2"), rows.T, strict=True))
            )
            for part, names, rows in (
                ("own", TRAIN, self.values[:N]),
                ("other", TEST, self.values[N:]),
            )
        )
        out = self.folder / f"{name}.out.h5"
        predict_externally(
            {name: pooled}, labels, external, out, parameters=PREDICTORS[self.kind], task="T",
            extractor=name, folds=folds, seed=seed,
        )  # fmt: skip
        return out, read_external(out, task="T", extractor=name)


def test_the_model_is_that_of_all_training_patients(tmp_path):
    cohorts = Cohorts(tmp_path)
    path, found = cohorts.predicted()
    assert (found.samples, found.targets) == (TEST, ["G1", "G2"])
    features = cohorts.features.astype("f4").astype(float)
    for k in range(2):
        with h5py.File(path) as store:
            chosen = float(store["hyper"][k])
        pipeline = make_pipeline(StandardScaler(), Ridge(alpha=chosen))
        pipeline.fit(features[:N], cohorts.values[:N, k])
        assert found.values[:, k] == pytest.approx(pipeline.predict(features[N:]), abs=1e-5)


@pytest.mark.parametrize("kind", ["expression", "mutation"])
def test_nothing_of_the_external_cohort_reaches_the_model(tmp_path, kind):
    """Other labels and other patients there leave a patient's prediction as it is, to the byte."""
    cohorts = Cohorts(tmp_path, kind)
    _, before = cohorts.predicted()
    cohorts.values[N:] = 1 - cohorts.values[N:]
    cohorts.values[N] = np.nan
    cohorts.features[N + 1 :] *= 100
    _, after = cohorts.predicted()
    assert (after.values[0] == before.values[0]).all()
    cohorts.values[0] += 1 if kind == "expression" else (1 - 2 * cohorts.values[0])
    assert (cohorts.predicted()[1].values[0] != before.values[0]).any()


def test_a_target_that_is_too_rare_for_the_folds_is_not_fitted(tmp_path):
    cohorts = Cohorts(tmp_path, "mutation")
    cohorts.values[:N, 1] = np.arange(N) < 9
    _, found = cohorts.predicted(folds=5)
    assert np.isnan(found.values[:, 1]).all()
    assert np.isfinite(found.values[:, 0]).all()


def test_an_external_cohort_without_labels_has_no_predictions(tmp_path):
    cohorts = Cohorts(tmp_path)
    cohorts.values = cohorts.values[:N]
    pooled = write_pooled(tmp_path / "X.h5", cohorts.features, [*TRAIN, *TEST])
    labels = write_values(tmp_path / "a.tsv", TRAIN, {"G1": cohorts.values[:, 0]})
    external = write_values(tmp_path / "b.tsv", [], {"G1": np.empty(0)})
    predict_externally(
        {"X": pooled}, labels, external, tmp_path / "o.h5", parameters=PREDICTORS["expression"],
        task="T", extractor="X", folds=5, seed=SEED,
    )  # fmt: skip
    assert read_external(tmp_path / "o.h5", task="T", extractor="X").values.shape == (0, 1)
    files = {"T": {"external": external, "predictions": {"X": tmp_path / "o.h5"}}}
    write_table(METRICS.empty(), tmp_path / "m.tsv", METRICS)
    kinds, out = {"T": "expression"}, tmp_path / "v.tsv"
    write_validation(files, tmp_path / "m.tsv", kinds, out, cohorts=("A", "B"), seed=1)
    assert set(read_table(out, VALIDATION)["why"]) == {"no_patient"}


def test_a_signal_that_carries_over_is_told_from_one_that_does_not(tmp_path):
    good = Cohorts(tmp_path)
    paths = {"GOOD": good.predicted("GOOD")[0]}
    good.features = np.random.default_rng(9).normal(size=good.features.shape)
    paths = {"NOISE": good.predicted("NOISE")[0], **paths}
    metrics = pd.DataFrame(
        [
            {"task": "T", "target": target, "extractor": name, "metric": "pearson", "mean": mean,
             "sd": 0.1, "repeats": 2, "se": 0.1, "ci_low": mean - 0.1, "ci_high": mean + 0.1}
            for target in ("G1", "G2")
            for name, mean in (("NOISE", 0.0), ("GOOD", 0.8))
        ]
    )  # fmt: skip
    write_table(metrics, tmp_path / "metrics.tsv", METRICS)
    files = {"T": {"external": tmp_path / "other.tsv", "predictions": paths}}
    for out in ("v.tsv", "again.tsv"):
        write_validation(
            files, tmp_path / "metrics.tsv", {"T": "expression"}, tmp_path / out,
            cohorts=("TCGA", "CPTAC"), seed=SEED,
        )  # fmt: skip
    assert (tmp_path / "v.tsv").read_bytes() == (tmp_path / "again.tsv").read_bytes()
    table = read_table(tmp_path / "v.tsv", VALIDATION)
    assert set(table["trained_on"]) == {"TCGA"}
    assert set(table["tested_on"]) == {"CPTAC"}
    row = (
        table[table["metric"] == "pearson"]
        .fillna({"target": ""})
        .set_index(["target", "extractor"])
    )
    assert row["ci_low"]["G1", "GOOD"] > 0.5
    assert row["delta_low"]["G1", "GOOD"] > 0.3
    assert row["ci_low"]["G2", "GOOD"] < 0 < row["ci_high"]["G2", "GOOD"]
    assert row["delta_low"]["G2", "GOOD"] < 0 < row["delta_high"]["G2", "GOOD"]
    assert row["crossval"]["G2", "GOOD"] == 0.8
    assert row["crossval"]["", "GOOD"] == pytest.approx(0.8)
    for name in ("value", "delta"):
        both = row[name]["G1", "GOOD"] + row[name]["G2", "GOOD"]
        assert row[name]["", "GOOD"] == pytest.approx(both / 2)
    assert row["delta"].isna().sum() == 3  # of the first extractor itself


def test_predictions_of_other_patients_are_refused(tmp_path):
    cohorts = Cohorts(tmp_path)
    paths = {"X": cohorts.predicted("X")[0]}
    pooled = write_pooled(tmp_path / "Y.h5", cohorts.features[:-1], [*TRAIN, *TEST[:-1]], "Y")
    predict_externally(
        {"Y": pooled}, tmp_path / "own.tsv", tmp_path / "other.tsv", tmp_path / "Y.out.h5",
        parameters=PREDICTORS["expression"], task="T", extractor="Y", folds=5, seed=SEED,
    )  # fmt: skip
    files = {
        "external": tmp_path / "other.tsv",
        "predictions": paths | {"Y": tmp_path / "Y.out.h5"},
    }
    write_table(METRICS.empty(), tmp_path / "m.tsv", METRICS)
    with pytest.raises(HistotransferError, match="other patients or targets"):
        write_validation(
            {"T": files}, tmp_path / "m.tsv", {"T": "expression"}, tmp_path / "v.tsv",
            cohorts=("A", "B"), seed=1,
        )  # fmt: skip


# The bootstrap


@pytest.mark.parametrize("kind", BY_STATISTICS)
def test_samples_scored_together_score_as_each_alone(kind):
    rng = np.random.default_rng(4)
    truth = truth_of(kind, rng, 30, 3)
    predicted = noisy(kind, truth, rng, 1)
    if kind != "multiclass":
        truth[:5, 1] = np.nan
    rows, names = drawn_patients(30, rng, 7), ["a", "b", "c"]
    alone = [KINDS[kind].primary(truth[some], predicted[some], names)["value"] for some in rows]
    found = scores_of_rows(KINDS[kind], truth, predicted, names, rows)
    np.testing.assert_array_equal(found, np.array(alone))


def test_each_patient_is_left_out_once():
    rows = left_out_patients(5)
    assert [sorted({*range(5)} - {*some}) for some in rows.tolist()] == [[i] for i in range(5)]
    assert rows.shape == (5, 4)


@pytest.mark.parametrize("kind", ["binary", "regression", "survival"])
def test_intervals_are_those_of_scipy(kind):
    rng = np.random.default_rng(5)
    truth = truth_of(kind, rng, 50, 1)
    predicted = noisy(kind, truth, rng, 1.5)

    def score(a: np.ndarray, b: np.ndarray) -> float:
        return KINDS[kind].primary(a[:, None], b[:, None], ["x"])["value"].iloc[0]

    peer = stats.bootstrap(
        (truth[:, 0], predicted[:, 0]), score, paired=True, vectorized=False, n_resamples=300,
        rng=np.random.default_rng(6), method="BCa",
    )  # fmt: skip
    drawn = drawn_patients(50, np.random.default_rng(6), 300)
    everyone, without = np.arange(50)[None], left_out_patients(50)
    found, of_drawn, of_others = (
        scores_of_rows(KINDS[kind], truth, predicted, ["x"], rows)
        for rows in (everyone, drawn, without)
    )
    low, high = intervals(found[0], of_drawn, of_others)
    interval = peer.confidence_interval
    assert (low[0], high[0]) == pytest.approx((interval.low, interval.high), abs=0.01)


@pytest.mark.parametrize(
    ("kind", "true"), [("binary", stats.norm.cdf(1 / np.sqrt(2))), ("regression", 0.5)]
)
def test_intervals_hold_the_truth_in_about_95_percent(kind, true):
    rng, held, studies = np.random.default_rng(7), [], 250
    for _ in range(studies):
        if kind == "binary":
            truth = (rng.random((60, 1)) < 0.4).astype(float)
            predicted = truth + rng.normal(size=truth.shape)
        else:
            truth = rng.normal(size=(60, 1))
            predicted = 0.5 * truth + np.sqrt(0.75) * rng.normal(size=truth.shape)
        table = validate(KINDS[kind], truth, {"X": predicted}, ["x"], rng, draws=400)
        held.append(table["ci_low"][0] <= true <= table["ci_high"][0])
    assert 0.91 <= np.mean(held) <= 0.985


def test_paired_differences_are_narrower_than_unpaired_ones_would_be():
    rng = np.random.default_rng(8)
    truth = rng.normal(size=(80, 1))
    shared = truth + rng.normal(size=truth.shape)
    both = {name: shared + 0.1 * rng.normal(size=truth.shape) for name in ("A", "B")}
    table = validate(KINDS["regression"], truth, both, ["x"], rng).set_index(
        ["extractor", "metric"]
    )
    row = table.loc[("B", "pearson")]
    assert row["delta_high"] - row["delta_low"] < 0.3 * (row["ci_high"] - row["ci_low"])


# What is not estimable


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(BY_STATISTICS), st.integers(0, 30), st.integers(0, 2**32 - 1))
def test_whatever_is_too_little_has_a_reason_and_whatever_has_none_an_interval(kind, n, seed):
    rng = np.random.default_rng(seed)
    truth = truth_of(kind, rng, n, 3)
    if kind != "multiclass" and n:
        truth[rng.random(truth.shape) < rng.choice([0, 0.3, 1])] = np.nan
        truth[:, 2] = 1.0
    predicted = {name: noisy(kind, np.nan_to_num(truth, nan=1), rng, 1) for name in ("A", "B")}
    table = validate(KINDS[kind], truth, predicted, ["a", "b", "c"], rng, draws=60)
    assert set(table["why"]) <= {"", *WHY_NOT}
    lost = table["status"] == NOT_ESTIMABLE
    assert (table["value"].isna() == lost).all()
    assert (table.loc[lost, "why"] != "").all()
    primary = table[~lost & (table["metric"] == KINDS[kind].metric)]
    inner = primary["ci_low"].le(primary["ci_high"]) | primary["why"].eq("constant")
    assert inner.all()
    assert table.loc[table["extractor"] == "A", "delta"].isna().all()
    assert (table.loc[~lost & (table["target"] != ""), "n"] >= FEWEST_OF_CLASS).all()


@pytest.mark.parametrize(
    ("kind", "labels", "why"),
    [
        ("binary", [0] * 20, "one_class"),
        ("binary", [0] * 20 + [1] * 4, "few_of_class"),
        ("binary", [0, 1] * 4, "few_patients"),
        ("binary", [np.nan] * 20, "no_patient"),
        ("binary", [0] * 20 + [1] * 5, ""),
        ("regression", [3.0] * 20, "no_variance"),
        ("regression", range(FEWEST - 1), "few_patients"),
        ("regression", range(FEWEST), ""),
        ("survival", [-1.0] * 20, "few_events"),
        ("survival", [-1.0] * 20 + [2.0] * 4, "few_events"),
        ("survival", [-1.0] * 20 + [0.5] * 5, ""),
    ],
)
def test_too_little_of_a_target_is_named(kind, labels, why):
    rng = np.random.default_rng(0)
    truth = np.array([*labels], dtype=float)[:, None]
    table = validate(KINDS[kind], truth, {"X": rng.normal(size=truth.shape)}, ["x"], rng, draws=50)
    assert set(table["why"]) == {why}
    assert set(table["status"]) == {NOT_ESTIMABLE if why else OK}


def test_rare_classes_leave_the_accuracy_of_all():
    rng = np.random.default_rng(0)
    truth = np.eye(3)[[*[0] * 20, *[1] * 20, *[2] * 4]]
    predicted = truth + rng.normal(size=truth.shape)
    table = validate(KINDS["multiclass"], truth, {"X": predicted}, ["a", "b", "c"], rng, draws=50)
    why = table.set_index(["target", "metric"])["why"]
    assert why[ALL, "accuracy"] == why["a", "accuracy"] == ""
    assert why["c", "accuracy"] == why[ALL, "balanced_accuracy"] == "few_of_class"


def test_what_was_not_fitted_and_what_is_constant_are_told_apart():
    truth = np.random.default_rng(0).normal(size=(20, 3))
    predicted = truth.copy()
    predicted[:, 0], predicted[:, 1] = np.nan, 4.0
    rng = np.random.default_rng(1)
    table = validate(KINDS["regression"], truth, {"X": predicted}, list("abc"), rng, draws=50)
    of_r = table[table["metric"] == "pearson"].set_index("target")
    assert of_r["why"].to_dict() == {
        "": "constant",
        "a": "not_fitted",
        "b": "undefined",
        "c": "constant",
    }
    assert of_r["value"]["c"] == pytest.approx(1)


def test_many_targets_are_scored_in_parts():
    rng = np.random.default_rng(2)
    truth = rng.normal(size=(12, AT_ONCE + 7))
    predicted = {
        name: truth + size * rng.normal(size=truth.shape) for name, size in (("A", 2), ("B", 1))
    }
    names = [f"g{i}" for i in range(truth.shape[1])]
    table = validate(KINDS["regression"], truth, predicted, names, rng, draws=30)
    mean = table[table["target"] == ""].set_index("extractor")
    own = table[(table["metric"] == "pearson") & (table["target"] != "")]
    expected = own.groupby("extractor")["value"].mean()
    assert mean["value"]["B"] == pytest.approx(expected["B"])
    assert mean["delta"]["B"] == pytest.approx(expected["B"] - expected["A"])
    assert mean["ci_low"]["B"] < mean["value"]["B"] < mean["ci_high"]["B"]
    assert own["ci_low"].notna().all()
