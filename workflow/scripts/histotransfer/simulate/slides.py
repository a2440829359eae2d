"""Write simulated slides and folders of patches, in the form of real ones."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from ..core.files import written_whole
from ..core.streams import stream
from .cohort import EMPTY, UNREADABLE, composition, patient_of, site_of
from .painter import CLASSES, Field, Shape, develop, draw_stain, noise, paint, step

Pixels = NDArray[np.uint8]

_PAINT_MPP = 0.5
"""Patches are painted at this scale and then reduced, as if extracted from a slide."""
_PATIENTS_PER_DATASET = 12
_PEN_EVERY, _BLUR_EVERY = 8, 9
"""One patient in this many has pen marks on the slide, or a side of it out of focus."""
_TILE_PX, _JPEG_QUALITY = 256, 90
_PENS = ((20, 90, 60), (30, 50, 150), (25, 25, 30))


def write_slide(out_path: str | Path, *, slide: str, seed: int, slide_px: int, mpp: float) -> None:
    """Paint one slide of the cohort (`slide_px` wide and high, `mpp` µm/px) as an SVS file.

    Everything in it follows from the arguments, so slides can be painted in any order. Two
    patients' slides are unusable on purpose: one damaged, one without tissue.
    """
    patient = patient_of(slide)
    rng = stream(seed, "simulation", "slide", slide)
    with written_whole(out_path) as partial:
        if patient == UNREADABLE:
            partial.write_bytes(b"II*\0" + rng.bytes(65536))
            return
        fractions = {} if patient == EMPTY else composition(patient, seed)
        regions = _regions(rng, slide_px, fractions)
        # The stain is the patient's: two slides of one patient come from one laboratory.
        stain = draw_stain(stream(seed, "simulation", "stain", patient))
        pixels = _scan(develop(_paint_regions(rng, regions, mpp), stain, rng), patient, mpp)
        number = int(patient.split("-")[2])
        if number % _BLUR_EVERY == 4:
            pixels = _defocus(rng, pixels, mpp)
        if number % _PEN_EVERY == 3:
            pixels = _pen(rng, pixels, mpp)
        _write_svs(partial, pixels, mpp)


def _scan(pixels: Pixels, patient: str, mpp: float) -> Pixels:
    """Leave the mark of the scanner: site B sharpens, C blurs, less than quality control minds."""
    scanners = {
        "B": ImageFilter.UnsharpMask(radius=1 / mpp, percent=150, threshold=0),
        "C": ImageFilter.GaussianBlur(0.8 / mpp),
    }
    if scanner := scanners.get(site_of(patient)):
        return np.asarray(Image.fromarray(pixels).filter(scanner))
    return pixels


def _write_svs(path: Path, pixels: Pixels, mpp: float) -> None:
    """Write Aperio's SVS: a tiled, pyramidal TIFF of JPEG tiles, its scale in its description.

    It holds level 0, a thumbnail eight times smaller and a level four times smaller.
    """
    height, width = pixels.shape[:2]
    base = f"Aperio Image Library v12.0.0 (simulated)\r\n{width}x{height}"
    with tifffile.TiffWriter(path) as tiff:
        for factor, tiled in ((1, True), (8, False), (4, True)):
            level = np.asarray(Image.fromarray(pixels).reduce(factor))
            size = f" -> {level.shape[1]}x{level.shape[0]}"
            tiff.write(
                level,
                photometric="rgb",
                tile=(_TILE_PX, _TILE_PX) if tiled else None,
                rowsperstrip=None if tiled else len(level),
                compression="jpeg",
                compressionargs={"level": _JPEG_QUALITY},
                subsampling=(1, 1),
                description=f"{base}{size} JPEG/RGB|AppMag = {10 / mpp:g}|MPP = {mpp:g}",
                metadata=None,
                software=False,
            )


def _regions(rng: np.random.Generator, size: int, fractions: dict[str, float]) -> NDArray[np.int8]:
    """Draw class numbers (size, size): glass, and on it tissue in exactly these fractions.

    A smooth field that rises across the slide is cut at the quantiles which give each class its
    share of the tissue, so a region is a band with ragged borders.
    """
    background = CLASSES.index("BACK")
    regions = np.full((size, size), background, dtype=np.int8)
    present = [tissue for tissue, fraction in fractions.items() if fraction > 0]
    if not present:
        return regions
    tissue = _pieces(rng, size)
    y, x = np.meshgrid(*[np.linspace(-1, 1, size, dtype=np.float32)] * 2, indexing="ij")
    turn = rng.uniform(0, 2 * np.pi)
    ragged = 0.16 * noise(rng, (size, size), size / 5) + 0.03 * noise(rng, (size, size), size / 30)
    order = (np.float32(np.cos(turn)) * x + np.float32(np.sin(turn)) * y + ragged)[tissue]
    rng.shuffle(present)
    shares = np.cumsum([fractions[name] for name in present])[:-1]
    band = np.searchsorted(np.quantile(order, shares).astype(np.float32), order)
    regions[tissue] = np.array([CLASSES.index(name) for name in present], dtype=np.int8)[band]
    return regions


def _pieces(rng: np.random.Generator, size: int) -> NDArray[np.bool_]:
    """Draw one or two pieces of tissue with uneven outlines, (size, size)."""
    y, x = np.meshgrid(*[np.linspace(-1, 1, size, dtype=np.float32)] * 2, indexing="ij")
    centres, half_width = ([0.0], 0.88) if rng.random() < 0.6 else ([-0.49, 0.49], 0.42)
    uneven = 0.10 * noise(rng, (size, size), size / 6) + 0.02 * noise(rng, (size, size), size / 40)
    tissue = np.zeros((size, size), dtype=bool)
    for centre in centres:
        wide, high = half_width * rng.uniform(0.92, 1), rng.uniform(0.78, 0.88)
        # Between an ellipse and a rectangle: more patches fit in.
        across, down = np.abs((x - centre) / wide), np.abs(y / high)
        tissue |= across * across * across + down * down * down + uneven < 0.9
    return tissue


def _paint_regions(rng: np.random.Generator, regions: NDArray[np.int8], mpp: float) -> Field:
    """Paint stain concentrations (2, h, w), each class over its regions' bounding box."""
    stains = np.zeros((2, *regions.shape), dtype=np.float32)
    for number, tissue in enumerate(CLASSES):
        where = regions == number
        rows, columns = np.flatnonzero(where.any(axis=1)), np.flatnonzero(where.any(axis=0))
        if not len(rows):
            continue
        box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        shown = where[box]
        np.copyto(stains[:, *box], paint(tissue, rng, shown.shape, mpp), where=shown)
    return stains


