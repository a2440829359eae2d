"""What reading a task's labels left out or changed, and how many remain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import pandas as pd

from ..core.exclusions import KEPT, Reason
from ..core.tables import TableSchema
from ..core.user_tables import Note

EXCLUDED = TableSchema.of("excluded_labels", "text: item what code detail remedy")
FLOW = TableSchema.of("labels_flow", "text: step what code", "integer: n", "text: detail")
"""`detail` names the column of ids, and is empty otherwise."""
CAME_IN, LEFT_OUT, KEPT_STEP, LABELLED = "came_in", "left_out", "kept", "labelled"


class Excluded(list[dict[str, str]]):
    """The rows of `EXCLUDED`, in the order in which the rules meet them."""

    def add(self, items: Iterable[object], what: str, reason: Reason) -> None:
        """List items (patients, rows, columns, targets or variants) for one reason."""
        self += [{"item": str(item), "what": what, **reason.as_row()} for item in items]

    def note(self, notes: Iterable[Note]) -> None:
        """List what was decided in reading a table."""
        for note in notes:
            self.add([note.item], note.what, note.reason)

    def flow(self, came_in: Mapping[str, int], labelled: Mapping[str, int]) -> pd.DataFrame:
        """Count what came in, was left out or changed (by code), and has labels, as in `FLOW`."""
        treated = Counter((row["what"], row["code"]) for row in self)
        used = "; ".join(row["item"] for row in self if row["code"] == "id_column")
        rows = [
            *((CAME_IN, what, "", n, "") for what, n in came_in.items()),
            *(
                (_step(code), what, code, n, used if code == "id_column" else "")
                for (what, code), n in treated.items()
            ),
            *((LABELLED, what, "", n, "") for what, n in labelled.items()),
        ]
        return pd.DataFrame(rows, columns=list(FLOW.columns))


def _step(code: str) -> str:
    return KEPT_STEP if code in KEPT else LEFT_OUT
