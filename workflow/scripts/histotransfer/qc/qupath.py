"""The kept tiles of a slide as GeoJSON, the format in which QuPath imports and exports objects."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.files import written_whole
from ..core.hdf5 import open_store
from .verdicts import COLOURS, REASONS

FRAME = "QuPath with OpenSlide, cropped to the scanned part"


def write_geojson(qc_path: str | Path, out_path: str | Path, *, slide: str) -> None:
    """Write a slide's kept tiles (of its `qc/1`) as a FeatureCollection of QuPath tiles.

    Each is a closed square in QuPath's own frame. QuPath reads slides with OpenSlide and shows only
    the part that was scanned, where the file says which (`openslide.bounds-*`, in Leica's, MIRAX
    and other formats): it counts level-0 px from that part's top left corner. The member `frame`
    says so, and where on level 0 that corner lies.
    """
    with open_store(qc_path, "qc/1", slide=slide) as store:
        kept = store["coords"][:][store["reason"][:] == REASONS["kept"]]
        side = int(store.attrs["patch_size_level0"]) if len(kept) else 0
        # A slide that could not be opened has no bounds, and no tiles.
        bounds = store.attrs.get("bounds", "")
    origin = np.zeros(2, int) if isinstance(bounds, str) else bounds[:2]
    colour = [int(COLOURS["kept"][i : i + 2], 16) for i in (1, 3, 5)]
    classified = {"classification": {"name": "kept", "color": colour}}
    write_tiles(out_path, kept, side, origin, [classified] * len(kept))


def write_tiles(
    out_path: str | Path,
    corners: npt.NDArray[np.integer],
    side_px: int,
    origin_px: npt.NDArray[np.integer],
    properties: Sequence[Mapping[str, Any]],
) -> None:
    """Write squares as a FeatureCollection of QuPath tiles.

    Parameters
    ----------
    out_path : str or Path
    corners : (n, 2) array
        Top left corners in level-0 px.
    side_px : int
        In level-0 px.
    origin_px : (2,) array
        Where on level 0 QuPath's own frame begins; see `write_geojson`.
    properties : sequence of mapping
        Of each tile, as QuPath names them.
    """
    offsets = side_px * np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]])
    rings = corners[:, None] - origin_px + offsets
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": {"objectType": "tile", **of_tile},
        }
        for ring, of_tile in zip(rings.tolist(), properties, strict=True)
    ]
    frame = {"name": FRAME, "origin_level0_px": origin_px.tolist()}
    collection = {"type": "FeatureCollection", "frame": frame, "features": features}
    with written_whole(out_path) as partial:
        partial.write_text(json.dumps(collection, separators=(",", ":")) + "\n")
