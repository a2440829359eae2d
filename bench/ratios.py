"""The report of every bench: ratios, measured in one run on one machine."""

from __future__ import annotations


def report(name: str, value: float, target: float) -> None:
    """Print a ratio of times (theirs over ours; higher is better) and its target."""
    print(f"ratio {name} {value:.3g} target {target:g}", flush=True)
