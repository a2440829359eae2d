"""Whether the extractors beat the controls, which know nothing of tissue."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import pandas as pd

from ..evaluation.statistics import OK
from ..results.words import joined


def against_controls(
    pairs: pd.DataFrame, controls: Collection[str], alpha: float
) -> Iterator[tuple[bool, str]]:
    """Yield, by task and control, whether every extractor beats it, and a sentence.

    Parameters
    ----------
    pairs : pandas.DataFrame
        The table of this name.
    controls : collection of str
    alpha : float
        Level of significance of Holm's p.
    """
    for task, rows in pairs.groupby("task", sort=False):
        for control in controls:
            beats = {}
            for row in rows.to_dict("records"):
                names = [row["baseline"], row["extractor"]]
                other = next((name for name in names if name not in controls), None)
                if control in names and other:
                    gain = row["delta"] if other == row["extractor"] else -row["delta"]
                    decided = row["status"] == OK and row["p_holm"] <= alpha
                    beats[str(other)] = decided and gain > 0
            for is_better in (True, False):
                named = [name for name, yes in beats.items() if yes == is_better]
                if named:
                    verb = "is" if len(named) == 1 else "are"
                    said = "better than" if is_better else "not shown to be better than"
                    yield is_better, f"{task}: {joined(named)} {verb} {said} {control}."
