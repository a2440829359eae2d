"""Tables that users bring: no cell changes and no row is lost, however the file is written."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotransfer.core.errors import HistotransferError
from histotransfer.core.user_tables import read_user_table

SEPARATORS = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "vertical bars"}
LETTERS = "abcXYZ0189#'\"äµ -"
CELLS = st.text(LETTERS, max_size=6).map(str.strip)


def read(path: Path) -> tuple[list[list[str]], dict[str, str]]:
    table = read_user_table(path, "Give a table")
    rows = [list(table.cells.columns), *table.cells.to_numpy(dtype=object).tolist()]
    return rows, {note.reason.code: note.reason.detail for note in table.notes}


@st.composite
def tables(draw: st.DrawFn, cells: st.SearchStrategy[str] = CELLS) -> list[list[str]]:
    """Draw a header and rows; the first cell of each is never empty, the header never a comment."""
    width, height = draw(st.integers(2, 5)), draw(st.integers(1, 6))
    names = [f"name{i}" for i in range(width)]
    rows = [[f"id{n}", *draw(st.lists(cells, min_size=width - 1, max_size=width - 1))]
            for n in range(height)]  # fmt: skip
    return [names, *rows]


@given(table=tables(), separator=st.sampled_from(sorted(SEPARATORS)), quoting=st.booleans(),
       end=st.sampled_from(["\n", "\r\n", "\r"]))  # fmt: skip
def test_what_a_csv_writer_writes_comes_back(tmp_path_factory, table, separator, quoting, end):
    out = io.StringIO(newline="")
    how = csv.QUOTE_ALL if quoting else csv.QUOTE_MINIMAL
    csv.writer(out, delimiter=separator, quoting=how, lineterminator=end).writerows(table)
    path = tmp_path_factory.getbasetemp() / "written.txt"
    path.write_bytes(out.getvalue().encode())
    rows, notes = read(path)
    assert rows == table
    assert notes.get("other_separator", "tabs") == SEPARATORS[separator]


@given(table=tables(), separator=st.sampled_from(["\t", ";", "|"]))
def test_quotation_marks_of_a_table_that_knows_none_are_part_of_the_cells(
    tmp_path_factory, table, separator
):
    """MAFs are written so: a mark is a character, balanced or not."""
    # Cells that a CSV writer would quote look the same whoever wrote them.
    table = [[cell.strip(' "') or "x" for cell in row] for row in table]
    table[1][1], table[-1][-1] = '"left', 'right"'
    path = tmp_path_factory.getbasetemp() / "literal.tsv"
    path.write_text("\n".join(separator.join(row) for row in table), encoding="utf-8")
    assert read(path)[0] == table


def test_a_mark_left_open_swallows_no_row(tmp_path):
    path = tmp_path / "open.tsv"
    path.write_text('id\tnote\tA\n1\t\t0\n2\t"left\t1\n3\t5" wide\t2\n4\tright"\t3\n5\t"\t4\n')
    rows, notes = read(path)
    assert [row[0] for row in rows] == ["id", "1", "2", "3", "4", "5"]
    assert [row[2] for row in rows] == ["A", "0", "1", "2", "3", "4"]
    assert notes == {"literal_quotes": "2 rows"}


def test_a_cell_of_several_lines_and_one_with_separators_are_read_as_one(tmp_path):
    path = tmp_path / "lines.csv"
    path.write_text('id,note,A\n1,"two\nlines, in all",0\n2,"a, ""b""",1\n3,plain,2\n')
    rows, _ = read(path)
    assert rows[1:] == [["1", "two lines, in all", "0"], ["2", 'a, "b"', "1"], ["3", "plain", "2"]]


PLAIN = "id,A\np1,0.5\np2,1\n"
EXPECTED = [["id", "A"], ["p1", "0.5"], ["p2", "1"]]


