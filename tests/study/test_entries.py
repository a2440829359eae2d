"""The ways into a study: each config of docs/your-study.md plans what it needs, and no more."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from histotransfer.core.errors import HistotransferError
from histotransfer.study.config import complete
from histotransfer.study.plan import StudyPlan
from support.root import ROOT

DEFAULTS, SCHEMAS = ROOT / "workflow/defaults.yaml", ROOT / "workflow/schemas"
SHOWN = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/your-study.md").read_text(), re.DOTALL)
EXAMPLES = {str(example["study"]): example for example in map(yaml.safe_load, SHOWN)}
OF_SLIDES = {"qc", "excluded_slides", "cohort_flow", "slide_costs", "gallery"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with the sheet of the examples."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data/slides.tsv").write_text("slide\tpatient\nS1\tP1\nS2\tP1\n")
    return tmp_path


def plan_of(own: dict[str, Any]) -> StudyPlan:
    return StudyPlan.from_config(complete(own, DEFAULTS), SCHEMAS, check_files=False)


def test_each_example_is_short() -> None:
    assert len(EXAMPLES) == 5
    assert all(len(shown.splitlines()) <= 15 for shown in SHOWN)


def test_features_of_two_tools_need_no_slide() -> None:
    plan = plan_of(EXAMPLES["uni-or-conch"])
    assert plan.slides == {}
    assert plan.patients == {"S1": "P1", "S2": "P1"}
    assert plan.networks == []
    assert plan.external == ["UNI", "CONCH"]
    assert not OF_SLIDES & {*plan.tables, *plan.figures}
    assert plan.label_inputs("MSI")["cohort"] == []
    assert plan.label_inputs("MSI")["pooled"] == [
        "results/pooled/UNI.h5", "results/pooled/CONCH.h5"
    ]  # fmt: skip
    assert not plan.pooling.apply_qc
    assert {"mutation", "roc", "confusion", "related_genes"} <= set(plan.tables)


def test_a_second_cohort_adds_its_validation_and_nothing_else(folder: Path) -> None:
    sheet = "slide\tpatient\tcohort\nS1\tP1\tTCGA\nS2\tP2\tCPTAC\n"
    (folder / "data/slides.tsv").write_text(sheet)
    one, two = (plan_of(EXAMPLES[name]) for name in ("uni-or-conch", "uni-or-conch-elsewhere"))
    assert set(two.tables) - set(one.tables) == {"validation"}
    assert "validation" in two.figures
    assert "validation" in two.summary_tables()


def test_features_without_a_sheet_are_of_the_patients_of_their_barcodes(folder: Path) -> None:
    for name in ("TCGA-05-4244-01Z-00-DX1.abc", "TCGA-05-4244-01Z-00-DX2.abc", "mine"):
        (folder / "data/uni").mkdir(exist_ok=True)
        (folder / f"data/uni/{name}.h5").touch()
    plan = plan_of({k: v for k, v in EXAMPLES["uni-or-conch"].items() if k != "slides"})
    assert plan.without_sheet
    assert plan.patients == {
        "TCGA-05-4244-01Z-00-DX1.abc": "TCGA-05-4244",
        "TCGA-05-4244-01Z-00-DX2.abc": "TCGA-05-4244",
        "mine": "mine",
    }


def test_tables_alone_need_no_sheet() -> None:
    plan = plan_of(EXAMPLES["radiomics"])
    assert plan.patients == {}
    assert plan.external == ["CLINICAL", "RADIOMICS"]
    assert "confusion" not in plan.tables


def test_patches_alone_need_no_slide_sheet() -> None:
    plan = plan_of(EXAMPLES["patches-only"])
    assert plan.patients == {}
    assert plan.patch_tasks == ["tissue"]
    assert {"confusion", "classifier", "near_duplicates"} <= set(plan.tables)
    assert not OF_SLIDES & {*plan.tables, *plan.figures}
    assert plan.config["stain"]["reference"] == "TRAIN"


def test_slides_need_paths(folder: Path) -> None:
    with pytest.raises(HistotransferError, match="its header has no column path"):
        plan_of(EXAMPLES["my-slides"])
    (folder / "data/slides.tsv").write_text("slide\tpatient\tpath\nS1\tP1\ta.svs\n")
    plan = plan_of(EXAMPLES["my-slides"])
    assert list(plan.slides) == ["S1"]
    assert {*plan.tables, *plan.figures} >= OF_SLIDES


MISSING = {
    "a dataset to fine-tune on": ("patches-only", "finetune", "`finetune: {dataset: NAME}`"),
    "a slide sheet": ("my-slides", "slides", "`slides: config/slides.tsv`"),
    "tasks": ("my-slides", "tasks", "lacks the key `tasks`"),
    "extractors": ("my-slides", "extractors", "lacks the key `extractors`"),
    "a name": ("my-slides", "study", "lacks the key `study`"),
}


@pytest.mark.parametrize(("study", "key", "said"), MISSING.values(), ids=MISSING)
def test_what_is_missing_is_named_with_the_line_to_write(study: str, key: str, said: str) -> None:
    own = {name: value for name, value in EXAMPLES[study].items() if name != key}
    with pytest.raises(HistotransferError) as caught:
        plan_of(own)
    assert said in str(caught.value)


def test_all_that_is_missing_is_named_at_once() -> None:
    own = {"study": "mine", "extractors": {"A": "imagenet", "B": {"features": "data/uni"}}}
    own["tasks"] = EXAMPLES["my-slides"]["tasks"]
    with pytest.raises(HistotransferError) as caught:
        plan_of(own)
    assert "lacks 2 lines" in str(caught.value)
    assert "`slides: config/slides.tsv` and `stain: {reference: NAME}`" in str(caught.value)
