"""Where the patches of another tool lie on a slide, and what quality control says of that place.

STAMP writes coordinates in µm, CLAM and TRIDENT in pixels of level 0; the size of a patch stands in
attributes whose names differ by tool and version. Equal corners alone prove nothing: a patch is one
of our tiles only where the whole squares are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt
import scipy

from ..core.hdf5 import open_store

Coords = npt.NDArray[np.float64]

SAME = 0.01
"""Squares are the same if their corners and widths differ by less than this part of a tile."""

MIN_KEPT_AREA = 0.5
"""A patch that is none of our tiles counts if kept tiles cover at least this much of it."""

MICROMETRES = {"um", "µm", "μm", "micron", "micrometer", "micrometre"}
PIXELS = {"px", "pixel"}
"""Units, but for a plural."""
NOT_STORED = ("unreadable", "background", "stain")

HISTORIC_STAMP_PX, HISTORIC_STAMP_UM = 224, 256.0
"""STAMP before version 2 wrote no attributes; it reads such files itself as 256 µm in 224 px."""


class Placed(NamedTuple):
    """Patches on a slide: corners (n, 2) and width in level-0 px, and how this was found out.

    Corners are None where it could not be; the width is None where the corners are known to be
    those of our tiles.
    """

    corners: Coords | None
    width: float | None
    reading: str


class Judged(NamedTuple):
    """The tiles of a slide that quality control judged.

    Corners (n, 2) in level-0 px, whether each is kept (n,), whether each became a patch (n,), and
    the attributes of the verdicts' file.
    """

    corners: Coords
    kept: npt.NDArray[np.bool_]
    stored: npt.NDArray[np.bool_]
    attrs: Mapping[str, Any]


def read_judged(path: str | Path, *, slide: str) -> Judged:
    """Read a slide's verdicts (`qc/1`)."""
    with open_store(path, "qc/1", slide=slide) as store:
        reason, names = store["reason"][:], h5py.check_enum_dtype(store["reason"].dtype)
        return Judged(
            store["coords"][:].reshape(-1, 2).astype(float),
            reason == names["kept"],
            ~np.isin(reason, [names[name] for name in NOT_STORED]),
            dict(store.attrs),
        )


def place(coords: Coords, attrs: Mapping[str, Any], judged: Judged) -> Placed:
    """Find out which squares of level 0 the coordinates (n, 2) of a feature file stand for.

    `attrs` are the file's and, over them, those of its `coords`; ``dataset`` names its features.

    The first that applies: a `unit`, or a size in µm (STAMP); a size at level 0 (TRIDENT); a size
    with two magnifications (TRIDENT), or with a downsample (CLAM). A file without any of these
    counts as made from our own if its corners are those of our tiles and include every stored
    patch: a file in another unit or of larger patches lists only some of them.
    """
    for name, ours in (("level0_width", "width"), ("level0_height", "height")):
        theirs, own = number(attrs, name), number(judged.attrs, name)
        if theirs and own and theirs != own:
            return Placed(None, None, f"of a level 0 with another {ours} ({theirs:g}, not {own:g})")
    unit = attrs.get("unit", "")
    unit = (unit.decode("utf-8", "replace") if isinstance(unit, bytes) else str(unit)).strip()
    singular = unit.lower().removesuffix("s")
    size_um = number(attrs, "tile_size_um")
    if singular in MICROMETRES or (size_um and not unit):
        return _from_um(coords, size_um or number(attrs, "tile_size"), "µm", judged)
    if unit and singular not in PIXELS:
        return Placed(None, None, f"unit {unit[:20]!r} unknown")
    width, reading = _width(attrs)
    if unit and not width:
        width, reading = number(attrs, "tile_size"), "tile_size"
    if width:
        return Placed(coords, width, f"level-0 px, width {width:g} ({reading})")
    if reading:
        return Placed(None, None, reading)
    if attrs.get("dataset") == "feats" and _spacing(coords) == HISTORIC_STAMP_PX:
        scale = HISTORIC_STAMP_UM / HISTORIC_STAMP_PX
        how = "256 µm in 224 px, as STAMP reads its files without attributes"
        return _from_um(coords * scale, HISTORIC_STAMP_UM, how, judged)
    corners, stored, tiles = (
        {*map(tuple, rows.tolist())}
        for rows in (coords, judged.corners[judged.stored], judged.corners)
    )
    if stored <= corners <= tiles:
        return Placed(coords, None, "no unit and size, but our tiles, with all that were stored")
    return Placed(None, None, "no unit and size")


