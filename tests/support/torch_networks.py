"""Small networks of timm with random weights, as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


def require_torch() -> None:
    """Skip a module of tests where PyTorch is absent, as in the environment of `make test`."""
    for package in ("torch", "timm"):
        pytest.importorskip(
            package,
            reason="PyTorch is not installed; `make test-torch` installs it",
            exc_type=ImportError,
        )


VIT = {"img_size": 64, "depth": 2, "reg_tokens": 4, "init_values": 1e-5}
"""Arguments of a small ``vit_tiny_patch16_224``, with a class token and four registers."""


def save_network(folder: Path, architecture: str, **arguments: Any) -> Any:
    """Write a network with random weights as timm writes it; return it."""
    import timm
    import torch

    torch.manual_seed(0)
    model = timm.create_model(architecture, num_classes=0, **arguments).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # so that no part of it is zero, or one
            parameter.add_(0.05 * torch.randn_like(parameter))
    timm.models.save_for_hf(model, str(folder), safe_serialization=True)
    return model
