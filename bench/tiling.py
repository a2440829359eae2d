"""Measure tiling beside other tools: patches per second on one core, pixels, memory.

    make bench-tiling [SLIDES="a.svs b.svs:0.25"] [BENCH_PYTHON=/path/to/python]

A slide is a path, with its µm per px where its header does not say. Beside them, the bench paints a
slide of 100,000 × 80,000 px. Every contestant reads the same patches, in turn, on the same core.
Processor time is compared, since other processes change it least:

- `read`: the pixels of all patches but the first, which opens the slide;
- `rule`: all that the rule `extract_patches` does (pixels, metrics, stain, JPEG, HDF5), against
  others that only read the pixels and store them as JPEG in HDF5. It should not be slower for doing
  more;
- `thumbnail`: an eighth of the width of a level, against all its pixels, where the tissue mask is
  made from a level that is much finer.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from inspect import unwrap
from pathlib import Path

import numpy as np
import openslide
import tifffile
from imagecodecs import jpeg8_encode
from PIL import Image

from histotransfer.core.exclusions import Reason
from histotransfer.core.hdf5 import create_store, open_store
from histotransfer.core.streams import stream
from histotransfer.imaging.codecs import encode
from histotransfer.imaging.resampling import area_mean
from histotransfer.patches import stain_reference
from histotransfer.patches.from_folders import pack_dataset
from histotransfer.patches.from_tiles import extract_patches
from histotransfer.patches.store import append_images, create_patch_store
from histotransfer.simulate.painter import develop, draw_stain, paint
from histotransfer.simulate.slides import write_patches
from histotransfer.slides.reader import SlideReader
from histotransfer.slides.resolution import choose_level
from histotransfer.slides.thumbnail import render, render_all
from histotransfer.slides.tiff import EIGHTH
from histotransfer.slides.tiles import tile_slide
from histotransfer.slides.tissue import find_tissue
from histotransfer.study.parameters import (
    EncodingParameters,
    PatchParameters,
    TilingParameters,
)
from peers import READERS, Patch, Wanted
from ratios import report

PATCH_PX, TARGET_MPP = 224, 0.5
LARGE_PX = (100_000, 80_000)
TILE_PX, BLOCK_PX = 256, 4096
ONE_LEVEL_PX = (20_480, 16_384)
TARGETS = {"read": {"openslide": 3.0, "others": 2.0}, "rule": {"others": 1.0}}
THUMBNAIL_TARGET = 3.0
MEMORY_LIMIT_MB = 1000
QUALITY = 95

TILING = TilingParameters(
    patch_px=PATCH_PX, stride_px=PATCH_PX, target_mpp=TARGET_MPP, mpp_tolerance=0.05,
    thumbnail_mpp=8.0, min_tissue_fraction=0.5,
)  # fmt: skip
ENCODING = EncodingParameters(codec="jpeg", jpeg_quality=QUALITY)
PATCHES = PatchParameters(
    **ENCODING.as_params(), stain_method="slide", stain_fallback="none",
    max_background_fraction=0.75, max_unreadable_fraction=0.05, seed=1,
)  # fmt: skip


def write_large(
    path: Path, size_px: tuple[int, int] = LARGE_PX, factors: tuple[int, ...] = (1, 4, 16)
) -> None:
    """Write a slide whose tissue, an ellipse, repeats one painted block, as JPEG."""
    rng = stream(0, "simulation", "bench")
    colours = draw_stain(rng)
    half = BLOCK_PX // 2
    quarter = np.concatenate(
        [
            np.concatenate(
                [develop(paint(name, rng, (half // 2,) * 2, 0.25), colours, rng) for name in row], 1
            )
            for row in (("TUM", "STR"), ("LYM", "NORM"))
        ]
    )
    row = np.concatenate([quarter, quarter[:, ::-1]], axis=1)
    block = Image.fromarray(np.concatenate([row, row[::-1]]))
    glass = develop(np.zeros((2, TILE_PX, TILE_PX), np.float32), colours, rng)
    with tifffile.TiffWriter(path, bigtiff=True) as tiff:
        for factor in factors:
            size = tuple(px // factor for px in size_px)
            pixels = np.asarray(block.reduce(factor))
            across = pixels.shape[0] // TILE_PX
            tiles = [
                _jpeg(pixels[y : y + TILE_PX, x : x + TILE_PX])
                for y in range(0, len(pixels), TILE_PX)
                for x in range(0, len(pixels), TILE_PX)
            ]
            empty = _jpeg(glass)
            columns, rows = (-(-px // TILE_PX) for px in size)

            def each(
                rows: int = rows, columns: int = columns, across: int = across,
                tiles: list[bytes] = tiles, empty: bytes = empty,
            ) -> Iterator[bytes]:  # fmt: skip
                for y in range(rows):
                    for x in range(columns):
                        # By whole blocks, so that all levels show the same.
                        u, v = (
                            (2 * (tile // across) + 1) * BLOCK_PX / px - 1
                            for tile, px in zip((x, y), size_px, strict=True)
                        )
                        inside = u * u + v * v < 0.75
                        yield tiles[(y % across) * across + x % across] if inside else empty

            tiff.write(
                each(),
                shape=(size[1], size[0], 3),
                dtype=np.uint8,
                tile=(TILE_PX, TILE_PX),
                photometric="ycbcr",
                subsampling=(2, 2),
                compression="jpeg",
                subfiletype=int(factor > 1),
                description="Aperio Image Library v0 (bench)|AppMag = 40|MPP = 0.25",
                metadata=None,
            )


def _jpeg(pixels: Patch) -> bytes:
    return bytes(jpeg8_encode(np.ascontiguousarray(pixels), level=80, subsampling="420"))


def read_ours(wanted: Wanted) -> Iterator[Patch]:
    """Read in the order of the tiles' file, as the rule does."""
    with SlideReader(wanted.path, wanted.mpp) as reader:
        scale = reader.scale(target_mpp=TARGET_MPP, tolerance=0.05, patch_px=PATCH_PX)
        for x, y in wanted.coords.tolist():
            yield reader.read_patch(x, y, scale)


