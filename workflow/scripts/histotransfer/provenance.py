"""Which code made a file: a digest of a script and of the modules that it imports.

Imported by the Snakefile, so only the standard library may be imported here.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = "histotransfer"


@cache
def code_digest(script: Path) -> str:
    """Digest a script and, recursively, the modules of the package that it imports.

    The digest is of the syntax trees without docstrings: comments, layout and documentation do
    not count, so that a job is repeated when what it computes may have changed, and only then.

    Parameters
    ----------
    script : Path
        A script beside the package.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for path in sorted(_closure(script)):
        digest.update(path.name.encode())
        digest.update(_syntax(path).encode())
    return digest.hexdigest()[:16]


def _closure(script: Path) -> set[Path]:
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting.extend(_imports(path, script.parent))
    return found


# The scripts share most modules, and each call of Snakemake and each of its cluster jobs digests
# all scripts: every file is parsed once, and once is all that it may cost.
@cache
def _imports(path: Path, root: Path) -> tuple[Path, ...]:
    return tuple(_imported(path, root))


def _imported(path: Path, root: Path) -> Iterator[Path]:
    package = path.parent.relative_to(root).parts
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names = [tuple(alias.name.split(".")) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            base += tuple(node.module.split(".")) if node.module else ()
            names = [base, *((*base, alias.name) for alias in node.names)]
        else:
            continue
        for name in names:
            if name[:1] == (PACKAGE,):
                module = root.joinpath(*name)
                candidates = (module.with_suffix(".py"), module / "__init__.py")
                yield from (candidate for candidate in candidates if candidate.is_file())


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _syntax(path: Path) -> str:
    tree = _tree(path)
    for node in ast.walk(tree):
        if isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ) and (ast.get_docstring(node, clean=False) is not None):
            node.body = node.body[1:]
    return ast.dump(tree)
