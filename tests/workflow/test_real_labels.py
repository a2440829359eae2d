"""Real TCGA-LUAD labels through the real workflow; the features alone are simulated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from histotransfer.core.tables import read_table
from histotransfer.evaluation.comparison import COMPARISON
from histotransfer.evaluation.splits import SPLITS
from histotransfer.evaluation.tables_of_kinds import RELATED_GENES
from histotransfer.labels.exclusions import EXCLUDED, FLOW
from support.study import Study

pytestmark = pytest.mark.slow

GENES = ["CD274", "PDCD1", "PDCD1LG2", "B2M", "VIM"]
MUTATIONS = ["TP53", "KRAS", "STK11", "EGFR", "SETBP1"]


@pytest.fixture(scope="module")
def luad(realdata: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Cross-validate and compare two tables of simulated features on all patients' real labels.

    WEAK and STRONG follow the patients' PD-L1 and TP53, STRONG with less noise. There are no
    slides, only the tables that their rules would have written.
    """
    study = Study(tmp_path_factory.mktemp("luad"))
    tables = realdata / "tables"
    slides = pd.read_csv(tables / "kather_TCGA-LUAD-DX_SLIDE.csv", encoding="utf-8-sig")
    patients = sorted(slides["PATIENT"].unique())
    tpm = pd.read_csv(tables / "luad_tpm_21genes_589samples.csv")
    tpm = tpm[tpm["sample_type_name"] == "Primary Tumor"].drop_duplicates("case_barcode")
    pdl1 = np.log2(tpm.set_index("case_barcode")["CD274"] + 1).reindex(patients)
    mutated = pd.read_csv(tables / "luad_mutation_status_10genes.csv")
    tp53 = mutated.set_index(mutated["SAMPLE_ID"].str[:12])["TP53"].reindex(patients)
    latent = np.column_stack([pdl1.fillna(pdl1.mean()), tp53.fillna(tp53.mean())])
    latent = (latent - latent.mean(axis=0)) / latent.std(axis=0)
    rng = np.random.default_rng(1)
    loadings = rng.standard_normal((2, 300))
    (study.folder / "data").mkdir()
    for name, noise in (("WEAK", 12.0), ("STRONG", 3.0)):
        x = latent @ loadings + noise * rng.standard_normal((len(patients), 300))
        table = pd.DataFrame(x, index=pd.Index(patients, name="patient"))
        # One patient is missing from one of the tables.
        table.iloc[(name == "WEAK") * 1 :].to_csv(study.folder / f"data/{name}.csv")

    (study.folder / "data/patches/A").mkdir(parents=True)
    rows = []
    for row in slides.itertuples():
        (study.folder / f"data/{row.FILENAME}.svs").touch()
        rows.append(f"{row.FILENAME}\t{row.PATIENT}\tdata/{row.FILENAME}.svs")
    sheet = study.folder / "config/slides.tsv"
    sheet.write_text("\n".join(["slide\tpatient\tpath", *sorted(rows)]) + "\n")
    results = study.folder / "results/luad"
    (results / "tables").mkdir(parents=True)
    cohort = slides.groupby("PATIENT").size().rename_axis("patient").rename("n_slides")
    cohort = cohort.reset_index().assign(n_slides_used=cohort.to_numpy(), n_patches=1000)
    cohort.to_csv(results / "tables/cohort.tsv", sep="\t", index=False)

    config = study.config("demo.yaml")
    del config["simulate"], config["site_column"]
    expression, mutation = config["tasks"]["expression"], config["tasks"]["mutation"]
    expression |= {
        "labels": str(tables / "luad_tpm_21genes_589samples.csv"), "targets": GENES
    }  # fmt: skip
    mutation |= {
        "labels": {
            "maf": str(tables / "tcgamutations_firehose_LUAD_10genes.maf.tsv"),
            "samples": str(tables / "tcgamutations_firehose_LUAD_samples.tsv"),
            "variant_classes": "non-silent",
        },
        "targets": MUTATIONS,
    }
    config |= {
        "study": "real labels",
        "results": "results/luad",
        "slides": "config/slides.tsv",
        "datasets": {"none": {"path": "data/patches"}},
        "extractors": {
            name: {"source": {"table": f"data/{name}.csv"}} for name in ("WEAK", "STRONG")
        },
        "tasks": {"expression": expression, "mutation": mutation},
        "crossval": {"folds": 5, "repeats": 2, "repeats_per_job": 1, "group_by": "site"},
    }
    config["stain"]["reference"] = config["finetune"]["dataset"] = "none"
    study.configure("luad.yaml", config)
    return study


