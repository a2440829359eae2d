"""Names of patches: what a user may write for one, and what is ambiguous."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from histotransfer.core.patch_names import PatchNames

NAMES = ["TUM/a.tif", "TUM/b.png", "ADI/b.png", "ADI/deep/c.JPG", "top.png", "TUM/caf\u00e9.png"]
WORDS = st.text("abc0 .", min_size=1).map(lambda text: f"x{text}y")
PATHS = st.lists(WORDS, min_size=1, max_size=3).map("/".join)


def find(name: str) -> list[str]:
    return PatchNames(NAMES).find(name)


def test_a_path_is_written_in_many_ways() -> None:
    for name in (
        *("TUM/a.tif", "TUM/a", "a.tif", "a", "./TUM/a.tif", "TUM\\a.tif", " TUM/a.tif "),
        *("/data/test/TUM/a.tif", "data\\test\\TUM\\a", "C:\\data\\TUM\\a.tif", "TUM//a.TIF"),
    ):
        assert find(name) == ["TUM/a.tif"], name
    for name in ("deep/c.jpg", "c", "ADI/deep/c", "x/ADI/deep/c.JPG"):
        assert find(name) == ["ADI/deep/c.JPG"], name
    assert find("TUM/cafe\u0301.png") == ["TUM/caf\u00e9.png"]  # as macOS writes it


def test_strangers_are_not_found() -> None:
    for name in ("", ".", "/", "d.tif", "a.png", "NORM/a.tif", "UM/a.tif", "aa.tif", "c.jpg.txt"):
        assert find(name) == [], name


def test_what_may_be_several_is_told() -> None:
    assert find("b.png") == find("b") == ["ADI/b.png", "TUM/b.png"]
    assert find("ADI/b") == ["ADI/b.png"]
    same_stem = PatchNames(["A/1.png", "A/1.jpg"])
    assert same_stem.find("A/1.png") == ["A/1.png"]
    assert same_stem.find("A/1") == ["A/1.jpg", "A/1.png"]


def test_the_whole_path_goes_before_its_end() -> None:
    known = PatchNames(["1.png", "A/1.png", "B/1"])
    assert known.find("1.png") == ["1.png"]
    assert known.find("B/1.png") == ["B/1"]
    assert known.find("1") == ["1.png"]


@given(st.lists(PATHS, unique=True, min_size=1, max_size=6), st.data())
def test_each_patch_is_found_by_its_own_name_wherever_the_folder_is(names, data) -> None:
    known = PatchNames([f"{name}.png" for name in names])
    name = data.draw(st.sampled_from(names))
    assert known.find(f"{name}.png") == [f"{name}.png"]
    assert known.find(f"{name}.png".replace("/", "\\")) == [f"{name}.png"]
    assert known.find(f"./{name}") == [f"{name}.png"]
    base = f"{name}.png".rpartition("/")[2]
    assert f"{name}.png" in known.find(base) or known.find(base) == [base]
