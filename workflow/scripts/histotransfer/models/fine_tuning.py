"""Two-step fine-tuning of Xception on labelled patches.

Step 1 trains a new head on the frozen network. Step 2 also trains the last blocks, slowly and with
batch normalisation in inference mode (the Keras guide to transfer learning, Chollet 2020).

Frozen blocks return the same in every epoch. So the network has run over the patches once, for all
seeds (`frozen_blocks`): its 2048 features train the head in step 1, and its activations at the
boundary between the frozen and the trained blocks feed step 2, in float16 from the disk; with
augmentation, those of each version of a patch. Where they are not kept, the patches pass through
the whole network in every epoch of step 2.

What fine-tuning learns of one organ may cost what the network knew of others. So in step 2 the
features are anchored: the loss also holds how far those of a patch, in whatever version it is
shown, are from those that the network gave the unchanged patch before.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from ..core.errors import HistotransferError
from ..core.hdf5 import open_store
from ..core.streams import stream
from ..core.tables import write_table
from ..patches.store import read_images
from ..study.parameters import ComputeParameters, FineTuningParameters
from . import backend, keras_files, weight_files, xception
from .anchor import anchored
from .augmentation import Augmentation, Moment
from .backend import keras
from .checkpoint import Checkpoint
from .frozen_blocks import ACTIVATIONS, FEATURES, SCHEMA, identity, read_labels
from .history import TRAINING, Row
from .model_card import write_card
from .runtime import resolve
from .training import Data, Indices, Reader, train

PatchReader = Callable[[Indices, Moment | None], npt.NDArray[Any]]
"""A `Reader` of one input, patches or what the frozen blocks return for them."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FineTunedFiles:
    """The files that fine-tuning writes.

    The extractor maps uint8 (n, s, s, 3) to the 2048 features, the classifier to the classes'
    probabilities; both are ``.keras`` files in float32. The history is a table `TRAINING`.
    """

    extractor: str | Path
    classifier: str | Path
    history: str | Path
    card: str | Path


