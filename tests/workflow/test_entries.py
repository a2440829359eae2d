"""Studies that enter the road in its middle, run whole by the real Snakemake."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from histotransfer.core.tables import read_table
from histotransfer.labels.files import read_labels_file
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


def write_cohort(
    data: Path, patients: list[str], rng: np.random.Generator, ending: str
) -> pd.DataFrame:
    """Write three tools' features of patients' slides; return labels that follow the same signal.

    Where `ending` counts slides, a patient of a strong signal has two.
    """
    n, signal = len(patients), rng.normal(size=len(patients))
    for patient, value in zip(patients, signal, strict=True):
        for slide in range(1, 2 + (value > 1 and "{}" in ending)):
            for tool, d, noise in (("CLAM", 16, 4.0), ("TRIDENT", 24, 1.0), ("STAMP", 8, 8.0)):
                features = noise * rng.normal(size=(12, d)) + value * (np.arange(d) < 4)
                name = f"{patient}{ending.format(slide)}.h5"
                write_features(data / tool / name, tool, features, rng)
    return pd.DataFrame(
        {
            "patient": patients,
            "MSI": np.where(signal > 0, "MSI-H", "MSS"),
            "subtype": np.array(["LUAD", "LUSC", "other"])[np.digitize(signal, (-0.5, 0.5))],
            "purity": signal + 0.3 * rng.normal(size=n),
            "OS_months": 30 * np.exp(-signal) * rng.exponential(size=n),
            "OS_status": np.where(rng.random(n) < 0.8, "1:DECEASED", "0:LIVING"),
        }
    )


def write_patches(data: Path, rng: np.random.Generator) -> None:
    """Write labels of 90 patches of 30 patients, and features of two tools, of which one lacks 2.

    No images are written. The second tool names the patches by file alone, in another order.
    """
    names = [f"{'TUM' if number % 2 else 'ADI'}/{number:03d}.png" for number in range(90)]
    is_tumour = np.arange(90) % 2
    table = pd.DataFrame({"file": names, "label": np.where(is_tumour, "TUM", "ADI")})
    table["patient"] = [f"P{number // 3}" for number in range(90)]
    table.to_csv(data / "test.csv", index=False)
    order = rng.permutation(90)[:88]
    for tool, d, noise, rows in (("CLAM", 16, 4.0, np.arange(90)), ("TRIDENT", 24, 0.5, order)):
        features = noise * rng.normal(size=(90, d)) + is_tumour[:, None]
        own = [names[row].rpartition("/")[2] if tool == "TRIDENT" else names[row] for row in rows]
        with h5py.File(data / tool / "TEST.h5", "w") as file:
            file["features"], file["names"] = features[rows].astype(np.float32), own


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Run a study of three tools' features, of which one sees the signal best, to its summary.

    Two of them have features of a dataset of patches, too.
    """
    study = Study(tmp_path_factory.mktemp("features"))
    (study.folder / "resources").unlink()  # no weights are needed
    data = study.folder / "data"
    of_tcga = [f"TCGA-05-{number:04d}" for number in range(PATIENTS)]
    elsewhere = [f"C3L-{number:05d}" for number in range(ELSEWHERE)]
    labels = pd.concat(
        [
            write_cohort(data, of_tcga, np.random.default_rng(5), "-01Z-00-DX{}"),
            write_cohort(data, elsewhere, np.random.default_rng(6), ""),
        ]
    )
    labels.to_csv(data / "labels.csv", index=False)
    cohort = np.where(labels["patient"].isin(of_tcga), "TCGA", "CPTAC")
    labels[["patient"]].assign(cohort=cohort).to_csv(data / "cohorts.csv", index=False)
    rng = np.random.default_rng(7)
    clinical = labels[["patient", "MSI"]].assign(
        age=rng.normal(60, 9, len(labels)).round(),
        stage=np.array(["I", "II", "III", ""])[np.digitize(labels["purity"], (-0.7, 0.2, 1.5))],
        sex=rng.choice(["f", "m"], len(labels)),
    )
    clinical.iloc[1:].to_csv(data / "clinical.csv", index=False)
    write_patches(data, rng)
    mine = study.folder / "config/mine.yaml"
    mine.write_text("""
study: three-tools
extractors:
  CLAM: {features: data/CLAM}
  TRIDENT: {features: data/TRIDENT}
  STAMP: {features: data/STAMP}
datasets: {TEST: {labels: data/test.csv}}
cohorts: {train: TCGA, test: CPTAC, table: data/cohorts.csv}
tasks:
  tissue: {kind: multiclass, dataset: TEST}
  MSI: {kind: binary, labels: data/labels.csv, positive: MSI-H}
  subtype: {kind: multiclass, labels: data/labels.csv}
  purity: {kind: regression, labels: data/labels.csv}
  survival: {kind: survival, labels: data/labels.csv, time: OS_months, event: OS_status}
crossval: {repeats: 3}
""")
    figures = ("survival", "ranks", "confusion", "embedding", "validation")
    study.printed = study.run(
        "results/summary.html",
        "results/explore.html",
        *(f"results/figures/{name}.png" for name in figures),
        *("--configfile", str(mine)),
    )
    return study


