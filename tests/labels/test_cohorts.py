"""The labels of two cohorts: read together, parted by patient, everyone else left out by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.core.tables import read_table
from histotransfer.evaluation.start_checks import check_labels
from histotransfer.labels.cohorts import cohort_of
from histotransfer.labels.exclusions import EXCLUDED, FLOW
from histotransfer.labels.files import CLASS, read_labels_file
from histotransfer.labels.task_labels import write_external_labels, write_labels
from histotransfer.study.parameters import CohortParameters
from histotransfer.study.tasks import LabelParameters
from support.errors import assert_clear
from support.tasks import splitting, write_pooled

TRAIN, TEST, OTHER = ([f"{name}{i:02d}" for i in range(n)]
                      for name, n in (("A", 8), ("B", 6), ("C", 3)))  # fmt: skip
EVERYONE = [*TRAIN, *TEST, *OTHER]
COHORTS = {**dict.fromkeys(TRAIN, "TCGA"), **dict.fromkeys(TEST, "CPTAC")}


def of_table(path: Path, rows: dict[str, str], name: str = "cohort") -> CohortParameters:
    pd.DataFrame({"patient": list(rows), name: list(rows.values())}).to_csv(path, index=False)
    return CohortParameters("TCGA", "CPTAC", str(path), "", None)


@pytest.fixture(params=["sheet", "table"])
def cohorts(request: pytest.FixtureRequest, tmp_path: Path) -> CohortParameters:
    """Name the cohorts in either way; those in neither have no row, or another cohort."""
    named = COHORTS | {OTHER[0]: "MSKCC"}
    if request.param == "table":
        return of_table(tmp_path / "cohorts.csv", named)
    return CohortParameters("TCGA", "CPTAC", "slides.tsv", "", named)


def parted(
    folder: Path, cohorts: CohortParameters, kind: str, values: dict[str, object]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Write the labels of both cohorts; return the values of each, and who was left out."""
    table = folder / "labels.csv"
    pd.DataFrame({"patient": list(values), "T": list(values.values())}).to_csv(table, index=False)
    task = LabelParameters(kind, {"table": str(table)}, ["T"], "none")
    pooled = [write_pooled(folder / "X.h5", np.zeros((len(EVERYONE), 2)), EVERYONE)]
    paths = [folder / f"{name}.tsv" for name in ("own", "excluded", "flow", "external")]
    write_labels(task, *paths[:3], pooled=pooled, cohorts=cohorts)
    write_external_labels(task, paths[3], pooled=pooled, cohorts=cohorts)
    flow = read_table(paths[2], FLOW)
    came_in, labelled = (flow.loc[(flow["step"] == step) & (flow["what"] == "patient"), "n"].sum()
                         for step in ("came_in", "labelled"))  # fmt: skip
    left_out = flow.loc[(flow["step"] == "left_out") & (flow["what"] == "patient"), "n"].sum()
    assert came_in - left_out == labelled
    own, external = (read_labels_file(paths[k]).values for k in (0, 3))
    return own, external, read_table(paths[1], EXCLUDED)


def test_each_cohort_has_its_own_labels_and_the_others_are_left_out_by_name(tmp_path, cohorts):
    own, external, excluded = parted(
        tmp_path, cohorts, "regression", {name: i for i, name in enumerate(EVERYONE)}
    )
    assert own["T"].to_dict() == {name: float(i) for i, name in enumerate(TRAIN)}
    assert external["T"].to_dict() == {name: 8.0 + i for i, name in enumerate(TEST)}
    by_code = excluded[excluded["what"] == "patient"].groupby("code")["item"].agg(list).to_dict()
    assert by_code == {"other_cohort": OTHER, "external_cohort": TEST}


def test_a_word_means_the_same_in_both_cohorts(tmp_path, cohorts):
    """Read alone, the only word of a cohort might be taken for the other value."""
    words = {name: "MSI-H" if i % 2 else "MSS" for i, name in enumerate(TRAIN)}
    words |= dict.fromkeys(TEST, "MSI-H")
    table = tmp_path / "labels.csv"
    pd.DataFrame({"patient": list(words), "T": list(words.values())}).to_csv(table, index=False)
    task = LabelParameters("binary", {"table": str(table)}, ["T"], "none", positive="MSI-H")
    pooled = [write_pooled(tmp_path / "X.h5", np.zeros((len(EVERYONE), 2)), EVERYONE)]
    write_external_labels(task, tmp_path / "e.tsv", pooled=pooled, cohorts=cohorts)
    assert (read_labels_file(tmp_path / "e.tsv").values["T"] == 1).all()


