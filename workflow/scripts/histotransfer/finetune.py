"""Two-step fine-tuning of Xception on labelled patches.

Step 1 trains a new head on the frozen base; step 2 goes on with the last blocks as well, slowly
and with batch normalisation in inference mode (the Keras guide to transfer learning, Chollet 2020).

What is frozen gives the same output in every epoch. So the base runs over the patches once: its
2048 features train the head in step 1, and its activations at the boundary between the frozen and
the trained blocks, kept on disk in float16, feed step 2.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from . import backend, network
from .backend import keras
from .errors import HistotransferError
from .images import decode
from .store import open_store, write_table

log = logging.getLogger(__name__)

Indices = npt.NDArray[np.int64]
Reader = Callable[[Indices], npt.NDArray[Any]]
"""Rows of a network's input by index."""


def finetune(
    weights_path: str | Path,
    store_path: str | Path,
    *,
    extractor_path: str | Path,
    classifier_path: str | Path,
    history_path: str | Path,
    checkpoint_dir: str | Path,
    input_px: int,
    params: Mapping[str, Any],
    mixed_precision: bool,
    seed: int,
    threads: int = 0,
) -> None:
    """Fine-tune Xception in two steps and write the extractor, the classifier and the history.

    Parameters
    ----------
    weights_path : str or Path
        The ``weights/1`` file to start from.
    store_path : str or Path
        The ``patches/1`` file of a labelled dataset.
    extractor_path, classifier_path : str or Path
        The ``.keras`` files to write: uint8 (n, s, s, 3) to the 2048 features, and to the
        probabilities of the classes. Always in float32.
    history_path : str or Path
        Table of step, epoch, loss, accuracy, val_loss, val_accuracy and learning_rate. Epoch 0 is
        the state before the step, shown but not chosen; each step ends in the state after the
        epoch of lowest val_loss. (A head that was trained to confidence loses val_loss when the
        blocks below begin to move, while the features get better; measured on real patches.)
    checkpoint_dir : str or Path
        Folder for work files (the activations); removed at the end.
    input_px : int
        Side of the patches.
    params : mapping
        The config's ``finetune``: validation_fraction, head_units, dropout, batch_size, and
        epochs, learning_rate, patience of step1 and step2, with unfreeze_from of step2 (a block
        such as ``block13``, or ``all``); `cache` false computes the frozen blocks in every epoch
        instead of keeping their output on disk.
    mixed_precision : bool
        Compute in float16 where it is safe; on a GPU only.
    seed : int
        Seed of the validation part, the head's initial weights, dropout and the patches' order.
    threads : int
        CPU threads of the network; 0 leaves the choice to it.

    Raises
    ------
    HistotransferError
        If the store does not fit (no labels, too few patches, another size), or the block is
        unknown, or the disk is too small.
    """
    backend.configure(threads=threads, seed=seed)
    name = Path(extractor_path).stem
    batch_size = int(params["batch_size"])
    step1, step2 = params["step1"], params["step2"]
    with (
        open_store(store_path, "patches/1") as store,
        _work_folder(checkpoint_dir) as work,
    ):
        labels, n_classes = _labels(store, store_path, input_px)
        training, validation = split(labels, float(params["validation_fraction"]), seed)
        log.info("%d patches to train on, %d to validate", len(training), len(validation))
        base = network.from_weights(weights_path, input_px, name=name)
        head = build_head(
            base.output_shape[-1],
            n_classes,
            int(params["head_units"]),
            float(params["dropout"]),
            seed=seed,
        )
        classifier = keras.Model(base.inputs, head(base.outputs[0]), name=f"{name}-classifier")
        mixed = mixed_precision and backend.device() == "gpu"
        network.set_precision(base, mixed=mixed)
        boundary = unfreeze(base, str(step2["unfreeze_from"]))

        images = _image_reader(store)
        cached = bool(params["cache"]) and boundary is not base.inputs[0]
        features, activations = _run_once(
            base, boundary if cached else None, images, len(labels), batch_size, work
        )
        data = _Data(labels, training, validation, batch_size, seed)
        history = _train(head, features.__getitem__, data, step=1, **_schedule(step1))
        if activations is None:
            trained, read = classifier, images
        else:
            trained, read = keras.Model(boundary, classifier.outputs[0]), activations.__getitem__
        policy = base.dtype_policy.name
        history += _train(trained, read, data, step=2, policy=policy, **_schedule(step2))
    network.set_precision(base, mixed=False)
    base.trainable = True  # frozen layers were a matter of this training, not of the extractor
    network.save(base, extractor_path)
    network.save(classifier, classifier_path)
    write_table(pd.DataFrame(history), history_path)


