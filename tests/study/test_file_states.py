"""A state tells one file from another in its place, and a folder's files from others."""

from __future__ import annotations

import os
from pathlib import Path

from histotransfer.core.user_files import MAFS, PATCHES
from histotransfer.patches.labelled import IMAGE_SUFFIXES
from histotransfer.study.file_states import file_state, files_state, state_of


def put(path: Path, contents: str, seconds: int = 10**9) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(contents)
    os.utime(path, (seconds, seconds))
    return path


def test_a_file_is_known_by_size_and_time(tmp_path: Path) -> None:
    path = put(tmp_path / "t.tsv", "abc")
    before = file_state(path)
    assert before == "3 bytes, 1000000000000000000 ns"
    assert state_of(str(path)) == before
    assert file_state(put(path, "abc")) == before
    others = [file_state(put(path, *other)) for other in (("abcd",), ("abd", 10**9 - 1))]
    assert len({before, *others}) == 3
    assert file_state(tmp_path / "gone") == ""


def test_a_folder_is_known_by_the_files_that_are_meant(tmp_path: Path) -> None:
    place = str(tmp_path)
    states = [state_of(place, MAFS)]

    def changes(path: str, *contents: object) -> bool:
        put(tmp_path / path, *contents)
        states.append(state_of(place, MAFS))
        return states[-1] not in states[:-1]

    assert changes("a.maf", "x")
    assert changes("b/c/d.maf.gz", "x")
    assert changes("b/c/d.maf.gz", "y", 10**9 - 1)
    assert changes("a.maf", "xx")
    assert states[-1].startswith("2 files, ")
    for name in ("notes.txt", ".DS_Store", "._a.maf", "logs/e.maf", "f.maf.parcel", ".g/h.maf"):
        assert not changes(name, "x")
        assert states[-1] == states[4]
    (tmp_path / "a.maf").rename(tmp_path / "z.maf")
    assert state_of(place, MAFS) not in states
    (tmp_path / "z.maf").unlink()
    assert state_of(place, MAFS).startswith("1 files, ")


def test_the_order_of_a_list_does_not_matter(tmp_path: Path) -> None:
    paths = [put(tmp_path / f"{name}.maf", name) for name in "abc"]
    assert files_state(paths) == files_state(map(str, reversed(paths)))
    assert files_state(paths) != files_state(paths[:2])


def test_the_patches_that_are_watched_are_those_that_are_read() -> None:
    assert {pattern.removeprefix("*") for pattern in PATCHES} == IMAGE_SUFFIXES
