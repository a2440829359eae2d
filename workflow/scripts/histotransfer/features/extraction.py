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
from typing import TypeVar

import h5py
import numpy as np
import numpy.typing as npt

from ..core.errors import HistotransferError
from ..core.files import check_digest, file_digest
from ..core.hdf5 import create_store, open_store, store_digest
from ..core.tables import write_table

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
    batch_size: int | str,
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
        as in the store; a slide's features also go by the name `feats`.
    extractor : str
        The extractor's name, noted in the files.
    batch_size : int or "auto"
        Patches per step of the network, or `best_batch_size` as measured here and now; halved when
        the memory does not hold it. The last batch of a store is filled up with zeros, so that the
        network is compiled once and a patch's features do not depend on its neighbours.
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
    check_digest(model_path)
    model_digest = file_digest(model_path)
    made_by = (SCHEMA, model_digest, dtype, code, "mixed" if mixed_precision else "single")
    keys = [_key(*made_by, store_digest(store)) for store in stores]
    width = output_width(model_path)
    network: _Network | None = None
    for path, output, key in zip(stores, outputs, keys, strict=True):
        if _has_key(output, key):
            log.info("%s: already done", output)
            continue
        with open_store(path, PATCHES_SCHEMA) as store:
            count = len(store["images"])
            if count and network is None:
                network = _Network(model_path, batch_size, mixed_precision, threads)
            started = time.perf_counter()
            rows = iter(()) if network is None else _rows(store, network)
            _write(output, rows, (count, width), dtype, store, extractor=extractor, key=key)
            seconds = time.perf_counter() - started
            log.info("%s: %d patches, %.1f patches/s", path, count, count / seconds)


def best_batch_size(rate: Callable[[int], float], *, largest: int = 512) -> int:
    """Find the batch size from which on a larger one gains less than 5 %.

    Parameters
    ----------
    rate : callable
        Patches per second at a batch size; raises what `backend.is_out_of_memory` knows where the
        memory does not hold it.
    largest : int
        Not to be exceeded.

    Returns
    -------
    int
        A power of two, at least 8 (smaller where the memory demands it).
    """
    from ..models import backend

    size, best, best_rate = 8, 0, 0.0
    while size <= largest:
        try:
            measured = rate(size)
        except Exception as error:
            if not backend.is_out_of_memory(error):
                raise
            return best or max(1, size // 2)
        log.info("batches of %d: %.1f patches/s", size, measured)
        if measured < 1.05 * best_rate:
            return best
        size, best, best_rate = 2 * size, size, measured
    return best


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


class _Network:
    """An extractor in memory, with the batch size that the memory holds."""

    def __init__(
        self, path: str | Path, batch_size: int | str, mixed_precision: bool, threads: int
    ) -> None:
        from ..models import backend, keras_files, xception

        backend.configure(threads=threads)
        self._path, self._is_out_of_memory = path, backend.is_out_of_memory
        self._model = keras_files.load_extractor(path)
        if mixed_precision and backend.device() == "gpu":
            xception.set_precision(self._model, mixed=True)
        if batch_size == "auto":
            batch_size = best_batch_size(self._rate)
            log.info("batches of %d", batch_size)
        self.batch_size = int(batch_size)

    def run(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the features (n, d) of images (n, s, s, 3)."""
        from ..models import keras_files

        keras_files.check_size(self._path, self._model, images.shape[1])
        while True:
            size = self.batch_size
            try:
                parts = [
                    self._step(images[start : start + size], size)
                    for start in range(0, len(images), size)
                ]
            except Exception as error:
                if not self._is_out_of_memory(error):
                    raise
                if size == 1:
                    raise HistotransferError(
                        self._path,
                        f"the memory does not hold a single patch of {images.shape[1]} px",
                        "Free the device's memory or choose a smaller extractor",
                    ) from error
                self.batch_size = size // 2
                log.warning("out of memory: going on with batches of %d", self.batch_size)
            else:
                return np.concatenate(parts)

    def _step(self, images: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.float32]:
        missing = size - len(images)
        padded = np.pad(images, ((0, missing), (0, 0), (0, 0), (0, 0)))
        return np.asarray(self._model.predict_on_batch(padded))[: len(images)]

    def _rate(self, size: int) -> float:
        """Measure patches per second over at least half a second, after a first step."""
        images = np.zeros((size, *self._model.input_shape[1:]), dtype=np.uint8)
        self._model.predict_on_batch(images)
        steps, started = 0, time.perf_counter()
        while (seconds := time.perf_counter() - started) < 0.5:
            self._model.predict_on_batch(images)
            steps += 1
        return steps * size / seconds


def _rows(store: h5py.File, network: _Network) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the features of a few patches at a time while the next ones are being decoded."""
    from ..patches.store import read_images

    size = network.batch_size

    def decoded(start: int) -> npt.NDArray[np.uint8]:
        return read_images(store, start, start + size)

    for images in _ahead(decoded, range(0, len(store["images"]), size)):
        yield network.run(images)


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


def _write(
    output: Path,
    rows: Iterable[npt.NDArray[np.float32]],
    shape: tuple[int, int],
    dtype: str,
    patches: h5py.File,
    *,
    extractor: str,
    key: str,
) -> None:
    """Write rows as they come, a chunk at a time, so that no slide is too large for the memory."""
    item = "slide" if "slide" in patches.attrs else "dataset"
    attrs = {item: patches.attrs[item], "extractor": extractor, "key": key}
    if "classes" in patches.attrs:
        attrs["classes"] = patches.attrs["classes"]
    with create_store(output, SCHEMA, attrs) as file:
        count, width = shape
        chunks = (min(ROWS_PER_CHUNK, count), width) if count else None
        features = file.create_dataset("features", shape, dtype, chunks=chunks)
        done = bad = 0
        for chunk in _chunks(rows):
            with np.errstate(over="ignore"):  # found by the check below
                stored = chunk.astype(dtype)
            bad += int(np.sum(~np.isfinite(stored).all(axis=1)))
            features[done : done + len(stored)] = stored
            done += len(stored)
        if bad:
            raise HistotransferError(
                patches.filename,
                f"{bad} of {count} patches have features that are no finite {dtype}",
                "Set features.dtype to float32, or look at the extractor's training",
            )
        for name in ("coords", "labels", "names"):
            if name in patches:
                patches.copy(name, file)
        if item == "slide":
            file["feats"] = h5py.SoftLink("features")  # the name that STAMP reads


def _chunks(rows: Iterable[npt.NDArray[np.float32]]) -> Iterator[npt.NDArray[np.float32]]:
    """Gather rows into blocks of `ROWS_PER_CHUNK`; the last may be shorter."""
    waiting: list[npt.NDArray[np.float32]] = []
    for part in rows:
        waiting.append(part)
        while sum(map(len, waiting)) >= ROWS_PER_CHUNK:
            together = np.concatenate(waiting)
            yield together[:ROWS_PER_CHUNK]
            waiting = [together[ROWS_PER_CHUNK:]]
    if any(map(len, waiting)):
        yield np.concatenate(waiting)
