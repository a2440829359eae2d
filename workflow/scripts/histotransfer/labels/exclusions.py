"""What reading a task's labels left out or changed, and how many remain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pandas as pd

from ..core.exclusions import KEPT, Reason
from ..core.tables import TableSchema

EXCLUDED = TableSchema.of("excluded_labels", "text: item what code detail remedy")
FLOW = TableSchema.of("labels_flow", "text: step what code", "integer: n")
CAME_IN, LEFT_OUT, KEPT_STEP, LABELLED = "came_in", "left_out", "kept", "labelled"


class Excluded:
    """The items that are left out or changed, in the order in which the rules meet them."""

    def __init__(self) -> None:
        self.rows: list[dict[str, str]] = []

    def add(self, items: Iterable[object], what: str, reason: Reason) -> None:
        """List items (patients, rows, columns, targets or variants) for one reason."""
        self.rows += [{"item": str(item), "what": what, **reason.as_row()} for item in items]

    def table(self) -> pd.DataFrame:
        """Return the columns of `EXCLUDED`."""
        return pd.DataFrame(self.rows, columns=list(EXCLUDED.columns))


def flow(came_in: dict[str, int], excluded: pd.DataFrame, labelled: dict[str, int]) -> pd.DataFrame:
    """Count what came in, was left out or changed (by code), and has labels, as in `FLOW`.

    `came_in` and `labelled` count by what, such as ``{"patient": 12}``.
    """
    treated = Counter(zip(excluded["what"], excluded["code"], strict=True))
    rows = [(CAME_IN, what, "", n) for what, n in came_in.items()]
    rows += [
        (KEPT_STEP if code in KEPT else LEFT_OUT, what, code, n)
        for (what, code), n in treated.items()
    ]
    rows += [(LABELLED, what, "", n) for what, n in labelled.items()]
    return pd.DataFrame(rows, columns=list(FLOW.columns))
