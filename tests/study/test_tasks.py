"""Tasks by statistics: what a config may leave out, and what it must not combine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from histotransfer.core.errors import HistotransferError
from histotransfer.study.config import check_config, complete
from histotransfer.study.plan import StudyPlan
from support.errors import assert_clear
from support.root import ROOT

SCHEMAS = ROOT / "workflow/schemas"
DEFAULTS = ROOT / "workflow/defaults.yaml"

STUDY = """
study: mine
results: results/mine
seed: 1
slides: config/mine.tsv
datasets: {patches: {path: data/patches}, others: {path: data/others}}
stain: {reference: patches}
finetune: {dataset: patches}
extractors: {A: {source: imagenet}, B: {source: finetuned}}
"""
LABELS = "labels: data/labels.csv"


def config_of(**tasks: str) -> dict[str, Any]:
    """Complete a study of these tasks, which are sections of YAML."""
    entries = {name: yaml.safe_load(f"{{{entry}}}") for name, entry in tasks.items()}
    return complete({**yaml.safe_load(STUDY), "tasks": entries}, DEFAULTS)


def plan_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **tasks: str) -> StudyPlan:
    monkeypatch.chdir(tmp_path)
    return StudyPlan.from_config(config_of(**tasks), SCHEMAS, check_files=False)


def test_a_task_says_only_its_kind_and_its_labels(tmp_path, monkeypatch) -> None:
    plan = plan_of(
        tmp_path,
        monkeypatch,
        MSI=f"kind: binary, {LABELS}, positive: MSI-H",
        subtype=f"kind: multiclass, {LABELS}, targets: [histology], classes: [A, B]",
        purity=f"kind: regression, {LABELS}, targets: [purity, TMB]",
        genes=f"kind: regression, {LABELS}, targets: all",
        types="kind: multiclass, dataset: others",
        tissue="kind: tissue, dataset: others",
        expression=f"kind: expression, {LABELS}, targets: all, transform: log2p1",
        mutation=f"kind: mutation, {LABELS}, targets: [TP53]",
    )
    tasks = plan.tasks
    assert plan.patch_tasks == ["types", "tissue"]
    assert plan.evaluated_datasets == ["others"]
    assert {name: task.labels.targets for name, task in tasks.items()} == {
        "MSI": ["MSI"], "subtype": ["histology"], "purity": ["purity", "TMB"], "genes": "all",
        "types": "all", "tissue": "all", "expression": "all", "mutation": ["TP53"],
    }  # fmt: skip
    assert [name for name, task in tasks.items() if task.labels.named_like_task] == ["MSI"]
    assert tasks["MSI"].labels.positive == "MSI-H"
    assert tasks["subtype"].labels.classes == ["A", "B"]
    assert tasks["purity"].labels.transform == "none"
    cs, alphas = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1], [1e1, 1e2, 1e3, 1e4, 1e5, 1e6]
    assert {name: task.predictor.grid for name, task in tasks.items()} == {
        "MSI": {"C": cs}, "subtype": {"C": cs}, "purity": {"alpha": alphas},
        "genes": {"alpha": alphas}, "types": {"C": [1.0]}, "tissue": {"C": [1.0]},
        "expression": {"alpha": alphas}, "mutation": {"C": cs},
    }  # fmt: skip
    for task in tasks.values():
        for parameters in (task.labels, task.predictor):
            assert type(parameters).of(parameters.as_params()) == parameters


def test_the_jobs_of_patches_and_patients_follow_from_the_dataset(tmp_path, monkeypatch) -> None:
    plan = plan_of(
        tmp_path,
        monkeypatch,
        types="kind: multiclass, dataset: others",
        subtype=f"kind: multiclass, {LABELS}",
    )
    assert plan.label_inputs("types") == {
        "patches": "results/mine/patches/others.h5", "features": []
    }  # fmt: skip
    assert plan.label_inputs("subtype")["labels"] == ["data/labels.csv"]
    assert plan.features_of("types", "A") == "results/mine/features/A/others.h5"
    assert plan.features_of("subtype", "A") == "results/mine/pooled/A.h5"
    assert set(plan.label_states("subtype")) == {"table"}


def test_what_a_task_says_itself_is_not_completed() -> None:
    config = config_of(
        a=f"kind: binary, {LABELS}, C: [1.0]",
        b=f"kind: binary, {LABELS}, predictor: knn, grid: {{n_neighbors: [5]}}",
        c=f"kind: multiclass, {LABELS}, C: 0.5",
        d=f"kind: regression, {LABELS}, transform: {{clip: 3}}, predictor: ridge",
    )
    check_config(config, SCHEMAS / "config.schema.yaml")
    tasks = config["tasks"]
    assert (tasks["a"]["C"], tasks["c"]["C"], tasks["d"]["transform"]) == ([1.0], 0.5, {"clip": 3})
    assert "C" not in tasks["b"]
    assert "task_defaults" not in config


TABLE = "a section with either `labels`, a table of patients, or `dataset`, whose patches"
WRONG = {
    "neither labels nor dataset": ("kind: multiclass", TABLE),
    "labels and dataset": (f"kind: multiclass, {LABELS}, dataset: others", TABLE),
    "targets of patches": ("kind: multiclass, dataset: others, targets: [A]", "unknown key `targ"),
    "classes of patches": ("kind: multiclass, dataset: others, classes: [A, B]", "key `classes`"),
    "two columns of classes": (
        f"kind: multiclass, {LABELS}, targets: [A, B]", "a list of the one column"
    ),
    "all columns of classes": (
        f"kind: multiclass, {LABELS}, targets: all", "a list of the one column"
    ),
    "one class": (f"kind: multiclass, {LABELS}, classes: [A]", "a list of at least two classes"),
    "a number as a class": (f"kind: multiclass, {LABELS}, classes: [1, 2]", "in quotes"),
    "a dataset of two values": ("kind: binary, dataset: others", "unknown key `dataset`"),
    "a dataset of numbers": ("kind: regression, dataset: others", "unknown key `dataset`"),
    "no labels": ("kind: binary", "lacks the key `labels`"),
    "positive of numbers": (f"kind: regression, {LABELS}, positive: A", "unknown key `positive`"),
    "positive of mutations": (
        f"kind: mutation, {LABELS}, targets: all, positive: A", "unknown key `positive`"
    ),
    "what YAML takes for true": (f"kind: binary, {LABELS}, positive: yes", "write them in quotes"),
    "transformed words": (f"kind: binary, {LABELS}, transform: none", "unknown key `transform`"),
    "an STAR-counts folder of numbers": (
        "kind: regression, labels: {star_counts: a, samples: b}", "the path of a table"
    ),
    "expression without transform": (
        f"kind: expression, {LABELS}, targets: all", "lacks the key `transform`"
    ),
    "mutations without targets": (f"kind: mutation, {LABELS}", "lacks the key `targets`"),
    "another predictor without a grid": (
        f"kind: binary, {LABELS}, predictor: knn", "lacks the key `grid`"
    ),
    "a grid without a predictor": (
        f"kind: binary, {LABELS}, grid: {{n_neighbors: [5]}}",
        "has the key `grid`, which does not go with the predictor `logistic`",
    ),
    "ridge for classes": (f"kind: multiclass, {LABELS}, predictor: ridge", "must be one of logis"),
    "logistic for numbers": (f"kind: regression, {LABELS}, predictor: logistic", "must be one of"),
    "an unknown kind": (f"kind: classification, {LABELS}", "must be one of binary, regression"),
    "an unknown dataset": ("kind: multiclass, dataset: gone", "'gone' is not one of the datasets"),
    "the patches of fine-tuning": (
        "kind: multiclass, dataset: patches", "networks are fine-tuned on 'patches'"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_go_together_is_told_in_one_sentence(case: str) -> None:
    entry, said = WRONG[case]
    with pytest.raises(HistotransferError) as caught:
        check_config(config_of(mine=entry), SCHEMAS / "config.schema.yaml")
    assert_clear(caught.value)
    assert "tasks.mine" in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize("tasks", [None, [], "x", {"a": None}, {"a": {"kind": ["binary"]}}])
def test_what_is_no_task_is_left_to_the_schema(tasks: object) -> None:
    config = complete({**yaml.safe_load(STUDY), "tasks": tasks}, DEFAULTS)
    assert config["tasks"] == tasks
    with pytest.raises(HistotransferError, match="tasks"):
        check_config(config, SCHEMAS / "config.schema.yaml")
