"""Slides that fail, each in its way: listed with code and remedy, and the study goes on."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from histotransfer.core.exclusions import Reason
from histotransfer.core.tables import TableSchema, read_table
from histotransfer.qc.cohort import EXCLUDED_SLIDES, QC
from histotransfer.results.resource_usage import SLIDE_COSTS
from support.slides import damage, on_glass, tissue, write_crashing_slide, write_slide
from support.study import Study

GOOD = ["good_1", "good_2", "damaged_in_one_tile"]


def write_slides(folder: Path) -> dict[str, Path]:
    """Write good slides and bad ones, by id."""
    folder.mkdir(parents=True)
    slides = {name: folder / f"{name}.svs" for name in (*GOOD, "empty", "text", "cut_short")}
    slides |= {name: folder / f"{name}.svs" for name in ("folder", "damaged", "no_scale", "glass")}
    slides["crash"] = write_crashing_slide(folder / "crash.svs")
    for seed, name in enumerate(GOOD):
        write_slide(slides[name], tissue(1024, 1024, seed), compression="jpeg")
    damage(slides["damaged_in_one_tile"], column=3, row=3)
    slides["empty"].touch()
    slides["text"].write_text("a slide, honestly")
    slides["cut_short"].write_bytes(slides["good_1"].read_bytes()[:20000])
    slides["folder"].mkdir()
    write_slide(slides["damaged"], tissue(1024, 1024))
    for column in range(8):
        damage(slides["damaged"], column, row=2)
    write_slide(slides["no_scale"], tissue(512, 512), mpp=None, factors=(1,))
    write_slide(slides["glass"], on_glass(512, 0, 0, 8, 8))
    return slides


def lay_out(study: Study, slides: dict[str, Path]) -> str:
    """Write a study of these slides without stain normalisation; return its config."""
    rows = [f"{name}\tP-{name}\t{path}" for name, path in slides.items()]
    sheet = study.folder / "config/slides.tsv"
    sheet.write_text("\n".join(["slide\tpatient\tpath", *rows]) + "\n")
    for dataset in ("training", "evaluation"):
        for label in ("A", "B"):
            folder = study.folder / "data" / dataset / label
            folder.mkdir(parents=True)
            Image.fromarray(tissue(128, 128)).save(folder / "1.png")
    config = study.config_of_own_slides("results/bad")
    config["stain"]["method"] = "none"
    config["tiling"] |= {"patch_px": 128, "stride_px": 128, "target_mpp": 0.5}
    return study.configure("bad.yaml", config)


def table_of(study: Study, schema: TableSchema) -> pd.DataFrame:
    path = study.folder / f"results/bad/tables/{schema.name}.tsv"
    return read_table(path, schema).set_index("slide")


def excluded(study: Study) -> dict[str, Reason | None]:
    rows = table_of(study, EXCLUDED_SLIDES).to_dict("index")
    return {str(slide): Reason.of(row) for slide, row in rows.items()}


TARGETS = ["qc", *(f"results/bad/tables/{name}.tsv" for name in ("excluded_slides", "slide_costs"))]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    study = Study(tmp_path_factory.mktemp("bad"))
    config = lay_out(study, write_slides(study.folder / "slides"))
    study.run(*TARGETS, "--configfile", config)
    return study


def plan(study: Study) -> dict[str, int]:
    jobs = study.plan(*TARGETS, "--configfile", str(study.folder / "config/bad.yaml"))
    jobs.pop("qc", None)
    return dict(jobs)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("slide", "codes", "remedy"),
    [
        ("empty", {"slide_empty"}, "Copy or download the slide again"),
        ("text", {"slide_unreadable"}, "Copy or download the slide again"),
        (
            "cut_short",
            {"slide_unreadable", "slide_region_unreadable", "too_many_unreadable_tiles"},
            "Copy or download the slide again",
        ),
        pytest.param(
            "crash",
            {"slide_crashes_reader"},
            "Copy or download the slide again",
            marks=pytest.mark.skipif(
                platform.machine() != "x86_64", reason="division by zero does not crash here"
            ),
        ),
        ("folder", {"slide_not_a_file"}, "correct its path"),
        ("damaged", {"too_many_unreadable_tiles"}, "max_unreadable_fraction"),
        ("no_scale", {"no_mpp"}, "the slide sheet's column `mpp`"),
        ("glass", {"no_tissue"}, "lower `tiling: min_tissue_fraction`"),
    ],
)
def test_bad_slide_is_listed_with_code_and_remedy(study: Study, slide, codes, remedy):
    reason = excluded(study)[slide]
    assert reason is not None
    assert reason.code in codes
    assert remedy in reason.remedy


@pytest.mark.slow
def test_good_slides_are_kept_whatever_lies_beside_them(study: Study):
    assert not set(GOOD) & set(excluded(study))
    qc = table_of(study, QC)
    assert qc.loc["good_1", "n_patches"] == 64
    reasons = {slide: Reason.of(row) for slide, row in qc.to_dict("index").items()}
    assert {slide: reason for slide, reason in reasons.items() if reason} == excluded(study)
    for name in qc.index:
        assert Image.open(study.folder / f"results/bad/qc/{name}.png").size[0] > 400


@pytest.mark.slow
def test_every_slide_has_its_costs(study: Study):
    costs = read_table(study.folder / "results/bad/tables/slide_costs.tsv", SLIDE_COSTS).set_index(
        "slide"
    )
    assert len(costs) == len(list((study.folder / "slides").iterdir()))
    assert (costs["seconds"] > 0).all()
    assert costs.loc["good_1", "tiles_per_second"] > 0


@pytest.mark.slow
def test_kept_tiles_of_a_slide_are_exported_by_name(study: Study):
    target = "results/bad/qc/good_1.geojson"
    study.run(target, "--configfile", str(study.folder / "config/bad.yaml"))
    assert len(json.loads((study.folder / target).read_text())["features"]) == 64


@pytest.mark.slow
def test_unreadable_tile_is_counted_and_the_slide_goes_on(study: Study):
    qc = table_of(study, QC)
    row = qc.loc["damaged_in_one_tile"]
    assert row["unreadable"] == 1
    assert row["n_patches"] == 63


@pytest.mark.slow
def test_another_file_in_a_slides_place_runs_its_jobs_again_and_no_others(study: Study):
    assert plan(study) == {}
    slide = study.folder / "slides/good_1.svs"
    before = slide.stat()
    os.utime(slide, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert plan(study) == dict.fromkeys(
        (
            "tile_slide",
            "extract_patches",
            "judge_patches",
            "summarise_cohort",
            "tabulate_slide_costs",
        ),
        1,
    )
    os.utime(slide, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert plan(study) == {}


@pytest.mark.slow
def test_slide_that_vanishes_in_the_run_is_listed(tmp_path: Path):
    study = Study(tmp_path)
    slides = {f"slide_{number}": tmp_path / f"{number}.svs" for number in range(6)}
    for seed, path in enumerate(slides.values()):
        write_slide(path, tissue(512, 512, seed))
    config = lay_out(study, slides)
    process = subprocess.Popen(
        study.command(*TARGETS, "--configfile", config, cores=1),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    tiles = tmp_path / "results/bad/tiles"
    while process.poll() is None and not list(tiles.glob("*.h5")):
        time.sleep(0.02)
    done = {path.stem for path in tiles.glob("*.h5")}
    gone = [name for name in slides if name not in done]
    for name in gone:
        slides[name].unlink()
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0, printed[-4000:]
    left_out = excluded(study)
    # The next job may have opened its slide before it vanished, and then has read all of it.
    assert len(left_out) >= len(gone) - 1 >= 3
    assert set(left_out) <= set(gone)
    assert all(reason and reason.code == "slide_missing" for reason in left_out.values())
