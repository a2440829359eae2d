"""Concordance against its definition, Kaplan–Meier against statsmodels and a published example."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.duration.survfunc import SurvfuncRight

from histotransfer.evaluation.concordance import harrell, kaplan_meier, uno
from histotransfer.labels.survival_times import encode, time_and_event
from support.survival import REMISSION, remission

PATIENTS = st.lists(
    st.tuples(st.integers(1, 8), st.booleans(), st.integers(0, 4)), min_size=1, max_size=25
)


def columns(patients):
    """Return times, events and risks."""
    time, event, risk = np.array(patients, dtype=float).T
    return time, event == 1, risk


def score(metric, time, event, risk):
    truth = encode(np.asarray(time, dtype=float), np.asarray(event, dtype=float))
    return metric(truth[:, None], np.asarray(risk, dtype=float)[:, None])[0]


def followed_beyond(time, event, when):
    """Return the probability of being followed for longer than a time, step by step."""
    probability = 1.0
    for t in sorted(set(time)):
        if t <= when and (ends := ((time == t) & ~event).sum()):
            # Events at this time come first.
            probability *= 1 - ends / ((time > t).sum() + ends)
    return probability


def naive_concordance(time, event, risk, weighted):
    """Go through all pairs."""
    right = total = 0.0
    for i in np.flatnonzero(event):
        followed = followed_beyond(time, event, time[i]) if weighted else 1.0
        if followed == 0:
            continue
        for j in range(len(time)):
            if time[j] > time[i] or (time[j] == time[i] and not event[j]):
                total += followed**-2
                right += followed**-2 * ((risk[i] > risk[j]) + (risk[i] == risk[j]) / 2)
    return right / total if total else np.nan


@pytest.mark.parametrize(("concordance", "weighted"), [(harrell, False), (uno, True)])
@given(PATIENTS)
@settings(max_examples=200)
def test_every_comparable_pair_counts_and_uno_weights_it(concordance, weighted, patients):
    time, event, risk = columns(patients)
    expected = naive_concordance(time, event, risk, weighted=weighted)
    np.testing.assert_allclose(score(concordance, time, event, risk), expected)


def test_a_small_example_counted_by_hand():
    # Pairs: 2-3, 2-4, 2-4c, 2-5c right, right, tied, right; 4-4c wrong, 4-5c right. Censored at 1
    # and at 4: nobody is known to have had the event before them.
    time, event, risk = [1, 2, 3, 4, 4, 5], [0, 1, 0, 1, 0, 0], [9, 5, 1, 3, 5, 2]
    assert score(harrell, time, event, risk) == pytest.approx(4.5 / 6)
    # Longer than 2 are followed 5/6; longer than 3, 3/4 of these; than 4, after the event, 1/2.
    early, late = (5 / 6) ** -2, (5 / 6 * 3 / 4 / 2) ** -2
    expected = (3.5 * early + 1 * late) / (4 * early + 2 * late)
    assert score(uno, time, event, risk) == pytest.approx(expected)


def test_the_concordance_of_a_published_trial():
    time, event, placebo = remission()
    assert score(harrell, time, event, placebo) == pytest.approx(REMISSION["concordance"], abs=5e-4)


@given(PATIENTS)
def test_the_reverse_of_the_risk_has_the_rest_of_the_concordance(patients):
    time, event, risk = columns(patients)
    for metric in (harrell, uno):
        both = score(metric, time, event, risk) + score(metric, time, event, -risk)
        assert np.isnan(both) or both == pytest.approx(1)


@given(PATIENTS)
def test_where_nobody_is_censored_uno_is_harrell(patients):
    time, _, risk = columns(patients)
    event = np.ones(len(time))
    expected = score(harrell, time, event, risk)
    np.testing.assert_allclose(score(uno, time, event, risk), expected)


@pytest.mark.parametrize("metric", [harrell, uno])
def test_who_dies_first_at_the_highest_risk_is_ranked_rightly(metric):
    time = np.arange(1, 10)
    assert score(metric, time, np.ones(9), -time) == 1
    assert score(metric, time, np.ones(9), time) == 0
    assert score(metric, time, np.ones(9), np.zeros(9)) == 0.5


@pytest.mark.parametrize("metric", [harrell, uno])
@pytest.mark.parametrize(
    ("time", "event"),
    [([1, 2, 3], [0, 0, 0]), ([1, 2, 3], [0, 0, 1]), ([2, 2], [1, 1]), ([4], [1]), ([], [])],
    ids=["no event", "only the last", "at once", "one patient", "nobody"],
)
def test_where_no_pair_is_comparable_the_score_is_undefined(metric, time, event):
    assert np.isnan(score(metric, time, event, np.arange(len(time))))


@pytest.mark.parametrize("metric", [harrell, uno])
def test_each_column_is_scored_over_what_is_known(metric):
    rng = np.random.default_rng(1)
    truth = rng.choice([-1, 1], (40, 2)) * rng.exponential(1, (40, 2))
    risk = rng.standard_normal((40, 2))
    truth[:5, 0], risk[5:9, 0] = np.nan, np.nan
    both = metric(truth, risk)
    assert both[0] == metric(truth[9:, :1], risk[9:, :1])[0]
    assert both[1] == metric(truth[:, 1:], risk[:, 1:])[0]


def test_uno_does_not_depend_on_the_follow_up_where_harrell_does():
    rng = np.random.default_rng(2)
    n = 3000
    risk = rng.standard_normal(n)
    # The risk tells of early events alone.
    event_at = rng.exponential(np.exp(-2 * risk))
    event_at = np.where(event_at < 0.7, event_at, 0.7 + rng.exponential(1, n))
    whole = score(harrell, event_at, np.ones(n), risk)
    censored_at = rng.exponential(1, n)
    seen = np.minimum(event_at, censored_at), event_at <= censored_at
    assert score(harrell, *seen, risk) > whole + 0.03
    assert score(uno, *seen, risk) == pytest.approx(whole, abs=0.03)


@given(PATIENTS)
def test_kaplan_meier_is_statsmodels(patients):
    time, event, _ = columns(patients)
    estimate = kaplan_meier(time, event)
    np.testing.assert_array_equal(estimate.times, np.unique(time))
    theirs = SurvfuncRight(time, event.astype(int)) if event.any() else None
    if theirs is None:
        np.testing.assert_array_equal(estimate.survival, 1)
        return
    there = np.isin(estimate.times, theirs.surv_times)
    np.testing.assert_allclose(estimate.survival[there], theirs.surv_prob)
    np.testing.assert_array_equal(estimate.at_risk[there], theirs.n_risk)


def test_kaplan_meier_of_a_published_trial():
    time, event, placebo = remission()
    estimate = kaplan_meier(time[placebo == 0], event[placebo == 0] == 1)
    survival = dict(zip(estimate.times.tolist(), estimate.survival.tolist(), strict=True))
    for weeks, published in REMISSION["survival"].items():
        assert survival[weeks] == pytest.approx(published, abs=6e-4)


def test_signed_times_keep_time_event_and_what_is_missing():
    time, event = np.array([3.0, 4.5, np.nan, 2.0]), np.array([1.0, 0.0, 1.0, np.nan])
    signed = encode(time, event)
    np.testing.assert_array_equal(signed, [3, -4.5, np.nan, np.nan])
    back, seen = time_and_event(signed)
    np.testing.assert_array_equal(back, [3, 4.5, np.nan, np.nan])
    np.testing.assert_array_equal(seen, [True, False, False, False])


@pytest.mark.parametrize(
    ("time", "event"), [(0.0, 1.0), (-1.0, 0.0), (np.inf, 1.0), (2.0, 2.0), (2.0, 0.5)]
)
def test_what_is_no_survival_time_is_refused(time, event):
    with pytest.raises(ValueError, match="must be"):
        encode(np.array([1.0, time]), np.array([1.0, event]))