def split(labels: npt.NDArray[np.int16], fraction: float, seed: int) -> tuple[Indices, Indices]:
    """Divide the patches into a training and a validation part, each class in proportion.

    Parameters
    ----------
    labels : ndarray of shape (n,)
        Class of each patch.
    fraction : float
        Part of each class to validate on, rounded, but at least one patch.
    seed : int
        Seed of the draw.

    Returns
    -------
    training, validation : ndarray of int64
        Sorted, disjoint row numbers, n together.
    """
    validation = []
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        count = max(1, round(fraction * len(rows)))
        rng = np.random.default_rng([seed, int(label)])
        validation.append(rng.choice(rows, size=count, replace=False))
    chosen = np.sort(np.concatenate(validation))
    return np.setdiff1d(np.arange(len(labels)), chosen), chosen


def build_head(
    n_features: int, n_classes: int, units: int, dropout: float, *, seed: int
) -> keras.Model:
    """Build the classifier on top of the features: dropout, dense, dropout, softmax.

    Parameters
    ----------
    n_features, n_classes, units : int
        Width of the input, the output and the layer between.
    dropout : float
        Rate of both dropouts.
    seed : int
        Seed of the initial weights (Glorot-uniform) and of the dropouts' draws.

    Returns
    -------
    keras.Model
        Features (n, n_features) to probabilities (n, n_classes), in float32.
    """
    # Seeds are given to every layer: Keras's global seed is shared with whatever else runs.
    seeds = iter(np.random.default_rng([seed, 0]).integers(2**31, size=4).tolist())
    layers = keras.layers

    def dense(units: int, activation: str, name: str) -> keras.Layer:
        start = keras.initializers.GlorotUniform(seed=next(seeds))
        return layers.Dense(units, activation=activation, kernel_initializer=start, name=name)

    features = keras.Input((n_features,), name="features")
    hidden = layers.Dropout(dropout, seed=next(seeds), name="head_dropout1")(features)
    hidden = dense(units, "relu", "head_dense")(hidden)
    hidden = layers.Dropout(dropout, seed=next(seeds), name="head_dropout2")(hidden)
    classes = dense(n_classes, "softmax", "head_classes")(hidden)
    return keras.Model(features, classes, name="head")


def unfreeze(base: keras.Model, unfreeze_from: str) -> keras.KerasTensor:
    """Let only the last blocks be trained, without their batch normalisation.

    Parameters
    ----------
    base : keras.Model
        The network of `network.build`; its layers' `trainable` is set.
    unfreeze_from : str
        The first block to train, ``block1`` … ``block14``, or ``all``.

    Returns
    -------
    KerasTensor
        The boundary: what the frozen part hands to the trained part; the input for ``all``.

    Raises
    ------
    HistotransferError
        If there is no such block.
    """
    blocks = {layer.name: re.match(r"block(\d+)_", layer.name) for layer in base.layers}
    number = {name: int(match[1]) for name, match in blocks.items() if match}
    names = [f"block{block}" for block in sorted(set(number.values()))]
    if unfreeze_from not in ("all", *names):
        raise HistotransferError(
            "finetune.step2.unfreeze_from",
            f"{unfreeze_from!r} is not a block of Xception",
            f"Choose one of {', '.join(names)} or all",
        )
    first = 1 if unfreeze_from == "all" else int(unfreeze_from.removeprefix("block"))
    for layer in base.layers:
        layer.trainable = number.get(layer.name, 0) >= first and not isinstance(
            layer, keras.layers.BatchNormalization
        )
    if first == 1:
        return base.inputs[0]
    entry = next(layer for layer in base.layers if number.get(layer.name) == first)
    return entry.input


@dataclass(frozen=True)
class _Data:
    """What both steps train on."""

    labels: npt.NDArray[np.int16]
    training: Indices
    validation: Indices
    batch_size: int
    seed: int


class _Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of a reader's rows in a given order."""

    def __init__(
        self, read: Reader, labels: npt.NDArray[np.int16], order: Indices, batch_size: int
    ) -> None:
        super().__init__()
        self._read, self._labels, self._order, self._size = read, labels, order, batch_size

    def __len__(self) -> int:
        return -(-len(self._order) // self._size)

    def __getitem__(self, index: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.int16]]:
        rows = self._order[index * self._size : (index + 1) * self._size]
        return self._read(rows), self._labels[rows]


def _schedule(step: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "epochs": int(step["epochs"]),
        "learning_rate": float(step["learning_rate"]),
        "patience": int(step["patience"]),
    }


