"""From nothing to slides' tiles and patients' labels, fetched from a server on the loopback."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from histotransfer.core.tables import read_table
from histotransfer.fetch import gdc_sheets
from histotransfer.labels.files import read_labels_file
from histotransfer.qc.cohort import COHORT
from histotransfer.simulate.slides import write_patches, write_slide
from support.gdc import MAF, STAR, add_expression, add_mutations, add_patients, add_slide, row
from support.loopback import RECORD, Archive, md5, serving
from support.root import ROOT
from support.study import Study

pytestmark = pytest.mark.slow

PATIENTS = [f"TCGA-05-000{number}" for number in range(1, 5)]
SLIDES = [f"{patient}-01Z-00-DX1" for patient in PATIENTS[:3]] + [f"{PATIENTS[0]}-01Z-00-DX2"]
DATASETS = ("NCT-CRC-HE-100K", "CRC-VAL-HE-7K")
TARGETS = [
    *("results/tables/cohort.tsv", "results/labels/expression.tsv", "results/labels/mutation.tsv"),
    "results/patches/CRC-VAL-HE-7K.h5",
]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """Serve two archives of patches, four slides of three patients, and labels."""
    archive, folder = Archive(), tmp_path_factory.mktemp("archive")
    for dataset in DATASETS:
        write_patches(
            folder / dataset, dataset=dataset, seed=1,
            patches_per_class=4, patch_px=96, mpp=1.0,
        )  # fmt: skip
        zipped = shutil.make_archive(str(folder / dataset), "zip", folder, dataset)
        archive.add_to_record(f"{dataset}.zip", Path(zipped).read_bytes())
    for number, slide in enumerate(SLIDES):
        path = folder / f"{slide}.svs"
        write_slide(path, slide=f"SIM-01-000{number}-01Z-00-DX1", seed=1, slide_px=900, mpp=0.5)
        add_slide(archive, slide, content=path.read_bytes())
    add_slide(archive, f"{PATIENTS[3]}-01A-01-TS1")
    for number, patient in enumerate(PATIENTS):
        add_expression(archive, f"{patient}-01A", f"{STAR}ENSG1\tA\tx\t1\t{2**number - 1}\n")
    for patient in PATIENTS[:2]:
        sample = f"{patient}-01A"
        add_mutations(archive, sample, MAF + row(sample) * (patient == PATIENTS[0]))
    add_patients(archive, PATIENTS)
    with serving(archive):
        yield archive


@pytest.fixture(scope="module")
def study(archive: Archive, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Give the published study the server's addresses and digests, and small tiles."""
    study = Study(tmp_path_factory.mktemp("fetch"))
    config = study.config("config.yaml")
    config["download"] |= {
        "zenodo": archive.address + RECORD, "gdc": archive.address, "connections": 2
    }  # fmt: skip
    for name in DATASETS:
        config["datasets"][name]["md5"] = md5(archive.record[f"{name}.zip"])
    config["tiling"] |= {"patch_px": 96, "stride_px": 96, "target_mpp": 1.0}
    for task in ("expression", "mutation"):
        config["tasks"][task]["targets"] = ["A"]
    study.configure("here.yaml", config)
    return study


SHEETS = ("--snakefile", str(ROOT / "workflow/sheets.smk"))


