"""ICC profiles of made-up scanners, written byte by byte."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

PRIMARIES_D50 = np.array([[0.55, 0.28, 0.134], [0.29, 0.63, 0.08], [0.02, 0.09, 0.715]])
"""XYZ of the scanner's red, green and blue, as columns; white is D50."""

XYZ_TO_SRGB = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ]
)
"""From XYZ under D50 to linear sRGB (Lindbloom's matrix, adapted by Bradford's method)."""


def _tag(kind: bytes, body: bytes) -> bytes:
    data = kind + bytes(4) + body
    return data + bytes(-len(data) % 4)


def _xyz(values: npt.ArrayLike) -> bytes:
    return _tag(b"XYZ ", b"".join(struct.pack(">i", round(65536 * v)) for v in np.ravel(values)))


def scanner_profile(gamma: float, name: str = "Scanner of the tests") -> bytes:
    """Write a version 2 matrix profile of an RGB device with `PRIMARIES_D50` and a gamma."""
    ascii_name = name.encode() + b"\0"
    described = struct.pack(">I", len(ascii_name)) + ascii_name + bytes(4 + 4 + 2 + 1 + 67)
    curve = _tag(b"curv", struct.pack(">IH", 1, round(256 * gamma)))
    tags = {
        b"desc": _tag(b"desc", described),
        b"cprt": _tag(b"text", b"CC0\0"),
        b"wtpt": _xyz([0.9642, 1.0, 0.8249]),
        b"rXYZ": _xyz(PRIMARIES_D50[:, 0]),
        b"gXYZ": _xyz(PRIMARIES_D50[:, 1]),
        b"bXYZ": _xyz(PRIMARIES_D50[:, 2]),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for signature, data in tags.items():
        table += signature + struct.pack(">II", start + len(body), len(data))
        body += data
    header = struct.pack(">I4sI", start + len(body), bytes(4), 0x02100000) + b"scnrRGB XYZ "
    header += bytes(12) + b"acsp" + bytes(28)
    header += b"".join(struct.pack(">i", round(65536 * v)) for v in (0.9642, 1.0, 0.8249))
    return header + bytes(128 - len(header)) + table + body


def expected_srgb(image: npt.NDArray[np.uint8], gamma: float) -> npt.NDArray[np.float64]:
    """Convert pixels (..., 3) of that scanner to sRGB by the definitions alone."""
    linear = (image / 255.0) ** gamma @ PRIMARIES_D50.T @ XYZ_TO_SRGB.T
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
