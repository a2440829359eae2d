"""Patch stores to feature files: one pass for all extractors that share a trunk.

Keras is imported only once a store with patches needs the network, so a job of empty or finished
stores costs nothing.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from ..core.errors import HistotransferError
from ..core.files import check_digest, file_digest, remake
from ..core.hdf5 import create_store, open_store, store_digest
from ..core.progress import Progress
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
BATCH = TableSchema.of("batch", "text: store extractor", "integer: patches", "text: key")
"""The manifest of a batch: of slides, or of one dataset."""
ROWS_PER_CHUNK = 512
BATCHES_AHEAD = 2


def by_id(paths: Iterable[str | Path]) -> dict[str, Path]:
    """Return files that are named after their slides or datasets, by the id in their name."""
    return {Path(path).stem: Path(path) for path in paths}


@dataclass(frozen=True)
class Target:
    """A ``features/1`` file to write.

    Attributes
    ----------
    path : Path
        The file.
    columns : slice
        Those of its extractor among features that stand side by side.
    attrs : mapping of str to str
        `slide` or `dataset`, `extractor`, `key`, and how the features were computed.
    """

    path: Path
    columns: slice
    attrs: Mapping[str, str]


def extract(
    models: Mapping[str, str | Path],
    stores: Mapping[str, Path],
    outputs: Mapping[str, Mapping[str, Path]],
    *,
    cut: str,
    parameters: ExtractionParameters,
    code: str,
    threads: int = 0,
) -> None:
    """Write the features of several patch stores, of several extractors.

    Extractors that are equal below a block share one pass: what is below is computed once. A file
    that exists, made from the same model and patches by the same code, is skipped, so a job that
    was cut short resumes where it stopped, and an extractor that joins later is computed alone.

    Parameters
    ----------
    models : mapping of str to path
        The ``.keras`` file of each extractor.
    stores : mapping of str to Path
        ``patches/1`` files by their slide or dataset.
    outputs : mapping of str to mapping
        By extractor, the ``features/1`` file of each store: `features` (n, d), with `coords`, or
        `labels`, `names` and `groups`, as in the store; a slide's features also go by the name
        `feats`.
    cut : str
        The block of Xception below which extractors may be equal; empty to compute each alone.
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
    for path in models.values():
        check_digest(path)
        choose_library(path)
    runtime = resolve(parameters.compute)
    for names, where in _sharing(models, cut):
        made_by = (SCHEMA, parameters.dtype, code, repr(runtime), where)
        missing = _missing({name: models[name] for name in names}, stores, outputs, made_by)
        together = [name for name in names if any(name in keys for keys in missing.values())]
        columns = _columns({name: models[name] for name in together})
        network: Network | None = None
        for number, (name, keys) in enumerate(missing.items(), 1):
            with open_store(stores[name], PATCHES_SCHEMA) as store:
                identity, count = _identity(store, name), len(store["images"])
                targets = [
                    Target(
                        outputs[extractor][name],
                        columns[extractor],
                        {**identity, "extractor": extractor, "key": key, **runtime.as_attrs()},
                    )
                    for extractor, key in keys.items()
                ]
                if count and network is None:
                    paths = [models[extractor] for extractor in together]
                    network = open_network(paths, where, parameters, runtime, threads)
                started = time.perf_counter()
                rows = iter(()) if network is None else compute_features(store, network, threads)
                rows = Progress(log, f"{name} ({number} of {len(missing)})", count).each(rows)
                write_features(rows, targets, count, parameters.dtype, store)
                rate = count / (time.perf_counter() - started)
                log.info("%s: %d patches, %.1f patches/s: %s", name, count, rate, ", ".join(keys))


def open_network(
    paths: Sequence[str | Path],
    cut: str,
    parameters: ExtractionParameters,
    runtime: Runtime,
    threads: int,
) -> Network:
    """Load an extractor, or several that are equal below a block (`cut`), ready to compute."""
    path, *beside = paths
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
        beside=beside,
        cut=cut,
        mixed_precision=runtime.mixed,
        threads=threads,
        jit=runtime.jit,
        gpu=parameters.compute.gpu,
    )


