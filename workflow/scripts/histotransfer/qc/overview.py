"""The picture of a slide with its tissue and the verdict on each tile.

It is drawn with Pillow: this runs once a slide, and to load matplotlib takes longer than the rest.
"""

from __future__ import annotations

import textwrap
from functools import cache
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from ..core.exclusions import Reason
from ..core.files import written_whole
from ..core.hdf5 import open_store
from .verdicts import COLOURS, REASONS

PANEL_PX = 720
"""The longer side of a slide in the overview."""
NARROWEST_PX = 300
"""Panels are at least as wide, so that the words find room."""
MARGIN_PX, LINE_PX, FONT_PX = 12, 24, 15
OUTLINE = "#0072B2"
OPAQUE = 255


def draw_overview(
    tiles_path: str | Path, qc_path: str | Path, overview_path: str | Path, *, slide: str
) -> None:
    """Draw a slide twice, with the outline of its tissue and with the verdict on each tile (PNG).

    Of a slide without a thumbnail, the picture holds the reason in words.
    """
    with (
        open_store(tiles_path, "tiles/1", slide=slide) as tiles,
        open_store(qc_path, "qc/1", slide=slide) as verdicts,
    ):
        attrs = dict(tiles.attrs) | dict(verdicts.attrs)
        thumbnail, mask = tiles["thumbnail"][:], tiles["tissue_mask"][:]
        coords, reason = verdicts["coords"][:], verdicts["reason"][:]
    excluded = Reason.of(attrs)
    note = f"This slide {excluded.sentence()}" if excluded else ""
    title = slide
    if attrs.get("mpp", "") != "":
        title += f"   {float(attrs['mpp']):.4g} µm/px ({attrs['mpp_source']})"
    panels = []
    if thumbnail.size:
        note = note or f"tissue (outlined) {float(attrs['tissue_mm2']):.3g} mm²"
        full = Image.fromarray(thumbnail)
        ratio = PANEL_PX / max(full.size)
        width, height = (max(1, round(side * ratio)) for side in full.size)
        # Pixels stay squares where a small thumbnail is enlarged.
        how = Image.Resampling.NEAREST if ratio > 1 else Image.Resampling.BOX
        picture = full.convert("RGB").resize((width, height), how)
        mpp = float(attrs["thumbnail_downsample"]) * float(attrs["mpp"]) / ratio
        corners = ratio * on_thumbnail(
            coords, attrs["bounds"][:2], attrs["patch_size_level0"], attrs["thumbnail_downsample"]
        )
        panels = [_outlined(picture, mask), _judged(picture, corners, reason)]
        _scale_bar(panels[0], mpp)
    counts = {name: int(np.count_nonzero(reason == value)) for name, value in REASONS.items()}
    with written_whole(overview_path) as partial:
        _page(panels, title, note, counts).save(partial, "PNG")


def _outlined(picture: Image.Image, mask: npt.NDArray[np.uint8]) -> Image.Image:
    """Draw the outline of the tissue on a picture, inside the tissue, two px wide."""
    tissue = Image.fromarray(mask > 0).resize(picture.size, Image.Resampling.NEAREST)
    padded = np.pad(np.asarray(tissue), 2, mode="edge")
    rows, columns = padded[:, 2:-2], padded[2:-2]
    inner = rows[:-4] & rows[4:] & columns[:, :-4] & columns[:, 4:]
    outlined = picture.copy()
    outlined.paste(OUTLINE, mask=Image.fromarray(np.asarray(tissue) & ~inner))
    return outlined


def _judged(
    picture: Image.Image, corners: npt.NDArray[np.float64], reason: npt.NDArray[np.uint8]
) -> Image.Image:
    """Lay the verdicts over a picture, of which `corners` (n, 4, 2) are in px."""
    judged = picture.copy()
    for name, value in REASONS.items():
        own = corners[reason == value]
        if not len(own):
            continue
        alpha = 0.25 if name == "kept" else 0.6  # show its tissue, or the reason
        cover = Image.new("L", picture.size)
        draw = ImageDraw.Draw(cover)
        for box in boxes(own):
            draw.rectangle(box, fill=int(alpha * OPAQUE), outline=int((alpha + 0.2) * OPAQUE))
        judged.paste(COLOURS[name], mask=cover)
    return judged


