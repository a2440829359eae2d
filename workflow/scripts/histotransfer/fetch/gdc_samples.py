"""What a sample of the GDC is of: normal tissue, a primary tumour, a metastasis, a recurrence.

In its dictionary `tissue_type` and `tumor_descriptor` say so, and `sample_type` is deprecated;
older answers, and copies of the API, have only that. A TCGA barcode says it in its fourth part,
such as ``01`` for a primary tumour.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

NORMAL, PRIMARY, METASTATIC, RECURRENT = "normal", "primary", "metastatic", "recurrent"
BY_DESCRIPTOR = {"primary": PRIMARY, "metastatic": METASTATIC, "recurrence": RECURRENT}
BY_SAMPLE_TYPE = {
    "primary tumor": PRIMARY,
    "primary solid tumor": PRIMARY,
    "metastatic": METASTATIC,
    "recurrent tumor": RECURRENT,
    "recurrent solid tumor": RECURRENT,
}
BY_CODE = {"01": PRIMARY, "02": RECURRENT, "06": METASTATIC}
"""The codes of TCGA's samples; those of normal tissue are 10 to 14."""
BARCODE = re.compile(r"TCGA-\w{2}-\w{4}-(\d\d)")


def kind_of(sample: Mapping[str, Any]) -> str:
    """Return the kind of a sample as the GDC describes it; empty where nothing says it."""
    tissue, descriptor, old = (
        str(sample.get(field) or "").strip().lower()
        for field in ("tissue_type", "tumor_descriptor", "sample_type")
    )
    if "normal" in (tissue, old) or old.endswith(" normal"):
        return NORMAL
    for kinds, word in ((BY_DESCRIPTOR, descriptor), (BY_SAMPLE_TYPE, old)):
        if word in kinds:
            return kinds[word]
    if tissue == "tumor" and descriptor not in _SAY_NOTHING:
        return ""  # a tumour of another kind, such as a new primary
    if old and old not in _SAY_NOTHING:
        return ""
    barcode = BARCODE.match(str(sample.get("submitter_id") or ""))
    code = barcode[1] if barcode else ""
    return NORMAL if "10" <= code <= "14" else BY_CODE.get(code, "")


_SAY_NOTHING = {"", "not reported", "unknown", "not applicable", "not allowed to collect"}


def described(sample: Mapping[str, Any]) -> str:
    """Return what the GDC says of a sample, in its own words, for people to read."""
    said = [sample.get(field) for field in ("tumor_descriptor", "tissue_type")]
    if sample.get("sample_type"):
        return str(sample["sample_type"])
    words = " ".join(str(word) for word in said if word)
    return words or str(sample.get("submitter_id") or "no sample")


def chosen(samples: Sequence[Mapping[str, Any]], kinds: Sequence[str]) -> str | None:
    """Return the sample to use: of the first kind that there is, the first by barcode."""
    ranked = [
        (kinds.index(kind), str(sample["submitter_id"]))
        for sample in samples
        if (kind := kind_of(sample)) in kinds
    ]
    return min(ranked)[1] if ranked else None
