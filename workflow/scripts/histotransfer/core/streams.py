"""Random streams: one generator for each purpose, derived from the config's seed in one way.

Each purpose has numbers of its own, so that adding a purpose or drawing more for one leaves the
draws of all others alone. The numbers are part of the results: never change one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

PURPOSES: Mapping[str, tuple[int, ...]] = {
    "simulation": (),
    "stain reference": (0,),
    "stain of a slide": (1,),
    "random weights": (),
    "validation part": (),
    "head": (0,),
    "order of patches": (),
    "version shown": (40,),
    "stain of a version": (41,),
    "folds of tissue": (0,),
    "folds of expression": (1,),
    "folds of mutation": (2,),
    "inner folds": (3,),
    "gene differences": (4,),
    "predictor": (5,),
    "embedding": (6,),
    "folds of binary": (7,),
    "folds of regression": (8,),
    "folds of multiclass": (9,),
    "folds of survival": (10,),
    "external fit": (21,),
    "external patients": (22,),
    "learning curve": (31,),
    "permuted labels": (32,),
}


def stream(seed: int, purpose: str, *place: int | str) -> np.random.Generator:
    """Return the random generator of a seed, a purpose and a place within it.

    Parameters
    ----------
    seed : int
        The config's seed, or that of a fine-tuned extractor.
    purpose : str
        A key of `PURPOSES`.
    place : int or str
        Such as a repeat and a fold, or the ids of a slide and a part of it.

    Returns
    -------
    numpy.random.Generator
        The same on every machine, whatever else is drawn.
    """
    return np.random.default_rng(_entropy(seed, purpose, place))


def derived_seed(seed: int, purpose: str, *place: int | str) -> int:
    """Return a 32-bit seed for a library that takes no generator; arguments as for `stream`."""
    return int(np.random.SeedSequence(_entropy(seed, purpose, place)).generate_state(1)[0])


def _entropy(seed: int, purpose: str, place: tuple[int | str, ...]) -> list[int]:
    numbers = [int(part) for part in place if not isinstance(part, str)]
    names = [part for part in place if isinstance(part, str)]
    if names:
        digest = hashlib.sha256("\0".join(names).encode()).digest()
        numbers.append(int.from_bytes(digest[:8], "big"))
    return [seed, *PURPOSES[purpose], *numbers]
