"""The config and the slide sheet: what is right passes, what is wrong is named."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from histotransfer.core.errors import HistotransferError
from histotransfer.study.config import (
    ENDINGS,
    RENAMED,
    check_config,
    complete,
    is_fetched,
    label_source,
    missing_data,
    refuse_misplaced,
)
from histotransfer.study.extractors import extractors
from support.errors import assert_clear
from support.root import ROOT

CONFIG = ROOT / "workflow/schemas/config.schema.yaml"
DEFAULTS = ROOT / "workflow/defaults.yaml"


def load(name: str) -> dict[str, Any]:
    return complete(yaml.safe_load((ROOT / "config" / name).read_text()), DEFAULTS)


@pytest.mark.parametrize("name", ["config.yaml", "demo.yaml"])
def test_our_configs_are_right(name: str) -> None:
    check_config(load(name), CONFIG)


RIGHT = {
    "expression": [
        {"predictor": "pls", "grid": {"n_components": [2, 5]}},
        {"predictor": "elastic_net", "grid": {"alpha": [0.1], "l1_ratio": [0.5, 0.9]}},
        {"predictor": "random_forest", "grid": {"n_estimators": [100], "max_features": ["sqrt"]}},
        {"predictor": "knn", "grid": {"n_neighbors": [5]}},
    ],
    "mutation": [{"predictor": "linear_svm", "grid": {"C": [0.01]}}],
}


@pytest.mark.parametrize(
    ("task", "entry"), [(task, entry) for task, entries in RIGHT.items() for entry in entries]
)
def test_further_predictors_are_choices(task: str, entry: dict[str, Any]) -> None:
    config = load("config.yaml")
    for key in ("alphas", "C"):
        config["tasks"][task].pop(key, None)
    config["tasks"][task] |= entry
    check_config(config, CONFIG)


def test_labels_come_in_several_forms_and_missing_files_are_named() -> None:
    config = load("config.yaml")
    tasks = config["tasks"]
    tasks["mutation"]["labels"] = {
        "maf": "no/x.maf", "samples": "no/samples.tsv", "variant_classes": "non-silent"
    }  # fmt: skip
    tasks["expression"]["labels"] = {"star_counts": "no/gdc", "samples": "no/sheet.tsv"}
    check_config(config, CONFIG)
    missing = "\n".join(missing_data(config))
    for path in ("no/x.maf", "no/samples.tsv", "no/gdc", "no/sheet.tsv"):
        assert f"{path} (config key tasks." in missing
    tasks["expression"] |= {
        "labels": {"table": "no/z.csv.zip", "suffix": "_rnaseq"}, "transform": {"clip": 10}
    }  # fmt: skip
    check_config(config, CONFIG)
    assert "tasks.expression.labels.table" in "\n".join(missing_data(config))


def test_every_choice_of_the_published_study_is_marked() -> None:
    text = (ROOT / "config/config.yaml").read_text()
    for key in ("folds: 5 ", "repeats: 50 ", "imagenet", "finetuned"):
        line = next(line for line in text.splitlines() if key in line + " ")
        block = text[: text.index(line) + len(line)].splitlines()[-2:]
        assert any("from the paper" in part for part in block), line
    assert text.count("our choice") >= 25


WRONG: list[tuple[str, Callable[[dict[str, Any]], Any], str]] = [
    ("typo", lambda c: c.update(tilling={}), "tilling"),
    ("nested typo", lambda c: c["tiling"].update(patch_size=3), "patch_size"),
    ("missing key", lambda c: c.pop("study"), "study"),
    ("text for a number", lambda c: c["tiling"].update(patch_px="224"), "tiling.patch_px"),
    ("negative mpp", lambda c: c["tiling"].update(target_mpp=-0.5), "tiling.target_mpp"),
    ("no repeats", lambda c: c["crossval"].update(repeats=0), "crossval.repeats"),
    ("one fold", lambda c: c["crossval"].update(folds=1), "crossval.folds"),
    ("a patch too small for the network", lambda c: c["tiling"].update(patch_px=32), "patch_px"),
    ("unknown stain method", lambda c: c["stain"].update(method="vahadane"), "stain.method"),
    ("unknown dataset", lambda c: c["stain"].update(reference="NCT"), "stain.reference"),
    (
        "task on an unknown dataset",
        lambda c: c["tasks"]["tissue"].update(dataset="CRC"),
        "tasks.tissue.dataset",
    ),
    ("unknown kind", lambda c: c["tasks"]["tissue"].update(kind="tissues"), "tasks.tissue.kind"),
    (
        "another kind's key",
        lambda c: c["tasks"]["mutation"].update(alphas=[1.0]),
        "alphas",
    ),
    (
        "a grid of another predictor",
        lambda c: c["tasks"]["expression"].update(predictor="pls", grid={"n_neighbors": [3]}),
        "tasks.expression",
    ),
    ("a grid for ridge", lambda c: c["tasks"]["expression"].update(grid={"alpha": [1]}), "grid"),
    ("no grid", lambda c: c["tasks"]["mutation"].update(predictor="knn"), "tasks.mutation"),
    (
        "a classifier for expression",
        lambda c: c["tasks"]["expression"].update(predictor="linear_svm"),
        "tasks.expression",
    ),
    (
        "a MAF without the variants that count",
        lambda c: c["tasks"]["mutation"].update(labels={"maf": "x", "samples": "y"}),
        "variant_classes",
    ),
    ("an unknown group", lambda c: c["crossval"].update(group_by="batch"), "crossval.group_by"),
    (
        "one extractor",
        lambda c: c.update(extractors={"IMGNET-2048": {"source": "imagenet"}}),
        "extractors",
    ),
    ("results outside", lambda c: c.update(results="../outside"), "results"),
    ("absolute results", lambda c: c.update(results="/outside"), "results"),
    (
        "an extractor that leaves the folder",
        lambda c: c["extractors"].update({"../x": {"source": "imagenet"}}),
        "../x",
    ),
    ("unknown block", lambda c: c["finetune"]["step2"].update(unfreeze_from="block15"), "block15"),
]


WRONG += [
    (
        "networks evaluated on what they are fine-tuned on",
        lambda c: c["tasks"]["tissue"].update(dataset="NCT-CRC-HE-100K"),
        "tasks.tissue.dataset: networks are fine-tuned on 'NCT-CRC-HE-100K'",
    ),
    (
        "the same patches by another name",
        lambda c: c["datasets"].update(
            {"NCT-CRC-HE-100K": {"path": "data/a"}, "CRC-VAL-HE-7K": {"path": "data/b/../a/"}}
        ),
        "'CRC-VAL-HE-7K', which is 'NCT-CRC-HE-100K',",
    ),
    (
        "the same archive by another name",
        lambda c: c["datasets"].update({"CRC-VAL-HE-7K": c["datasets"]["NCT-CRC-HE-100K"]}),
        "tasks.tissue.dataset",
    ),
    ("nowhere to fetch from", lambda c: c.pop("download"), "datasets.NCT-CRC-HE-100K.source"),
    (
        "an archive without its digest",
        lambda c: c["datasets"]["NCT-CRC-HE-100K"].pop("md5"),
        "datasets.NCT-CRC-HE-100K",
    ),
    (
        "no address",
        lambda c: c["download"].update(gdc="api.gdc.cancer.gov"),
        "download.gdc",
    ),
    (
        "STAR counts without their sheet",
        lambda c: c["tasks"]["expression"].update(labels={"star_counts": "x"}),
        "tasks.expression.labels",
    ),
    (
        "mutations without the variants that count",
        lambda c: c["tasks"]["mutation"].update(labels={"source": "download"}),
        "variant_classes",
    ),
    (
        "patients named twice",
        lambda c: c["datasets"].update(A={"path": "a", "labels": "a.csv", "patients": "p.csv"}),
        "datasets.A.patients: stands beside `labels`",
    ),
    (
        "images that a network needs",
        lambda c: c["datasets"].update({"CRC-VAL-HE-7K": {"labels": "a.csv"}}),
        "`path: FOLDER` below `datasets: CRC-VAL-HE-7K`",
    ),
    (
        "images that fine-tuning needs",
        lambda c: c["datasets"].update({"NCT-CRC-HE-100K": {"labels": "a.csv"}}),
        "FTX-2048 is fine-tuned on the images of NCT-CRC-HE-100K",
    ),
    (
        "a table of another kind",
        lambda c: c["extractors"].update(A={"source": {"table": "t.xlsx"}}),
        "extractors.A.source",
    ),
    (
        "limits of grey that leave nothing between them",
        lambda c: c["qc"].update(min_grey=200, max_grey=200),
        "qc.min_grey: is 200, not below qc.max_grey (200)",
    ),
    (
        "an extractor with the name of another's seed",
        lambda c: (
            c["finetune"].update(seeds=[1, 7]),
            c["extractors"].update({"FTX-2048-seed7": {"source": "imagenet"}}),
        ),
        "FTX-2048-seed7",
    ),
]


@pytest.mark.parametrize(("change", "named"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_a_wrong_config_is_refused_by_name(
    change: Callable[[dict[str, Any]], Any], named: str
) -> None:
    config = copy.deepcopy(load("config.yaml"))
    change(config)
    with pytest.raises(HistotransferError) as caught:
        check_config(config, CONFIG)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


SENTENCES = {
    "results": {
        "/scratch/x": "is '/scratch/x', but must be a folder inside the working folder",
        "../x": "but must be a folder inside the working folder",
        "my results": "no blanks",
        None: "is empty, but must be a folder",
    },
    "extractors": {
        "one": "is a section with `A`, but must be a section of two or more extractors",
        "list": "is ['A', 'B'], but must be a section of two or more extractors",
    },
    "extractors.A.source": {
        "uni": "is 'uni', but must be `imagenet`, `finetuned`, `colour`, `random`, the path",
        "two": "is a section with `features`, `table`, but must be either",
        "typo": "has an unknown key `feature` (perhaps `features` is meant)",
    },
    "crossval.folds": {
        1: "is 1, but must be at least 4",
        "5": "is '5', but must be a whole number",
    },
    "network.gpu": {"yes": "is 'yes', but must be true, false, or `prefer`"},
    "network.precision": {"float16": "is 'float16', but must be one of auto, float32, mixed"},
    "stain.method": {"vahadane": "is 'vahadane', but must be one of slide, patch, none"},
    "tiling": {None: "is empty, but must be a section of keys"},
    "finetune.seeds": {"twice": "lists 1 twice", "none": "is empty", 3: "is 3, but must be a list"},
    "study": {3: "is 3, but must be text"},
    "tasks.expression.predictor": {"lasso": "is 'lasso', but must be one of ridge, pls"},
    "tasks.expression.transform": {"log2": "but must be `log2p1`, `none` or `{clip: bound}`"},
    "tasks.expression.targets": {
        "none": "is empty",
        "NO": "is false, but must be text, so write",
    },
    "tasks.mutation.labels": {
        3: "is 3, but must be the path of a table",
        "maf alone": "has `maf`, which needs `samples` beside it",
        "no classes": "lacks the key `variant_classes`",
    },
    "datasets.CRC-VAL-HE-7K": {3: "is 3, but must be the path of a folder, a section with `path`"},
}
"""By key and value, what the error says."""
VALUES = {
    "one": {"A": {"source": "imagenet"}},
    "list": ["A", "B"],
    "two": {"features": "x", "table": "t.csv"},
    "typo": {"feature": "x"},
    "twice": [2, 1, 1],
    "none": [],
    "NO": [False, "TP53"],
    "maf alone": {"maf": "x", "variant_classes": "non-silent"},
    "no classes": {"maf": "x", "samples": "y"},
}


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, said in SENTENCES.items() for value in said]
)
def test_an_error_of_the_config_is_a_sentence_that_says_what_to_write(
    key: str, value: object
) -> None:
    config = load("config.yaml")
    config["extractors"]["A"] = {"source": "imagenet"}
    *sections, last = key.split(".")
    section = config
    for name in sections:
        section = section[name]
    section[last] = VALUES.get(value, value) if isinstance(value, str) else value
    with pytest.raises(HistotransferError) as caught:
        check_config(config, CONFIG)
    assert_clear(caught.value, f"config: {key}")
    assert SENTENCES[key][value] in caught.value.cause
    assert not re.search(r"\^|\(\?|{'|not valid|required property", str(caught.value))


@pytest.mark.parametrize(
    ("section", "name"),
    [
        *(("tasks", f"mutation.{ending}") for ending in ("excluded", "flow", "FLOW")),
        *(("extractors", f"FTX-2048.{e}") for e in ("classifier", "training", "card", "used")),
        ("extractors", "batches.tsv"),
        ("datasets", "slides"),
        ("datasets", "Star_Counts"),
        ("datasets", "x.zip"),
        ("datasets", "x.used"),
        ("tasks", "Mutation"),
        ("extractors", "ftx-2048"),
        ("extractors", "ftx-2048-SEED7"),
        ("datasets", "crc-val-he-7k"),
    ],
)
def test_a_name_that_would_give_another_files_name_is_refused(section: str, name: str) -> None:
    config = load("config.yaml")
    config["finetune"]["seeds"] = [1, 7]
    like = {"tasks": "mutation", "extractors": "IMGNET-2048", "datasets": "CRC-VAL-HE-7K"}
    config[section][name] = config[section][like[section]]
    with pytest.raises(HistotransferError) as caught:
        check_config(config, CONFIG)
    assert_clear(caught.value, f"config: {section}.{name}")


def test_every_ending_that_a_rule_appends_to_a_name_is_refused() -> None:
    rules = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    sections = {"task": "tasks", "name": "tasks", "extractor": "extractors", "dataset": "datasets"}
    found = set(re.findall(r"/\{(\w+)\}\.(\w+)\.\w+\b", rules))
    assert ("task", "flow") in found
    for wildcard, ending in found:
        assert ending in ENDINGS[sections[wildcard]], f"{wildcard}.{ending}"


def test_names_with_dots_are_names() -> None:
    config = load("config.yaml")
    config["tasks"]["mutation.v2"] = config["tasks"].pop("mutation")
    config["extractors"]["UNI.v1.5"] = {"source": {"features": "x"}}
    config["tasks"]["flow"] = config["tasks"].pop("expression")
    check_config(config, CONFIG)


@pytest.mark.parametrize("pattern", RENAMED)
def test_a_key_of_an_earlier_version_is_refused_with_its_new_name(pattern: str) -> None:
    config = load("config.yaml")
    *folders, old = pattern.split(".")
    section = config
    for name in folders:
        section = section["mutation" if name == "*" else name]
    section[old] = "x"
    with pytest.raises(HistotransferError) as caught:
        check_config(config, CONFIG)
    assert caught.value.subject == f"config: {pattern.replace('*', 'mutation')}"
    assert f"now called `{RENAMED[pattern][0]}`" in caught.value.cause


def test_a_config_is_completed_by_the_defaults_and_its_own_keys_win() -> None:
    own = {"seed": 3, "tiling": {"patch_px": 96}, "finetune": {"step2": {"epochs": 1}}}
    config = complete(own, DEFAULTS)
    assert list(config)[:3] == list(own)
    assert (config["tiling"]["patch_px"], config["tiling"]["target_mpp"]) == (96, 0.5)
    assert config["finetune"]["step2"] == {
        "unfreeze_from": "block11",
        "epochs": 1,
        "learning_rate": 3e-4,
        "lr_schedule": "cosine",
        "patience": 5,
    }
    assert complete(config, DEFAULTS) == config
    assert own == {"seed": 3, "tiling": {"patch_px": 96}, "finetune": {"step2": {"epochs": 1}}}


def test_each_seed_of_fine_tuning_is_an_extractor():
    config = load("config.yaml")
    config["finetune"]["seeds"] = [3, 7]
    config["extractors"] |= {
        "UNI": {"source": {"features": "data/uni"}},
        "M": {"source": "m.keras"},
    }
    found = extractors(config)
    controls = ["COLOUR", "RANDOM-2048"]
    tuned = ["FTX-2048", "FTX-2048-seed7"]
    assert list(found) == ["IMGNET-2048", *tuned, *controls, "UNI", "M"]
    assert [found[name].seed for name in tuned] == [3, 7]
    assert [name for name, extractor in found.items() if not extractor.is_network] == ["UNI"]
    assert [name for name, extractor in found.items() if extractor.is_control] == controls
    assert (found["UNI"].kind, found["UNI"].path) == ("features", "data/uni")
    check_config(config, CONFIG)


def test_missing_data_are_named_with_their_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = load("config.yaml")
    missing = missing_data(config)
    assert [line.split()[0] for line in missing] == [
        "config/slides.tsv", "config/star_counts.tsv", "config/panels/immune.tsv",
        "config/mutations.tsv",
    ]  # fmt: skip
    assert sum("make sheets" in line for line in missing) == 3
    for name in ("slides", "star_counts", "mutations"):
        Path(f"config/{name}.tsv").parent.mkdir(exist_ok=True)
        Path(f"config/{name}.tsv").touch()
    assert [line.split()[0] for line in missing_data(config)] == ["config/panels/immune.tsv"]
    assert missing_data(load("demo.yaml")) == []


@pytest.mark.parametrize(
    ("key", "entry", "named"),
    [
        ("datasets.A", {"path": "file"}, "datasets.A.path: file is a file, not a folder"),
        ("extractors.A", {"source": {"features": "file"}}, "extractors.A.source: file is a file"),
        ("extractors.A", {"source": {"table": "folder.csv"}}, "folder.csv is a folder, not a file"),
        (
            "tasks.expression.labels",
            "folder.csv",
            "tasks.expression.labels: folder.csv is a folder",
        ),
        (
            "tasks.expression.labels",
            {"star_counts": "file", "samples": "file"},
            "tasks.expression.labels.star_counts: file is a file",
        ),
        ("network.weights", "folder.csv", "network.weights: folder.csv is a folder, not a file"),
    ],
)
def test_a_file_in_the_place_of_a_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, entry: Any, named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    Path("folder.csv").mkdir()
    config = load("config.yaml")
    refuse_misplaced(config)
    *sections, last = key.split(".")
    section = config
    for name in sections:
        section = section[name]
    section[last] = entry
    with pytest.raises(HistotransferError) as caught:
        refuse_misplaced(config)
    assert_clear(caught.value, named)


def test_a_path_in_the_place_of_a_download_turns_it_off() -> None:
    config = load("config.yaml")
    config["datasets"]["CRC-VAL-HE-7K"] |= {"path": "mine/crc"}  # as an amending config does
    config["datasets"]["NCT-CRC-HE-100K"] |= {"path": "mine/nct"}
    config["tasks"]["expression"]["labels"] |= {"star_counts": "mine/gdc", "samples": "mine/s.tsv"}
    config["tasks"]["mutation"]["labels"] |= {"maf": ["mine/a.maf", "mine/b.maf"], "samples": "m"}
    check_config(config, CONFIG)
    missing = missing_data(config)
    for path in ("mine/crc", "mine/nct", "mine/gdc", "mine/s.tsv", "mine/a.maf", "mine/b.maf"):
        assert any(line.startswith(f"{path} (config key ") for line in missing), path
    assert sum("zenodo.org/records/1214456" in line for line in missing) == 2
    del config["download"]
    check_config(config, CONFIG)


def test_where_labels_are_fetched_to_and_what_lists_them() -> None:
    config = load("config.yaml")
    config |= {"slides": "sheets/luad/slides.tsv"}
    config["download"]["folder"] = "/scratch/tcga"
    check_config(config, CONFIG)
    tasks = config["tasks"]
    assert label_source(config, tasks["tissue"]) == {}
    assert label_source(config, tasks["expression"]) == {
        "star_counts": "/scratch/tcga/star_counts", "samples": "sheets/luad/star_counts.tsv"
    }  # fmt: skip
    assert label_source(config, tasks["mutation"]) == {
        "maf": "/scratch/tcga/mutations", "samples": "sheets/luad/mutations.tsv",
        "variant_classes": "non-silent",
    }  # fmt: skip
    assert label_source(config, {"labels": "x.tsv"}) == {"table": "x.tsv"}
    assert is_fetched({"source": "download", "file": "x"})
    assert not is_fetched("x.tsv")
    assert not is_fetched(None)
