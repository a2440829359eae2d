"""No slide is listed twice without a word: neither as one file nor as two with the same bytes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotransfer.core.errors import HistotransferError
from histotransfer.study.same_slides import copies, refuse_shared_files, warnings
from histotransfer.study.slide_sheet import Slide
from support.errors import assert_clear

SHEET = "config/slides.tsv"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with one slide, and other names of it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/sub").mkdir(parents=True)
    (tmp_path / "data/a.svs").write_bytes(b"slide")
    (tmp_path / "data/b.svs").write_bytes(b"other")
    (tmp_path / "linked").symlink_to("data")
    (tmp_path / "data/soft.svs").symlink_to("a.svs")
    os.link("data/a.svs", "data/hard.svs")
    return tmp_path


@pytest.mark.parametrize(
    "path",
    [
        *("data/a.svs", "./data/a.svs", "data//a.svs", "data/sub/../a.svs", "linked/a.svs"),
        *("data/soft.svs", "data/hard.svs", "linked/soft.svs", "ABSOLUTE/data/a.svs"),
    ],
)
@pytest.mark.parametrize("patient", ["P1", "P2"])
def test_one_file_in_two_rows_is_refused_by_whatever_path(
    folder: Path, path: str, patient: str
) -> None:
    path = path.replace("ABSOLUTE", str(folder))
    slides = [Slide("A", "P1", "data/a.svs"), Slide("B", "P0", "data/b.svs")]
    refuse_shared_files(slides, SHEET)
    with pytest.raises(HistotransferError) as caught:
        refuse_shared_files([*slides, Slide("C", patient, path)], SHEET)
    assert_clear(caught.value, SHEET, "'A'", "'C'", patient, "one file", path)


@given(st.lists(st.sampled_from([".", "x", "x/..", ""]), max_size=4))
def test_a_file_that_is_yet_to_be_fetched_is_known_by_its_path(parts: list[str]) -> None:
    path = "/".join(["data", *parts, "new.svs"])
    one = "/".join(["data", *(part for part in parts if part == "x"), "new.svs"])
    with pytest.raises(HistotransferError, match="one file"):
        refuse_shared_files([Slide("A", "P1", one), Slide("B", "P2", path)], SHEET)
    refuse_shared_files([Slide("A", "P1", one), Slide("B", "P2", f"{path}x")], SHEET)


def test_one_file_of_the_gdc_in_two_rows_is_refused() -> None:
    rows = [Slide(name, f"P{name}", f"{name}.svs", file_id="f-1", md5="0" * 32) for name in "AB"]
    with pytest.raises(HistotransferError, match="'A' of patient PA and 'B' of patient PB"):
        refuse_shared_files(rows, SHEET)
    refuse_shared_files(rows[:1], SHEET)


def alike(slides: list[Slide]) -> list[list[str]]:
    return [[slide.slide for slide in group] for group in copies(slides)]


def test_the_same_bytes_in_several_files_are_found(folder: Path) -> None:
    big = bytes(range(256)) * 1000
    contents = {"a": big, "b": big[:-1] + b"x", "c": big, "d": b"x" + big[1:], "e": b"", "f": b""}
    for name, data in contents.items():
        (folder / f"{name}.svs").write_bytes(data)
    slides = [Slide(name, f"P{name}", f"{name}.svs") for name in contents]
    gone = [Slide("g", "P", "gone.svs"), Slide("h", "P", "gone too.svs"), Slide("i", "P", "data")]
    assert alike([*slides, *gone]) == [["a", "c"]]
    ((headline, text),) = warnings(copies(slides))
    assert "several patients" in headline
    assert "a (patient Pa), c (patient Pc)" in text
    ((headline, text),) = warnings([[Slide("a", "P", "a"), Slide("c", "P", "c")]])
    assert not headline
    assert "more than once" in text


def test_slides_of_the_gdc_are_alike_by_their_digest() -> None:
    rows = [("A", "P1", "0" * 32), ("B", "P2", "1" * 32), ("C", "P2", "0" * 32)]
    slides = [Slide(name, p, f"{name}.svs", md5=md5, size=9) for name, p, md5 in rows]
    refuse_shared_files(slides, SHEET)
    assert alike(slides) == [["A", "C"]]


def test_only_files_of_one_size_are_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "c.svs").write_bytes(b"of another size")
    monkeypatch.setattr("histotransfer.study.same_slides._sample", lambda *_: pytest.fail("read"))
    assert alike([Slide("A", "P1", "data/a.svs"), Slide("C", "P2", "c.svs")]) == []
