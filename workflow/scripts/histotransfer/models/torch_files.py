"""Networks of PyTorch as files of the study: weights and a description, never code of Python.

A network of timm becomes one ``.safetensors`` file, whose header says how to build it again. A
TorchScript file is kept as it is, with its description inside.
"""

from __future__ import annotations

import json
import logging
import pickle
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import HistotransferError
from ..core.files import check_digest, file_digest, written_with_digest
from ..study.parameters import TimmParameters
from . import hub
from .model_files import HEADER_KEY, MEMBER, metadata, require_torch
from .timm_recipes import recipe_of
from .timm_transform import Transform

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

_REMEDY = "Correct the extractor in the config (docs/networks.md)"


@dataclass(frozen=True)
class Description:
    """How a network of timm is built, and how patches become its features.

    Attributes
    ----------
    config : mapping
        The ``config.json`` of its repository or folder.
    arguments : mapping
        Of the architecture beside these; layers by their name.
    pooling : {"", "cls", "mean", "cls+mean"}
        How tokens become features; empty for the network's own way.
    transform : mapping
        What timm's `create_transform` makes the transform of: `input_size`, `interpolation`,
        `mean`, `std`, `crop_pct` and `crop_mode`.
    input_px : int
        Side of the study's patches.
    output_width : int
        Number of features.
    source, revision, weights, licence : str
        Where it comes from: the repository or folder, its commit, the SHA-256 of its weights and
        the licence that it states.
    """

    config: Mapping[str, Any]
    arguments: Mapping[str, Any]
    pooling: str
    transform: Mapping[str, Any]
    input_px: int
    output_width: int
    source: str
    revision: str
    weights: str
    licence: str


def save_timm(
    wanted: TimmParameters, out_path: str | Path, *, input_px: int, extractor: str
) -> Description:
    """Fetch a network of timm, or take it from a folder, and save it among the models.

    Parameters
    ----------
    wanted : TimmParameters
        Which network.
    out_path : str or Path
        The ``.safetensors`` file to write.
    input_px : int
        Side of the study's patches.
    extractor : str
        Its name in the config.

    Raises
    ------
    HistotransferError
        If its files cannot be had, the weights do not fit the architecture, or the pooling does not
        fit the network.
    """
    subject = f"extractors.{extractor}"
    require_torch(subject)
    import timm
    import torch
    from safetensors.torch import save_file

    if wanted.repository:
        folder = hub.fetch_network(wanted.repository, wanted.revision)
    else:
        folder = Path(wanted.folder)
    config, weights = _config_of(folder), _weights_of(folder)
    recipe = recipe_of(wanted.repository)
    arguments = {**recipe.arguments, **wanted.arguments}
    model = _built(folder, arguments, subject, pretrained=True)
    transform = {**timm.data.resolve_model_data_config(model), **recipe.transform}
    pooling = wanted.pooling or recipe.pooling
    try:
        with torch.inference_mode():
            found = pooled(model, pooling)(torch.zeros(1, *transform["input_size"]))
    except ValueError as error:
        raise HistotransferError(f"{subject}.pooling", str(error), _REMEDY) from error
    except (RuntimeError, AssertionError) as error:
        raise HistotransferError(subject, f"cannot be computed ({error})", _REMEDY) from error
    if found.ndim != 2:
        raise HistotransferError(
            subject,
            f"gives features of shape {tuple(found.shape[1:])} for a patch",
            "Choose a `pooling`, if it has tokens, or another network",
        )
    description = Description(
        config=config,
        arguments=arguments,
        pooling=pooling,
        transform=transform,
        input_px=input_px,
        output_width=found.shape[1],
        source=wanted.repository or wanted.folder,
        revision=wanted.revision,
        weights=file_digest(weights),
        licence=_licence(folder, config),
    )
    said = (description.output_width, wanted.name, uses_of_patches(description))
    log.info("%d features of %s; %s", *said)
    with written_with_digest(out_path) as partial:
        state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
        save_file(state, partial, metadata={HEADER_KEY: json.dumps(asdict(description))})
    return description


def uses_of_patches(description: Description) -> str:
    """Say what timm's transform does with the study's patches before they are standardised."""
    px, size = description.input_px, description.transform["input_size"][-1]
    if not Transform(description.transform, px).changes_pictures:
        return f"patches of {px} px are used as they are"
    return f"patches of {px} px are resized or cropped to {size} px"


def load_timm(path: str | Path) -> tuple[torch.nn.Module, Description]:
    """Build a network of `save_timm` again, with its weights, for inference on the CPU."""
    from safetensors.torch import load_file

    check_digest(path)
    description = Description(**metadata(path))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, hub.CONFIG).write_text(json.dumps(description.config), encoding="utf-8")
        model = _built(Path(folder), description.arguments, str(path), pretrained=False)
    model.load_state_dict(load_file(path))
    return model, description


