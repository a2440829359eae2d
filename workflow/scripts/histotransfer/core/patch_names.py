"""Which patch of a dataset is meant by a name in a user's table or file of features."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from unicodedata import normalize

from .errors import HistotransferError

_ENDING = re.compile(r"\.(tiff?|png|jpe?g)$", re.IGNORECASE)

Parts = tuple[str, ...]


def parts_of(name: str) -> Parts:
    r"""Return the folders and the file that a name consists of, whether parted by ``/`` or ``\``.

    Accents are composed, because macOS writes them in another way than other systems.
    """
    parts = normalize("NFC", name.strip()).replace("\\", "/").split("/")
    return tuple(part for part in parts if part not in ("", "."))


class PatchNames:
    """The patches of a dataset, to be found by what users call them.

    A patch is found by its path below the dataset's folder, by a longer path that ends so, or by
    the end of its path alone, such as the file's name. If the user's name or the dataset's lacks
    the ending of images, the other's does not count. The whole path goes before parts of it.

    Parameters
    ----------
    names : iterable of str
        Paths below the dataset's folder, each once.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._exact: dict[Parts, list[str]] = {}
        self._whole: dict[tuple[Parts, str], list[str]] = {}
        self._ends: dict[tuple[Parts, str], list[str]] = {}
        for name in names:
            self._exact.setdefault(parts_of(name), []).append(name)
            parts, ending = _parted(name)
            self._whole.setdefault((parts, ending), []).append(name)
            for start in range(1, len(parts)):
                self._ends.setdefault((parts[start:], ending), []).append(name)
        self._endings = sorted({ending for _, ending in self._whole})

    def find(self, name: str) -> list[str]:
        """Return the patches that a name may mean: one, none, or several if it is ambiguous."""
        if found := self._exact.get(parts_of(name)):
            return found
        parts, ending = _parted(name)
        endings = [ending, ""] if ending else ["", *self._endings]
        for exact in (endings[:1], endings[1:]):
            if found := self._of(self._whole, parts, exact):
                return found
        if found := self._of(self._ends, parts, endings):
            return found
        for start in range(1, len(parts)):
            if found := self._of(self._whole, parts[start:], endings):
                return found
        return []

    def the_one(self, name: str, path: str | Path, place: str | Path) -> str | None:
        """Return the patch that a name in the file `path` means, or None.

        Raises
        ------
        HistotransferError
            If it may mean several of the patches in `place`.
        """
        found = self.find(name)
        if len(found) > 1:
            raise HistotransferError(
                path,
                f"names {name}, which may be {found[0]} or {found[1]} of {place}",
                "Write the whole path below the dataset's folder, with the file's ending",
            )
        return found[0] if found else None

    @staticmethod
    def _of(
        known: dict[tuple[Parts, str], list[str]], parts: Parts, endings: Iterable[str]
    ) -> list[str]:
        return sorted({name for ending in endings for name in known.get((parts, ending), [])})


def _parted(name: str) -> tuple[Parts, str]:
    """Return the parts of a name without the ending of images, and that ending."""
    parts = parts_of(name)
    ending = _ENDING.search(parts[-1]) if parts else None
    if ending is None:
        return parts, ""
    return (*parts[:-1], parts[-1][: ending.start()]), ending[0].lower()
