"""Where each value of a complete config comes from: the paper, our choice, or the user."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

PAPER, OURS, YOURS = "from the paper", "our choice", "set by you"
FROM_THE_PAPER = frozenset(
    {"network.weights", "crossval.folds", "crossval.repeats", "statistics.alpha"}
)
"""The defaults that the published abstract states."""


def origins(
    config: Mapping[str, Any], defaults: Mapping[str, Any]
) -> Iterator[tuple[str, str, str]]:
    """Yield every key of a config, its value as text, and where that comes from.

    Parameters
    ----------
    config : mapping
        Complete.
    defaults : mapping
        The values of keys that a config leaves out.

    Yields
    ------
    tuple of str
        A dotted key, its value, and `PAPER`, `OURS` or, where it is not the default, `YOURS`.
    """
    by_default = dict(leaves(defaults))
    for key, value in leaves(config):
        shown = _as_text(value)
        if key not in by_default or by_default[key] != value:
            yield key, shown, YOURS
        else:
            yield key, shown, PAPER if key in FROM_THE_PAPER else OURS


def in_words(section: Mapping[str, Any]) -> str:
    """Write the keys of nested sections with their values: ``stain.method: none``."""
    return ", ".join(f"{key}: {_as_text(value)}" for key, value in leaves(section))


def leaves(section: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted keys of nested sections with their values."""
    for name, value in section.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
