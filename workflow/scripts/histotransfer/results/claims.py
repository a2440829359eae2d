"""The abstract's claims, each with what this study found, its interval and a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd

from ..core.tables import TableSchema
from ..evaluation.statistics import wilson
from .rows import extractors, of_kind

CITATION = (
    "Li X, Cen M, Xu J, Zhang H, Xu XS. Improving feature extraction from histopathological "
    "images through a fine-tuning ImageNet model. J Pathol Inform 2022;13:100115, "
    "doi 10.1016/j.jpi.2022.100115"
)
STUDY = "TCGA-LUAD"
"""What `study` is called in the config of the published study."""

ACCURACY = {"all": (0.964, 0.984), "STR": (0.87, 0.94)}
"""Published accuracy by tissue class: off the shelf, fine-tuned."""
ACCURACY_NAMES = {"all": "tissue types", "STR": "stroma"}
TOLERANCE = {"all": 0.01, "STR": 0.03}
"""How far from a published accuracy still counts as the same (our choice; stroma is one class)."""
ACCURACY_P = 2.2e-6
RELATED, IMPROVED = 171, 139
BETTER_GENES = ("STK11", "TP53", "LRP1B", "NF1", "FAT1")
GENES_TESTED = 9

PATCHES, SLIDES = 7180, 541
"""Size of the full data: patches of CRC-VAL-HE-7K, diagnostic slides of TCGA-LUAD."""
COMPLETE = 0.95
"""A study with a smaller share of the full data is called partial."""

CLAIMS = TableSchema.of(
    "claims",
    "text: claim extractor quantity",
    "number: published here ci_low ci_high",
    "text: verdict why",
)


NO_INTERVAL = (np.nan, np.nan)
Row = tuple[str, str, str, float | None, float, float, float, str, str]


def judge_claims(
    tables: Mapping[str, pd.DataFrame], *, study: str, random_weights: bool
) -> pd.DataFrame:
    """Judge each claim of the abstract for each compared extractor.

    Parameters
    ----------
    tables : mapping
        `comparison`, `improved` and `cohort`.
    study : str
        The config's `study`; only the published study's numbers can be compared.
    random_weights : bool
        Whether the network did not start from ImageNet.

    Returns
    -------
    pandas.DataFrame
        The columns of `CLAIMS`, one row per claim and extractor; accuracies and shares are
        fractions of 1. The verdict is ``reproduced``, ``not reproduced``, ``inconclusive`` or
        ``not comparable``.
    """
    # As floats, since a missing integer (NA) is not a number to numpy.
    comparison, improved = tables["comparison"].astype({"n": float}), tables["improved"]
    if not (names := extractors(comparison)):
        return CLAIMS.empty()
    tissue, mutation = of_kind(comparison, "tissue"), of_kind(comparison, "mutation")
    other = _other_data(study, random_weights)
    patches = tissue.loc[tissue["target"] == "all", "n"].max()
    of_patches = other or _partial(patches, PATCHES, "patches")
    of_slides = other or _partial(tables["cohort"]["n_slides"].sum(), SLIDES, "slides")
    rows: list[Row] = []
    for target in ACCURACY:
        rows += _barred(_accuracy(tissue, target, names), of_patches)
    for name in names[1:]:
        rows += _barred(_expression(improved, name), of_slides)
        rows += _barred(_mutation(mutation, name), of_slides)
    return pd.DataFrame(rows, columns=list(CLAIMS.columns))


def judge_level(published: float, low: float, high: float, tolerance: float) -> tuple[str, str]:
    """Judge by our 95 % interval whether a level is the published one; return verdict and why.

    It is ``reproduced`` if the whole interval lies within the tolerance, ``not reproduced`` if all
    of it lies outside, ``inconclusive`` otherwise.
    """
    if np.isnan([low, high]).any():
        return "inconclusive", "not estimable here"
    within = f"within ±{100 * tolerance:g} points of the published value"
    if published - tolerance <= low and high <= published + tolerance:
        return "reproduced", f"the interval lies {within}"
    if high < published - tolerance or low > published + tolerance:
        side = "below" if high < published else "above"
        return "not reproduced", f"the interval lies {side} the published value"
    return "inconclusive", f"the interval lies only partly {within}"


def judge_gain(
    low: float, high: float, *, none: float = 0.0, published: float | None = None
) -> tuple[str, str]:
    """Judge by our 95 % interval whether a gain is there; return verdict and why.

    `none` is the value that means no gain: 0 for a difference, 0.5 for a share of genes. It is
    ``reproduced`` if the interval lies above `none`, ``not reproduced`` if it lies below, or
    includes `none` but not the published size, and ``inconclusive`` if it includes both.
    """
    if np.isnan([low, high]).any():
        return "inconclusive", "not estimable here"
    if low > none:
        if published is not None and high < published:
            return "reproduced", "better, though by less than published"
        return "reproduced", "the whole interval is a gain"
    if high < none:
        return "not reproduced", "the whole interval is a loss"
    if published is not None and high < published:
        return "not reproduced", "the interval allows for no gain, but not for the published one"
    return "inconclusive", "the interval allows for a gain and for none"


def _accuracy(tissue: pd.DataFrame, target: str, names: list[str]) -> Iterator[Row]:
    (off_the_shelf, fine_tuned), what = ACCURACY[target], ACCURACY_NAMES[target]
    rows = {name: _only(tissue, target, name) for name in names[1:]}
    first = rows[names[1]]

    def level(kind: str, name: str, published: float, here: float, n: float) -> Row:
        low, high = (float(bound) for bound in wilson(here, n))
        verdict = judge_level(published, low, high, TOLERANCE[target])
        claim = f"{what}: accuracy of the {kind} features"
        return claim, name, "accuracy", published, here, low, high, *verdict

    yield level("off-the-shelf", names[0], off_the_shelf, first["baseline_mean"], first["n"])
    for name, row in rows.items():
        yield level("fine-tuned", name, fine_tuned, row["extractor_mean"], row["n"])
        interval, gain = (row["ci_low"], row["ci_high"]), round(fine_tuned - off_the_shelf, 3)
        verdict = judge_gain(*interval, published=gain)
        claim = f"{what}: fine-tuned features are more accurate"
        yield claim, name, "accuracy difference", gain, row["delta"], *interval, *verdict
        if target == "all":
            claim = f"{what}: the difference is significant"
            yield claim, name, "P", ACCURACY_P, row["p_corrected"], *NO_INTERVAL, *verdict


def _expression(improved: pd.DataFrame, name: str) -> Iterator[Row]:
    row = _first(improved[improved["extractor"] == name])
    claim = "expression: genes related to the image features"
    why = "the paper's gene panel is unknown, so the count depends on ours"
    yield claim, name, "genes", RELATED, row["n_related"], *NO_INTERVAL, "not comparable", why
    claim = f"expression: most related genes are predicted better ({IMPROVED} of {RELATED})"
    interval, published = (row["ci_low"], row["ci_high"]), round(IMPROVED / RELATED, 3)
    verdict = judge_gain(*interval, none=0.5, published=published)
    yield claim, name, "share of related genes", published, row["fraction"], *interval, *verdict


def _mutation(mutation: pd.DataFrame, name: str) -> Iterator[Row]:
    for gene in BETTER_GENES:
        row = _only(mutation, gene, name)
        claim, interval = f"mutation: {gene} is predicted better", (row["ci_low"], row["ci_high"])
        yield claim, name, "AUROC difference", None, row["delta"], *interval, *judge_gain(*interval)
    better = mutation.loc[mutation["extractor"] == name, "delta"].dropna() > 0
    claim = (
        f"mutation: better for {len(BETTER_GENES)} of {GENES_TESTED} genes"
        f" (here {better.sum()} of {len(better)})"
    )
    published = round(len(BETTER_GENES) / GENES_TESTED, 3)
    why = f"which {GENES_TESTED} genes the paper tested is unknown"
    here = float(better.mean())  # NaN of no gene
    yield claim, name, "share of genes", published, here, *NO_INTERVAL, "not comparable", why


def _barred(rows: Iterable[Row], bar: str) -> Iterator[Row]:
    """Let what bars the comparison override any verdict on the numbers."""
    for row in rows:
        yield (*row[:-2], "not comparable", bar) if bar else row


def _other_data(study: str, random_weights: bool) -> str:
    if study == "simulated":
        return "simulated data"
    if random_weights:
        return "the network started from random weights, not from ImageNet"
    return "" if study == STUDY else f"other data ({study})"


def _partial(found: float, full: int, what: str) -> str:
    count = 0 if np.isnan(found) else int(found)
    partial = count < COMPLETE * full
    return f"partial data ({count:,} of {full:,} {what})" if partial else ""


def _only(table: pd.DataFrame, target: str, extractor: str) -> pd.Series:
    return _first(table[(table["target"] == target) & (table["extractor"] == extractor)])


def _first(rows: pd.DataFrame) -> pd.Series:
    """Return the first row, or a row of missing values if there is none."""
    return rows.reindex(index=[*rows.index[:1]] or [-1]).iloc[0]
