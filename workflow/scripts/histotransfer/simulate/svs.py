"""Aperio's SVS format, as much of it as OpenSlide needs: a tiled, pyramidal TIFF of JPEG tiles.

Pillow encodes the tiles, so no codec library is needed. Tags: TIFF 6.0 and its Technical Note 2.
"""

from __future__ import annotations

import io
import struct

import numpy as np
from numpy.typing import NDArray
from PIL import Image

TILE_PX = 256
_QUALITY = 90

_DESCRIPTION = 270
_STRIP_OFFSETS, _STRIP_COUNTS, _TILE_OFFSETS, _TILE_COUNTS = 273, 279, 324, 325
_ASCII, _SHORT, _LONG = 2, 3, 4


def svs(pixels: NDArray[np.uint8], mpp: float) -> bytes:
    """Encode a slide.

    Parameters
    ----------
    pixels : ndarray of uint8, shape (height, width, 3)
        RGB at level 0.
    mpp : float
        Micrometres per pixel at level 0.

    Returns
    -------
    bytes
        The file: level 0, a thumbnail eight times smaller, a level four times smaller.
    """
    height, width = pixels.shape[:2]
    base = f"Aperio Image Library v12.0.0 (simulated)\r\n{width}x{height}"
    scale = f"AppMag = {10 / mpp:g}|MPP = {mpp:g}"
    image = Image.fromarray(pixels)
    small, thumbnail = image.reduce(4), image.reduce(8)
    written = bytearray(struct.pack("<2sHI", b"II", 42, 0))
    link = 4  # where the offset of the next directory goes
    link = _append(written, link, image, f"{base} ({TILE_PX}x{TILE_PX}) JPEG/RGB|{scale}", True)
    size = f"{thumbnail.width}x{thumbnail.height}"
    link = _append(written, link, thumbnail, f"{base} -> {size} - |{scale}", False)
    size = f"{small.width}x{small.height}"
    _append(written, link, small, f"{base} -> {size} JPEG/RGB|{scale}", True)
    return bytes(written)


def _append(
    written: bytearray, link: int, image: Image.Image, description: str, tiled: bool
) -> int:
    """Append an image and its directory; return where the next directory's offset goes."""
    segments = _tiles(image) if tiled else [_jpeg(image)]
    offsets = []
    for segment in segments:
        offsets.append(len(written))
        written += segment + b"\0" * (len(segment) % 2)
    counts = [len(segment) for segment in segments]
    text = description.encode("ascii") + b"\0"
    tags: dict[int, tuple[int, int, bytes]] = {
        254: (_LONG, 1, struct.pack("<I", 0)),  # NewSubfileType
        256: (_LONG, 1, struct.pack("<I", image.width)),
        257: (_LONG, 1, struct.pack("<I", image.height)),
        258: (_SHORT, 3, struct.pack("<3H", 8, 8, 8)),  # BitsPerSample
        259: (_SHORT, 1, struct.pack("<H", 7)),  # Compression: JPEG
        262: (_SHORT, 1, struct.pack("<H", 6)),  # Photometric: YCbCr
        _DESCRIPTION: (_ASCII, len(text), text),
        277: (_SHORT, 1, struct.pack("<H", 3)),  # SamplesPerPixel
        284: (_SHORT, 1, struct.pack("<H", 1)),  # PlanarConfiguration
        530: (_SHORT, 2, struct.pack("<2H", 1, 1)),  # YCbCrSubSampling: none
        _TILE_OFFSETS if tiled else _STRIP_OFFSETS: _longs(offsets),
        _TILE_COUNTS if tiled else _STRIP_COUNTS: _longs(counts),
    }
    if tiled:
        tags[322] = tags[323] = (_LONG, 1, struct.pack("<I", TILE_PX))
    else:
        tags[278] = (_LONG, 1, struct.pack("<I", image.height))  # RowsPerStrip: one strip
    entries = bytearray(struct.pack("<H", len(tags)))
    for tag, (kind, count, value) in sorted(tags.items()):
        if len(value) > 4:  # too long for the entry: it holds the offset instead
            where = len(written)
            written += value + b"\0" * (len(value) % 2)
            value = struct.pack("<I", where)
        entries += struct.pack("<HHI", tag, kind, count) + value.ljust(4, b"\0")
    struct.pack_into("<I", written, link, len(written))
    written += entries + struct.pack("<I", 0)
    return len(written) - 4


def _longs(values: list[int]) -> tuple[int, int, bytes]:
    return _LONG, len(values), struct.pack(f"<{len(values)}I", *values)


def _tiles(image: Image.Image) -> list[bytes]:
    """JPEG tiles, row by row; the last ones repeat the image's edge."""
    pad = [(0, -image.height % TILE_PX), (0, -image.width % TILE_PX), (0, 0)]
    padded = np.pad(np.asarray(image), pad, mode="edge")
    return [
        _jpeg(Image.fromarray(padded[y : y + TILE_PX, x : x + TILE_PX]))
        for y in range(0, image.height, TILE_PX)
        for x in range(0, image.width, TILE_PX)
    ]


def _jpeg(image: Image.Image) -> bytes:
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=_QUALITY, subsampling=0)
    return encoded.getvalue()
