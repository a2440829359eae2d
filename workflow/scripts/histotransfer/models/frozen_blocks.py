"""What the frozen blocks of a network return for every patch, computed once for all trainings.

Trainings that differ by their seed share it: the patches are shown to all of them in the same
versions.
"""

from __future__ import annotations

import logging
import math
import shutil
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from ..core.errors import HistotransferError
from ..core.files import file_digest
from ..core.hdf5 import create_store, open_store
from ..core.progress import Progress
from ..imaging.codecs import decode
from ..patches.store import read_images
from ..study.parameters import ComputeParameters, FineTuningParameters
from . import backend, xception
from .augmentation import Augmentation
from .backend import keras
from .runtime import resolve

log = logging.getLogger(__name__)

SCHEMA = "frozen_blocks/1"
FEATURES, ACTIVATIONS = "features", "activations"


def write_frozen_blocks(
    weights_path: str | Path,
    store_path: str | Path,
    out_path: str | Path,
    *,
    parameters: FineTuningParameters,
    input_px: int,
    compute: ComputeParameters,
    seed: int,
    threads: int = 0,
) -> None:
    """Run Xception over all patches; write what trainings of a recipe need of it.

    The file has the 2048 ``features`` of the unchanged patches. If the recipe says so, it has the
    ``activations`` at the boundary between the frozen and the trained blocks as well, for each
    version of a patch.

    Parameters
    ----------
    weights_path : str or Path
        The ``weights/1`` file to start from.
    store_path : str or Path
        The ``patches/1`` file of a dataset, named after it.
    out_path : str or Path
        The ``frozen_blocks/1`` file to write.
    parameters : FineTuningParameters
        The recipe.
    input_px : int
        Side of the patches.
    compute : ComputeParameters
        On which device and how precisely to compute.
    seed : int
        Draws the versions of the patches.
    threads : int
        CPU threads of the network; 0 lets the network decide.

    Raises
    ------
    HistotransferError
        If the store does not suit a training, the disk lacks space, or an output is not finite.
    """
    runtime = resolve(compute)
    backend.configure(threads=threads, seed=seed, gpu=compute.gpu)
    with open_store(store_path, "patches/1", dataset=Path(store_path).stem) as store:
        read_labels(store, input_px)
        base = xception.from_weights(weights_path, input_px)
        xception.set_precision(base, mixed=runtime.mixed)
        boundary = xception.unfreeze(base, parameters.step2.unfreeze_from)
        keep = parameters.cache and boundary is not base.inputs[0]
        with create_store(out_path, SCHEMA, identity(weights_path, store_path)) as outputs:
            compute_outputs(
                base,
                boundary if keep else None,
                store,
                outputs,
                augmentation=Augmentation(parameters.augment, versions_seed=seed),
                batch_size=parameters.batch_size,
            )


def identity(weights_path: str | Path, store_path: str | Path) -> dict[str, str]:
    """Return the attributes that say of which weights and patches a file is: names and digests."""
    return {
        "dataset": Path(store_path).stem,
        "patches": file_digest(store_path),
        "weights": file_digest(weights_path),
    }


def read_labels(store: h5py.File, input_px: int) -> npt.NDArray[np.int16]:
    """Return the labels of patches that can be trained on.

    Raises
    ------
    HistotransferError
        If a class is too small to hold patches out, or the patches have another size.
    """
    labels: npt.NDArray[np.int16] = store["labels"][:]
    counts = np.bincount(labels, minlength=len(store.attrs["classes"]))
    if len(counts) < 2 or counts.min() < 2:
        raise HistotransferError(
            store.filename,
            f"has too few classes or patches to train and validate on ({counts.tolist()})",
            "Set finetune.dataset to a dataset with two classes or more",
        )
    if (found := decode(store["images"][0]).shape) != (input_px, input_px, 3):
        raise HistotransferError(
            store.filename,
            f"holds patches of {found[0]} px, but the network takes {input_px} px",
            "Delete this file and run the workflow again",
        )
    return labels


def compute_outputs(
    base: keras.Model,
    boundary: keras.KerasTensor | None,
    store: h5py.File,
    outputs: h5py.File,
    *,
    augmentation: Augmentation,
    batch_size: int,
) -> None:
    """Run the network of `xception.build` over all patches and, up to the boundary, their versions.

    The n patches get two datasets: `FEATURES` (n, 2048) of the unchanged patches, float32, and
    `ACTIVATIONS` at the boundary (versions, n, h, w, c), float16. Without a boundary there are no
    activations. Where the memory does not hold a batch, it is halved.

    Raises
    ------
    HistotransferError
        If the disk lacks space, or an output is not finite.
    """
    count = len(store["images"])
    kept = {FEATURES: outputs.create_dataset(FEATURES, (count, *base.outputs[0].shape[1:]), "f4")}
    whole = {FEATURES: base.outputs[0]}
    if boundary is not None:
        shape = (augmentation.versions, count, *boundary.shape[1:])
        kept[ACTIVATIONS] = outputs.create_dataset(ACTIVATIONS, shape, "f2")
        whole[ACTIVATIONS] = boundary
    # What a killed run left is gone by now: the file was emptied when it was opened.
    needed = sum(math.prod(dataset.shape) * dataset.dtype.itemsize for dataset in kept.values())
    if shutil.disk_usage(Path(outputs.filename).parent).free < needed:
        raise HistotransferError(
            Path(outputs.filename).parent,
            f"has too little free space: the frozen blocks' output needs {needed / 2**30:.1f} GiB",
            "Free some space, or set finetune.cache to false (slower)",
        )
    unchanged = keras.Model(base.inputs, whole)
    lower = None if boundary is None else keras.Model(base.inputs, boundary)
    progress = Progress(log, "frozen blocks", count)
    start, size = 0, batch_size

    def put(name: str, values: npt.ArrayLike, *place: int | slice) -> None:
        with np.errstate(over="ignore"):  # found by the check
            numbers = np.asarray(values).astype(kept[name].dtype)
        if not np.isfinite(numbers).all():
            raise HistotransferError(
                store.filename,
                f"has patches, from row {start} on, whose {name} in the frozen blocks are "
                f"not finite in {numbers.dtype}",
                "Check the initial weights (network.weights), or set network.precision to "
                "float32 and finetune.cache to false",
            )
        kept[name][place] = numbers

    while start < count:
        images = read_images(store, start, start + size)
        rows = slice(start, start + len(images))
        try:
            computed = unchanged.predict_on_batch(images)
            put(FEATURES, computed[FEATURES], rows)
            if lower is not None:
                put(ACTIVATIONS, computed[ACTIVATIONS], 0, rows)
                for number in range(1, augmentation.versions):
                    changed = [
                        augmentation.version(image, start + place, number)
                        for place, image in enumerate(images)
                    ]
                    put(ACTIVATIONS, lower.predict_on_batch(np.stack(changed)), number, rows)
        except Exception as error:
            if size == 1 or not backend.is_out_of_memory(error):
                raise
            size //= 2
            log.warning("out of memory: the frozen blocks continue with batches of %d", size)
        else:
            start += len(images)
            progress.add(len(images))
