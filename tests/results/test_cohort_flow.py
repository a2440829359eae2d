"""The flow of slides, patients and patches: nothing is lost between the boxes."""

from __future__ import annotations

import pandas as pd
import pytest

from histotransfer.core.tables import read_table, write_table
from histotransfer.qc.cohort import summarise
from histotransfer.results.cohort_flow import cause, write_flow
from support.qc import judged_cohort


@pytest.mark.parametrize("apply_qc", [True, False])
def test_what_is_still_there_and_what_is_left_out_add_up(tmp_path, apply_qc):
    slides, patients, tables = judged_cohort(tmp_path)
    summarise(slides, patients, **tables, apply_qc=apply_qc)
    labels = pd.DataFrame(
        {
            "step": [
                "patients of the cohort",
                "rows of the labels table",
                "sample: no row in the labels table",
                "sample: no usable patch",
                "target: no variance",
                "samples with labels",
                "targets",
            ],
            "n": [3, 5, 1, 1, 2, 1, 4],
        }
    )
    write_table(labels, tmp_path / "labels.tsv")
    write_flow(
        *(tables[f"{name}_table"] for name in ("qc", "excluded", "cohort")),
        {"expression": tmp_path / "labels.tsv"},
        {"expression": "expression"},
        tmp_path / "flow.tsv",
        apply_qc=apply_qc,
    )
    flow = read_table(tmp_path / "flow.tsv", task="str", step="str")
    for (_, unit), rows in flow.fillna({"task": ""}).groupby(["task", "unit"]):
        if unit == "targets":
            continue
        still = rows.loc[rows["kind"] == "in", "n"].tolist()
        assert still[0] - rows.loc[rows["kind"] == "out", "n"].sum() == still[-1]
    compared = flow[flow["step"] == "compared"].set_index("unit")["n"]
    assert compared.to_dict() == {"patients": 1, "targets": 4}
    excluded = flow[(flow["kind"] == "out") & (flow["unit"] == "slides")]
    assert excluded["n"].sum() == (2 if apply_qc else 1)


@pytest.mark.parametrize(
    ("reason", "short"),
    [
        ("s 1.svs: cannot be opened", "s 1.svs"),  # an id has no space, so this is no slide's name
        ("a.svs: cannot be opened as a slide (why). Copy it.", "cannot be opened as a slide"),
        ("a.svs: no tile is tissue to at least 50% (0 mm²).", "no tile is tissue to at least 50%"),
        ("none of its 1,240 tiles is used: 30 blurred", "none of its tiles is used"),
    ],
)
def test_reasons_are_reduced_to_their_cause(reason, short):
    assert cause(reason) == short
