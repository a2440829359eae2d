"""Networks of PyTorch: the features are timm's own, the files hold no code."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.features.extraction import extract, output_width
from histotransfer.study.parameters import ComputeParameters, ExtractionParameters, TimmParameters
from support.errors import assert_clear
from support.networks import write_patch_store
from support.torch_networks import VIT, require_torch, save_network

require_torch()

import timm  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402

from histotransfer.models import torch_files  # noqa: E402
from histotransfer.models.network_card import write_network_card  # noqa: E402
from histotransfer.models.timm_recipes import RECIPES  # noqa: E402
from histotransfer.models.timm_transform import Transform  # noqa: E402
from histotransfer.models.torch_network import TorchNetwork  # noqa: E402

Patches = npt.NDArray[np.uint8]


@pytest.fixture(autouse=True)
def _keep_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KERAS_BACKEND", "HF_HUB_OFFLINE"):  # set by `choose_library`
        monkeypatch.setenv(name, os.environ.get(name, "torch" if name == "KERAS_BACKEND" else "0"))


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vit")
    save_network(folder, "vit_tiny_patch16_224", **VIT)
    return folder


def patches(px: int, n: int = 3) -> Patches:
    rng = np.random.default_rng(7)
    coarse = rng.integers(0, 256, (n, 9, 9, 3), np.uint8)
    return np.stack([np.asarray(Image.fromarray(x).resize((px, px))) for x in coarse])


def save(folder: Path, px: int, *, pooling: str = "", arguments: Any = None) -> Path:
    """Admit a folder's network to the models of a study."""
    wanted = TimmParameters(f"local-dir:{folder}", "", pooling, arguments or {})
    path = folder / "saved.safetensors"
    torch_files.save_timm(wanted, path, input_px=px, extractor="X")
    return path


def timms_own(folder: Path, images: Patches) -> tuple[Any, Any]:
    """Return a folder's network and its batch of images, both made by timm alone."""
    model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    config = timm.data.resolve_model_data_config(model)
    transform = timm.data.create_transform(**config, is_training=False)
    return model, torch.stack([transform(Image.fromarray(image)) for image in images])


def tokens_of(pooling: str) -> Callable[[Any, Any], Any]:
    """Return a pooling as the cards of Virchow2 and others write it, after a model and images."""

    def run(model: Any, images: Any) -> Any:
        output = model.forward_features(images)
        cls, mean = output[:, 0], output[:, 5:].mean(1)
        return {"cls": cls, "mean": mean, "cls+mean": torch.cat([cls, mean], dim=-1)}[pooling]

    return run


@pytest.mark.parametrize("px", [64, 71, 224])
@pytest.mark.parametrize("pooling", ["", "cls", "mean", "cls+mean"])
def test_features_of_a_transformer_are_those_of_timm(vit: Path, px: int, pooling: str) -> None:
    images = patches(px)
    model, batch = timms_own(vit, images)
    with torch.inference_mode():
        expected = (tokens_of(pooling) if pooling else lambda m, x: m(x))(model, batch).numpy()
    path = save(vit, px, pooling=pooling)
    found = TorchNetwork(path, 2).run(images)
    assert found.dtype == np.float32
    assert found.shape == (3, output_width(path))
    assert expected.std(axis=0).min() > 0
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("architecture", "arguments"),
    [
        ("resnet18", {}),
        ("vit_tiny_patch16_224", {**VIT, "global_pool": "avg"}),  # normalises after pooling
        ("convnext_atto", {"depths": (1, 1, 1, 1)}),
    ],
)
def test_the_own_pooling_of_other_networks_is_kept(
    tmp_path: Path, architecture: str, arguments: dict[str, Any]
) -> None:
    save_network(tmp_path, architecture, **arguments)
    images = patches(96)
    model, batch = timms_own(tmp_path, images)
    with torch.inference_mode():
        expected = model(batch).numpy()
    np.testing.assert_allclose(TorchNetwork(save(tmp_path, 96), 2).run(images), expected, atol=1e-5)
    if "global_pool" in arguments:
        found = TorchNetwork(save(tmp_path, 96, pooling="mean"), 2).run(images)
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("config", [
    {"crop_pct": 1.0, "interpolation": "bilinear"}, {"crop_pct": 0.9}, {"crop_mode": "squash"},
    {"crop_mode": "border", "crop_pct": 0.8},
])  # fmt: skip
@pytest.mark.parametrize("px", [64, 80])
def test_the_transform_is_timms(config: dict[str, Any], px: int) -> None:
    config = {"input_size": (3, 64, 64), "mean": (0.7, 0.6, 0.5), "std": (0.2, 0.3, 0.1), **config}
    images = patches(px)
    theirs = timm.data.create_transform(**config, is_training=False)
    ours = Transform(config, px, threads=2)
    expected = torch.stack([theirs(Image.fromarray(image)) for image in images])
    torch.testing.assert_close(ours(images), expected, atol=1e-6, rtol=0)
    assert ours.changes_pictures == (px != 64 or config.get("crop_pct", 0.875) != 1.0)


