"""The abstract's claims, each with what this study found, its interval and a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

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


@dataclass(frozen=True)
class Row:
    """One claim beside what was found here; accuracies and shares are fractions of 1."""

    claim: str
    extractor: str
    quantity: str
    published: float | None
    here: float
    ci_low: float
    ci_high: float
    verdict: str
    why: str


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
        The columns of `CLAIMS`, one row per claim and extractor. The verdict is ``reproduced``,
        ``not reproduced``, ``inconclusive`` or ``not comparable``.
    """
    rows = _rows(tables["comparison"], tables["improved"], tables["cohort"], study, random_weights)
    return pd.DataFrame([asdict(row) for row in rows], columns=list(CLAIMS.columns))


def judge_level(published: float, low: float, high: float, tolerance: float) -> tuple[str, str]:
    """Judge whether a measured level is the published one.

    Parameters
    ----------
    published : float
        The published level.
    low, high : float
        The 95 % interval of ours.
    tolerance : float
        How far from the published level still counts as the same.

    Returns
    -------
    verdict, why : str
        ``reproduced`` if the whole interval lies within the tolerance, ``not reproduced`` if all
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
    """Judge whether a gain is there.

    Parameters
    ----------
    low, high : float
        The 95 % interval of ours.
    none : float
        The value that means no gain: 0 for a difference, 0.5 for a share of genes.
    published : float, optional
        The published gain, where a size was published.

    Returns
    -------
    verdict, why : str
        ``reproduced`` if the interval lies above `none`; ``not reproduced`` if it lies below, or
        includes `none` but not the published size; ``inconclusive`` if it includes both.
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


def _rows(
    comparison: pd.DataFrame,
    improved: pd.DataFrame,
    cohort: pd.DataFrame,
    study: str,
    random_weights: bool,
) -> Iterator[Row]:
    names = extractors(comparison)
    if not names:
        return
    tissue, mutation = of_kind(comparison, "tissue"), of_kind(comparison, "mutation")
    other = _other_data(study, random_weights)
    patches = tissue.loc[tissue["target"] == "all", "n"].max()
    of_patches = other or _partial(patches, PATCHES, "patches")
    of_slides = other or _partial(cohort["n_slides"].sum(), SLIDES, "slides")

    for target in ACCURACY:
        yield from _accuracy(tissue, target, names, of_patches)
    for name in names[1:]:
        yield from _expression(improved, name, of_slides)
        yield from _mutation(mutation, name, of_slides)


def _accuracy(tissue: pd.DataFrame, target: str, names: list[str], bar: str) -> Iterator[Row]:
    off_the_shelf, fine_tuned = ACCURACY[target]
    what, tolerance = ACCURACY_NAMES[target], TOLERANCE[target]
    rows = [_only(tissue, target, name) for name in names[1:]]

    def level(claim: str, name: str, published: float, here: float, n: float) -> Row:
        low, high = (float(bound) for bound in wilson(here, n))
        verdict = judge_level(published, low, high, tolerance)
        return _row(claim, name, "accuracy", published, here, low, high, verdict, bar)

    yield level(
        f"{what}: accuracy of the off-the-shelf features",
        names[0],
        off_the_shelf,
        rows[0]["baseline_mean"],
        rows[0]["n"],
    )
    for name, row in zip(names[1:], rows, strict=True):
        yield level(
            f"{what}: accuracy of the fine-tuned features",
            name,
            fine_tuned,
            row["extractor_mean"],
            row["n"],
        )
        low, high = row["ci_low"], row["ci_high"]
        gain = round(fine_tuned - off_the_shelf, 3)
        verdict = judge_gain(low, high, published=gain)
        yield _row(
            f"{what}: fine-tuned features are more accurate",
            name,
            "accuracy difference",
            gain,
            row["delta"],
            low,
            high,
            verdict,
            bar,
        )
        if target == "all":
            yield _row(
                f"{what}: the difference is significant",
                name,
                "P",
                ACCURACY_P,
                row["p_corrected"],
                np.nan,
                np.nan,
                verdict,
                bar,
            )


def _expression(improved: pd.DataFrame, name: str, bar: str) -> Iterator[Row]:
    row = _first(improved[improved["extractor"] == name])
    yield _row(
        "expression: genes related to the image features",
        name,
        "genes",
        RELATED,
        row["n_related"],
        np.nan,
        np.nan,
        ("not comparable", "the paper's gene panel is unknown, so the count depends on ours"),
        bar,
    )
    verdict = judge_gain(
        row["ci_low"], row["ci_high"], none=0.5, published=round(IMPROVED / RELATED, 3)
    )
    yield _row(
        f"expression: most related genes are predicted better ({IMPROVED} of {RELATED})",
        name,
        "share of related genes",
        round(IMPROVED / RELATED, 3),
        row["fraction"],
        row["ci_low"],
        row["ci_high"],
        verdict,
        bar,
    )


def _mutation(mutation: pd.DataFrame, name: str, bar: str) -> Iterator[Row]:
    for gene in BETTER_GENES:
        row = _only(mutation, gene, name)
        yield _row(
            f"mutation: {gene} is predicted better",
            name,
            "AUROC difference",
            None,
            row["delta"],
            row["ci_low"],
            row["ci_high"],
            judge_gain(row["ci_low"], row["ci_high"]),
            bar,
        )
    own = mutation.loc[mutation["extractor"] == name, "delta"].dropna()
    yield _row(
        f"mutation: better for {len(BETTER_GENES)} of {GENES_TESTED} genes"
        f" (here {int((own > 0).sum())} of {len(own)})",
        name,
        "share of genes",
        round(len(BETTER_GENES) / GENES_TESTED, 3),
        float((own > 0).mean()) if len(own) else np.nan,
        np.nan,
        np.nan,
        ("not comparable", f"which {GENES_TESTED} genes the paper tested is unknown"),
        bar,
    )


def _row(
    claim: str,
    extractor: str,
    quantity: str,
    published: float | None,
    here: float,
    low: float,
    high: float,
    verdict: tuple[str, str],
    bar: str,
) -> Row:
    """Make a row; what bars the comparison overrides any verdict on the numbers."""
    decided, why = ("not comparable", bar) if bar else verdict
    return Row(claim, extractor, quantity, published, here, low, high, decided, why)


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
