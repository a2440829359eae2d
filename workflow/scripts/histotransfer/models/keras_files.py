"""Keras models as files: the same bytes at each saving, no foreign code run at loading."""

from __future__ import annotations

import json
import re
import zipfile
import zlib
from pathlib import Path

from ..core.errors import HistotransferError
from ..core.files import check_digest, remake, written_with_digest
from .backend import keras

_MEMBERS = {"config.json", "metadata.json", "model.weights.h5"}
_MAX_CONFIG_BYTES = 2**26
_READ_FILES = {
    "FlaxLayer", "IntegerLookup", "JaxLayer", "StringLookup", "TFSMLayer", "TextVectorization",
    "TorchModuleWrapper",
}  # fmt: skip
"""Layers of Keras that run another library's code, or read files that the config names."""


def save(model: keras.Model, path: str | Path, **said: object) -> None:
    """Save a model as a ``.keras`` file, whole or not at all, with its digest and without dates.

    Its ``metadata.json`` also holds `output_width` and what is `said` besides, for readers that do
    not load the network.
    """
    with written_with_digest(path) as partial:
        model.save(partial)
        with zipfile.ZipFile(partial) as archive:
            members = {name: archive.read(name) for name in sorted(archive.namelist())}
        members["config.json"] = _with_small_ids(members["config.json"])
        metadata = json.loads(members["metadata.json"])
        del metadata["date_saved"]
        metadata |= {"output_width": model.output_shape[-1], **said}
        members["metadata.json"] = json.dumps(metadata).encode()
        with zipfile.ZipFile(partial, "w") as archive:
            for name, content in members.items():
                archive.writestr(zipfile.ZipInfo(name), content)


def _with_small_ids(config: bytes) -> bytes:
    """Renumber the shared objects of a config in order, not by their address in memory."""
    numbers: dict[bytes, int] = {}

    def renumber(found: re.Match[bytes]) -> bytes:
        return found[1] + str(numbers.setdefault(found[2], len(numbers) + 1)).encode()

    return re.sub(rb'("shared_object_id": )(\d+)', renumber, config)


def admit(path: str | Path, out_path: str | Path, *, input_px: int) -> None:
    """Check an extractor of the user's as `load_extractor` does, and save it among the models."""
    model = load_extractor(path)
    check_size(path, model, input_px)
    save(model, out_path)


def check_size(path: str | Path, model: keras.Model, patch_px: int) -> None:
    """Raise HistotransferError if a model does not take patches of `patch_px`."""
    if (size := model.input_shape[1]) != patch_px:
        raise HistotransferError(
            path,
            f"takes patches of {size} px, but the study has patches of {patch_px} px",
            "Set tiling.patch_px to the extractor's size, or choose another extractor",
        )


def load_extractor(path: str | Path) -> keras.Model:
    """Load an extractor, uint8 (n, s, s, 3) to (n, d), without running code that its file brings.

    Raises
    ------
    HistotransferError
        If the file is not a Keras 3 model, contains layers with their own code (Lambda, or layers
        from outside Keras), or has other inputs or outputs.
    """
    remedy = "Use a .keras file of standard layers: uint8 RGB (n,s,s,3) in, features (n,d) out"
    try:
        with zipfile.ZipFile(path) as archive:
            if odd := sorted(set(archive.namelist()) - _MEMBERS):
                raise ValueError(f"it contains {odd[0]!r}")
            if archive.getinfo("config.json").file_size > _MAX_CONFIG_BYTES:
                raise ValueError("its config.json is too large for a network")
            config = json.loads(archive.read("config.json"))
    # zipfile and json raise all of these, for parts missing, damaged, encrypted or deeply nested
    except (OSError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise HistotransferError(path, f"is not a .keras file ({error})", remedy) from error
    if foreign := sorted(_foreign(config)):
        raise HistotransferError(path, f"contains {', '.join(foreign)}", remedy)
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises many kinds; all mean that the file cannot be used
        raise HistotransferError(path, f"cannot be loaded ({error})", remedy) from error
    inputs, outputs = getattr(model, "inputs", []), getattr(model, "outputs", [])
    if len(inputs) != 1 or len(outputs) != 1:
        raise HistotransferError(path, "does not have one input and one output", remedy)
    (_, *shape), kind, out = inputs[0].shape, inputs[0].dtype, outputs[0].shape
    square = len(shape) == 3 and shape[0] == shape[1] and None not in shape and shape[2] == 3
    if not square or kind != "uint8" or len(out) != 2 or out[1] is None:
        raise HistotransferError(path, f"maps {kind} {inputs[0].shape} to {out}", remedy)
    return model


def head_of(classifier_path: str | Path, extractor: str) -> keras.Model:
    """Load the head, features (n, d) to probabilities, of the classifier of an extractor."""
    check_digest(classifier_path)
    model = keras.models.load_model(classifier_path, compile=False, safe_mode=True)
    if model.name != (expected := classifier_name(extractor)):
        raise HistotransferError(
            classifier_path, f"is {model.name}, expected {expected}", remake(classifier_path)
        )
    return model.get_layer("head")


def classifier_name(extractor: str) -> str:
    """Return the name of the model that an extractor and its head make."""
    return f"{extractor}-classifier"


def _foreign(config: object) -> set[str]:
    """Return the parts of a model's config that could run code from outside Keras."""
    if isinstance(config, list):
        return set().union(*map(_foreign, config))
    if not isinstance(config, dict):
        return set()
    found = set().union(*map(_foreign, config.values()))
    if "class_name" in config:
        package = str(config.get("module") or "keras").split(".")[0]
        registered = str(config.get("registered_name") or "")
        custom = package not in ("keras", "builtins") or ">" in registered
        name = str(config["class_name"])
        if name == "Lambda":
            found.add("a Lambda layer")
        elif name in _READ_FILES:
            found.add(f"{name}, which needs more than this file")
        elif custom:
            found.add(f"{name}, which is not a layer of Keras")
    return found
