"""Answers in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ..core.errors import listed
from ..evaluation.decisions import BETTER, EQUIVALENT, RELEVANT, UNDECIDED, WHY, WORSE
from ..evaluation.statistics import NOT_ESTIMABLE, OK, UNTESTED
from .words import MOST_COUNTED, about, amount, count, difference

WIDEST = {"accuracy": 1.0, "auroc": 1.0, "c_index": 1.0, "pearson": 2.0}
"""The largest difference that a metric can show."""


def answer(row: Mapping[Any, Any], rope: float, targets: int | None = None) -> str:
    """Say what a row of the table `answers` says.

    `rope` is the half-width of the region of practical equivalence. Of a row about the mean over
    several targets, `targets` is how many of them were tested.
    """
    direction, metric = row["direction"], row["metric"]
    if direction == NOT_ESTIMABLE:
        return f"Not estimable: {WHY[row['why']]}."
    if direction == UNTESTED:
        what = "no target is" if targets is not None else "it is not"
        size = f" ({difference(row)[0]})" if pd.notna(row["delta"]) else ""
        return f"Not tested: {what} predicted better than chance{size}."
    shown, _, interval = difference(row)
    mean = f", on average over {count(targets, 'target')}" if targets is not None else ""
    found = f"{shown} ({interval}){mean}"
    no_matter = row["relevance"] == EQUIVALENT
    if direction == UNDECIDED and not no_matter:
        return f"Undecided: {found}. {power(row)}"
    points = f"{100 * rope:g} {'point' if 100 * rope == 1 else 'points'}"
    matter = f"the {points if metric == 'accuracy' else f'{rope:g}'} that counts as relevant"
    if no_matter:
        head = "No relevant difference"
        if direction != UNDECIDED:
            head = f"{direction.capitalize()}, but no relevant difference"
        return f"{head}: {found}, less than {matter}."
    if row["relevance"] == RELEVANT:
        return f"{direction.capitalize()}: {found}, more than {matter}."
    return f"{direction.capitalize()}: {found}. It may be less than {matter}."


def verdict(row: Mapping[Any, Any]) -> str:
    """Say in a word or two how a row of the table `answers` ends."""
    if row["relevance"] == EQUIVALENT:
        return "equivalent"
    direction = str(row["direction"])
    if direction == UNTESTED:
        return "not tested"
    return f"decided: {direction}" if direction in (BETTER, WORSE) else direction


def in_short(row: Mapping[Any, Any]) -> str:
    """Answer a task in one sentence: a row of the table `answers`."""
    one, other, direction = row["extractor"], row["baseline"], row["direction"]
    if direction == NOT_ESTIMABLE:
        return f"{one} and {other} cannot be compared: {WHY[row['why']]}."
    if direction == UNTESTED:
        return (
            f"Neither {one} nor {other} predicts it better than chance, so there is no difference "
            "to test."
        )
    shown, _, interval = difference(row)
    found = f"{shown} (95 % interval {interval})"
    if row["relevance"] == EQUIVALENT:
        return f"{one} and {other} do not differ by an amount that matters: {found}."
    if direction == UNDECIDED:
        return f"Whether {one} is better than {other} is undecided: {found}."
    return f"{one} is {direction} than {other}: {found}."


def of_seeds(share: float) -> str:
    """Say which share of the squared standard error is between the seeds of fine-tuning."""
    return f"{100 * share:.0f} % of the squared standard error is between the seeds of fine-tuning."


def power(row: Mapping[Any, Any]) -> str:
    """Say which difference could have been detected, and how many samples would decide this."""
    metric = row["metric"]
    could = f"This study could have detected a difference of {amount(row['detectable'], metric)}"
    if row["detectable"] >= WIDEST[metric]:
        could = "This study was too small to detect any difference"
    if pd.isna(n := row["n_to_decide"]):
        return f"{could}."
    needed, (_, size, _) = about(n, row["unit"]), difference(row)
    if n > MOST_COUNTED:
        return f"{could}; one as small as was observed would take {needed}."
    return f"{could}; {needed} would decide one of {size}."


def by_target(targets: pd.DataFrame) -> str:
    """Count the answers to the targets of a task, and name those that are decided."""
    direction, equivalent = targets["direction"], targets["relevance"] == EQUIVALENT
    open_ = direction == UNDECIDED
    groups = [
        ("better", targets[direction == BETTER], True),
        ("worse", targets[direction == WORSE], True),
        ("without a relevant difference", targets[open_ & equivalent], True),
        ("undecided", targets[open_ & ~equivalent], False),
        ("not tested", targets[direction == UNTESTED], False),
        ("not estimable", targets[direction == NOT_ESTIMABLE], False),
    ]
    said = []
    for what, rows, named in groups:
        names = f" ({listed(rows['target'].tolist(), 5)})" if named and len(rows) else ""
        if len(rows) or what in ("better", "worse"):
            said.append(f"{len(rows):,} {what}{names}")
    return f"Of {count(len(targets), 'target')}: {', '.join(said)}."


def share_of_targets(row: Mapping[Any, Any]) -> str:
    """Say which share of the related targets is predicted better: a row of the table `improved`."""
    if not row["n_related"]:
        return "No target is related to the image features."
    related = count(int(row["n_related"]), "related target")
    text = f"Of {related}, {row['n_improved']:,} have a higher r"
    if row["status"] != OK or pd.isna(row["ci_low"]):
        reason = "" if row["status"] == OK else f" ({row['status']})"
        return f"{text}, which says nothing of the share that is truly better{reason}."
    share, low, high = (f"{100 * row[name]:.0f}" for name in ("share_truly", "ci_low", "ci_high"))
    return f"{text}; an estimated {share} % ({low} to {high} %) are truly better."
