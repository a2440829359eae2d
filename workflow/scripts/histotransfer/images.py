"""Encoded images in HDF5: the pixels of a patch store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import h5py
import imagecodecs
import numpy as np
import numpy.typing as npt

from .errors import HistotransferError
from .store import create_store

CHUNK_ROWS = 256
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_END, JPEG_END = b"IEND\xaeB`\x82", b"\xff\xd9"


def encode(rgb: npt.NDArray[np.uint8], codec: str, jpeg_quality: int) -> npt.NDArray[np.uint8]:
    """Encode an image (h, w, 3) as JPEG (chroma not subsampled) or PNG bytes (n,)."""
    if codec == "jpeg":
        encoded = imagecodecs.jpeg8_encode(rgb, level=jpeg_quality, subsampling="444")
    elif codec == "png":
        encoded = imagecodecs.png_encode(rgb)
    else:
        raise HistotransferError("patches: codec", f"{codec!r} is unknown", "Choose jpeg or png")
    return np.frombuffer(encoded, np.uint8)


def decode(buffer: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Decode one stored image to (h, w, 3) uint8 RGB.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    encoded = buffer.tobytes()
    is_png = encoded.startswith(PNG_SIGNATURE)
    if (PNG_END if is_png else JPEG_END) not in encoded:
        raise ValueError("it is cut short")  # of which a decoder would make grey pixels
    try:
        return np.asarray((imagecodecs.png_decode if is_png else imagecodecs.jpeg8_decode)(encoded))
    except RuntimeError as error:  # of which the codecs' errors are kinds
        raise ValueError(str(error)) from error


def read_images(store: h5py.File, start: int, stop: int) -> npt.NDArray[np.uint8]:
    """Decode the images of rows `start` to `stop` of an open patch store.

    Returns
    -------
    ndarray, (k, patch_px, patch_px, 3), uint8
        RGB; k is smaller than asked for at the end of the store.

    Raises
    ------
    HistotransferError
        If an image is damaged.
    """
    encoded = store["images"][start:stop]
    size = int(store.attrs["patch_px"])
    images = np.empty((len(encoded), size, size, 3), np.uint8)
    for row, buffer in enumerate(encoded):
        try:
            images[row] = decode(buffer)
        except ValueError as error:
            raise HistotransferError(
                store.filename,
                f"its image {start + row} cannot be decoded ({error})",
                "Delete this file and run the workflow again to make it anew",
            ) from error
    return images


@contextmanager
def create_patch_store(path: str | Path, attrs: Mapping[str, Any]) -> Iterator[h5py.File]:
    """Write a patch store (`patches/1`) without images yet; it appears at `path` when complete."""
    with create_store(path, "patches/1", attrs) as store:
        store.create_dataset(
            "images", (0,), h5py.vlen_dtype(np.uint8), maxshape=(None,), chunks=(CHUNK_ROWS,)
        )
        yield store


def append_images(store: h5py.File, encoded: Iterable[npt.NDArray[np.uint8]]) -> None:
    """Append encoded images (n,) to a patch store that is being written, a chunk at a time."""
    images, waiting = store["images"], iter(encoded)
    while rows := list(islice(waiting, CHUNK_ROWS)):
        images.resize((len(images) + len(rows),))
        images[-len(rows) :] = rows
