"""A study under its alternatives, run by the real Snakemake: what is shared, and what comes out."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml

from histotransfer.core.tables import read_table
from histotransfer.results.sensitivity import AS_DECLARED, ROBUSTNESS
from support.tiny_study import Tiny

pytestmark = pytest.mark.slow

PATIENTS = 12
ALTERNATIVES = {"no-qc": {"qc": {"apply": False}}, "max": {"pooling": {"patches": "max"}}}


def plant(study: Tiny) -> None:
    """Let the features of one folder follow what the labels follow; those of another are noise.

    Beside the slides there is a set of labelled patches, on which no alternative changes anything.
    """
    rng = np.random.default_rng(8)
    shutil.copytree(study.folder / "data/features", study.folder / "data/noise")
    signal = rng.normal(size=PATIENTS)
    for number, value in enumerate(signal):
        with h5py.File(study.folder / f"data/features/S{number:02d}.h5", "a") as file:
            file["features"][...] = value + 0.2 * rng.normal(size=file["features"].shape)
    patients = pd.Series([f"P{number:02d}" for number in range(PATIENTS)], name="patient")
    labels = pd.DataFrame({"G0": signal + 0.1 * rng.normal(size=PATIENTS), "G1": signal}, patients)
    labels.to_csv(study.folder / "data/expression.tsv", sep="\t")
    names = [f"T{number:02d}" for number in range(40)]
    classes = pd.Series(np.tile(["a", "b"], 20), pd.Index(names, name="image"), name="class")
    classes.to_csv(study.folder / "data/patches.csv")
    for name, gain in (("features", 1), ("noise", 0)):
        with h5py.File(study.folder / f"data/{name}/TEST.h5", "w") as file:
            signal = gain * (classes == "a").to_numpy()
            file["features"] = rng.normal(size=(40, 8)) + signal[:, None]
            file["names"] = names


def write_config(study: Tiny, name: str, **robustness: object) -> str:
    """Write the study's config with these alternatives; the baseline is noise."""
    config = yaml.safe_load(Path(study.configuration).read_text())
    config["extractors"] = {
        "NOISE": {"source": {"features": "data/noise"}},
        "FOLDER": {"source": {"features": "data/features"}},
    }
    config["datasets"]["TEST"] = {"labels": "data/patches.csv"}
    config["tasks"]["patches"] = {"kind": "multiclass", "dataset": "TEST"}
    del config["tasks"]["mutation"]
    config["tasks"]["expression"]["transform"] = "none"
    config["crossval"] |= {"repeats_per_job": 2, "curve_repeats": 0}
    return study.configure(name, config | {"robustness": robustness})


def of_alternative(name: str, jobs: Counter[str]) -> dict[str, int]:
    """Count the jobs of an alternative, by the rule as the study calls it."""
    prefix = f"robustness_{name}_"
    return {
        rule.removeprefix(prefix): count for rule, count in jobs.items() if rule.startswith(prefix)
    }


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tiny, list[str], Counter[str]]:
    """Plan the study under its alternatives, before anything is made."""
    study = Tiny(tmp_path_factory.mktemp("robust"), PATIENTS)
    plant(study)
    arguments = ["--configfile", write_config(study, "robust.yaml", **ALTERNATIVES)]
    return study, arguments, study.plan("robustness", *arguments)


@pytest.fixture(scope="module")
def run(planned: tuple[Tiny, list[str], Counter[str]]) -> tuple[Tiny, list[str]]:
    study, arguments, _ = planned
    study.run("robustness", *arguments, "--quiet", "rules")
    return study, arguments


def test_each_alternative_runs_what_it_changes_and_takes_the_rest(
    planned: tuple[Tiny, list[str], Counter[str]],
) -> None:
    study, arguments, jobs = planned
    # The patients who have features may be others, so labels and folds are drawn again.
    answered = {"read_labels": 1, "draw_splits": 1, "compare_extractors": 1, "pool_external": 2}
    answered |= {"cross_validate": 2, "score_predictions": 2}
    assert of_alternative("max", jobs) == answered
    assert of_alternative("no-qc", jobs) == answered | {"summarise_cohort": 1}
    assert jobs["tile_slide"] == jobs["extract_patches"] == PATIENTS
    assert not [rule for rule in study.plan(*arguments) if "robustness" in rule]
    png = write_config(study, "png.yaml", png={"patches": {"codec": "png"}})
    slides = {"extract_patches": PATIENTS, "judge_patches": PATIENTS, "summarise_cohort": 1}
    jobs = study.plan("robustness", "--configfile", png)
    # The set of patches has the same codec, so its task is scored again, too.
    both = ("read_labels", "draw_splits", "cross_validate", "score_predictions")
    patches = {"pack_dataset": 1, "admit_features": 2} | {rule: 2 * answered[rule] for rule in both}
    assert of_alternative("png", jobs) == answered | slides | patches


def test_a_planted_effect_is_on_the_same_side_in_all_analyses(run: tuple[Tiny, list[str]]) -> None:
    study, _ = run
    table = read_table(study.results / "tables/robustness.tsv", ROBUSTNESS)
    analyses = table.groupby("task")["analysis"].agg(list).to_dict()
    assert analyses["expression"] == [AS_DECLARED, *ALTERNATIVES]
    assert analyses["patches"] == [AS_DECLARED]
    assert set(table["extractor"] + table["baseline"]) == {"FOLDERNOISE"}
    assert (table["delta"] > 0.1).all()
    differs = table.set_index("analysis")["differs"].to_dict()
    assert differs["no-qc"] == "qc.apply: false"
    assert pd.isna(differs[AS_DECLARED])
    assert (study.results / "figures/robustness.pdf").read_bytes().startswith(b"%PDF")
    page = (study.results / "summary.html").read_text()
    # None of these features lie where quality control leaves patches out.
    told = "of 3 analyses, ahead in 3 (decided in 2), behind in 0"
    assert f"{told}, no other numbers than the study in 1" in page
    assert "no alternative changes this task" in page
    assert "changed since" not in page


def test_nothing_runs_twice_and_a_plain_run_leaves_the_alternatives_alone(
    run: tuple[Tiny, list[str]],
) -> None:
    study, arguments = run
    assert study.plan("robustness", *arguments) == {}
    plain = study.plan(*arguments)
    assert not [rule for rule in plain if "robustness" in rule]
    assert "write_summary" not in plain  # it still tells of the alternatives


def test_one_changed_alternative_runs_alone(run: tuple[Tiny, list[str]]) -> None:
    study, _ = run
    changed = write_config(
        study, "changed.yaml", **ALTERNATIVES | {"max": {"pooling": {"patches": "median"}}}
    )
    jobs = study.plan("robustness", "--configfile", changed)
    assert (jobs["robustness_max_pool_external"], jobs["tabulate_robustness"]) == (2, 1)
    others = {"tabulate_robustness", "draw_robustness", "write_summary", "robustness"}
    assert {rule for rule in jobs if not rule.startswith("robustness_max_")} <= others


def test_an_alternative_that_changes_nothing_is_refused_by_name(
    planned: tuple[Tiny, list[str], Counter[str]],
) -> None:
    study = planned[0]
    wrong = write_config(study, "wrong.yaml", seed={"finetune": {"seeds": [7]}})
    process = study.snakemake("robustness", "--configfile", wrong, "--dry-run")
    assert process.returncode == 1
    assert "config: robustness.seed: changes nothing" in process.stdout
