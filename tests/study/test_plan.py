"""The plan of a study, without Snakemake: what is compared, what is fetched, which jobs share."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from histotransfer.core.errors import HistotransferError
from histotransfer.study.catalogue import CATEGORIES, FIGURES, TABLES
from histotransfer.study.config import complete
from histotransfer.study.parameters import AugmentationParameters, FineTuningParameters
from histotransfer.study.plan import StudyPlan
from support.root import ROOT

SCHEMAS = ROOT / "workflow/schemas"
HEAD = "slide\tpatient\tpath\tfile_id\tmd5\tsize\n"
MD5 = "0" * 32


def config_of(name: str = "config.yaml") -> dict[str, Any]:
    """Read one of our configs, complete."""
    config = yaml.safe_load((ROOT / "config" / name).read_text())
    return complete(config, ROOT / "workflow/defaults.yaml")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    return tmp_path


def plan_of(config: dict[str, Any], sheet: str = "", **kwargs: bool) -> StudyPlan:
    """Plan a study whose sheet holds these rows."""
    if sheet:
        Path(config["slides"]).parent.mkdir(parents=True, exist_ok=True)
        Path(config["slides"]).write_text(HEAD + sheet)
    return StudyPlan.from_config(config, SCHEMAS, **{"check_files": False, **kwargs})


def test_the_published_study() -> None:
    plan = plan_of(config_of())
    assert list(plan.extractors) == plan.networks
    assert plan.networks == ["IMGNET-2048", "FTX-2048", "COLOUR", "RANDOM-2048"]
    assert plan.controls == plan.networks[2:]
    assert plan.kinds == {
        "tissue": "tissue", "expression": "expression", "mutation": "mutation"
    }  # fmt: skip
    assert (plan.patch_tasks, plan.patient_tasks) == (["tissue"], ["expression", "mutation"])
    assert plan.fetched_datasets == ["NCT-CRC-HE-100K", "CRC-VAL-HE-7K"]
    assert plan.dataset_folder("CRC-VAL-HE-7K") == "data/CRC-VAL-HE-7K"
    assert plan.classifier_files()["FTX-2048"]["features"] == {
        "CRC-VAL-HE-7K": "results/features/FTX-2048/CRC-VAL-HE-7K.h5"
    }
    assert plan.blocks == {f"{i:03d}": list(range(10 * i, 10 * i + 10)) for i in range(5)}
    assert "truth" not in plan.tables
    assert plan.tasks["expression"].predictor.grid == {"alpha": [1e1, 1e2, 1e3, 1e4, 1e5, 1e6]}
    assert plan.tasks["tissue"].predictor.grid == {"C": [1.0]}
    assert plan.label_inputs("mutation")["labels"] == [
        "data/mutations/MANIFEST.txt", "config/mutations.tsv"
    ]  # fmt: skip
    assert plan.label_inputs("expression")["targets"] == "config/panels/immune.tsv"


def test_external_features_take_part_where_they_can(folder: Path) -> None:
    config = config_of()
    config["extractors"]["UNI"] = {"source": {"features": "data/uni"}}
    (folder / "data/uni").mkdir(parents=True)
    (folder / "data/uni/S1.h5").touch()
    plan = plan_of(config, f"S1\tP1\tdata/slides/S1.svs\tf\t{MD5}\t9\n")
    assert plan.external == ["UNI"]
    assert plan.warnings_of_coverage() == [
        "tissue: UNI is not compared, because the folder data/uni has no CRC-VAL-HE-7K.h5. Put the "
        "features of CRC-VAL-HE-7K's patches there (docs/your-study.md)."
    ]
    assert plan.compared_in("tissue") == plan.networks
    assert plan.compared_in("mutation") == [*plan.networks, "UNI"]
    assert plan.label_inputs("mutation")["pooled"] == ["results/pooled/UNI.h5"]
    files = plan.comparison_files()
    assert files["mutation"]["scores"]["UNI"] == "results/scores/mutation/UNI.tsv"
    assert files["mutation"]["predictions"]["UNI"][4] == "results/cv/mutation/UNI/004.h5"
    assert "UNI" not in files["tissue"]["scores"]
    assert plan.summary_tables()["external"] == {"UNI": "results/pooled/UNI.used.tsv"}
    assert list(plan.gallery_files()["pooled"]) == plan.networks
    assert plan.features_of("tissue", "FTX-2048") == "results/features/FTX-2048/CRC-VAL-HE-7K.h5"
    assert plan.features_of("mutation", "UNI") == "results/pooled/UNI.h5"


def test_slides_are_fetched_where_the_sheets_put_them_and_the_users_own_are_watched(
    folder: Path,
) -> None:
    (folder / "own.svs").write_bytes(b"12345")
    plan = plan_of(
        config_of(),
        f"A\tP1\tdata/slides/A.svs\tf\t{MD5}\t9\nB\tP2\town.svs\t\t\t\n",
    )
    assert plan.fetched_slides == ["A"]
    assert plan.slide_made_by_a_rule("A") == "data/slides/A.svs"
    assert plan.slide_made_by_a_rule("B") == []
    assert plan.slide_state("A") == MD5
    assert plan.slide_state("B").startswith("5 bytes, ")
    before = plan.slide_state("B")
    (folder / "own.svs").write_bytes(b"123456")
    assert plan.slide_state("B") != before
    with pytest.raises(HistotransferError, match=r"config/slides\.tsv: lists no slide 'C'"):
        plan.slide("C")


def test_one_file_of_two_patients_stops_the_plan_and_copies_are_told(folder: Path) -> None:
    for name in "ab":
        (folder / f"{name}.svs").write_bytes(b"slide")
    with pytest.raises(HistotransferError, match="'A' of patient P1 and 'B' of patient P2 are one"):
        plan_of(config_of(), "A\tP1\ta.svs\t\t\t\nB\tP2\t./a.svs\t\t\t\n")
    plan = plan_of(config_of(), "A\tP1\ta.svs\t\t\t\nB\tP2\tb.svs\t\t\t\n")
    assert [headline != "" for headline, _ in plan.warnings_of_copies()] == [True]


def test_the_users_files_have_states_and_those_of_rules_have_none(folder: Path) -> None:
    config = config_of()
    plan = plan_of(config)
    assert list(plan.label_states("expression")) == ["samples", "targets"]  # counts are fetched
    assert list(plan.label_states("mutation")) == ["samples"]
    assert plan.label_states("tissue") == {}
    assert plan.dataset_state("CRC-VAL-HE-7K") == plan.weights_state() == ""
    assert plan.dataset_table_state("CRC-VAL-HE-7K") == ""  # not the state of the folder "."
    demo = plan_of(config_of("demo.yaml"))
    assert demo.label_states("expression") == {}
    assert demo.dataset_state(demo.evaluated_datasets[0]) == ""

    config["datasets"]["CRC-VAL-HE-7K"] = {"path": "patches"}
    config["network"]["weights"] = "own.h5"
    config["tasks"]["expression"]["labels"] = {"star_counts": "star", "samples": "s.tsv"}
    config["tasks"]["mutation"]["labels"] = {
        "maf": ["a.maf", "b.maf"], "samples": "s.tsv", "variant_classes": "non-silent"
    }  # fmt: skip
    config["extractors"] |= {
        "UNI": {"source": {"features": "uni"}},
        "TABLE": {"source": {"table": "t.csv"}},
        "OWN": {"source": "own.keras"},
        "SCRIPT": {"source": "own.pt"},
        "TIMM": {"source": {"timm": "local-dir:net"}},
        "HUB": {"source": {"timm": "resnet50.a1_in1k", "revision": "0" * 40}},
    }
    sheet = "A\tP1\ta.svs\t\t\t\n"
    plan = plan_of(config, sheet)
    states = {
        "patches/TUM/1.png": lambda: plan.dataset_state("CRC-VAL-HE-7K"),
        "own.h5": plan.weights_state,
        "star/1/1.tsv": lambda: plan.label_states("expression"),
        "s.tsv": lambda: plan.label_states("mutation"),
        "b.maf": lambda: plan.label_states("mutation"),
        "uni/deeper/A.h5": lambda: plan.extractor_state("UNI"),
        "t.csv": lambda: plan.extractor_state("TABLE"),
        "own.keras": lambda: plan.extractor_state("OWN"),
        "own.pt": lambda: plan.extractor_state("SCRIPT"),
        "net/model.safetensors": lambda: plan.extractor_state("TIMM"),
        "net/config.json": lambda: plan.extractor_state("TIMM"),
    }
    assert plan.extractor_state("HUB") == ""
    for name in ("patches", "star", "uni", "net"):
        (folder / name).mkdir()
    for name, state in states.items():
        before = state()
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
        assert state() != before, name
        assert state() == state()
    before = plan.extractor_state("UNI")
    (folder / "uni/of another study.h5").touch()
    assert plan.extractor_state("UNI") == before


def test_what_is_missing_stops_the_plan_and_is_listed() -> None:
    with pytest.raises(HistotransferError) as caught:
        plan_of(config_of(), check_files=True)
    for name in ("config/slides.tsv", "config/mutations.tsv", "make demo"):
        assert name in str(caught.value)
    rows = "".join(f"S{i}\tP{i}\t{i}.svs\t\t\t\n" for i in range(30))
    config = config_of("demo.yaml")
    del config["simulate"], config["site_column"]
    for entry in (*config["datasets"].values(), *config["tasks"].values()):
        for key in ("path", "labels"):
            if key in entry:
                Path(entry[key]).parent.mkdir(parents=True, exist_ok=True)
                Path(entry[key]).touch()
    with pytest.raises(HistotransferError) as caught:
        plan_of(config, rows, check_files=True)
    assert "19.svs" in str(caught.value)
    assert "20.svs" not in str(caught.value)
    assert "and 10 more" in str(caught.value)


def test_a_batch_keeps_its_slides() -> None:
    config = config_of()
    config["features"]["slides_per_job"] = 2
    rows = [f"{name}\tP\t{name}.svs\t\t\t\n" for name in "ABC"]
    assert plan_of(config, "".join(rows)).batches == {"0000": ["A", "B"], "0001": ["C"]}


def test_networks_that_are_the_same_below_a_block_share_a_pass() -> None:
    config = config_of()
    config["extractors"] |= {"COLOUR": {"source": "colour"}, "MINE": {"source": "mine.keras"}}
    config["finetune"]["seeds"] = [1, 7]
    shared = ["IMGNET-2048", "FTX-2048", "FTX-2048-seed7", "COLOUR", "RANDOM-2048"]
    plan = plan_of(config)
    assert plan.groups == {"IMGNET-2048": shared, "MINE": ["MINE"]}
    assert {plan.group_of(name) for name in shared} == {"IMGNET-2048"}
    assert [plan.cut_of(name) for name in ("FTX-2048", "MINE")] == ["block11", ""]
    config["finetune"]["step2"]["unfreeze_from"] = "all"  # nothing is the same
    plan = plan_of(config)
    assert plan.groups == {name: [name] for name in plan.networks}
    assert plan.cut_of("FTX-2048") == ""


def test_parameters_pass_through_a_rule_unchanged() -> None:
    plan = plan_of(config_of())
    for parameters in (
        plan.tiling, plan.encoding, plan.patches, plan.qc, plan.fine_tuning, plan.extraction,
        plan.pooling, plan.splits, plan.statistics,
    ):  # fmt: skip
        params = type("Params", (), parameters.as_params() | {"code": "0123"})()
        assert type(parameters).of(params) == parameters
    assert isinstance(plan.fine_tuning, FineTuningParameters)
    assert plan.fine_tuning.augment == AugmentationParameters(True, 0.15)
    assert plan.fine_tuning.step1.unfreeze_from == ""


def test_only_a_stain_fitted_to_slides_depends_on_the_seed() -> None:
    config = config_of()
    assert plan_of(config).patches.seed == config["seed"]
    config["stain"]["method"] = "patch"
    assert plan_of(config).patches.seed == 0


def test_every_table_and_figure_has_a_place_that_no_study_changes() -> None:
    headings = {item.heading for item in (*TABLES.values(), *FIGURES.values())}
    assert headings < {f"{n} {name}" for n, name in enumerate(CATEGORIES, start=1)}
    (Path("config") / "demo").mkdir()
    shutil.copy(ROOT / "config/demo/slides.tsv", "config/demo/slides.tsv")
    plan = plan_of(config_of("demo.yaml"))
    # The demo has no published claims, survival or covariates, and one cohort.
    absent = {"claims", "risk_groups", "survival", "validation", "table1", "robustness"}
    assert plan.tables == [name for name in TABLES if name not in absent]
    assert plan.figures == [name for name in FIGURES if name not in absent]
    for figure in plan.figures:
        assert list(plan.figure_tables(figure)) == list(FIGURES[figure].tables)


def test_three_extractors_are_ranked_and_runs_of_one_fine_tuning_count_as_one() -> None:
    config = config_of("demo.yaml")
    config["finetune"]["seeds"] = [1, 2, 3]
    del config["extractors"]["COLOUR"]
    plan = plan_of(config)
    assert len(plan.extractors) == 4
    assert not {"ranks", "pairs"} & {*plan.tables, *plan.figures, *plan.summary_tables()}
    config["extractors"]["OTHER"] = {"source": "other.keras"}
    plan = plan_of(config)
    assert {"ranks", "pairs"} <= {*plan.tables} & {*plan.paper_tables} & {*plan.summary_tables()}
    assert "ranks" in plan.figures


def test_only_the_published_study_has_claims() -> None:
    for name, published in (("config.yaml", True), ("demo.yaml", False)):
        plan = plan_of(config_of(name))
        assert plan.is_published == published
        for names in (plan.tables, plan.paper_tables, plan.summary_tables()):
            assert ("claims" in names) == published
            assert "answers" in names
    renamed = config_of("config.yaml") | {"study": "my-cohort"}
    assert not plan_of(renamed).is_published


def test_the_runs_of_a_fine_tuning_are_told_from_other_extractors_and_from_the_baseline() -> None:
    config = config_of()
    config["finetune"]["seeds"] = [3, 7]
    runs = ["FTX-2048", "FTX-2048-seed7"]
    assert plan_of(config).runs == {"FTX-2048": runs}
    names = ("FTX-2048", "IMGNET-2048")
    config["extractors"] = {name: config["extractors"][name] for name in names}
    assert plan_of(config).runs == {}
