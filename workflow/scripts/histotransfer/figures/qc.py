"""Quality control: how many patches are kept, and why the others are not."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..qc.verdicts import COLOURS
from ..results.tables import Tables
from ..results.words import count
from . import style

ORDER = ["kept", *(reason for reason in COLOURS if reason != "kept")]


def overview(tables: Tables, alpha: float) -> Figure:
    """Draw the patches by reason: of the whole cohort, and of each slide."""
    table, excluded = tables["qc"], tables["excluded_slides"]
    reasons = [name for name in ORDER if name in table]
    counts = table[reasons].fillna(0)
    total = counts.to_numpy().sum()
    if total == 0:
        raise style.NothingToDraw(f"No slide yielded a patch ({_excluded(excluded)}).")
    used = counts[counts.sum(axis=1) > 0]
    share = used.div(used.sum(axis=1), axis=0)
    order = share["kept"].sort_values(ascending=False, kind="stable").index
    figure = style.page(96)
    top, left, right = figure.subplot_mosaic(
        [["cohort", "cohort"], ["share", "count"]], height_ratios=[0.5, 2], width_ratios=[1.6, 1]
    ).values()

    start = 0.0
    whole = counts.sum() / total
    for reason in reasons:
        width, label = 100 * whole[reason], f"{reason} {_percent(whole[reason])}"
        top.barh(0, width, left=start, color=COLOURS[reason], height=0.8, label=label)
        start += width
    top.set(xlim=(0, 100), yticks=[], xlabel=f"patches of the cohort (%), n = {int(total):,}")
    top.spines["left"].set_visible(False)
    top.legend(**style.ABOVE, ncols=4, borderaxespad=0.2, handlelength=0.9, columnspacing=1.0)

    edges = np.arange(len(order) + 1) - 0.5
    bottom = np.zeros(len(order))
    for reason in reasons:
        above = bottom + 100 * share.loc[order, reason].to_numpy()
        left.stairs(above, edges, baseline=bottom, fill=True, color=COLOURS[reason])
        bottom = above
    left.set(xlim=(-0.5, len(order) - 0.5), ylim=(0, 100))
    left.set_xlabel(f"slides, ordered by share kept, n = {len(order)}")
    left.set_ylabel("patches of the slide (%)")

    right.hist(used["kept"], bins=min(30, max(5, len(used) // 3)), color=COLOURS["kept"])
    right.set(xlabel="kept patches per slide", ylabel=f"slides, n = {len(used)}")
    style.grid(right, axis="y")
    patients = tables["cohort"]
    with_patches = int((patients["n_patches"] > 0).sum())
    style.headline(
        figure,
        f"{_percent(whole['kept'])} of the patches are kept, from {with_patches} of "
        f"{len(patients)} patients; {_excluded(excluded)}",
    )
    return figure


def _percent(share: float) -> str:
    percent = 100 * share
    return "0 %" if percent == 0 else "< 0.1 %" if percent < 0.1 else f"{percent:.1f} %"


def _excluded(excluded: pd.DataFrame) -> str:
    return f"{count(len(excluded), 'slide')} excluded"
