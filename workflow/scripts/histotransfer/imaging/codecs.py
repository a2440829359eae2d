"""Encoded images in HDF5: the pixels of a patch store."""

from __future__ import annotations

import imagecodecs
import numpy as np
import numpy.typing as npt

from ..core.errors import HistotransferError

COLOURS = {3: imagecodecs.JPEG8.CS.RGB, 4: imagecodecs.JPEG8.CS.EXT_RGBA}
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_END, JPEG_END = b"IEND\xaeB`\x82", b"\xff\xd9"


def encode(rgb: npt.NDArray[np.uint8], codec: str, jpeg_quality: int) -> npt.NDArray[np.uint8]:
    """Encode an image as JPEG (chroma not subsampled) or PNG bytes (n,).

    It is RGB (h, w, 3), or has a fourth channel that is not stored.
    """
    if codec == "jpeg":
        encoded = imagecodecs.jpeg8_encode(
            rgb,
            level=jpeg_quality,
            colorspace=COLOURS[rgb.shape[-1]],
            outcolorspace=imagecodecs.JPEG8.CS.YCbCr,
            subsampling="444",
        )
    elif codec == "png":
        encoded = imagecodecs.png_encode(np.ascontiguousarray(rgb[..., :3]))
    else:
        raise HistotransferError("patches: codec", f"{codec!r} is unknown", "Choose jpeg or png")
    return np.frombuffer(encoded, np.uint8)


def decode(buffer: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Decode one stored image to (h, w, 3) uint8 RGB; a damaged one raises ValueError."""
    encoded = buffer.tobytes()
    is_png = encoded.startswith(PNG_SIGNATURE)
    if (PNG_END if is_png else JPEG_END) not in encoded:
        raise ValueError("it is cut short")  # a decoder would fill in grey pixels
    try:
        return np.asarray((imagecodecs.png_decode if is_png else imagecodecs.jpeg8_decode)(encoded))
    except RuntimeError as error:  # the base class of the codecs' errors
        raise ValueError(str(error)) from error
