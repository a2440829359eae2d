"""The model card of a network of timm: what it is, where it comes from and how it is used here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .. import __version__
from ..core.files import file_digest, written_whole
from .model_files import PACKAGES
from .torch_files import Description, uses_of_patches

_CARD = """\
# {name}

{source}. It takes RGB patches (n, {input_px}, {input_px}, 3) as uint8 and returns features (n, \
{width}) as float32. Fetched and checked by histotransfer {version} to compare feature extractors.

| | |
|---|---|
| revision | {revision} |
| licence | {licence} |
| architecture | `{architecture}` |
| arguments | {arguments} |
| pooling | {pooling} |
| transform | {transform}; {patches} |
| SHA-256 of the weights | {weights} |
| SHA-256 of `{file}` | {digest} |
| versions | {versions} |

The licence is what the source states; whether your use is allowed is yours to check.
"""


def write_network_card(
    path: str | Path, description: Description, *, name: str, model: str | Path
) -> None:
    """Write the card as Markdown; `model` is the file that was made, by the extractor's `name`."""
    from_hub = bool(description.revision)
    where = description.source
    card = _CARD.format(
        name=name,
        source=f"[{where}](https://huggingface.co/{where})" if from_hub else f"Of `{where}`",
        input_px=description.input_px,
        width=description.output_width,
        version=__version__,
        revision=description.revision or "none, since it is of a folder",
        licence=description.licence or "not stated",
        architecture=description.config["architecture"],
        arguments=_listed(description.arguments),
        pooling=description.pooling or "the network's own",
        transform=_listed(description.transform),
        patches=uses_of_patches(description),
        weights=description.weights,
        file=Path(model).name,
        digest=file_digest(model),
        versions=", ".join(f"{package} {version(package)}" for package in PACKAGES),
    )
    with written_whole(path) as partial:
        partial.write_text(card, encoding="utf-8")


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name}: {value}`" for name, value in values.items()) or "none"
