"""The whole demo twice, with other numbers of threads and another order of jobs: the same bytes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.study import Study
from support.tiny_study import Tiny

OF_THE_MACHINE = {"costs.tsv", "slide_costs.tsv"}
"""The one table of what the machine did, not of what was found."""


def files(results: Path, pattern: str) -> dict[str, bytes]:
    found = sorted(results.glob(pattern))
    return {
        str(path.relative_to(results)): path.read_bytes()
        for path in found
        if path.name not in OF_THE_MACHINE
    }


def shuffled_demo(folder: Path, *arguments: str) -> Path:
    folder.mkdir()
    study = Study(folder)
    study.run("--configfile", "config/demo.yaml", "--quiet", "rules", *arguments)
    return folder / "results/demo"


@pytest.mark.long
def test_two_demos_are_the_same_whatever_the_threads_and_the_order(tmp_path: Path) -> None:
    one = shuffled_demo(tmp_path / "one", "--cores", "1")
    four = shuffled_demo(tmp_path / "four", "--cores", "4", "--scheduler", "ilp")
    for pattern in ("tables/*.tsv", "labels/*.tsv", "splits/*.tsv", "scores/*/*.tsv"):
        assert files(one, pattern) == files(four, pattern), pattern
    kinds = ("tiles", "metrics", "qc", "pooled", "stain", "cv/*/*", "features/*", "models")
    for kind in kinds:
        for suffix in ("h5", "json", "keras", "md"):
            mine, theirs = (files(results, f"{kind}/*.{suffix}") for results in (one, four))
            different = [name for name in mine if mine[name] != theirs.get(name)]
            assert not different, different
    assert len(files(one, "tables/*.tsv")) > 10


@pytest.mark.long
def test_the_order_of_jobs_changes_no_table(undisturbed: Tiny, tmp_path: Path) -> None:
    """The tiny study, one target after another from the last stage's parts to the first's."""
    study = Tiny(tmp_path)
    parts = [
        f"results/tiny/{name}"
        for name in (
            "cv/mutation/TABLE/001.h5",
            "scores/expression/FOLDER.tsv",
            "qc/S04.h5",
            "cv/expression/TABLE/000.h5",
        )
    ]
    for part in parts:
        study.run(*study.arguments(part), "--cores", "3")
    shutil.rmtree(study.folder / ".snakemake")
    study.run(*study.arguments(), "--cores", "3", "--scheduler", "ilp")
    assert study.tables() == undisturbed.tables()