def _sharing(models: Mapping[str, str | Path], cut: str) -> list[tuple[list[str], str]]:
    """Gather extractors that are equal below a block; return each group with its cut.

    A model whose file does not tell what is below the block is computed alone and in one part.
    """
    groups: dict[str, list[str]] = {}
    alone = []
    for name, path in models.items():
        digest = metadata(path).get("trunks", {}).get(cut) if cut else None
        if digest is None:
            alone.append(([name], ""))
        else:
            groups.setdefault(digest, []).append(name)
    for names in groups.values():
        log.info("below %s in one pass: %s", cut, ", ".join(names))
    return [*((names, cut) for names in groups.values()), *alone]


def _missing(
    models: Mapping[str, str | Path],
    stores: Mapping[str, Path],
    outputs: Mapping[str, Mapping[str, Path]],
    made_by: Sequence[str],
) -> dict[str, dict[str, str]]:
    """Return the keys of the files that are still to be written, by store and extractor."""
    digests = {name: file_digest(path) for name, path in models.items()}
    missing: dict[str, dict[str, str]] = {}
    for store, path in stores.items():
        patches = store_digest(path)
        for name, digest in digests.items():
            text = " ".join((*made_by, digest, patches))
            key, output = hashlib.sha256(text.encode()).hexdigest(), outputs[name][store]
            if _is_done(output, name, key):
                log.info("%s: already done", output)
            else:
                missing.setdefault(store, {})[name] = key
    return missing


def _columns(models: Mapping[str, str | Path]) -> dict[str, slice]:
    """Return where each extractor's features are when they stand side by side."""
    ends = np.cumsum([output_width(path) for path in models.values()]).tolist()
    return {
        name: slice(start, end) for name, start, end in zip(models, [0, *ends], ends, strict=False)
    }


def write_manifest(outputs: Mapping[str, Mapping[str, Path]], path: str | Path) -> None:
    """List the ``features/1`` files of a batch, by extractor, in the table `BATCH`."""
    rows = []
    for extractor, files in outputs.items():
        for store, output in files.items():
            with open_store(output, SCHEMA, extractor=extractor) as file:
                _identity(file, store)
                rows.append((store, extractor, len(file["features"]), file.attrs["key"]))
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
    rows: Iterable[npt.NDArray[np.float32]],
    targets: Sequence[Target],
    count: int,
    dtype: str,
    patches: h5py.File,
) -> None:
    """Write rows as they come, a chunk at a time, so that any slide fits into the memory.

    There are `count` rows together, each with the features of all extractors, of which a target
    takes its columns. One whose features are not finite is an error, and the others are kept.
    """
    kept = {
        name: patches[name] for name in ("coords", "labels", "names", "groups") if name in patches
    }
    classes = {name: patches.attrs[name] for name in ("classes",) if name in patches.attrs}
    bad = [0] * len(targets)
    with ExitStack() as all_files:
        # Each file is finished apart from the others.
        endings = [all_files.enter_context(ExitStack()) for _ in targets]
        files = []
        for target, ending in zip(targets, endings, strict=True):
            attrs = {**target.attrs, **classes}
            file = ending.enter_context(create_store(target.path, SCHEMA, attrs))
            width = target.columns.stop - target.columns.start
            chunks = (min(ROWS_PER_CHUNK, count), width) if count else None
            file.create_dataset("features", (count, width), dtype, chunks=chunks)
            files.append(file)
        done = 0
        for chunk in _chunks(rows):
            for place, (file, target) in enumerate(zip(files, targets, strict=True)):
                with np.errstate(over="ignore"):  # found by the check below
                    stored = chunk[:, target.columns].astype(dtype)
                bad[place] += int(np.sum(~np.isfinite(stored).all(axis=1)))
                file["features"][done : done + len(stored)] = stored
            done += len(chunk)
        for place in sorted(range(len(targets)), key=bad.__getitem__):
            with endings[place]:
                if bad[place]:
                    raise HistotransferError(
                        patches.filename,
                        f"{bad[place]} of {count} patches have features of "
                        f"{targets[place].attrs['extractor']} that are not finite in {dtype}",
                        "Set features.dtype to float32, or check how the extractor was trained",
                    )
                for dataset in kept.values():
                    patches.copy(dataset, files[place])
                if "slide" in targets[place].attrs:
                    files[place]["feats"] = h5py.SoftLink("features")  # the name that STAMP reads


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
