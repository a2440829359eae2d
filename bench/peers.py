"""Patches at given coordinates, read as a user of other tools would: one process, one thread.

Each function yields uint8 (patch_px, patch_px, 3) arrays. Tools that are not installed are left
out. CLAM and TRIDENT are not packages: put their checkouts on the PYTHONPATH.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt
import openslide
from PIL import Image

Patch = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Wanted:
    """What every tool reads.

    Attributes
    ----------
    path : Path
        The slide.
    coords : ndarray, (n, 2), int32
        Top left corners in level-0 px, row by row.
    patch_px, read_px, level : int
        Width of the patch; width and level of what is read for it.
    mpp, target_mpp : float
        µm per px at level 0 and of the patch.
    """

    path: Path
    coords: npt.NDArray[np.int32]
    patch_px: int
    read_px: int
    level: int
    mpp: float
    target_mpp: float


def read_openslide(wanted: Wanted) -> Iterator[Patch]:
    """Call read_region for patch after patch."""
    size = (wanted.read_px, wanted.read_px)
    with openslide.OpenSlide(wanted.path) as slide:
        for x, y in wanted.coords.tolist():
            patch = slide.read_region((x, y), wanted.level, size).convert("RGB")
            if wanted.read_px != wanted.patch_px:
                patch = patch.resize((wanted.patch_px, wanted.patch_px), Image.Resampling.BOX)
            yield np.asarray(patch)


def read_tiatoolbox(wanted: Wanted) -> Iterator[Patch]:
    """Call WSIReader.read_rect, which takes level-0 coordinates and the resolution in mpp."""
    from tiatoolbox.wsicore.wsireader import WSIReader

    reader = WSIReader.open(wanted.path, mpp=(wanted.mpp, wanted.mpp))
    size = (wanted.patch_px, wanted.patch_px)
    for x, y in wanted.coords.tolist():
        yield reader.read_rect((x, y), size, resolution=wanted.target_mpp, units="mpp")


def read_lazyslide(wanted: Wanted, reader: str = "openslide") -> Iterator[Patch]:
    """Take the dataset that LazySlide's feature extraction loads its tiles from."""
    from wsidata import TileSpec, open_wsi
    from wsidata.io import add_tiles

    slide = open_wsi(str(wanted.path), store=None, reader=reader)
    spec = TileSpec.from_wsidata(
        slide, tile_px=wanted.patch_px, mpp=wanted.target_mpp, slide_mpp=wanted.mpp
    )
    add_tiles(slide, "tiles", wanted.coords, spec, np.zeros(len(wanted.coords), int))
    tiles = slide.ds.tile_images(tile_key="tiles")
    for index in range(len(tiles)):
        yield tiles[index]["image"]


def read_lazyslide_fastslide(wanted: Wanted) -> Iterator[Patch]:
    """Do the same with LazySlide's default, fastslide, in place of OpenSlide."""
    yield from read_lazyslide(wanted, reader="fastslide")


def read_clam(wanted: Wanted) -> Iterator[Patch]:
    """Take CLAM's dataset of a coordinate file, resized as its transform does."""
    from dataset_modules.dataset_h5 import Whole_Slide_Bag_FP

    def resized(image: Image.Image) -> Patch:
        size = (wanted.patch_px, wanted.patch_px)
        return np.asarray(
            image if image.size == size else image.resize(size, Image.Resampling.BILINEAR)
        )

    with tempfile.TemporaryDirectory() as folder, openslide.OpenSlide(wanted.path) as slide:
        path = Path(folder) / "coords.h5"
        with h5py.File(path, "w") as file:
            coords = file.create_dataset("coords", data=wanted.coords)
            coords.attrs.update(patch_size=wanted.read_px, patch_level=wanted.level)
        with contextlib.redirect_stdout(io.StringIO()):
            bag = Whole_Slide_Bag_FP(str(path), slide, img_transforms=resized)
        for index in range(len(bag)):
            yield bag[index]["img"]


def read_trident(wanted: Wanted) -> Iterator[Patch]:
    """Take TRIDENT's patcher and dataset."""
    from trident import OpenSlideWSI, WSIPatcherDataset

    slide = OpenSlideWSI(str(wanted.path), lazy_init=False, mpp=wanted.mpp)
    patcher = slide.create_patcher(
        patch_size=wanted.patch_px,
        src_pixel_size=wanted.mpp,
        dst_pixel_size=wanted.target_mpp,
        custom_coords=wanted.coords.astype(np.int64),
        pil=False,
    )
    patches = WSIPatcherDataset(patcher, None)
    for index in range(len(patches)):
        yield patches[index][0]


_NEEDS: dict[str, tuple[Callable[[Wanted], Iterator[Patch]], tuple[str, ...]]] = {
    "openslide": (read_openslide, ("openslide",)),
    "tiatoolbox": (read_tiatoolbox, ("tiatoolbox",)),
    "lazyslide": (read_lazyslide, ("wsidata",)),
    "lazyslide-fastslide": (read_lazyslide_fastslide, ("wsidata", "fastslide")),
    "clam": (read_clam, ("dataset_modules",)),
    "trident": (read_trident, ("trident",)),
}

READERS = {
    name: read
    for name, (read, modules) in _NEEDS.items()
    if all(importlib.util.find_spec(module) for module in modules)
}
"""The tools that are installed, by name."""

ABSENT = set(_NEEDS) - set(READERS)
