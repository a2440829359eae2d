"""Patch stores to feature files: one pass of the network, decoding in other threads.

Keras is imported only once a store with patches needs the network, so a job of empty or finished
stores costs nothing.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from ..core.errors import HistotransferError
from ..core.files import check_digest, file_digest, remake
from ..core.hdf5 import create_store, open_store, store_digest
from ..core.tables import TableSchema, write_table
from ..models.model_files import choose_library, is_of_torch, metadata
from ..models.runtime import Runtime, resolve
from ..patches.store import read_images
from ..study.parameters import ExtractionParameters

if TYPE_CHECKING:
    from ..models.inference import Network

log = logging.getLogger(__name__)

SCHEMA = "features/1"
PATCHES_SCHEMA = "patches/1"
BATCH = TableSchema.of("batch", "text: slide extractor", "integer: patches", "text: key")
"""The manifest of a batch of slides."""
ROWS_PER_CHUNK = 512
BATCHES_AHEAD = 2


def by_id(paths: Iterable[str | Path]) -> dict[str, Path]:
    """Return files that are named after their slides or datasets, by the id in their name."""
    return {Path(path).stem: Path(path) for path in paths}


def extract(
    model_path: str | Path,
    stores: Mapping[str, Path],
    outputs: Mapping[str, Path],
    *,
    extractor: str,
    parameters: ExtractionParameters,
    code: str,
    threads: int = 0,
) -> None:
    """Write the features of several patch stores.

    A store whose output exists, made from the same model and patches by the same code, is skipped,
    so a job that was cut short resumes where it stopped.

    Parameters
    ----------
    model_path : str or Path
        The extractor's ``.keras`` file.
    stores : mapping of str to Path
        ``patches/1`` files by their slide or dataset.
    outputs : mapping of str to Path
        The ``features/1`` file of each: `features` (n, d), with `coords`, or `labels`, `names`
        and `groups`, as in the store; a slide's features also go by the name `feats`.
    extractor : str
        The extractor's id.
    parameters : ExtractionParameters
        How to compute and store the features.
    code : str
        Digest of the code that computes the features.
    threads : int
        CPU threads of the network, and as many that decode; 0 lets the network decide.

    Raises
    ------
    HistotransferError
        If a store is of another slide or dataset, its patches are not of the extractor's size, or a
        feature is not a finite number in the type of the file.
    """
    check_digest(model_path)
    model_digest = file_digest(model_path)
    choose_library(model_path)
    runtime = resolve(parameters.compute)
    width = output_width(model_path)
    network: Network | None = None
    for name, path in stores.items():
        output = outputs[name]
        made_by = (SCHEMA, model_digest, parameters.dtype, code, repr(runtime), store_digest(path))
        key = hashlib.sha256(" ".join(made_by).encode()).hexdigest()
        if _is_done(output, extractor, key):
            log.info("%s: already done", output)
            continue
        with open_store(path, PATCHES_SCHEMA) as store:
            attrs = {**_identity(store, name), "extractor": extractor, "key": key}
            attrs |= runtime.as_attrs()
            count = len(store["images"])
            if count and network is None:
                network = open_network(model_path, parameters, runtime, threads)
            started = time.perf_counter()
            rows = iter(()) if network is None else compute_features(store, network, threads)
            write_features(output, rows, (count, width), parameters.dtype, store, attrs)
            seconds = time.perf_counter() - started
            log.info("%s: %d patches, %.1f patches/s", path, count, count / seconds)


def open_network(
    path: str | Path, parameters: ExtractionParameters, runtime: Runtime, threads: int
) -> Network:
    """Load an extractor of the study, ready to compute."""
    if is_of_torch(path):
        from ..models.torch_network import TorchNetwork

        return TorchNetwork(
            path,
            parameters.batch_size,
            mixed_precision=runtime.mixed,
            threads=threads,
            gpu=parameters.compute.gpu,
        )
    from ..models.inference import Network

    return Network(
        path,
        parameters.batch_size,
        mixed_precision=runtime.mixed,
        threads=threads,
        jit=runtime.jit,
        gpu=parameters.compute.gpu,
    )


def write_manifest(outputs: Mapping[str, Path], path: str | Path, *, extractor: str) -> None:
    """List the ``features/1`` files of a batch of slides in the table `BATCH`."""
    rows = []
    for slide, output in outputs.items():
        with open_store(output, SCHEMA, slide=slide, extractor=extractor) as file:
            rows.append((slide, extractor, len(file["features"]), file.attrs["key"]))
    write_table(pd.DataFrame(rows, columns=list(BATCH.columns)), path, BATCH)


def output_width(model_path: str | Path) -> int:
    """Return the number of features of an extractor of the study, without importing Keras."""
    return int(metadata(model_path)["output_width"])


def compute_features(
    store: h5py.File, network: Network, threads: int = 1
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield the features of a few patches at a time while `threads` decode the next ones."""
    yield from network.run_all(_decoded(store, network.batch_size, max(1, threads)))


def _decoded(store: h5py.File, size: int, threads: int) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield the patches of a store in order, `size` at a time, decoded ahead."""
    waiting: deque[Future[npt.NDArray[np.uint8]]] = deque()
    # Two readers, so that the file is read for one batch while another one is decoded.
    with ThreadPoolExecutor(threads) as decoders, ThreadPoolExecutor(2) as readers:
        for start in range(0, len(store["images"]), size):
            waiting.append(readers.submit(read_images, store, start, start + size, decoders))
            if len(waiting) > BATCHES_AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def write_features(
    output: Path,
    rows: Iterable[npt.NDArray[np.float32]],
    shape: tuple[int, int],
    dtype: str,
    patches: h5py.File,
    attrs: Mapping[str, str],
) -> None:
    """Write rows as they come, a chunk at a time, so that any slide fits into the memory.

    Rows are of shape (any, d) and have n together, which `shape` is: (n, d). The attributes are
    `slide` or `dataset`, `extractor` and `key`.
    """
    if "classes" in patches.attrs:
        attrs = {**attrs, "classes": patches.attrs["classes"]}
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
                f"{bad} of {count} patches have features that are not finite in {dtype}",
                "Set features.dtype to float32, or check how the extractor was trained",
            )
        for name in ("coords", "labels", "names", "groups"):
            if name in patches:
                patches.copy(name, file)
        if "slide" in attrs:
            file["feats"] = h5py.SoftLink("features")  # the name that STAMP reads


def _identity(store: h5py.File, name: str) -> dict[str, str]:
    """Return a patch store's slide or dataset as an attribute, once it is the one expected."""
    kind = "slide" if "slide" in store.attrs else "dataset"
    if (found := store.attrs[kind]) != name:
        raise HistotransferError(
            store.filename, f"is of {kind} {found}, expected {name}", remake(store.filename)
        )
    return {kind: name}


def _is_done(output: Path, extractor: str, key: str) -> bool:
    if not output.exists():
        return False
    try:
        with open_store(output, SCHEMA, extractor=extractor, key=key):
            return True
    except HistotransferError:  # damaged, or made from something else: write it again
        return False


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
