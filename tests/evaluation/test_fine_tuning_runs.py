"""Several fine-tuning runs get one row, whose interval holds the variance between them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from histotransfer.evaluation.decisions import BETTER, UNDECIDED, decide
from histotransfer.evaluation.fine_tuning_runs import combine_runs, combine_shares
from histotransfer.evaluation.statistics import NOT_ESTIMABLE, OK, UNTESTED
from support.comparisons import compared
from support.results import rows

NAMES = ["FTX-2048", "FTX-2048-seed7", "FTX-2048-seed8"]
RUNS = {"FTX-2048": NAMES}


def runs_of(*deltas, **changed):
    return [
        {"target": "TP53", "extractor": name, "delta": delta, **changed}
        for name, delta in zip(NAMES, deltas, strict=False)
    ]


def combined(*deltas, **changed):
    return combine_runs(compared(runs_of(*deltas, **changed)), RUNS)


def test_one_row_stands_for_all_runs_in_the_place_of_the_first():
    other = [{"target": "TP53", "extractor": "OTHER"}, {"target": "KRAS", "extractor": "OTHER"}]
    table = compared([other[0], *runs_of(0.01, 0.02, 0.03), other[1]])
    found = combine_runs(table, RUNS)
    assert found["extractor"].tolist() == ["OTHER", "FTX-2048", "OTHER"]
    assert found["delta"].tolist() == pytest.approx([0.0, 0.02, 0.0])
    assert list(found) == list(table)
    pd.testing.assert_frame_equal(
        found.iloc[[0, 2]].reset_index(drop=True),
        table[table["extractor"] == "OTHER"].reset_index(drop=True),
    )


def test_a_single_run_changes_nothing():
    table = compared(runs_of(0.01))
    pd.testing.assert_frame_equal(combine_runs(table, {"FTX-2048": ["FTX-2048"]}), table)
    pd.testing.assert_frame_equal(combine_runs(table, {}), table)


def test_runs_that_agree_are_as_sure_as_one_and_runs_that_differ_are_less_sure():
    (alike,) = combined(0.03, 0.03, 0.03).to_dict("records")
    assert (alike["se"], alike["df"]) == (pytest.approx(0.01), pytest.approx(249))
    (apart,) = combined(0.0, 0.03, 0.06).to_dict("records")
    assert apart["se"] == pytest.approx(np.sqrt(0.01**2 + 0.03**2 / 3))
    assert 2 < apart["df"] < 249
    assert apart["ci_high"] - apart["delta"] == pytest.approx(
        apart["se"] * stats.t.isf(0.025, apart["df"])
    )
    directions = [
        decide(combined(*deltas), alpha=0.05, rope=0.01)["direction"].tolist()
        for deltas in ((0.03, 0.03, 0.03), (0.0, 0.03, 0.06))
    ]
    assert directions == [[BETTER], [UNDECIDED]]


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("between", [0.0, 0.01, 0.05])
def test_the_interval_covers_the_mean_of_all_possible_runs(between, count):
    """Planted: an error of the patients that the runs share, and a variance between the runs."""
    rng, truth, studies = np.random.default_rng(2), 0.02, 1000
    shared = rng.normal(0, 0.01, (studies, 1))
    deltas = truth + shared + rng.normal(0, between, (studies, count))
    table = compared(
        row | {"target": f"study {i}"} for i, drawn in enumerate(deltas) for row in runs_of(*drawn)
    )
    found = combine_runs(table, {"FTX-2048": NAMES[:count]})
    covered = (found["ci_low"] <= truth) & (truth <= found["ci_high"])
    assert len(found) == studies
    assert covered.mean() >= 0.93


def test_a_target_is_tested_if_it_is_in_every_run():
    for odd, expected in ((UNTESTED, UNTESTED), (NOT_ESTIMABLE, NOT_ESTIMABLE)):
        table = runs_of(0.01, 0.02, 0.03)
        table[1]["status"] = odd
        (row,) = combine_runs(compared(table), RUNS).to_dict("records")
        assert row["status"] == expected
        assert np.isnan([row["p_corrected"], row["q_bh"], row["ci_low"], row["se"]]).all()


def test_q_is_over_the_targets_of_the_combined_runs():
    table = [row | {"target": f"G{i}"} for i in range(4) for row in runs_of(0.03 * (i == 0), 0.03)]
    found = combine_runs(compared(table), {"FTX-2048": NAMES[:2]})
    assert found["q_bh"][0] >= found["p_corrected"][0]
    assert len(found) == 4


def shares(*fractions, half=0.1):
    return rows(
        "improved",
        (
            {
                **{"task": "expression", "baseline": "IMGNET-2048", "extractor": name},
                **{"n_genes": 78, "n_related": 50, "n_improved": round(50 * share)},
                **{
                    "fraction": share,
                    "share_truly": share,
                    "ci_low": share - half,
                    "ci_high": share + half,
                },
                "status": OK,
            }
            for name, share in zip(NAMES, fractions, strict=False)
        ),
    )


def test_shares_of_genes_are_combined_likewise():
    (alike,) = combine_shares(shares(0.7, 0.7, 0.7), RUNS).to_dict("records")
    assert [alike[name] for name in ("fraction", "ci_low", "ci_high")] == pytest.approx(
        [0.7, 0.6, 0.8]
    )
    (apart,) = combine_shares(shares(0.5, 0.7, 0.9), RUNS).to_dict("records")
    assert apart["ci_low"] < 0.5
    assert apart["ci_high"] == 1
    single = shares(0.7)
    pd.testing.assert_frame_equal(combine_shares(single, {}), single)
