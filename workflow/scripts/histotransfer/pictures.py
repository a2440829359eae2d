"""The patches of the gallery as the slides show them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .errors import SlideError
from .slides import SlideReader
from .store import create_store, read_table


def write_images(
    table_path: str | Path,
    slides: Mapping[str, tuple[str, float | None]],
    out_path: str | Path,
    *,
    target_mpp: float,
    tolerance: float,
    patch_px: int,
) -> None:
    """Read the patches of the gallery from their slides, as they are, without normalisation.

    Parameters
    ----------
    table_path : str or Path
        ``tables/gallery.tsv``.
    slides : mapping of slide to path and µm/px
        The slide sheet's.
    out_path : str or Path
        ``gallery/1``: `images` (n, patch_px, patch_px, 3) uint8 in the order of the table, `shown`
        (n,) bool: false where the slide is no longer there or cannot be read.
    target_mpp, tolerance, patch_px
        The scale of the patches, from the config.
    """
    table = read_table(table_path, slide="str", patient="str")
    images = np.zeros((len(table), patch_px, patch_px, 3), dtype=np.uint8)
    shown = np.zeros(len(table), dtype=bool)
    for slide, rows in table.groupby("slide"):
        path, mpp = slides[str(slide)]
        try:
            with SlideReader(path, mpp) as reader:
                scale = reader.scale(target_mpp=target_mpp, tolerance=tolerance, patch_px=patch_px)
                for row, x, y in zip(rows.index, rows["x"], rows["y"], strict=True):
                    images[row] = reader.read_patch(int(x), int(y), scale)
                    shown[row] = True
        except SlideError:
            continue  # the figure says that the slide is not there
    with create_store(out_path, "gallery/1", {}) as store:
        store["images"] = images
        store["shown"] = shown
