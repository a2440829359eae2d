"""The answers of a study: what it says of each task and each target, in numbers and a sentence."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd

from ..core.tables import TableSchema
from ..evaluation.decisions import FAMILY, average, decide, why_not_estimable
from ..evaluation.fine_tuning_runs import Runs, combine_runs, combine_shares, share_of_seeds
from ..evaluation.statistics import OK
from .rows import against_baseline, of_all_classes
from .sentences import answer, by_target, of_seeds, share_of_targets

ANSWERS = TableSchema.of(
    "answers",
    "text: task extractor baseline scope target metric",
    "integer: n",
    "text: unit",
    "number: baseline_mean extractor_mean delta ci_low ci_high p_corrected q_bh q_equivalent",
    "text: direction relevance why",
    "number: seed_share level detectable rope",
    "integer: n_to_decide",
    "text: sentence",
)
TASK, TARGET = "task", "target"
"""What an answer is about: its `scope`."""
PATCH, PATIENT = "patch", "patient"
"""What `n` counts: its `unit`."""


def answer_questions(
    tables: Mapping[str, pd.DataFrame],
    *,
    runs: Runs,
    patch_tasks: Collection[str],
    alpha: float,
    rope: float,
) -> pd.DataFrame:
    """Answer, for each extractor but the baseline, each task as a whole and then each target.

    Parameters
    ----------
    tables : mapping
        `comparison` and `improved`.
    runs : mapping
        Extractors that are runs of one fine-tuning, which get one answer (`combine_runs`).
    patch_tasks : collection of str
        The tasks whose samples are patches; those of the others are patients.
    alpha, rope : float
        See `decisions.decide`.

    Returns
    -------
    pandas.DataFrame
        The columns of `ANSWERS`. A task of classes is answered by the accuracy over all
        classes, whose target is ``all``; any other by the mean over its targets
        (`decisions.average`), whose target is empty. `seed_share` is that of `share_of_seeds`, of a
        mean over targets their mean; `rope` is the one given.
    """
    every_run = against_baseline(tables["comparison"])
    comparison = combine_runs(every_run, runs)
    seeds = share_of_seeds(every_run, runs)
    shares = combine_shares(against_baseline(tables["improved"]), runs)
    of_patches = comparison["task"].isin(list(patch_tasks))
    comparison = comparison.assign(unit=np.where(of_patches, PATCH, PATIENT))
    decided = decide(comparison, alpha=alpha, rope=rope)
    decided = decided.merge(seeds, how="left", on=[*FAMILY, "target"])
    parts = []
    for (task, _, extractor), rows in decided.groupby(FAMILY, sort=False):
        overall = of_all_classes(rows)
        if overall.any():
            whole = _in_words(rows[overall], TASK, rope)
        else:
            mean = decide(average(rows[comparison.columns]), alpha=alpha, rope=rope)
            tested = None if len(rows) == 1 else int(rows["status"].eq(OK).sum())
            mean["seed_share"] = rows["seed_share"].mean()
            whole = _in_words(mean, TASK, rope, tested)
        of_task = (shares["task"] == task) & (shares["extractor"] == extractor)
        notes = [of_seeds(share) for share in whole["seed_share"].dropna()]
        if len(rows) > 1:
            notes.append(by_target(rows[~overall]))
            notes += [share_of_targets(row) for row in shares[of_task].to_dict("records")]
        whole["sentence"] = [" ".join([text, *notes]) for text in whole["sentence"]]
        parts += [whole, _in_words(rows[~overall], TARGET, rope)]
    return pd.concat(parts, ignore_index=True)[[*ANSWERS.columns]] if parts else ANSWERS.empty()


def _in_words(
    decided: pd.DataFrame, scope: str, rope: float, targets: int | None = None
) -> pd.DataFrame:
    table = decided.assign(
        scope=scope,
        rope=rope,
        why=why_not_estimable(decided),
        n_to_decide=decided["n_to_decide"].round().astype("Int64"),
    )
    said = [answer(row, rope, targets) for row in table.to_dict("records")]
    return table.assign(sentence=said)
