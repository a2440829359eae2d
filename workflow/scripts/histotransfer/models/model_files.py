"""What the study's models say of themselves, whichever library runs them.

A model of Keras is a ``.keras`` file, a network of timm a ``.safetensors`` file and TorchScript a
``.pt`` file. Each holds a description in JSON, so its readers need neither library.
"""

from __future__ import annotations

import importlib.util
import json
import os
import zipfile
from pathlib import Path
from typing import Any

from ..core.errors import HistotransferError

OF_TORCH = (".safetensors", ".pt")
HEADER_KEY = "histotransfer"
"""Of the description among the metadata of a ``.safetensors`` file."""
MEMBER = "metadata.json"
"""The description in a ``.keras`` or ``.pt`` file."""
PACKAGES = ("torch", "timm", "safetensors", "huggingface_hub")
_SIZE_BYTES = 8


def metadata(path: str | Path) -> dict[str, Any]:
    """Return the description of a model of the study, `output_width` among it."""
    path = Path(path)
    if path.suffix == ".safetensors":
        with path.open("rb") as file:
            size = int.from_bytes(file.read(_SIZE_BYTES), "little")
            text = json.loads(file.read(size))["__metadata__"][HEADER_KEY]
    else:
        with zipfile.ZipFile(path) as archive:
            # PyTorch puts everything below a folder.
            name = next(n for n in archive.namelist() if n.rpartition("/")[2] == MEMBER)
            text = archive.read(name)
    found: dict[str, Any] = json.loads(text)
    return found


def is_of_torch(path: str | Path) -> bool:
    """Tell whether PyTorch itself runs a model, without Keras between."""
    return Path(path).suffix in OF_TORCH


def choose_library(path: str | Path) -> None:
    """Let Keras compute with PyTorch if that runs a model; call it before Keras is imported.

    Device, precision and exhausted memory are then PyTorch's. Nothing is fetched from here on.
    """
    if is_of_torch(path):
        require_torch(path)
        os.environ["KERAS_BACKEND"] = "torch"
        os.environ["HF_HUB_OFFLINE"] = "1"


def require_torch(subject: str | Path) -> None:
    """Raise HistotransferError if PyTorch, or what belongs to it, is not installed."""
    if missing := [name for name in PACKAGES if importlib.util.find_spec(name) is None]:
        raise HistotransferError(
            subject,
            f"is a network of PyTorch, and {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not installed",
            "Run Snakemake with --use-conda, or install requirements-torch.txt (docs/networks.md)",
        )
