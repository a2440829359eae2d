"""Which slides tell something of a target: those that heatmaps and gallery show, and extremes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import pandas as pd

from ..core.hdf5 import open_store
from ..evaluation.predictions import SCHEMA
from .tables import Tables

EXTREMES = 3
"""Patients of the highest, and of the lowest, prediction."""
MOST_TARGETS = 2000
"""Of a task with more targets, only those of the smallest q have slides."""

Links = dict[str, dict[str, list[tuple[str, int]]]]
"""By task and target: why a slide is worth a look, and its place in the list of slides."""


def slides_of_targets(
    tables: Tables,
    predictions: Mapping[str, Mapping[str, str]],
    patients: Mapping[str, str],
    slides: Sequence[str],
) -> Links:
    """Say, by task and target, which slides to look at and why.

    Parameters
    ----------
    tables : mapping
        `comparison`; `heatmaps` and `gallery`, if the study has them.
    predictions : mapping
        Files of out-of-fold predictions, by task of patients and extractor.
    patients : mapping of str to str
        By slide.
    slides : sequence of str
        Those that can be shown.
    """
    place = {slide: number for number, slide in enumerate(slides)}
    links: Links = defaultdict(lambda: defaultdict(list))
    if not place:
        return {}
    for name, why in (("heatmaps", "why"), ("gallery", "side")):
        if name in tables:
            rows = tables[name].drop_duplicates(["task", "target", "slide", why])
            said = {"heatmaps": "heatmap, {}", "gallery": "patches of the {} prediction"}[name]
            for task, target, slide, reason in rows[["task", "target", "slide", why]].itertuples(
                index=False, name=None
            ):
                if slide in place:
                    links[task][target].append((said.format(reason), place[slide]))
    of_patient: dict[str, list[int]] = defaultdict(list)
    for slide, number in place.items():
        of_patient[patients[slide]].append(number)
    best = tables["comparison"].sort_values("q_bh", kind="stable")
    for task, by_extractor in predictions.items():
        wanted = best.loc[best["task"] == task, "target"].drop_duplicates().head(MOST_TARGETS)
        for target, side, patient in extremes(by_extractor, set(wanted), task=task):
            for number in of_patient.get(patient, []):
                links[task][target].append((f"patients of the {side} prediction", number))
    return {task: dict(of_task) for task, of_task in links.items()}


def extremes(
    files: Mapping[str, str], targets: set[str], *, task: str
) -> list[tuple[str, str, str]]:
    """Return target, side and patient of the highest and the lowest out-of-fold predictions.

    `files` are blocks of predictions by extractor, of which the first repeat counts. A patient's
    prediction is the mean of its ranks over the extractors, whose scores differ in scale.
    """
    ranks: pd.DataFrame | None = None
    for extractor, path in files.items():
        with open_store(path, SCHEMA, task=task, extractor=extractor) as store:
            samples, names = store["sample"].asstr()[:], store["target"].asstr()[:]
            values = pd.DataFrame(store["predictions"][0], samples, names)
        own = values[[name for name in names if name in targets]].rank(pct=True)
        ranks = own if ranks is None else ranks + own
    if ranks is None:
        return []
    rows = []
    for target in ranks:
        order = ranks[target].dropna().sort_values(kind="stable", ascending=False)
        some = min(EXTREMES, len(order) // 2)
        rows += [(str(target), "highest", str(who)) for who in order.index[:some]]
        rows += [(str(target), "lowest", str(who)) for who in order.index[::-1][:some]]
    return rows
