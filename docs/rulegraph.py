"""Draw the graph of the rules into README.md: `make rulegraph`."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
BLOCK = re.compile(r"(?<=```mermaid\n).*?(?=```)", re.DOTALL)


def edges(mermaid: str) -> list[tuple[str, str]]:
    """Return which rule feeds which, sorted, from Snakemake's drawing or from ours."""
    names = dict(re.findall(r"(\w+)\[(\w+)\]", mermaid))
    pairs = re.findall(r"(\w+) --> (\w+)", mermaid)
    return sorted({(names.get(one, one), names.get(other, other)) for one, other in pairs})


def main() -> None:
    """Ask Snakemake for the rules behind the tables and write them down, without its colours."""
    command = ["snakemake", "tables", "--configfile", "config/demo.yaml"]
    drawn = subprocess.run(  # noqa: S603
        [*command, "--rulegraph", "mermaid-js"],
        cwd=README.parent, capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = ["flowchart LR", *(f"    {one} --> {other}" for one, other in edges(drawn.stdout))]
    README.write_text(BLOCK.sub("\n".join(lines) + "\n", README.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
