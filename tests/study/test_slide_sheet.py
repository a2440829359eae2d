"""The slide sheet: what is right is read in order, what is wrong is named by its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.study.slide_sheet import missing_slides, read_slide_sheet
from support.root import ROOT

SLIDES = ROOT / "workflow/schemas/slides.schema.yaml"


def sheet(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "slides.tsv"
    path.write_bytes(text.encode(encoding))
    return path


def test_a_sheet_is_read_in_its_order(tmp_path: Path) -> None:
    path = sheet(tmp_path, "slide\tpatient\tpath\tmpp\nb\tP1\tb.svs\t0.25\na\tP1\ta b.svs\t\n")
    slides = read_slide_sheet(path, SLIDES)
    assert list(slides) == ["b", "a"]
    assert slides["b"].mpp == 0.25
    assert slides["a"].mpp is None
    assert slides["a"].path == "a b.svs"


def test_a_spreadsheets_byte_order_mark_and_line_ends_do_not_matter(tmp_path: Path) -> None:
    path = sheet(tmp_path, "slide\tpatient\tpath\r\n007\tP1\tb.svs\r\n", "utf-8-sig")
    assert read_slide_sheet(path, SLIDES)["007"].patient == "P1"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("slide\tpatient\nS\tP\n", "path"),
        ("slide\tpatient\tpath\tmmp\nS\tP\tx\t1\n", "mmp"),
        ("slide\tpatient\tpath\n../S\tP\tx\n", "line 2"),
        ("slide\tpatient\tpath\n/S\tP\tx\n", "line 2"),
        ("slide\tpatient\tpath\nS;rm\tP\tx\n", "line 2"),
        ("slide\tpatient\tpath\nS\tP\tx\nS\tP\ty\n", "line 3"),
        ("slide\tpatient\tpath\nS\tP\t\n", "line 2"),
        ("slide\tpatient\tpath\nS\tP\tx\ty\n", "beyond the last column"),
        ("slide\tpatient\tpath\tmpp\nS\tP\tx\thalf\n", "half"),
        ("slide\tpatient\tpath\tmpp\nS\tP\tx\t50\n", "mpp"),
        ("slide\tpatient\tpath\nCRC\tP\tx\n", "dataset"),
        ("slide\tpatient\tpath\ncrc\tP\tx\n", "dataset"),
        ("slide\tpatient\tpath\tfile_id\tmd5\tsize\nS\tP\tx\tf\t\t\n", "line 2"),
        ("slide\tpatient\tpath\tfile_id\tmd5\tsize\nS\tP\tx\t../f\t\t\n", "line 2"),
        ("slide\tpatient\tpath\tfile_id\nS\tP\tx\tf\n", "line 2"),
        ("slide\tpatient\tpath\tsize\nS\tP\tx\t1.5\n", "size '1.5'"),
        ("slide\tpatient\tpath\n", "no slide"),
        ("", "no slide"),
    ],
)
def test_a_wrong_sheet_is_refused_by_line(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(HistotransferError, match=r"slides\.tsv") as caught:
        read_slide_sheet(sheet(tmp_path, text), SLIDES, reserved=["CRC"])
    assert named in str(caught.value)


def test_a_sheet_in_another_encoding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HistotransferError, match="UTF-8"):
        read_slide_sheet(sheet(tmp_path, "slide\tpatient\tpath\nä\tP\tx\n", "latin-1"), SLIDES)


def test_missing_slides_are_listed(tmp_path: Path) -> None:
    here = tmp_path / "here.svs"
    here.touch()
    path = sheet(tmp_path, f"slide\tpatient\tpath\nA\tP\t{here}\nB\tP\t{tmp_path}/gone.svs\n")
    assert missing_slides(read_slide_sheet(path, SLIDES).values()) == [f"{tmp_path}/gone.svs"]
