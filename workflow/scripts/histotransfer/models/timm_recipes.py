"""How the model cards of some networks on the Hugging Face Hub say that they are used.

What stands in a repository's ``config.json`` (architecture, transform) is not repeated here; where
a card says otherwise or more, the card counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """What a model card adds to the repository's ``config.json``.

    Attributes
    ----------
    pooling : {"", "cls", "mean", "cls+mean"}
        How tokens become features; empty for the network's own way.
    arguments : mapping
        Of timm's architecture; layers by their name.
    transform : mapping
        Of timm's `resolve_data_config`, such as `mean` and `std` of the normalisation.
    """

    pooling: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    transform: Mapping[str, Any] = field(default_factory=dict)


_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
_H_OPTIMUS = {"mean": (0.707223, 0.578729, 0.703617), "std": (0.211883, 0.230117, 0.177517)}
_SWIGLU = {"mlp_layer": "SwiGLUPacked", "act_layer": "silu"}

RECIPES = {
    "mahmoodlab/uni": Recipe("cls", {"init_values": 1e-5, "dynamic_img_size": True}, _IMAGENET),
    "mahmoodlab/uni2-h": Recipe(
        "cls",
        {
            "img_size": 224,
            "patch_size": 14,
            "depth": 24,
            "num_heads": 24,
            "init_values": 1e-5,
            "embed_dim": 1536,
            "mlp_ratio": 2.66667 * 2,
            "no_embed_class": True,
            "reg_tokens": 8,
            "dynamic_img_size": True,
            **_SWIGLU,
        },
        _IMAGENET,
    ),
    "paige-ai/virchow2": Recipe("cls+mean", _SWIGLU),
    "bioptimus/h-optimus-0": Recipe(
        "cls", {"init_values": 1e-5, "dynamic_img_size": False}, _H_OPTIMUS
    ),
    "bioptimus/h-optimus-1": Recipe(
        "cls", {"init_values": 1e-5, "dynamic_img_size": False}, _H_OPTIMUS
    ),
}
"""By repository, in lower case, as the hub does not tell capitals apart."""


def recipe_of(repository: str) -> Recipe:
    """Return what a repository's card adds; nothing for one that is not known here."""
    return RECIPES.get(repository.lower(), Recipe())
