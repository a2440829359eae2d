"""From the candidate tiles of a slide to its patch store, in one pass over its pixels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..core.crashes import isolated
from ..core.errors import SlideError
from ..core.exclusions import COLUMNS, Reason
from ..core.hdf5 import create_store, open_store
from ..core.streams import stream
from ..imaging import icc, stain
from ..imaging.artefacts import stained
from ..imaging.codecs import encode
from ..imaging.optical_density import channels
from ..slides.reader import SlideReader, crashed
from ..slides.resolution import Scale
from ..study.parameters import PatchParameters
from . import metrics, stain_reference
from .store import append_images, create_patch_store

STAIN_TILES = 64
"""Tiles on which a slide's stain is estimated; they are kept in memory, so that none is read
twice."""

ROW = np.dtype([(name, "f4") for name in metrics.NAMES] + [("unreadable", "u1"), ("stored", "u1")])
"""What is recorded of a tile; the metrics of an unreadable one are NaN."""


@isolated
def extract_patches(
    slide_path: str | Path,
    tiles_path: str | Path,
    metrics_path: str | Path,
    patches_path: str | Path,
    *,
    slide: str,
    reference_path: str | Path | None,
    parameters: PatchParameters,
    crash: str = "",
) -> None:
    """Read every candidate tile of a slide once: measure it, normalise its stain, and store it.

    Reads `tiles/1` and writes `metrics/1` and `patches/1`, in a process of its own whose memory
    does not grow with the slide. A slide that crashes a library or cannot be used yields two valid
    files without rows whose attributes `code`, `detail` and `remedy` say why.

    Parameters
    ----------
    reference_path : str or Path or None
        The reference stain; not read when the method is ``none``.
    crash : str
        The signal by which reading the slide ended a process: it is not opened again.
    """
    with open_store(tiles_path, "tiles/1", slide=slide) as tiles:
        coords = tiles["coords"][:]
        tile_attrs = dict(tiles.attrs)
    scale_attrs = ("mpp", "mpp_source", "patch_px", "patch_size_level0", "effective_mpp")
    attrs: dict[str, Any] = {
        name: tile_attrs.get(name, "") for name in ("slide", *COLUMNS, *scale_attrs)
    }
    attrs |= parameters.as_params()
    measured = (
        "icc_profile",
        "icc_status",
        "stain_status",
        "stain_detail",
        "stain_clipped_fraction",
        "pixel_source",
    )
    attrs |= dict.fromkeys(measured, "")
    if crash:
        attrs |= crashed(slide_path, crash).reason.as_row()
    if not attrs["code"]:
        reference = None
        if parameters.stain_method != "none":
            reference = stain_reference.read_reference(reference_path or "")
        try:
            with SlideReader(slide_path, float(tile_attrs["mpp"])) as reader:
                scale = Scale.from_attrs(tile_attrs)
                converted, colours = _colours(reader.icc_profile, parameters.icc)
                attrs |= colours
                limit = parameters.max_unreadable_fraction
                tiles_read = _Tiles(reader, coords, scale, limit, converted)
                padding = tile_attrs["padding_colours"]
                normaliser = _Normaliser(parameters, reference, padding)
                normaliser.fit(tiles_read)
                _pixel_pass(tiles_read, normaliser, attrs, metrics_path, patches_path)
                return
        except SlideError as error:
            attrs |= error.reason.as_row()
    with create_patch_store(patches_path, attrs) as store:
        store["coords"] = np.empty((0, 2), np.int32)
    _write_metrics(metrics_path, attrs, np.empty(0, ROW))


def _colours(profile: bytes | None, how: str) -> tuple[icc.Conversion | None, dict[str, str]]:
    """Return the conversion to sRGB, if there is one to do, and what is recorded of the profile.

    `icc_status` is ``none`` where the slide carries no profile, ``ignored``, ``applied``, or
    ``unusable`` where it should be applied and cannot.
    """
    if profile is None:
        return None, {"icc_profile": "", "icc_status": "none"}
    found = {"icc_profile": icc.describe(profile), "icc_status": "ignored"}
    if how == "ignore":
        return None, found
    try:
        return icc.to_srgb(profile), found | {"icc_status": "applied"}
    except icc.UnusableProfile:
        return None, found | {"icc_status": "unusable"}


class _Tiles:
    """The candidate tiles of an open slide: each is read once, and failures are counted."""

    def __init__(
        self,
        reader: SlideReader,
        coords: npt.NDArray[np.int32],
        scale: Scale,
        max_unreadable_fraction: float,
        converted: icc.Conversion | None,
    ) -> None:
        self.coords = coords
        self.scale = scale
        self.reader = reader
        self.unreadable = 0
        self._allowed = max_unreadable_fraction * len(coords)
        self._converted = converted
        self._held: dict[int, npt.NDArray[np.uint8] | None] = {}

    def hold(self, index: int) -> npt.NDArray[np.uint8] | None:
        """Read a tile ahead and keep it for `take`."""
        return self._held.setdefault(index, self.take(index))

    def take(self, index: int) -> npt.NDArray[np.uint8] | None:
        """Return a tile's pixels, or None where it cannot be read."""
        if index in self._held:
            return self._held.pop(index)
        x, y = self.coords[index].tolist()
        try:
            patch = self.reader.read_patch(x, y, self.scale)
        except SlideError as error:
            self.unreadable += 1
            if self.unreadable > self._allowed:
                allowed = f"more than {self._allowed:g} of {len(self.coords)}"
                detail = f"{allowed}; the last: {error.reason.detail}"
                remedy = f"{error.remedy}, or raise `tiling: max_unreadable_fraction`"
                reason = Reason("too_many_unreadable_tiles", detail, remedy)
                raise SlideError(error.subject, reason) from error
            return None
        return patch if self._converted is None else self._converted(patch)


