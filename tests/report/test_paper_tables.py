"""The tables for a paper: the comparison's numbers, as another program reads them."""

from __future__ import annotations

import numpy as np
import openpyxl
import pytest

from histotransfer.core.tables import read_table
from histotransfer.evaluation.decisions import UNTESTED
from histotransfer.evaluation.statistics import NOT_ESTIMABLE, OK
from histotransfer.report.paper_tables import SHOWN, write_paper_tables
from histotransfer.results.tables import SCHEMAS
from support.comparisons import compared
from support.results import emptied, rows, write_results, written

NAMES = ("paper.md", "paper.tex", "paper.xlsx")


@pytest.fixture
def paths(tmp_path):
    found = write_results(tmp_path / "results", genes=40, mutations=10)
    claim = {"claim": "better & more", "published": 0.984, "verdict": "inconclusive"}
    claims = written("claims", rows("claims", [claim]), tmp_path / "claims.tsv")
    return {
        **{name: found[name] for name in ("comparison", "improved", "answers")},
        "claims": claims,
    }


def write(paths, folder, study="TCGA-LUAD"):
    folder.mkdir(exist_ok=True)
    outputs = [folder / name for name in NAMES]
    write_paper_tables(paths, *outputs, study=study)
    return outputs


def test_the_workbook_has_every_number_of_the_comparison(paths, tmp_path):
    comparison = read_table(paths["comparison"], SCHEMAS["comparison"])
    *_, path = write(paths, tmp_path / "out")
    book = openpyxl.load_workbook(path)
    assert book.sheetnames == ["Table 1", "Table 2", "Table 3", "Answers", "Claims"]
    for sheet, (_, part) in zip(
        book.worksheets, comparison.groupby("task", sort=False), strict=False
    ):
        head, *cells = list(sheet.iter_rows(min_row=3, values_only=True))
        assert head[0] == "Target"
        assert [row[0] for row in cells] == part["target"].tolist()
        for row, (_, expected) in zip(cells, part.iterrows(), strict=True):
            assert row[head.index("status")] == expected["status"]
            for name, column in (("Difference", "delta"), ("q", "q_bh")):
                found = np.nan if row[head.index(name)] is None else row[head.index(name)]
                assert found == pytest.approx(expected[column], nan_ok=True)
    assert book["Claims"]["A4"].value == "better & more"


def test_of_three_extractors_the_workbook_has_ranks_and_pairs_and_prints_the_baselines(tmp_path):
    names = ("IMGNET-2048", "FTX-2048", "UNI-1024")
    found = write_results(tmp_path / "results", extractors=names, genes=12, mutations=4)
    used = ("comparison", "improved", "answers", "ranks", "pairs")
    text, _, path = write({name: found[name] for name in used}, tmp_path / "out")
    book = openpyxl.load_workbook(path)
    tables = [f"Table {number}" for number in range(1, 7)]
    assert book.sheetnames == [*tables, "Answers", "Ranks", "Pairs"]
    assert book["Pairs"].max_row == 3 + 9
    assert text.read_text().count("against IMGNET-2048.") == 6
    assert "against FTX-2048" not in text.read_text()


def test_printed_tables_are_rounded_short_and_say_what_they_leave_out(paths, tmp_path):
    table = read_table(paths["comparison"], SCHEMAS["comparison"])
    tested = {"status": OK, "delta": -0.0671, "ci_low": -0.1234, "ci_high": 0.0012}
    table.loc[table["target"] == "STK11", [*tested]] = [*tested.values()]
    comparison = written("comparison", table, tmp_path / "comparison.tsv")
    outputs = write(paths | {"comparison": comparison}, tmp_path / "out")
    text, tex = (path.read_text() for path in outputs[:2])
    genes = [line for line in text.splitlines() if line.startswith("| GENE")]
    assert len(genes) == SHOWN
    assert f"The {SHOWN} targets with the smallest q, of 40." in text
    (line,) = [line for line in text.splitlines() if line.startswith("| STK11")]
    for printed in (line, tex):
        assert "-0.067 (-0.123 to 0.001)" in printed
    assert "not estimable" in text
    assert "imulated" not in text
    assert tex.count("\\begin{tabular}") == tex.count("\\end{tabular}") == 3
    assert not [line for line in tex.splitlines() if "%" in line.replace("\\%", "")]


def test_what_was_not_tested_has_no_interval_and_no_p(paths, tmp_path):
    found = [
        {"target": "TP53", "delta": 0.03},
        {"target": "KRAS", "delta": 0.02, "status": UNTESTED},
        {"target": "ADI", "baseline_mean": 1.0, "status": NOT_ESTIMABLE},
    ]
    table = compared(found).reindex(columns=list(SCHEMAS["comparison"].columns))
    comparison = written("comparison", table, tmp_path / "comparison.tsv")
    markdown, *_ = write(paths | {"comparison": comparison}, tmp_path / "out")
    lines = {
        line.split()[1]: line for line in markdown.read_text().splitlines() if line.startswith("| ")
    }
    cells = {name: [cell.strip() for cell in line.split("|")[3:-1]] for name, line in lines.items()}
    assert cells["TP53"][2] == "+0.030 (0.010 to 0.050)"
    assert cells["KRAS"] == ["0.700", "0.720", "untested (+0.020)", "", ""]
    assert cells["ADI"] == ["1.000", "1.000", "not estimable", "", ""]


def test_the_same_tables_give_the_same_bytes_and_simulated_ones_say_so(paths, tmp_path):
    one, two = (write(paths, tmp_path / name, "simulated") for name in ("one", "two"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
    assert one[0].read_text().count("Simulated data.") == 3


def test_a_study_without_numbers_has_no_table_of_improved_targets(paths, tmp_path):
    del paths["improved"]
    markdown, *_ = write(paths, tmp_path / "out")
    assert "tissue: FTX-2048 against IMGNET-2048." in markdown.read_text()


def test_an_empty_comparison_is_said_in_words(paths, tmp_path):
    paths = emptied(paths, tmp_path, "comparison", "improved")
    markdown, latex, workbook = write(paths, tmp_path / "out")
    assert markdown.read_text() == latex.read_text() == "No target was compared.\n"
    assert openpyxl.load_workbook(workbook).sheetnames == ["Answers", "Claims"]


def test_only_the_published_study_has_a_sheet_of_claims(paths, tmp_path):
    del paths["claims"]
    *_, workbook = write(paths, tmp_path / "out", "my-cohort")
    book = openpyxl.load_workbook(workbook)
    assert book.sheetnames == ["Table 1", "Table 2", "Table 3", "Answers"]
    assert book["Answers"]["A3"].value == "task"


def test_a_study_without_numbers_has_its_tables_and_table_1_as_it_is_printed(paths, tmp_path):
    described = {"population": "all patients", "variable": "sex", "level": "F", "n_patients": 40}
    patients = rows("table1", [described | {"n": 10, "missing": 0, "percent": 25}])
    table1 = written("table1", patients, tmp_path / "table1.tsv")
    given = {name: paths[name] for name in ("comparison", "answers")}
    *_, path = write({**given, "table1": table1}, tmp_path / "out")
    book = openpyxl.load_workbook(path)
    assert book.sheetnames[-1] == "Table1"
    shown = list(book["Table1"].iter_rows(min_row=3, values_only=True))
    assert shown == [("variable", "level", "all patients (n = 40)"), ("sex", "F", "10 (25 %)")]