def fine_tune(
    weights_path: str | Path,
    store_path: str | Path,
    frozen_path: str | Path,
    outputs: FineTunedFiles,
    checkpoint_path: str | Path,
    *,
    extractor: str,
    parameters: FineTuningParameters,
    input_px: int,
    compute: ComputeParameters,
    seed: int,
    versions_seed: int,
    simulated: bool = False,
    code: str = "",
    threads: int = 0,
) -> None:
    """Fine-tune Xception in two steps; write extractor, classifier, history and model card.

    A run that was killed resumes after its last epoch when it is started again with the same
    arguments, and ends where an uninterrupted one does.

    Parameters
    ----------
    weights_path : str or Path
        The ``weights/1`` file to start from.
    store_path : str or Path
        The ``patches/1`` file of a dataset, named after it.
    frozen_path : str or Path
        The ``frozen_blocks/1`` file of these weights and patches.
    outputs : FineTunedFiles
        The files to write.
    checkpoint_path : str or Path
        The state after the last epoch; deleted at the end. It stays if the run is cut short.
    extractor : str
        The extractor's name, which becomes the model's.
    parameters : FineTuningParameters
        The recipe.
    input_px : int
        Side of the patches.
    compute : ComputeParameters
        On which device and how precisely to compute.
    seed : int
        Draws the validation part, the head's initial weights, dropout, the order of the patches
        and which version of each is shown.
    versions_seed : int
        Draws the versions, as it did for the frozen blocks.
    simulated : bool
        Whether the patches were painted, for the card.
    code : str
        Digest of the code; a checkpoint of other code is ignored.
    threads : int
        CPU threads of the network, and on a GPU of decoding; 0 lets the network decide.

    Raises
    ------
    HistotransferError
        If the store or the recipe does not suit the network, or the frozen blocks' file is of
        other weights or patches.
    """
    runtime = resolve(compute)
    backend.configure(threads=threads, seed=seed, gpu=compute.gpu)
    on_gpu = runtime.device == "gpu"
    mixed = runtime.mixed
    augmentation = Augmentation(parameters.augment, versions_seed, seed)
    whose = identity(weights_path, store_path)
    with (
        open_store(store_path, "patches/1", dataset=whose["dataset"]) as store,
        open_store(frozen_path, SCHEMA, **whose) as frozen,
    ):
        labels = read_labels(store, input_px)
        classes = [str(name) for name in store.attrs["classes"]]
        groups = store["groups"].asstr()[:] if "groups" in store else None
        training, validation = split(labels, parameters.validation_fraction, seed, groups)
        if not len(validation):
            raise HistotransferError(
                store_path,
                "has no patients that could be held out of the training without half of a class",
                "Give patches of more patients, or do not name the patients",
            )
        log.info("training on %d patches, validating on %d", len(training), len(validation))
        data = Data(
            labels,
            training,
            validation,
            batch_size=parameters.batch_size,
            seed=seed,
            label_smoothing=parameters.label_smoothing,
            class_weights=_class_weights(labels[training], len(classes), parameters.class_weights),
            workers=max(1, threads) if on_gpu else 1,
        )
        made_by = (whose["weights"], whose["patches"], parameters.as_params(), seed, versions_seed)
        text = json.dumps([*made_by, code, runtime.as_attrs()], sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()
        checkpoint = Checkpoint(Path(checkpoint_path), key)
        base = xception.from_weights(weights_path, input_px, name=extractor)
        head = build_head(
            base.output_shape[-1], len(classes), parameters.head_units, parameters.dropout, seed
        )
        classifier = keras.Model(
            base.inputs, head(base.outputs[0]), name=keras_files.classifier_name(extractor)
        )
        xception.set_precision(base, mixed=mixed)
        policy = base.dtype_policy.name
        history = _two_steps(
            base, head, store, frozen, data, augmentation, parameters, checkpoint, runtime.jit
        )
        xception.set_precision(base, mixed=False)
        base.trainable = True  # layers were frozen for this training, not in the extractor
        xception.save(base, outputs.extractor)
        keras_files.save(classifier, outputs.classifier)
        write_table(pd.DataFrame(history), outputs.history, TRAINING)
        with open_store(weights_path, weight_files.SCHEMA) as weights:
            origin = {name: str(weights.attrs[name]) for name in ("kind", "source", "digest")}
        write_card(
            outputs.card,
            name=extractor,
            simulated=simulated,
            files={"extractor": outputs.extractor, "classifier": outputs.classifier},
            weights=origin,
            dataset=whose["dataset"],
            dataset_digest=whose["patches"],
            classes=classes,
            patients_known=groups is not None,
            training=np.bincount(labels[training], minlength=len(classes)),
            validation=np.bincount(labels[validation], minlength=len(classes)),
            parameters=parameters,
            seed=seed,
            input_px=input_px,
            precision=f"{policy} on a {runtime.device.upper()}",
            history=history,
        )
        checkpoint.path.unlink()


def _two_steps(
    base: keras.Model,
    head: keras.Model,
    store: h5py.File,
    frozen: h5py.File,
    data: Data,
    augmentation: Augmentation,
    parameters: FineTuningParameters,
    checkpoint: Checkpoint,
    jit: bool,
) -> list[Row]:
    """Train the head on the unchanged patches, then also the last blocks on all versions."""
    boundary = xception.unfreeze(base, parameters.step2.unfreeze_from)
    before: npt.NDArray[np.float32] = frozen[FEATURES][:]

    def read_features(rows: Indices, _: Moment | None) -> npt.NDArray[np.float32]:
        return before[rows]

    history = train(
        head, read_features, data, parameters.step1, step=1, jit=jit, checkpoint=checkpoint
    )
    if ACTIVATIONS in frozen:
        start, patches = boundary, _kept_reader(frozen[ACTIVATIONS], augmentation)
    else:
        start, patches = base.inputs[0], _image_reader(store, augmentation)
    if parameters.anchor:
        model = anchored(start, base.outputs[0], head, parameters.anchor)
        read: Reader = _with_features(patches, before)
    else:
        model, read = keras.Model(start, head(base.outputs[0])), patches
    return train(
        model,
        read,
        data,
        parameters.step2,
        step=2,
        policy=base.dtype_policy.name,
        jit=jit,
        checkpoint=checkpoint,
        history=history,
    )


def split(
    labels: npt.NDArray[np.int16],
    fraction: float,
    seed: int,
    groups: npt.NDArray[np.object_] | None = None,
) -> tuple[Indices, Indices]:
    """Return sorted row numbers to train and to validate on.

    The validation part gets a fraction of each class, rounded, but at least one patch. Where the
    (n,) patients of the patches are known, whole patients are drawn until each class has its
    fraction; one who would bring more than half of a class there is passed over.
    """
    if groups is not None:
        return _split_patients(labels, fraction, seed, groups)
    validation = []
    for label in np.unique(labels).tolist():
        rows = np.flatnonzero(labels == label)
        count = max(1, round(fraction * len(rows)))
        random = stream(seed, "validation part", label)
        validation.append(random.choice(rows, size=count, replace=False))
    chosen = np.sort(np.concatenate(validation))
    return np.setdiff1d(np.arange(len(labels)), chosen), chosen


def _split_patients(
    labels: npt.NDArray[np.int16], fraction: float, seed: int, groups: npt.NDArray[np.object_]
) -> tuple[Indices, Indices]:
    names, codes = np.unique(groups.astype(str), return_inverse=True)
    counts = np.zeros((len(names), int(labels.max()) + 1), dtype=np.int64)
    np.add.at(counts, (codes, labels), 1)
    whole = counts.sum(axis=0)
    wanted = np.where(whole > 0, np.maximum(1, np.round(fraction * whole)), 0)
    held, chosen = np.zeros_like(whole), np.zeros(len(names), dtype=bool)
    for patient in stream(seed, "validation part", "patients").permutation(len(names)).tolist():
        brings = counts[patient] > 0
        fits = (2 * (held + counts[patient]) <= whole)[brings].all()
        if fits and (held < wanted)[brings].any():
            chosen[patient] = True
            held += counts[patient]
    return np.flatnonzero(~chosen[codes]), np.flatnonzero(chosen[codes])


def build_head(
    n_features: int, n_classes: int, units: int, dropout: float, seed: int
) -> keras.Model:
    """Build the classifier on top of the features: dropout, dense, dropout, softmax.

    It maps features (n, n_features) to probabilities (n, n_classes) in float32. The seed draws the
    initial weights (Glorot-uniform) and the dropouts.
    """
    # Each layer has its own seed, because all code in the process shares Keras's global one.
    seeds = iter(stream(seed, "head").integers(2**31, size=4).tolist())
    layers = keras.layers

    def dense(units: int, activation: str, name: str) -> keras.Layer:
        start = keras.initializers.GlorotUniform(seed=next(seeds))
        return layers.Dense(units, activation=activation, kernel_initializer=start, name=name)

    rate = float(dropout)  # an integer 0 would be other bytes in the file
    features = keras.Input((n_features,), name="features")
    hidden = layers.Dropout(rate, seed=next(seeds), name="head_dropout1")(features)
    hidden = dense(units, "relu", "head_dense")(hidden)
    hidden = layers.Dropout(rate, seed=next(seeds), name="head_dropout2")(hidden)
    classes = dense(n_classes, "softmax", "head_classes")(hidden)
    return keras.Model(features, classes, name="head")


def _class_weights(
    labels: npt.NDArray[np.int16], n_classes: int, how: str
) -> dict[int, float] | None:
    """Return weights that give each class the same sum (``balanced``), or None (``none``)."""
    if how == "none":
        return None
    counts = np.bincount(labels, minlength=n_classes)
    return {label: len(labels) / (n_classes * int(n)) for label, n in enumerate(counts)}


def _image_reader(store: h5py.File, augmentation: Augmentation) -> PatchReader:
    def read(rows: Indices, moment: Moment | None) -> npt.NDArray[np.uint8]:
        images = np.concatenate([read_images(store, row, row + 1) for row in rows.tolist()])
        if moment is None:
            return images
        return np.stack(
            [
                augmentation.version(image, row, augmentation.shown(row, moment))
                for image, row in zip(images, rows.tolist(), strict=True)
            ]
        )

    return read


def _kept_reader(kept: h5py.Dataset, augmentation: Augmentation) -> PatchReader:
    def read(rows: Indices, moment: Moment | None) -> npt.NDArray[np.float16]:
        shown = np.zeros(len(rows), dtype=int)
        if moment is not None:
            shown[:] = [augmentation.shown(row, moment) for row in rows.tolist()]
        found = np.empty((len(rows), *kept.shape[2:]), kept.dtype)
        for place in np.lexsort((rows, shown)):  # in the order of the disk
            kept.read_direct(found, np.s_[shown[place], rows[place]], np.s_[place])
        return found

    return read


def _with_features(read: PatchReader, features: npt.NDArray[np.float32]) -> Reader:
    """Let a reader return also the rows of the features, for `Anchor`."""
    return lambda rows, moment: (read(rows, moment), features[rows])