def test_a_class_that_nobody_trains_is_left_out(tmp_path, cohorts):
    classes = {name: "ab"[i % 2] for i, name in enumerate(TRAIN)}
    classes |= {name: "abc"[i % 3] for i, name in enumerate(TEST)}
    own, external, excluded = parted(tmp_path, cohorts, "multiclass", classes)
    assert set(own[CLASS]) == set(external[CLASS]) == {"a", "b"}
    untrained = excluded[excluded["code"] == "class_untrained"]
    assert untrained["item"].tolist() == TEST[2::3]
    assert set(untrained["detail"]) == {"c"}


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_an_external_cohort_without_labels_is_empty_and_can_be_read(tmp_path, cohorts, kind):
    own, external, _ = parted(
        tmp_path, cohorts, kind, {name: i % 2 for i, name in enumerate(TRAIN)}
    )
    assert len(own) == len(TRAIN)
    assert external.empty
    assert list(external) == list(own)


def test_without_labels_in_the_training_cohort_nothing_can_be_fitted(tmp_path, cohorts):
    values = {name: i % 2 for i, name in enumerate(TEST)}
    with pytest.raises(HistotransferError, match="has no patient of cohort 'TCGA' with a label"):
        parted(tmp_path, cohorts, "binary", values)


def test_ids_of_the_table_of_cohorts_are_found_as_those_of_labels(tmp_path: Path) -> None:
    patients = ["TCGA-05-0001", "TCGA-05-0002", "C3L-1"]
    rows = {
        "TCGA-05-0001-01A": "TCGA",
        "tcga.05.0001": "TCGA",
        "TCGA-05-0002-01A": "",
        "C3L-1": "CPTAC",
    }
    cohorts = of_table(tmp_path / "c.csv", rows, name="Cohort")
    assert cohort_of(cohorts, patients) == dict(zip(patients, ["TCGA", "", "CPTAC"], strict=True))


@pytest.mark.parametrize(
    ("rows", "column", "message"),
    [
        ({"P1": "TCGA", "P2": "CPTAC"}, "site", "has no column 'cohort' (it has patient, site)"),
        ({"P1": "TCGA", "P2": "MSK"}, "cohort", "no patient of cohort 'CPTAC' (it has MSK, TCGA)"),
        ({"P1": "", "P2": ""}, "cohort", "names the cohort of no patient"),
        ({"P1": "TCGA", "p1": "CPTAC", "P2": "CPTAC"}, "cohort", ""),
        ({"P1": "TCGA", "Q9": "CPTAC"}, "cohort", "none of its patients can be used"),
        ({"Q8": "TCGA", "Q9": "CPTAC"}, "cohort", "names no patient of the cohort"),
    ],
)
def test_a_wrong_table_of_cohorts_gets_one_clear_error(
    tmp_path: Path, rows: dict[str, str], column: str, message: str
) -> None:
    cohorts = of_table(tmp_path / "c.csv", rows, column)
    if not message:  # beside P1, another spelling is a stranger
        assert cohort_of(cohorts, ["P1", "P2"]) == {"P1": "TCGA", "P2": "CPTAC"}
        return
    with pytest.raises(HistotransferError) as caught:
        cohort_of(cohorts, ["P1", "P2"])
    assert message in str(caught.value)
    assert_clear(caught.value, "c.csv")


def test_a_patient_in_both_cohorts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("patient,cohort\nP1,TCGA\nP2,CPTAC\nP1,CPTAC\n")
    cohorts = CohortParameters("TCGA", "CPTAC", str(tmp_path / "c.csv"), "", None)
    with pytest.raises(HistotransferError, match="gives patient P1 two cohorts, TCGA and CPTAC"):
        cohort_of(cohorts, ["P1", "P2"])


def test_the_training_cohort_alone_must_be_enough_for_the_folds(tmp_path, cohorts):
    table = tmp_path / "labels.csv"
    pd.DataFrame({"patient": EVERYONE, "T": range(len(EVERYONE))}).to_csv(table, index=False)
    task = LabelParameters("regression", {"table": str(table)}, ["T"], "none")
    assert list(check_labels(task, EVERYONE, splitting(1, folds=8), cohorts=cohorts)) == []
    with pytest.raises(HistotransferError, match="8 of the 8 patients of cohort 'TCGA': too few"):
        list(check_labels(task, EVERYONE, splitting(1, folds=9), cohorts=cohorts))
    turned = replace(cohorts, train="CPTAC", test="TCGA")
    with pytest.raises(HistotransferError, match="6 of the 6 patients of cohort 'CPTAC': too few"):
        list(check_labels(task, EVERYONE, splitting(1, folds=8), cohorts=turned))
