"""The tiles of TIFF slides, decoded directly: the fast way to the pixels of most slides.

A patch shares its tiles with its neighbours, so decoded tiles are kept until the reader has moved
on. OpenSlide reads what this module cannot: other formats, and tiles that are missing or damaged.
"""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

from .pictures import WAVELETS

VENDORS = frozenset({"aperio", "generic-tiff"})
"""OpenSlide's names of the formats whose levels are plain TIFF pages: tiles side by side, without
overlap or offset."""

COMPRESSIONS = WAVELETS | {"NONE", "LZW", "JPEG", "ADOBE_DEFLATE", "DEFLATE"}

EIGHTH = 8
"""JPEG and JPEG 2000 can be decoded at a width so many times smaller, without the rest."""

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
        self._cache: OrderedDict[tuple[int, int, int], npt.NDArray[np.uint8]] = OrderedDict()
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

    def is_reducible(self, level: int) -> bool:
        """Tell whether a level can be read at an eighth of its width (`read`)."""
        page = self._pages[level]
        is_jpeg = page.compression == tifffile.COMPRESSION.JPEG
        return (
            (is_jpeg or tifffile.COMPRESSION(page.compression).name in WAVELETS)
            and (is_jpeg or page.photometric == tifffile.PHOTOMETRIC.RGB)
            and page.tilewidth % EIGHTH == page.tilelength % EIGHTH == 0
        )

    def offset(self, level: int) -> float:
        """Return how far right of and below its place a level lies at an eighth, in its px.

        Wavelets put the first of eight pixels in the middle, not the eight.
        """
        return 0.0 if self._pages[level].compression == tifffile.COMPRESSION.JPEG else 0.5

    def read(
        self, x: int, y: int, level: int, width: int, height: int, shrink: int = 1
    ) -> npt.NDArray[np.uint8]:
        """Read a rectangle (height, width, 3) of a level; what lies outside the slide is white.

        All lengths are in px of that level, which may be shrunk by `EIGHTH`: its pixels are then
        what JPEG and JPEG 2000 store of their means, and nothing finer is decoded. A missing or
        damaged tile raises Undecodable.
        """
        page = self._pages[level]
        across, down = page.tilewidth // shrink, page.tilelength // shrink
        columns = -(-page.imagewidth // page.tilewidth)
        left, top = max(x, 0), max(y, 0)
        right = min(x + width, -(-page.imagewidth // shrink))
        bottom = min(y + height, -(-page.imagelength // shrink))
        region = np.empty((height, width, 3), np.uint8)
        if (left, top, right, bottom) != (x, y, x + width, y + height):
            region[:] = 255
        if left >= right or top >= bottom:
            return region
        for row in range(top // down, -(-bottom // down)):
            rows = slice(max(top, row * down), min(bottom, (row + 1) * down))
            for column in range(left // across, -(-right // across)):
                here = slice(max(left, column * across), min(right, (column + 1) * across))
                tile = self._tile(level, row * columns + column, shrink)
                region[rows.start - y : rows.stop - y, here.start - x : here.stop - x] = tile[
                    rows.start - row * down : rows.stop - row * down,
                    here.start - column * across : here.stop - column * across,
                ]
        return region

    def _tile(self, level: int, index: int, shrink: int) -> npt.NDArray[np.uint8]:
        key = level, index, shrink
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        tile = self._decode(self._pages[level], index, shrink)
        self._cache[key] = tile
        self._cached_bytes += tile.nbytes
        while self._cached_bytes > CACHE_BYTES and len(self._cache) > 1:
            self._cached_bytes -= self._cache.popitem(last=False)[1].nbytes
        return tile

    def _decode(self, page: tifffile.TiffPage, index: int, shrink: int) -> npt.NDArray[np.uint8]:
        file = self._tiff.filehandle
        try:
            length = page.databytecounts[index]
            file.seek(page.dataoffsets[index])
            encoded = file.read(length)
            if not length or len(encoded) < length:
                raise ValueError("its bytes are missing")
            if shrink == EIGHTH:
                tile = _an_eighth(page, encoded)
            else:
                decoded, _, _ = page.decode(encoded, index, jpegtables=page.jpegtables)
                if decoded is None:
                    raise ValueError("it is empty")
                tile = np.asarray(decoded[0], np.uint8)
            if tile.shape != (page.tilelength // shrink, page.tilewidth // shrink, 3):
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


def _an_eighth(page: tifffile.TiffPage, encoded: bytes) -> npt.NDArray[np.uint8]:
    """Decode a tile at an eighth of its width: JPEG's constant terms, or the inner wavelets."""
    if page.compression == tifffile.COMPRESSION.JPEG:
        is_rgb = page.photometric == tifffile.PHOTOMETRIC.RGB
        tables = (page.jpegtables or b"\xff\xd8\xff\xd9")[2:-2]
        # Adobe's marker says whether the colours are RGB, which the TIFF knows and JPEG does not.
        colours = b"\xff\xee\x00\x0eAdobe\x00\x64\0\0\0\0" + bytes([not is_rgb])
        jpeg = io.BytesIO(b"\xff\xd8" + colours + tables + encoded[2:])
        picture = Image.open(jpeg, formats=["JPEG"])
        picture.draft("RGB", (page.tilewidth // EIGHTH, page.tilelength // EIGHTH))
        return np.asarray(picture)
    picture = Image.open(io.BytesIO(encoded), formats=["JPEG2000"])
    cast("Any", picture).reduce = EIGHTH.bit_length() - 1  # halvings; Pillow's own attribute
    return np.asarray(picture)