def pooled(model: torch.nn.Module, pooling: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a network of timm as a function of images (n, 3, s, s) that gives (n, d).

    Raises
    ------
    ValueError
        If the network has no tokens to pool so.
    """
    net: Any = model
    if not pooling:
        return lambda images: net(images)
    prefix = getattr(net, "num_prefix_tokens", None)
    if prefix is None:
        raise ValueError(f"is {pooling!r}, but the network has no tokens of patches")
    if pooling != "mean" and not getattr(net, "has_class_token", False):
        raise ValueError(f"is {pooling!r}, but the network has no class token")
    norm = getattr(net, "fc_norm", None) or (lambda tokens: tokens)

    def run(images: torch.Tensor) -> torch.Tensor:
        import torch

        tokens = net.forward_features(images)
        parts = {"cls": tokens[:, 0], "mean": tokens[:, prefix:].mean(dim=1)}
        return torch.cat([norm(parts[name]) for name in pooling.split("+")], dim=1)

    return run


def save_torchscript(path: str | Path, out_path: str | Path, *, input_px: int) -> None:
    """Check a TorchScript file of the user's and save it among the models.

    It maps uint8 RGB (n, s, s, 3) to features (n, d), preprocessing included, as a ``.keras`` file
    does.

    Raises
    ------
    HistotransferError
        If it is not TorchScript or maps something else.
    """
    require_torch(path)
    import torch

    remedy = "Use a .pt file of torch.jit: uint8 RGB (n,s,s,3) in, features (n,d) out"
    try:
        module = torch.jit.load(str(path), map_location="cpu").eval()
    except (RuntimeError, ValueError) as error:
        raise HistotransferError(path, f"is not TorchScript ({error})", remedy) from error
    try:
        with torch.inference_mode():
            found = module(torch.zeros(1, input_px, input_px, 3, dtype=torch.uint8))
    except RuntimeError as error:
        cause = f"does not take patches of {input_px} px ({error})"
        raise HistotransferError(path, cause, remedy) from error
    shape = tuple(getattr(found, "shape", ()))
    if len(shape) != 2 or not found.is_floating_point():
        raise HistotransferError(
            path, f"maps a patch to {type(found).__name__} of shape {shape}", remedy
        )
    said = json.dumps({"input_px": input_px, "output_width": shape[1]})
    with written_with_digest(out_path) as partial:
        torch.jit.save(module, str(partial), _extra_files={MEMBER: said})


def load_torchscript(path: str | Path) -> tuple[torch.nn.Module, int]:
    """Load a file of `save_torchscript` on the CPU; return it and the side of its patches."""
    import torch

    check_digest(path)
    module: torch.nn.Module = torch.jit.load(str(path), map_location="cpu").eval()
    return module, int(metadata(path)["input_px"])


def _built(
    folder: Path, arguments: Mapping[str, Any], subject: str, *, pretrained: bool
) -> torch.nn.Module:
    """Build the network of a folder's ``config.json``, without a classifier."""
    import timm
    from safetensors import SafetensorError

    layers = {"SwiGLUPacked": timm.layers.SwiGLUPacked, "SwiGLU": timm.layers.SwiGLU}
    given = {name: layers.get(value, value) for name, value in arguments.items()}
    try:
        model: torch.nn.Module = timm.create_model(
            f"local-dir:{folder}", pretrained=pretrained, num_classes=0, **given
        )
    # What timm raises for arguments and weights that do not fit, or pickles that hold code
    except (
        RuntimeError, TypeError, ValueError, KeyError, AssertionError, OSError,
        pickle.UnpicklingError, SafetensorError,
    ) as error:  # fmt: skip
        raise HistotransferError(subject, f"cannot be built ({error})", _REMEDY) from error
    return model.eval()


def _config_of(folder: Path) -> dict[str, Any]:
    path = folder / hub.CONFIG
    remedy = "Let timm write it: timm.models.save_for_hf(model, folder, safe_serialization=True)"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise HistotransferError(path, "is missing", remedy) from error
    except ValueError as error:
        raise HistotransferError(path, f"is not JSON ({error})", remedy) from error
    if not isinstance(config, dict) or "architecture" not in config:
        raise HistotransferError(path, "names no architecture of timm", remedy)
    return config


def _weights_of(folder: Path) -> Path:
    for name in hub.WEIGHTS:
        if (path := folder / name).is_file():
            return path
    raise HistotransferError(
        folder, f"has neither {' nor '.join(hub.WEIGHTS)}", "Put the weights there"
    )


def _licence(folder: Path, config: Mapping[str, Any]) -> str:
    """Return the licence that the card's head or the config states; empty if neither does."""
    card = folder / hub.CARD
    lines = card.read_text(encoding="utf-8").splitlines() if card.is_file() else []
    if lines and lines[0].strip() == "---":
        for line in lines[1:]:
            key, _, value = line.partition(":")
            if key == "license":
                return value.strip().strip("\"'")
            if key.strip() == "---":
                break
    return str(config.get("pretrained_cfg", config).get("license") or "")
