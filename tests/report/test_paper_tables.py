"""The tables for a paper: the comparison's numbers, as another program reads them."""

from __future__ import annotations

import openpyxl
import pandas as pd
import pytest

from histotransfer.core.tables import read_table, write_table
from histotransfer.report.paper_tables import SHOWN, write_paper_tables
from support.results import write_results

NAMES = ("paper.md", "paper.tex", "paper.xlsx")


@pytest.fixture
def inputs(tmp_path):
    paths = write_results(tmp_path / "results", genes=40, mutations=10)
    claims = tmp_path / "claims.tsv"
    row = {"claim": "better & more", "published": 0.984, "here": None, "verdict": "inconclusive"}
    write_table(pd.DataFrame([row]), claims)
    return {**{name: paths[name] for name in ("comparison", "improved")}, "claims": claims}


def write(inputs, folder, study="TCGA-LUAD"):
    folder.mkdir(exist_ok=True)
    paths = [folder / name for name in NAMES]
    write_paper_tables(inputs, *paths, study=study)
    return paths


def test_the_workbook_has_every_number_of_the_comparison(inputs, tmp_path):
    comparison = read_table(inputs["comparison"], target="str")
    *_, path = write(inputs, tmp_path / "out")
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["Table 1", "Table 2", "Table 3", "Claims"]
    for sheet, (_, rows) in zip(
        book.worksheets, comparison.groupby("task", sort=False), strict=False
    ):
        head, *cells = list(sheet.iter_rows(min_row=3, values_only=True))
        assert head[0] == "Target"
        assert [row[0] for row in cells] == rows["target"].tolist()
        for row, (_, expected) in zip(cells, rows.iterrows(), strict=True):
            if pd.isna(expected["delta"]):
                assert row[head.index("Difference")] is None
                assert row[head.index("status")] == "not estimable"
            else:
                assert row[head.index("Difference")] == pytest.approx(expected["delta"])
                assert row[head.index("q")] == pytest.approx(expected["q_bh"])
    assert book["Claims"]["A4"].value == "better & more"


def test_printed_tables_are_rounded_short_and_say_what_they_leave_out(inputs, tmp_path):
    markdown, latex, _ = (path for path in write(inputs, tmp_path / "out"))
    text = markdown.read_text()
    genes = [line for line in text.splitlines() if line.startswith("| GENE")]
    assert len(genes) == SHOWN
    assert f"The {SHOWN} of 40 targets of smallest q" in text
    comparison = read_table(inputs["comparison"], target="str").set_index("target")
    row = comparison.loc["STK11"]
    expected = f"{row['delta']:+.3f} ({row['ci_low']:.3f} to {row['ci_high']:.3f})"
    (line,) = [line for line in text.splitlines() if line.startswith("| STK11")]
    assert expected in line
    assert "not estimable" in text
    assert "imulated" not in text
    tex = latex.read_text()
    assert tex.count("\\begin{tabular}") == tex.count("\\end{tabular}") == 3
    assert not [line for line in tex.splitlines() if "%" in line.replace("\\%", "")]
    assert expected in tex


def test_the_same_tables_give_the_same_bytes_and_simulated_ones_say_so(inputs, tmp_path):
    one, two = (write(inputs, tmp_path / name, "simulated") for name in ("one", "two"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
    assert one[0].read_text().count("Simulated data.") == 3


def test_an_empty_comparison_is_said_in_words(inputs, tmp_path):
    for name in ("comparison", "improved"):
        empty = tmp_path / f"{name}.tsv"
        write_table(read_table(inputs[name]).iloc[:0], empty)
        inputs[name] = empty
    markdown, latex, workbook = write(inputs, tmp_path / "out")
    assert markdown.read_text() == latex.read_text() == "No target was compared.\n"
    assert openpyxl.load_workbook(workbook).sheetnames == ["Claims"]
