"""The commands that the guides tell their readers to type."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.root import ROOT

SHELL = ("make", "pip", "python3", "snakemake", "tmux", "sbatch", "apptainer", "docker")
"""How a line begins that is a command, in a block without a language; `` `snakemake …` `` too."""


@dataclass(frozen=True)
class Command:
    """A command, and where it stands."""

    document: str
    line: int
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.document}:{self.line}: {shlex.join(self.words)}"


def commands_of(path: Path) -> Iterator[Command]:
    """Find the commands in a document's blocks of code, and in its sentences.

    A block is indented by four spaces, or fenced as ``bash``. Comments are cut off, lines that end
    with a backslash are joined, and a line of several commands joined by ``&&`` is several.
    """
    text = re.sub(r"\\\n\s*", "  ", path.read_text(encoding="utf-8"))
    language = None
    for number, line in enumerate(text.splitlines(), 1):
        if fence := re.match(r"```(\w*)", line):
            language = None if language is not None else fence[1]
            continue
        is_shell = language == "bash" or (language is None and line.startswith("    "))
        typed = [line] if is_shell else re.findall(r"`((?:snakemake|make) [^`]+)`", line)
        for part in (part for command in typed for part in command.split(" && ")):
            if not part.strip().startswith(SHELL) and language != "bash":
                continue
            words = shlex.split(part, comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):  # variables before a command
                words = words[1:]
            if words:
                yield Command(str(path.relative_to(ROOT)), number, tuple(words))


def all_commands() -> list[Command]:
    """Find the commands of all guides; of those that several name, the first."""
    guides = [
        path for pattern in ("*.md", "config/*.md", "docs/*.md") for path in ROOT.glob(pattern)
    ]
    found = {
        command.words: command
        for path in sorted(guides, reverse=True)
        if path.name != "CHANGELOG.md"  # it also names what is gone
        for command in commands_of(path)
    }
    return sorted(found.values(), key=str)
