"""What the frozen blocks of a network return for every patch, computed once and kept on disk."""

from __future__ import annotations

import logging
import math
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ..core.errors import HistotransferError
from ..core.progress import Progress
from ..patches.store import read_images
from . import backend
from .augmentation import Augmentation
from .backend import keras

log = logging.getLogger(__name__)

FEATURES, ACTIVATIONS = "features", "activations"
_DTYPES: dict[str, np.dtype[Any]] = {FEATURES: np.dtype("f4"), ACTIVATIONS: np.dtype("f2")}


@contextmanager
def work_folder(path: str | Path) -> Iterator[Path]:
    """Make a folder for the outputs, and delete them at the end; a checkpoint in it survives.

    What a killed run left is deleted first, or it would count as lack of space.
    """
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    _delete_outputs(folder)
    try:
        yield folder
    finally:
        _delete_outputs(folder)
        if not any(folder.iterdir()):
            folder.rmdir()


def _delete_outputs(folder: Path) -> None:
    for file in folder.glob("*.npy"):
        file.unlink()


def compute_outputs(
    base: keras.Model,
    boundary: keras.KerasTensor | None,
    store: h5py.File,
    *,
    augmentation: Augmentation,
    batch_size: int,
    work: Path,
) -> Mapping[str, npt.NDArray[Any]]:
    """Run the network of `xception.build` over all patches and, up to the boundary, their versions.

    The patches are n; without a boundary there are no activations. Too small a disk is an error.
    Where the memory does not hold a batch, it is halved. An output that is not finite is an error.

    Returns
    -------
    mapping of str to ndarray
        ``features`` (n, 2048) of the unchanged patches, float32, and ``activations`` at the
        boundary (versions, n, h, w, c), float16.
    """
    count = len(store["images"])
    shapes = {FEATURES: (count, *base.outputs[0].shape[1:])}
    whole = {FEATURES: base.outputs[0]}
    if boundary is not None:
        shapes[ACTIVATIONS] = (augmentation.versions, count, *boundary.shape[1:])
        whole[ACTIVATIONS] = boundary
    needed = sum(math.prod(shape) * _DTYPES[name].itemsize for name, shape in shapes.items())
    if shutil.disk_usage(work).free < needed:
        raise HistotransferError(
            work,
            f"has too little free space: the frozen blocks' output needs {needed / 2**30:.1f} GiB",
            "Free some space, or set finetune.cache to false (slower)",
        )
    kept = {
        name: np.lib.format.open_memmap(work / f"{name}.npy", "w+", _DTYPES[name], shape)
        for name, shape in shapes.items()
    }
    unchanged = keras.Model(base.inputs, whole)
    lower = None if boundary is None else keras.Model(base.inputs, boundary)
    progress = Progress(log, "frozen blocks", count)
    start, size = 0, batch_size
    while start < count:
        images = read_images(store, start, start + size)
        rows = slice(start, start + len(images))
        try:
            computed = unchanged.predict_on_batch(images)
            with np.errstate(over="ignore"):  # found by the check below
                kept[FEATURES][rows] = computed[FEATURES]
                if lower is not None:
                    kept[ACTIVATIONS][0, rows] = computed[ACTIVATIONS]
                    for number in range(1, augmentation.versions):
                        changed = [
                            augmentation.version(image, start + place, number)
                            for place, image in enumerate(images)
                        ]
                        kept[ACTIVATIONS][number, rows] = lower.predict_on_batch(np.stack(changed))
        except Exception as error:
            if size == 1 or not backend.is_out_of_memory(error):
                raise
            size //= 2
            log.warning("out of memory: the frozen blocks continue with batches of %d", size)
        else:
            for name, values in kept.items():
                written = values[rows] if name == FEATURES else values[:, rows]
                if not np.isfinite(written).all():
                    raise HistotransferError(
                        store.filename,
                        f"has patches, from row {start} on, whose {name} in the frozen blocks are "
                        f"not finite in {values.dtype}",
                        "Check the initial weights (network.weights), or set network.precision to "
                        "float32 and finetune.cache to false",
                    )
            start += len(images)
            progress.add(len(images))
    return kept
