"""The claims: what is read off the tables, and the verdict that follows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotransfer.results.claims import (
    ACCURACY,
    BETTER_GENES,
    CLAIMS,
    IMPROVED,
    RELATED,
    judge_claims,
    judge_gain,
    judge_level,
)
from histotransfer.results.tables import read_tables
from support.results import write_results

PAPER = {"genes": 60, "mutations": 10, "slides": 541, "patches": 7182, "repeats": 2}
finite = st.floats(-1, 1)


def tables_of(folder, **changed):
    paths = write_results(folder, **{**PAPER, **changed})
    return read_tables({name: paths[name] for name in ("comparison", "improved", "cohort")})


def claims_of(tables, study="TCGA-LUAD", random_weights=False):
    return judge_claims(tables, study=study, random_weights=random_weights)


def planted(tables, target, **values):
    """Return the tables with planted values in the comparison's rows of one target."""
    table = tables["comparison"].copy()
    for column, value in values.items():
        table.loc[table["target"] == target, column] = value
    return {**tables, "comparison": table}


@pytest.fixture(scope="module")
def paper(tmp_path_factory):
    return tables_of(tmp_path_factory.mktemp("paper"))


def test_every_claim_of_the_abstract_has_a_row(paper):
    claims = claims_of(paper)
    assert list(claims) == list(CLAIMS.columns)
    text = " ".join(claims["claim"])
    assert all(gene in text for gene in BETTER_GENES)
    published = claims["published"].dropna().tolist()
    for figure in (0.984, 0.964, 0.87, 0.94, 2.2e-6, 171, 0.813, 0.556):
        assert figure in published
    assert (RELATED, IMPROVED) == (171, 139)
    assert round(100 * IMPROVED / RELATED) == 81
    assert set(claims["verdict"]) <= {
        "reproduced",
        "not reproduced",
        "inconclusive",
        "not comparable",
    }
    assert claims["why"].notna().all()


def test_a_study_with_the_published_numbers_reproduces_them(paper):
    tables = planted(
        paper, "all", baseline_mean=0.964, extractor_mean=0.984, delta=0.02,
        ci_low=0.012, ci_high=0.028, p_corrected=2.2e-6,
    )  # fmt: skip
    claims = claims_of(tables)
    tissue = claims[claims["claim"].str.startswith("tissue types")]
    assert tissue["verdict"].tolist() == ["reproduced"] * 4
    assert tissue["here"].tolist() == [0.964, 0.984, 0.02, 2.2e-6]


def test_a_gain_that_is_not_there_is_not_reproduced_and_a_wide_interval_is_inconclusive(paper):
    row = "tissue types: fine-tuned features are more accurate"
    for low, high, verdict in ((-0.004, 0.006, "not reproduced"), (-0.03, 0.04, "inconclusive")):
        tables = planted(paper, "all", delta=0.001, ci_low=low, ci_high=high)
        claims = claims_of(tables).set_index("claim")
        assert claims.loc[row, "verdict"] == verdict


def test_a_study_without_tissue_types_has_no_patches_to_compare(paper):
    others = paper["comparison"].query("metric != 'accuracy'")
    claims = claims_of({**paper, "comparison": others})
    tissue = claims[claims["quantity"].str.startswith("accuracy") | (claims["quantity"] == "P")]
    assert tissue["here"].isna().all()
    assert (tissue["why"] == "partial data (0 of 7,180 patches)").all()
    assert "AUROC difference" in set(claims["quantity"])


@pytest.mark.parametrize(
    ("study", "random_weights", "why"),
    [
        ("simulated", False, "simulated data"),
        ("TCGA-LUAD", True, "random weights"),
        ("my-cohort", False, r"other data \(my-cohort\)"),
    ],
)
def test_other_data_or_weights_are_not_comparable(paper, study, random_weights, why):
    claims = claims_of(paper, study, random_weights)
    assert (claims["verdict"] == "not comparable").all()
    assert claims["why"].str.contains(why).all()
    assert claims["here"].notna().any()


def test_partial_data_bar_only_the_claims_about_them(tmp_path):
    claims = claims_of(tables_of(tmp_path, slides=100))
    slides = claims["claim"].str.match("expression|mutation")
    assert (claims.loc[slides, "verdict"] == "not comparable").all()
    assert claims.loc[slides, "why"].str.contains("partial data").all()
    assert not claims.loc[~slides, "why"].str.contains("partial data").any()


def test_a_gene_that_is_absent_or_not_estimable_keeps_its_row(tmp_path):
    claims = claims_of(tables_of(tmp_path, mutations=3)).set_index("claim")
    for gene in ("LRP1B", "FAT1"):  # the third is not estimable, the fifth is absent
        row = claims.loc[f"mutation: {gene} is predicted better"]
        assert np.isnan(row["here"])
        assert (row["verdict"], row["why"]) == ("inconclusive", "not estimable here")


def test_every_compared_extractor_is_judged(tmp_path):
    names = ("IMGNET-2048", "FTX-2048", "OTHER")
    claims = claims_of(tables_of(tmp_path, extractors=names))
    counts = claims["extractor"].value_counts()
    assert counts["FTX-2048"] == counts["OTHER"]
    assert counts["IMGNET-2048"] == len(ACCURACY)


def test_an_empty_comparison_makes_an_empty_table(paper):
    claims = claims_of({**paper, "comparison": paper["comparison"].iloc[:0]})
    assert claims.empty
    assert "verdict" in claims


@given(finite, finite, finite, st.floats(0, 0.1))
def test_a_level_is_never_both_inside_and_outside(published, a, b, tolerance):
    low, high = sorted((a, b))
    verdict, _ = judge_level(published, low, high, tolerance)
    if verdict == "reproduced":
        assert abs(low - published) <= tolerance + 1e-12
        assert abs(high - published) <= tolerance + 1e-12
    if verdict == "not reproduced":
        assert not low <= published <= high


@given(finite, finite, st.floats(0.001, 1))
def test_no_gain_is_reproduced_by_an_interval_that_holds_zero(a, b, published):
    low, high = sorted((a, b))
    verdict, _ = judge_gain(low, high, published=published)
    assert (verdict == "reproduced") == (low > 0)
    if low <= 0 <= high and low <= published <= high:
        assert verdict == "inconclusive"
