"""What the frozen blocks of a network return for every patch, computed once and kept on disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ..core.errors import HistotransferError
from ..patches.store import read_images
from .augmentation import apply_symmetry
from .backend import keras

FEATURES, ACTIVATIONS = "features", "activations"


@dataclass(frozen=True)
class FrozenOutputs:
    """The output of the frozen blocks.

    Attributes
    ----------
    features : ndarray of shape (symmetries, n, 2048), float32
    activations : ndarray of shape (symmetries, n, h, w, c), float16, or None
        At the boundary below the trained blocks.
    """

    features: npt.NDArray[np.float32]
    activations: npt.NDArray[np.float16] | None


@contextmanager
def work_folder(path: str | Path) -> Iterator[Path]:
    """Make a folder for the outputs, and delete them at the end; a checkpoint in it survives."""
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        for name in (FEATURES, ACTIVATIONS):
            _file(folder, name).unlink(missing_ok=True)
        if not any(folder.iterdir()):
            folder.rmdir()


def compute_outputs(
    base: keras.Model,
    boundary: keras.KerasTensor | None,
    store: h5py.File,
    *,
    symmetries: int,
    batch_size: int,
    work: Path,
) -> FrozenOutputs:
    """Run the network once over all patches, in each symmetry.

    Parameters
    ----------
    base : keras.Model
        The network of `xception.build`.
    boundary : KerasTensor or None
        Where to take the activations; None keeps none.
    store : h5py.File
        An open ``patches/1`` file.
    symmetries : int
        1 or 8.
    batch_size : int
    work : Path
        The `work_folder`.

    Raises
    ------
    HistotransferError
        If the disk lacks space.
    """
    count = len(store["images"])
    outputs = {FEATURES: base.outputs[0]}
    shapes: dict[str, tuple[tuple[int, ...], Any]] = {
        FEATURES: ((symmetries, count, base.output_shape[-1]), np.float32)
    }
    if boundary is not None:
        outputs[ACTIVATIONS] = boundary
        shapes[ACTIVATIONS] = ((symmetries, count, *boundary.shape[1:]), np.float16)
    _check_space(
        work, sum(int(np.prod(shape)) * kind().itemsize for shape, kind in shapes.values())
    )
    kept = {
        name: np.lib.format.open_memmap(_file(work, name), mode="w+", dtype=kind, shape=shape)
        for name, (shape, kind) in shapes.items()
    }
    model = keras.Model(base.inputs, outputs)
    for start in range(0, count, batch_size):
        images = read_images(store, start, start + batch_size)
        for symmetry in range(symmetries):
            shown = np.stack([apply_symmetry(image, symmetry) for image in images])
            for name, computed in model.predict_on_batch(shown).items():
                kept[name][symmetry, start : start + len(images)] = computed
    return FrozenOutputs(kept[FEATURES], kept.get(ACTIVATIONS))


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.npy"


def _check_space(work: Path, needed: int) -> None:
    if shutil.disk_usage(work).free < needed:
        raise HistotransferError(
            work,
            f"has too little free space: the frozen blocks' output needs {needed / 2**30:.1f} GiB",
            "Free some space, or set finetune.cache to false (slower)",
        )
