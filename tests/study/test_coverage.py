"""Which extractors are compared in which task: named before the first job, with what to do."""

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
TISSUE = {"kind": "multiclass", "dataset": "TEST"}
MSI = {"kind": "binary", "labels": "data/labels.csv"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with a sheet of two slides."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/slides.tsv").write_text("slide\tpatient\nS1\tP1\nS2\tP2\n")
    return tmp_path


def put(*files: str) -> None:
    """Make empty files of features; a name that ends with a slash is an empty folder."""
    for file in files:
        path = Path("data", file)
        (path if file.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not file.endswith("/"):
            path.touch()


def plan_of(tools: str, tasks: dict[str, Any], **changes: Any) -> StudyPlan:
    """Plan a study of tools, of which T is a table and N a network."""
    sources = {"T": {"table": "data/t.csv"}, "N": "imagenet"}
    own = {
        "study": "x",
        "extractors": {tool: sources.get(tool, {"features": f"data/{tool}"}) for tool in tools},
        "slides": "data/slides.tsv",
        "datasets": {"TEST": {"labels": "data/test.csv"}},
        "tasks": tasks,
    }
    return StudyPlan.from_config(complete(own | changes, DEFAULTS), SCHEMAS, check_files=False)


def test_each_task_compares_those_that_know_its_samples() -> None:
    put("A/TEST.h5", "A/S1.h5", "B/deeper/TEST.h5", "B/S2.h5", "C/S1.h5", "D/TEST.h5")
    plan = plan_of("ABCDT", {"tissue": TISSUE, "MSI": MSI})
    assert plan.compared_in("tissue") == ["A", "B", "D"]
    assert plan.compared_in("MSI") == ["A", "B", "C", "T"]
    assert plan.dataset_features("B", "TEST") == "data/B/deeper/TEST.h5"
    assert plan.label_inputs("MSI")["pooled"] == [
        f"results/pooled/{name}.h5" for name in ("A", "B", "C", "T")
    ]
    assert [*plan.summary_tables()["external"]] == ["A", "B", "C", "T"]
    assert [*plan.summary_tables()["external_patches"]] == ["A", "B", "D"]
    assert [*plan.embedding_files()["tissue"]["features"]] == ["A", "B", "D"]
    assert [*plan.scores_of("tissue")] == ["A", "B", "D"]
    assert plan.warnings_of_coverage() == [
        "tissue: C is not compared, because the folder data/C has no TEST.h5. Put the features of "
        "TEST's patches there (docs/your-study.md).",
        "tissue: T is not compared, because the table data/t.csv has features of patients, not of "
        "patches. Give features of patches (docs/your-study.md), if there are any.",
        "MSI: D is not compared, because the folder data/D has no file of any slide. Put "
        "{slide}.h5 there, named as in the slide sheet.",
    ]


def test_a_datasets_file_is_no_slide_of_a_study_without_a_sheet() -> None:
    put("A/TEST.h5", "A/S1.h5", "B/TEST.h5", "B/S1.h5")
    own = {"tissue": TISSUE, "MSI": MSI}
    config = {"study": "x", "datasets": {"TEST": {"labels": "l.csv"}}, "tasks": own}
    config["extractors"] = {name: {"features": f"data/{name}"} for name in "AB"}
    plan = StudyPlan.from_config(complete(config, DEFAULTS), SCHEMAS, check_files=False)
    assert plan.patients == {"S1": "S1"}
    assert plan.compared_in("MSI") == ["A", "B"]


REFUSED = {
    "the baseline lacks the dataset": (
        "ABC",
        ("A/S1.h5", "B/TEST.h5", "B/S1.h5", "C/TEST.h5"),
        "extractors.A: is the baseline, and has no features for task tissue: the folder data/A has "
        "no TEST.h5. Put the features of TEST's patches there",
    ),
    "the baseline lacks the slides": (
        "AB",
        ("A/TEST.h5", "B/TEST.h5", "B/S1.h5"),
        "extractors.A: is the baseline, and has no features for task MSI: the folder data/A has no "
        "file of any slide",
    ),
    "a table as the baseline of patches": (
        "TA",
        ("A/TEST.h5", "A/S1.h5"),
        "extractors.T: is the baseline, and has no features for task tissue: the table data/t.csv",
    ),
    "nothing to compare with": (
        "AB",
        ("A/TEST.h5", "A/S1.h5", "B/S1.h5"),
        "tasks.tissue: would have A alone, and nothing to compare it with; of B, the folder data/B",
    ),
    "an extractor of no task": (
        "ABC",
        ("A/TEST.h5", "A/S1.h5", "B/TEST.h5", "B/S1.h5", "C/S9.h5"),
        "extractors.C: has no features for any task: the folder data/C has no TEST.h5",
    ),
    "a folder of nothing": (
        "ABC",
        ("A/TEST.h5", "A/S1.h5", "B/TEST.h5", "B/S1.h5", "C/"),
        "extractors.C: has no features for any task",
    ),
}


@pytest.mark.parametrize(("tools", "files", "said"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_compared_stops_the_study_before_the_first_job(
    tools: str, files: tuple[str, ...], said: str
) -> None:
    put(*files)
    with pytest.raises(HistotransferError) as caught:
        plan_of(tools, {"tissue": TISSUE, "MSI": MSI})
    assert_clear(caught.value, said)


def test_two_files_of_a_dataset_are_an_error_that_names_both() -> None:
    put("A/TEST.h5", "A/old/TEST.h5", "B/TEST.h5")
    with pytest.raises(HistotransferError, match=r"data/A/TEST.h5 and data/A/old/TEST.h5"):
        plan_of("AB", {"tissue": TISSUE})


def test_the_files_of_a_dataset_are_watched(folder: Path) -> None:
    put("A/TEST.h5", "B/TEST.h5", "test.csv")
    plan = plan_of("AB", {"tissue": TISSUE})
    before = plan.dataset_features_state("A", "TEST"), plan.dataset_table_state("TEST")
    (folder / "data/A/TEST.h5").write_text("x")
    (folder / "data/test.csv").write_text("x")
    after = plan.dataset_features_state("A", "TEST"), plan.dataset_table_state("TEST")
    assert all(one != other for one, other in zip(before, after, strict=True))


def test_images_are_needed_only_by_networks_and_the_stain() -> None:
    put("A/TEST.h5", "B/TEST.h5")
    own = {"path": "data/test", "labels": "data/test.csv"}
    plan = plan_of("AB", {"tissue": TISSUE}, datasets={"TEST": own})
    assert plan.dataset_folder("TEST") == "data/test"
    assert not plan.needs_images("TEST")
    assert plan_of("NA", {"tissue": TISSUE}, datasets={"TEST": own}).needs_images("TEST")
    with pytest.raises(HistotransferError, match="N runs on the images of TEST"):
        plan_of("NA", {"tissue": TISSUE})


def test_two_tables_may_part_one_folder() -> None:
    own = {name: {"path": "data/all", "labels": f"data/{name}.csv"} for name in ("TRAIN", "TEST")}
    config = {
        "study": "x",
        "extractors": {"N": "imagenet", "F": "finetuned"},
        "finetune": {"dataset": "TRAIN"},
        "datasets": own,
        "tasks": {"tissue": TISSUE},
    }
    assert StudyPlan.from_config(complete(config, DEFAULTS), SCHEMAS, check_files=False)
    own["TEST"]["labels"] = own["TRAIN"]["labels"]
    with pytest.raises(HistotransferError, match="'TEST', which is 'TRAIN'"):
        StudyPlan.from_config(complete(config, DEFAULTS), SCHEMAS, check_files=False)