@pytest.mark.slow
def test_features_of_three_tools_are_compared_on_labels_of_every_kind(study: Study) -> None:
    path = study.folder / "results/tables/comparison.tsv"
    comparison = read_table(path, SCHEMAS["comparison"])
    assert set(comparison["task"]) == {"tissue", "MSI", "subtype", "purity", "survival"}
    of_patients = comparison[comparison["task"] != "tissue"]
    assert of_patients["n"].max() == PATIENTS
    of_task = comparison[comparison["task"] == "MSI"]
    assert of_task["baseline"].tolist() == ["CLAM", "CLAM", "TRIDENT"]
    assert of_task["extractor"].tolist() == ["TRIDENT", "STAMP", "STAMP"]
    of_patients = of_patients[of_patients["baseline"] == "CLAM"]
    whole = of_patients[of_patients["target"].isin(["MSI", "all", "purity", "survival"])]
    delta = whole.set_index(["task", "extractor"])["delta"]
    assert (delta[:, "TRIDENT"] > 0).all()
    assert (delta[:, "STAMP"] < 0).all()
    assert (whole["status"] == "ok").all()
    assert not (study.folder / "results/tiles").exists()


@pytest.mark.slow
def test_the_planted_order_of_three_tools_is_found_in_every_task(study: Study) -> None:
    tables = study.folder / "results/tables"
    ranks = read_table(tables / "ranks.tsv", SCHEMAS["ranks"])
    tasks = ["tissue", "MSI", "subtype", "purity", "survival", "all tasks"]
    assert ranks["task"].unique().tolist() == tasks
    assert (ranks.query("extractor == 'TRIDENT'")["mean_rank"] == 1).all()
    pairs = read_table(tables / "pairs.tsv", SCHEMAS["pairs"])
    best = pairs.query("baseline == 'TRIDENT'")
    assert len(best) == 4
    assert (best["delta"] < 0).all()
    assert (pairs["p_holm"] >= pairs["p_corrected"]).all()
    metrics = read_table(tables / "metrics.tsv", SCHEMAS["metrics"])
    brier = metrics[metrics["metric"] == "integrated_brier"].set_index("extractor")["mean"]
    assert brier.idxmin() == "TRIDENT"