def test_features_are_extracted_to_a_file_like_those_of_keras(vit: Path, tmp_path: Path) -> None:
    store, out = tmp_path / "S1.h5", tmp_path / "features.h5"
    images = patches(64, 5)
    write_patch_store(store, images)
    path = save(vit, 64, pooling="cls+mean")
    parameters = ExtractionParameters(2, "float32", ComputeParameters("prefer", "float32", "auto"))
    models, stores, outputs = {"X": path}, {"S1": store}, {"X": {"S1": out}}
    extract(models, stores, outputs, cut="", parameters=parameters, code="c")
    with h5py.File(out) as file:
        np.testing.assert_array_equal(file["features"], TorchNetwork(path, 2).run(images))
        assert file.attrs["backend"] == "torch"
        assert f"timm {timm.__version__}" in file.attrs["versions"]
    assert os.environ["HF_HUB_OFFLINE"] == "1"


def test_batches_and_padding_do_not_matter_and_memory_halves_them(vit: Path) -> None:
    images = patches(64, 7)
    network = TorchNetwork(save(vit, 64), 4, threads=1)
    whole = np.concatenate(list(network.run_all([images[:4], images[4:]])))
    np.testing.assert_allclose(whole, network.run(images), atol=1e-6)
    function = network._function

    def scarce(batch: Patches) -> Any:
        if len(batch) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return function(batch)

    network._function = scarce
    np.testing.assert_allclose(network.run(images), whole, atol=1e-5)
    assert network.batch_size == 1


def test_mixed_precision_is_near_float32(vit: Path) -> None:
    images = patches(64)
    path = save(vit, 64)
    single, mixed = (TorchNetwork(path, 4, mixed_precision=m).run(images) for m in (False, True))
    assert mixed.dtype == np.float32
    assert 0 < np.abs(mixed - single).max() < 0.05 * np.abs(single).max()


def test_a_saved_network_is_the_same_to_the_byte(vit: Path, tmp_path: Path) -> None:
    first = save(vit, 64).read_bytes()
    assert save(vit, 64).read_bytes() == first


def test_the_card_tells_source_licence_and_use(vit: Path, tmp_path: Path) -> None:
    folder = tmp_path / "net"
    shutil.copytree(vit, folder)
    (folder / "README.md").write_text("---\ntags: [x]\nlicense: cc-by-nc-nd-4.0\n---\n# Card\n")
    path = folder / "saved.safetensors"
    wanted = TimmParameters(f"local-dir:{folder}", "", "cls+mean", {})
    said = torch_files.save_timm(wanted, path, input_px=71, extractor="X")
    write_network_card(tmp_path / "card.md", said, name="X", model=path)
    card = (tmp_path / "card.md").read_text()
    for text in ("cc-by-nc-nd-4.0", "vit_tiny_patch16_224", "cls+mean", "384", "crop_pct: 0.9"):
        assert text in card
    assert "patches of 71 px are resized or cropped to 64 px" in card


#: Architecture and arguments of the config, millions of parameters and features of the card.
CARDS = {
    "mahmoodlab/uni": ("vit_large_patch16_224", {}, 303, 1024),
    "mahmoodlab/uni2-h": ("vit_giant_patch14_224", {}, 681, 1536),
    "paige-ai/virchow2": (
        "vit_huge_patch14_224",
        {"img_size": 224, "init_values": 1e-5, "mlp_ratio": 5.3375, "reg_tokens": 4,
         "global_pool": ""},
        632, 1280,
    ),
    "bioptimus/h-optimus-0": ("vit_giant_patch14_reg4_dinov2", {"img_size": 224}, 1135, 1536),
    "bioptimus/h-optimus-1": ("vit_giant_patch14_reg4_dinov2", {"img_size": 224}, 1135, 1536),
}  # fmt: skip


