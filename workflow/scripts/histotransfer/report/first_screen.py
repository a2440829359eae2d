"""What the summary begins with: the answer to each task in a sentence, and how to read it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from ..evaluation.decisions import UNDECIDED
from ..results.answers import TARGET, TASK
from ..results.rows import chance
from ..results.sentences import in_short, power, verdict
from ..results.words import METRICS, count, score


def first_screen(answers: pd.DataFrame, comparison: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Yield, by task and extractor, its verdict, a sentence, and what explains the sentence.

    Parameters
    ----------
    answers, comparison : pandas.DataFrame
        The tables of these names.
    """
    for (task, extractor), rows in answers.groupby(["task", "extractor"], sort=False):
        whole = rows[rows["scope"] == TASK].iloc[0].to_dict()
        targets = rows[rows["scope"] == TARGET]
        said = verdict(whole)
        yield {
            "task": task,
            "extractor": extractor,
            "baseline": whole["baseline"],
            "verdict": said,
            "look": said.partition(":")[0].replace(" ", "-"),
            "short": in_short(whole),
            "notes": list(_notes(whole, targets, comparison[comparison["task"] == task])),
        }


def _notes(row: dict[Any, Any], targets: pd.DataFrame, comparison: pd.DataFrame) -> Iterator[str]:
    metric, of_several = row["metric"], pd.isna(row["target"]) or row["target"] == ""
    if pd.notna(row["baseline_mean"]):
        tested = int(targets["ci_low"].notna().sum())
        over = f", mean of {count(tested, 'tested target')}" if of_several and tested > 1 else ""
        samples = count(int(row["n"]), row["unit"])
        by_chance = chance(comparison)
        guessed = score(by_chance, metric) if metric == "accuracy" else f"{by_chance:g}"
        yield (
            f"{METRICS[metric][0].upper()}{METRICS[metric][1:]} of {samples}{over}: "
            f"{score(row['baseline_mean'], metric)} with {row['baseline']}, "
            f"{score(row['extractor_mean'], metric)} with {row['extractor']}; "
            f"{guessed} by chance."
        )
    if row["direction"] == UNDECIDED and pd.notna(row["detectable"]):
        yield power(row)
        if row["ci_low"] > 0 or row["ci_high"] < 0:
            yield (
                f"The interval is that of one test. Among all {len(targets):,} of the task a "
                f"difference like this comes up too easily (q = {row['q_bh']:.2g})."
            )
