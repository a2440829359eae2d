"""How much room on the disk a study takes, as far as that is known before it runs.

A slide's number of patches is known once it is tiled. What is known not to fit stops the study at
once; what is a guess is only said.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import HistotransferError

GUESSED_PATCHES = 10_000
"""Patches of a slide that is not tiled yet, if none is: our guess for a resection."""
PATCH_BYTES = {"jpeg": 50_000, "png": 150_000}
"""Of a stored patch of 224 px, by codec; the others in proportion to their area."""
CACHED_BYTES = 285_000
"""Of what fine-tuning keeps of a patch of 224 px, in each of its versions."""
FEATURE_WIDTH = 2048


@dataclass(frozen=True)
class Need:
    """Bytes that something takes; those that are known, and those that are guessed beside them."""

    what: str
    known: int
    guessed: int = 0


def tile_count(path: str | Path) -> int | None:
    """Return the number of tiles of a ``tiles/1`` file; None if it is not there, or not readable.

    Snakemake's own environment may lack h5py; then nothing is known.
    """
    if not Path(path).exists():
        return None
    try:
        import h5py

        with h5py.File(path) as file:
            return len(file["coords"])
    except (ModuleNotFoundError, OSError, KeyError):
        return None  # the job that reads it says what is wrong with it


def of_slides_to_fetch(sizes: Iterable[int], *, keep: bool, at_once: int) -> Need:
    """Return what fetched slides take; those that are not kept are there a few at a time."""
    largest = sorted(sizes, reverse=True)
    return Need("slides", sum(largest if keep else largest[:at_once]))


def of_patches(
    tiles: Mapping[str, int | None],
    batches: Iterable[Sequence[str]],
    *,
    keep: bool,
    codec: str,
    patch_px: int,
) -> Need:
    """Return what the stores of patches take: all of them, or at least those of one batch.

    Parameters
    ----------
    tiles : mapping of str to int or None
        The number of tiles of each slide whose patches will be extracted; None if not tiled yet.
    batches : iterable of sequence of str
        Slides whose patches are there at the same time, though they are not kept.
    """
    each = round(PATCH_BYTES[codec] * (patch_px / 224) ** 2)
    groups = [list(tiles)] if keep else [[s for s in batch if s in tiles] for batch in batches]
    needs = [_counted(tiles, group) for group in groups] or [(0, 0)]
    known, guessed = max(needs, key=sum)
    return Need("patches", known * each, guessed * each)


def of_features(tiles: Mapping[str, int | None], extractors: int, bytes_per_number: int) -> Need:
    """Return what the features of slides take under several extractors."""
    known, guessed = _counted(tiles, tiles)
    each = extractors * FEATURE_WIDTH * bytes_per_number
    return Need("features", known * each, guessed * each)


def of_fine_tuning(patches: int, versions: int, patch_px: int) -> Need:
    """Return what the kept outputs of the frozen blocks take while networks are fine-tuned."""
    return Need("cache", round(CACHED_BYTES * (patch_px / 224) ** 2) * patches * versions)


def _counted(tiles: Mapping[str, int | None], slides: Iterable[str]) -> tuple[int, int]:
    """Return the known tiles of some slides, and the guess for those that are not tiled."""
    slides = list(slides)
    seen = [n for n in tiles.values() if n is not None]
    usual = round(sum(seen) / len(seen)) if seen else GUESSED_PATCHES
    unknown = sum(tiles[slide] is None for slide in slides)
    return sum(tiles[slide] or 0 for slide in slides), unknown * usual


def check_room(
    needs: Iterable[Need],
    folder: str | Path,
    free: Callable[[Path], int] = lambda place: shutil.disk_usage(place).free,
) -> str | None:
    """Say how much room a run takes in a folder; None where it takes next to none.

    Raises
    ------
    HistotransferError
        If what is known does not fit.
    """
    needs = list(needs)
    folder = Path(folder).absolute()
    there = next(place for place in (folder, *folder.parents) if place.is_dir())
    left, known = free(there), sum(need.known for need in needs)
    total = known + sum(need.guessed for need in needs)
    of_each: dict[str, int] = {}
    for need in needs:
        of_each[need.what] = of_each.get(need.what, 0) + need.known + need.guessed
    parts = ", ".join(f"{what} {as_text(size)}" for what, size in of_each.items() if size)
    if known > left:
        raise HistotransferError(
            folder,
            f"has {as_text(left)} left, and this run needs at least {as_text(known)} ({parts})",
            "Free some space, or set `patches.keep`, `download.keep_slides` and `finetune.cache` "
            "to false, or put `results` on a larger disk",
        )
    if total < 1e9:
        return None
    is_guess = ", where a slide that is not tiled yet counts as a guess" if total > known else ""
    said = f"This run takes about {as_text(total)} of the {as_text(left)} left in {folder}"
    said += f" ({parts}{is_guess})."
    return f"WARNING: {said}" if total > left else said


def as_text(size: float) -> str:
    """Return a size in gigabytes, or in megabytes if it is small: ``1.2 GB``, ``40 MB``."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e8 else f"{size / 1e6:,.1f} MB"
