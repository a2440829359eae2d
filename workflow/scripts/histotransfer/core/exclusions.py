"""Why something is left out: a code, what was found, and what to do about it.

Reasons travel through HDF5 and TSV files as data. They become sentences only where a person reads
them (`Reason.sentence`); nothing parses a sentence back. docs/exclusions.md lists the codes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CODES: Mapping[str, str] = {
    # a slide
    "slide_missing": "does not exist",
    "slide_not_a_file": "is neither a file nor a folder of DICOM files",
    "several_slides": "stands for several slides",
    "slide_empty": "is an empty file",
    "slide_incomplete": "lies without files that belong to it",
    "slide_unsupported": "is of a kind that OpenSlide does not read",
    "slide_unreadable": "cannot be opened as a slide",
    "slide_crashes_reader": "crashes OpenSlide or a decoder",
    "slide_region_unreadable": "has a region that cannot be read",
    "too_many_unreadable_tiles": "has too many tiles that cannot be read",
    "orientation_misread": "has an orientation that OpenSlide reads wrongly",
    "larger_picture_ignored": "has a larger picture than the one that OpenSlide reads",
    "values_not_8_bit": "has values that do not fill its bits",
    "slide_black": "is black",
    "slide_grey": "has no colours",
    "slide_transparent": "is transparent or translucent",
    "no_mpp": "has no scale",
    "mpp_implausible": "has an implausible scale",
    "pixels_not_square": "has pixels that are not square",
    "too_coarse": "is scanned at a coarser scale than the target",
    "too_large": "claims to be larger than a glass slide",
    "glass_not_grey": "is shown in wrong colours",
    "no_tissue": "has no tile with enough tissue",
    "stain_not_estimable": "has a stain that cannot be estimated",
    "no_patch_passes_qc": "has no patch that passes quality control",
    # a file that a search of the GDC finds
    "not_open": "is not open to everyone",
    "not_of_one_patient": "is not of exactly one patient",
    "not_diagnostic_slide": "is not a diagnostic slide",
    "not_primary_tumour": "is not of a primary tumour",
    "not_a_chosen_sample": "is of no kind of sample that the config names",
    "not_svs": "is not an .svs file",
    "further_file": "is a further file of its slide",
    # a patient or patch of a task
    "no_usable_patch": "has no usable patch",
    "no_features": "has no features",
    "no_label_row": "has no row in the labels table",
    "no_label_file": "has no file in the labels folder",
    "no_label_value": "has no value for any target",
    "class_left_out": "is of a class that does not count",
    "time_not_positive": "has a survival time that is not above 0",
    "external_cohort": "is of the external cohort, on which the fitted models are tested",
    "other_cohort": "is of neither cohort",
    "class_untrained": "is of a class that the training cohort does not have",
    # a row, column or variant of a labels table
    "normal_sample": "is a normal or control sample",
    "not_in_cohort": "belongs to no patient of the cohort",
    "further_row": "is a further row of its patient",
    "repeated_column": "repeats the name of another column",
    "other_sample": "belongs to a sample that is not used",
    "class_not_counted": "has a variant class that does not count",
    "class_not_given": "has no variant class",
    "class_unknown": "is neither in the MAF format nor in the config, and does not count",
    # a row, column or table that is kept, and what was decided
    "id_column": "holds the ids",
    "id_respelled": "is spelled in another way in the slide sheet",
    "patients_named": "names the patient of each patch",
    "class_absent": "is a class that no variant has",
    "other_separator": "has another separator than expected",
    "other_encoding": "is not in UTF-8",
    "empty_rows": "has empty rows, which are skipped",
    "short_rows": "has rows without their last cells, which count as empty",
    "literal_quotes": "has rows with single quotation marks, which belong to their cells",
    # a target
    "no_name": "has no name",
    "not_in_labels": "is not in the labels table",
    "no_number": "has no number in its column",
    "no_variance": "has the same value for every patient",
    # a target that is kept, and what was done to it
    "earlier_symbol": "is listed under an earlier symbol",
    "rows_summed": "has several rows, which are summed",
    "values_clipped": "has values beyond the limit, which are clipped",
    "decimal_commas": "has decimal commas",
    # external features
    "no_feature_file": "has no feature file",
    "no_feature_row": "has no row in the feature table",
    "no_feature_dataset": "has a file without a dataset of features",
    "features_unreadable": "has a feature file that cannot be read",
    "features_wrong_type": "has features of the wrong type or shape",
    "features_elsewhere": "has features that are stored in another file",
    "features_empty": "has a file without patches",
    "features_not_finite": "has features that are not finite numbers",
    "coords_wrong": "has coordinates that do not fit its patches",
    "no_names": "has no names of its patches",
    "names_wrong": "has names that do not fit its patches",
    "not_in_dataset": "holds patches that the dataset does not have, which do not count",
    "patches_repeated": "holds patches twice with the same features, which count once",
    # a clinical covariate
    "no_covariate": "has no value for any patient",
    "covariate_of_numbers": "counts as numbers",
    "covariate_of_categories": "counts as categories",
}
"""What each code says of the item that it stands beside."""

KEPT = frozenset(
    {"earlier_symbol", "rows_summed", "values_clipped", "decimal_commas"}
    | {"id_column", "id_respelled", "class_absent", "other_separator", "other_encoding"}
    | {"empty_rows", "short_rows", "literal_quotes"}
    | {"covariate_of_numbers", "covariate_of_categories"}
    | {"patients_named", "not_in_dataset", "patches_repeated"}
)
"""Codes of items that are not left out: they say what was done to them."""

COLUMNS = ("code", "detail", "remedy")
"""The columns of a table, or the attributes of a store, that hold a reason."""


@dataclass(frozen=True)
class Reason:
    """Why an item is left out, or what was done to it.

    Attributes
    ----------
    code : str
        A key of `CODES`.
    detail : str
        What was found, such as a number or a library's message; may be empty.
    remedy : str
        What the user can do about it, as an imperative without a full stop; may be empty.
    """

    code: str
    detail: str = ""
    remedy: str = ""

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise KeyError(f"{self.code} is not in CODES")

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> Reason | None:
        """Read a reason from a table's row or a store's attributes; None where there is none."""
        code, detail, remedy = (
            value if isinstance(value := row.get(name, ""), str) else "" for name in COLUMNS
        )
        return cls(code, detail, remedy) if code else None

    @property
    def words(self) -> str:
        """What the code says, such as ``cannot be opened as a slide``."""
        return CODES[self.code]

    @property
    def cause(self) -> str:
        """The code's words with the detail in brackets."""
        return f"{self.words} ({self.detail})" if self.detail else self.words

    def sentence(self) -> str:
        """Return cause and remedy, such as ``is an empty file. Copy the slide again.``."""
        return f"{self.cause}. {self.remedy}." if self.remedy else f"{self.cause}."

    def as_row(self) -> dict[str, str]:
        """Return the reason by `COLUMNS`."""
        return {"code": self.code, "detail": self.detail, "remedy": self.remedy}


NOT_EXCLUDED = dict.fromkeys(COLUMNS, "")
"""The columns of an item that is not left out."""
