"""Xception as a feature extractor: uint8 RGB patches in, 2048 float32 features out.

An extractor is one ``.keras`` file with the preprocessing inside, so whoever opens it needs to
know nothing of it. Two savings of the same weights are the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.errors import HistotransferError
from . import weight_files
from .backend import keras
from .keras_files import save

MIN_INPUT_PX = 71  # Xception's five halvings leave nothing of a smaller patch


def build(input_px: int, *, name: str = "xception") -> keras.Model:
    """Build Xception without its top, with preprocessing in front and average pooling behind.

    Parameters
    ----------
    input_px : int
        Side of the square input.
    name : str
        The model's name.

    Returns
    -------
    keras.Model
        uint8 (n, input_px, input_px, 3) to float32 (n, 2048). Its layers bear the names of
        `weight_files.canonical_names`; its weights are not ImageNet's.

    Raises
    ------
    HistotransferError
        If `input_px` is below `MIN_INPUT_PX`.
    """
    if input_px < MIN_INPUT_PX:
        raise HistotransferError(
            "tiling.patch_px",
            f"{input_px} px is too small for Xception",
            f"Use at least {MIN_INPUT_PX} px",
        )
    image = keras.Input((input_px, input_px, 3), dtype="uint8", name="image")
    # keras.applications.xception.preprocess_input, as a layer: 0…255 becomes −1…1
    scaled = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="scale")(image)
    model = keras.applications.Xception(
        include_top=False, weights=None, input_tensor=scaled, pooling="avg"
    )
    names = weight_files.canonical_names(
        (type(layer).__name__, layer.name) for layer in model.layers
    )
    renamed = {layer.name: name for layer, name in zip(model.layers, names, strict=True)}

    def rename(layer: keras.Layer) -> keras.Layer:
        return type(layer).from_config({**layer.get_config(), "name": renamed[layer.name]})

    model = keras.models.clone_model(model, clone_function=rename)
    return keras.Model(model.inputs, model.outputs[0], name=name)


def set_precision(model: keras.Model, *, mixed: bool) -> None:
    """Let a model compute in float16 with float32 weights (`mixed`), or in float32 throughout."""
    policy = "mixed_float16" if mixed else "float32"
    model.dtype_policy = policy
    for layer in model.layers:
        layer.dtype_policy = policy


def tensors(model: keras.Model) -> weight_files.Tensors:
    """Return a model's weights by ``layer/variable``."""
    return {
        f"{layer.name}/{variable.name}": np.asarray(variable.numpy(), dtype=np.float32)
        for layer in model.layers
        for variable in layer.weights
    }


def set_tensors(model: keras.Model, values: Mapping[str, npt.NDArray[np.float32]]) -> None:
    """Set a model's weights from `tensors`.

    Raises
    ------
    ValueError
        If a tensor is missing, left over or of another shape.
    """
    variables = {
        f"{layer.name}/{variable.name}": variable
        for layer in model.layers
        for variable in layer.weights
    }
    if odd := sorted(variables.keys() ^ values.keys()):
        raise ValueError(f"{len(odd)} tensors missing or left over, such as {odd[0]}")
    for name, variable in variables.items():
        variable.assign(values[name])


def from_weights(path: str | Path, input_px: int, *, name: str = "xception") -> keras.Model:
    """Build the extractor and give it the weights of a ``weights/1`` file."""
    model = build(input_px, name=name)
    try:
        set_tensors(model, weight_files.read(path))
    except ValueError as error:
        raise HistotransferError(
            path, f"does not fit Xception ({error})", "Choose other network.weights"
        ) from error
    return model


def write_imagenet_extractor(
    weights_path: str | Path, out_path: str | Path, *, input_px: int, extractor: str
) -> None:
    """Write the off-the-shelf extractor.

    Parameters
    ----------
    weights_path : str or Path
        The ``weights/1`` file.
    out_path : str or Path
        The ``.keras`` file to write.
    input_px : int
        Side of the patches.
    extractor : str
        The extractor's name, which becomes the model's.
    """
    save(from_weights(weights_path, input_px, name=extractor), out_path)
