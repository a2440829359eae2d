"""What reading a task's labels left out or changed, and how many remain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import pandas as pd

from ..core.exclusions import KEPT, Reason
from ..core.tables import TableSchema

EXCLUDED = TableSchema.of("excluded_labels", "text: item what code detail remedy")
FLOW = TableSchema.of("labels_flow", "text: step what code", "integer: n")
CAME_IN, LEFT_OUT, KEPT_STEP, LABELLED = "came_in", "left_out", "kept", "labelled"


class Excluded(list[dict[str, str]]):
    """The rows of `EXCLUDED`, in the order in which the rules meet them."""

    def add(self, items: Iterable[object], what: str, reason: Reason) -> None:
        """List items (patients, rows, columns, targets or variants) for one reason."""
        self += [{"item": str(item), "what": what, **reason.as_row()} for item in items]

    def flow(self, came_in: Mapping[str, int], labelled: Mapping[str, int]) -> pd.DataFrame:
        """Count what came in, was left out or changed (by code), and has labels, as in `FLOW`."""
        treated = Counter((row["what"], row["code"]) for row in self)
        rows = [
            *((CAME_IN, what, "", n) for what, n in came_in.items()),
            *((KEPT_STEP if key[1] in KEPT else LEFT_OUT, *key, n) for key, n in treated.items()),
            *((LABELLED, what, "", n) for what, n in labelled.items()),
        ]
        return pd.DataFrame(rows, columns=list(FLOW.columns))
