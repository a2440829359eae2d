"""The digest of a rule's code: what computes counts, what explains does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from histotransfer import provenance


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    package = tmp_path / "histotransfer"
    (package / "sub").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "used.py").write_text('"""Used."""\nfrom . import deep\nfrom .sub import part\n')
    (package / "deep.py").write_text("X = 1\n")
    (package / "sub" / "__init__.py").write_text("")
    (package / "sub" / "part.py").write_text("from ..deep import X\nY = X + 1\n")
    (package / "unused.py").write_text("Z = 1\n")
    (tmp_path / "script.py").write_text("from histotransfer.used import deep\nprint(deep)\n")
    return tmp_path


def digest(scripts: Path) -> str:
    for cached in (provenance.code_digest, provenance._imports, provenance._tree):
        cached.cache_clear()
    provenance._syntax.cache_clear()
    return provenance.code_digest(scripts / "script.py")


@pytest.mark.parametrize("changed", ["used.py", "deep.py", "sub/part.py", "../script.py"])
def test_a_change_in_anything_imported_changes_the_digest(scripts: Path, changed: str) -> None:
    before = digest(scripts)
    path = scripts / "histotransfer" / changed
    path.write_text(path.read_text() + "W = 2\n")
    assert digest(scripts) != before


def test_comments_docstrings_and_other_modules_do_not_count(scripts: Path) -> None:
    before = digest(scripts)
    (scripts / "histotransfer/unused.py").write_text("Z = 2\n")
    deep = scripts / "histotransfer/deep.py"
    deep.write_text('"""What deep is."""\n\n# the answer\nX = 1  # one\n')
    assert digest(scripts) == before