def _train(
    model: keras.Model,
    read: Reader,
    data: _Data,
    *,
    step: int,
    epochs: int,
    learning_rate: float,
    patience: int,
    policy: str = "float32",
) -> list[dict[str, float]]:
    """Train with early stopping and leave the model in its best state; return the history."""
    # A twin that shares the layers is compiled, so that no optimiser ends up in the saved models.
    model = keras.Model(model.inputs, model.outputs)
    model.dtype_policy = policy  # by which Keras decides whether the loss needs scaling
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
    )
    validation = _Batches(read, data.labels, data.validation, data.batch_size)

    def validate(epoch: int, loss: float, accuracy: float) -> dict[str, float]:
        result = model.evaluate(validation, verbose=0, return_dict=True)
        row = {
            "step": step,
            "epoch": epoch,
            "loss": loss,
            "accuracy": accuracy,
            "val_loss": result["loss"],
            "val_accuracy": result["accuracy"],
            "learning_rate": learning_rate,
        }
        log.info("%s", ", ".join(f"{key} {value:.4g}" for key, value in row.items()))
        return row

    history = [validate(0, np.nan, np.nan)]
    best: dict[str, float] | None = None  # the state before is not a candidate: see `finetune`
    for epoch in range(1, epochs + 1):
        order = np.random.default_rng([data.seed, step, epoch]).permutation(data.training)
        batches = _Batches(read, data.labels, order, data.batch_size)
        fitted = model.fit(batches, shuffle=False, verbose=0)  # the order is ours
        history.append(validate(epoch, fitted.history["loss"][0], fitted.history["accuracy"][0]))
        if best is None or history[-1]["val_loss"] < best["val_loss"]:
            best, weights = history[-1], model.get_weights()
        elif epoch - best["epoch"] >= patience:
            break
    model.set_weights(weights)
    return history


def _run_once(
    base: keras.Model,
    boundary: keras.KerasTensor | None,
    images: Reader,
    count: int,
    batch_size: int,
    work: Path,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float16] | None]:
    """Run the network over all patches; return features and, if asked for, the activations."""
    features = np.empty((count, base.output_shape[-1]), dtype=np.float32)
    outputs, activations = {"features": base.outputs[0]}, None
    if boundary is not None:
        outputs["boundary"] = boundary
        activations = _file_array((count, *boundary.shape[1:]), work)
    model = keras.Model(base.inputs, outputs)
    for start in range(0, count, batch_size):
        rows = np.arange(start, min(start + batch_size, count))
        computed = model.predict_on_batch(images(rows))
        features[rows] = computed["features"]
        if activations is not None:
            activations[rows] = computed["boundary"]
    return features, activations


def _file_array(shape: tuple[int, ...], work: Path) -> npt.NDArray[np.float16]:
    """Return a float16 array kept in a file of the work folder."""
    needed = int(np.prod(shape)) * 2
    if shutil.disk_usage(work).free < needed:
        raise HistotransferError(
            work,
            f"the activations below the trained blocks need {needed / 2**30:.1f} GiB on disk",
            "Free the space, or set finetune.cache to false (slower)",
        )
    return np.lib.format.open_memmap(
        work / "activations.npy", mode="w+", dtype=np.float16, shape=shape
    )


def _labels(
    store: h5py.File, store_path: str | Path, input_px: int
) -> tuple[npt.NDArray[np.int16], int]:
    remedy = "Give finetune.dataset a folder with a sub-folder of patches per class"
    if "labels" not in store:
        raise HistotransferError(store_path, "has no labels", remedy)
    labels, classes = store["labels"][:], store.attrs["classes"]
    counts = np.bincount(labels, minlength=len(classes))
    if len(classes) < 2 or counts.min() < 2:
        raise HistotransferError(
            store_path,
            f"has too few classes or patches to train and validate on ({counts.tolist()})",
            remedy,
        )
    if (found := decode(store["images"][0]).shape) != (input_px, input_px, 3):
        raise HistotransferError(
            store_path,
            f"holds patches of {found[0]} px, the network takes {input_px} px",
            "Set tiling.patch_px and network.input_px to the same size",
        )
    return labels, len(classes)


def _image_reader(store: h5py.File) -> Reader:
    encoded = store["images"]

    def read(rows: Indices) -> npt.NDArray[np.uint8]:
        return np.stack([decode(encoded[int(row)]) for row in rows])

    return read


@contextmanager
def _work_folder(path: str | Path) -> Iterator[Path]:
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        (folder / "activations.npy").unlink(missing_ok=True)
        with suppress(OSError):  # not empty: somebody else's
            folder.rmdir()