def plan(path: Path, mpp: float | None, count: int, folder: Path) -> tuple[Wanted, Path]:
    """Tile a slide; return about `count` of its patches, in whole rows, and their tiles' file."""
    whole, part = folder / "whole.h5", folder / "tiles.h5"
    unwrap(tile_slide)(path, whole, slide=path.stem, sheet_mpp=mpp, parameters=TILING)
    with open_store(whole, "tiles/1") as store:
        attrs, coords, fractions = (
            dict(store.attrs),
            store["coords"][:],
            store["tissue_fraction"][:],
        )
    if excluded := Reason.of(attrs):
        raise SystemExit(f"{path} {excluded.sentence()}")
    rows = np.unique(coords[:, 1])
    middle = rows[np.argsort(np.abs(rows - np.median(rows)), kind="stable")]
    side = attrs["patch_size_level0"]
    inside = (coords >= 0).all(1) & (
        coords + side <= (attrs["level0_width"], attrs["level0_height"])
    ).all(1)
    chosen = np.zeros(len(coords), bool)
    for row in middle:
        if chosen.sum() >= count:
            break
        chosen |= inside & (coords[:, 1] == row)
    with create_store(part, "tiles/1", attrs) as store:
        store["coords"], store["tissue_fraction"] = coords[chosen], fractions[chosen]
    wanted = Wanted(
        path=path, coords=coords[chosen], patch_px=PATCH_PX, read_px=int(attrs["read_px"]),
        level=int(attrs["read_level"]), mpp=float(attrs["mpp"]), target_mpp=TARGET_MPP,
    )  # fmt: skip
    return wanted, part


def in_turn(contestants: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Let every contestant take its seconds once a round, each round beginning with another."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    names = list(contestants)
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            seconds[name].append(contestants[name]())
    return seconds


def compare(kind: str, slide: str, count: int, seconds: dict[str, list[float]]) -> None:
    """Print every contestant's rate, then its ratio to ours, as the median over the rounds."""
    for name, taken in seconds.items():
        print(f"  {kind:5} {name:22} {count / statistics.median(taken):8.0f} patches/s")
    ours = seconds.pop("histotransfer")
    for name, theirs in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(theirs, ours, strict=True))
        targets = TARGETS[kind]
        report(f"tiling-{kind}/{slide}/{name}", ratio, targets.get(name, targets["others"]))


