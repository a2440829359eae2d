"""How every bench reports: ratios from one run on one machine."""

from __future__ import annotations


def report(name: str, value: float, target: float) -> None:
    """Print a ratio (theirs over ours in time: higher is better) and what it should reach."""
    print(f"ratio {name} {value:.3g} target {target:g}", flush=True)