def zipped(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("__MACOSX/._t.csv", b"x")
        archive.writestr("folder/t.csv", content)
    return out.getvalue()


@pytest.mark.parametrize(
    ("write", "notes"),
    [
        (lambda text: text.encode(), {}),
        (lambda text: text.encode("utf-8-sig"), {}),
        (lambda text: text.encode("utf-16"), {"other_encoding": "UTF-16"}),
        (lambda text: text.encode("utf-16-le"), {"other_encoding": "UTF-16"}),
        (lambda text: text.encode("utf-16-be"), {"other_encoding": "UTF-16"}),
        (lambda text: gzip.compress(text.encode()), {}),
        (lambda text: bz2.compress(text.encode()), {}),
        (lambda text: lzma.compress(text.encode()), {}),
        (lambda text: zipped(text.encode()), {}),
        (lambda text: f"sep=,\r\n{text}".encode(), {}),
        (lambda text: f"# made by us\n#id\tB\n\n{text}".encode(), {}),
        (lambda text: f"#version 2.4,\n{text}".encode(), {}),
        (lambda text: f"#Id,Gene\n#STRING,NUMBER\n#1,1\n{text}".encode(), {}),
        (lambda text: (text + ",\r\n,\n\n").encode(), {"empty_rows": "2 rows"}),
        (lambda text: text.replace("\n", ",\n").encode(), {}),
        (lambda text: text.replace("\n", ",,\n").replace(",,", "", 1).encode(), {}),
    ],
)  # fmt: skip
def test_the_same_table_comes_in_many_forms(tmp_path, write, notes):
    (tmp_path / "t.csv").write_bytes(write(PLAIN))
    assert read(tmp_path / "t.csv") == (EXPECTED, notes)


def test_a_letter_of_windows_is_read_and_said(tmp_path):
    (tmp_path / "t.csv").write_bytes("id,größe\np1,1\n".encode("cp1252"))
    assert read(tmp_path / "t.csv") == (
        [["id", "größe"], ["p1", "1"]],
        {"other_encoding": "Windows-1252"},
    )


def test_row_names_of_r_are_a_column_without_a_name(tmp_path):
    (tmp_path / "t.txt").write_text('"A" "B"\n'.replace(" ", "\t") + '"p1"\t1\t2\n"p2"\t3\t4\n')
    assert read(tmp_path / "t.txt")[0] == [["", "A", "B"], ["p1", "1", "2"], ["p2", "3", "4"]]


def test_rows_that_lack_their_last_cells_are_filled_up_and_counted(tmp_path):
    (tmp_path / "t.tsv").write_text("id\tA\tB\np1\t1\np2\t1\t2\n")
    assert read(tmp_path / "t.tsv") == (
        [["id", "A", "B"], ["p1", "1", ""], ["p2", "1", "2"]],
        {"short_rows": "1 row"},
    )


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "it has no header"),
        (b"# nothing but a comment\n", "it has no header"),
        (b"id,A\np1,1,2\n,\np2,3\n", r"line 2 has 3 cells, but the header has 2: p1,1,2"),
        (b"#id,A\np1,1\np2,2\n", "its header may begin with #: #id,A"),
        (b"# about\n#id,A\np1,WT\np2,MUT\n", "its header may begin with #: #id,A"),
        (b"PK\x03\x04 and no more", "not a zip file"),
        (b"\x89HDF\r\n\x1a\n\0\0\0binary", "it is not text"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "it is an Excel workbook; save its sheet as CSV"),
        (b"\x1f\x8b\x08\x00 and no more", ""),
    ],
)
def test_what_is_no_table_is_named_with_the_cause(tmp_path, content, cause):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(HistotransferError, match=rf"t\.csv: cannot be read as a table \(.*{cause}"):
        read(tmp_path / "t.csv")


def test_an_excel_workbook_is_named(tmp_path):
    pd.DataFrame({"id": ["p1"]}).to_excel(tmp_path / "t.xlsx")
    with pytest.raises(HistotransferError, match="it is an Excel workbook"):
        read(tmp_path / "t.xlsx")


def test_columns_are_picked_whatever_their_capitals(tmp_path):
    (tmp_path / "t.tsv").write_text("x\tGENE\tclass\nn\tTP53\tSilent\n")
    table = read_user_table(tmp_path / "t.tsv", "", ["Class", "Gene", "gone"])
    assert table.cells.to_dict("list") == {"Class": ["Silent"], "Gene": ["TP53"]}
