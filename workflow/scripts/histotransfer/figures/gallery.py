"""A gallery: the patches that predict the best genes most and least."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from ..results.rows import of_kind
from ..results.schemas import PATCH
from ..results.tables import Tables
from . import style

LEFT_MM, TOP_MM = 2.0, 17.0
SIDE_MM, GAP_MM, WORDS_MM = 13.2, 1.0, 12.0
"""A patch's side, the space beside it, and the space for the words above and below it."""


def patches(tables: Tables, alpha: float) -> Figure:
    """Draw one row of patches per gene: the highest predicted at the left, the lowest right."""
    table = tables["gallery"]
    pictures = tables["gallery_images"].drop_duplicates(list(PATCH)).set_index(list(PATCH))
    if table.empty:
        raise style.NothingToDraw(
            "No target is predicted better than chance, so no patch is shown."
        )
    mutations = set(of_kind(tables["comparison"], "mutation")["task"])
    genes = [rows for _, rows in table.groupby(["task", "target"], sort=False)]
    tall = TOP_MM + len(genes) * (SIDE_MM + WORDS_MM) + 6
    figure = style.page(tall)
    figure.set_layout_engine("none")  # every patch has its place
    for number, rows in enumerate(genes):
        top = TOP_MM + number * (SIDE_MM + WORDS_MM)
        row = rows.iloc[0]
        mutation = row["task"] in mutations
        score = f"{'AUROC' if mutation else 'r'} = {row['score']:.2f} with {row['extractor']}"
        place = LEFT_MM / style.PAGE_MM, 1 - top / tall
        figure.text(*place, f"{row['target']}  {score}", weight="bold", va="top")
        for side, shift in (("highest", 0.0), ("lowest", style.PAGE_MM / 2)):
            of_side = rows[rows["side"] == side]
            for _, row in of_side.iterrows():
                left = LEFT_MM + shift + (int(row["rank"]) - 1) * (SIDE_MM + GAP_MM)
                corner = left / style.PAGE_MM, 1 - (top + 4.5 + SIDE_MM) / tall
                axes = figure.add_axes((*corner, SIDE_MM / style.PAGE_MM, SIDE_MM / tall))
                axes.set_axis_off()
                picture = pictures.loc[tuple(row[list(PATCH)])]
                if picture["shown"]:
                    axes.imshow(picture["image"], interpolation="lanczos")
                else:
                    axes.text(0.5, 0.5, "slide\ngone", ha="center", va="center", color=style.GREY)
                look: style.Look = {"transform": axes.transAxes, "ha": "center", "va": "top"}
                axes.text(0.5, -0.06, _below(row, mutation), fontsize=5, **look)
    for side, shift in (("Highest predictions", 0.0), ("Lowest predictions", style.PAGE_MM / 2)):
        place = (LEFT_MM + shift) / style.PAGE_MM, 1 - 12 / tall
        figure.text(*place, side, color=style.GREY, va="top")
    style.headline(figure, "Patches that predict the best targets most and least, one per patient")
    return figure


def _below(row: pd.Series, mutation: bool) -> str:
    if pd.isna(row["label"]):
        measured = "not measured"
    elif mutation:
        measured = "positive" if row["label"] == 1 else "negative"
    else:
        measured = f"measured {_in_short(row['label'])}"
    return f"predicted {_in_short(row['prediction'])}\n{measured}"


def _in_short(number: float) -> str:
    """Write three digits, or two and a sign: captions stand close together."""
    decimals = 2 if 0 <= number < 9.995 else 1 if -9.95 < number < 99.95 else 0
    return f"{number:.{decimals}f}".replace("-", "−")
