"""The ways into a study: each config of docs/your-study.md plans what it needs, and no more."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from histotransfer.core.errors import HistotransferError
from histotransfer.report.methods import methods
from histotransfer.study.config import complete
from histotransfer.study.plan import StudyPlan
from support.errors import assert_clear
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
    assert len(EXAMPLES) == len(SHOWN) >= 5
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


def test_slides_of_other_tools_features_are_judged_without_a_reference_of_the_stain(
    folder: Path,
) -> None:
    (folder / "data/slides.tsv").write_text("slide\tpatient\tpath\nS1\tP1\ta.svs\n")
    plan = plan_of(EXAMPLES["uni-or-conch"])
    assert list(plan.slides) == ["S1"]
    assert plan.pooling.apply_qc
    assert plan.patches.stain_method == "none"
    said = dict(methods(plan.config, False, slides=True))["Slides"]
    assert "Stains were not normalised." in said


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


def test_patches_with_features_of_two_tools_need_neither_images_nor_a_network() -> None:
    plan = plan_of(EXAMPLES["patches-of-two-tools"])
    assert (plan.networks, plan.patients) == ([], {})
    assert plan.dataset_folder("TEST") == ""
    assert not plan.needs_images("TEST")
    assert plan.dataset_tables("TEST") == {"labels": "data/test.csv"}
    assert plan.label_inputs("tissue") == {
        "patches": "results/patches/TEST.h5",
        "features": ["results/features/UNI/TEST.h5", "results/features/CONCH/TEST.h5"],
    }
    assert {"confusion", "embedding"} <= {*plan.tables}
    assert not OF_SLIDES & {*plan.tables, *plan.figures}
    assert not {"classifier", "near_duplicates", "training"} & {*plan.tables, *plan.figures}
    tables = plan.summary_tables()
    assert tables["external"] == {}
    assert tables["external_patches"]["UNI"] == {"TEST": "results/features/UNI/TEST.used.tsv"}


def test_slides_need_paths(folder: Path) -> None:
    with pytest.raises(HistotransferError, match="its header has no column path"):
        plan_of(EXAMPLES["my-slides"])
    (folder / "data/slides.tsv").write_text("slide\tpatient\tpath\nS1\tP1\ta.svs\n")
    plan = plan_of(EXAMPLES["my-slides"])
    assert list(plan.slides) == ["S1"]
    assert {*plan.tables, *plan.figures} >= OF_SLIDES


def test_networks_of_pytorch_need_slides_and_neither_a_dataset_nor_keras(folder: Path) -> None:
    (folder / "data/slides.tsv").write_text("slide\tpatient\tpath\nS1\tP1\ta.svs\n")
    plan = plan_of(EXAMPLES["resnet-or-uni"])
    assert plan.networks == ["RESNET", "UNI"]
    assert plan.model_of("UNI") == "results/models/UNI.safetensors"
    repositories = [e.timm.repository for e in plan.extractors.values() if e.timm]
    assert repositories == ["timm/resnet50.a1_in1k", "MahmoodLab/UNI"]
    assert {*plan.tables, *plan.figures} >= OF_SLIDES
    said = dict(methods(plan.config, False, slides=True))["Extractors"]
    assert "UNI: a network of timm, MahmoodLab/UNI at 01234567." in said
    assert "Xception" not in said


SHA = "0123456789abcdef" * 2 + "01234567"


@pytest.mark.parametrize(
    ("entry", "cause"),
    [
        ({"timm": "hf-hub:a/b"}, "commits/main"),
        ({"timm": "resnet50.a1_in1k"}, "https://huggingface.co/timm/resnet50.a1_in1k/commits/main"),
        ({"timm": "resnet50", "revision": SHA}, "a name of timm with its tag"),
        ({"timm": "hf-hub:b", "revision": SHA}, "`hf-hub:OWNER/REPOSITORY`"),
        ({"timm": "hf-hub:a/b", "revision": "main"}, "the 40 digits of a commit"),
        ({"timm": "local-dir:net", "revision": SHA}, "a folder has no revision"),
        ({"timm": "hf-hub:a/b", "revision": SHA, "pooling": "max"}, "pooling"),
        ({"timm": "hf-hub:a/b", "revision": SHA, "poling": "cls"}, "pooling"),
        ({"timm": "hf-hub:a/b", "revision": SHA, "arguments": {"pretrained": True}}, "arguments"),
        ({"timm": "hf-hub:a/b", "revision": SHA, "arguments": {"checkpoint_path": "x"}}, "weights"),
        ({"timm": "hf-hub:a/b", "revision": SHA, "arguments": {"act_layer": [1]}}, "act_layer"),
        ({"features": "uni", "pooling": "cls"}, "needs `timm` beside it"),
        ({"timm": "hf-hub:a/b", "features": "uni"}, "either"),
        ("models/ours.pth", "`.pt` file"),
    ],
)
def test_a_wrong_network_of_pytorch_gets_one_sentence(entry: Any, cause: str) -> None:
    own = copy.deepcopy(EXAMPLES["resnet-or-uni"])
    own["extractors"]["UNI"] = entry
    with pytest.raises(HistotransferError) as caught:
        plan_of(own)
    assert_clear(caught.value, "extractors.UNI", cause)


def test_covariates_and_combinations_are_extractors_of_patients_tasks() -> None:
    plan = plan_of(EXAMPLES["added-value"])
    single = ["UNI", "CONCH"]
    beside = [f"{name}+covariates" for name in (*single, "BOTH")]
    assert plan.compared_in("MSI") == [*single, "BOTH", "covariates", *beside]
    assert plan.external == [*single, "covariates"]
    assert plan.label_inputs("MSI")["pooled"] == [f"results/pooled/{n}.h5" for n in plan.external]
    parts = {name: plan.parts_of(name) for name in plan.extractors}
    assert parts["UNI"] == ["UNI"]
    assert parts["BOTH"] == single
    assert parts["CONCH+covariates"] == ["CONCH", "covariates"]
    assert parts["BOTH+covariates"] == [*single, "covariates"]
    assert plan.scores_of("MSI")["UNI+covariates"] == "results/scores/MSI/UNI+covariates.tsv"
    assert [*plan.summary_tables()["external"]] == plan.external
    assert plan.networks == []


def test_patches_are_told_apart_by_networks_side_by_side_and_never_by_covariates() -> None:
    own = copy.deepcopy(EXAMPLES["patches-only"])
    own["extractors"]["BOTH"] = {"concat": [*own["extractors"]]}
    own["extractors"]["UNI"] = {"features": "data/uni"}
    own["extractors"]["ALL"] = {"concat": ["IMGNET-2048", "UNI"]}
    own |= {"slides": "data/slides.tsv", "covariates": "data/clinical.csv"}
    own["tasks"]["MSI"] = {"kind": "binary", "labels": "data/labels.csv"}
    Path("data/slides.tsv").write_text("slide\tpatient\tpath\nS1\tP1\ta.svs\n")
    Path("data/uni").mkdir(exist_ok=True)
    Path("data/uni/S1.h5").touch()  # features of a slide, not of the dataset
    plan = plan_of(own)
    networks = ["IMGNET-2048", "FTX-2048"]
    assert plan.networks == networks
    assert plan.compared_in("tissue") == [*networks, "BOTH"]
    assert plan.features_of("tissue", "IMGNET-2048") == "results/features/IMGNET-2048/TEST.h5"
    assert {"ALL", "covariates", "ALL+covariates"} <= {*plan.compared_in("MSI")}
    assert list(plan.gallery_files()["pooled"]) == networks
    first = {"BOTH": own["extractors"].pop("BOTH"), **own["extractors"]}
    assert plan_of(own | {"extractors": first}).compared_in("tissue")[0] == "BOTH"


def test_a_table_that_is_called_covariates_is_features_like_any_other() -> None:
    own = {k: v for k, v in EXAMPLES["radiomics"].items() if k != "covariates"}
    own |= {"extractors": {**own["extractors"], "covariates": {"table": "data/c.csv"}}}
    plan = plan_of(own)
    assert plan.covariates is None
    assert plan.external == ["CLINICAL", "RADIOMICS", "covariates"]


def test_one_extractor_can_be_compared_with_covariates() -> None:
    own = EXAMPLES["added-value"] | {"extractors": {"UNI": {"features": "data/uni"}}}
    assert plan_of(own).compared_in("MSI") == ["UNI", "covariates", "UNI+covariates"]
    del own["covariates"]
    with pytest.raises(HistotransferError, match="two or more extractors"):
        plan_of(own)


EXTRACTORS = {
    "of one": ({"X": {"concat": ["UNI"]}}, "extractors.X", "at least two extractors"),
    "of one twice": ({"X": {"concat": ["UNI", "UNI"]}}, "extractors.X", "lists 'UNI' twice"),
    "of an unknown one": (
        {"X": {"concat": ["UNI", "CONC"]}}, "extractors.X.concat",
        "'CONC' is not one of the extractors (UNI, CONCH)",
    ),
    "of itself": ({"X": {"concat": ["UNI", "X"]}}, "extractors.X.concat", "is made of itself"),
    "of another": (
        {"X": {"concat": ["UNI", "BOTH"]}}, "extractors.X.concat",
        "'BOTH' is made of others itself. Name its parts: UNI, CONCH",
    ),
    "of another that comes later": (
        {"X": {"concat": ["Y", "UNI"]}, "Y": {"concat": ["UNI", "CONCH"]}}, "extractors.X.concat",
        "'Y' is made of others itself",
    ),
    "of covariates": (
        {"X": {"concat": ["UNI", "covariates"]}}, "extractors.X.concat",
        "'covariates' is not one of the extractors",
    ),
    "text": ({"X": {"concat": "UNI, CONCH"}}, "extractors.X", "a list of at least two extractors"),
    "and a table": (
        {"X": {"concat": ["UNI", "CONCH"], "table": "a.csv"}}, "extractors.X", "or `{concat:"
    ),
    "the covariates' name": (
        {"covariates": {"table": "a.csv"}}, "extractors.covariates", "gives an extractor this name"
    ),
    "a name with them": (
        {"UNI+covariates": {"concat": ["UNI", "CONCH"]}}, "extractors.UNI+covariates",
        "gives an extractor this name",
    ),
    "a name that differs in capitals": (
        {"Covariates": {"table": "a.csv"}}, "extractors.covariates", "only in capitals"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("further", "key", "said"), EXTRACTORS.values(), ids=EXTRACTORS)
def test_what_cannot_stand_side_by_side_is_refused(
    further: dict[str, Any], key: str, said: str
) -> None:
    own = copy.deepcopy(EXAMPLES["added-value"])
    own["extractors"] |= further
    with pytest.raises(HistotransferError) as caught:
        plan_of(own)
    assert_clear(caught.value, f"config: {key}", said)


COVARIATES = {
    "nothing": (None, "is empty, but must be the path of a table"),
    "a list": (["a.csv"], "must be the path of a table of patients"),
    "no table": ({"columns": ["age"]}, "must be the path of a table of patients"),
    "a typo": ({"table": "a.csv", "colums": ["age"]}, "perhaps `columns` is meant"),
    "no column": ({"table": "a.csv", "columns": []}, "must be a list of columns"),
    "one column twice": ({"table": "a.csv", "columns": ["age", "age"]}, "lists 'age' twice"),
}


@pytest.mark.parametrize(("value", "said"), COVARIATES.values(), ids=COVARIATES)
def test_covariates_of_another_form_are_refused(value: object, said: str) -> None:
    with pytest.raises(HistotransferError) as caught:
        plan_of(EXAMPLES["added-value"] | {"covariates": value})
    assert_clear(caught.value, "config: covariates", said)


def test_covariates_of_patches_are_refused() -> None:
    with pytest.raises(HistotransferError) as caught:
        plan_of(EXAMPLES["patches-only"] | {"covariates": "data/clinical.csv"})
    assert_clear(caught.value, "config: covariates", "all tasks are of patches")


def test_covariates_that_are_missing_or_a_folder_are_named(folder: Path) -> None:
    own = {"study": "mine", "covariates": "data/clinical.csv"}
    own["extractors"] = {"UNI": {"table": "data/uni.csv"}}
    own["tasks"] = {"MSI": {"kind": "binary", "labels": "data/labels.csv"}}
    for name in ("uni", "labels"):
        (folder / f"data/{name}.csv").touch()
    whole = complete(own, DEFAULTS)
    with pytest.raises(HistotransferError, match=r"data/clinical\.csv \(config key covariates\)"):
        StudyPlan.from_config(whole, SCHEMAS)
    (folder / "data/clinical.csv").mkdir()
    with pytest.raises(HistotransferError, match=r"covariates: data/clinical\.csv is a folder"):
        StudyPlan.from_config(whole, SCHEMAS)


def test_covariates_that_are_replaced_are_noticed(folder: Path) -> None:
    (folder / "data/clinical.csv").write_text("patient,age\n")
    plan = plan_of(EXAMPLES["added-value"] | {"covariates": "data/clinical.csv"})
    before = plan.extractor_state("covariates")
    (folder / "data/clinical.csv").write_text("patient,age,sex\n")
    assert before
    assert plan.extractor_state("covariates") != before


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
