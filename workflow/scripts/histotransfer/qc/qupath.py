"""The kept tiles of a slide as GeoJSON, the format in which QuPath imports and exports objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ..core.files import written_whole
from ..core.hdf5 import open_store
from .overview import COLOURS
from .verdicts import REASONS


def write_geojson(qc_path: str | Path, out_path: str | Path, *, slide: str) -> None:
    """Write a slide's kept tiles as a FeatureCollection of QuPath tiles.

    Parameters
    ----------
    qc_path : str or Path
        The slide's verdicts (`qc/1`).
    out_path : str or Path
        The file to write: one closed square per tile, in level-0 px from the top left corner.
    slide : str
        The slide's id.
    """
    with open_store(qc_path, "qc/1", slide=slide) as store:
        kept = store["coords"][:][store["reason"][:] == REASONS["kept"]]
        side = int(store.attrs["patch_size_level0"]) if len(kept) else 0
    corners = kept[:, None] + side * np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]])
    colour = [int(COLOURS["kept"][i : i + 2], 16) for i in (1, 3, 5)]
    collection: dict[str, Any] = {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "geometry": {"type": "Polygon", "coordinates": [ring]},
                "properties": {
                    "objectType": "tile",
                    "classification": {"name": "kept", "color": colour},
                },
            }
            for ring in corners.tolist()
        ],
    }
    with written_whole(out_path) as partial:
        partial.write_text(json.dumps(collection, separators=(",", ":")) + "\n")
