"""The integrated Brier score against scikit-survival, its definition, and planted hazards."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histotransfer.core.tables import read_table
from histotransfer.evaluation.concordance import censoring, harrell
from histotransfer.evaluation.cross_validation import run_block
from histotransfer.evaluation.fold_scores import PAIRED_REPEATS
from histotransfer.evaluation.integrated_brier import brier, integrated_brier, survival_of
from histotransfer.evaluation.predictions import read_predictions
from histotransfer.evaluation.scores import NO_OTHER, SCORES, write_scores
from histotransfer.evaluation.splits import SPLITS, fold_of_samples, write_splits
from histotransfer.labels.survival_times import encode
from histotransfer.study.tasks import PredictorParameters
from support.survival import remission
from support.tasks import patients, splitting, write_pooled, write_values

PATIENTS = st.lists(
    st.tuples(st.integers(1, 8), st.booleans(), st.floats(-2, 2)), min_size=1, max_size=25
)


def halves():
    """Return a published trial with made-up risks, a third of it for testing."""
    time, event, placebo = remission()
    risk = 1.2 * placebo + 0.1 * np.cos(np.arange(len(time)))
    test = np.arange(len(time)) % 3 == 0
    return [(time[rows], event[rows] == 1, risk[rows]) for rows in (test, ~test)]


def score(tested, known):
    (truth, risk), (their_truth, their_risk) = (
        (encode(time, event.astype(float))[:, None], risk[:, None])
        for time, event, risk in (tested, known)
    )
    return integrated_brier(truth, risk, their_truth, their_risk)[0]


def test_survival_and_brier_scores_are_scikit_survivals():
    """Of `BreslowEstimator` and `brier_score` of version 0.28."""
    (time, event, risk), known = halves()
    when = np.array([2.0, 5, 6, 10, 13, 22])
    survival = survival_of(risk, when, *known)
    expected = [0.96304344, 0.88059145, 0.83413381, 0.76467950, 0.67196568, 0.47916735]
    np.testing.assert_allclose(survival[0], expected, atol=1e-8)
    expected = [0.11873530, 0.13611001, 0.18233331, 0.22622777, 0.22493002, 0.12082115]
    found = brier(time, event, survival, when, censoring(*known[:2]))
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_the_integral_is_scikit_survivals_on_a_fine_grid():
    # Of `integrated_brier_score` from the first time, 1, to the quantile, and the score before it.
    assert score(*halves()) == pytest.approx(0.1556013, abs=1e-6)


@given(PATIENTS, PATIENTS)
@settings(max_examples=100)
def test_every_interval_counts_by_its_length(tested, known):
    """By loops: what is still followed, what is gone, what was censored."""
    tested, known = (
        tuple(np.array(column, dtype=float) for column in zip(*rows, strict=True))
        for rows in (tested, known)
    )
    (time, event, risk), (their_time, their_event, their_risk) = tested, known
    event, their_event = event == 1, their_event == 1
    followed = censoring(their_time, their_event)
    horizon = np.quantile([*time, *their_time], 0.9)
    edges = np.unique([0, *time[time < horizon], *their_time[their_time < horizon], horizon])
    total = 0.0
    for start, end in pairwise(edges):
        for t, seen, eta in zip(time, event, risk, strict=True):
            hazard = sum(
                ((their_time == u) & their_event).sum() / np.exp(their_risk[their_time >= u]).sum()
                for u in np.unique(their_time[their_time <= start])
            )
            alive = np.exp(-hazard * np.exp(eta))
            if t > start:
                left, weight = (1 - alive) ** 2, followed.at(np.array([start]))[0]
            elif seen:
                left, weight = alive**2, followed.at(np.array([t]))[0]
            else:
                continue
            total += (end - start) * (left / weight if weight > 0 else np.nan)
    found = score((time, event, risk), (their_time, their_event, their_risk))
    np.testing.assert_allclose(found, total / len(time) / horizon, atol=1e-12)


def planted(rng, n=400, censored=True):
    """Draw times of planted log hazards."""
    risk = 1.5 * rng.normal(size=n)
    time = rng.exponential(size=n) * np.exp(-risk)
    end = 3 * rng.exponential(size=n) if censored else np.full(n, np.inf)
    return np.minimum(time, end), time <= end, risk


def test_the_true_hazards_score_best_and_spread_too_far_they_score_worse():
    rng = np.random.default_rng(3)
    tested, known = planted(rng), planted(rng)

    def changed(change):
        return score(*((time, event, change(risk)) for time, event, risk in (tested, known)))

    true, far, none = changed(lambda r: r), changed(lambda r: 4 * r), changed(lambda r: 0 * r)
    assert true < none < 0.25
    assert true < far
    time, event, risk = tested
    truth = encode(time, event.astype(float))[:, None]
    assert harrell(truth, risk[:, None]) == harrell(truth, 4 * risk[:, None])  # ranks alike
    # A baseline is fitted, so that only differences of risks count.
    assert changed(lambda r: r + 7) == pytest.approx(true)


def test_censoring_takes_nothing_away_on_average():
    found = []
    for seed in range(20):
        values = []
        for censored in (True, False):
            rng = np.random.default_rng(seed)
            values.append([*planted(rng, censored=censored)])
        horizon = np.quantile(values[0][0], 0.9)
        whole = np.minimum(values[1][0], horizon), values[1][1] & (values[1][0] <= horizon)
        when = np.linspace(0, 0.95 * horizon, 20)
        survival = np.exp(-when * np.exp(values[0][2])[:, None])
        partly = brier(values[0][0], values[0][1], survival, when, censoring(*values[0][:2]))
        fully = brier(*whole, survival, when, censoring(*whole))
        found.append((partly - fully).mean())
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(len(found)) + 0.002


def test_what_is_unknown_does_not_count_and_nothing_known_has_no_score():
    (time, event, risk), known = halves()
    whole = score((time, event, risk), known)
    longer = np.append(time, 5.0), np.append(event, True), np.append(risk, np.nan)
    known_longer = tuple(
        np.append(column, last) for column, last in zip(known, (5.0, True, np.nan), strict=True)
    )
    # The horizon is that of the labels, whoever has a risk.
    assert score(longer, known_longer) == pytest.approx(whole, abs=0.02)
    nobody = np.full(len(risk), np.nan)
    assert np.isnan(score((time, event, nobody), known))
    assert np.isnan(
        score((time, event, risk), (known[0], known[1], np.full(len(known[2]), np.nan)))
    )


def test_extreme_risks_do_not_overflow():
    (time, event, risk), known = halves()
    far = np.where(risk > 1, 900.0, -900.0)
    assert np.isfinite(score((time, event, far), known))
    their = np.where(known[2] > 1, 900.0, -900.0)
    assert np.isfinite(score((time, event, far), (*known[:2], their)))


def test_cross_validation_scores_the_first_repeats_with_a_baseline_that_has_not_seen_the_fold(
    tmp_path,
):
    rng = np.random.default_rng(6)
    n, repeats = 90, PAIRED_REPEATS + 1
    time, event, risk = planted(rng, n)
    names, truth = patients(n), encode(time, event.astype(float))
    labels = write_values(tmp_path / "labels.tsv", names, {"survival": truth})
    splits = tmp_path / "splits.tsv"
    write_splits(
        labels, splits, task="OS", kind="survival", parameters=splitting(1, repeats=repeats),
        of_patches=False,
    )  # fmt: skip
    found = {}
    for extractor, noise in (("SEES", 0.3), ("NOISE", 1e3)):
        features = risk[:, None] + noise * rng.normal(size=(n, 6))
        pooled = write_pooled(tmp_path / f"{extractor}.h5", features, names, extractor)
        block = tmp_path / f"{extractor}.cv.h5"
        run_block(
            pooled, labels, splits, block, task="OS", extractor=extractor, seed=1, threads=1,
            parameters=PredictorParameters("survival", "cox", {"alpha": [1.0, 100.0]}),
            repeats=range(repeats),
        )  # fmt: skip
        scores = tmp_path / f"{extractor}.tsv"
        write_scores(
            [block], labels, splits, scores, kind="survival", task="OS", extractor=extractor
        )
        table = read_table(scores, SCORES)
        own = table[table["metric"] == "integrated_brier"].set_index(["repeat", "fold"])
        assert (own["without"] == NO_OTHER).all()
        assert len(own) == 5 * PAIRED_REPEATS  # none of the last repeat
        found[extractor] = own["value"].mean()
    assert found["SEES"] < found["NOISE"] < 0.26
    predictions = read_predictions([block], task="OS", extractor="NOISE")
    fold_of = fold_of_samples(read_table(splits, SPLITS), 4, predictions.samples, splits)
    rows = fold_of == 2
    expected = integrated_brier(
        truth[rows, None], predictions.values[4][rows],
        truth[~rows, None], predictions.without[4, 2][~rows],
    )  # fmt: skip
    np.testing.assert_allclose(own.loc[(4, 2), "value"], expected)
