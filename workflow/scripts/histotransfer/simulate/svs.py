"""Aperio's SVS format: a tiled, pyramidal TIFF of JPEG tiles with the scale in its description."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

TILE_PX = 256
_QUALITY = 90


def write_svs(path: Path, pixels: NDArray[np.uint8], mpp: float) -> None:
    """Write a slide: level 0, a thumbnail eight times smaller, a level four times smaller.

    Parameters
    ----------
    path : Path
        The file.
    pixels : ndarray of uint8, shape (height, width, 3)
        RGB at level 0.
    mpp : float
        Micrometres per pixel at level 0.
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
                tile=(TILE_PX, TILE_PX) if tiled else None,
                rowsperstrip=None if tiled else len(level),
                compression="jpeg",
                compressionargs={"level": _QUALITY},
                subsampling=(1, 1),
                description=f"{base}{size} JPEG/RGB|AppMag = {10 / mpp:g}|MPP = {mpp:g}",
                metadata=None,
                software=False,
            )
