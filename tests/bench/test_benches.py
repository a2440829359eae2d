"""Every bench imports what the library has, and has a target of the Makefile."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from support.root import ROOT

BENCHES = sorted((ROOT / "bench").glob("*.py"))


@pytest.mark.parametrize("path", BENCHES, ids=lambda path: path.stem)
def test_a_bench_can_be_imported(path: Path) -> None:
    importlib.import_module(path.stem)


def test_every_bench_is_a_documented_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    recipes = dict(re.findall(r"^([a-z-]+):.*?## .*\n((?:\t.*\n)+)", makefile, re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)", makefile, re.MULTILINE)
    assert phony
    for path in BENCHES:
        if "__main__" in path.read_text():
            targets = {name for name, recipe in recipes.items() if f"bench/{path.name}" in recipe}
            assert targets, path.name
            assert targets <= set(phony[1].split())