def _scale_bar(picture: Image.Image, mpp: float) -> None:
    width, height = picture.size
    length_mm = scale_bar_mm(width * mpp / 1000)
    length = length_mm * 1000 / mpp
    x, y = 0.03 * width, 0.97 * height
    draw = ImageDraw.Draw(picture)
    # With a light rim, it can be read on dark tissue, too.
    draw.rectangle((x - 2, y - 2, x + length + 2, y + 6), fill="white")
    draw.rectangle((x, y, x + length, y + 4), fill="black")
    rim: Any = {"stroke_width": 3, "stroke_fill": "white"}
    words, font = f"{length_mm:g} mm", _font()
    middle = x + max(length, font.getlength(words)) / 2
    draw.text((middle, y - 6), words, "black", font, anchor="ms", **rim)


def _page(panels: list[Image.Image], title: str, note: str, counts: dict[str, int]) -> Image.Image:
    """Put panels side by side below a title, and above the legend of the verdicts."""
    font = _font()
    wide = max([NARROWEST_PX, *(panel.width for panel in panels)])
    width = 2 * wide + 3 * MARGIN_PX
    letters = int(width / font.getlength("n"))
    words = [line for text in (title, note) for line in textwrap.wrap(text, letters)]
    legend = [(COLOURS[name], f"{name} {count}") for name, count in counts.items() if count]
    cell = 70 + max([0, *(font.getlength(text) for _, text in legend)])
    in_row = max(1, int(width // cell))
    top = LINE_PX * len(words) + 2 * MARGIN_PX
    tall = max([0, *(panel.height for panel in panels)])
    below = LINE_PX * -(-len(legend) // in_row) + 2 * MARGIN_PX
    page = Image.new("RGB", (width, top + tall + below), "white")
    draw = ImageDraw.Draw(page)
    for row, line in enumerate(words):
        at = (width / 2, MARGIN_PX + LINE_PX * (row + 0.5))
        draw.text(at, line, "black", font, anchor="mm")
    for number, panel in enumerate(panels):
        left = MARGIN_PX + number * (wide + MARGIN_PX) + (wide - panel.width) // 2
        page.paste(panel, (left, top))
    start = (width - cell * min(in_row, len(legend))) / 2 + 20
    for number, (colour, text) in enumerate(legend):
        row, column = divmod(number, in_row)
        x, y = start + column * cell, top + tall + MARGIN_PX + LINE_PX * (row + 0.5)
        draw.rectangle((x, y - 7, x + 28, y + 7), fill=colour)
        draw.text((x + 36, y), text, "black", font, anchor="lm")
    return page


@cache
def _font() -> ImageFont.FreeTypeFont:
    """Return the figures' font, which comes with matplotlib: the same picture on every machine."""
    font = distribution("matplotlib").locate_file("matplotlib/mpl-data/fonts/ttf/DejaVuSans.ttf")
    return ImageFont.truetype(str(font), FONT_PX)


def scale_bar_mm(width_mm: float) -> float:
    """Return a round length, at most a third of the picture's width."""
    longest_mm = width_mm / 3
    power = float(10.0 ** np.floor(np.log10(longest_mm)))
    # The power may be rounded to just above the longest.
    return max(step * power for step in (0.5, 1, 2, 5) if step * power <= longest_mm)


def on_thumbnail(
    coords: npt.NDArray[np.int32],
    origin_px: npt.ArrayLike,
    side_px: float,
    downsample: float,
) -> npt.NDArray[np.float64]:
    """Return the corners (n, 4, 2) of squares on a thumbnail, in its px.

    Of the squares, `coords` (n, 2) are the top left corners and `side_px` the width, in level-0 px;
    the thumbnail begins at `origin_px` of level 0.
    """
    side = float(side_px) * np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    return np.asarray((coords[:, None] - np.asarray(origin_px) + side) / float(downsample))


def boxes(corners: npt.NDArray[np.float64]) -> list[list[int]]:
    """Return the first and the last pixel, as left, top, right, bottom, of squares (n, 4, 2)."""
    first = np.rint(corners[:, 0]).astype(int)
    last = np.maximum(first, np.rint(corners[:, 2]).astype(int) - 1)
    found: list[list[int]] = np.hstack([first, last]).tolist()
    return found
