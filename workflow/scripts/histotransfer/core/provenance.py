"""Which code made a file: a digest of a script, its modules, and files that it reads.

Imported by the Snakefile, so only the standard library may be imported here.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

PACKAGE = "histotransfer"


@cache
def code_digest(script: Path, root: Path) -> str:
    """Digest a script and, recursively, the modules of the package that it imports.

    Importing a module runs the ``__init__.py`` of every package that it lies in, so these count as
    well. The digest is of the syntax trees without docstrings: comments, layout and documentation
    do not count, so that a job is repeated when what it computes may have changed, and only then.

    Parameters
    ----------
    script : Path
        A script, at any depth below `root`.
    root : Path
        The folder that holds the package. Files enter the digest by their path relative to it, so
        it does not depend on where the workflow is installed.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for path in sorted(_closure(script, root)):
        name, syntax = path.relative_to(root).as_posix(), _module(path, root).syntax
        digest.update(f"{name}\n{syntax}\n".encode())
    return digest.hexdigest()[:16]


def files_digest(paths: Iterable[Path]) -> str:
    """Digest files of the workflow that are not Python, such as the templates of a page.

    Parameters
    ----------
    paths : iterable of Path
        In any order. Files enter the digest by name and bytes.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for path in sorted(paths, key=lambda path: path.name):
        contents = path.read_bytes()
        digest.update(f"{path.name}\n{len(contents)}\n".encode() + contents)
    return digest.hexdigest()[:16]


def _closure(script: Path, root: Path) -> set[Path]:
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting.extend(_module(path, root).imports)
    return found


class _Module(NamedTuple):
    """The files that a file's imports run, and a digest of what it does."""

    imports: tuple[Path, ...]
    syntax: str


# The scripts share most modules, and each call of Snakemake and each of its cluster jobs digests
# all scripts: every file is parsed once. Its tree is not kept, since the collection of garbage goes
# through all that is.
@cache
def _module(path: Path, root: Path) -> _Module:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    statements = list(_statements(tree))
    imports = tuple(_imported(statements, path.parent.relative_to(root).parts, root))
    for node in (tree, *statements):
        if isinstance(
            node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        ) and (ast.get_docstring(node, clean=False) is not None):
            node.body = node.body[1:]
    return _Module(imports, hashlib.sha256(ast.dump(tree).encode()).hexdigest())


def _imported(
    statements: Iterable[ast.AST], package: tuple[str, ...], root: Path
) -> Iterator[Path]:
    """Yield the files that statements in a module of a package import."""
    for node in statements:
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
                yield from _executed(name, root)


@cache
def _executed(name: tuple[str, ...], root: Path) -> tuple[Path, ...]:
    """Return the files that Python runs to import a dotted name: every prefix's, and its own."""
    faces = (root.joinpath(*name[:depth], "__init__.py") for depth in range(1, len(name) + 1))
    module = root.joinpath(*name).with_suffix(".py")
    return tuple(path for path in (*faces, module) if path.is_file())


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements in a tree at any depth: expressions, which are most of it, hold none."""
    for block in ("body", "handlers", "orelse", "finalbody", "cases"):
        inner = getattr(node, block, None)
        for child in inner if isinstance(inner, list) else ():
            yield child
            yield from _statements(child)
