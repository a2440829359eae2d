"""From a slide to the coordinates of its candidate tiles."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.crashes import isolated
from ..core.errors import SlideError
from ..core.exclusions import NOT_EXCLUDED, Reason
from ..core.hdf5 import create_store
from ..imaging.glass import coloured_glass
from ..study.parameters import TilingParameters
from .appearance import why_no_section
from .plausibility import scale_doubts
from .reader import UNSCANNED, SlideReader, crashed
from .resolution import Scale
from .tissue import METHOD, area_mm2, covered_fraction, find_tissue

STRIP_TILES = 16
"""Tiles are listed in strips of this many columns, from top to bottom: whoever reads them in this
order needs no more of the slide at a time than a strip is wide, however wide the slide."""


def grid(
    bounds: tuple[int, ...], stride_level0: float, downsample: float = 1.0
) -> npt.NDArray[np.int32]:
    """Lay out tiles over the scanned part of a slide, strip by strip.

    The last tile of a row or column may overhang the edge; its tissue decides whether it is kept.
    So no tissue at an edge is lost, and a slide smaller than one patch can still give one.

    Parameters
    ----------
    bounds : tuple of int
        x, y, width, height in level-0 px.
    stride_level0 : float
        Distance between tiles in level-0 px; each position is rounded by itself, so that rounding
        does not add up.
    downsample : float
        That of the level to read, on whole pixels of which the tiles are laid.

    Returns
    -------
    ndarray, (n, 2), int32
        Top left corners (x, y) in level-0 px.
    """
    left, top, width, height = bounds
    x = _on_pixels(left + np.arange(0, width, stride_level0), downsample)
    y = _on_pixels(top + np.arange(0, height, stride_level0), downsample)
    strips = np.split(x, range(STRIP_TILES, len(x), STRIP_TILES))
    return np.concatenate([np.stack(np.meshgrid(strip, y), -1).reshape(-1, 2) for strip in strips])


def _on_pixels(positions: npt.NDArray[np.float64], downsample: float) -> npt.NDArray[np.int32]:
    return np.rint(np.rint(positions / downsample) * downsample).astype(np.int32)


@isolated
def tile_slide(
    slide_path: str | Path,
    tiles_path: str | Path,
    *,
    slide: str,
    sheet_mpp: float | None,
    parameters: TilingParameters,
    crash: str = "",
) -> None:
    """Find a slide's candidate tiles and write them as `tiles/1`, in a process of its own.

    A slide that crashes a library, cannot be used, or has no tissue yields a valid file without
    tiles whose attributes `code`, `detail` and `remedy` say why.

    Parameters
    ----------
    sheet_mpp : float or None
        µm per level-0 px where the slide sheet gives it.
    crash : str
        The signal by which reading the slide ended a process: it is not opened again.
    """
    attrs = {"slide": slide, **NOT_EXCLUDED, **parameters.as_params(), "tissue_method": METHOD}
    attrs |= {"levels_passed_over": "", "other_pictures": ""}
    attrs["scale_doubts"] = ""
    coords = np.empty((0, 2), np.int32)
    conventions: dict[str, object] = {"name": slide}
    fractions = np.empty(0, np.float32)
    thumbnail = np.empty((0, 0, 3), np.uint8)
    mask = np.empty((0, 0), bool)
    try:
        if crash:
            raise crashed(slide_path, crash)
        with SlideReader(slide_path, sheet_mpp) as reader:
            attrs |= {
                "mpp": reader.mpp,
                "mpp_source": reader.mpp_source,
                "level0_width": reader.width,
                "level0_height": reader.height,
                "bounds": reader.bounds,
                "objective_power": reader.objective_power,
                "other_pictures": reader.other_pictures,
                "vendor": reader.vendor,
                "scale_doubts": scale_doubts(reader, coords),  # also of a slide that is too coarse
            }
            scale = reader.scale(
                target_mpp=parameters.target_mpp,
                tolerance=parameters.mpp_tolerance,
                patch_px=parameters.patch_px,
            )
            attrs |= asdict(scale)
            conventions |= clam_and_trident(reader, scale, parameters.stride_px)
            thumbnail, readable = reader.thumbnail(parameters.thumbnail_mpp)
            attrs["levels_passed_over"] = reader.passed_over_in_words()
            downsample = reader.thumbnail_downsample(parameters.thumbnail_mpp)
            mask, threshold, padding = find_tissue(thumbnail, downsample * reader.mpp, readable)
            attrs |= {
                "thumbnail_downsample": downsample,
                "thumbnail_unreadable_fraction": 1 - readable.mean(),
                "tissue_threshold": threshold,
                "padding_colours": padding,
                "tissue_mm2": area_mm2(mask & readable, downsample * reader.mpp),
            }
            seen = thumbnail[readable & (thumbnail != UNSCANNED).any(axis=2)]
            has_tissue = bool((mask & readable).any())
            if reason := why_no_section(seen, reader.path, reader.used_pictures, has_tissue):
                raise SlideError(slide_path, reason)
            if glass := coloured_glass(thumbnail, readable):
                detail = f"glass is red {glass[0]}, green {glass[1]}, blue {glass[2]}"
                remedy = (
                    "Look at its overview; if the colours are wrong, convert the slide again with "
                    "the colour model (such as YCbCr) of its original"
                )
                raise SlideError(slide_path, Reason("glass_not_grey", detail, remedy))
            stride_level0 = parameters.stride_px * scale.effective_mpp / reader.mpp
            candidates = grid(reader.bounds, stride_level0, reader.downsamples[scale.read_level])
            x, y = ((candidates - reader.bounds[:2]) / downsample).T
            covered = covered_fraction(mask, x, y, scale.patch_size_level0 / downsample)
            enough = covered >= parameters.min_tissue_fraction
            coords, fractions = candidates[enough], covered[enough]
            seen_at = coords if len(coords) else candidates
            doubts = attrs["scale_doubts"] = scale_doubts(reader, seen_at, padding)
            if not len(coords):
                needed, found = parameters.min_tissue_fraction, attrs["tissue_mm2"]
                detail = f"{needed:.0%} needed; {found:g} mm² on the slide"
                remedy = (
                    "Look at its overview; if it shows tissue, lower `tiling: min_tissue_fraction`"
                )
                if doubts:
                    remedy = f"Check its scale ({doubts}). {remedy}"
                raise SlideError(slide_path, Reason("no_tissue", detail, remedy))
    except SlideError as error:
        attrs |= error.reason.as_row()
    with create_store(tiles_path, "tiles/1", attrs) as store:
        store["coords"] = coords
        store["coords"].attrs.update(conventions)
        store["tissue_fraction"] = fractions
        compression = "gzip" if mask.size else None  # HDF5 cannot compress what is empty
        store.create_dataset("thumbnail", data=thumbnail, compression=compression)
        store.create_dataset("tissue_mask", data=mask.astype(np.uint8), compression=compression)


def clam_and_trident(reader: SlideReader, scale: Scale, stride_px: int) -> dict[str, object]:
    """Return the attributes of `coords` by which CLAM and TRIDENT read the same squares.

    CLAM reads `patch_size` px of `patch_level`. TRIDENT reads `patch_size` px at
    `target_magnification`, given here as the magnification of the same level. Both see the pixels
    from which our patches are reduced. Only the ratio of the magnifications counts.
    """
    downsample = reader.downsamples[scale.read_level]
    stride_at_level = stride_px * scale.read_px / scale.patch_px
    return {
        "patch_level": scale.read_level,
        "patch_size": scale.read_px,
        "downsample": (downsample, downsample),
        "patch_size_level0": scale.patch_size_level0,
        "level0_magnification": 10 / reader.mpp,
        "target_magnification": 10 / (reader.mpp * downsample),
        "overlap": round(scale.read_px - stride_at_level),
        "level0_width": reader.width,
        "level0_height": reader.height,
    }
