"""Users' networks and weights that bring code, lead to other files, or do not fit."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.features import extraction
from histotransfer.models import initial_weights, keras_files, xception
from histotransfer.models.backend import keras
from histotransfer.study.parameters import ComputeParameters, ExtractionParameters
from support.errors import assert_clear

PX = xception.MIN_INPUT_PX
Members = dict[str, bytes]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a small extractor that is right."""
    path = tmp_path_factory.mktemp("models") / "right.keras"
    image = keras.Input((PX, PX, 3), dtype="uint8")
    scaled = keras.layers.Rescaling(1 / 255)(image)
    convolved = keras.layers.Conv2D(2, 3, name="conv")(scaled)
    keras_files.save(keras.Model(image, keras.layers.GlobalAveragePooling2D()(convolved)), path)
    return path


def members_of(path: Path) -> Members:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def with_layer(members: Members, **layer: Any) -> None:
    """Replace the rescaling by another layer."""
    config = json.loads(members["config.json"])
    for entry in config["config"]["layers"]:
        if entry["class_name"] == "Rescaling":
            entry |= layer
    members["config.json"] = json.dumps(config).encode()


def with_weights(members: Members, change: Callable[[h5py.File], Any]) -> None:
    buffer = io.BytesIO(members["model.weights.h5"])
    with h5py.File(buffer, "r+") as file:
        change(file)
    members["model.weights.h5"] = buffer.getvalue()


def kernel_elsewhere(file: h5py.File) -> None:
    shape = file["layers/conv2d/vars/0"].shape
    del file["layers/conv2d/vars/0"]
    file.create_dataset(
        "layers/conv2d/vars/0", shape, "f4", external=[("/etc/passwd", 0, 4 * int(np.prod(shape)))]
    )


def kernel_of_another_shape(file: h5py.File) -> None:
    del file["layers/conv2d/vars/0"]
    file["layers/conv2d/vars/0"] = np.zeros((1, 2, 3), np.float32)


def link_elsewhere(file: h5py.File) -> None:
    del file["layers/conv2d/vars/0"]
    file["layers/conv2d/vars/0"] = h5py.ExternalLink("/tmp/other.h5", "/x")


def nest(members: Members) -> None:
    members["config.json"] = b"[" * 100_000 + b"]" * 100_000


MODELS: dict[str, tuple[Callable[[Members], Any], str]] = {
    "a Lambda layer": (
        lambda m: with_layer(m, class_name="Lambda", config={"function": "os.system('x')"}),
        "a Lambda layer",
    ),
    "a layer of another package": (
        lambda m: with_layer(m, module="os", class_name="system"),
        "system, which is not a layer of Keras",
    ),
    "a registered layer": (
        lambda m: with_layer(m, registered_name="mine>Own"),
        "which is not a layer of Keras",
    ),
    "a layer that loads a SavedModel": (
        lambda m: with_layer(m, class_name="TFSMLayer", config={"filepath": "/tmp/x"}),
        "TFSMLayer",
    ),
    "a layer that unpickles": (lambda m: with_layer(m, class_name="TorchModuleWrapper"), "Torch"),
    "a layer that reads a file of words": (
        lambda m: with_layer(m, class_name="StringLookup", config={"vocabulary": "/etc/passwd"}),
        "StringLookup",
    ),
    "a function of Keras that is not a layer": (
        lambda m: with_layer(m, module="keras.utils", class_name="get_file"),
        "cannot be loaded",
    ),
    "a list for a class": (lambda m: with_layer(m, class_name=["Rescaling"]), "cannot be loaded"),
    "a number for a module": (lambda m: with_layer(m, module=7), "which is not a layer"),
    "pickled weights": (
        lambda m: m.update({"model.weights.npz": m.pop("model.weights.h5")}),
        "model.weights.npz",
    ),
    "a way out": (lambda m: m.update({"../../evil": b"x"}), "../../evil"),
    "an absolute member": (lambda m: m.update({"/tmp/evil": b"x"}), "/tmp/evil"),
    "assets": (lambda m: m.update({"assets/x": b"x"}), "assets/x"),
    "no config": (lambda m: m.pop("config.json"), "config.json"),
    "no weights": (lambda m: m.pop("model.weights.h5"), "cannot be loaded"),
    "a config that is not JSON": (
        lambda m: m.update({"config.json": b"{"}),
        "is not a .keras file",
    ),
    "a config of another kind": (lambda m: m.update({"config.json": b"[]"}), "cannot be loaded"),
    "a config without end": (nest, "is not a .keras file"),
    "weights that are not HDF5": (
        lambda m: m.update({"model.weights.h5": b"no"}),
        "cannot be loaded",
    ),
    "weights kept in another file": (
        lambda m: with_weights(m, kernel_elsewhere),
        "cannot be loaded",
    ),
    "weights linked to another file": (
        lambda m: with_weights(m, link_elsewhere),
        "cannot be loaded",
    ),
    "weights of another shape": (
        lambda m: with_weights(m, kernel_of_another_shape),
        "cannot be loaded",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MODELS)
def test_a_wrong_model_is_refused(whole: Path, tmp_path: Path, case: str) -> None:
    change, named = MODELS[case]
    members = members_of(whole)
    change(members)
    path = tmp_path / "a/b/wrong.keras"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(HistotransferError) as caught:
        keras_files.admit(path, tmp_path / "admitted.keras", input_px=PX)
    assert_clear(caught.value, "wrong.keras", named)
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["wrong.keras"]


def test_a_config_that_is_a_zip_bomb_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * (2**26 + 1))
    assert path.stat().st_size < 2**20
    with pytest.raises(HistotransferError, match="too large for a network"):
        keras_files.load_extractor(path)


def test_a_damaged_extractor_of_ours_is_found_before_the_first_patch(
    whole: Path, tmp_path: Path
) -> None:
    parameters = ExtractionParameters(
        1, "float32", ComputeParameters(gpu=False, precision="auto", jit="auto")
    )
    for place in (0.001, 0.3, 0.6, 0.999):
        path = tmp_path / "ours.keras"
        keras_files.save(keras_files.load_extractor(whole), path)
        content = bytearray(path.read_bytes())
        content[int(place * len(content))] ^= 16
        path.write_bytes(content)
        with pytest.raises(HistotransferError) as caught:
            extraction.extract({"E": path}, {}, {}, cut="", parameters=parameters, code="1")
        assert caught.value.remedy == f"Delete it and make it again: snakemake {path}"
        with pytest.raises(HistotransferError, match="does not match its digest"):
            keras_files.head_of(path, "E")


def external(file: h5py.File) -> None:
    file.create_dataset("block1_conv1/kernel", (3, 3, 3, 32), "f4", external="/etc/passwd")


WEIGHTS: dict[str, tuple[Callable[[h5py.File], Any], str]] = {
    "nothing": (lambda f: None, "does not fit Xception"),
    "names alone": (lambda f: f.attrs.update(layer_names=[b"block1_conv1"]), "does not fit"),
    "external storage": (external, "does not fit"),
    "says it is ours": (lambda f: f.attrs.update(schema="weights/1"), "written by this version"),
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_wrong_weights_are_refused(tmp_path: Path, case: str) -> None:
    change, named = WEIGHTS[case]
    with h5py.File(tmp_path / "w.h5", "w") as file:
        change(file)
    with pytest.raises(HistotransferError) as caught:
        initial_weights.fetch(tmp_path / "out.h5", source=str(tmp_path / "w.h5"), seed=0)
    assert_clear(caught.value, "w.h5", named)
    assert not (tmp_path / "out.h5").exists()
