"""The cohort in tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from histotransfer.core.tables import read_table
from histotransfer.qc.cohort import summarise
from histotransfer.qc.verdicts import REASONS
from support.qc import judged_cohort


@pytest.fixture
def study(tmp_path: Path) -> tuple[dict[str, Path], dict[str, str], dict[str, Path]]:
    return judged_cohort(tmp_path)


def test_tables_account_for_every_slide_and_patient(study):
    slides, patients, tables = study
    summarise(slides, patients, **tables, apply_qc=True)
    qc = read_table(tables["qc_table"], patient="str").set_index("slide")
    assert list(qc.index) == ["s0", "s1", "s2", "s3"]
    assert (qc[list(REASONS)].sum(axis=1) == qc["n_tiles"]).all()
    assert qc.loc["s1", ["kept", "pen", "background", "n_patches"]].tolist() == [2, 1, 1, 2]
    assert qc.loc["s1", "mpp_source"] == "header"

    excluded = read_table(tables["excluded_table"], patient="str").set_index("slide")
    assert list(excluded.index) == ["s2", "s3"]
    assert excluded.loc["s2", "reason"] == "s2.svs: cannot be opened. Copy it again."
    assert excluded.loc["s3", "reason"].endswith("1 background, 2 blurred")

    cohort = read_table(tables["cohort_table"], patient="str").set_index("patient")
    assert cohort.loc["NA"].tolist() == [2, 1, 2]
    assert cohort.loc["007"].tolist() == [1, 0, 0]
    assert cohort.loc["008"].tolist() == [1, 1, 1]


def test_without_qc_every_stored_patch_counts(study):
    slides, patients, tables = study
    summarise(slides, patients, **tables, apply_qc=False)
    cohort = read_table(tables["cohort_table"], patient="str").set_index("patient")
    assert cohort.loc["007"].tolist() == [1, 1, 2]
    assert list(read_table(tables["excluded_table"])["slide"]) == ["s2"]