def measure_slide(path: Path, mpp: float | None, options: argparse.Namespace) -> None:
    """Compare reading and the whole rule on one slide."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wanted, tiles = plan(path, mpp, options.patches, folder)
        by_row = replace(
            wanted, coords=wanted.coords[np.lexsort((wanted.coords[:, 0], wanted.coords[:, 1]))]
        )
        count, slide = len(wanted.coords), f"{path.stem}-{wanted.read_px}px"
        print(
            f"\n{path.name}: {count} patches of {PATCH_PX} px at {TARGET_MPP} µm/px, "
            f"each from {wanted.read_px} px of level {wanted.level}"
        )
        pixels_equal(wanted)

        def reading(patches: Iterator[Patch]) -> float:
            next(patches)
            started = time.process_time()
            for _ in patches:
                pass
            return time.process_time() - started

        def storing(patches: Iterator[Patch]) -> float:
            started = time.process_time()
            with create_patch_store(folder / "theirs.h5", {}) as store:
                append_images(store, (encode(patch, "jpeg", QUALITY) for patch in patches))
            return time.process_time() - started

        def rule() -> float:
            started = time.process_time()
            unwrap(extract_patches)(
                path, tiles, folder / "metrics.h5", folder / "patches.h5", slide=path.stem,
                reference_path=options.reference, parameters=PATCHES,
            )  # fmt: skip
            return time.process_time() - started

        few = replace(by_row, coords=by_row.coords[:3])
        for read in READERS.values():
            reading(read(few))  # imports, first use
        readers = {"histotransfer": lambda: reading(read_ours(wanted))}
        rules = {"histotransfer": rule}
        for peer, read in READERS.items():
            readers[peer] = lambda read=read: reading(read(by_row))
            rules[peer] = lambda read=read: storing(read(by_row))
        compare("read", slide, count, in_turn(readers, options.rounds))
        compare("rule", slide, count, in_turn(rules, options.rounds))


def measure_thumbnail(path: Path, mpp: float | None, rounds: int) -> None:
    """Compare an eighth of the level that the thumbnail needs with all its pixels, and the masks.

    Does nothing where that level is less than eight times finer than the thumbnail.
    """
    masks = {}
    with SlideReader(path, mpp) as reader:
        downsample = reader.thumbnail_downsample(TILING.thumbnail_mpp)
        size = int(reader.width / downsample), int(reader.height / downsample)
        level = choose_level(dict(enumerate(reader.downsamples)), downsample, 0.0) or 0
        if downsample < EIGHTH * reader.downsamples[level]:
            return

    def thumbnail(whole: bool) -> float:
        with SlideReader(path, mpp) as reader:
            started = time.process_time()
            picture, _ = (render_all if whole else render)(reader, level, downsample, size)
            seconds = time.process_time() - started
            masks[whole] = find_tissue(picture, downsample * reader.mpp).mask
        return seconds

    seconds = in_turn(
        {"every pixel": lambda: thumbnail(True), "ours": lambda: thumbnail(False)}, rounds
    )
    ratio = statistics.median(
        a / b for a, b in zip(seconds["every pixel"], seconds["ours"], strict=True)
    )
    agreement = (masks[True] & masks[False]).sum() / (masks[True] | masks[False]).sum()
    print(f"\nThumbnail of {path.name}: {100 * agreement:.2f} % of the tissue masks agree")
    report(f"tiling-thumbnail/{path.stem}/every-pixel", ratio, THUMBNAIL_TARGET)


def pixels_equal(wanted: Wanted) -> None:
    """Print the greatest difference of 100 patches from OpenSlide's, reduced by the same means.

    Below level 0 OpenSlide interpolates between pixels, but not from the corner of the slide.
    """
    some = replace(wanted, coords=wanted.coords[:: max(1, len(wanted.coords) // 100)])
    size = (wanted.patch_px, wanted.patch_px)
    difference = 0
    with openslide.OpenSlide(wanted.path) as slide:
        downsample = slide.level_downsamples[wanted.level]
        for ours, (x, y) in zip(read_ours(some), some.coords.tolist(), strict=True):
            left, top = (round(x / downsample), round(y / downsample)) if wanted.level else (0, 0)
            whole = (left + wanted.read_px, top + wanted.read_px)
            corner = (0, 0) if wanted.level else (x, y)
            pixels = np.asarray(slide.read_region(corner, wanted.level, whole).convert("RGB"))
            theirs = area_mean(np.ascontiguousarray(pixels[top:, left:]), size)
            difference = max(difference, int(np.abs(ours.astype(int) - theirs).max()))
    print(f"  greatest difference from OpenSlide's pixels: {difference} grey levels")


def measure_memory(path: Path, options: argparse.Namespace) -> None:
    """Run both steps on the whole large slide, each in its own process, and report their peaks."""
    with tempfile.TemporaryDirectory() as folder:
        for step in ("tile", "extract"):
            command = [sys.executable, __file__, "--step", step, folder, str(path)]
            done = subprocess.run(
                [*command, "--reference", str(options.reference)],
                check=True, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            peak = json.loads(done.stdout)
            print(f"  {step}: {peak['patches']} patches, peak {peak['mb']:.0f} MB")
            width, height = LARGE_PX
            report(f"tiling-memory/{step}/{width}x{height}px", MEMORY_LIMIT_MB / peak["mb"], 1)


def step(name: str, folder: Path, slide: Path, reference: Path) -> None:
    """Run one rule's work on a whole slide and print how many patches and megabytes it took."""
    tiles, metrics = folder / "tiles.h5", folder / "metrics.h5"
    if name == "tile":
        unwrap(tile_slide)(slide, tiles, slide="large", sheet_mpp=None, parameters=TILING)
    else:
        unwrap(extract_patches)(
            slide, tiles, metrics, folder / "patches.h5", slide="large", reference_path=reference,
            parameters=PATCHES,
        )  # fmt: skip
    with open_store(tiles, "tiles/1") as store:
        patches = len(store["coords"])
    # Not getrusage: its maximum would count the process that started this one.
    status = Path("/proc/self/status").read_text()
    peak_mb = int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
    print(json.dumps({"patches": patches, "mb": peak_mb}))


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("slides", nargs="*", help="path or path:mpp")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--patches", type=int, default=600)
    parser.add_argument("--reference", type=Path)
    parser.add_argument("--step", nargs=3, metavar=("STEP", "FOLDER", "SLIDE"))
    options = parser.parse_args()
    if options.step:
        step(options.step[0], Path(options.step[1]), Path(options.step[2]), options.reference)
        return
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    absent = {"tiatoolbox", "lazyslide", "clam", "trident"} - set(READERS)
    print(
        "Contestants:", ", ".join(READERS), f"(not installed: {', '.join(sorted(absent)) or '-'})"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        options.reference = folder / "reference.json"
        write_patches(
            folder / "set", dataset="bench", seed=0, patches_per_class=5, patch_px=PATCH_PX, mpp=0.5
        )
        pack_dataset(
            folder / "set", folder / "set.h5", dataset="bench", patch_px=PATCH_PX,
            encoding=ENCODING,
        )  # fmt: skip
        stain_reference.fit_reference(folder / "set.h5", options.reference, seed=0)
        for slide in options.slides:
            path, _, mpp = slide.partition(":")
            measure_slide(Path(path), float(mpp) if mpp else None, options)
            measure_thumbnail(Path(path), float(mpp) if mpp else None, options.rounds)
        large = folder / "large.svs"
        write_large(large)
        measure_slide(large, None, options)
        measure_memory(large, options)
        one_level = folder / "one-level.svs"
        write_large(one_level, ONE_LEVEL_PX, (1,))
        measure_thumbnail(one_level, None, options.rounds)


if __name__ == "__main__":
    main()
