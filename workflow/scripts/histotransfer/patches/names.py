"""What a dataset's file says of its patches beside their images: notes on how they were listed."""

from __future__ import annotations

from collections.abc import Sequence

import h5py

from ..core.exclusions import COLUMNS, Reason
from ..core.user_tables import Note

PATCH_NAMES = "patch_names/1"
"""The schema of a dataset's names and labels alone; with images it is ``patches/1``."""
_NOTES = ("item", "what", *COLUMNS)


def write_notes(store: h5py.File, notes: Sequence[Note]) -> None:
    """Write what was left out of a dataset, and what was decided, if anything was."""
    if notes:
        rows = [(note.item, note.what, *note.reason.as_row().values()) for note in notes]
        for name, cells in zip(_NOTES, zip(*rows, strict=True), strict=True):
            store[f"notes/{name}"] = list(cells)


def read_notes(store: h5py.File) -> list[Note]:
    """Read what `write_notes` wrote."""
    if "notes" not in store:
        return []
    rows = zip(*(store[f"notes/{name}"].asstr()[:] for name in _NOTES), strict=True)
    return [Note(item, what, Reason(*reason)) for item, what, *reason in rows]
