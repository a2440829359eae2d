"""Xception as a feature extractor: uint8 RGB patches in, 2048 float32 features out.

Preprocessing is part of the network, so whoever opens its file need not know about it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.errors import HistotransferError
from . import weight_files
from .backend import keras
from .keras_files import save as save_model

MIN_INPUT_PX = 71
"""Xception's five halvings leave nothing of a smaller patch."""


def build(input_px: int, *, name: str = "xception") -> keras.Model:
    """Build Xception without its top, with preprocessing in front and average pooling behind.

    It maps uint8 (n, input_px, input_px, 3) to float32 (n, 2048). Its layers bear the names of
    `canonical_names`; its weights are arbitrary. An input below `MIN_INPUT_PX` is an error.
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
    names = canonical_names((type(layer).__name__, layer.name) for layer in model.layers)
    renamed = {layer.name: name for layer, name in zip(model.layers, names, strict=True)}

    def rename(layer: keras.Layer) -> keras.Layer:
        return type(layer).from_config({**layer.get_config(), "name": renamed[layer.name]})

    model = keras.models.clone_model(model, clone_function=rename)
    return keras.Model(model.inputs, model.outputs[0], name=name)


def canonical_names(layers: Iterable[tuple[str, str]]) -> list[str]:
    """Name every layer of Xception after its block.

    Keras Applications names most layers after their block (``block3_sepconv1``), but those on the
    residual paths after a counter of the session (``conv2d_7``). They become ``block3_residual``,
    ``block3_residual_bn`` and ``block3_add``.

    Parameters
    ----------
    layers : iterable of (str, str)
        Class name and name of each layer, in the model's order.
    """
    strided = (2, 3, 4, 13)  # the blocks whose residual path has a convolution
    unnamed = {
        "Conv2D": iter([f"block{block}_residual" for block in strided]),
        "BatchNormalization": iter([f"block{block}_residual_bn" for block in strided]),
        "Add": iter([f"block{block}_add" for block in range(2, 14)]),
        "GlobalAveragePooling2D": iter(["features"]),
    }
    return [
        name if name.startswith("block") or kind not in unnamed else next(unnamed[kind])
        for kind, name in layers
    ]


def unfreeze(base: keras.Model, unfreeze_from: str) -> keras.KerasTensor:
    """Make the last blocks trainable, except for their batch normalisation.

    Parameters
    ----------
    base : keras.Model
        The network of `build`; sets `trainable` of its layers.
    unfreeze_from : str
        The first block to train, ``block1`` to ``block14``, or ``all``; any other is an error.

    Returns
    -------
    KerasTensor
        The boundary, where the trained part begins; for ``all`` the input.
    """
    number = _block_numbers(base)
    names = [f"block{block}" for block in sorted(set(number.values()))]
    if unfreeze_from not in ("all", *names):
        raise HistotransferError(
            "finetune.step2.unfreeze_from",
            f"{unfreeze_from!r} is not a block of Xception",
            f"Choose one of {', '.join(names)}, or all",
        )
    first = 1 if unfreeze_from == "all" else int(unfreeze_from.removeprefix("block"))
    for layer in base.layers:
        layer.trainable = number.get(layer.name, 0) >= first and not isinstance(
            layer, keras.layers.BatchNormalization
        )
    return base.inputs[0] if first == 1 else boundary(base, unfreeze_from)


def boundary(model: keras.Model, first_block: str) -> keras.KerasTensor:
    """Return what enters a block, such as ``block13``: all before it is the trunk."""
    return next(x for x in model.layers if x.name.startswith(f"{first_block}_")).input


def _block_numbers(model: keras.Model) -> dict[str, int]:
    """Return the number of the block of each layer that is in one, by the layer's name."""
    found = {layer.name: re.match(r"block(\d+)_", layer.name) for layer in model.layers}
    return {name: int(match[1]) for name, match in found.items() if match}


def trunk_digests(model: keras.Model) -> dict[str, str]:
    """Return the digest of the tensors below each block but the first, by the block's name.

    Two networks of `build` with the same digest at a block compute the same below it.
    """
    number = _block_numbers(model)
    by_block: dict[int, weight_files.Tensors] = {}
    for name, values in tensors(model).items():
        by_block.setdefault(number[name.split("/")[0]], {})[name] = values
    chain = hashlib.sha256(f"Xception of {model.input_shape[1]} px".encode())
    digests = {}
    for block in sorted(by_block)[:-1]:
        chain.update(weight_files.tensor_digest(by_block[block]).encode())
        digests[f"block{block + 1}"] = chain.hexdigest()
    return digests


def save(model: keras.Model, path: str | Path) -> None:
    """Save a network of `build`; the file tells up to which block it equals another one."""
    save_model(model, path, trunks=trunk_digests(model))


def set_precision(model: keras.Model, *, mixed: bool) -> None:
    """Let a model compute in float16 with float32 weights (`mixed`), or in float32 throughout.

    This includes networks within it, and layers within its layers.
    """
    for layer in model._flatten_layers():
        layer.dtype_policy = "mixed_float16" if mixed else "float32"


def tensors(model: keras.Model) -> weight_files.Tensors:
    """Return the weights of a model by ``layer/variable``."""
    return {
        name: np.asarray(variable.numpy(), dtype=np.float32)
        for name, variable in _variables(model).items()
    }


def set_tensors(model: keras.Model, values: Mapping[str, npt.NDArray[np.float32]]) -> None:
    """Give a model the weights that `tensors` returned, or raise ValueError where they differ."""
    variables = _variables(model)
    if odd := sorted(variables.keys() ^ values.keys()):
        raise ValueError(f"{len(odd)} tensors are missing or unknown, such as {odd[0]}")
    for name, variable in variables.items():
        variable.assign(values[name])


def _variables(model: keras.Model) -> dict[str, keras.Variable]:
    return {f"{layer.name}/{v.name}": v for layer in model.layers for v in layer.weights}


def from_weights(path: str | Path, input_px: int, *, name: str = "xception") -> keras.Model:
    """Build the extractor and give it the weights of a ``weights/1`` file."""
    model = build(input_px, name=name)
    try:
        set_tensors(model, weight_files.read(path))
    except ValueError as error:
        remedy = "Set network.weights to other weights"
        raise HistotransferError(path, f"does not fit Xception ({error})", remedy) from error
    return model


def write_imagenet_extractor(
    weights_path: str | Path, out_path: str | Path, *, input_px: int, extractor: str
) -> None:
    """Write the off-the-shelf extractor of a ``weights/1`` file; its name becomes the model's."""
    save(from_weights(weights_path, input_px, name=extractor), out_path)
