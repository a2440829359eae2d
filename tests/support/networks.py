"""Patch stores, extractors and recipes that a network needs only seconds for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from histotransfer.core.hdf5 import create_store
from histotransfer.imaging.codecs import encode
from histotransfer.models import keras_files
from histotransfer.models.backend import keras
from histotransfer.models.xception import MIN_INPUT_PX as PX
from histotransfer.study.parameters import (
    AugmentationParameters,
    FineTuningParameters,
    StepParameters,
)

RECIPE = FineTuningParameters(
    validation_fraction=0.25,
    head_units=16,
    dropout=0.2,
    batch_size=8,
    label_smoothing=0.1,
    class_weights="none",
    anchor=0.5,
    augment=AugmentationParameters(flips_and_rotations=False, stain_jitter=0.0),
    cache=True,
    step1=StepParameters(epochs=20, learning_rate=3e-3, lr_schedule="none", patience=20),
    step2=StepParameters(
        epochs=2, learning_rate=1e-4, lr_schedule="cosine", patience=2, unfreeze_from="block14"
    ),
)


def write_patch_store(
    path: Path,
    images: npt.ArrayLike,
    labels: Sequence[int] | None = None,
    classes: Sequence[str] = (),
) -> None:
    """Write images (n, s, s, 3) as the patches of the slide or, with labels, of the dataset.

    Its id is the file's name.
    """
    pixels = np.asarray(images).astype(np.uint8)
    identity = {"slide": path.stem} if labels is None else {"dataset": path.stem}
    attrs = {**identity, "patch_px": pixels.shape[1], "codec": "png"}
    if labels is not None:
        attrs["classes"] = list(classes)
    with create_store(path, "patches/1", attrs) as store:
        encoded = store.create_dataset("images", (len(pixels),), h5py.vlen_dtype(np.uint8))
        for row, image in enumerate(pixels):
            encoded[row] = encode(image, "png", 95)
        if labels is None:
            store["coords"] = np.arange(2 * len(pixels), dtype=np.int32).reshape(-1, 2)
        else:
            store["labels"] = np.asarray(labels, dtype=np.int16)
            store["names"] = [f"x/{row}.png" for row in range(len(pixels))]


def write_hues(path: Path, seed: int = 7) -> None:
    """Write three classes of twelve patches that differ in hue, not in brightness, under noise."""
    rng = np.random.default_rng(seed)
    hues = [(200, 120, 160), (120, 160, 200), (160, 200, 120)]
    images = [
        np.clip(hue + rng.normal(0, 25) + rng.normal(0, 20, (PX, PX, 3)), 0, 255)
        for hue in np.array(hues)
        for _ in range(12)
    ]
    write_patch_store(path, images, np.repeat([0, 1, 2], 12).tolist(), ["blue", "green", "pink"])


def save_extractor(path: Path, *layers: Callable[[object], object], scale: float = 1.0) -> Path:
    """Save a model that scales an image, applies each layer to it and concatenates the results."""
    image = keras.Input((PX, PX, 3), dtype="uint8")
    scaled = keras.layers.Rescaling(scale)(image)
    outputs = [layer(scaled) for layer in layers]
    joined = outputs[0] if len(outputs) == 1 else keras.layers.Concatenate()(outputs)
    keras_files.save(keras.Model(image, joined), path)
    return path
