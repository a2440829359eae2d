"""The kept tiles of a slide as GeoJSON, the format in which QuPath imports and exports objects."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

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
    corners = kept[:, None] - origin + side * np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]])
    colour = [int(COLOURS["kept"][i : i + 2], 16) for i in (1, 3, 5)]
    properties = {"objectType": "tile", "classification": {"name": "kept", "color": colour}}
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "properties": properties,
        }
        for ring in corners.tolist()
    ]
    frame = {"name": FRAME, "origin_level0_px": origin.tolist()}
    collection = {"type": "FeatureCollection", "frame": frame, "features": features}
    with written_whole(out_path) as partial:
        partial.write_text(json.dumps(collection, separators=(",", ":")) + "\n")
