"""Direction, size and relevance of a difference: every answer, and what each cannot say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from histotransfer.evaluation.decisions import (
    AS_PUBLISHED,
    BETTER,
    CANNOT_TELL,
    EQUIVALENT,
    LARGER,
    RELEVANT,
    SMALLER,
    UNDECIDED,
    WORSE,
    average,
    decide,
    equivalence_p,
    levels,
    relevances,
    size_beside,
    why_not_estimable,
)
from histotransfer.evaluation.statistics import NOT_ESTIMABLE, UNTESTED
from support.comparisons import compared

ALPHA, ROPE = 0.05, 0.01


def decided(*rows, alpha=ALPHA, rope=ROPE):
    return decide(compared(rows), alpha=alpha, rope=rope)


@pytest.mark.parametrize(
    ("delta", "se", "direction", "relevance"),
    [
        (0.03, 0.005, BETTER, RELEVANT),
        (0.02, 0.009, BETTER, UNDECIDED),
        (0.0003, 0.0001, BETTER, EQUIVALENT),
        (-0.03, 0.005, WORSE, RELEVANT),
        (-0.02, 0.009, WORSE, UNDECIDED),
        (-0.0003, 0.0001, WORSE, EQUIVALENT),
        (0.0, 0.00005, UNDECIDED, EQUIVALENT),
        (0.001, 0.004, UNDECIDED, EQUIVALENT),
        (0.01, 0.007, UNDECIDED, UNDECIDED),
        (0.0, 0.01, UNDECIDED, UNDECIDED),
    ],
)
def test_direction_and_relevance_are_told_apart(delta, se, direction, relevance):
    (row,) = decided({"delta": delta, "se": se}).to_dict("records")
    assert (row["direction"], row["relevance"]) == (direction, relevance)
    assert np.isfinite(row["detectable"])
    assert np.isfinite(row["n_to_decide"]) == (direction == UNDECIDED)


def test_what_was_not_tested_has_no_answers():
    table = decided({"status": UNTESTED, "delta": 0.05}, {"status": NOT_ESTIMABLE}, {"delta": 0.1})
    assert table["direction"].tolist() == [UNTESTED, NOT_ESTIMABLE, BETTER]
    assert table["relevance"].tolist() == ["", "", RELEVANT]
    numbers = table[["q_equivalent", "level", "detectable", "n_to_decide"]]
    assert numbers.iloc[:2].isna().all(axis=None)
    # The other two are not of the family.
    assert table["level"][2] == ALPHA


def test_many_targets_are_judged_by_adjusted_p_in_both_questions():
    """Of five genes, none is better or equivalent for its unadjusted interval alone."""
    df = 249.0
    delta = 0.01 * stats.t.isf(0.02, df)  # p = 0.04
    alone = decided({"delta": delta})
    among = decided({"delta": delta}, *[{"delta": 0.001}] * 4)
    assert (alone["ci_low"][0] > 0) & (among["ci_low"][0] > 0)
    assert (alone["direction"][0], among["direction"][0]) == (BETTER, UNDECIDED)
    close = {"delta": 0.0, "se": ROPE / stats.t.isf(0.04, df)}
    wide = [{"delta": 0.0, "se": 0.05}] * 4
    assert decided(close)["relevance"][0] == EQUIVALENT
    assert decided(close, *wide)["relevance"][0] == UNDECIDED


def test_families_are_the_targets_of_a_task_under_one_extractor():
    rows = [
        {"task": task, "extractor": extractor, "delta": 0.022}
        for task in ("expression", "mutation")
        for extractor in ("FTX-2048", "OTHER")
    ]
    assert (decided(*rows)["level"] == ALPHA).all()
    assert (decided(*rows)["direction"] == BETTER).all()


@given(st.lists(st.floats(-0.05, 0.05), min_size=1, max_size=12))
def test_the_level_is_the_p_that_decides_a_target_beside_the_others(deltas):
    p = compared([{"delta": delta} for delta in deltas])["p_corrected"].to_numpy()
    for i, level in enumerate(levels(p, ALPHA)):
        for factor, rejects in ((1 - 1e-9, True), (1 + 1e-9, False)):
            moved = np.where(np.arange(len(p)) == i, level * factor, p)
            assert multipletests(moved, ALPHA, "fdr_bh")[0][i] == rejects


@given(st.floats(-0.05, 0.05), st.floats(1e-4, 0.05), st.integers(2, 500))
def test_equivalence_is_the_ninety_per_cent_interval_inside_the_region(delta, se, df):
    p = float(equivalence_p(*(np.array([x]) for x in (delta, se, df)), ROPE)[0])
    low, high = stats.t.interval(0.9, df, delta, se)
    if abs(p - 0.05) > 1e-9:
        assert (p <= 0.05) == (low >= -ROPE and high <= ROPE)


def test_no_difference_is_equivalent_where_the_region_is_empty():
    assert decided({"delta": 0.0, "se": 1e-6}, rope=0)["relevance"][0] == UNDECIDED


@given(st.floats(-0.1, 0.1), st.floats(1e-4, 0.05))
def test_a_difference_that_could_have_been_detected_is_larger_than_any_undecided_one(delta, se):
    (row,) = decided({"delta": delta, "se": se}).to_dict("records")
    if row["direction"] == UNDECIDED:
        assert abs(delta) < row["detectable"]
        assert row["n_to_decide"] > row["n"]


def test_a_difference_of_zero_takes_more_patients_than_there_are():
    assert decided({"delta": 0.0})["n_to_decide"][0] == 1e9


@pytest.mark.parametrize(
    ("low", "high", "size"),
    [
        (0.012, 0.028, AS_PUBLISHED),
        (0.0001, 0.0005, SMALLER),
        (-0.0001, 0.0001, SMALLER),
        (-0.03, 0.01, SMALLER),
        (-0.05, -0.02, SMALLER),
        (0.025, 0.04, LARGER),
        (-0.01, 0.05, CANNOT_TELL),
        (0.0, 0.05, CANNOT_TELL),
        (0.0205, 0.04, AS_PUBLISHED),  # 2 points may be 2.1 before rounding
        (0.02 + 0.001, 0.04, AS_PUBLISHED),
        (0.001, 0.02 - 0.001, AS_PUBLISHED),
        (np.nan, np.nan, ""),
    ],
)
def test_the_size_is_compared_with_the_published_one_and_with_none(low, high, size):
    assert size_beside(low, high, 0.02, none=0, rounding=0.001) == size


def test_a_level_is_told_from_the_other_extractors_level():
    assert size_beside(0.91, 0.96, 0.94, none=0.87) == AS_PUBLISHED
    assert size_beside(0.86, 0.96, 0.94, none=0.87) == CANNOT_TELL
    assert size_beside(0.95, 0.96, 0.94, none=0.87) == LARGER  # without rounding


def test_what_lies_on_a_limit_is_decided_as_it_is_documented():
    """A q of alpha decides; an interval that ends at the region's edge is not beyond it."""
    table = compared([{"delta": 0.02, "se": 0.009}])
    on, below = (
        decide(table, alpha=table["q_bh"][0] * factor, rope=ROPE) for factor in (1, 1 - 1e-9)
    )
    assert (on["direction"][0], below["direction"][0]) == (BETTER, UNDECIDED)
    yes, no = np.array([True]), np.array([False])
    for low, high in ((ROPE, 0.1), (-0.1, -ROPE)):
        ends = np.array([low]), np.array([high])
        assert relevances(*ends, no, yes, ROPE).item() == UNDECIDED
        assert relevances(*ends, no, yes, ROPE * (1 - 1e-9)).item() == RELEVANT


