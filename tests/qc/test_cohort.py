"""The cohort in tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.core.exclusions import Reason
from histotransfer.core.tables import read_table
from histotransfer.qc.cohort import COHORT, EXCLUDED_SLIDES, QC, summarise
from histotransfer.qc.verdicts import REASONS
from support.qc import UNREADABLE, judged_cohort


@pytest.fixture
def study(tmp_path: Path) -> tuple[Path, dict[str, str], dict[str, Path]]:
    return judged_cohort(tmp_path)


def test_tables_account_for_every_slide_and_patient(study):
    verdicts, patients, tables = study
    summarise(verdicts, patients, **tables, apply_qc=True)
    qc = read_table(tables["qc_table"], QC).set_index("slide")
    assert list(qc.index) == ["s0", "s1", "s2", "s3"]
    assert (qc[list(REASONS)].sum(axis=1) == qc["n_tiles"]).all()
    assert qc.loc["s1", ["kept", "pen", "background", "n_patches"]].tolist() == [2, 1, 1, 2]
    assert qc.loc["s1", "mpp_source"] == "header"
    assert qc.loc["s1", "stain_status"] == "fitted"
    assert Reason.of(qc.loc["s1"]) is None
    assert Reason.of(qc.loc["s2"]) == UNREADABLE

    excluded = read_table(tables["excluded_table"], EXCLUDED_SLIDES).set_index("slide")
    assert list(excluded.index) == ["s2", "s3"]
    assert Reason.of(excluded.loc["s2"]) == UNREADABLE
    reason = Reason.of(excluded.loc["s3"])
    assert reason is not None
    assert (reason.code, reason.detail) == ("no_patch_passes_qc", "1 background, 2 blurred")
    assert "overview" in reason.remedy

    cohort = read_table(tables["cohort_table"], COHORT).set_index("patient")
    assert cohort.loc["NA"].tolist() == [2, 1, 2]
    assert cohort.loc["007"].tolist() == [1, 0, 0]
    assert cohort.loc["008"].tolist() == [1, 1, 1]


def test_without_qc_every_stored_patch_counts(study):
    verdicts, patients, tables = study
    summarise(verdicts, patients, **tables, apply_qc=False)
    cohort = read_table(tables["cohort_table"], COHORT).set_index("patient")
    assert cohort.loc["007"].tolist() == [1, 1, 2]
    assert list(read_table(tables["excluded_table"], EXCLUDED_SLIDES)["slide"]) == ["s2"]


def test_where_no_slide_is_excluded_the_table_has_its_header(study):
    verdicts, _, tables = study
    summarise(verdicts, {"s0": "008"}, **tables, apply_qc=True)
    assert read_table(tables["excluded_table"], EXCLUDED_SLIDES).empty


def test_the_verdicts_of_another_slide_are_refused(study):
    verdicts, patients, tables = study
    (verdicts / "s1.h5").write_bytes((verdicts / "s0.h5").read_bytes())
    with pytest.raises(HistotransferError, match=r"s1\.h5: is of slide s0, expected s1"):
        summarise(verdicts, patients, **tables, apply_qc=True)