def test_from_nothing_to_tiles_and_labels(study: Study, archive: Archive) -> None:
    config = ("--configfile", str(study.folder / "config/here.yaml"))
    process = study.snakemake(*TARGETS, *config)
    assert process.returncode != 0
    assert "make sheets" in process.stdout

    study.run(*SHEETS, *config)
    sheet = (study.folder / "config/slides.tsv").read_bytes()
    assert len(read_table(study.folder / "config/slides.tsv", gdc_sheets.SLIDES)) == len(SLIDES)
    left_out = read_table(study.folder / "config/left_out.tsv", gdc_sheets.LEFT_OUT)
    assert left_out["patient"].tolist() == [PATIENTS[3]]
    process = study.snakemake(*SHEETS, *config)
    assert process.returncode != 0
    assert "config/slides.tsv, config/patients.tsv" in process.stdout
    assert (study.folder / "config/slides.tsv").read_bytes() == sheet

    jobs = study.plan(*config)
    assert jobs["fetch_slide"] == jobs["tile_slide"] == len(SLIDES)
    assert jobs["fetch_dataset"] == jobs["unpack_dataset"] == jobs["fetch_labels"] == 2

    # One slide is bad for good, another breaks off, an archive is refused for the moment.
    slides = {
        hit["file_name"].partition(".")[0]: f"/data/{hit['file_id']}" for hit in archive.files
    }
    archive.faults[slides[SLIDES[1]]] = ["other", "other"]
    archive.faults[slides[SLIDES[2]]] = ["drop:100000"]
    archive.faults[f"{RECORD}/files/CRC-VAL-HE-7K.zip"] = [503]
    process = study.snakemake(*TARGETS, *config)
    assert process.returncode != 0
    assert "other bytes" in process.stdout
    assert not (study.folder / "results/tables/cohort.tsv").exists()
    assert (study.folder / f"results/qc/{SLIDES[2]}.h5").exists()  # the others went on
    assert archive.ranges(slides[SLIDES[2]])[1].startswith("bytes=")

    study.run(*TARGETS, *config)
    cohort = read_table(study.folder / "results/tables/cohort.tsv", COHORT).set_index("patient")
    assert cohort["n_slides_used"].to_dict() == dict(zip(PATIENTS[:3], [2, 1, 1], strict=True))
    labels = {
        task: read_labels_file(study.folder / f"results/labels/{task}.tsv").values["A"]
        for task in ("expression", "mutation")
    }
    assert labels["expression"].to_dict() == dict(zip(PATIENTS[:3], range(3), strict=True))
    assert labels["mutation"].to_dict() == {PATIENTS[0]: 1, PATIENTS[1]: 0}
    for dataset in DATASETS:
        assert len(list((study.folder / "data" / dataset).glob("*/*.tif"))) == 36

    # What is temporary is gone, nothing is half there, and nothing is to be done again.
    left = [path.name for path in (study.folder / "data").rglob("*") if path.is_file()]
    assert not any(name.endswith((".svs", ".zip", ".part")) for name in left)
    assert not study.plan(*TARGETS, *config)
    asked = len(archive.asked)
    # A slide that is needed again comes again.
    jobs = study.plan(f"results/patches/{SLIDES[0]}.h5", *config)
    assert jobs == {"fetch_slide": 1, "tile_slide": 1, "extract_patches": 1}
    assert len(archive.asked) == asked


def test_a_path_of_ones_own_turns_a_download_off(study: Study) -> None:
    config = study.config("here.yaml")
    config["datasets"]["CRC-VAL-HE-7K"] |= {"path": "mine/crc"}
    config["tasks"]["expression"]["labels"] = "mine/tpm.tsv"
    (study.folder / "mine/crc").mkdir(parents=True)
    (study.folder / "mine/tpm.tsv").touch()
    (study.folder / "mine/slide.svs").touch()
    sheet = (study.folder / "config/slides.tsv").read_text().splitlines()
    cells = sheet[1].split("\t")
    sheet[1] = "\t".join([*cells[:2], "mine/slide.svs", "", "", ""])
    (study.folder / "config/mine").mkdir()
    (study.folder / "config/mine/slides.tsv").write_text("\n".join(sheet) + "\n")
    shutil.copy(study.folder / "config/mutations.tsv", study.folder / "config/mine/mutations.tsv")
    config |= {"slides": "config/mine/slides.tsv", "results": "results/mine"}
    jobs = study.plan("--configfile", study.configure("mine.yaml", config))
    assert jobs["fetch_slide"] == len(SLIDES) - 1
    assert jobs["tile_slide"] == len(SLIDES)
    assert jobs["fetch_dataset"] == 0  # the other archive is unpacked already
    assert jobs["fetch_labels"] == 1
