"""How a bench says what it found."""

from __future__ import annotations


def report(name: str, value: float, target: float) -> None:
    """Print one comparison: theirs over ours in time, or ours over a limit in rate."""
    print(f"ratio {name} {value:.3g} target {target:g}", flush=True)
