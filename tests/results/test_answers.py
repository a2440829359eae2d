"""The answers: per task and per target, in numbers and in sentences that are true of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotransfer.core.tables import read_table, write_table
from histotransfer.evaluation.decisions import BETTER, UNDECIDED
from histotransfer.evaluation.statistics import NOT_ESTIMABLE, OK, UNTESTED
from histotransfer.results.answers import ANSWERS, TARGET, TASK, answer_questions
from histotransfer.results.words import UNITS, difference
from support.comparisons import compared
from support.results import rows


def answers_of(*found, improved=(), runs=None):
    tables = {"comparison": compared(found), "improved": rows("improved", improved)}
    return answer_questions(tables, patch_tasks=["tissue"], runs=runs or {}, alpha=0.05, rope=0.01)


def said(*found, target="G0", **how):
    table = answers_of(*found, **how)
    return table.set_index("target").loc[target, "sentence"]


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            {"delta": 0.012, "se": 0.0112, "n": 430},
            "Undecided: +0.012 AUROC (−0.010 to +0.034). This study could have detected a "
            "difference of 0.031; about 3,000 patients would decide one of 0.012.",
        ),
        (
            {"delta": 0.0001, "se": 0.0112, "n": 430},
            "Undecided: +0.000 AUROC (−0.022 to +0.022). This study could have detected a "
            "difference of 0.031; one as small as was observed would take more than 100,000 "
            "patients.",
        ),
        (
            {"delta": -0.57, "se": 0.8, "df": 3.0, "n": 6, "metric": "pearson"},
            "Undecided: −0.570 in Pearson r (−3.116 to +1.976). This study was too small to detect "
            "any difference; about 220 patients would decide one of 0.570.",
        ),
        (
            {"delta": 0.03, "se": 0.005},
            "Better: +0.030 AUROC (+0.020 to +0.040), more than the 0.01 that counts as relevant.",
        ),
        (
            {"delta": -0.02, "se": 0.009},
            "Worse: −0.020 AUROC (−0.038 to −0.002). It may be less than the 0.01 that counts as "
            "relevant.",
        ),
        (
            {"delta": 0.0003, "se": 0.0001},
            "Better, but no relevant difference: +0.0003 AUROC (+0.0001 to +0.0005), less than the "
            "0.01 that counts as relevant.",
        ),
        (
            {"delta": 0.0, "se": 0.0001},
            "No relevant difference: +0.0000 AUROC (−0.0002 to +0.0002), less than the 0.01 that "
            "counts as relevant.",
        ),
        (
            {"delta": 0.02, "se": 0.01, "metric": "pearson"},
            "Better: +0.020 in Pearson r (+0.000 to +0.040). It may be less than the 0.01 that "
            "counts as relevant.",
        ),
        (
            {"delta": 0.02, "se": 0.02, "metric": "accuracy", "n": 7180, "task": "tissue"},
            "Undecided: +2.0 points (−1.9 to +5.9). This study could have detected a difference of "
            "5.6 points; about 57,000 patches would decide one of 2.0 points.",
        ),
        (
            {"delta": 0.05, "status": UNTESTED},
            "Not tested: it is not predicted better than chance (+0.050 AUROC).",
        ),
        (
            {"baseline_mean": 1.0, "status": NOT_ESTIMABLE},
            "Not estimable: both extractors are right about every sample, so there is no "
            "difference to measure.",
        ),
        (
            {"status": NOT_ESTIMABLE},
            "Not estimable: the difference is the same in every fold, or too few folds have a "
            "score, which leaves its error unknown.",
        ),
        (
            {"baseline_mean": np.nan, "delta": np.nan, "status": NOT_ESTIMABLE},
            "Not estimable: fewer than two folds have a score.",
        ),
    ],
)
def test_an_answer_in_a_sentence(row, sentence):
    assert said(row) == sentence


@given(st.floats(-0.2, 0.2), st.floats(1e-6, 0.1), st.sampled_from(sorted(UNITS)))
def test_no_interval_shrinks_to_a_point_in_words(delta, half, metric):
    row = {"metric": metric, "delta": delta, "ci_low": delta - half, "ci_high": delta + half}
    low, high = difference(row)[2].split(" to ")
    assert low != high


def test_a_task_of_many_targets_is_answered_by_their_mean_and_their_count():
    found = [
        *({"target": name, "delta": 0.09} for name in ("STK11", "TP53")),
        {"target": "KRAS", "delta": -0.06},
        {"target": "EGFR", "delta": 0.0, "se": 0.002},
        {"target": "NF1", "delta": 0.005},
        {"target": "FAT1", "status": UNTESTED},
        {"target": "FAT4", "status": NOT_ESTIMABLE},
    ]
    table = answers_of(*found)
    assert table["scope"].tolist() == [TASK, *[TARGET] * 7]
    whole = table.iloc[0]
    assert whole["delta"] == pytest.approx(0.025)
    assert whole["direction"] == BETTER
    assert whole["sentence"].startswith("Better: +0.025 AUROC")
    assert "on average over 5 targets" in whole["sentence"]
    assert whole["sentence"].endswith(
        "Of 7 targets: 2 better (STK11, TP53), 1 worse (KRAS), 1 without a relevant difference "
        "(EGFR), 1 undecided, 1 not tested, 1 not estimable."
    )


def test_a_task_of_tissue_types_is_answered_by_all_classes():
    found = [
        {"task": "tissue", "metric": "accuracy", "target": name, "delta": delta}
        for name, delta in (("all", 0.03), ("STR", 0.07), ("LYM", 0.0))
    ]
    table = answers_of(*found)
    assert table["scope"].tolist() == [TASK, TARGET, TARGET]
    assert table["target"].tolist() == ["all", "STR", "LYM"]
    assert "on average" not in table["sentence"][0]
    assert "Of 2 targets: 1 better (STR), 0 worse, 1 undecided." in table["sentence"][0]


def test_a_gene_called_all_is_a_gene():
    table = answers_of({"target": "all"}, {"target": "TP53"})
    assert table["scope"].tolist() == [TASK, TARGET, TARGET]
    assert table["target"].tolist() == ["", "all", "TP53"]


def test_a_task_of_genes_says_which_share_of_the_related_ones_is_better():
    found = [{"task": "expression", "metric": "pearson", "delta": 0.01} for _ in range(3)]
    share = {
        **{"task": "expression", "baseline": "IMGNET-2048", "extractor": "FTX-2048"},
        **{
            "n_genes": 78,
            "n_related": 60,
            "n_improved": 48,
            "fraction": 0.8,
            "share_truly": 0.77,
            "status": OK,
        },
        **{"ci_low": 0.62, "ci_high": 0.91},
    }
    text = answers_of(*found, improved=[share])["sentence"][0]
    assert text.endswith(
        "Of 60 related targets, 48 have a higher r; an estimated 77 % (62 to 91 %) are truly "
        "better."
    )
    few = share | {"status": "too few related targets"}
    text = answers_of(*found, improved=[few])["sentence"][0]
    assert text.endswith(
        "Of 60 related targets, 48 have a higher r, which says nothing of the share that is truly "
        "better (too few related targets)."
    )


def test_a_task_without_a_tested_target_says_why():
    table = answers_of({"status": UNTESTED}, {"status": NOT_ESTIMABLE})
    assert table["direction"].tolist() == [UNTESTED, UNTESTED, NOT_ESTIMABLE]
    assert table["sentence"][0].startswith(
        "Not tested: no target is predicted better than chance. Of 2 targets"
    )
    table = answers_of({"status": NOT_ESTIMABLE, "baseline_mean": np.nan})
    assert table["sentence"][0] == "Not estimable: no target is."


def test_several_seeds_get_one_answer():
    names = ["FTX-2048", "FTX-2048-seed7"]
    found = [{"extractor": name, "target": "TP53", "delta": 0.03} for name in names]
    table = answers_of(*found, runs={"FTX-2048": names})
    assert table["extractor"].unique().tolist() == ["FTX-2048"]
    assert len(table) == 2
    assert table["seed_share"].tolist() == [0, 0]


def test_the_share_of_the_seeds_is_said_and_is_none_of_a_single_run():
    names = ["FTX-2048", "FTX-2048-seed7"]
    found = [
        {"extractor": name, "target": "TP53", "delta": delta, "se": 0.01}
        for name, delta in zip(names, (0.02, 0.04), strict=True)
    ]
    # Between the runs: 0.01² of variance of their mean; of one run, the square of 0.01.
    table = answers_of(*found, runs={"FTX-2048": names})
    assert table["seed_share"].tolist() == pytest.approx([0.5, 0.5])
    said = "50 % of the squared standard error is between the seeds of fine-tuning."
    assert said in table["sentence"][0]
    assert answers_of(*found)["seed_share"].isna().all()


def test_the_table_survives_its_file(tmp_path):
    table = answers_of({"delta": 0.0}, {"delta": 0.1}, {"status": UNTESTED})
    write_table(table, tmp_path / "answers.tsv", ANSWERS)
    again = read_table(tmp_path / "answers.tsv", ANSWERS)
    assert again["direction"].tolist() == table["direction"].tolist()
    assert again["n_to_decide"].tolist()[1] == table["n_to_decide"].tolist()[1] == 10**9
    assert (again["direction"] == UNDECIDED).sum() == 1 + (table["direction"][0] == UNDECIDED)


def test_nothing_compared_has_no_answers():
    empty = {"comparison": compared([{}]).iloc[:0], "improved": rows("improved", [])}
    table = answer_questions(empty, patch_tasks=["tissue"], runs={}, alpha=0.05, rope=0.01)
    assert list(table) == list(ANSWERS.columns)
    assert table.empty
