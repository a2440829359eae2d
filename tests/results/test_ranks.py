"""Several extractors beside each other: their ranks, and every pair."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from histotransfer.core.tables import read_table
from histotransfer.evaluation.decisions import average
from histotransfer.evaluation.statistics import OK, UNTESTED, holm
from histotransfer.results.answers import TASK
from histotransfer.results.ranks import ALL_TASKS, PAIRS, RANKS, compare_pairs, rank_extractors
from histotransfer.results.tables import SCHEMAS
from support.comparisons import compared
from support.results import write_results

NAMES = ["A", "B", "C"]


def study(scores, *, task="mutation", metric="auroc", status=OK, names=NAMES):
    """Make comparison and metrics of extractors from their scores by target."""
    pairs = [
        {
            **{"task": task, "metric": metric, "target": target, "status": status},
            **{"baseline": a, "extractor": b, "baseline_mean": of[a], "delta": of[b] - of[a]},
        }
        for a, b in combinations(names, 2)
        for target, of in ((t, dict(zip(names, row, strict=True))) for t, row in scores.items())
    ]
    table = [
        {"task": task, "metric": metric, "target": target, "extractor": name, "mean": score}
        for target, row in scores.items()
        for name, score in zip(names, row, strict=True)
    ]
    other = [{**row, "metric": "brier", "mean": 1 - row["mean"]} for row in table]
    return compared(pairs), pd.DataFrame(table + other)


def ranked(*studies, runs=None):
    comparison, metrics = (
        pd.concat(parts, ignore_index=True) for parts in zip(*studies, strict=True)
    )
    table = rank_extractors(comparison, metrics, runs=runs or {}, alpha=0.05)
    return table.set_index(["task", "extractor"])


def test_a_planted_order_is_found() -> None:
    """C is best of every target, and A and B change places once."""
    scores = {f"G{i}": (0.6, 0.7, 0.8) for i in range(5)} | {"G5": (0.7, 0.6, 0.8)}
    table = ranked(study(scores))
    assert table.loc["mutation", "mean_rank"].tolist() == pytest.approx([17 / 6, 13 / 6, 1])
    assert (table["n"] == 6).all()
    assert (table["friedman_p"] < 0.01).all()
    assert ALL_TASKS not in table.index  # of one task


def test_targets_that_no_pair_was_tested_on_do_not_count() -> None:
    predicted = study({"G0": (0.6, 0.7, 0.8)})
    noise = study({"G1": (0.8, 0.7, 0.6)}, status=UNTESTED)
    table = ranked(predicted, noise)
    assert table["n"].tolist() == [1, 1, 1]
    assert table["mean_rank"].tolist() == [3, 2, 1]
    nothing = ranked(noise)
    assert nothing["n"].tolist() == [0, 0, 0]
    assert nothing["mean_rank"].isna().all()


def test_classes_are_ranked_by_the_accuracy_over_all_of_them() -> None:
    scores = {"all": (0.7, 0.8, 0.9), "STR": (0.9, 0.8, 0.7), "TUM": (0.9, 0.8, 0.7)}
    study_ = study(scores, task="tissue", metric="accuracy")
    table = ranked(study_)
    assert table["mean_rank"].tolist() == [3, 2, 1]
    assert table[["friedman_p", "critical_difference"]].isna().all(axis=None)
    pairs = compare_pairs(study_[0], runs={})
    assert pairs["delta"].tolist() == pytest.approx([0.1, 0.2, 0.1])
    assert (pairs["n_targets"] == 1).all()


def test_all_tasks_count_alike_and_only_those_that_compare_all_extractors() -> None:
    many = study({f"G{i}": (0.6, 0.7, 0.8) for i in range(9)})
    one = study({"MSI": (0.8, 0.7, 0.6)}, task="MSI")
    of_two = study({"all": (0.9, 0.8)}, task="tissue", metric="accuracy", names=["A", "B"])
    unknown = study({"X": (0.5, 0.5, 0.5)}, task="X", status=UNTESTED)
    table = ranked(many, one, of_two, unknown)
    assert table.loc[ALL_TASKS, "mean_rank"].tolist() == [2, 2, 2]
    assert table.loc[ALL_TASKS, "n"].tolist() == [2, 2, 2]
    assert table.loc["tissue", "mean_rank"].tolist() == [1, 2]


def test_runs_of_one_fine_tuning_count_as_one() -> None:
    names = ["A", "B", "B-seed7", "C"]
    scores = {f"G{i}": (0.6, 0.65, 0.85, 0.7) for i in range(4)}
    runs = {"B": ["B", "B-seed7"]}
    table = ranked(study(scores, names=names), runs=runs)
    assert table.loc["mutation", "mean_rank"].to_dict() == {"A": 3, "B": 1, "C": 2}
    pairs = compare_pairs(study(scores, names=names)[0], runs=runs)
    whose = pairs[["baseline", "extractor"]].to_numpy().tolist()
    assert whose == [["A", "B"], ["A", "C"], ["B", "C"]]
    assert pairs["delta"].tolist() == pytest.approx([0.15, 0.1, -0.05])


def test_pairs_with_the_baseline_are_what_the_answers_say(tmp_path) -> None:
    extractors = ("IMGNET-2048", "FTX-2048", "PHIKON-768", "UNI-1024")
    paths = write_results(tmp_path, extractors=extractors, genes=12, mutations=4, repeats=3)
    tables = {name: read_table(paths[name], SCHEMAS[name]) for name in ("answers", "pairs")}
    answers = tables["answers"][tables["answers"]["scope"] == TASK]
    pairs = tables["pairs"]
    assert len(pairs) == 3 * 6
    own = pairs[pairs["baseline"] == extractors[0]]
    columns = ["task", "baseline", "extractor", "delta", "ci_low", "ci_high", "p_corrected"]
    pd.testing.assert_frame_equal(
        own[columns].reset_index(drop=True), answers[columns].reset_index(drop=True)
    )
    for _, rows in pairs.groupby("task"):
        np.testing.assert_allclose(rows["p_holm"], holm(rows["p_corrected"]))
    comparison = read_table(paths["comparison"], SCHEMAS["comparison"])
    last = comparison.query("baseline == 'PHIKON-768' and task == 'expression'")
    assert average(last)["delta"].item() == pytest.approx(
        pairs.query("baseline == 'PHIKON-768' and task == 'expression'")["delta"].item()
    )


def test_pairs_with_a_control_are_a_family_of_their_own() -> None:
    comparison, _ = study({f"G{i}": (0.6, 0.65, 0.55, 0.7) for i in range(4)}, names=[*"ABCD"])
    p = {("A", "B"): 0.03, ("A", "C"): 0.01, ("B", "C"): 0.02, ("C", "D"): 0.001}
    whose = list(zip(comparison["baseline"], comparison["extractor"], strict=True))
    comparison["p_corrected"] = [p.get(pair, 0.5) for pair in whose]
    pairs = compare_pairs(comparison, runs={}, controls=["C"])
    found = pairs.set_index(["baseline", "extractor"])
    with_control = [("A", "C"), ("B", "C"), ("C", "D")]
    for family in (with_control, [("A", "B"), ("A", "D"), ("B", "D")]):
        own = found.loc[family]
        np.testing.assert_allclose(own["p_holm"], holm(own["p_corrected"]))


def test_nothing_compared_has_no_ranks_and_no_pairs() -> None:
    comparison, metrics = SCHEMAS["comparison"].empty(), SCHEMAS["metrics"].empty()
    ranks = rank_extractors(comparison, metrics, runs={}, alpha=0.05)
    assert ranks.empty
    assert list(ranks) == list(RANKS.columns)
    assert list(compare_pairs(comparison, runs={})) == list(PAIRS.columns)
