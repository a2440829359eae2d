"""Which files an alternative of a study takes from it, and which it makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from histotransfer.core.errors import HistotransferError
from histotransfer.study.alternatives import Alternative, alternatives, asks_for_robustness
from histotransfer.study.config import amended, check_config, complete
from histotransfer.study.plan import StudyPlan
from histotransfer.study.slide_sheet import Slide
from support.errors import assert_clear
from support.root import ROOT

SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
BASELINE, TUNED, TRAINING, EVALUATION = (
    "IMGNET-2048", "FTX-2048", "NCT-CRC-HE-100K", "CRC-VAL-HE-7K"
)  # fmt: skip
FILES = {
    "tiles": ("tiles", "S1"),
    "training patches": ("patches", TRAINING),
    "stain": ("stain",),
    "patches": ("patches", "S1"),
    "qc": ("qc", "S1"),
    "network": ("models", BASELINE),
    "tuned network": ("models", TUNED),
    "features": ("features", BASELINE),
    "tuned features": ("features", TUNED),
    "features of patches": ("features", BASELINE, EVALUATION),
    "tuned features of patches": ("features", TUNED, EVALUATION),
    "pooled": ("pooled", BASELINE),
    "tuned pooled": ("pooled", TUNED),
    "cohort": ("tables", "cohort"),
    "labels": ("labels", "mutation"),
    "scores": ("scores", "mutation", BASELINE),
    "tuned scores": ("scores", "mutation", TUNED),
    "near duplicates": ("tables", "near_duplicates"),
}
OF_PATIENTS = {"pooled", "tuned pooled", "scores", "tuned scores"}
AFTER_QC = OF_PATIENTS | {"cohort", "labels"}
FROM_PATCHES = AFTER_QC | {"patches", "qc", "features", "tuned features"}
TUNED_ONLY = {
    "tuned network", "tuned features", "tuned features of patches", "tuned pooled", "tuned scores"
}  # fmt: skip


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)


def config_of(**robustness: object) -> dict[str, Any]:
    """Return the config of the published study with these alternatives."""
    config = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    return complete(config | {"robustness": robustness}, ROOT / "workflow/defaults.yaml")


def alternatives_of(**robustness: object) -> dict[str, Alternative]:
    slide = Slide("S1", "P1", "S1.svs", None)
    return alternatives(StudyPlan(config_of(**robustness), {"S1": slide}))


@pytest.mark.parametrize(
    ("changes", "own"),
    [
        ({"qc": {"apply": False}}, AFTER_QC),
        ({"qc": {"min_sharpness": 0.5}}, AFTER_QC | {"qc"}),
        ({"pooling": {"patches": "max"}}, OF_PATIENTS),
        ({"pooling": {"slides": "median"}}, OF_PATIENTS),
        ({"stain": {"method": "none"}}, FROM_PATCHES),
        ({"stain": {"method": "patch", "fallback": "exclude"}}, FROM_PATCHES),
        ({"stain": {"reference": EVALUATION}}, FROM_PATCHES | {"stain"}),
        ({"stain": {"glass": 255}}, FROM_PATCHES | {"stain"}),
        ({"patches": {"icc": "apply"}}, FROM_PATCHES),
        ({"patches": {"codec": "png"}}, set(FILES) - {"tiles", "network", "near duplicates"}),
        ({"tiling": {"min_tissue_fraction": 0.3}}, FROM_PATCHES | {"tiles"}),
        ({"tiling": {"patch_px": 299}}, set(FILES) - {"near duplicates"}),
        ({"finetune": {"seeds": [7]}}, TUNED_ONLY),
        ({"finetune": {"step2": {"epochs": 3}}}, TUNED_ONLY),
        (
            {"features": {"dtype": "float32"}},
            OF_PATIENTS | {n for n in FILES if "features" in n},
        ),
    ],
)
def test_an_alternative_makes_what_follows_from_its_changes(
    changes: dict[str, Any], own: set[str]
) -> None:
    plan = alternatives_of(other=changes)["other"]
    made = {name for name, place in FILES.items() if plan.is_own(*place)}
    assert made == own
    for name, place in FILES.items():
        folder = "results/robustness/other" if name in own else "results"
        assert plan.at(*place) == "/".join((folder, *place))


def test_an_alternative_scores_the_tasks_that_it_changes() -> None:
    plans = alternatives_of(
        pooling={"pooling": {"patches": "max"}}, seed={"finetune": {"seeds": [7]}}
    )
    assert plans["pooling"].changed_tasks == ["expression", "mutation"]
    assert plans["seed"].changed_tasks == ["tissue", "expression", "mutation"]


def test_networks_that_are_the_same_run_once() -> None:
    plans = alternatives_of(
        seeds={"finetune": {"seeds": [7, 8]}}, pooling={"pooling": {"patches": "max"}}
    )
    assert plans["seeds"].groups == {TUNED: [TUNED, f"{TUNED}-seed8"]}
    scores = plans["seeds"].comparison_files()["tissue"]["scores"]
    assert {name: scores[name] for name in (BASELINE, TUNED, f"{TUNED}-seed8")} == {
        BASELINE: f"results/scores/tissue/{BASELINE}.tsv",
        **{
            name: f"results/robustness/seeds/scores/tissue/{name}.tsv"
            for name in (TUNED, f"{TUNED}-seed8")
        },
    }
    assert plans["seeds"].batches_of(TUNED) == [
        f"results/robustness/seeds/features/{TUNED}/batches/0000.tsv"
    ]
    assert plans["pooling"].groups == {}
    shared = [f"results/features/{BASELINE}/batches/0000.tsv"]
    assert plans["seeds"].batches_of(BASELINE) == plans["pooling"].batches_of(TUNED) == shared


def test_a_dataset_is_a_batch_and_shared_where_only_slides_differ() -> None:
    plans = alternatives_of(seeds={"finetune": {"seeds": [7]}}, stain={"stain": {"method": "none"}})
    (dataset,) = plans["seeds"].evaluated_datasets
    shared = f"results/features/{BASELINE}/batches/{dataset}.tsv"
    assert plans["seeds"].batch_of(BASELINE, dataset) == shared
    assert plans["stain"].manifest_of("tissue", TUNED) == shared  # one pass for both networks
    own = f"results/robustness/seeds/features/{TUNED}/batches/{dataset}.tsv"
    assert plans["seeds"].manifest_of("tissue", TUNED) == own
    assert plans["seeds"].stores_of(dataset) == [dataset]
    pooled = plans["stain"].manifest_of("expression", TUNED)
    assert pooled == plans["stain"].features_of("expression", TUNED)


def test_another_first_seed_draws_other_versions_for_all_seeds() -> None:
    config = config_of(other={"finetune": {"seeds": [9, 2]}})
    config["finetune"]["seeds"] = [1, 2]
    plan = alternatives(StudyPlan(config, {}))["other"]
    assert plan.is_own("models", f"{TUNED}-seed2")


@pytest.mark.parametrize(
    "section", ["tiling", "stain", "patches", "qc", "finetune", "features", "pooling"]
)
def test_an_alternative_that_repeats_the_study_is_refused(section: str) -> None:
    same = {key: value for key, value in config_of(x={})[section].items() if key != "dataset"}
    with pytest.raises(HistotransferError) as caught:
        alternatives_of(same={section: same})
    assert_clear(caught.value, "config: robustness.same", "changes nothing")


def test_the_config_of_an_alternative_is_the_study_s_but_for_its_changes() -> None:
    config = config_of(other={"finetune": {"step1": {"epochs": 3}}})
    other = amended(config, "other")
    assert other["finetune"]["step1"] == config["finetune"]["step1"] | {"epochs": 3}
    assert other["results"] == "results/robustness/other"
    assert {key for key in other if other[key] != config[key]} == {"finetune", "results"}
    assert config.keys() - other.keys() == {"robustness"}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"tasks": {}}, "robustness.a: has an unknown key `tasks`"),
        ({"crossval": {"folds": 10}}, "robustness.a: has an unknown key `crossval`"),
        ({"extractors": {"A": "imagenet"}}, "robustness.a: has an unknown key `extractors`"),
        ({"stain": {"method": "reinhard"}}, "robustness.a.stain.method: is 'reinhard'"),
        ({"stain": {"reference": "X"}}, "robustness.a.stain.reference: 'X' is not one"),
        ({"qc": {"aply": False}}, "robustness.a.qc: has an unknown key `aply` (perhaps `apply`"),
        ({"finetune": {"dataset": EVALUATION}}, "robustness.a.tasks.tissue.dataset"),
        ({}, "robustness.a: is empty"),
    ],
)
def test_a_wrong_alternative_is_refused_by_name(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(HistotransferError) as caught:
        check_config(config_of(a=changes), SCHEMA)
    assert_clear(caught.value, f"config: {named}")


def test_an_alternative_is_fine_tuned_on_the_patches_of_the_study() -> None:
    config = config_of(a={"finetune": {"dataset": "OTHER"}})
    config["datasets"]["OTHER"] = {"path": "data/other"}
    with pytest.raises(HistotransferError) as caught:
        check_config(config, SCHEMA)
    assert_clear(caught.value, "config: robustness.a.finetune.dataset")


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (["--cores", "2", "robustness", "--configfile", "mine.yaml"], True),
        (["results/figures/robustness.pdf"], True),
        (["results/robustness/no-qc/tables/comparison.tsv"], True),
        (["--target-jobs", "robustness_no-qc_cross_validate:task=a", "--nolock"], True),
        (["--allowed-rules", "tabulate_robustness"], True),
        (
            ["--configfile", "config/robustness.yaml", "--directory", "/data/robustness_of_mine"],
            False,
        ),
        (["--directory", "results/robustness", "tables"], False),
        (["results/tables/comparison.tsv"], False),
    ],
)
def test_alternatives_are_planned_only_if_they_are_asked_for(words: list[str], asked: bool) -> None:
    config = config_of(**{"no-qc": {"qc": {"apply": False}}})
    assert asks_for_robustness(words, config) == asked


def test_a_study_without_alternatives_says_so() -> None:
    config = config_of()
    del config["robustness"]
    with pytest.raises(HistotransferError) as caught:
        alternatives(StudyPlan(config, {}))
    assert_clear(caught.value, "config: has no section `robustness`")