@pytest.mark.slow
def test_two_tools_are_compared_on_the_patches_that_both_have(study: Study) -> None:
    results = study.folder / "results"
    comparison = read_table(results / "tables/comparison.tsv", SCHEMAS["comparison"])
    tissue = comparison[(comparison["task"] == "tissue") & (comparison["target"] == "all")]
    assert tissue["extractor"].tolist() == ["TRIDENT"]
    assert tissue["n"].tolist() == [88]
    assert (tissue["delta"] > 0).all()
    labels = read_labels_file(results / "labels/tissue.tsv")
    assert labels.group.nunique() == 30  # no patient on both sides of a split
    assert "tissue: STAMP is not compared, because the folder data/STAMP has no" in study.printed
    page = (results / "summary.html").read_text(encoding="utf-8")
    for said in (
        "tissue: STAMP is not compared",
        "tissue: 2 patches are left out of the labels (2 × “has no features”)",
        "tissue: the patients of patches are in “patient”",
        "TRIDENT, TEST: 2 of 90 patches are left out (2 × “has no row in the feature table”)",
        "patches compared in the task tissue",
    ):
        assert said in page
    assert "do not name their patient" not in page


@pytest.mark.slow
def test_the_summary_speaks_of_this_study_alone(study: Study) -> None:
    page = (study.folder / "results/summary.html").read_text(encoding="utf-8")
    assert "Are the features of TRIDENT or STAMP better than those of CLAM?" in page
    assert "This study has no slide sheet" in page
    assert "All extractors beside each other" in page
    assert [word for word in OF_THE_PAPER if word in page] == []
    assert 'href="explore.html"' in page
    explore = (study.folder / "results/explore.html").read_text(encoding="utf-8")
    assert '"STAMP"' in explore
    assert "<h2>Every comparison" in explore
    assert 'id="slide"' not in explore


@pytest.fixture(scope="module")
def combined(study: Study) -> Study:
    """Run one task of that study with two tools side by side, and with clinical covariates."""
    mine = study.folder / "config/combined.yaml"
    mine.write_text("""
study: added-value
results: results/combined
extractors:
  STAMP: {features: data/STAMP}
  TRIDENT: {features: data/TRIDENT}
  BOTH: {concat: [STAMP, TRIDENT]}
covariates: {table: data/clinical.csv, columns: [age, stage, sex]}
datasets: {TEST: {labels: data/test.csv}}
tasks:
  MSI: {kind: binary, labels: data/labels.csv, positive: MSI-H}
crossval: {repeats: 2, curve_repeats: 0}
""")
    study.run("results/combined/summary.html", "--configfile", str(mine))
    return study


@pytest.mark.slow
def test_tools_side_by_side_and_covariates_are_compared_like_any_extractor(combined: Study) -> None:
    results = combined.folder / "results/combined"
    comparison = read_table(results / "tables/comparison.tsv", SCHEMAS["comparison"])
    rows = comparison[(comparison["baseline"] == "STAMP") & (comparison["metric"] == "auroc")]
    rows = rows.set_index("extractor")
    beside = [f"{name}+covariates" for name in ("STAMP", "TRIDENT", "BOTH")]
    assert set(rows.index) == {"TRIDENT", "BOTH", "covariates", *beside}
    assert (rows["n"] == PATIENTS + ELSEWHERE - 1).all()
    assert (rows["status"] == "ok").all()
    assert (rows["delta"] > 0).all()
    used = (results / "pooled/covariates.used.tsv").read_text()
    assert "no_feature_row" in used
    assert "I, II, III; " in used
    page = (results / "summary.html").read_text(encoding="utf-8")
    assert "BOTH: the features of STAMP and TRIDENT side by side." in page
    assert "alone and beside each extractor’s features" in page
    assert "covariates: 1 of 90 patients is left out" in page


@pytest.mark.slow
def test_a_label_among_the_covariates_stops_the_study(combined: Study) -> None:
    changes = combined.folder / "config/changes.yaml"
    changes.write_text("covariates: {columns: [age, MSI]}\nresults: results/again\n")
    mine = str(combined.folder / "config/combined.yaml")
    process = combined.snakemake("results/again/summary.html", "--configfile", mine, str(changes))
    assert process.returncode != 0
    assert "clinical.csv: column 'MSI' is a label, so it cannot be a covariate" in process.stdout
    assert not (combined.folder / "results/again/logs").exists()  # before the first job


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
