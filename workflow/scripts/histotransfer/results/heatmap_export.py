"""A heatmap for QuPath, which colours its tiles by what each extractor makes of them."""

from __future__ import annotations

from pathlib import Path

from ..core.hdf5 import open_store
from ..qc.qupath import write_tiles
from .schemas import HEATMAP


def export_heatmap(store_path: str | Path, out_path: str | Path, *, slide: str) -> None:
    """Write the map of a store `HEATMAP` that has one, of this slide, as QuPath's GeoJSON.

    Each tile has a measurement per extractor, named ``{target}: {extractor}``. QuPath colours tiles
    by them under Measure, Show measurement maps.
    """
    with open_store(store_path, HEATMAP) as store:
        (one,) = [group for group in store.values() if group.attrs["slide"] == slide]
        names = [f"{one.attrs['target']}: {name}" for name in one.attrs["extractors"]]
        properties = [
            {
                "measurements": [
                    {"name": name, "value": float(value)}
                    for name, value in zip(names, values, strict=True)
                ]
            }
            for values in one["contributions"][:]
        ]
        corners, origin = one["coords"][:], one.attrs["origin_px"]
        write_tiles(out_path, corners, int(one.attrs["patch_size_level0"]), origin, properties)