TARGETS = [f"results/luad/tables/{name}.tsv" for name in ("comparison", "related_genes")]


def run(luad: Study, *arguments: str, config: str = "luad.yaml", out: str = "luad") -> None:
    # The cohort's table stands in for the slides; nothing upstream of it is asked for.
    targets = [target.replace("luad", out) for target in TARGETS]
    luad.run(
        *targets, "--configfile", str(luad.folder / "config" / config), "--quiet", "rules",
        "--allowed-rules", "pool_external", "read_labels", "draw_splits", "cross_validate",
        "score_predictions", "compare_extractors", *arguments,
    )  # fmt: skip


def test_real_labels_are_read_counted_validated_and_compared(luad: Study) -> None:
    run(luad)
    results = luad.folder / "results/luad"
    flow = {
        task: read_table(results / f"labels/{task}.flow.tsv", FLOW)
        .fillna({"code": ""})
        .set_index(["step", "what", "code"])["n"]
        for task in ("expression", "mutation")
    }
    assert flow["expression"]["came_in", "patient", ""] == 478
    assert flow["expression"]["left_out", "patient", "no_features"] == 1
    assert flow["expression"]["labelled", "patient", ""] == 472
    assert flow["mutation"]["labelled", "patient", ""] in (437, 438)
    left_out = read_table(results / "labels/expression.excluded.tsv", EXCLUDED)
    assert left_out.loc[left_out["code"] == "no_features", "detail"].tolist() == ["WEAK"]
    splits = read_table(results / "splits/mutation.tsv", SPLITS)
    assert (splits.groupby(["repeat", splits["sample"].str[5:7]])["fold"].nunique() == 1).all()
    comparison = read_table(results / "tables/comparison.tsv", COMPARISON).set_index("target")
    for target in ("CD274", "TP53"):
        row = comparison.loc[target]
        assert row["extractor"] == "STRONG"
        assert row["delta"] > 0.05
        assert row["p_corrected"] < 0.05
        assert row["status"] == "ok"
    assert comparison.loc["CD274", "n"] == 472
    assert set(comparison.index) == {*GENES, *MUTATIONS}
    related = read_table(results / "tables/related_genes.tsv", RELATED_GENES).set_index(
        ["extractor", "target"]
    )
    assert related.loc[("STRONG", "CD274"), "r"] > 0.6


def test_further_repeats_blocks_and_cores_change_no_byte_of_what_was_there(luad: Study) -> None:
    run(luad)
    results = luad.folder / "results/luad"
    before = {path: path.stat().st_mtime_ns for path in results.glob("cv/*/*/*.h5")}
    assert len(before) == 8
    config = luad.config("luad.yaml")
    config["crossval"]["repeats"] = 3
    luad.configure("more.yaml", config)
    run(luad, config="more.yaml")
    after = {path: path.stat().st_mtime_ns for path in results.glob("cv/*/*/*.h5")}
    assert len(after) == 12
    assert before.items() <= after.items()
    config |= {"results": "results/again"}
    config["crossval"]["repeats_per_job"] = 2
    luad.configure("again.yaml", config)
    again = luad.folder / "results/again"
    (again / "tables").mkdir(parents=True)
    (again / "tables/cohort.tsv").write_bytes((results / "tables/cohort.tsv").read_bytes())
    run(
        luad, "--cores", "2", "--set-threads", "cross_validate=2",
        config="again.yaml", out="again",
    )  # fmt: skip
    compared = 0
    for pattern in ("tables/comparison.tsv", "tables/related_genes.tsv", "scores/*/*.tsv"):
        for path in sorted(results.glob(pattern)):
            assert (again / path.relative_to(results)).read_bytes() == path.read_bytes()
            compared += 1
    assert compared == 6
