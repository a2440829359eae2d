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
    """Write the patches of ``tables/gallery.tsv`` as a store (`IMAGES`), read from their slides.

    Their stain is not normalised. Where a slide is gone (a fetched slide is deleted once its
    patches are extracted), its patches come from its patch store, if that was kept; these are
    normalised.

    Parameters
    ----------
    table_path, out_path : str or Path
        The table to read, the store to write.
    slides : mapping of slide to path and µm/px
        As in the slide sheet.
    patches : str or Path
        The folder of the patch stores.
    target_mpp, tolerance, patch_px
        The scale of the patches, from the config.
    """
    table = read_table(table_path, GALLERY).astype({"x": "int64", "y": "int64"})
    images = np.zeros((len(table), patch_px, patch_px, 3), dtype=np.uint8)
    shown = np.zeros(len(table), dtype=bool)
    for slide, rows in table.groupby("slide"):
        path, mpp = slides[str(slide)]
        try:
            with SlideReader(path, mpp) as reader:
                scale = reader.scale(target_mpp=target_mpp, tolerance=tolerance, patch_px=patch_px)
                for row, x, y in rows[["x", "y"]].itertuples(name=None):
                    images[row], shown[row] = reader.read_patch(x, y, scale), True
        except SlideError:
            for row, image in _stored(Path(patches, f"{slide}.h5"), str(slide), rows):
                images[row], shown[row] = image, True
    with create_store(out_path, IMAGES, {}) as store:
        store.create_dataset("slide", data=table["slide"].tolist(), dtype=h5py.string_dtype())
        store["x"], store["y"] = table["x"].to_numpy(), table["y"].to_numpy()
        store["images"], store["shown"] = images, shown


def _stored(
    path: Path, slide: str, rows: pd.DataFrame
) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
    """Yield those of a slide's patches that its patch store holds, if there is one."""
    if not path.exists():
        return
    with open_store(path, "patches/1", slide=slide) as store:
        stored = {(x, y): index for index, (x, y) in enumerate(store["coords"][:].tolist())}
        for row, *place in rows[["x", "y"]].itertuples(name=None):
            if (index := stored.get(tuple(place))) is not None:
                yield row, decode(store["images"][index])
