"""The simulated cohort's slide sheet, and the labels that follow from its patients' tissue."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.streams import stream
from ..core.tables import TableSchema, read_table, write_table
from .cohort import EMPTY, UNREADABLE, composition, site_of

SHEET = TableSchema.of("slides", "text: slide patient")
"""What is read of the slide sheet."""

TRUTH = TableSchema.of("truth", "text: target task follows", "number: effect")
"""A row per target: the tissue that it follows (or tissues joined by ``+``; `COLOUR`; empty for
noise), and the effect per standard deviation of their fraction, as log2 TPM or log odds."""

COLOUR = "colour"
"""What a gene follows that knows nothing of tissue: how red the patient's patches are."""

_PATIENTS = 50
_WITH_TWO_SLIDES = 4
_FOLDER = "results/demo/simulated/slides"

_EXPRESSION = (
    *("LYM", "LYM", "LYM", "TUM", "TUM", "STR", "STR+MUS", "MUC", "MUC", "DEB", "NORM", "MUS"),
    COLOUR,
    *("",) * 11,
)
"""What each of 24 genes follows: a tissue's fraction, a sum of fractions, the colour or nothing."""
_MUTATIONS = ("TUM", "LYM", "STR+MUS", "", "", "")
"""The same for each of 6 mutated genes."""
_EXPLAINED, _EXPLAINED_BY_COLOUR = 0.7, 0.95
"""Fraction of the variance of a gene's log2 TPM that its tissues explain, or the colour. The colour
also shows the tissue, in part: with more noise, 48 patients could not tell one from the other."""
_LOG_ODDS = 4.0
"""Log odds of a mutation per standard deviation of its tissues' fraction."""
_NOT_SEQUENCED = 0.03
"""Fraction of empty cells in the table of mutations."""


def cohort_sheet(seed: int) -> pd.DataFrame:
    """List the cohort's slides: the demo's slide sheet, with columns slide, patient, site and path.

    The last two of the 50 patients have slides that cannot be used.
    """
    patients = [f"SIM-01-{number:04d}" for number in range(1, _PATIENTS + 1)]
    sound = [patient for patient in patients if patient not in (UNREADABLE, EMPTY)]
    twice = set(
        stream(seed, "simulation", "two slides").choice(sound, _WITH_TWO_SLIDES, replace=False)
    )
    rows = [
        (f"{patient}-01Z-00-DX{number}", patient)
        for patient in patients
        for number in ((1, 2) if patient in twice else (1,))
    ]
    sheet = pd.DataFrame(rows, columns=["slide", "patient"])
    sheet["site"] = sheet["patient"].map(site_of)
    return sheet.assign(path=[f"{_FOLDER}/{slide}.svs" for slide in sheet["slide"]])


def write_labels(
    *,
    expression: Path,
    mutations: Path,
    truth: Path,
    slides: Path,
    redness: Mapping[str, float],
    seed: int,
) -> None:
    """Write labels of the patients in a slide sheet (`slides`), and the truth behind them.

    Parameters
    ----------
    expression : Path
        Written: patient × gene table, TPM. log2(TPM) is linear in the tissue fractions.
    mutations : Path
        Written: patient × gene table, 1 mutated, 0 not, empty where not sequenced. The logistic
        model's intercept is such that between 30 and 50 % are mutated.
    truth : Path
        Written: what each target follows (`TRUTH`).
    redness : mapping of str to float
        How red the patches of each patient are; whoever has none counts as the mean of the others.
    """
    patients = sorted(read_table(slides, SHEET)["patient"].unique())
    traits = pd.DataFrame([composition(patient, seed) for patient in patients], index=patients)
    red = pd.Series(redness).reindex(patients)
    traits[COLOUR] = red.fillna(red.mean())
    planted: list[tuple[str, str, str, float]] = []
    tpm: dict[str, NDArray[np.float64]] = {}
    for number, follows in enumerate(_EXPRESSION, start=1):
        gene = f"SIMG{number:02d}"
        rng = stream(seed, "simulation", "expression", gene)
        effect = rng.uniform(0.8, 1.6) if follows else 0.0
        explained = _EXPLAINED_BY_COLOUR if follows == COLOUR else _EXPLAINED
        spread = effect * np.sqrt(1 / explained - 1) if follows else rng.uniform(0.8, 1.6)
        log2_tpm = rng.uniform(4, 7) + effect * _amount(traits, follows)
        tpm[gene] = np.exp2(log2_tpm + rng.normal(0, spread, len(patients))).round(3)
        planted.append((gene, "expression", follows, round(effect, 4)))
    status: dict[str, list[str]] = {}
    for number, follows in enumerate(_MUTATIONS, start=1):
        gene = f"SIMM{number}"
        rng = stream(seed, "simulation", "mutation", gene)
        effect = _LOG_ODDS if follows else 0.0
        # Logistic noise above a threshold is a logistic model; the threshold sets the prevalence.
        score = effect * _amount(traits, follows) + rng.logistic(size=len(patients))
        mutated = score > np.quantile(score, 1 - rng.uniform(0.33, 0.47))
        missing = rng.random(len(patients)) < _NOT_SEQUENCED
        status[gene] = [
            "" if gap else str(int(hit)) for hit, gap in zip(mutated, missing, strict=True)
        ]
        planted.append((gene, "mutation", follows, round(effect, 4)))
    by_patient = pd.Series(patients, name="patient")
    write_table(pd.DataFrame({"patient": by_patient, **tpm}), expression)
    write_table(pd.DataFrame({"patient": by_patient, **status}), mutations)
    write_table(pd.DataFrame(planted, columns=list(TRUTH.columns)), truth, TRUTH)


def _amount(traits: pd.DataFrame, follows: str) -> NDArray[np.float64]:
    """Sum the named traits, standardised over patients; 0 for none."""
    if not follows:
        return np.zeros(len(traits))
    total = traits[follows.split("+")].sum(axis=1).to_numpy(dtype=np.float64)
    return np.asarray((total - total.mean()) / total.std())
