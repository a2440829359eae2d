"""Real slides and real colorectal patches through the whole workflow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from histotransfer.core.tables import read_table
from histotransfer.results.tables import SCHEMAS
from support.study import Study

pytestmark = pytest.mark.long

#: Real slides, with the scale of those whose headers do not say.
SLIDES = {
    "CMU-1-Small-Region.svs": "",
    "TCGA-CR-7395-01A-01-TS1.svs": "0.5",
    "luna_1065626_IHC.svs": "",
    "CPTAC_C3L-00601-26_5x_pyramid.tif": "2",
    "negative/broken.svs": "",
    "negative/unopenable.tiff": "",
    "negative/unreadable.svs": "",
}
HELD_OUT = 0.4


@pytest.fixture(scope="module")
def real(realdata: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Run slides to features, and patches to the tissue task, on real data."""
    study = Study(tmp_path_factory.mktemp("real"))
    rng = np.random.default_rng(20220112)
    for folder in sorted((realdata / "patches/colorectal5_224").iterdir()):
        patches = sorted(folder.iterdir())
        order = rng.permutation(len(patches))
        held_out = set(order[: round(HELD_OUT * len(patches))])
        for number, patch in enumerate(patches):
            part = "evaluation" if number in held_out else "training"
            target = study.folder / "data" / part / folder.name / patch.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(patch)
    rows = [
        f"{Path(name).stem}\tP{number}\t{realdata / 'slides' / name}\t{mpp}"
        for number, (name, mpp) in enumerate(SLIDES.items())
    ]
    sheet = study.folder / "config/slides.tsv"
    sheet.write_text("\n".join(["slide\tpatient\tpath\tmpp", *rows]) + "\n")

    config = study.config_of_own_slides("results/real")
    config["tiling"] |= {"patch_px": 112, "stride_px": 112}
    path = study.configure("real.yaml", config)
    study.run("all", "qc", "results/real/pooled/IMGNET-2048.h5", "--configfile", path)
    return study


def table(real: Study, name: str) -> pd.DataFrame:
    return read_table(real.folder / f"results/real/tables/{name}.tsv", SCHEMAS[name])


def test_real_slides_give_patches_at_a_recorded_scale(real: Study) -> None:
    qc = table(real, "qc").set_index("slide")
    assert len(qc) == len(SLIDES)
    small = qc.loc["CMU-1-Small-Region"]
    assert small["mpp"] == pytest.approx(0.499)
    assert small["mpp_source"] != qc.loc["TCGA-CR-7395-01A-01-TS1", "mpp_source"]
    assert small["kept"] > 40
    assert qc.loc["TCGA-CR-7395-01A-01-TS1", "kept"] > 150
    assert qc.loc["luna_1065626_IHC", "kept"] < 0.1 * qc.loc["TCGA-CR-7395-01A-01-TS1", "kept"]


def test_broken_slides_are_listed_and_the_study_goes_on(real: Study) -> None:
    excluded = table(real, "excluded_slides").set_index("slide")
    assert {"broken", "unopenable", "unreadable"} <= set(excluded.index)
    assert excluded["remedy"].str.len().min() > 20
    # 2 µm/px are too coarse for patches at 1 µm/px, and nothing is made up in between.
    assert excluded.loc["CPTAC_C3L-00601-26_5x_pyramid", "code"] == "too_coarse"
    cohort = table(real, "cohort").set_index("patient")["n_patches"]
    assert cohort["P0"] > 40


def test_real_tissue_types_are_told_apart_and_compared(real: Study) -> None:
    comparison = table(real, "comparison")
    overall = comparison[comparison["target"] == "all"].iloc[0]
    assert overall["n"] == 320
    assert overall["baseline_mean"] > 0.5  # chance is 0.2
    assert overall["extractor_mean"] > 0.5
    assert overall["status"] == "ok"
