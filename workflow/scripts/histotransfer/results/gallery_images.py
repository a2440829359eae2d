"""The images of the gallery's patches, as the slides show them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from ..core.errors import SlideError
from ..core.hdf5 import create_store, open_store
from ..core.tables import read_table
from ..imaging.codecs import decode
from ..slides.reader import SlideReader
from .schemas import GALLERY, IMAGES


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
    """Read the patches of the gallery from their slides, without normalising their stain.

    Where a slide is gone (a fetched slide is deleted once its patches are extracted), its patches
    come from its patch store, if that was kept; these are normalised.

    Parameters
    ----------
    table_path : str or Path
        ``tables/gallery.tsv``.
    slides : mapping of slide to path and µm/px
        As in the slide sheet.
    patches : str or Path
        The folder of the patch stores.
    out_path : str or Path
        The store `IMAGES` to write.
    target_mpp, tolerance, patch_px
        The scale of the patches, from the config.
    """
    table = read_table(table_path, GALLERY)
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
            for row, image in _stored(Path(patches, f"{slide}.h5"), str(slide), rows):
                images[row], shown[row] = image, True
    with create_store(out_path, IMAGES, {}) as store:
        store.create_dataset("slide", data=table["slide"].tolist(), dtype=h5py.string_dtype())
        for name in ("x", "y"):
            store[name] = table[name].to_numpy(dtype=np.int64)
        store["images"] = images
        store["shown"] = shown


def _stored(
    path: Path, slide: str, rows: pd.DataFrame
) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
    """Yield those of a slide's patches that its patch store holds, if there is one."""
    if not path.exists():
        return
    with open_store(path, "patches/1", slide=slide) as store:
        place = {(x, y): index for index, (x, y) in enumerate(store["coords"][:].tolist())}
        for row, x, y in zip(rows.index.tolist(), rows["x"], rows["y"], strict=True):
            if (index := place.get((int(x), int(y)))) is not None:
                yield row, decode(store["images"][index])