def _defocus(rng: np.random.Generator, pixels: Pixels, mpp: float) -> Pixels:
    """Put one side of the slide out of focus."""
    size = pixels.shape[0]
    sharp = Image.fromarray(pixels)
    soft = sharp.filter(ImageFilter.GaussianBlur(rng.uniform(4, 6) / mpp))
    far = np.linspace(0, 1, size, dtype=np.float32) + 0.05 * noise(rng, (size, size), size / 4)
    weight = Image.fromarray((255 * step(far, 0.68, 0.05)).astype(np.uint8))
    return np.asarray(Image.composite(soft, sharp, weight))


def _pen(rng: np.random.Generator, pixels: Pixels, mpp: float) -> Pixels:
    """Draw a felt pen's line around a corner of the tissue."""
    size = pixels.shape[0]
    turn = np.linspace(0, np.pi, 25) + rng.uniform(0, 2 * np.pi)
    reach = size * rng.uniform(0.28, 0.38)
    centre = size * rng.uniform(0.3, 0.7, 2)
    wobble = rng.normal(0, 0.01 * size, (2, 25))
    line = np.stack([centre[0] + reach * np.cos(turn), centre[1] + reach * np.sin(turn)]) + wobble
    canvas = Image.new("L", (size, size))
    draw = ImageDraw.Draw(canvas)
    width = round(70 / mpp)
    draw.line(line.T.ravel().tolist(), fill=255, width=width, joint="curve")
    for x, y in line[:, [0, -1]].T:
        draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=255)
    cover = np.asarray(canvas.filter(ImageFilter.GaussianBlur(2 / mpp)), dtype=np.float32) / 255
    cover = cover * np.clip(0.85 + 0.06 * noise(rng, (size, size), 30 / mpp), 0, 1)
    ink = np.array(_PENS[rng.integers(len(_PENS))], dtype=np.float32)
    return np.asarray(pixels + cover[..., None] * (ink - pixels) + 0.5).astype(np.uint8)


def write_patches(
    out_folder: str | Path,
    *,
    dataset: str,
    seed: int,
    patches_per_class: int,
    patch_px: int,
    mpp: float,
) -> None:
    """Paint a data set of labelled patches, laid out as NCT-CRC-HE-100K is.

    The folder is replaced whole; it gets one sub-folder per class, with files such as
    ``TUM/TUM-ABCDEFGH.tif``. Another `dataset` gives other patients, stains and patches.
    """
    out_folder = Path(out_folder)
    out_folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out_folder.name}.", dir=out_folder.parent) as made:
        partial = Path(made) / out_folder.name
        for tissue in CLASSES:
            folder = partial / tissue
            folder.mkdir(parents=True)
            for number in range(patches_per_class):
                rng = stream(seed, "simulation", "patch", dataset, tissue, str(number))
                name = "".join(rng.choice(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), 8))
                patient = str(rng.integers(_PATIENTS_PER_DATASET))
                stain = draw_stain(stream(seed, "simulation", "stain", dataset, patient))
                size = round(patch_px * mpp / _PAINT_MPP)
                pixels = develop(_paint_patch(tissue, rng, (size, size)), stain, rng)
                focus = ImageFilter.GaussianBlur(rng.uniform(0, 1.0) / _PAINT_MPP)
                image = Image.fromarray(pixels).filter(focus)
                image = image.resize((patch_px, patch_px), Image.Resampling.BOX)
                image.save(folder / f"{tissue}-{name}.tif")
        if out_folder.exists():
            shutil.rmtree(out_folder)
        partial.rename(out_folder)


def _paint_patch(tissue: str, rng: np.random.Generator, shape: Shape) -> Field:
    """Paint a patch of one class; every other patch shows some of a neighbouring class."""
    stains = paint(tissue, rng, shape, _PAINT_MPP)
    stains *= np.float32(rng.lognormal(0, 0.15))
    if tissue != "BACK" and rng.random() < 0.5:
        y, x = np.meshgrid(*[np.linspace(-1, 1, n, dtype=np.float32) for n in shape], indexing="ij")
        turn = rng.uniform(0, 2 * np.pi)
        slope = np.cos(turn) * x + np.sin(turn) * y + 0.2 * noise(rng, shape, shape[0] / 4)
        outside = slope > np.quantile(slope, rng.uniform(0.55, 0.95))
        guest = CLASSES[rng.integers(len(CLASSES))]
        stains[:, outside] = paint(guest, rng, shape, _PAINT_MPP)[:, outside]
    return stains
