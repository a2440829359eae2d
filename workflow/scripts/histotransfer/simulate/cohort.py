"""The simulated cohort: its patients, their sites and their tissue."""

from __future__ import annotations

import re

import numpy as np

from ..core.errors import HistotransferError
from ..core.streams import stream
from .painter import CLASSES

UNREADABLE = "SIM-01-0049"
"""The patient whose slide is damaged."""
EMPTY = "SIM-01-0050"
"""The patient whose slide carries no tissue."""

_ABUNDANCE = {
    "TUM": 0.7,
    "STR": 0.6,
    "LYM": 0.6,
    "MUC": 0.4,
    "DEB": 0.4,
    "NORM": 0.5,
    "MUS": 0.4,
    "ADI": 0.1,
}
"""Concentrations of the Dirichlet distribution of tissue fractions: below 1, patients differ."""
_SMALLEST_FRACTION = 0.06
"""A rarer tissue is left out: its region would be narrower than a patch."""


def patient_of(slide: str) -> str:
    """Return the patient to whom a slide id such as ``SIM-01-0001-01Z-00-DX1`` belongs."""
    found = re.match(r"SIM-\d{2}-\d{4}(?=-)", slide)
    if not found:
        raise HistotransferError(
            slide,
            "is not the id of a simulated slide",
            "List simulated slides as config/demo/slides.tsv does, "
            "or take the key `simulate` out of the config to use slides of your own",
        )
    return found.group()


def site_of(patient: str) -> str:
    """Return the site of a patient, whose scanner leaves its mark on the slides."""
    return "AABBC"[int(patient.split("-")[2]) % 5]


def composition(patient: str, seed: int) -> dict[str, float]:
    """Return the fraction of a patient's tissue per class of `CLASSES`; they sum to 1."""
    drawn = stream(seed, "simulation", "composition", patient).dirichlet(list(_ABUNDANCE.values()))
    drawn = np.where(drawn < _SMALLEST_FRACTION, 0, drawn)
    fractions = dict(zip(_ABUNDANCE, drawn / drawn.sum(), strict=True))
    return {tissue: float(fractions.get(tissue, 0.0)) for tissue in CLASSES}
