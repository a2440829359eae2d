"""The site audit: a planted signature is found, and clean features have none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotransfer.core.errors import HistotransferError
from histotransfer.core.tables import read_table, write_table
from histotransfer.evaluation.comparison import COMPARISON
from histotransfer.evaluation.robustness_index import NEIGHBOURS, nearest, robustness_index
from histotransfer.evaluation.site_audit import (
    ACCURACY,
    INDEX,
    MACRO_AUROC,
    SITE_AUDIT,
    SITE_SPLITS,
    audit_sites,
    write_site_tables,
)
from histotransfer.evaluation.splits import sites_of, write_splits
from histotransfer.study.parameters import StatisticsParameters
from support.tasks import PREDICTORS, cross_validated, splitting, write_pooled, write_values

SITES = ["05", "38", "44", "49", "55", "64"]
N = 120
CLEAN, STAINED = "CLEAN", "STAINED"
"""Features of biology alone, and with a signature of the site."""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Draw a mutation that is commoner in some sites; only one extractor sees the site."""
    folder = tmp_path_factory.mktemp("sites")
    rng = np.random.default_rng(5)
    site = rng.permutation(np.arange(N) % len(SITES))
    names = [f"TCGA-{SITES[code]}-{i:04d}" for i, code in enumerate(site)]
    biology = rng.normal(size=N)
    carrier = (0.4 * biology + 1.5 * (site < 3) + 0.5 * rng.normal(size=N) > 0.75).astype(int)
    x = np.outer(biology, rng.normal(size=30)) * 0.5 + rng.normal(size=(N, 30))
    signature = 0.6 * rng.normal(size=(len(SITES), 30))[site]
    for name, features in {CLEAN: x, STAINED: x + signature}.items():
        write_pooled(folder / f"{name}.h5", features, names, name)
    labels = write_values(folder / "labels.tsv", names, {"TP53": carrier})
    write_values(folder / "genes.tsv", names, {"G": biology})
    sites = dict(zip(names, [SITES[code] for code in site], strict=True))
    audits = {}
    for name in (CLEAN, STAINED):
        audits[name] = folder / f"{name}.audit.tsv"
        audit_sites(
            folder / f"{name}.h5",
            {"mutation": labels, "expression": folder / "genes.tsv"},
            {"mutation": "mutation", "expression": "expression"},
            sites, audits[name], extractor=name, parameters=splitting(2),
        )  # fmt: skip
    return folder, labels, sites, audits


def audited(audits, name):
    return read_table(audits[name], SITE_AUDIT).set_index("quantity")


def test_a_signature_of_the_site_is_found_and_absent_in_clean_features(study):
    clean, stained = (audited(study[3], name) for name in (CLEAN, STAINED))
    assert stained.loc[ACCURACY, "ci_low"] > 2 * stained.loc[ACCURACY, "chance"]
    assert stained.loc[MACRO_AUROC, "value"] > 0.85
    assert clean.loc[ACCURACY, "ci_low"] < clean.loc[ACCURACY, "chance"]
    assert clean.loc[MACRO_AUROC, "value"] == pytest.approx(0.5, abs=0.1)
    assert stained.loc[ACCURACY, "n_sites"] == len(SITES)
    assert stained.loc[INDEX, "value"] < clean.loc[INDEX, "value"]
    assert clean.loc[INDEX, "value"] > 0
    assert set(stained["extractor"]) == {STAINED}


