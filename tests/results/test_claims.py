"""The claims: what is read off the answers, and the verdict that follows."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    decide,
    size_beside,
)
from histotransfer.evaluation.statistics import NOT_ESTIMABLE, OK, UNTESTED
from histotransfer.results.answers import answer_questions
from histotransfer.results.claims import (
    ACCURACY,
    BETTER_GENES,
    CLAIMS,
    IMPROVED,
    INCONCLUSIVE,
    NOT_COMPARABLE,
    NOT_REPRODUCED,
    PARTLY,
    RELATED,
    REPRODUCED,
    judge_claims,
    verdict_on_gain,
    verdict_on_level,
)
from support.comparisons import compared
from support.results import rows

FINE_TUNED = "FTX-2048"
COHORT = rows("cohort", [{"patient": "P", "n_slides": 541}])


def share_row(share=0.81, low=0.6, high=0.95, status=OK, extractor=FINE_TUNED):
    return {
        **{"task": "expression", "baseline": "IMGNET-2048", "extractor": extractor},
        **{"n_genes": 78, "n_related": 60, "n_improved": round(60 * share), "status": status},
        **{"fraction": share, "share_truly": share, "ci_low": low, "ci_high": high},
    }


def claims_of(*found, shares=(), runs=None, random_weights=False, cohort=COHORT):
    improved, runs = rows("improved", shares or [share_row()]), runs or {}
    tables = {"comparison": compared(found), "improved": improved}
    answers = answer_questions(tables, patch_tasks=["tissue"], runs=runs, alpha=0.05, rope=0.01)
    return judge_claims(
        {"answers": answers, "improved": improved, "cohort": cohort},
        runs=runs, random_weights=random_weights, rope=0.01,
    )  # fmt: skip


def accuracies(target, before, after, se=0.004, n=7180, **changed):
    row = {"task": "tissue", "metric": "accuracy", "target": target, "n": n, "se": se}
    return row | {"baseline_mean": before, "delta": after - before} | changed


def genes(**deltas):
    return [{"target": gene, "delta": delta} for gene, delta in deltas.items()]


PUBLISHED = [
    accuracies("all", 0.964, 0.984),
    accuracies("STR", 0.87, 0.94, 0.015, n=421),
    *genes(**dict.fromkeys(BETTER_GENES, 0.05)),
]


def test_every_claim_of_the_abstract_has_a_row():
    claims = claims_of(*PUBLISHED)
    assert list(claims) == list(CLAIMS.columns)
    text = " ".join(claims["claim"])
    assert all(gene in text for gene in BETTER_GENES)
    published = claims["published"].dropna().tolist()
    for figure in (0.984, 0.964, 0.87, 0.94, 2.2e-6, 171, 0.813, 0.556):
        assert figure in published
    assert (RELATED, IMPROVED) == (171, 139)
    assert round(100 * IMPROVED / RELATED) == 81
    assert claims["why"].notna().all()


def test_a_study_with_the_published_numbers_reproduces_them_stroma_included():
    claims = claims_of(*PUBLISHED)
    judged = claims[claims["verdict"] != NOT_COMPARABLE]
    assert (judged["verdict"] == REPRODUCED).all(), judged[["claim", "verdict", "why"]]
    assert len(judged) == 4 + 3 + 1 + 5
    tissue = claims[claims["claim"].str.startswith("tissue types")]
    assert tissue["here"][:3].tolist() == pytest.approx([0.964, 0.984, 0.02])


@pytest.mark.parametrize(
    ("direction", "size", "relevance", "verdict"),
    [
        (BETTER, AS_PUBLISHED, RELEVANT, REPRODUCED),
        (BETTER, AS_PUBLISHED, UNDECIDED, REPRODUCED),
        (BETTER, AS_PUBLISHED, EQUIVALENT, NOT_REPRODUCED),
        (BETTER, LARGER, RELEVANT, REPRODUCED),
        (BETTER, LARGER, UNDECIDED, REPRODUCED),
        (BETTER, CANNOT_TELL, UNDECIDED, REPRODUCED),
        (BETTER, SMALLER, RELEVANT, PARTLY),
        (BETTER, SMALLER, UNDECIDED, PARTLY),
        (BETTER, SMALLER, EQUIVALENT, NOT_REPRODUCED),
        (BETTER, "", RELEVANT, REPRODUCED),
        (BETTER, "", UNDECIDED, REPRODUCED),
        (BETTER, "", EQUIVALENT, NOT_REPRODUCED),
        (BETTER, AS_PUBLISHED, "", REPRODUCED),
        (BETTER, LARGER, "", REPRODUCED),
        (BETTER, SMALLER, "", PARTLY),
        (UNDECIDED, AS_PUBLISHED, UNDECIDED, INCONCLUSIVE),
        (UNDECIDED, CANNOT_TELL, UNDECIDED, INCONCLUSIVE),
        (UNDECIDED, LARGER, UNDECIDED, INCONCLUSIVE),
        (UNDECIDED, SMALLER, UNDECIDED, NOT_REPRODUCED),
        (UNDECIDED, SMALLER, EQUIVALENT, NOT_REPRODUCED),
        (UNDECIDED, AS_PUBLISHED, EQUIVALENT, NOT_REPRODUCED),
        (UNDECIDED, "", EQUIVALENT, NOT_REPRODUCED),
        (UNDECIDED, "", UNDECIDED, INCONCLUSIVE),
        (UNDECIDED, CANNOT_TELL, "", INCONCLUSIVE),
        (UNDECIDED, SMALLER, "", NOT_REPRODUCED),
        *((WORSE, *other, NOT_REPRODUCED) for other in product(
            (AS_PUBLISHED, LARGER, SMALLER, CANNOT_TELL, ""), (RELEVANT, UNDECIDED, EQUIVALENT)
        )),
        (UNTESTED, "", "", INCONCLUSIVE),
        (NOT_ESTIMABLE, "", "", INCONCLUSIVE),
    ],
)  # fmt: skip
def test_each_verdict_on_a_gain(direction, size, relevance, verdict):
    found, why = verdict_on_gain(direction, size, relevance)
    assert found == verdict
    assert why


@pytest.mark.parametrize(
    ("size", "relevance", "verdict"),
    [
        (AS_PUBLISHED, UNDECIDED, REPRODUCED),
        (AS_PUBLISHED, EQUIVALENT, REPRODUCED),
        (LARGER, EQUIVALENT, REPRODUCED),
        (SMALLER, EQUIVALENT, REPRODUCED),
        (LARGER, UNDECIDED, NOT_REPRODUCED),
        (SMALLER, UNDECIDED, NOT_REPRODUCED),
        (SMALLER, RELEVANT, NOT_REPRODUCED),
        (CANNOT_TELL, UNDECIDED, INCONCLUSIVE),
        ("", "", INCONCLUSIVE),
    ],
)
def test_each_verdict_on_a_level(size, relevance, verdict):
    found, why = verdict_on_level(size, relevance)
    assert found == verdict
    assert why


@given(st.floats(-0.1, 0.1), st.floats(1e-5, 0.05), st.integers(1, 9))
def test_no_gain_is_reproduced_unless_it_is_decided_and_relevant(delta, se, others):
    table = decide(compared([{"delta": delta, "se": se}, *[{}] * others]), alpha=0.05, rope=0.01)
    row = table.iloc[0]
    size = size_beside(row["ci_low"], row["ci_high"], 0.02, none=0)
    verdict, _ = verdict_on_gain(row["direction"], size, row["relevance"])
    if verdict in (REPRODUCED, PARTLY):
        assert row["q_bh"] <= 0.05
        assert delta > 0
        assert row["ci_high"] > 0.01
        assert (verdict == PARTLY) == (row["ci_high"] < 0.02)
    if verdict == INCONCLUSIVE:
        assert row["ci_high"] >= 0.02


GAIN = "tissue types: fine-tuned features are more accurate"


@pytest.mark.parametrize(
    ("delta", "se", "verdict", "answers"),
    [
        (0.0003, 0.0001, NOT_REPRODUCED, (BETTER, SMALLER, EQUIVALENT)),
        (0.0, 0.00005, NOT_REPRODUCED, (UNDECIDED, SMALLER, EQUIVALENT)),
        (0.001, 0.0025, NOT_REPRODUCED, (UNDECIDED, SMALLER, EQUIVALENT)),
        (0.005, 0.018, INCONCLUSIVE, (UNDECIDED, CANNOT_TELL, UNDECIDED)),
        (0.013, 0.002, PARTLY, (BETTER, SMALLER, UNDECIDED)),
        (0.02, 0.004, REPRODUCED, (BETTER, AS_PUBLISHED, RELEVANT)),
        (0.04, 0.004, REPRODUCED, (BETTER, LARGER, RELEVANT)),
        (-0.02, 0.004, NOT_REPRODUCED, (WORSE, SMALLER, RELEVANT)),
    ],
)
def test_the_gain_in_accuracy_is_judged_on_three_questions(delta, se, verdict, answers):
    row = claims_of(accuracies("all", 0.96, 0.96 + delta, se)).set_index("claim").loc[GAIN]
    assert tuple(row[["direction", "size", "relevance"]]) == answers
    assert row["verdict"] == verdict


@pytest.mark.parametrize(
    ("after", "n", "verdict"),
    [
        (0.94, 421, REPRODUCED),
        (0.93, 421, REPRODUCED),
        (0.85, 421, NOT_REPRODUCED),
        (0.99, 421, NOT_REPRODUCED),
        (0.90, 40, INCONCLUSIVE),
        (0.945, 100_000, REPRODUCED),  # surely another level, but not relevantly
    ],
)
def test_stroma_is_judged_by_what_its_patches_can_tell(after, n, verdict):
    claims = claims_of(accuracies("all", 0.964, 0.984), accuracies("STR", 0.87, after, n=n))
    row = claims.set_index("claim").loc["stroma: accuracy of the fine-tuned features"]
    assert row["verdict"] == verdict


def test_genes_are_judged_on_adjusted_p():
    """The interval of each gene excludes zero, and none is decided beside many others."""
    delta = 0.0215  # p = 0.033
    five = genes(**dict.fromkeys(BETTER_GENES, delta))
    others = [{"target": f"G{i}", "delta": 0.001} for i in range(20)]
    (alone,) = claims_of(five[0]).query("quantity == 'AUROC difference'")["verdict"][:1]
    assert alone == REPRODUCED
    judged = claims_of(*five, *others).query("quantity == 'AUROC difference'")
    assert (judged["ci_low"] > 0).all()
    assert (judged["verdict"] == INCONCLUSIVE).all()
    assert judged["why"].str.contains("could have been detected").all()


@pytest.mark.parametrize(
    ("low", "high", "status", "verdict"),
    [
        (0.6, 0.95, OK, REPRODUCED),
        (0.55, 0.75, OK, PARTLY),
        (0.9, 1.0, OK, REPRODUCED),
        (0.2, 0.45, OK, NOT_REPRODUCED),
        (0.4, 0.7, OK, NOT_REPRODUCED),
        (0.3, 0.95, OK, INCONCLUSIVE),
        (0.6, 0.95, "too few related targets", INCONCLUSIVE),
        (np.nan, np.nan, "too few related targets", INCONCLUSIVE),
    ],
)
def test_the_share_of_targets_is_judged_by_its_interval(low, high, status, verdict):
    claims = claims_of(*PUBLISHED, shares=[share_row(0.7, low, high, status)])
    (row,) = claims[claims["quantity"] == "share of related genes"].to_dict("records")
    assert row["verdict"] == verdict
    if status != OK:
        assert row["why"] == f"{status}; r is higher for 42 of 60"


def test_a_ceiling_is_not_estimable_and_no_gain():
    row = accuracies("all", 1.0, 1.0, status=NOT_ESTIMABLE)
    claim = claims_of(row).set_index("claim").loc[GAIN]
    assert (claim["verdict"], claim["direction"]) == (INCONCLUSIVE, NOT_ESTIMABLE)
    assert "right about every sample" in claim["why"]


def test_a_study_without_tissue_types_has_no_patches_to_compare():
    claims = claims_of(*genes(**dict.fromkeys(BETTER_GENES, 0.05)))
    tissue = claims[claims["quantity"].str.startswith("accuracy") | (claims["quantity"] == "P")]
    assert tissue["here"].isna().all()
    assert (tissue["why"] == "partial data (0 of 7,180 patches)").all()
    assert "AUROC difference" in set(claims["quantity"])


def test_random_weights_are_not_comparable():
    claims = claims_of(*PUBLISHED, random_weights=True)
    assert (claims["verdict"] == NOT_COMPARABLE).all()
    assert claims["why"].str.contains("random weights").all()
    assert claims["here"].notna().any()


def test_partial_data_bar_only_the_claims_about_them():
    claims = claims_of(*PUBLISHED, cohort=rows("cohort", [{"patient": "P", "n_slides": 100}]))
    slides = claims["claim"].str.match("expression|mutation")
    assert (claims.loc[slides, "verdict"] == NOT_COMPARABLE).all()
    assert claims.loc[slides, "why"].str.contains("partial data").all()
    assert not claims.loc[~slides, "why"].str.contains("partial data").any()


def test_a_gene_that_is_absent_untested_or_not_estimable_keeps_its_row():
    found = [
        *({"target": "STK11", "delta": 0.1}, {"target": "TP53", "status": UNTESTED}),
        {"target": "NF1", "status": NOT_ESTIMABLE, "baseline_mean": np.nan, "delta": np.nan},
    ]
    claims = claims_of(*found).set_index("claim")
    expected = {
        **{"TP53": "better than chance", "NF1": "fewer than two folds have a score"},
        "FAT1": "not estimable here",
    }
    for gene, why in expected.items():
        row = claims.loc[f"mutation: {gene} is predicted better"]
        assert row["verdict"] == INCONCLUSIVE
        assert why in row["why"]


def test_every_compared_extractor_is_judged_and_several_seeds_as_one():
    seeds = ["FTX-2048", "FTX-2048-seed7", "FTX-2048-seed8"]
    found = [
        {**row, "extractor": name, "delta": row["delta"] + shift}
        for name, shift in zip([*seeds, "OTHER"], (0, 0.001, -0.001, 0), strict=True)
        for row in PUBLISHED
    ]
    shares = [share_row(extractor=name) for name in [*seeds, "OTHER"]]
    claims = claims_of(*found, shares=shares, runs={"FTX-2048": seeds})
    counts = claims["extractor"].value_counts()
    assert set(counts.index) == {"IMGNET-2048", "FTX-2048", "OTHER"}
    assert counts["FTX-2048"] == counts["OTHER"]
    assert counts["IMGNET-2048"] == len(ACCURACY)
    one = claims_of(*PUBLISHED).query("extractor == 'FTX-2048'")
    combined = claims.query("extractor == 'FTX-2048'")
    assert combined["verdict"].tolist() == one["verdict"].tolist()
    assert combined["here"].to_numpy() == pytest.approx(one["here"].to_numpy(), abs=0.01)


def test_runs_that_differ_leave_open_what_one_of_them_decides():
    seeds = ["FTX-2048", "FTX-2048-seed7", "FTX-2048-seed8"]
    found = [
        accuracies("all", 0.96, 0.96 + delta, extractor=name)
        for name, delta in zip(seeds, (0.06, 0.0, -0.01), strict=True)
    ]
    assert claims_of(found[0]).set_index("claim").loc[GAIN, "verdict"] == REPRODUCED
    combined = claims_of(*found, runs={"FTX-2048": seeds}).set_index("claim")
    assert combined.loc[GAIN, "verdict"] == INCONCLUSIVE


def test_an_empty_comparison_makes_an_empty_table():
    answers = answer_questions(
        {"comparison": compared(PUBLISHED).iloc[:0], "improved": rows("improved", [])},
        patch_tasks=["tissue"], runs={}, alpha=0.05, rope=0.01,
    )  # fmt: skip
    tables = {"answers": answers, "improved": rows("improved", []), "cohort": COHORT}
    claims = judge_claims(tables, runs={}, random_weights=False, rope=0.01)
    assert claims.empty
    assert list(claims) == list(CLAIMS.columns)
