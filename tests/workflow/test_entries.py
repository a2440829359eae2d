"""Studies that enter the road in its middle, run whole by the real Snakemake."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from histotransfer.core.tables import read_table
from histotransfer.results.tables import SCHEMAS
from support.study import Study

PATIENTS, ELSEWHERE = 60, 30
"""Patients of the cohort that trains, and of one that only tests."""
OF_THE_PAPER = ("Xception", "ImageNet", "fine-tun", "STK11", "Li et al", "lung", "published study")


def write_features(path: Path, tool: str, features: np.ndarray, rng: np.random.Generator) -> None:
    """Write a slide's features (n, d) as CLAM, TRIDENT or STAMP write them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coords = rng.integers(0, 99, (len(features), 2)) * 256
    with h5py.File(path, "w") as file:
        file["feats" if tool == "STAMP" else "features"] = features.astype(np.float32)
        file["coords"] = coords / 2.0 if tool == "STAMP" else coords
        if tool == "STAMP":
            file.attrs.update(unit="um", tile_size_um=256.0, encoder="uni")
        elif tool == "TRIDENT":
            file["coords"].attrs.update(
                patch_size=256, patch_size_level0=512, target_magnification=20
            )


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Run a study of three tools' features, of which one sees the signal best, to its summary."""
    study = Study(tmp_path_factory.mktemp("features"))
    (study.folder / "resources").unlink()  # no weights are needed
    rng = np.random.default_rng(5)
    signal = rng.normal(size=PATIENTS + ELSEWHERE)
    patients = [f"TCGA-05-{number:04d}" for number in range(PATIENTS)]
    patients += [f"C3L-{number:05d}" for number in range(ELSEWHERE)]
    for patient, value in zip(patients, signal, strict=True):
        of_tcga = patient.startswith("TCGA")
        for slide in range(1, 2 + (value > 1 and of_tcga)):
            for tool, d, noise in (("CLAM", 16, 4.0), ("TRIDENT", 24, 1.0), ("STAMP", 8, 8.0)):
                features = noise * rng.normal(size=(12, d)) + value * (np.arange(d) < 4)
                name = f"{patient}-01Z-00-DX{slide}.h5" if of_tcga else f"{patient}.h5"
                write_features(study.folder / "data" / tool / name, tool, features, rng)
    n, named = len(patients), ["TCGA"] * PATIENTS + ["CPTAC"] * ELSEWHERE
    cohorts = pd.DataFrame({"patient": patients, "cohort": named})
    cohorts.to_csv(study.folder / "data/cohorts.csv", index=False)
    labels = pd.DataFrame(
        {
            "patient": patients,
            "MSI": np.where(signal > 0, "MSI-H", "MSS"),
            "subtype": np.array(["LUAD", "LUSC", "other"])[np.digitize(signal, (-0.5, 0.5))],
            "purity": signal + 0.3 * rng.normal(size=n),
            "OS_months": 30 * np.exp(-signal) * rng.exponential(size=n),
            "OS_status": np.where(rng.random(n) < 0.8, "1:DECEASED", "0:LIVING"),
        }
    )
    labels.to_csv(study.folder / "data/labels.csv", index=False)
    mine = study.folder / "config/mine.yaml"
    mine.write_text("""
study: three-tools
extractors:
  CLAM: {features: data/CLAM}
  TRIDENT: {features: data/TRIDENT}
  STAMP: {features: data/STAMP}
cohorts: {train: TCGA, test: CPTAC, table: data/cohorts.csv}
tasks:
  MSI: {kind: binary, labels: data/labels.csv, positive: MSI-H}
  subtype: {kind: multiclass, labels: data/labels.csv}
  purity: {kind: regression, labels: data/labels.csv}
  survival: {kind: survival, labels: data/labels.csv, time: OS_months, event: OS_status}
crossval: {repeats: 3}
""")
    figures = ("results/figures/survival.png", "results/figures/validation.png")
    study.run("results/summary.html", *figures, "--configfile", str(mine))
    return study


@pytest.mark.slow
def test_features_of_three_tools_are_compared_on_labels_of_every_kind(study: Study) -> None:
    path = study.folder / "results/tables/comparison.tsv"
    comparison = read_table(path, SCHEMAS["comparison"])
    assert set(comparison["task"]) == {"MSI", "subtype", "purity", "survival"}
    assert comparison["n"].max() == PATIENTS
    assert (comparison["baseline"] == "CLAM").all()
    whole = comparison[comparison["target"].isin(["MSI", "all", "purity", "survival"])]
    delta = whole.set_index(["task", "extractor"])["delta"]
    assert (delta[:, "TRIDENT"] > 0).all()
    assert (delta[:, "STAMP"] < 0).all()
    assert (whole["status"] == "ok").all()
    assert not (study.folder / "results/tiles").exists()


@pytest.mark.slow
def test_the_summary_speaks_of_this_study_alone(study: Study) -> None:
    page = (study.folder / "results/summary.html").read_text(encoding="utf-8")
    assert "Are the features of TRIDENT or STAMP better than those of CLAM?" in page
    assert "This study has no slide sheet" in page
    assert [word for word in OF_THE_PAPER if word in page] == []


@pytest.mark.slow
def test_the_models_of_one_cohort_are_tested_on_the_other(study: Study) -> None:
    path = study.folder / "results/tables/validation.tsv"
    validation = read_table(path, SCHEMAS["validation"])
    assert set(validation["tested_on"]) == {"CPTAC"}
    assert validation["n"].max() == ELSEWHERE
    whole = validation[validation["metric"].isin(["auroc", "accuracy", "pearson", "c_index"])]
    whole = whole[whole["target"].isin(["MSI", "all", "purity", "survival"])]
    assert (whole["status"] == "ok").all()
    assert whole["crossval"].notna().all()
    delta = whole.set_index(["task", "extractor"])["delta"]
    assert (delta[:, "TRIDENT"] > 0).all()
    page = (study.folder / "results/summary.html").read_text(encoding="utf-8")
    assert "<b>purity, TRIDENT against CLAM.</b> In 30 patients of CPTAC: better, +" in page
    excluded = pd.read_csv(study.folder / "results/labels/MSI.excluded.tsv", sep="\t")
    assert (excluded["code"] == "external_cohort").sum() == ELSEWHERE


@pytest.mark.slow
def test_a_patient_of_another_cohort_runs_the_patients_tasks_again(study: Study) -> None:
    table = study.folder / "data/cohorts.csv"
    as_it_was = table.read_text()
    arguments = (
        "results/tables/validation.tsv",
        "--configfile",
        str(study.folder / "config/mine.yaml"),
    )
    assert not study.plan(*arguments)
    table.write_text(as_it_was.replace("C3L-00003,CPTAC", "C3L-00003,TCGA "))
    jobs = study.plan(*arguments)
    assert jobs["read_labels"] == jobs["read_external_labels"] == 4
    assert jobs["validate"] == jobs["cross_validate"] == 12
    assert jobs["tabulate_validation"] == jobs["compare_extractors"] == 1
    assert "pool_external" not in jobs
    table.write_text(as_it_was)