def test_scores_that_rest_on_the_site_fall_where_sites_are_kept_together(study, tmp_path):
    folder, labels, sites, audits = study
    kept = {}
    for group_by in ("patient", "site"):
        splits = tmp_path / f"{group_by}.tsv"
        write_splits(
            labels, splits, task="mutation", kind="mutation", sites=sites,
            parameters=splitting(2, repeats=2, group_by=group_by),
        )  # fmt: skip
        (tmp_path / group_by).mkdir()
        kept[group_by] = cross_validated(
            tmp_path / group_by, labels, splits,
            {name: folder / f"{name}.h5" for name in (CLEAN, STAINED)},
            task="mutation", parameters=PREDICTORS["mutation"], blocks=[[0, 1]], seed=2,
        )["scores"]  # fmt: skip
    write_table(COMPARISON.empty(), tmp_path / "comparison.tsv", COMPARISON)
    write_site_tables(
        list(audits.values()),
        {"mutation": {"scores": kept["patient"], "beside": kept["site"]}},
        tmp_path / "comparison.tsv", {"mutation": "mutation"}, ("patient", "site"),
        StatisticsParameters(0.01, 0.05, 1), tmp_path / "audit.tsv", tmp_path / "splits.tsv",
    )  # fmt: skip
    assert set(read_table(tmp_path / "audit.tsv", SITE_AUDIT)["extractor"]) == {CLEAN, STAINED}
    table = read_table(tmp_path / "splits.tsv", SITE_SPLITS).set_index(["grouped_by", "extractor"])
    lost = {
        name: table["mean"]["patient", name] - table["mean"]["site", name]
        for name in (CLEAN, STAINED)
    }
    assert lost[STAINED] > 0.1 > lost[CLEAN]
    assert table["baseline"]["site", STAINED] == CLEAN
    assert table["ci_low"].notna().all()


def test_too_few_patients_a_site_are_said_not_to_be_estimable(study, tmp_path):
    folder, labels, sites, _ = study
    everywhere = {name: f"{number // 3}" for number, name in enumerate(sites)}
    out = tmp_path / "audit.tsv"
    audit_sites(
        folder / f"{CLEAN}.h5", {"mutation": labels}, {"mutation": "mutation"}, everywhere, out,
        extractor=CLEAN, parameters=splitting(2, repeats=1),
    )  # fmt: skip
    table = read_table(out, SITE_AUDIT).set_index("quantity")
    assert table.loc[ACCURACY, "status"] == "not estimable"
    assert table.loc[INDEX, "status"] == "ok"


@given(n=st.integers(8, 40), seed=st.integers(0, 99), classes=st.integers(2, 3))
def test_the_index_counts_neighbours_as_its_definition_says(n, seed, classes):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 5))
    of_class = np.array([f"c{i % classes}" for i in range(n)], dtype=object)
    site = np.array([f"s{i}" for i in rng.integers(0, 3, n)], dtype=object)
    found = robustness_index(nearest(features), of_class, site)
    assert found.k in NEIGHBOURS
    so = os = 0
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    for i in range(n):
        others = sorted(set(range(n)) - {i}, key=lambda j, own=unit[i]: -(own @ unit[j]))
        for j in others[: found.k]:
            so += of_class[i] == of_class[j] and site[i] != site[j]
            os += of_class[i] != of_class[j] and site[i] == site[j]
    assert found.index == pytest.approx(so / (so + os), nan_ok=True) if so + os else True


def test_sites_are_those_given_or_those_of_the_barcodes():
    assert sites_of(["TCGA-05-4244"], "t.tsv").tolist() == ["05"]
    assert sites_of(["A", "B"], "t.tsv", {"A": "x", "B": "y"}).tolist() == ["x", "y"]
    with pytest.raises(HistotransferError, match="not a TCGA barcode"):
        sites_of(["P1"], "t.tsv")
    with pytest.raises(HistotransferError, match="B, whose site the slide sheet does not name"):
        sites_of(["A", "B"], "t.tsv", {"A": "x", "B": ""})


def test_identical_features_of_one_site_have_no_index():
    of_class = np.array(["a", "b"] * 5, dtype=object)
    alone = np.array([f"s{i}" for i in range(10)], dtype=object)
    found = robustness_index(nearest(np.ones((10, 3))), of_class, alone)
    assert found.index == 1.0  # nobody shares a site, so no neighbour speaks for it
    assert pd.notna(found.by_chance)
