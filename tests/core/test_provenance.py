"""The digest of a rule's code: what computes counts, what explains does not."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

from histotransfer.core import provenance
from support.root import ROOT

SCRIPTS = ROOT / "workflow/scripts"
MODULES = {
    "__init__.py": "",
    "flat.py": "X = 1\n",
    "near/__init__.py": "FACE = 1\n",
    "near/used.py": '"""Used."""\nfrom ..far.deep.core import Z\nfrom . import sibling\n',
    "near/sibling.py": "import histotransfer.flat\n",
    "near/unused.py": "U = 1\n",
    "far/__init__.py": "",
    "far/unused.py": "U = 1\n",
    "far/deep/__init__.py": "",
    "far/deep/core.py": "def z():\n    from . import late\n    return late\n\n\nZ = z\n",
    "far/deep/late.py": "L = 1\n",
    "far/deep/unused.py": "U = 1\n",
}
SCRIPT = "sub/script.py"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Write a package three deep, and a script in a sub-folder that reaches most of it."""
    for name, text in MODULES.items():
        path = tmp_path / "histotransfer" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "sub").mkdir()
    (tmp_path / SCRIPT).write_text("from histotransfer.near.used import Z\nprint(Z)\n")
    return tmp_path


def digest(root: Path) -> str:
    for cached in (provenance.code_digest, provenance._module, provenance._executed):
        cached.cache_clear()
    return provenance.code_digest(root / SCRIPT, root)


@pytest.mark.parametrize("changed", sorted(name for name in MODULES if "unused" not in name))
def test_a_change_in_any_module_that_is_reached_changes_the_digest(
    root: Path, changed: str
) -> None:
    before = digest(root)
    path = root / "histotransfer" / changed
    path.write_text(path.read_text() + "W = 2\n")
    assert digest(root) != before


def test_a_change_in_the_script_changes_the_digest(root: Path) -> None:
    before = digest(root)
    (root / SCRIPT).write_text("from histotransfer.near.used import Z\nprint(Z, Z)\n")
    assert digest(root) != before


@pytest.mark.parametrize("changed", sorted(MODULES))
def test_comments_docstrings_and_layout_do_not_count(root: Path, changed: str) -> None:
    before = digest(root)
    path = root / "histotransfer" / changed
    tree = ast.parse(path.read_text())
    if ast.get_docstring(tree):
        tree.body = tree.body[1:]
    path.write_text(f'"""What it is."""\n\n# why\n{ast.unparse(tree)}  # so\n')
    assert digest(root) == before


@pytest.mark.parametrize("changed", sorted(name for name in MODULES if "unused" in name))
def test_a_module_that_is_not_reached_does_not_count(root: Path, changed: str) -> None:
    before = digest(root)
    (root / "histotransfer" / changed).write_text("U = 2\n")
    assert digest(root) == before


def test_a_module_that_moves_changes_the_digest(root: Path) -> None:
    before = digest(root)
    package = root / "histotransfer"
    (package / "near/flat.py").write_text((package / "flat.py").read_text())
    (package / "near/sibling.py").write_text("import histotransfer.near.flat\n")
    (package / "flat.py").unlink()
    assert digest(root) != before


def test_the_digest_does_not_depend_on_where_the_workflow_lies(root: Path) -> None:
    before = digest(root)
    elsewhere = root.parent / f"{root.name}-moved"
    shutil.copytree(root, elsewhere)
    assert digest(elsewhere) == before


def test_every_script_of_the_workflow_reaches_the_library() -> None:
    for script in SCRIPTS.glob("*.py"):
        reached = provenance._closure(script, SCRIPTS)
        assert any(path.is_relative_to(SCRIPTS / "histotransfer") for path in reached), script.name
