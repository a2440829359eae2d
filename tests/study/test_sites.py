"""The sites of patients: from barcodes or from a column of the sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.study.config import complete
from histotransfer.study.plan import StudyPlan
from support.errors import assert_clear
from support.root import ROOT

DEFAULTS, SCHEMAS = ROOT / "workflow/defaults.yaml", ROOT / "workflow/schemas"
EXTRACTORS = {"UNI": {"features": "data/uni"}, "CONCH": {"features": "data/conch"}}
TASKS = {"MSI": {"kind": "binary", "labels": "data/labels.csv"}}
BARCODES = "slide\tpatient\n" + "".join(
    f"S{i}\tTCGA-{site}-000{i}\n" for i, site in enumerate(("05", "05", "38", "44"))
)
NAMED = "slide\tpatient\tscanner\nS1\tP1\tA\nS2\tP1\tA\nS3\tP2\tB\n"


def plan_of(folder: Path, sheet: str, **keys: Any) -> StudyPlan:
    (folder / "slides.tsv").write_text(sheet)
    config = {"study": "mine", "extractors": EXTRACTORS, "tasks": TASKS}
    config |= {"slides": str(folder / "slides.tsv")} | keys
    given = {key: value for key, value in config.items() if value is not None}
    return StudyPlan.from_config(complete(given, DEFAULTS), SCHEMAS, check_files=False)


def test_barcodes_name_the_sites_and_the_audit_is_planned(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, BARCODES)
    assert sorted(plan.sites.values()) == ["05", "05", "38", "44"]
    assert plan.audited == ["UNI", "CONCH"]
    assert {"site_audit", "site_splits"} <= set(plan.tables)
    assert plan.other_grouping == "site"
    assert plan.named_sites == {}  # the barcodes tell the splits


def test_a_column_of_the_sheet_names_the_sites(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, NAMED, site_column="scanner", crossval={"group_by": "site"})
    assert plan.sites == plan.named_sites == {"P1": "A", "P2": "B"}
    assert plan.other_grouping == "patient"
    sheet = NAMED.replace("scanner", "cohort")
    assert plan_of(tmp_path, sheet, site_column="cohort").sites == {"P1": "A", "P2": "B"}


@pytest.mark.parametrize(
    ("sheet", "keys"),
    [
        ("slide\tpatient\nS1\tP1\nS2\tP2\n", {}),  # no barcodes
        ("slide\tpatient\nS1\tTCGA-05-0001\nS2\tP2\n", {}),
        ("slide\tpatient\nS1\tTCGA-05-0001\nS2\tTCGA-05-0002\n", {}),  # one site
        (BARCODES, {"crossval": {"curve_repeats": 0}}),
    ],
)
def test_without_sites_or_repeats_nothing_is_audited(tmp_path: Path, sheet: str, keys: Any) -> None:
    plan = plan_of(tmp_path, sheet, **keys)
    assert plan.audited == []
    assert "site_audit" not in plan.tables


@pytest.mark.parametrize(
    ("sheet", "keys", "message"),
    [
        (NAMED, {"site_column": "hospital"}, "its header has no column hospital"),
        (NAMED.replace("S2\tP1\tA", "S2\tP1\tB"), {"site_column": "scanner"}, "two sites, A and B"),
        (NAMED.replace("P2\tB", "P2\t"), {"site_column": "scanner"}, "no site for patient P2"),
        (NAMED, {"site_column": "scanner", "slides": None}, "there is no slide sheet"),
    ],
)
def test_wrong_sites_get_one_clear_error(
    tmp_path: Path, sheet: str, keys: Any, message: str
) -> None:
    with pytest.raises(HistotransferError, match=message) as caught:
        plan_of(tmp_path, sheet, **keys)
    assert_clear(caught.value)


def test_a_column_that_the_config_does_not_name_is_still_unknown(tmp_path: Path) -> None:
    with pytest.raises(HistotransferError, match="scanner"):
        plan_of(tmp_path, NAMED)
