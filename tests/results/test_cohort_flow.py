"""The flow of slides, patients and patches: nothing is lost between the boxes."""

from __future__ import annotations

import pandas as pd
import pytest

from histotransfer.core.exclusions import CODES
from histotransfer.core.tables import read_table, write_table
from histotransfer.figures.cohort_flow import WORDS
from histotransfer.labels.exclusions import FLOW
from histotransfer.qc.verdicts import REASONS
from histotransfer.results.cohort_flow import COHORT_FLOW, write_flow
from support.results import rows, written

LABELS_FLOW = {
    "expression": [
        ("came_in", "patient", "", 3),
        ("came_in", "row", "", 5),
        ("left_out", "patient", "no_label_row", 1),
        ("left_out", "patient", "no_usable_patch", 1),
        ("left_out", "target", "no_variance", 2),
        ("kept", "target", "values_clipped", 3),
        ("labelled", "patient", "", 1),
        ("labelled", "target", "", 4),
    ],
    "tissue": [("labelled", "patch", "", 7), ("labelled", "target", "", 1)],
}


@pytest.fixture(params=[True, False], ids=["with QC", "without QC"])
def flow(request, tmp_path):
    """Return the flow of four slides of three patients, and whether QC applies."""
    apply_qc = request.param
    qc = pd.DataFrame(0, index=range(4), columns=["n_tiles", *REASONS, "n_patches"])
    qc["n_tiles"], qc["kept"] = [4, 0, 3, 1], [2, 0, 0, 1]
    qc.loc[0, ["pen", "background"]] = 1
    qc.loc[2, ["blurred", "background"]] = [2, 1]
    qc["n_patches"] = qc["kept"] if apply_qc else [3, 0, 2, 1]
    of_patients = [2, 0, 1] if apply_qc else [3, 2, 1]
    codes = ["slide_unreadable", "no_patch_passes_qc"][: 1 + apply_qc]
    tables = {
        "qc": qc,
        "excluded_slides": pd.DataFrame(
            {"slide": [f"s{i}" for i in range(len(codes))], "code": codes}
        ),
        "cohort": pd.DataFrame({"patient": ["NA", "7", "8"], "n_patches": of_patients}),
    }
    for name, table in tables.items():
        written(name, rows(name, table.to_dict("records")), tmp_path / f"{name}.tsv")
    for task, counts in LABELS_FLOW.items():
        labels = pd.DataFrame([(*row, "") for row in counts], columns=list(FLOW.columns))
        write_table(labels, tmp_path / f"{task}.flow.tsv", FLOW)
    write_flow(
        *(tmp_path / f"{name}.tsv" for name in tables),
        {task: tmp_path / f"{task}.flow.tsv" for task in LABELS_FLOW},
        tmp_path / "flow.tsv",
        apply_qc=apply_qc,
    )
    table = read_table(tmp_path / "flow.tsv", COHORT_FLOW)
    return table.fillna({"task": "", "code": ""}), apply_qc


def test_what_is_still_there_and_what_is_left_out_add_up(flow):
    table, apply_qc = flow
    for (_, unit), part in table.groupby(["task", "unit"]):
        if unit == "target":
            continue
        still = part.loc[part["kind"] == "in", "n"].tolist()
        assert still[0] - part.loc[part["kind"] == "out", "n"].sum() == still[-1]
    excluded = table[(table["kind"] == "out") & (table["unit"] == "slide")]
    assert excluded["n"].sum() == (2 if apply_qc else 1)


def test_the_flow_ends_with_those_that_are_compared(flow):
    table, _ = flow
    ends = table[(table["step"] == "compared") & (table["kind"] == "in")]
    assert ends[["task", "unit", "n"]].values.tolist() == [
        ["expression", "patient", 1],
        ["expression", "target", 4],
        ["tissue", "patch", 7],
        ["tissue", "target", 1],
    ]


def test_every_loss_has_a_code_and_every_code_has_words(flow):
    table, apply_qc = flow
    assert (table["code"] != "").equals(table["kind"] == "out")
    codes = table.loc[table["kind"] == "out"].groupby("unit", sort=False)["code"].agg(set)
    assert codes["slide"] <= set(CODES)
    assert codes["patient"] <= set(CODES)
    assert codes["patch"] == ({"background", "pen", "blurred"} if apply_qc else {"not_stored"})
    assert set().union(*codes) <= set(WORDS)
    assert set(REASONS) - {"kept"} <= set(WORDS)
