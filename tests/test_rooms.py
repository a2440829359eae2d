"""The contract of the rooms: imports go down one list, and tests and rules have the same rooms."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from support.root import ROOT

LIBRARY = ROOT / "workflow/scripts/histotransfer"
FLOORS = """core | study fetch imaging | simulate slides | patches | qc | models | features | labels
    | evaluation | results | figures report"""
LEVEL = {room: level for level, rooms in enumerate(FLOORS.split("|")) for room in rooms.split()}
"""A room imports those of lower levels only: rooms of one level do not know each other."""
MODULES = {
    ".".join(path.relative_to(LIBRARY.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in LIBRARY.rglob("*.py")
}


def imports(name: str) -> Iterator[str]:
    """Yield all dotted names that a module imports, anywhere in it."""
    path = MODULES[name]
    package = name.split(".") if path.stem == "__init__" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) + 1 - node.level] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            # `from package import module` imports the module; other names belong to `base`.
            inner = (f"{base}.{alias.name}" for alias in node.names)
            yield from (one if one in MODULES else base for one in inner)


GRAPH = {name: sorted(set(imports(name))) for name in sorted(MODULES)}
ROOM = {name: name.split(".")[1] if "." in name else "" for name in MODULES}


def test_imports_go_down_the_list_of_rooms() -> None:
    wrong = [
        f"{name} imports {other}"
        for name, others in GRAPH.items()
        for other in others
        if ROOM.get(other)
        and ROOM[other] != ROOM[name]
        and LEVEL[ROOM[other]] >= LEVEL.get(ROOM[name], -1)
    ]
    assert not wrong, "\n".join(wrong)


def test_no_modules_import_each_other_in_a_circle() -> None:
    within = {name: MODULES.keys() & others for name, others in GRAPH.items()}
    TopologicalSorter(within).prepare()  # raises CycleError, which lists the circle


def test_every_module_is_in_a_room_and_faces_are_empty() -> None:
    assert {ROOM[name] for name in MODULES} == {"", *LEVEL}
    for name, path in MODULES.items():
        if path.stem == "__init__" and name != "histotransfer":
            (docstring,) = ast.parse(path.read_text()).body
            assert isinstance(docstring, ast.Expr), name


def test_tests_and_rules_have_the_same_rooms() -> None:
    folders = {path.parent.name for path in (ROOT / "tests").glob("*/*.py")}
    assert folders == {*LEVEL, "support", "workflow", "reliability", "bench"}
    rules = {path.stem for path in (ROOT / "workflow/rules").glob("*.smk")}
    assert rules == LEVEL.keys() - {"core", "study", "imaging"} | {"common"}


def test_each_layer_knows_only_what_it_needs() -> None:
    backend = "histotransfer.models.backend"
    for name, others in GRAPH.items():
        roots = {other.split(".")[0] for other in others}
        assert "snakemake" not in roots, name
        assert name == backend or not roots & {"keras", "tensorflow"}, name
        # It loads slowly, so no job that runs once a slide may need it.
        assert ROOM[name] in ("figures", "report") or "matplotlib" not in roots, name
    for path in [ROOT / "Snakefile", *(ROOT / "workflow").rglob("*.smk")]:
        found = re.search(r"^\s*(?:import|from) (numpy|pandas)", path.read_text(), re.MULTILINE)
        assert not found, f"{path.name} imports {found and found[1]}"


def test_imports_inside_functions_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "probe.py"
    module.write_text("def f():\n from ..core import files\n from . import x\n import keras\n")
    monkeypatch.setitem(MODULES, "histotransfer.qc.probe", module)
    found = set(imports("histotransfer.qc.probe"))
    assert found == {"histotransfer.core.files", "histotransfer.qc", "keras"}
