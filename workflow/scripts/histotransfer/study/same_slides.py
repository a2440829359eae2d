"""Slides that are one: a file that the sheet lists twice, and files with the same bytes.

No patient may stand on both sides of a split, and no patch may count twice.

Imported by the Snakefile, so only the standard library may be imported here.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..core.errors import HistotransferError
from .slide_sheet import Slide

SAMPLE_BYTES = 2**16
"""Read of a file's beginning, and as many of its end."""


def refuse_shared_files(slides: Iterable[Slide], sheet: str | Path) -> None:
    """Raise an error if two rows of the sheet name one file, by whatever path.

    ``./``, ``..``, links of both kinds, and capitals that the file system ignores do not matter;
    of files to fetch, the GDC's id tells too.
    Two ids of one patient are refused as well: the patches of the slide would count twice.

    Raises
    ------
    HistotransferError
        Naming both slides.
    """
    seen: dict[object, Slide] = {}
    for slide in slides:
        # A file that is yet to be fetched has only its path and its id at the GDC.
        path = os.path.normpath(Path(slide.path).absolute())
        for identity in filter(None, (path, _inode(slide.path), slide.file_id)):
            other = seen.setdefault(identity, slide)
            if other is slide:
                continue
            where = other.path if other.path == slide.path else f"{other.path} and {slide.path}"
            if other.patient == slide.patient:
                raise HistotransferError(
                    sheet,
                    f"slides '{other.slide}' and '{slide.slide}' are one file ({where}), whose "
                    f"patches would count twice for patient {slide.patient}",
                    "Keep one of the rows",
                )
            raise HistotransferError(
                sheet,
                f"slides '{other.slide}' of patient {other.patient} and '{slide.slide}' of patient "
                f"{slide.patient} are one file ({where})",
                "Correct the path of one of them, or keep one of the rows",
            )


def copies(slides: Iterable[Slide]) -> list[list[Slide]]:
    """Find slides that have the same bytes though their files are different.

    They are reported, not refused: of a slide with a digest in the sheet (those of the GDC), the
    digest tells; of others, the size with the first and last 64 KiB. Only files that share their
    size are read.

    Returns
    -------
    list of list of Slide
        Those that are alike, in the order of the sheet.
    """
    by_size: dict[int, list[Slide]] = {}
    alike: dict[object, list[Slide]] = {}
    for slide in slides:
        if slide.md5:
            alike.setdefault(slide.md5, []).append(slide)
        elif size := _size(slide.path):
            by_size.setdefault(size, []).append(slide)
    for size, group in by_size.items():
        for slide in group if len(group) > 1 else []:
            sample = _sample(slide.path, size)
            alike.setdefault((size, sample or slide.slide), []).append(slide)
    return [group for group in alike.values() if len(group) > 1]


def warnings(groups: Iterable[Sequence[Slide]]) -> list[tuple[str, str]]:
    """Say which slides are alike, and what follows: a headline if it is grave, and a text."""
    said = []
    for group in groups:
        names = ", ".join(f"{slide.slide} (patient {slide.patient})" for slide in group)
        text = f"These slides seem to be copies of one: {names}."
        if len({slide.patient for slide in group}) == 1:
            said.append(("", f"{text} Its patches count more than once."))
        else:
            grave = "One slide seems to be listed for several patients."
            text = f"{text} Tissue of one patient may lie on both sides of a split."
            said.append((grave, f"{text} That makes every score too high."))
    return said


def _inode(path: str) -> tuple[int, int, int] | None:
    """Identify an existing file; its size is there for file systems with poor numbers."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino, status.st_size) if status.st_ino else None


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size if Path(path).is_file() else 0
    except OSError:
        return 0


def _sample(path: str, size: int) -> bytes:
    try:
        with Path(path).open("rb") as file:
            head = file.read(SAMPLE_BYTES)
            file.seek(max(0, size - SAMPLE_BYTES))
            return hashlib.sha256(head + file.read(SAMPLE_BYTES)).digest()
    except OSError:
        return b""
