"""The abstract's claims, each with what this study found and a verdict on three questions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..core.tables import TableSchema
from ..evaluation.decisions import (
    AS_PUBLISHED,
    BETTER,
    CANNOT_TELL,
    EQUIVALENT,
    LARGER,
    RELEVANT,
    SMALLER,
    UNDECIDED,
    WHY,
    WORSE,
    size_beside,
)
from ..evaluation.fine_tuning_runs import Runs, combine_shares
from ..evaluation.kinds import ALL
from ..evaluation.statistics import NOT_ESTIMABLE, OK, UNTESTED, wilson
from .rows import against_baseline, extractors, of_kind
from .words import amount

CITATION = (
    "Li X, Cen M, Xu J, Zhang H, Xu XS. Improving feature extraction from histopathological "
    "images through a fine-tuning ImageNet model. J Pathol Inform 2022;13:100115, "
    "doi 10.1016/j.jpi.2022.100115"
)

ACCURACY = {ALL: (0.964, 0.984, 0.0005), "STR": (0.87, 0.94, 0.005)}
"""Published accuracy by tissue class: off the shelf, fine-tuned, and half of the last digit."""
ACCURACY_NAMES = {ALL: "tissue types", "STR": "stroma"}
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
    "text: direction size relevance verdict why",
)
REPRODUCED, PARTLY, NOT_REPRODUCED = "reproduced", "partly reproduced", "not reproduced"
INCONCLUSIVE, NOT_COMPARABLE = "inconclusive", "not comparable"

NO_INTERVAL = {"ci_low": np.nan, "ci_high": np.nan}
Row = dict[str, Any]


def judge_claims(
    tables: Mapping[str, pd.DataFrame],
    *,
    runs: Runs,
    random_weights: bool,
    rope: float,
    controls: Collection[str] = (),
) -> pd.DataFrame:
    """Judge each claim of the abstract for each compared extractor.

    Parameters
    ----------
    tables : mapping
        `answers`, `improved` and `cohort`.
    runs : mapping
        Extractors that are runs of one fine-tuning, which get one verdict.
    random_weights : bool
        Whether the network did not start from ImageNet, so that nothing can be compared.
    rope : float
        Differences within ± this are not relevant.
    controls : collection of str
        Extractors that no claim is about.

    Returns
    -------
    pandas.DataFrame
        The columns of `CLAIMS`, one row per claim and extractor; accuracies and shares are
        fractions of 1. `direction`, `size` and `relevance` are words of `evaluation.decisions`,
        missing where a claim does not ask; `verdict_on_gain` and `verdict_on_level` make a verdict
        of them.
    """
    # As floats, since a missing integer (NA) is not a number to numpy.
    answers = tables["answers"].astype({"n": float})
    improved = combine_shares(against_baseline(tables["improved"]), runs)
    names = [name for name in extractors(answers) if name not in controls]
    if not names:
        return CLAIMS.empty()
    tissue, mutation = of_kind(answers, "tissue"), of_kind(answers, "mutation")
    random = "the network started from random weights, not from ImageNet" if random_weights else ""
    patches = tissue.loc[tissue["target"] == ALL, "n"].max()
    of_patches = random or _partial(patches, PATCHES, "patches")
    of_slides = random or _partial(tables["cohort"]["n_slides"].sum(), SLIDES, "slides")
    rows: list[Row] = []
    for target in ACCURACY:
        rows += _barred(_accuracy(tissue, target, names, rope), of_patches)
    for name in names[1:]:
        rows += _barred(_expression(improved, name), of_slides)
        rows += _barred(_mutation(mutation, name), of_slides)
    return pd.DataFrame(rows).reindex(columns=list(CLAIMS.columns))


def verdict_on_gain(direction: str, size: str = "", relevance: str = "") -> tuple[str, str]:
    """Judge a claim that fine-tuned features are better; return verdict and why.

    A claim without a published size leaves `size` empty, one about a share of genes `relevance`.
    """
    if direction == UNTESTED:
        return INCONCLUSIVE, "not tested, because it is not predicted better than chance"
    if direction == NOT_ESTIMABLE:
        return INCONCLUSIVE, "not estimable here"
    if direction == WORSE:
        return NOT_REPRODUCED, "worse, not better"
    if relevance == EQUIVALENT:
        but = "better, but " if direction == BETTER else ""
        return NOT_REPRODUCED, f"{but}no relevant difference"
    if direction == BETTER:
        if size == SMALLER:
            return PARTLY, "better, but by less than published"
        more = ", and by more than published" if size == LARGER else ""
        return REPRODUCED, f"better{more or (', as published' if size == AS_PUBLISHED else '')}"
    if size == SMALLER:
        return NOT_REPRODUCED, "undecided, but the published size is excluded"
    return INCONCLUSIVE, "neither a gain nor its absence is decided"


def verdict_on_level(size: str, relevance: str) -> tuple[str, str]:
    """Judge a claim about the level of a score; return verdict and why.

    `size` compares the level with the published one, and `relevance` says whether the difference
    between the two is relevant.
    """
    if not size:
        return INCONCLUSIVE, "not estimable here"
    if relevance == EQUIVALENT:
        return REPRODUCED, "no relevant difference from the published level"
    if size == AS_PUBLISHED:
        return REPRODUCED, "the interval includes the published level, and not the other one"
    if size == CANNOT_TELL:
        return INCONCLUSIVE, "the interval includes the published levels of both extractors"
    return NOT_REPRODUCED, f"{size} than published"


def _accuracy(tissue: pd.DataFrame, target: str, names: list[str], rope: float) -> Iterator[Row]:
    (off_the_shelf, fine_tuned, rounding), what = ACCURACY[target], ACCURACY_NAMES[target]
    rows = {name: _only(tissue, target, name) for name in names[1:]}

    def level(kind: str, name: str, here: float, n: float, published: float, none: float) -> Row:
        low, high = (float(bound) for bound in wilson(here, n))
        size = size_beside(low, high, published, none=none, rounding=rounding)
        relevance = UNDECIDED if size else ""
        if published - rope <= low and high <= published + rope:
            relevance = EQUIVALENT
        elif low > published + rope or high < published - rope:
            relevance = RELEVANT
        verdict, why = verdict_on_level(size, relevance)
        return {
            **{"claim": f"{what}: accuracy of the {kind} features", "extractor": name},
            **{"quantity": "accuracy", "published": published, "here": here},
            **{"ci_low": low, "ci_high": high, "size": size, "relevance": relevance},
            **{"verdict": verdict, "why": why},
        }

    first = rows[names[1]]
    known = first["baseline_mean"], first["n"]
    yield level("off-the-shelf", names[0], *known, off_the_shelf, fine_tuned)
    gain = round(fine_tuned - off_the_shelf, 3)
    for name, row in rows.items():
        here, n = row["extractor_mean"], row["n"]
        yield level("fine-tuned", name, here, n, fine_tuned, off_the_shelf)
        claim = f"{what}: fine-tuned features are more accurate"
        yield _gain(claim, name, "accuracy difference", row, gain, 2 * rounding)
        if target == ALL:
            direction = _text(row["direction"], NOT_ESTIMABLE)
            verdict, why = verdict_on_gain(direction)
            yield {
                **{"claim": f"{what}: the difference is significant (here: q)", "extractor": name},
                **{"quantity": "P", "published": ACCURACY_P, "here": row["q_bh"], **NO_INTERVAL},
                **{"direction": direction, "verdict": verdict, "why": why},
            }


def _gain(
    claim: str, name: str, quantity: str, row: pd.Series, published: float, rounding: float
) -> Row:
    direction, relevance = _text(row["direction"], NOT_ESTIMABLE), _text(row["relevance"])
    low, high = row["ci_low"], row["ci_high"]
    size = ""
    if direction not in (UNTESTED, NOT_ESTIMABLE) and not np.isnan(published):
        size = size_beside(low, high, published, none=0, rounding=rounding)
    verdict, why = verdict_on_gain(direction, size, relevance)
    if verdict == INCONCLUSIVE and direction == UNDECIDED:
        why += f"; {amount(row['detectable'], row['metric'])} could have been detected"
    if direction == NOT_ESTIMABLE and row["why"] in WHY:
        why += f": {WHY[row['why']]}"
    return {
        **{"claim": claim, "extractor": name, "quantity": quantity, "published": published},
        **{"here": row["delta"], "ci_low": low, "ci_high": high, "direction": direction},
        **{"size": size, "relevance": relevance, "verdict": verdict, "why": why},
    }


def _expression(improved: pd.DataFrame, name: str) -> Iterator[Row]:
    row = _first(improved[improved["extractor"] == name])
    yield {
        **{"claim": "expression: genes related to the image features", "extractor": name},
        **{"quantity": "genes", "published": RELATED, "here": row["n_related"], **NO_INTERVAL},
        **{"verdict": NOT_COMPARABLE},
        **{"why": "the paper's gene panel is unknown, so the count depends on ours"},
    }
    low, high, published = row["ci_low"], row["ci_high"], round(IMPROVED / RELATED, 3)
    direction = NOT_ESTIMABLE
    if row["status"] == OK and not np.isnan(low):
        direction = BETTER if low > 0.5 else WORSE if high < 0.5 else UNDECIDED
    size = size_beside(low, high, published, none=0.5) if direction != NOT_ESTIMABLE else ""
    verdict, why = verdict_on_gain(direction, size)
    if direction == NOT_ESTIMABLE and _text(row["status"]):
        why = _text(row["status"])
    if pd.notna(row["n_improved"]):
        why += f"; r is higher for {row['n_improved']:.0f} of {row['n_related']:.0f}"
    yield {
        "claim": f"expression: most related genes are predicted better ({IMPROVED} of {RELATED})",
        **{"extractor": name, "quantity": "share of related genes", "published": published},
        **{"here": row["share_truly"], "ci_low": low, "ci_high": high, "direction": direction},
        **{"size": size, "verdict": verdict, "why": why},
    }


def _mutation(mutation: pd.DataFrame, name: str) -> Iterator[Row]:
    for gene in BETTER_GENES:
        row = _only(mutation, gene, name)
        claim = f"mutation: {gene} is predicted better"
        yield _gain(claim, name, "AUROC difference", row, np.nan, 0)
    own = mutation[(mutation["extractor"] == name) & mutation["target"].notna()]
    higher, decided = own["delta"].dropna() > 0, int((own["direction"] == BETTER).sum())
    yield {
        "claim": f"mutation: better for {len(BETTER_GENES)} of {GENES_TESTED} genes (here higher "
        f"for {higher.sum()} of {len(higher)}, decided for {decided})",
        **{"extractor": name, "quantity": "share of genes", **NO_INTERVAL},
        **{"published": round(len(BETTER_GENES) / GENES_TESTED, 3), "here": float(higher.mean())},
        **{"verdict": NOT_COMPARABLE},
        **{"why": f"which {GENES_TESTED} genes the paper tested is unknown"},
    }


def _barred(rows: Iterable[Row], bar: str) -> Iterator[Row]:
    """Let what bars the comparison override any verdict on the numbers."""
    for row in rows:
        yield row | ({"verdict": NOT_COMPARABLE, "why": bar} if bar else {})


def _partial(found: float, full: int, what: str) -> str:
    count = 0 if np.isnan(found) else int(found)
    partial = count < COMPLETE * full
    return f"partial data ({count:,} of {full:,} {what})" if partial else ""


def _only(table: pd.DataFrame, target: str, extractor: str) -> pd.Series:
    return _first(table[(table["target"] == target) & (table["extractor"] == extractor)])


def _first(rows: pd.DataFrame) -> pd.Series:
    """Return the first row, or a row of missing values if there is none."""
    return rows.reindex(index=[*rows.index[:1]] or [-1]).iloc[0]


def _text(cell: object, missing: str = "") -> str:
    return str(cell) if isinstance(cell, str) else missing
