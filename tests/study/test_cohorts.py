"""The cohorts of an external validation: how a config names them, and what it is refused for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.study.config import complete, missing_data
from histotransfer.study.plan import StudyPlan
from support.errors import assert_clear
from support.root import ROOT

DEFAULTS, SCHEMAS = ROOT / "workflow/defaults.yaml", ROOT / "workflow/schemas"
OF_COHORTS = {"cohorts": {"train": "TCGA", "test": "CPTAC"}}
FEATURES = {"UNI": {"features": "data/uni"}, "CONCH": {"features": "data/conch"}}
TASKS = {"MSI": {"kind": "binary", "labels": "data/labels.csv"}}
SHEET = "slide\tpatient\tcohort\nS1\tP1\tTCGA\nS2\tP1\tTCGA\nS3\tP2\tCPTAC\nS4\tP3\t\n"


def plan_of(folder: Path, sheet: str = SHEET, **keys: Any) -> StudyPlan:
    """Plan a study of external features in this folder; a key that is None is left out."""
    (folder / "slides.tsv").write_text(sheet)
    (folder / "labels.csv").touch()
    study = {"study": "mine", "extractors": FEATURES, "tasks": TASKS, **OF_COHORTS}
    config = study | {"slides": str(folder / "slides.tsv")} | keys
    given = {key: value for key, value in config.items() if value is not None}
    return StudyPlan.from_config(complete(given, DEFAULTS), SCHEMAS, check_files=False)


def test_the_slide_sheet_names_each_patients_cohort(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    assert plan.cohorts is not None
    assert (plan.cohorts.train, plan.cohorts.test) == ("TCGA", "CPTAC")
    assert plan.cohorts.patients == {"P1": "TCGA", "P2": "CPTAC", "P3": ""}
    assert "validation" in plan.tables
    assert "cohorts" not in plan.label_inputs("MSI")
    assert plan.validation_files() == {
        "MSI": {
            "external": "results/labels/external/MSI.tsv",
            "predictions": {
                "UNI": "results/validation/MSI/UNI.h5",
                "CONCH": "results/validation/MSI/CONCH.h5",
            },
        }
    }


@pytest.mark.parametrize("slides", [None, "sheet"])
def test_a_table_of_patients_names_them_with_or_without_a_sheet(tmp_path: Path, slides) -> None:
    table = tmp_path / "cohorts.csv"
    table.write_text("patient,cohort\n")
    cohorts = {"train": 1, "test": 2, "table": str(table)}
    keys = {"slides": None} if slides is None else {}
    plan = plan_of(tmp_path, "slide\tpatient\nS1\tP1\n", cohorts=cohorts, **keys)
    assert plan.cohorts is not None
    assert (plan.cohorts.train, plan.cohorts.test, plan.cohorts.patients) == ("1", "2", None)
    assert plan.label_inputs("MSI")["cohorts"] == str(table)
    state = plan.label_states("MSI")["cohorts"]
    table.write_text("patient,cohort\nP1,2\n")
    assert plan_of(tmp_path, cohorts=cohorts, **keys).label_states("MSI")["cohorts"] != state


def test_a_table_that_is_missing_is_named(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, cohorts={"train": "A", "test": "B", "table": "data/none.csv"})
    assert any("data/none.csv (config key cohorts.table)" in line for line in
               missing_data(plan.config))  # fmt: skip


def test_a_study_of_one_cohort_plans_nothing_of_this(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, cohorts=None)
    assert plan.cohorts is None
    assert plan.validation_files() == {}
    assert "validation" not in {*plan.tables, *plan.figures, *plan.summary_tables()}


def test_only_tasks_of_patients_are_validated(tmp_path: Path) -> None:
    tasks = TASKS | {"tissue": {"kind": "tissue", "dataset": "TEST"}}
    plan = plan_of(
        tmp_path,
        "slide\tpatient\tpath\tcohort\nS1\tP1\ta.svs\tTCGA\nS2\tP2\tb.svs\tCPTAC\n",
        tasks=tasks,
        extractors={"A": "imagenet", "B": "data/b.keras"},
        datasets={"TEST": "data/test"},
        stain={"method": "none"},
    )
    assert list(plan.validation_files()) == ["MSI"]


@pytest.mark.parametrize(
    ("keys", "sheet", "message"),
    [
        ({"cohorts": {"train": "A", "test": "A"}}, SHEET, "'A' is the cohort to train on and"),
        ({"slides": None}, SHEET, "no slide sheet whose column `cohort` could name"),
        ({"cohorts": {"train": "TCGA", "test": "CPTCA"}}, SHEET,
         "names no patient of cohort 'CPTCA' (it has CPTAC, TCGA)"),
        ({}, "slide\tpatient\nS1\tP1\n", "names the cohort of no patient in a column `cohort`"),
        ({}, SHEET + "S5\tP1\tCPTAC\n", "gives patient P1 two cohorts, TCGA and CPTAC"),
        ({}, SHEET + "S5\tP1\t\n", "gives patient P1 two cohorts, TCGA and none"),
        ({"cohorts": {"train": "TCGA"}}, SHEET, "cohorts: lacks the key `test`"),
        ({"cohorts": {"train": "A", "test": "B", "id": "case"}}, SHEET, "id"),
        ({"tasks": {"t": {"kind": "tissue", "dataset": "TEST"}}, "datasets": {"TEST": "data/test"},
          "extractors": {"A": "imagenet", "B": "data/b.keras"}}, SHEET, "no task is of patients"),
    ],
)  # fmt: skip
def test_wrong_cohorts_get_one_clear_error(tmp_path: Path, keys, sheet: str, message: str) -> None:
    with pytest.raises(HistotransferError) as caught:
        plan_of(tmp_path, sheet, **keys)
    assert message in str(caught.value)
    assert_clear(caught.value)
