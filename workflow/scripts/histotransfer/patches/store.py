"""Patch stores: encoded images in HDF5."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ..core.errors import HistotransferError
from ..core.files import remake
from ..core.hdf5 import create_store
from ..imaging.codecs import decode

CHUNK_ROWS = 256
DECODED_TOGETHER = 16
"""Images that a thread decodes at a time: one takes less than handing it over is worth."""


def read_images(
    store: h5py.File, start: int, stop: int, pool: Executor | None = None
) -> npt.NDArray[np.uint8]:
    """Decode rows `start` to `stop` of an open patch store to RGB (k, patch_px, patch_px, 3).

    There are fewer of them at the end of the store. The threads of a pool share the work, a few
    images at a time. A damaged image raises HistotransferError.
    """
    encoded = store["images"][start:stop]
    size = int(store.attrs["patch_px"])
    images = np.empty((len(encoded), size, size, 3), np.uint8)

    def decode_rows(first: int) -> None:
        for row, buffer in enumerate(encoded[first : first + DECODED_TOGETHER], start=first):
            try:
                images[row] = decode(buffer)
            except ValueError as error:
                raise HistotransferError(
                    store.filename,
                    f"has an image that cannot be decoded (row {start + row}: {error})",
                    remake(store.filename),
                ) from error

    for _ in (map if pool is None else pool.map)(
        decode_rows, range(0, len(encoded), DECODED_TOGETHER)
    ):
        pass
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