class _Normaliser:
    """Brings patches to the reference stain, or leaves them as they are."""

    def __init__(
        self,
        parameters: PatchParameters,
        reference: stain.Stain | None,
        padding: npt.NDArray[np.uint8],
    ) -> None:
        self.parameters = parameters
        self.per_patch = parameters.stain_method == "patch"
        self.reference = reference
        self.padding = padding
        self.attrs: dict[str, Any] = {"stain_status": "none", "stain_degenerate": 0}
        self._tables: stain.Tables | None = None
        self.clipped: list[float] = []

    def fit(self, tiles: _Tiles) -> None:
        """Fit the slide's stain, where that is the method, on a sample of its tiles."""
        if self.reference is None:
            return
        self.attrs["stain_glass"] = self.reference.glass
        if self.per_patch:
            self.attrs["stain_status"] = "fitted_per_patch"
            return
        random = stream(self.parameters.seed, "stain of a slide")
        chosen = np.sort(random.permutation(len(tiles.coords))[:STAIN_TILES]).tolist()
        images = [image for image in map(tiles.hold, chosen) if image is not None]
        pixels = [stain.sample_pixels(image, random) for image in images]
        sample = np.concatenate([np.empty((0, 3), np.uint8), *pixels])
        try:
            found = stain.fit(stained(sample, self.padding), self.reference.glass)
        except stain.DegenerateStain as error:
            if self.parameters.stain_fallback == "exclude":
                remedy = "Look at its overview, or set `stain: fallback: none` to use it as it is"
                reason = Reason("stain_not_estimable", str(error), remedy)
                raise SlideError(tiles.reader.path, reason) from error
            self.attrs |= {"stain_status": "not_estimable", "stain_detail": str(error)}
            self.attrs["stain_degenerate"] = 1
            return
        matrix = stain.transform(found, self.reference)
        self._tables = stain.tabulate(matrix, self.reference.glass)
        self.attrs |= {
            "stain_status": "fitted",
            "stain_matrix": found.matrix,
            "stain_max_concentrations": found.max_concentrations,
            "stain_transform": matrix,
        }

    def apply(
        self, image: npt.NDArray[np.uint8], planes: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.uint8] | None:
        """Return the patch of these `channels` as it is stored, or None if it is left out."""
        if self.reference is None:
            return image
        tables, glass = self._tables, self.reference.glass
        if self.per_patch:
            try:
                found = stain.fit(stained(image.reshape(-1, 3), self.padding), glass)
            except stain.DegenerateStain:
                self.attrs["stain_degenerate"] += 1
                return None if self.parameters.stain_fallback == "exclude" else image
            tables = stain.tabulate(stain.transform(found, self.reference), glass)
        if tables is None:
            return image
        normalised, clipped = stain.normalise(planes, tables, glass)
        self.clipped.append(clipped)
        return normalised


def _pixel_pass(
    tiles: _Tiles,
    normaliser: _Normaliser,
    attrs: dict[str, Any],
    metrics_path: str | Path,
    patches_path: str | Path,
) -> None:
    rows = np.empty(len(tiles.coords), ROW)

    def stored() -> Iterator[npt.NDArray[np.uint8]]:
        for index in range(len(rows)):
            raw = tiles.take(index)
            if raw is None:
                rows[index] = (*[np.nan] * len(metrics.NAMES), 1, 0)
                continue
            planes = channels(raw)
            measured = metrics.measure(planes, tiles.scale.effective_mpp)
            empty = measured[0] > attrs["max_background_fraction"]
            image = None if empty else normaliser.apply(raw, planes)
            rows[index] = (*measured, 0, image is not None)
            if image is not None:
                yield encode(image, attrs["codec"], attrs["jpeg_quality"])

    with create_patch_store(patches_path, {}) as store:
        append_images(store, stored())
        store["coords"] = tiles.coords[rows["stored"] == 1]
        attrs |= normaliser.attrs | {"pixel_source": tiles.reader.pixel_source}
        attrs["stain_clipped_fraction"] = float(np.mean(normaliser.clipped or [0.0]))
        store.attrs.update(attrs)
    _write_metrics(metrics_path, attrs, rows)


def _write_metrics(path: str | Path, attrs: dict[str, Any], rows: npt.NDArray[np.void]) -> None:
    attrs = attrs | {"n_unreadable": int(rows["unreadable"].sum())}
    with create_store(path, "metrics/1", attrs) as store:
        for name in ROW.names or ():
            store[name] = rows[name]
