"""Paint nine classes of H&E tissue as concentrations of two stains, and stains as RGB.

Each class is a function ``(rng, shape, um) -> (haematoxylin, eosin)`` of a random generator, a
shape in pixels and the number of pixels per micrometre. Concentrations are in units in which 1 is
an ordinarily stained nucleus or muscle fibre; the Beer–Lambert law turns them into colour
(Ruifrok & Johnston 2001). Sizes of cells and glands are those of human colon, in µm. The ranges
from which each patch draws its parameters overlap between classes on purpose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Field = NDArray[np.float32]
Floats = NDArray[np.float32] | NDArray[np.float64]
Shape = tuple[int, int]
Stains = tuple[Floats, Floats]


# --- Primitives -----------------------------------------------------------------------------------


def noise(rng: np.random.Generator, shape: Shape, scale_px: float) -> Field:
    """Smooth noise, about zero mean and unit variance, whose lumps are `scale_px` wide."""
    height, width = shape
    scale_px = max(scale_px, 1.0)
    rows, columns = height / scale_px, width / scale_px
    coarse = rng.standard_normal((int(rows) + 4, int(columns) + 4), dtype=np.float32)
    box = (1.0, 1.0, 1.0 + columns, 1.0 + rows)
    smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC, box)
    field: Field = np.asarray(smooth, dtype=np.float32) * np.float32(1.3)
    return field


def scatter(rng: np.random.Generator, shape: Shape, spacing_px: float, jitter: float) -> Field:
    """Points (n, 2) as x, y in pixels: a hexagonal lattice, each point moved at random.

    `jitter` is the standard deviation in units of the spacing. Points lie up to two spacings
    outside the frame, so that what is drawn at them is cut by the frame as in a real field of view.
    """
    height, width = shape
    origin = rng.uniform(-2, -1, 2)
    x = np.arange(origin[0], width / spacing_px + 2)
    y = np.arange(origin[1], height / spacing_px + 2, np.sqrt(0.75))
    grid_x, grid_y = np.meshgrid(x, y)
    grid_x[1::2] += 0.5
    points = np.stack([grid_x.ravel(), grid_y.ravel()], axis=1)
    points += rng.normal(0, jitter, points.shape)
    return (points * spacing_px).astype(np.float32)


def at(field: Field, points: Field) -> Field:
    """Values of `field` at points (n, 2), each taken at the nearest pixel inside the frame."""
    column = np.clip(points[:, 0], 0, field.shape[1] - 1).astype(int)
    row = np.clip(points[:, 1], 0, field.shape[0] - 1).astype(int)
    values: Field = field[row, column]
    return values


def blobs(
    rng: np.random.Generator,
    shape: Shape,
    centres: Field,
    radius_px: Floats | float,
    *,
    stretch: Floats | float = 1.0,
    angle: Floats | float = 0.0,
    rough: float = 0.05,
    level: tuple[float, float] = (0.6, 1.0),
    soft_px: float = 0.8,
) -> Field:
    """Draw rounded bodies: elongated `stretch` times along `angle`, uneven by `rough`, 0 to 1."""
    n, corners = len(centres), 12
    turn = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    uneven = rng.normal(1, rough, (n, corners)) if rough else np.ones((n, corners))
    radius = np.broadcast_to(radius_px, n)[:, None] * (uneven + np.roll(uneven, 1, axis=1)) / 2
    long = radius * np.sqrt(np.broadcast_to(stretch, n))[:, None] * np.cos(turn)
    short = radius / np.sqrt(np.broadcast_to(stretch, n))[:, None] * np.sin(turn)
    cosine, sine = (f(np.broadcast_to(angle, n))[:, None] for f in (np.cos, np.sin))
    x = centres[:, :1] + long * cosine - short * sine
    y = centres[:, 1:] + long * sine + short * cosine
    outlines = np.stack([x, y], axis=2).reshape(n, 2 * corners).tolist()
    shades = rng.uniform(255 * level[0], 255 * level[1], n).astype(int).tolist()
    canvas = Image.new("L", (shape[1], shape[0]))
    draw = ImageDraw.Draw(canvas)
    for outline, shade in zip(outlines, shades, strict=True):
        draw.polygon(outline, fill=shade)
    soft = canvas.filter(ImageFilter.GaussianBlur(soft_px))
    return np.asarray(soft, dtype=np.float32) / np.float32(255)


@dataclass(frozen=True)
class Fibres:
    """A field of fibres, about zero mean and unit variance, and their direction at each pixel."""

    texture: Field
    angle: Field


def fibres(
    rng: np.random.Generator,
    shape: Shape,
    *,
    width_px: float,
    length_px: float,
    wave_px: float,
    sway_px: float,
) -> Fibres:
    """Draw fibres in one random main direction that wander by `sway_px` over waves of `wave_px`."""
    main = rng.uniform(0, np.pi)
    sway = noise(rng, shape, wave_px) * np.float32(sway_px)
    cosine, sine = np.float32(np.cos(main)), np.float32(np.sin(main))
    x = np.arange(shape[1], dtype=np.float32)
    y = np.arange(shape[0], dtype=np.float32)[:, None]
    along = x * cosine + y * sine
    across = y * cosine - x * sine + sway
    grain = rng.standard_normal((256, 256), dtype=np.float32)
    texture = np.zeros(shape, dtype=np.float32)
    for finer, weight in ((1.0, 1.1), (2.7, 0.9)):  # fibres, and the fibrils they are made of
        where = np.stack([across / np.float32(width_px), along / np.float32(length_px)])
        where *= np.float32(finer)
        texture += np.float32(weight) * scipy.ndimage.map_coordinates(
            grain, where, order=1, mode="grid-wrap"
        )
    # A fibre is a line of constant `across`: the slope of the sway turns it.
    slope_y, slope_x = (np.diff(sway, axis=i, append=sway.take([-1], axis=i)) for i in (0, 1))
    turn = np.arctan2(slope_x * cosine + slope_y * sine, 1 + slope_y * cosine - slope_x * sine)
    return Fibres(texture, np.float32(main) - turn)


def nearest(shape: Shape, points: Field, step_px: float) -> tuple[Field, Field]:
    """Distances in pixels to the nearest and to the second nearest point, found at a coarse step.

    Half the sum is how far a pixel is from its cell's centre, the difference is zero on the walls.
    """
    height, width = shape
    rows, columns = int(height / step_px) + 2, int(width / step_px) + 2
    y, x = np.meshgrid(np.linspace(0, height, rows), np.linspace(0, width, columns), indexing="ij")
    distance, _ = scipy.spatial.cKDTree(points).query(np.stack([x.ravel(), y.ravel()], axis=1), k=2)
    planes = distance.astype(np.float32).reshape(rows, columns, 2)
    size, smooth = (width, height), Image.Resampling.BICUBIC
    first, second = (
        np.asarray(Image.fromarray(np.ascontiguousarray(planes[..., i])).resize(size, smooth))
        for i in (0, 1)
    )
    return first, second


def step(field: Field, edge: float, soft: float) -> Field:
    """Rise from 0 to 1 where `field` passes `edge`, over a width of `soft`."""
    risen: Field = np.clip((field - np.float32(edge)) / np.float32(soft) + np.float32(0.5), 0, 1)
    return risen


# --- The nine classes -----------------------------------------------------------------------------


def _adipose(rng: np.random.Generator, shape: Shape, um: float) -> Stains:
    """Fat cells: large empty vacuoles between thin walls, a flat nucleus here and there."""
    size = rng.uniform(45, 80) * um
    centres = scatter(rng, shape, size, 0.18)
    first, second = nearest(shape, centres, 2 * um)
    wall_um = rng.uniform(1.5, 4.0)
    gap = second - first + noise(rng, shape, 12 * um) * np.float32(1.2 * um)
    wall = 1 - step(gap, wall_um * um, 1.5 * um)
    corners = scatter(rng, shape, 35 * um, 0.4)
    corners = corners[at(wall, corners) > 0.5]
    flat = blobs(rng, shape, corners, 3.0 * um, stretch=2.2, angle=rng.uniform(0, 3, len(corners)))
    grain = noise(rng, shape, 2 * um)
    return flat * 0.9 + wall * 0.15, wall * (0.55 + 0.15 * grain) + 0.02


def _background(rng: np.random.Generator, shape: Shape, um: float) -> Stains:
    """Glass: nothing but a faint uneven veil and specks of dust."""
    uneven = np.clip(0.5 + 0.3 * noise(rng, shape, 60 * um), 0, 1)
    veil = uneven * np.float32(rng.uniform(0.0, 0.03))
    dust = scatter(rng, shape, 90 * um, 0.5)
    dust = dust[rng.random(len(dust)) < 0.3]
    specks = blobs(rng, shape, dust, rng.uniform(0.5, 2.0, len(dust)) * um, rough=0.3)
    return specks * 0.5 + veil, veil


def _debris(rng: np.random.Generator, shape: Shape, um: float) -> Stains:
    """Necrosis: granular eosinophilic matter, ghosts and crumbs of nuclei, holes."""
    grain = noise(rng, shape, rng.uniform(1.2, 2.5) * um)
    lumps = noise(rng, shape, rng.uniform(5, 14) * um)
    ragged = noise(rng, shape, 9 * um) + 0.5 * noise(rng, shape, 3 * um)
    solid = step(ragged, rng.uniform(-3.0, -1.6), 0.6)
    ghosts = scatter(rng, shape, rng.uniform(11, 18) * um, 0.3)
    pale = blobs(rng, shape, ghosts, 3.5 * um, rough=0.15, level=(0.05, 0.35), soft_px=1.2 * um)
    crumbs = scatter(rng, shape, rng.uniform(10, 30) * um, 0.5)
    size = rng.uniform(0.6, 1.8, len(crumbs)) * um
    dark = blobs(rng, shape, crumbs, size, rough=0.25)
    matter = np.clip(0.62 + 0.16 * grain + 0.16 * lumps, 0.05, None) * (0.2 + 0.8 * solid)
    return 0.5 * pale + 0.85 * dark + 0.25 * matter, matter


def _lymphocytes(rng: np.random.Generator, shape: Shape, um: float) -> Stains:
    """Lymphocytes: small round dark nuclei, packed, with hardly any cytoplasm."""
    spacing = rng.uniform(7.2, 11.5)
    centres = scatter(rng, shape, spacing * um, 0.17)
    thinned = noise(rng, shape, 25 * um)
    centres = centres[at(thinned, centres) > -1.7]
    radius = rng.normal(3.1, 0.35, len(centres)).clip(2) * um
    nuclei = blobs(rng, shape, centres, radius, stretch=1.15, angle=rng.uniform(0, 3, len(centres)))
    chromatin = 1 + 0.22 * noise(rng, shape, 1.0 * um)
    ground = np.clip(0.28 + 0.15 * noise(rng, shape, 4 * um), 0.02, None)
    return nuclei * chromatin * 1.15 + 0.3 * ground, ground + 0.15 * nuclei


def _mucus(rng: np.random.Generator, shape: Shape, um: float) -> Stains:
    """Mucus: pale bluish pools with fine strands, few cells afloat."""
    bend = rng.uniform(8, 16) * um
    strand = fibres(
        rng, shape, width_px=5 * um, length_px=40 * um, wave_px=45 * um, sway_px=bend
    ).texture
    ridges = np.clip(1 - np.abs(strand) * 2.2, 0, 1)
    pools = np.clip(0.5 + 0.4 * noise(rng, shape, 30 * um), 0, 1)
    grain = noise(rng, shape, 4 * um) + noise(rng, shape, 1.7 * um)
    veil = np.clip(0.10 + 0.03 * grain, 0, None)
    cells = scatter(rng, shape, 30 * um, 0.45)
    cells = cells[rng.random(len(cells)) < rng.uniform(0.05, 0.6)]
    nuclei = blobs(rng, shape, cells, rng.uniform(2, 3.6, len(cells)) * um, rough=0.1)
    amount = np.float32(rng.uniform(0.25, 0.6))
    return (
        0.9 * nuclei + amount * ridges * pools + veil + 0.08 * pools,
        0.3 * nuclei + 0.35 * amount * ridges * pools + 0.3 * veil,
    )


def _spindles(
    rng: np.random.Generator,
    shape: Shape,
    um: float,
    bed: Fibres,
    spacing_um: float,
    stretch: float,
) -> Field:
    """Elongated nuclei that lie along the fibres of `bed`."""
    centres = scatter(rng, shape, spacing_um * um, 0.4)
    angle = at(bed.angle, centres) + rng.normal(0, 0.12, len(centres))
    radius = rng.uniform(2.0, 3.2, len(centres)) * um
    long = stretch * rng.uniform(0.7, 1.4, len(centres))
    return blobs(rng, shape, centres, radius, stretch=long, angle=angle, rough=0.06)


def _muscle(rng: np.random.Generator, shape: Shape, um: float) -> Stains:
    """Smooth muscle: parallel compact eosin bundles, cigar-shaped nuclei, a few thin clefts."""
    bed = fibres(
        rng,
        shape,
        width_px=rng.uniform(2.5, 4.5) * um,
        length_px=rng.uniform(40, 90) * um,
        wave_px=rng.uniform(60, 120) * um,
        sway_px=rng.uniform(2, 12) * um,
    )
    nuclei = _spindles(rng, shape, um, bed, rng.uniform(15, 26), rng.uniform(3.5, 7))
    clefts = step(bed.texture, rng.uniform(-2.6, -1.6), 0.5)
    bundle = np.clip(0.72 + 0.12 * bed.texture + 0.05 * noise(rng, shape, um), 0.1, None)
    bundle = bundle * (0.25 + 0.75 * clefts)
    return 0.8 * nuclei + 0.16 * bundle, bundle


def _stroma(rng: np.random.Generator, shape: Shape, um: float) -> Stains:
    """Stroma: loose wavy collagen with gaps, spindle nuclei along it, some round cells."""
    bed = fibres(
        rng,
        shape,
        width_px=rng.uniform(3.0, 5.5) * um,
        length_px=rng.uniform(20, 45) * um,
        wave_px=rng.uniform(22, 50) * um,
        sway_px=rng.uniform(3, 10) * um,
    )
    nuclei = _spindles(rng, shape, um, bed, rng.uniform(13, 24), rng.uniform(2.2, 5))
    guests = scatter(rng, shape, 28 * um, 0.45)
    guests = guests[rng.random(len(guests)) < rng.uniform(0, 0.8)]
    round_cells = blobs(rng, shape, guests, 2.8 * um, rough=0.08)
    gaps = step(bed.texture, rng.uniform(-1.6, -0.6), 0.8)
    collagen = np.clip(0.6 + rng.uniform(0.14, 0.28) * bed.texture, 0.08, None)
    collagen = collagen * (0.2 + 0.8 * gaps)
    return 0.8 * nuclei + 0.95 * round_cells + 0.14 * collagen, collagen


def _normal(rng: np.random.Generator, shape: Shape, um: float) -> Stains:
    """Mucosa, normal: regular round crypts with goblet cells, nuclei at their base, a lumen."""
    spacing = rng.uniform(62, 90) * um
    crypts = scatter(rng, shape, spacing, 0.06)
    outer = spacing * rng.uniform(0.40, 0.46)
    first, _ = nearest(shape, crypts, 2 * um)
    edge = first + noise(rng, shape, 14 * um) * np.float32(1.3 * um)
    inside = 1 - step(edge, outer, 1.5 * um)
    lumen = 1 - step(edge, outer * rng.uniform(0.12, 0.26), 2.5 * um)

    def ring(radius: float, count: int, wobble_um: float) -> tuple[Field, Floats]:
        turn = np.arange(count) / count * 2 * np.pi + rng.uniform(0, 6, (len(crypts), 1))
        reach = radius + rng.normal(0, wobble_um * um, turn.shape)
        x = crypts[:, :1] + reach * np.cos(turn)
        y = crypts[:, 1:] + reach * np.sin(turn)
        return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32), turn.ravel()

    base, outward = ring(outer - 3.5 * um, int(2 * np.pi * outer / (6.0 * um)), 0.7)
    nuclei = blobs(rng, shape, base, 2.9 * um, stretch=1.7, angle=outward, rough=0.06)
    vacuoles, outward = ring(outer * 0.62, int(2 * np.pi * outer * 0.62 / (9.5 * um)), 1.2)
    shown = rng.random(len(vacuoles)) < rng.uniform(0.55, 1.0)
    goblets = blobs(
        rng, shape, vacuoles[shown], 4.6 * um, stretch=1.4, angle=outward[shown], level=(0.7, 1)
    )
    between = scatter(rng, shape, rng.uniform(9, 14) * um, 0.3)
    between = between[at(inside, between) < 0.3]
    propria = blobs(rng, shape, between, 2.6 * um, stretch=1.3, rough=0.1)
    loose = np.clip(0.38 + 0.18 * noise(rng, shape, 4 * um), 0.05, None)
    cytoplasm = inside * (0.45 + 0.08 * noise(rng, shape, 2 * um)) * (1 - 0.85 * goblets)
    cytoplasm = cytoplasm * (1 - lumen)
    return (
        0.95 * nuclei + 0.9 * propria + 0.45 * cytoplasm + 0.10 * goblets * inside + 0.05 * loose,
        (1 - inside) * loose + 0.75 * cytoplasm + 0.1 * nuclei,
    )


def _tumour(rng: np.random.Generator, shape: Shape, um: float) -> Stains:
    """Carcinoma: crowded, large, uneven nuclei in nests with slit-like lumina, some stroma."""
    nest = noise(rng, shape, rng.uniform(30, 55) * um)
    epithelium = step(nest, rng.uniform(-1.5, -0.5), 0.12)
    slits = step(noise(rng, shape, rng.uniform(10, 18) * um), rng.uniform(1.1, 2.2), 0.15)
    centres = scatter(rng, shape, rng.uniform(8.5, 13.0) * um, 0.2)
    keep = (at(epithelium, centres) > 0.5) & (at(slits, centres) < 0.5)
    centres = centres[keep]
    n = len(centres)
    radius = (rng.uniform(3.5, 4.9) * rng.lognormal(0, rng.uniform(0.1, 0.25), n)).clip(2.5, 8) * um
    stretch, angle = rng.uniform(1, 1.9, n), rng.uniform(0, np.pi, n)
    nuclei = blobs(
        rng, shape, centres, radius, stretch=stretch, angle=angle, rough=0.12, level=(0.6, 1)
    )
    # Vesicular nuclei: pale inside a dark rim, with a nucleolus.
    pale = blobs(
        rng, shape, centres, radius - 0.9 * um, stretch=stretch, angle=angle, level=(0.1, 0.9)
    )
    nucleoli = blobs(rng, shape, centres + np.float32(0.8 * um), 0.9 * um)
    chromatin = 1 + 0.2 * noise(rng, shape, 1.2 * um) - np.float32(rng.uniform(0.2, 0.6)) * pale
    bed = fibres(
        rng, shape, width_px=4 * um, length_px=30 * um, wave_px=35 * um, sway_px=6 * um
    ).texture
    stroma = (1 - epithelium) * np.clip(0.55 + 0.2 * bed, 0.05, None)
    cytoplasm = epithelium * (1 - slits) * (0.42 + 0.1 * noise(rng, shape, 3 * um))
    return (
        nuclei * chromatin + 0.3 * nucleoli * nuclei + 0.45 * cytoplasm + 0.1 * stroma,
        stroma + cytoplasm,
    )


_PAINTERS: dict[str, Callable[[np.random.Generator, Shape, float], Stains]] = {
    "ADI": _adipose,
    "BACK": _background,
    "DEB": _debris,
    "LYM": _lymphocytes,
    "MUC": _mucus,
    "MUS": _muscle,
    "NORM": _normal,
    "STR": _stroma,
    "TUM": _tumour,
}
CLASSES = tuple(_PAINTERS)


def paint(tissue: str, rng: np.random.Generator, shape: Shape, mpp: float) -> Field:
    """Paint one of `CLASSES` as concentrations (2, h, w) of haematoxylin and eosin, from 0 up."""
    stains: Field = np.stack(_PAINTERS[tissue](rng, shape, 1 / mpp)).astype(np.float32)
    return np.maximum(stains, 0)


# --- Colour ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stain:
    """How one laboratory's stains and scanner look.

    Attributes
    ----------
    vectors : ndarray of float32, shape (2, 3)
        Optical density (natural logarithm) of unit haematoxylin and eosin in R, G, B.
    white : ndarray of float32, shape (3,)
        RGB of empty glass, 0 to 255.
    """

    vectors: Field
    white: Field


def draw_stain(rng: np.random.Generator) -> Stain:
    """Draw a laboratory's stain: hue and strength vary about common H&E."""
    vectors = np.array([[0.62, 0.71, 0.33], [0.16, 0.88, 0.38]])
    vectors = vectors + rng.normal(0, 0.05, (2, 3))
    vectors = vectors.clip(0.02) / np.linalg.norm(vectors, axis=1, keepdims=True)
    strength = np.array([1.75, 0.95]) * rng.lognormal(0, 0.22, 2)
    white = 243 + rng.normal(0, 3, 3)
    return Stain((vectors * strength[:, None]).astype(np.float32), white.astype(np.float32))


def develop(stains: Field, stain: Stain, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Turn concentrations (2, h, w) into RGB (h, w, 3) by the Beer–Lambert law, with some noise."""
    grain = rng.standard_normal(stains.shape[1:], dtype=np.float32) * np.float32(2)
    pixels = np.empty((*grain.shape, 3), dtype=np.uint8)
    for channel, (white, (haematoxylin, eosin)) in enumerate(
        zip(stain.white, stain.vectors.T, strict=True)
    ):
        light = white * np.exp(-haematoxylin * stains[0] - eosin * stains[1]) + grain
        pixels[..., channel] = np.clip(light + np.float32(0.5), 0, 255)
    return pixels
