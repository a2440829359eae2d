"""How an id in a user's table names a patient of the study. Each id is read for itself."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable

_BARCODE = re.compile(r"TCGA-[A-Z0-9]{2}-[A-Z0-9]{4}(-.+)?")
_LENGTHS = (16, 15, 12)
"""Of a TCGA barcode that ends with the vial, the sample or the patient."""
_TYPE = slice(13, 15)
_NEAR = 0.85
"""At least so alike, by difflib's ratio, are a typo and what was meant: one letter in seven."""


def barcode(text: str) -> str:
    """Return a TCGA barcode in TCGA's own spelling; an empty text where it is none.

    R turns dashes into dots, and some tools change the capitals.
    """
    spelled = text.strip()
    if spelled[:4].upper() != "TCGA":  # most cells of a table are not
        return ""
    spelled = spelled.upper().replace(".", "-").replace("_", "-")
    return spelled if _BARCODE.fullmatch(spelled) else ""


def patient_of(text: str) -> str:
    """Return the patient of a TCGA barcode; any other id is that of a patient."""
    return barcode(text)[: _LENGTHS[-1]] or text


def tissue_source_site(text: str) -> str:
    """Return the site of a TCGA barcode, its second part; an empty text where it is none."""
    found = barcode(text)
    return found.split("-")[1] if found else ""


def forms(text: str) -> list[str]:
    """Return an id and, of a TCGA barcode, its vial, its sample and its patient."""
    spelled = barcode(text)
    if not spelled:
        return [text]
    return [spelled, *(spelled[:length] for length in _LENGTHS if len(spelled) > length)]


def is_normal(text: str) -> bool:
    """Tell whether an id is the TCGA barcode of normal tissue, blood or a control (10 to 29)."""
    kind = barcode(text)[_TYPE]
    return kind.isdigit() and 10 <= int(kind) <= 29


def says_sample(text: str) -> int:
    """Rank a barcode: 2 of a tumour's sample, 1 of a normal one, 0 of a patient or any other id."""
    of_sample = len(barcode(text)) >= _LENGTHS[1]
    return of_sample + (of_sample and not is_normal(text))


def spelling(text: str) -> str:
    """Return what an id has in common with its usual other spellings.

    Capitals, and blanks, dots and underscores for dashes, do not count; nor do ``.0`` behind a
    whole number, zeros before it, or the X that R writes before a column's name that is a number.
    """
    key = re.sub(r"[\s._-]+", "-", re.sub(r"^(\d+)\.0*$", r"\1", text.strip().casefold()))
    return re.sub(r"^x(?=\d)", "", key).lstrip("0") or "0"


class PatientIds:
    """The patients of a study, to be found by an id of a table.

    Parameters
    ----------
    patients : iterable of str
        As the slide sheet names them.
    """

    def __init__(self, patients: Iterable[str]) -> None:
        self.patients = frozenset(patients)
        self._by_spelling: dict[str, str | None] = {}
        for patient in self.patients:
            key = spelling(patient)
            self._by_spelling[key] = None if key in self._by_spelling else patient

    def owner(self, text: str) -> str | None:
        """Return the patient whom an id names: its own, or a TCGA barcode that begins with it.

        An id in another spelling names a patient if only one has that spelling.
        """
        return self.exact(text) or next(
            (found for form in forms(text) if (found := self._by_spelling.get(spelling(form)))),
            None,
        )

    def owners(self, ids: Iterable[str]) -> list[str | None]:
        """Return the patient whom each id names.

        Beside an id that is spelled as the patient is, one in another spelling is a stranger: 007
        is nobody where both 7 and 007 stand in the table and 7 in the sheet.
        """
        ids = list(ids)
        exact = {text: self.exact(text) for text in dict.fromkeys(ids)}
        taken = set(exact.values())
        found = {
            text: owner or (other if (other := self.owner(text)) not in taken else None)
            for text, owner in exact.items()
        }
        return [found[text] for text in ids]

    def exact(self, text: str) -> str | None:
        """Return the patient whom an id names in the patient's own spelling.

        Of a TCGA barcode, dots for dashes and small letters are forgiven here.
        """
        if text in self.patients:
            return text
        return next((form for form in forms(text) if form in self.patients), None)

    def is_respelled(self, text: str) -> bool:
        """Tell whether an id names its patient in another spelling than the patient's."""
        own = forms(text) if barcode(text) == text else [text]
        return not self.patients.intersection(own)


def near(text: str, others: Collection[str]) -> str:
    """Return the one of the others that is nearly the same, as after a typo; empty if none is."""
    found = difflib.get_close_matches(text, others, n=2, cutoff=_NEAR)
    ratios = [difflib.SequenceMatcher(None, text, other).ratio() for other in found]
    return found[0] if len(found) == 1 or (found and ratios[0] > ratios[1]) else ""
