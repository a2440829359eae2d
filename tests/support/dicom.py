"""Small whole-slide images in DICOM, written byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .slides import Pixels

WHOLE_SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
ROOT = "1.2.826.0.1.3680043.10.1"
TILE_PX = 128


def element(group: int, number: int, kind: str, value: str | float | bytes | list[bytes]) -> bytes:
    """Encode one element; a list is a sequence of items."""
    if isinstance(value, list):
        value = b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<I", len(i)) + i for i in value)
    elif kind in ("US", "UL"):
        value = struct.pack("<H" if kind == "US" else "<I", int(value))
    elif not isinstance(value, bytes):
        value = str(value).encode()
    if len(value) % 2:
        value += b"\0" if kind in ("UI", "OB", "OW") else b" "
    length = (
        b"\0\0" + struct.pack("<I", len(value))
        if kind in ("OB", "OW", "SQ", "UT")
        else struct.pack("<H", len(value))
    )
    return struct.pack("<HH", group, number) + kind.encode() + length + value


def write_dicom(
    path: Path,
    picture: npt.NDArray[np.integer],
    *,
    mpp: float,
    series: int = 1,
    instance: int = 1,
    level: int = 0,
    kind: str = "",
    sop_class: str = WHOLE_SLIDE,
    photometric: str = "RGB",
    syntax: str = EXPLICIT_LITTLE_ENDIAN,
    without: Sequence[tuple[int, int]] = (),
) -> Path:
    """Write one level of a whole-slide image, uncompressed, whatever the syntax says.

    The picture (h, w, channels) has one channel or three. The elements `without` are left out.
    """
    height, width, samples = picture.shape
    rows, columns = -(-height // TILE_PX), -(-width // TILE_PX)
    edges = ((0, rows * TILE_PX - height), (0, columns * TILE_PX - width), (0, 0))
    padded = np.pad(picture, edges, mode="edge")
    frames = padded.reshape(rows, TILE_PX, columns, TILE_PX, samples).swapaxes(1, 2)
    bits = 8 * picture.dtype.itemsize
    uid = f"{ROOT}.{series}.{instance}"
    meta = (
        element(2, 0x0001, "OB", b"\0\1")
        + element(2, 0x0002, "UI", sop_class)
        + element(2, 0x0003, "UI", uid)
        + element(2, 0x0010, "UI", syntax)
        + element(2, 0x0012, "UI", ROOT)
    )
    volume = "DERIVED\\PRIMARY\\VOLUME\\RESAMPLED" if level else "ORIGINAL\\PRIMARY\\VOLUME\\NONE"
    spacing = element(0x28, 0x30, "DS", f"{mpp / 1000:.8f}\\{mpp / 1000:.8f}")
    content = [
        element(0x08, 0x08, "CS", kind or volume),
        element(0x08, 0x16, "UI", sop_class),
        element(0x08, 0x18, "UI", uid),
        element(0x08, 0x60, "CS", "SM"),
        element(0x20, 0x0D, "UI", f"{ROOT}.99"),
        element(0x20, 0x0E, "UI", f"{ROOT}.{series}"),
        element(0x20, 0x13, "IS", instance),
        element(0x20, 0x9311, "CS", "TILED_FULL"),
        element(0x28, 0x02, "US", samples),
        element(0x28, 0x04, "CS", photometric),
        *([element(0x28, 0x06, "US", 0)] if samples > 1 else []),
        element(0x28, 0x08, "IS", rows * columns),
        element(0x28, 0x10, "US", TILE_PX),
        element(0x28, 0x11, "US", TILE_PX),
        element(0x28, 0x0100, "US", bits),
        element(0x28, 0x0101, "US", bits),
        element(0x28, 0x0102, "US", bits - 1),
        element(0x28, 0x0103, "US", 0),
        element(0x48, 0x06, "UL", width),
        element(0x48, 0x07, "UL", height),
        element(0x48, 0x0105, "SQ", [element(0x48, 0x0106, "SH", "1")]),
        element(0x48, 0x0302, "UL", 1),
        element(0x48, 0x0303, "UL", 1),
        element(0x5200, 0x9229, "SQ", [element(0x28, 0x9110, "SQ", [spacing])]),
        element(0x7FE0, 0x10, "OB" if bits == 8 else "OW", frames.tobytes()),
    ]
    left_out = [struct.pack("<HH", *tag) for tag in without]
    content = [part for part in content if part[:4] not in left_out]
    length = element(2, 0, "UL", len(meta))
    path.write_bytes(bytes(128) + b"DICM" + length + meta + b"".join(content))
    return path


def write_dicom_slide(folder: Path, picture: Pixels, *, mpp: float = 0.5, series: int = 1) -> Path:
    """Write a whole-slide image of two levels, a file each, into a folder; return the folder."""
    from .slides import block_means

    folder.mkdir(parents=True, exist_ok=True)
    for level, factor in enumerate((1, 4)):
        write_dicom(
            folder / f"{series}_{level}.dcm", block_means(picture, factor), series=series,
            instance=level + 1, level=level, mpp=mpp * factor,
        )  # fmt: skip
    return folder
