"""Small slides made for tests: real TIFF files that OpenSlide opens, with known pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile

Pixels = npt.NDArray[np.uint8]

HAEMATOXYLIN = np.array([0.65, 0.70, 0.29])
EOSIN = np.array([0.07, 0.99, 0.11])
GLASS = 243


def stained(haematoxylin: npt.ArrayLike, eosin: npt.ArrayLike) -> Pixels:
    """Mix the two stains by Beer and Lambert's law from optical densities of any equal shape."""
    density = np.multiply.outer(haematoxylin, HAEMATOXYLIN) + np.multiply.outer(eosin, EOSIN)
    return np.rint(GLASS * 10.0**-density).astype(np.uint8)


def tissue(height: int, width: int, seed: int = 0) -> Pixels:
    """Paint something with nuclei and stroma: blobs of haematoxylin in a weave of eosin."""
    random = np.random.default_rng(seed)
    nuclei = np.kron(random.random((height // 8 + 1, width // 8 + 1)) > 0.7, np.ones((8, 8)))
    fibres = random.uniform(0.1, 0.5, (height, width))
    return stained(0.7 * nuclei[:height, :width] + 0.05, fibres)


def on_glass(size: int, left: int, top: int, width: int, height: int) -> Pixels:
    """Put one rectangle of tissue on a square slide of glass."""
    slide = np.full((size, size, 3), GLASS, np.uint8)
    slide[top : top + height, left : left + width] = tissue(height, width)
    return slide


def block_means(image: Pixels, factor: int) -> Pixels:
    """Reduce an image by an integer factor."""
    height, width = (size // factor for size in image.shape[:2])
    blocks = image[: height * factor, : width * factor].reshape(height, factor, width, factor, 3)
    return np.floor(blocks.mean(axis=(1, 3)) + 0.5).astype(np.uint8)


def write_slide(
    path: Path,
    image: Pixels,
    *,
    mpp: float | None = 0.5,
    factors: tuple[int, ...] = (1, 4),
    tags: tuple[tuple[float, float], str] | None = None,
    compression: str = "zlib",
) -> Path:
    """Write a pyramid in Aperio's manner, lossless by default, or a plain one with `tags`."""
    header = f"Aperio Image Library v0|AppMag = 20|MPP = {mpp}" if mpp else None
    resolution = {"resolution": tags[0], "resolutionunit": tags[1]} if tags else {}
    with tifffile.TiffWriter(path) as tiff:
        for factor in factors:
            tiff.write(
                block_means(image, factor),
                photometric="rgb",
                tile=(128, 128),
                compression=compression,
                description=header,
                subfiletype=0 if factor == 1 else 1,
                metadata=None,
                **resolution,
            )
    return path


def write_levels(path: Path, *pictures: Pixels, mpp: float = 0.5, **options: Any) -> Path:
    """Write a plain TIFF whose levels are these pictures, whatever they show."""
    options = {"photometric": "rgb", "tile": (128, 128), "compression": "zlib"} | options
    with tifffile.TiffWriter(path) as tiff:
        for number, picture in enumerate(pictures):
            tiff.write(
                picture,
                subfiletype=int(number > 0),
                metadata=None,
                resolution=(10000 / mpp, 10000 / mpp),
                resolutionunit="CENTIMETER",
                **options,
            )
    return path


def write_scn(
    path: Path, size: tuple[int, int], areas: dict[tuple[int, int], Pixels], mpp: float = 0.5
) -> Path:
    """Write a slide in Leica's manner: areas that were scanned, by their top left corners.

    What lies between them is transparent, and the slide's bounds begin at the first of them.
    """
    nm = round(1000 * mpp)
    macro = np.full((size[1] // 16, size[0] // 16, 3), GLASS, np.uint8)
    pages = [((0, 0), size, macro)]
    pages += [(corner, pixels.shape[1::-1], pixels) for corner, pixels in areas.items()]
    images = [
        f'<image><pixels><dimension sizeX="{pixels.shape[1]}" sizeY="{pixels.shape[0]}" '
        f'ifd="{page}"/></pixels><view sizeX="{width * nm}" sizeY="{height * nm}" '
        f'offsetX="{left * nm}" offsetY="{top * nm}"/><scanSettings><objectiveSettings>'
        "<objective>20</objective></objectiveSettings><illuminationSettings><illuminationSource>"
        "brightfield</illuminationSource></illuminationSettings></scanSettings></image>"
        for page, ((left, top), (width, height), pixels) in enumerate(pages)
    ]
    description = (
        '<?xml version="1.0"?><scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01">'
        f'<collection sizeX="{size[0] * nm}" sizeY="{size[1] * nm}">{"".join(images)}'
        "</collection></scn>"
    )
    with tifffile.TiffWriter(path, bigtiff=True) as tiff:
        for page, (_, _, pixels) in enumerate(pages):
            tiff.write(
                pixels,
                photometric="rgb",
                tile=(128, 128),
                compression="zlib",
                description=None if page else description,
                metadata=None,
                resolution=(10000 / mpp, 10000 / mpp),
                resolutionunit="CENTIMETER",
            )
    return path


def damage(path: Path, column: int, row: int) -> None:
    """Overwrite one 128-px tile of level 0 with nonsense."""
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages[0]
        across = -(-page.imagewidth // 128)
        index = row * across + column
        offset, length = page.dataoffsets[index], page.databytecounts[index]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\x99" * length)


def write_crashing_slide(path: Path) -> Path:
    """Write a slide at whose header OpenSlide 4.0 divides by zero: its second level is wider."""
    write_slide(path, tissue(128, 128))
    with tifffile.TiffFile(path, mode="r+b") as tiff:
        for page, width in zip(tiff.pages, (190, 4096), strict=True):
            page.tags["ImageWidth"].overwrite(width)
    return path
