"""Of a user's folder only the files meant are found, wherever they lie in it."""

from __future__ import annotations

import fnmatch
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotransfer.core.user_files import FEATURES, MAFS, STAR_COUNTS, files_meant
from support.errors import assert_clear


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def names(folder: Path, *patterns: str) -> list[str]:
    return [str(path.relative_to(folder)) for path in files_meant(folder, patterns)]


def test_what_other_programs_left_is_not_meant(tmp_path: Path) -> None:
    meant = ["0a/a.maf.gz", "b.maf", "deep/er/c.MAF.gz", "logs.maf"]
    put(tmp_path, *meant)
    put(
        tmp_path,
        "._b.maf", ".cache/d.maf", "deep/.e.maf", "0a/a.maf.gz.parcel", "0a/logs/a.maf",
        "Logs/x.maf", "b.maf.bak", "b.maf.gz.partial", "c.tsv", "d.maf.gz.tmp", "maf", "x.h5",
    )  # fmt: skip
    (tmp_path / "folder.maf").mkdir()
    (tmp_path / "gone.maf").symlink_to("nowhere")
    assert names(tmp_path, *MAFS) == meant
    assert names(tmp_path, *STAR_COUNTS) == ["c.tsv"]
    assert names(tmp_path, *FEATURES) == ["x.h5"]


def test_a_hidden_folder_that_the_user_names_is_meant(tmp_path: Path) -> None:
    put(tmp_path / ".mafs/logs", "a.maf")
    assert names(tmp_path / ".mafs/logs", *MAFS) == ["a.maf"]


def test_links_to_folders_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    put(tmp_path / "elsewhere", "a.h5")
    put(tmp_path / "mine", "b.h5")
    (tmp_path / "mine/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "mine/again").symlink_to(tmp_path / "mine")
    (tmp_path / "elsewhere/back").symlink_to(tmp_path / "mine")
    assert names(tmp_path / "mine", *FEATURES) == ["b.h5", "linked/a.h5"]
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    assert names(tmp_path / "link", *FEATURES) == ["b.h5", "linked/a.h5"]


PART = st.sampled_from(["a", "b", "logs", ".x", "._b", "c.h5", "c.H5", "d.parcel", "e.h5.parcel"])


@given(paths=st.sets(st.lists(PART, min_size=1, max_size=3).map(tuple), max_size=12))
def test_any_tree_is_listed_by_the_rule(
    paths: set[tuple[str, ...]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("tree")
    made = set()
    for parts in sorted(paths, key=len, reverse=True):
        path = folder.joinpath(*parts)
        if not any(parent.is_file() for parent in path.parents) and not path.exists():
            put(folder, "/".join(parts))
            made.add(parts)
    right = sorted(
        folder.joinpath(*parts)
        for parts in made
        if fnmatch.fnmatchcase(parts[-1].lower(), "*.h5")
        and "logs" not in parts[:-1]
        and not any(part.startswith(".") or part.endswith(".parcel") for part in parts)
    )
    assert files_meant(folder, FEATURES) == right


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="gone") as caught:
        files_meant(tmp_path / "gone", MAFS)
    assert_clear(caught.value, "cannot be listed")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list any folder")
def test_a_folder_without_rights_is_named(tmp_path: Path) -> None:
    put(tmp_path, "closed/a.maf")
    (tmp_path / "closed").chmod(0)
    try:
        with pytest.raises(Exception, match="closed") as caught:
            files_meant(tmp_path, MAFS)
    finally:
        (tmp_path / "closed").chmod(0o755)
    assert_clear(caught.value, "cannot be listed")
