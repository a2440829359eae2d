"""Lay out the documents for MkDocs, as `make docs` does: `python docs/site_pages.py FOLDER`.

The folder gets the documents at the places that they have in the project, so that their links hold,
and a page of every table's columns, written from the code. A link to a file that is no document
leads to the repository.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from metadata import facts

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("*.md", "config/README.md", "docs/*.md", "docs/decisions/*.md")
PICTURES = ("docs/demo/*", "docs/reliability/*.png")
FOLDED = re.compile(r"<details>.*?</details>\s*", re.DOTALL)
"""What only GitHub shows rightly: the graph of the rules, folded."""
LINK = re.compile(r"(\]\()(?!https?:|#|mailto:)([^)#\s]+)")


def documents(root: Path = ROOT) -> list[Path]:
    """List the documents of the site."""
    return sorted(path for pattern in DOCUMENTS for path in root.glob(pattern))


def lay_out(out: Path, root: Path = ROOT) -> None:
    """Write the documents and the generated pages into a folder, which is emptied first."""
    shutil.rmtree(out, ignore_errors=True)
    repository = facts((root / "CITATION.cff").read_text(encoding="utf-8"))["repository-code"]
    shown = documents(root)
    pictures = [path for pattern in PICTURES for path in root.glob(pattern)]
    for path in (*shown, *pictures):
        place = out / path.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        if path in pictures:
            shutil.copy(path, place)
        else:
            text = FOLDED.sub("", path.read_text(encoding="utf-8"))
            place.write_text(
                _with_links(text, path, root, repository, {*shown, *pictures}), "utf-8"
            )
    (out / "docs/columns.md").write_text(columns(), encoding="utf-8")


def _with_links(text: str, path: Path, root: Path, repository: str, shown: set[Path]) -> str:
    """Lead links to files that are not shown to the repository."""

    def led(found: re.Match[str]) -> str:
        target = (path.parent / found[2]).resolve()
        if target in shown or not target.exists():
            return found[0]  # MkDocs says what is missing
        kind = "tree" if target.is_dir() else "blob"
        return f"{found[1]}{repository}/{kind}/main/{target.relative_to(root)}"

    return LINK.sub(led, text)


def columns() -> str:
    """Return the page of the tables: each column and its type, as the code declares them."""
    from histotransfer.results.tables import SCHEMAS
    from histotransfer.study.catalogue import CATEGORIES, TABLES

    lines = [
        "# Tables and their columns",
        "",
        "Written from the code. `number` and `flag` may be empty.",
        "",
    ]
    of_none = [name for name in SCHEMAS if name not in TABLES]
    groups = {
        category: [name for name, item in TABLES.items() if item.category == category]
        for category in CATEGORIES
    }
    for heading, names in (*groups.items(), ("Of each task, extractor or dataset", of_none)):
        names = [name for name in names if name in SCHEMAS]
        lines += [f"## {heading}", ""] if names else []
        for name in names:
            title = TABLES[name].title.removeprefix("Table: ") if name in TABLES else ""
            lines += [
                f"### {name}",
                "",
                *([f"{title[0].upper()}{title[1:]}.", ""] if title else []),
            ]
            lines += ["| column | type |", "|---|---|"]
            lines += [f"| `{column}` | {kind} |" for column, kind in SCHEMAS[name].columns.items()]
            lines += [""]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT / "workflow/scripts"))
    lay_out(Path(sys.argv[1]))
