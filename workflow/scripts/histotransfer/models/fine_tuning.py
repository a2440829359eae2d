"""Two-step fine-tuning of Xception on labelled patches.

Step 1 trains a new head on the frozen base; step 2 goes on with the last blocks as well, slowly
and with batch normalisation in inference mode (the Keras guide to transfer learning, Chollet 2020).

What is frozen gives the same output in every epoch. So the base runs over the patches once: its
2048 features train the head in step 1, and its activations at the boundary between the frozen and
the trained blocks, kept on disk in float16, feed step 2. Under flips and quarter turns the same
holds of each of a patch's eight symmetries; where there is no room for them, or the stain is
changed too, the patches go through the network in every epoch, the plain way.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from ..core.errors import HistotransferError
from ..core.files import file_digest
from ..core.hdf5 import open_store
from ..core.tables import write_table
from ..imaging.codecs import decode
from ..patches.store import read_images
from . import backend, keras_files, weight_files, xception
from .augmentation import Augmentation, turn
from .backend import keras
from .model_card import write_card
from .training import Checkpoint, Data, Indices, Moment, Reader, Row, train

log = logging.getLogger(__name__)


def finetune(
    weights_path: str | Path,
    store_path: str | Path,
    *,
    extractor_path: str | Path,
    classifier_path: str | Path,
    history_path: str | Path,
    card_path: str | Path,
    checkpoint_dir: str | Path,
    input_px: int,
    params: Mapping[str, Any],
    mixed_precision: bool,
    seed: int,
    simulated: bool = False,
    code: str = "",
    threads: int = 0,
) -> None:
    """Fine-tune Xception in two steps; write extractor, classifier, history and model card.

    A run that is killed goes on after its last epoch when it is started again with the same
    arguments, and ends where an uninterrupted one does.

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
    card_path : str or Path
        The model card (`modelcard.write_card`).
    checkpoint_dir : str or Path
        Folder for work files (the activations, the checkpoint); removed at the end. The checkpoint
        stays where the run is cut short.
    input_px : int
        Side of the patches.
    params : mapping
        The config's ``finetune``: validation_fraction, head_units, dropout, batch_size,
        label_smoothing, class_weights (``none``, or ``balanced``: inverse to the classes' counts),
        augment (`Augmentation`'s flips_and_turns and stain_jitter), and epochs, learning_rate,
        decay and patience (`training.train`) of step1 and step2, with unfreeze_from of step2 (a
        block such as ``block13``, or ``all``); `cache` false computes the frozen blocks in every
        epoch instead of keeping their output, of each symmetry, on disk.
    mixed_precision : bool
        Compute in float16 where it is safe; on a GPU only.
    seed : int
        Seed of the validation part, the head's initial weights, dropout, augmentation and the
        patches' order.
    simulated : bool
        Whether the patches were painted, for the card.
    code : str
        Digest of the code, so that a checkpoint of other code is not taken up.
    threads : int
        CPU threads of the network, and on a GPU of decoding; 0 leaves the choice to the network.

    Raises
    ------
    HistotransferError
        If the store does not fit (no labels, too few patches, another size), or the block is
        unknown, or the disk is too small.
    """
    backend.configure(threads=threads, seed=seed)
    name = Path(extractor_path).stem
    on_gpu = backend.device() == "gpu"
    mixed = mixed_precision and on_gpu
    augmentation = Augmentation(**params["augment"], seed=seed)
    with (
        open_store(store_path, "patches/1") as store,
        _work_folder(checkpoint_dir) as work,
    ):
        labels, n_classes = _labels(store, store_path, input_px)
        training, validation = split(labels, float(params["validation_fraction"]), seed)
        log.info("%d patches to train on, %d to validate", len(training), len(validation))
        data = Data(
            labels,
            training,
            validation,
            batch_size=int(params["batch_size"]),
            seed=seed,
            label_smoothing=float(params["label_smoothing"]),
            class_weights=_class_weights(labels[training], n_classes, str(params["class_weights"])),
            workers=max(1, threads) if on_gpu else 1,
        )
        store_digest = file_digest(store_path)
        key = _key(file_digest(weights_path), store_digest, dict(params), seed, mixed, code)
        checkpoint = Checkpoint(work / "checkpoint.h5", key)
        base = xception.from_weights(weights_path, input_px, name=name)
        head = build_head(
            base.output_shape[-1],
            n_classes,
            int(params["head_units"]),
            float(params["dropout"]),
            seed=seed,
        )
        classifier = keras.Model(base.inputs, head(base.outputs[0]), name=f"{name}-classifier")
        xception.set_precision(base, mixed=mixed)
        policy = base.dtype_policy.name
        history = _two_steps(base, head, classifier, store, data, augmentation, params, checkpoint)
        xception.set_precision(base, mixed=False)
        base.trainable = True  # frozen layers were a matter of this training, not of the extractor
        keras_files.save(base, extractor_path)
        keras_files.save(classifier, classifier_path)
        write_table(pd.DataFrame(history), history_path)
        classes = [str(label) for label in store.attrs["classes"]]
        with open_store(weights_path, weight_files.SCHEMA) as started_from:
            origin = {key: str(started_from.attrs[key]) for key in ("kind", "source", "digest")}
        write_card(
            card_path,
            name=name,
            simulated=simulated,
            files={"extractor": extractor_path, "classifier": classifier_path},
            weights=origin,
            dataset=str(store.attrs["dataset"]),
            dataset_digest=store_digest,
            classes=classes,
            counts={
                part: np.bincount(labels[rows], minlength=n_classes).tolist()
                for part, rows in (("training", training), ("validation", validation))
            },
            params=params,
            seed=seed,
            input_px=input_px,
            precision=policy,
            history=history,
        )
        checkpoint.path.unlink()


def _two_steps(
    base: keras.Model,
    head: keras.Model,
    classifier: keras.Model,
    store: h5py.File,
    data: Data,
    augmentation: Augmentation,
    params: Mapping[str, Any],
    checkpoint: Checkpoint,
) -> list[Row]:
    """Train the head, then the last blocks as well, on what the frozen blocks gave once if kept."""
    policy, first_block = base.dtype_policy.name, str(params["step2"]["unfreeze_from"])
    boundary = unfreeze(base, first_block)
    images = _image_reader(store, augmentation)
    keep = bool(params["cache"]) and not augmentation.stain_jitter
    frozen: _Frozen | None = None
    if keep or not augmentation:
        below = boundary if keep and boundary is not base.inputs[0] else None
        work, symmetries = checkpoint.path.parent, augmentation.symmetries
        frozen = _run_once(base, below, store, symmetries, data.batch_size, work)

    if frozen is None:
        base.trainable = False
        history = train(
            classifier, images, data, params["step1"], step=1, policy=policy, checkpoint=checkpoint
        )
        unfreeze(base, first_block)
    else:
        read = _kept_reader(frozen.features, augmentation)
        history = train(head, read, data, params["step1"], step=1, checkpoint=checkpoint)

    trained, read = classifier, images
    if frozen is not None and frozen.activations is not None:
        trained = keras.Model(boundary, classifier.outputs[0])
        read = _kept_reader(frozen.activations, augmentation)
    return train(
        trained,
        read,
        data,
        params["step2"],
        step=2,
        policy=policy,
        checkpoint=checkpoint,
        history=history,
    )


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
        The network of `xception.build`; its layers' `trainable` is set.
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
class _Frozen:
    """What the frozen network makes of the patches.

    Attributes
    ----------
    features : (symmetries, n, 2048) float32
    activations : (symmetries, n, h, w, c) float16 or None
        At the boundary below the trained blocks.
    """

    features: npt.NDArray[np.float32]
    activations: npt.NDArray[np.float16] | None


def _run_once(
    base: keras.Model,
    boundary: keras.KerasTensor | None,
    store: h5py.File,
    symmetries: int,
    batch_size: int,
    work: Path,
) -> _Frozen:
    """Run the network once over all patches, in each symmetry; keep activations if asked for."""
    count = len(store["images"])
    outputs = {"features": base.outputs[0]}
    shapes: dict[str, tuple[tuple[int, ...], Any]] = {
        "features": ((symmetries, count, base.output_shape[-1]), np.float32)
    }
    if boundary is not None:
        outputs["activations"] = boundary
        shapes["activations"] = ((symmetries, count, *boundary.shape[1:]), np.float16)
    _check_room(work, sum(int(np.prod(shape)) * kind().itemsize for shape, kind in shapes.values()))
    kept = {
        name: np.lib.format.open_memmap(work / f"{name}.npy", mode="w+", dtype=kind, shape=shape)
        for name, (shape, kind) in shapes.items()
    }
    model = keras.Model(base.inputs, outputs)
    for start in range(0, count, batch_size):
        images = read_images(store, start, start + batch_size)
        for symmetry in range(symmetries):
            shown = np.stack([turn(image, symmetry) for image in images])
            for name, computed in model.predict_on_batch(shown).items():
                kept[name][symmetry, start : start + len(images)] = computed
    return _Frozen(kept["features"], kept.get("activations"))


def _check_room(work: Path, needed: int) -> None:
    if shutil.disk_usage(work).free < needed:
        raise HistotransferError(
            work,
            f"the frozen blocks' output needs {needed / 2**30:.1f} GiB on disk",
            "Free the space, or set finetune.cache to false (slower)",
        )


def _class_weights(
    labels: npt.NDArray[np.int16], n_classes: int, how: str
) -> dict[int, float] | None:
    """Weigh the classes so that each has the same sum (``balanced``), or not at all (``none``)."""
    if how == "none":
        return None
    counts = np.bincount(labels, minlength=n_classes)
    return {label: len(labels) / (n_classes * int(n)) for label, n in enumerate(counts)}


def _key(*made_from: object) -> str:
    text = json.dumps([*made_from, keras.__version__], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


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


def _image_reader(store: h5py.File, augmentation: Augmentation) -> Reader:
    def read(rows: Indices, moment: Moment | None) -> npt.NDArray[np.uint8]:
        images = np.concatenate([read_images(store, row, row + 1) for row in rows.tolist()])
        return images if moment is None else augmentation.apply(images, rows, moment)

    return read


def _kept_reader(kept: npt.NDArray[Any], augmentation: Augmentation) -> Reader:
    def read(rows: Indices, moment: Moment | None) -> npt.NDArray[Any]:
        if moment is None:
            return np.asarray(kept[0, rows])
        symmetries = [augmentation.symmetry(row, moment) for row in rows.tolist()]
        return np.asarray(kept[symmetries, rows])

    return read


@contextmanager
def _work_folder(path: str | Path) -> Iterator[Path]:
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        for name in ("features.npy", "activations.npy"):
            (folder / name).unlink(missing_ok=True)
        with suppress(OSError):  # not empty: a checkpoint to go on with, or somebody else's
            folder.rmdir()
