"""Numbers and lists in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

UNITS = {"accuracy": "points", "auroc": "AUROC", "pearson": "in Pearson r", "c_index": "in C"}
"""What a difference in a metric is measured in; accuracies are shown in percent."""
METRICS = {
    "accuracy": "accuracy",
    "auroc": "AUROC",
    "pearson": "Pearson r",
    "c_index": "Harrell’s C",
}
"""The primary scores by the names that readers know."""
MOST_COUNTED = 100_000
"""Larger numbers of patients are not told apart."""


def count(n: int, noun: str, one: str = "", many: str = "") -> str:
    """Count things, with a verb that agrees: ``count(1, "slide", " is", " are")``."""
    ending = "es" if noun.endswith(("s", "ch")) else "s"
    return f"{n:,} {noun}{one}" if n == 1 else f"{n:,} {noun}{ending}{many}"


def share(n: int, total: int, noun: str, one: str, many: str) -> str:
    """Count some of several things, with a verb that agrees: ``1 of 54 slides is``."""
    return f"{n:,} of {count(total, noun)} {one if n == 1 else many}"


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


def score(number: float, metric: str) -> str:
    """Write a primary score: an accuracy in percent, any other with three decimals."""
    percent = metric == "accuracy"
    return f"{100 * number:.1f} %" if percent else f"{number:.3f}".replace("-", "−")


def difference(row: Mapping[Any, Any]) -> tuple[str, str, str]:
    """Write a row's `delta`, its size alone, and its interval, in the unit of its `metric`.

    All have as many decimals as the interval needs, so that it never shrinks to a point.
    """
    metric, delta, low, high = (row[key] for key in ("metric", "delta", "ci_low", "ci_high"))
    decimals = _decimals((high - low) / 2 * 1.001 if low < high else abs(delta) / 10, metric)
    bounds = " to ".join(_number(bound, metric, decimals, "+") for bound in (low, high))
    size = _with_unit(_number(abs(delta), metric, decimals), metric)
    return f"{_number(delta, metric, decimals, '+')} {UNITS[metric]}", size, bounds


def amount(size: float, metric: str) -> str:
    """Write the size of a difference: with the unit where it is points, else as a bare number."""
    return _with_unit(_number(size, metric, _decimals(size / 10, metric)), metric)


def about(n: float, noun: str) -> str:
    """Write a number of things to two digits: ``about 2,900 patients``."""
    if n > MOST_COUNTED:
        return f"more than {count(MOST_COUNTED, noun)}"
    digits = max(0, len(f"{n:.0f}") - 2)
    return f"about {count(10**digits * math.ceil(n / 10**digits), noun)}"


def _with_unit(text: str, metric: str) -> str:
    return f"{text} {UNITS[metric]}" if metric == "accuracy" else text


def _decimals(size: float, metric: str) -> int:
    """Return how many decimals show a number of this size, but no fewer than usual."""
    percent = metric == "accuracy"
    usual, scaled = (1, 100 * size) if percent else (3, size)
    return max(usual, min(6, math.ceil(-math.log10(scaled)))) if scaled > 0 else usual


def _number(number: float, metric: str, decimals: int, sign: str = "") -> str:
    scaled = 100 * number if metric == "accuracy" else number
    return f"{scaled:{sign}.{decimals}f}".replace("-", "−")
