"""The tiles of TIFF slides, decoded directly: the fast way to the pixels of most slides.

A patch shares its tiles with its neighbours, so decoded tiles are kept until the reader has moved
on. OpenSlide reads what this module cannot: other formats, and tiles that are missing or damaged.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile

VENDORS = frozenset({"aperio", "generic-tiff"})
"""OpenSlide's names of the formats whose levels are plain TIFF pages: tiles side by side, without
overlap or offset."""

COMPRESSIONS = frozenset(
    {"NONE", "LZW", "JPEG", "ADOBE_DEFLATE", "DEFLATE", "APERIO_JP2000_RGB", "APERIO_JP2000_YCBC"}
)

MAX_TILE_PX = 2**24
"""Larger tiles are left to OpenSlide, which reads them in parts."""

CACHE_BYTES = 64 * 2**20
"""Decoded tiles that are kept: several rows of a strip of patches (`tiles.grid`)."""


class Undecodable(Exception):
    """A region with a tile that cannot be decoded here."""


class TiffTiles:
    """The levels of an open TIFF slide, whose widths and heights are from OpenSlide.

    Raises
    ------
    Undecodable
        If the file's pages are not those levels, or cannot be decoded here.
    """

    def __init__(self, path: Path, level_dimensions: Sequence[tuple[int, int]]) -> None:
        try:
            self._tiff = tifffile.TiffFile(path)
        except Exception as error:  # of a damaged file, tifffile raises errors of any kind
            raise Undecodable(str(error)) from error
        try:
            self._pages = self._levels(level_dimensions)
        except Exception as error:
            self._tiff.close()
            raise Undecodable(str(error)) from error
        self._cache: OrderedDict[tuple[int, int], npt.NDArray[np.uint8]] = OrderedDict()
        self._cached_bytes = 0

    def _levels(self, level_dimensions: Sequence[tuple[int, int]]) -> list[tifffile.TiffPage]:
        pages = [
            page
            for page in self._tiff.pages
            if isinstance(page, tifffile.TiffPage) and _suits(page)
        ]
        levels: list[tifffile.TiffPage] = []
        for size in level_dimensions:
            found = [page for page in pages if (page.imagewidth, page.imagelength) == size]
            if len(found) != 1 or _form(found[0]) != _form((levels or found)[0]):
                raise Undecodable(f"no single page is the level of {size[0]} × {size[1]} px")
            levels += found
        return levels

    def close(self) -> None:
        """Close the file."""
        self._tiff.close()

    def read(self, x: int, y: int, level: int, width: int, height: int) -> npt.NDArray[np.uint8]:
        """Read a rectangle (height, width, 3) of a level; what lies outside the slide is white.

        All lengths are in px of that level. A missing or damaged tile raises Undecodable.
        """
        page = self._pages[level]
        across, down = page.tilewidth, page.tilelength
        columns = -(-page.imagewidth // across)
        left, top = max(x, 0), max(y, 0)
        right, bottom = min(x + width, page.imagewidth), min(y + height, page.imagelength)
        region = np.full((height, width, 3), 255, np.uint8)
        if left >= right or top >= bottom:
            return region
        for row in range(top // down, -(-bottom // down)):
            rows = slice(max(top, row * down), min(bottom, (row + 1) * down))
            for column in range(left // across, -(-right // across)):
                here = slice(max(left, column * across), min(right, (column + 1) * across))
                tile = self._tile(level, row * columns + column)
                region[rows.start - y : rows.stop - y, here.start - x : here.stop - x] = tile[
                    rows.start - row * down : rows.stop - row * down,
                    here.start - column * across : here.stop - column * across,
                ]
        return region

    def _tile(self, level: int, index: int) -> npt.NDArray[np.uint8]:
        key = level, index
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        tile = self._decode(self._pages[level], index)
        self._cache[key] = tile
        self._cached_bytes += tile.nbytes
        while self._cached_bytes > CACHE_BYTES and len(self._cache) > 1:
            self._cached_bytes -= self._cache.popitem(last=False)[1].nbytes
        return tile

    def _decode(self, page: tifffile.TiffPage, index: int) -> npt.NDArray[np.uint8]:
        file = self._tiff.filehandle
        try:
            length = page.databytecounts[index]
            file.seek(page.dataoffsets[index])
            encoded = file.read(length)
            if not length or len(encoded) < length:
                raise ValueError("its bytes are missing")
            decoded, _, _ = page.decode(encoded, index, jpegtables=page.jpegtables)
            if decoded is None:
                raise ValueError("it is empty")
            tile = np.asarray(decoded[0], np.uint8)
            if tile.shape != (page.tilelength, page.tilewidth, 3):
                raise ValueError(f"it has the shape {tile.shape}")
        except Exception as error:  # of a damaged file, tifffile raises errors of any kind
            raise Undecodable(f"tile {index}: {error}") from error
        return tile


def _suits(page: tifffile.TiffPage) -> bool:
    return bool(
        page.is_tiled
        and page.dtype == np.uint8
        and page.samplesperpixel == 3
        and page.planarconfig == tifffile.PLANARCONFIG.CONTIG
        and page.imagedepth == 1
        and page.tilewidth * page.tilelength <= MAX_TILE_PX
        and tifffile.COMPRESSION(page.compression).name in COMPRESSIONS
    )


def _form(page: tifffile.TiffPage) -> tuple[object, ...]:
    return page.compression, page.photometric, page.subsampling, page.predictor
