"""The patches of the gallery as the slides show them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..core.errors import SlideError
from ..core.hdf5 import create_store, open_store
from ..core.tables import read_table
from ..imaging.codecs import decode
from ..slides.reader import SlideReader


def write_images(
    table_path: str | Path,
    slides: Mapping[str, tuple[str, float | None]],
    patches: str | Path,
    out_path: str | Path,
    *,
    target_mpp: float,
    tolerance: float,
    patch_px: int,
) -> None:
    """Read the patches of the gallery from their slides, as they are, without normalisation.

    Where a slide is no longer there (a fetched one is deleted once its patches are cut), they are
    taken from the slide's patch store, if that was kept: then they are normalised.

    Parameters
    ----------
    table_path : str or Path
        ``tables/gallery.tsv``.
    slides : mapping of slide to path and µm/px
        The slide sheet's.
    patches : str or Path
        The folder of the patch stores.
    out_path : str or Path
        ``gallery/1``: `images` (n, patch_px, patch_px, 3) uint8 in the order of the table, `shown`
        (n,) bool: false where the patch is neither in its slide nor in a patch store.
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
            for row, image in _stored(Path(patches, f"{slide}.h5"), rows):
                images[row], shown[row] = image, True
    with create_store(out_path, "gallery/1", {}) as store:
        store["images"] = images
        store["shown"] = shown


def _stored(path: Path, rows: pd.DataFrame) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
    """Yield those of a slide's patches that its patch store holds, if there is one."""
    if not path.exists():
        return
    with open_store(path, "patches/1") as store:
        place = {(x, y): index for index, (x, y) in enumerate(store["coords"][:].tolist())}
        for row, x, y in zip(rows.index.tolist(), rows["x"], rows["y"], strict=True):
            if (index := place.get((int(x), int(y)))) is not None:
                yield row, decode(store["images"][index])