def test_the_mean_over_targets_has_an_interval_that_holds_whatever_their_correlation():
    """The worst case is that all targets err alike: then the mean errs like one of them."""
    rng, studies = np.random.default_rng(5), 200
    for rho in (0.0, 1.0):
        errors = np.sqrt(rho) * rng.normal(size=(studies, 1))
        errors = errors + np.sqrt(1 - rho) * rng.normal(size=(studies, 4))
        table = compared(
            {"task": f"study {i}", "delta": 0.02 + 0.01 * error}
            for i, of_study in enumerate(errors)
            for error in of_study
        )
        means = pd.concat(average(rows) for _, rows in table.groupby("task"))
        covered = (means["ci_low"] <= 0.02) & (means["ci_high"] >= 0.02)
        assert covered.mean() >= 0.91
        assert (covered.mean() > 0.99) == (rho == 0)


def test_the_mean_over_targets_leaves_out_what_was_not_tested():
    table = compared(
        [
            {"delta": 0.02, "n": 400, "se": 0.01},
            {"delta": 0.04, "n": 420, "se": 0.03, "df": 99.0},
            {"delta": 0.9, "n": 430, "status": UNTESTED},
        ]
    )
    (row,) = average(table).to_dict("records")
    assert row["delta"] == pytest.approx(0.03)
    assert (row["se"], row["df"], row["n"]) == (pytest.approx(0.02), 99.0, 420)
    assert row["p_corrected"] == pytest.approx(2 * stats.t.sf(0.03 / 0.02, 99))
    assert row["q_bh"] == row["p_corrected"]
    assert average(table.iloc[2:])["status"].tolist() == [UNTESTED]
    assert average(table.assign(status=NOT_ESTIMABLE))["status"].tolist() == [NOT_ESTIMABLE]


def test_why_a_difference_is_not_estimable():
    nan = np.nan
    rows = [
        {"status": NOT_ESTIMABLE, "baseline_mean": nan, "delta": nan},
        {"status": NOT_ESTIMABLE, "baseline_mean": 1.0},
        {"status": NOT_ESTIMABLE, "baseline_mean": 0.9},
        {"status": UNTESTED},
        {},
    ]
    codes = why_not_estimable(decided(*rows)).tolist()
    assert codes == ["no_score", "ceiling", "no_variance", "", ""]


def test_a_table_without_rows_has_no_answers():
    empty = compared([{}]).iloc[:0]
    assert decide(empty, alpha=ALPHA, rope=ROPE).empty
    assert isinstance(empty, pd.DataFrame)