@pytest.mark.parametrize("repository", RECIPES)
def test_each_recipe_builds_a_network_of_the_size_that_its_card_states(
    repository: str, tmp_path: Path
) -> None:
    architecture, model_args, millions, width = CARDS[repository]
    config = {
        "architecture": architecture,
        "num_classes": 0,
        "model_args": model_args,
        "pretrained_cfg": {"input_size": [3, 224, 224], "fixed_input_size": True},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    recipe = RECIPES[repository]
    with torch.device("meta"):
        model = torch_files._built(tmp_path, recipe.arguments, "X", pretrained=False)
        found = torch_files.pooled(model, recipe.pooling)(torch.zeros(1, 3, 224, 224))
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, rel=0.005)
    assert found.shape == (1, width * (1 + (recipe.pooling == "cls+mean")))


def test_arguments_of_the_config_build_another_network(vit: Path) -> None:
    with pytest.raises(HistotransferError) as caught:
        save(vit, 64, arguments={"depth": 3})
    assert_clear(caught.value, "extractors.X", "cannot be built", "docs/networks.md")


@pytest.mark.parametrize(
    ("architecture", "arguments", "pooling", "cause"),
    [
        ("resnet18", {}, "cls", "no tokens"),
        ("resnet18", {}, "mean", "no tokens"),
        ("vit_tiny_patch16_224", {**VIT, "class_token": False, "global_pool": "avg"}, "cls+mean",
         "no class token"),
    ],
)  # fmt: skip
def test_a_pooling_that_a_network_does_not_have_is_refused(
    tmp_path: Path, architecture: str, arguments: dict[str, Any], pooling: str, cause: str
) -> None:
    save_network(tmp_path, architecture, **arguments)
    with pytest.raises(HistotransferError) as caught:
        save(tmp_path, 64, pooling=pooling)
    assert_clear(caught.value, "extractors.X.pooling", cause)


class Evil:
    """Unpickled, it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def test_code_in_weights_is_never_run(vit: Path, tmp_path: Path) -> None:
    folder, harmed = tmp_path / "net", tmp_path / "harmed"
    folder.mkdir()
    shutil.copy(vit / "config.json", folder)
    torch.save({"weight": Evil(harmed)}, folder / "pytorch_model.bin")
    with pytest.raises(HistotransferError, match="cannot be built"):
        save(folder, 64)
    assert not harmed.exists()


def test_weights_as_a_plain_pickle_of_tensors_are_read(vit: Path, tmp_path: Path) -> None:
    folder = tmp_path / "net"
    folder.mkdir()
    shutil.copy(vit / "config.json", folder)
    model = timm.create_model(f"local-dir:{vit}", pretrained=True)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    images = patches(64)
    theirs, ours = (TorchNetwork(save(where, 64), 4).run(images) for where in (vit, folder))
    np.testing.assert_array_equal(theirs, ours)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda folder: (folder / "config.json").unlink(), "is missing"),
        (lambda folder: (folder / "config.json").write_text("x"), "is not JSON"),
        (lambda folder: (folder / "config.json").write_text("{}"), "names no architecture"),
        (lambda folder: (folder / "model.safetensors").unlink(), "has neither model.safetensors"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x" * 99), "cannot be built"),
    ],
)
def test_a_folder_that_lacks_something_is_named(
    vit: Path, tmp_path: Path, change: Callable[[Path], object], cause: str
) -> None:
    folder = tmp_path / "net"
    shutil.copytree(vit, folder)
    change(folder)
    with pytest.raises(HistotransferError) as caught:
        save(folder, 64)
    assert_clear(caught.value, cause)


class Own(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.float().mean(dim=(1, 2)) / 255


class Pictures(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.float()


def test_torchscript_maps_patches_to_features(tmp_path: Path) -> None:
    torch.jit.script(Own()).save(str(tmp_path / "own.pt"))
    path = tmp_path / "models/OWN.pt"
    torch_files.save_torchscript(tmp_path / "own.pt", path, input_px=71)
    images = patches(71)
    found = TorchNetwork(path, 2).run(images)
    np.testing.assert_allclose(found, images.mean(axis=(1, 2)) / 255, atol=1e-5)
    assert output_width(path) == 3


def test_other_files_are_no_torchscript(tmp_path: Path, vit: Path) -> None:
    torch.jit.script(Pictures()).save(str(tmp_path / "pictures.pt"))
    torch.save({"weight": Evil(tmp_path / "harmed")}, tmp_path / "pickle.pt")
    for name, cause in (("pictures", "maps a patch to"), ("pickle", "is not TorchScript")):
        with pytest.raises(HistotransferError) as caught:
            torch_files.save_torchscript(tmp_path / f"{name}.pt", tmp_path / "x.pt", input_px=71)
        assert_clear(caught.value, f"{name}.pt", cause)
    assert not (tmp_path / "harmed").exists()
