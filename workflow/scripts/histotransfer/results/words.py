"""Numbers and lists in words."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd


def count(n: int, noun: str, one: str = "", many: str = "") -> str:
    """Count things, with a verb that agrees: ``count(1, "slide", " is", " are")``."""
    ending = "es" if noun.endswith(("s", "ch")) else "s"
    return f"{n:,} {noun}{one}" if n == 1 else f"{n:,} {noun}{ending}{many}"


def share(n: int, total: int, noun: str, one: str, many: str) -> str:
    """Count some of several things, with a verb that agrees: ``1 of 54 slides is``."""
    return f"{n:,} of {count(total, noun)} {one if n == 1 else many}"


def listed(names: Sequence[str], most: int = 8) -> str:
    """List names, at most so many of them."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def joined(names: Sequence[str]) -> str:
    """Join names by commas and a last "and"."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def value(number: float, quantity: str) -> str:
    """Write a number in the unit of a claim's quantity; nothing where it is missing."""
    if pd.isna(number):
        return ""
    match quantity:
        case "P":
            text = f"{number:.2g}"
        case "genes":
            text = f"{number:.0f}"
        case "AUROC difference":
            text = f"{number:+.3f}"
        case "accuracy difference":
            text = f"{100 * number:+.1f} points"
        case _:
            text = f"{100 * number:.1f} %"
    return text.replace("-", "−")