def _from_um(coords: Coords, size_um: float | None, how: str, judged: Judged) -> Placed:
    mpp = number(judged.attrs, "mpp")
    if not mpp:
        return Placed(None, None, f"{how}, but the slide's scale is unknown")
    if not size_um:
        return Placed(None, None, f"{how}, but the size of the patches is unknown")
    return Placed(coords / mpp, size_um / mpp, f"{how}, width {size_um:g} µm, at {mpp:g} µm/px")


def _width(attrs: Mapping[str, Any]) -> tuple[float | None, str]:
    """Return the patches' width in level-0 px and where it stands, or None and why it is unknown.

    Both are empty where the file says nothing of a size.
    """
    if width := number(attrs, "patch_size_level0"):
        return width, "patch_size_level0"
    size = number(attrs, "patch_size")
    if not size:
        return None, ""
    scanned, target = (number(attrs, f"{name}_magnification") for name in ("level0", "target"))
    if scanned and target:
        return size * scanned / target, "patch_size and magnifications"
    if number(attrs, "custom_downsample") not in (None, 1):
        return None, "patch_size with a custom_downsample, which tools read differently"
    if downsample := number(attrs, "downsample"):
        return size * downsample, "patch_size and downsample"
    if "patch_level" in attrs and not np.any(attrs["patch_level"]):
        return size, "patch_size at level 0"
    return None, "patch_size of an unknown level"


def number(attrs: Mapping[str, Any], name: str) -> float | None:
    """Return a positive number from attributes; of several (such as of x and y), the mean."""
    try:
        value = float(np.mean(np.asarray(attrs[name], float)))
    except (KeyError, ValueError, TypeError):
        return None
    return value if 0 < value < np.inf else None


def _spacing(coords: Coords) -> int:
    """Return the smallest distance between columns or rows, rounded; 0 where there is none."""
    gaps = np.concatenate([np.diff(np.unique(axis)) for axis in coords.T])
    return round(gaps.min()) if len(gaps) else 0


def verdict(placed: Placed, judged: Judged, count: int) -> tuple[npt.NDArray[np.bool_], str]:
    """Tell which of `count` patches count (n,), and by which rule.

    ``applied``: each patch is one of our tiles. ``applied by area``: at least one is not; such a
    patch counts if kept tiles cover `MIN_KEPT_AREA` of what a full grid of them would. Tissue that
    gave no tile is background, so it does not count. ``other patches``: the squares are unknown, or
    none meets a tile; every patch counts.
    """
    everything = np.ones(count, bool), "other patches"
    if placed.corners is None or not len(judged.corners):
        return everything
    if placed.width is None:
        own = dict(zip(map(tuple, judged.corners.tolist()), judged.kept.tolist(), strict=True))
        return np.array([own[x, y] for x, y in placed.corners.tolist()]), "applied"
    tile = number(judged.attrs, "patch_size_level0")
    if not tile:
        return everything
    stride = number(judged.attrs, "stride_level0") or tile
    theirs, ours = placed.corners + placed.width / 2, judged.corners + tile / 2
    tree = scipy.spatial.cKDTree(ours)
    distance, nearest = tree.query(theirs, p=np.inf)
    same = (distance <= SAME * tile) & (abs(placed.width - tile) <= SAME * tile)
    reach = (placed.width + tile) / 2
    if not (distance < reach).any():
        return everything
    if same.all():
        return judged.kept[nearest], "applied"
    near = tree.query_ball_point(theirs, reach, p=np.inf)
    patch = np.repeat(np.arange(count), [len(found) for found in near])
    found = np.concatenate([np.asarray(found, int) for found in near])
    shared = np.minimum(reach - abs(theirs[patch] - ours[found]), min(placed.width, tile))
    area = np.clip(shared, 0, None).prod(axis=1) * judged.kept[found]
    covered = np.bincount(patch, area, minlength=count)
    full = (placed.width * tile / stride) ** 2
    # Conversions from µm round; half is half.
    by_area = covered >= MIN_KEPT_AREA * full * (1 - 1e-6)
    return np.where(same, judged.kept[nearest], by_area), "applied by area"


def repeats(coords: Coords, features: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Tell which patches (n,) are listed before: the same coordinates with the same features."""
    _, place, times = np.unique(coords, axis=0, return_inverse=True, return_counts=True)
    again = times[place.ravel()] > 1
    suspects = np.flatnonzero(again)
    rows = np.hstack([coords[suspects], features[suspects]])
    again[suspects[np.unique(rows, axis=0, return_index=True)[1]]] = False
    return again
