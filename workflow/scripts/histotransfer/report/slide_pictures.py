"""Pictures of a slide that lie on each other: its thumbnail, verdicts on patches, heatmaps."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import to_rgb
from PIL import Image, ImageDraw

from ..core.exclusions import Reason
from ..core.hdf5 import open_store
from ..qc.overview import boxes, on_thumbnail
from ..qc.verdicts import COLOURS, REASONS

LONGEST_PX = 640
"""The longer side of a picture."""
JPEG_QUALITY = 75
HEAT = "RdBu_r"
"""As in the figure of heatmaps."""
BEYOND = 0.98
"""Share of the contributions that the colours tell apart; those beyond have the last colour."""


def slide_pictures(
    tiles_path: str | Path, qc_path: str | Path, maps: pd.DataFrame, *, slide: str
) -> dict[str, Any]:
    """Return a slide as JSON can hold it: a picture, and layers that lie on it.

    Parameters
    ----------
    tiles_path, qc_path : str or Path
        Its tiles, with the thumbnail, and the verdicts on them.
    maps : pandas.DataFrame
        Heatmaps of the slide: task, target, extractors, coords, contributions, unit, and limit,
        which is the end of the colour scale.

    Returns
    -------
    dict
        `picture`, a JPEG, and its `width_mm`; `layers`, each with `group`, `name`, `colour` (or
        none), `note` and `picture`, a PNG. All pictures are data URLs of the same proportions.
        `note` says why a slide was left out.
    """
    with (
        open_store(tiles_path, "tiles/1", slide=slide) as tiles,
        open_store(qc_path, "qc/1", slide=slide) as verdicts,
    ):
        attrs = dict(tiles.attrs) | dict(verdicts.attrs)
        thumbnail = tiles["thumbnail"][:]
        coords, reason = verdicts["coords"][:], verdicts["reason"][:]
    excluded = Reason.of(attrs)
    note = f"This slide {excluded.sentence()}" if excluded else ""
    if not thumbnail.size:
        return {"picture": "", "width_mm": 0, "layers": [], "note": note}
    picture = Image.fromarray(thumbnail)
    full = max(picture.size)
    picture.thumbnail((LONGEST_PX, LONGEST_PX))
    # Small thumbnails are enlarged by the browser; their layers are drawn at full size.
    size = picture.size
    if full < LONGEST_PX:
        width, height = (round(side * LONGEST_PX / full) for side in picture.size)
        size = width, height
    place = attrs["bounds"][:2], attrs["patch_size_level0"]
    downsample = float(attrs["thumbnail_downsample"]) * full / max(size)

    def corners(of: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
        return on_thumbnail(of, *place, downsample)

    layers = [
        *_verdicts(corners(coords), reason, size),
        *(layer for row in maps.to_dict("records") for layer in _heat(row, corners, size)),
    ]
    width_mm = (
        thumbnail.shape[1] * float(attrs["thumbnail_downsample"]) * float(attrs["mpp"]) / 1000
    )
    return {
        "picture": _url(picture.convert("RGB"), "JPEG"),
        "width_mm": float(f"{width_mm:.2g}"),
        "layers": layers,
        "note": note,
    }


def limits_of_targets(maps: pd.DataFrame) -> pd.Series:
    """Return the end of the colour scale of each map: one for a target, whatever the slide."""
    ends = {
        key: float(np.quantile(np.abs(np.concatenate([c.ravel() for c in rows])), BEYOND)) or 1.0
        for key, rows in maps.groupby(["task", "target"])["contributions"]
    }
    keys = zip(maps["task"], maps["target"], strict=True)
    return pd.Series([ends[key] for key in keys], maps.index, dtype=float)


def _verdicts(
    corners: npt.NDArray[np.float64], reason: npt.NDArray[np.uint8], size: tuple[int, int]
) -> Iterator[dict[str, Any]]:
    for name, value in REASONS.items():
        own = corners[reason == value]
        if len(own):
            painted = _painted(own, np.ones(len(own), int), [to_rgb(COLOURS[name])], size)
            yield {
                **{"group": "quality control", "name": name, "colour": COLOURS[name]},
                **{"note": f"{len(own):,}", "picture": painted},
            }


def _heat(
    row: Mapping[Any, Any],
    corners: Callable[[npt.NDArray[np.int32]], npt.NDArray[np.float64]],
    size: tuple[int, int],
) -> Iterator[dict[str, Any]]:
    colours = [tuple(rgb[:3]) for rgb in colormaps[HEAT](np.linspace(0, 1, 255))]
    for extractor, values in zip(row["extractors"], row["contributions"].T, strict=True):
        scaled = np.clip(values / row["limit"], -1, 1)
        yield {
            "group": f"heatmap of {row['target']} ({row['task']})",
            "target": row["target"],
            "task": row["task"],
            "name": str(extractor),
            "colour": "",
            "note": f"−{row['limit']:.2g} to +{row['limit']:.2g} {row['unit']}",
            "picture": _painted(
                corners(row["coords"]), 1 + np.rint(127 * (scaled + 1)).astype(int), colours, size
            ),
        }


def _painted(
    corners: npt.NDArray[np.float64],
    values: npt.NDArray[np.int_],
    colours: Sequence[tuple[float, ...]],
    size: tuple[int, int],
) -> str:
    """Paint squares in colours, of which the first is called 1, on a transparent picture."""
    layer = Image.new("P", size, 0)
    layer.putpalette([0, 0, 0, *(round(255 * part) for colour in colours for part in colour)])
    draw = ImageDraw.Draw(layer)
    for box, value in zip(boxes(corners), values, strict=True):
        draw.rectangle(box, fill=int(value))
    return _url(layer, "PNG", transparency=0, optimize=True)


def _url(image: Image.Image, kind: str, **options: Any) -> str:  # noqa: ANN401
    held = io.BytesIO()
    if kind == "JPEG":
        options["quality"] = JPEG_QUALITY
    image.save(held, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(held.getvalue()).decode('ascii')}"
