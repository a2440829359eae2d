"""The answers under a study's alternatives: their order, and what is counted of them."""

from __future__ import annotations

import pandas as pd
import pytest

from histotransfer.results.sensitivity import AS_DECLARED, ROBUSTNESS, sides, tabulate_robustness
from histotransfer.results.tables import SCHEMAS


def answers(*rows: tuple[str, float | None, str]) -> pd.DataFrame:
    """Make answers to tasks as a whole: task, difference and direction; and one to a target."""
    table = pd.DataFrame(rows, columns=["task", "delta", "direction"]).assign(
        scope="task", extractor="NEW", baseline="OLD", metric="auroc", n=90, rope=0.01
    )
    table = table.assign(ci_low=table["delta"] - 0.1, ci_high=table["delta"] + 0.1)
    whole = table.reindex(columns=list(SCHEMAS["answers"].columns))
    return pd.concat([whole, whole.head(1).assign(scope="target", target="TP53")])


def test_rows_stand_by_task_and_then_by_analysis() -> None:
    found = tabulate_robustness(
        {
            AS_DECLARED: answers(("b", 0.2, "better"), ("a", 0.1, "undecided")),
            "x": answers(("a", 0.3, "better")),
            "y": answers(("b", 0.1, "better"), ("a", -0.1, "worse")),
        },
        {"x": "qc.apply: false", "y": "stain.method: none"},
    )
    assert list(found.columns) == list(ROBUSTNESS.columns)
    rows = found[["task", "analysis", "differs"]].itertuples(index=False, name=None)
    assert list(rows) == [
        ("b", AS_DECLARED, ""), ("b", "y", "stain.method: none"),
        ("a", AS_DECLARED, ""), ("a", "x", "qc.apply: false"), ("a", "y", "stain.method: none"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([(0.2, "better")], "no alternative changes this task"),
        (
            [(0.2, "better"), (0.1, "undecided"), (-0.1, "undecided"), (-0.3, "worse")],
            "of 4 analyses, ahead in 2 (decided in 1), behind in 2 (decided in 1)",
        ),
        (
            [(0.2, "better"), (None, "untested"), (0.2, "better")],
            "of 3 analyses, ahead in 2 (decided in 2), behind in 0, not compared in 1, "
            "no other numbers than the study in 1",
        ),
    ],
)
def test_sides_are_counted(found: list[tuple[float | None, str]], said: str) -> None:
    analyses = {str(number): answers(("a", *one)) for number, one in enumerate(found)}
    assert list(sides(tabulate_robustness(analyses, {}))) == [("a", "NEW", "OLD", said)]
