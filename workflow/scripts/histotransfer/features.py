"""Patch stores to feature files: one pass of the network, decoding in its own thread.

Keras is imported only once a store with patches needs the network, so that a job of empty or
finished stores costs nothing.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
import numpy.typing as npt

from .errors import HistotransferError
from .store import create_store, file_digest, open_store, write_table

log = logging.getLogger(__name__)

SCHEMA = "features/1"
PATCHES_SCHEMA = "patches/1"
ROWS_PER_CHUNK = 512
BATCHES_AHEAD = 2

T = TypeVar("T")
R = TypeVar("R")


def extract(
    model_path: str | Path,
    stores: Sequence[Path],
    outputs: Sequence[Path],
    *,
    extractor: str,
    batch_size: int,
    dtype: str,
    code: str,
    mixed_precision: bool = False,
    threads: int = 0,
) -> None:
    """Write the features of several patch stores.

    A store whose output exists and was made from the same model and patches by the same code is
    left alone, so a job that was cut short goes on where it stopped.

    Parameters
    ----------
    model_path : str or Path
        The extractor's ``.keras`` file.
    stores : sequence of Path
        ``patches/1`` files.
    outputs : sequence of Path
        The ``features/1`` file of each: `features` (m, d), with `coords` or `labels` and `names`
        as in the store.
    extractor : str
        The extractor's name, noted in the files.
    batch_size : int
        Patches per step of the network; the last batch of a store is filled up with zeros, so that
        the network is compiled once and a patch's features do not depend on its neighbours.
    dtype : str
        ``float16`` or ``float32``, of the features in the file.
    code : str
        Digest of the code that computes the features.
    mixed_precision : bool
        Compute in float16 where there is a GPU.
    threads : int
        CPU threads of the network; 0 leaves the choice to it.

    Raises
    ------
    HistotransferError
        If the patches are not of the extractor's size, or a feature is not a finite number in
        `dtype`.
    """
    model_digest = file_digest(model_path)
    made_by = (SCHEMA, model_digest, dtype, code, "mixed" if mixed_precision else "single")
    keys = [_key(*made_by, file_digest(store)) for store in stores]
    width = output_width(model_path)
    run: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]] | None = None
    for path, output, key in zip(stores, outputs, keys, strict=True):
        if _has_key(output, key):
            log.info("%s: already done", output)
            continue
        with open_store(path, PATCHES_SCHEMA) as store:
            count = len(store["images"])
            features = np.empty((count, width), dtype=dtype)
            if count:
                if run is None:
                    run = _network(model_path, mixed_precision, threads)
                started = time.perf_counter()
                for start, rows in _batches(store, run, batch_size):
                    with np.errstate(over="ignore"):  # found by the check below
                        features[start : start + len(rows)] = rows
                _check_finite(features, path, dtype)
                seconds = time.perf_counter() - started
                log.info("%s: %d patches, %.1f patches/s", path, count, count / seconds)
            _write(output, features, store, extractor=extractor, key=key)


def write_manifest(outputs: Sequence[str | Path], path: str | Path) -> None:
    """List the feature files of a batch, once all are there.

    Parameters
    ----------
    outputs : sequence of str or Path
        ``features/1`` files.
    path : str or Path
        A TSV table of file, patches, key.
    """
    import pandas as pd

    rows = []
    for output in outputs:
        with open_store(output, SCHEMA) as file:
            rows.append((Path(output).name, len(file["features"]), file.attrs["key"]))
    write_table(pd.DataFrame(rows, columns=["file", "patches", "key"]), path)


def output_width(model_path: str | Path) -> int:
    """Return the number of features of an extractor of ours, without importing Keras."""
    with zipfile.ZipFile(model_path) as archive:
        return int(json.loads(archive.read("metadata.json"))["output_width"])


def _key(*made_by: str) -> str:
    return hashlib.sha256(" ".join(made_by).encode()).hexdigest()


def _has_key(output: Path, key: str) -> bool:
    if not Path(output).exists():
        return False
    try:
        with open_store(output, SCHEMA) as file:
            return bool(file.attrs["key"] == key)
    except (HistotransferError, KeyError):  # damaged or foreign: made anew
        return False


def _network(
    model_path: str | Path, mixed_precision: bool, threads: int
) -> Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]:
    from . import backend, network

    backend.configure(threads=threads)
    model = network.load_extractor(model_path)
    if mixed_precision and backend.device() == "gpu":
        network.set_precision(model, mixed=True)

    def run(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        network.check_size(model_path, model, images.shape[1])
        return np.asarray(model.predict_on_batch(images))

    return run


def _batches(
    store: h5py.File,
    run: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]],
    batch_size: int,
) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
    """Yield (first row, features) while the next patches are being decoded."""
    from .images import read_images

    def decoded(start: int) -> npt.NDArray[np.uint8]:
        return read_images(store, start, start + batch_size)

    starts = range(0, len(store["images"]), batch_size)
    for start, images in zip(starts, _ahead(decoded, starts), strict=True):
        missing = batch_size - len(images)
        padded = np.pad(images, ((0, missing), (0, 0), (0, 0), (0, 0)))
        yield start, run(padded)[: len(images)]


def _ahead(function: Callable[[T], R], arguments: Iterable[T]) -> Iterator[R]:
    """Map in order, computing a few results ahead in another thread."""
    waiting: deque[Future[R]] = deque()
    with ThreadPoolExecutor(max_workers=1) as pool:
        for argument in arguments:
            waiting.append(pool.submit(function, argument))
            if len(waiting) > BATCHES_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _check_finite(features: npt.NDArray[Any], path: Path, dtype: str) -> None:
    if bad := int(np.sum(~np.isfinite(features).all(axis=1))):
        raise HistotransferError(
            path,
            f"{bad} of {len(features)} patches have features that are no finite {dtype}",
            "Set features.dtype to float32, or look at the extractor's training",
        )


def _write(
    output: Path, features: npt.NDArray[Any], patches: h5py.File, *, extractor: str, key: str
) -> None:
    item = "slide" if "slide" in patches.attrs else "dataset"
    attrs = {item: patches.attrs[item], "extractor": extractor, "key": key}
    if "classes" in patches.attrs:
        attrs["classes"] = patches.attrs["classes"]
    with create_store(output, SCHEMA, attrs) as file:
        chunks = (min(ROWS_PER_CHUNK, len(features)), features.shape[1]) if len(features) else None
        file.create_dataset("features", data=features, chunks=chunks)
        for name in ("coords", "labels", "names"):
            if name in patches:
                patches.copy(name, file)
