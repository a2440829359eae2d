"""Sample ids and TCGA barcodes: whose they are, and of which kind of sample."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import pandas as pd

PATIENT = re.compile(r"TCGA-[A-Z0-9]{2}-[A-Z0-9]{4}")
PATIENT_LENGTH, SAMPLE_LENGTH, VIAL_LENGTH = 12, 15, 16
SAMPLE_TYPE = slice(13, 15)
NORMAL_TYPES = range(10, 20)
"""Sample types of normal tissue or blood."""


def is_tcga(patients: Iterable[str]) -> bool:
    """Tell whether all patients are named as TCGA names them."""
    return all(PATIENT.fullmatch(patient) for patient in patients)


def patients_of(ids: Iterable[str], patients: Sequence[str]) -> list[str]:
    """Cut ids to the patient where the cohort is one of TCGA."""
    return [name[:PATIENT_LENGTH] for name in ids] if is_tcga(patients) else list(ids)


def are_normal(barcodes: pd.Series[str]) -> pd.Series[bool]:
    """Tell of each barcode whether its sample is normal tissue or blood."""
    return pd.to_numeric(barcodes.str[SAMPLE_TYPE], errors="coerce").isin(NORMAL_TYPES)


def owners(barcodes: Iterable[str], sequenced: pd.Series[str]) -> dict[str, str]:
    """Find the patient of each barcode; it may be longer or shorter than the patient's sample.

    ``TCGA-05-4244-01A-01D-…`` belongs to ``TCGA-05-4244-01``, and not to ``TCGA-05-4244-02``.

    `sequenced` holds each patient's sample, indexed by patient; barcodes of other samples are left
    out.
    """
    exact = {sample: str(patient) for patient, sample in sequenced.items()}
    shorter = {form: patient for sample, patient in exact.items() for form in _forms(sample)}
    found = {}
    for barcode in barcodes:
        of_forms = [exact[form] for form in _forms(barcode) if form in exact]
        if of_forms or barcode in shorter:
            found[barcode] = of_forms[0] if of_forms else shorter[barcode]
    return found


def _forms(barcode: str) -> list[str]:
    """Return an id and, of a TCGA barcode, its vial, its sample and its patient."""
    if not PATIENT.match(barcode):
        return [barcode]
    lengths = (VIAL_LENGTH, SAMPLE_LENGTH, PATIENT_LENGTH)
    return [barcode, *(barcode[:length] for length in lengths if len(barcode) > length)]
