"""Thousands of tiny slides through tiling, extraction, judging and pooling in one process.

`make bench-soak`. What a job leaves behind (memory, open files, time) would add up here and show as
a slope. Of ten slides' overviews one is drawn. CPU time is measured, so other work on the machine
counts little. The figure goes to docs/reliability/soak.png with the numbers beside it.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import replace
from inspect import unwrap
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import psutil
from matplotlib.axes import Axes

from histotransfer.core.hdf5 import create_store, open_store
from histotransfer.features.external import pool_folder
from histotransfer.features.pooling import pool
from histotransfer.figures import style
from histotransfer.patches.from_tiles import extract_patches
from histotransfer.qc.cohort import summarise
from histotransfer.qc.overview import draw_overview
from histotransfer.qc.verdicts import judge_slide
from histotransfer.slides.tiles import tile_slide
from ratios import report
from support.parameters import PATCHES, QC, TILING
from support.slides import tissue, write_slide

PICTURES = 8
FEATURES = 32


class Folder:
    """The files of the soak's slides."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for number in range(PICTURES):
            write_slide(path / f"{number}.svs", tissue(256, 256, number))

    def of(self, kind: str, slide: str) -> Path:
        """Return a slide's file of one kind."""
        return self.path / kind / f"{slide}.h5"

    def work_on(self, number: int) -> None:
        """Tile, extract and judge one slide, and write features of its patches."""
        slide = f"S{number:05d}"
        tiles, metrics, patches, qc = (
            self.of(kind, slide) for kind in ("tiles", "metrics", "patches", "qc")
        )
        source = self.path / f"{number % PICTURES}.svs"
        unwrap(tile_slide)(source, tiles, slide=slide, sheet_mpp=None, parameters=TILING)
        unwrap(extract_patches)(
            source, tiles, metrics, patches, slide=slide, reference_path=None,
            parameters=replace(PATCHES, codec="jpeg"),
        )  # fmt: skip
        # The overviews take most of the time, so one in ten is drawn.
        judge_slide(tiles, metrics, qc, slide=slide, parameters=QC)
        if number % 10 == 0:
            draw_overview(tiles, qc, qc.with_suffix(".png"), slide=slide)
        with open_store(patches, "patches/1") as store:
            coords = store["coords"][:]
        values = np.random.default_rng(number).normal(size=(len(coords), FEATURES))
        with create_store(self.of("features", slide), "features/1", {"slide": slide}) as store:
            store["features"], store["coords"] = values.astype(np.float32), coords
        patches.unlink()

    def pool(self, count: int) -> None:
        """Pool the first slides both ways, and tabulate them."""
        slides = [f"S{number:05d}" for number in range(count)]
        patients = {slide: f"P{number // 2:05d}" for number, slide in enumerate(slides)}
        qc = {slide: self.of("qc", slide) for slide in slides}
        how = {"patches": "mean", "slides": "mean", "apply_qc": True}
        files = {slide: self.of("features", slide) for slide in slides}
        pool(files, qc, patients, self.path / "ours.h5", extractor="OURS", **how)
        used = self.path / "used.tsv"
        folder, pooled = self.path / "features", self.path / "theirs.h5"
        pool_folder(folder, qc, patients, pooled, used, extractor="THEIRS", **how)
        tables = {
            f"{name}_table": self.path / f"{name}.tsv" for name in ("qc", "excluded", "cohort")
        }
        summarise(self.path / "qc", patients, apply_qc=True, **tables)


def state(stage: str, slides: int, seconds: float) -> dict[str, object]:
    """Return the process's time, memory and open files."""
    process = psutil.Process()
    return {
        "stage": stage,
        "slides": slides,
        "cpu_seconds": round(seconds, 2),
        "memory_mb": round(process.memory_info().rss / 1e6, 1),
        "open_files": process.num_fds(),
    }


def soak(folder: Folder, count: int, every: int) -> pd.DataFrame:
    """Work on `count` slides, pool more and more of them, and return the states on the way."""
    rows, start = [], time.process_time()
    for number in range(count):
        folder.work_on(number)
        if (number + 1) % every == 0:
            rows.append(state("slides", number + 1, time.process_time() - start))
            print(rows[-1], flush=True)
    for part in range(1, 5):
        start = time.process_time()
        folder.pool(count * part // 4)
        rows.append(state("pooling", count * part // 4, time.process_time() - start))
        print(rows[-1], flush=True)
    return pd.DataFrame(rows)


def draw(table: pd.DataFrame, out: Path) -> None:
    """Draw time, memory and open files against the number of slides."""
    with matplotlib.rc_context(style.RC):
        _draw(table, out)


def _draw(table: pd.DataFrame, out: Path) -> None:
    slides, pooling = (table[table["stage"] == stage] for stage in ("slides", "pooling"))
    figure = style.page(60)
    style.headline(figure, f"{slides['slides'].max():,} tiny slides in one process")
    left, middle, right = figure.subplots(1, 3)
    worked, pooled = style.COMPARED[:2]

    def line(axes: Axes, column: str, label: str) -> None:
        axes.plot(slides["slides"], slides[column], color=worked, label="slide stages")
        axes.plot(pooling["slides"], pooling[column], "s--", color=pooled, label="pooled")
        axes.set(xlabel="slides", ylabel=label, ylim=(0, None), xlim=(0, None))
        style.grid(axes, "y")

    line(left, "cpu_seconds", "CPU time [s]")
    line(middle, "memory_mb", "memory [MB]")
    line(right, "open_files", "open files")
    right.set(ylim=(0, 12), yticks=range(0, 13, 4))
    left.legend(loc="upper left")
    style.save(figure, [out])


def main() -> None:
    """Soak, tabulate, draw, report."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--slides", type=int, default=2000)
    options.add_argument("--every", type=int, default=50)
    options.add_argument("--out", type=Path, default=Path("docs/reliability"))
    chosen = options.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        table = soak(Folder(Path(folder)), chosen.slides, chosen.every)
    chosen.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(chosen.out / "soak.tsv", sep="\t", index=False, lineterminator="\n")
    draw(table, chosen.out / "soak.png")
    slides = table[table["stage"] == "slides"].set_index("slides")
    quarter = slides.index[len(slides) // 4 - 1]
    time_of = slides["cpu_seconds"]
    last = time_of.iloc[-1] - time_of.loc[slides.index[-len(slides) // 4 - 1]]
    report("soak-time-first-to-last-quarter", time_of.loc[quarter] / last, 0.9)
    memory = slides["memory_mb"]
    report("soak-memory-first-quarter-to-end", memory.loc[quarter] / memory.iloc[-1], 0.95)
    files = slides["open_files"]
    report("soak-open-files-start-to-end", files.iloc[0] / files.iloc[-1], 1)


if __name__ == "__main__":
    main()
