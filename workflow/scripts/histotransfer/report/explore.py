"""The page to explore: every comparison in a plot and a table, and every slide with its layers."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from plotly.offline import get_plotlyjs

from ..core.files import written_whole
from ..results.extremes import slides_of_targets
from ..results.rows import with_controls_marked
from ..results.sentences import verdict
from ..results.tables import Paths, Tables, read_tables
from ..results.words import METRICS
from .pages import environment
from .slide_pictures import limits_of_targets, slide_pictures

MOST_ROWS = 30_000
"""Rows of the comparison that the page holds, some 3 MB: those of the smallest q."""
DIGITS = 4
COLUMNS = (
    "task", "target", "metric", "baseline", "extractor", "n", "baseline_mean", "extractor_mean",
    "delta", "ci_low", "ci_high", "p_corrected", "q_bh", "status",
)  # fmt: skip


def write_explore(
    paths: Paths,
    out_path: str | Path,
    *,
    study: str,
    alpha: float,
    controls: Collection[str] = (),
    patients: Mapping[str, str],
    predictions: Mapping[str, Mapping[str, str]],
    slides: Mapping[str, Sequence[str]],
    slides_folder: str | Path | None = None,
) -> None:
    """Write the page to explore: HTML with all that it needs, which asks no network for anything.

    Parameters
    ----------
    paths : mapping
        The tables `comparison` and `answers`; of a study with pictures of slides also `gallery`,
        `heatmaps` and ``heatmap_images`` (see `read_tables`).
    out_path : str or Path
    study : str
    alpha : float
        Level of significance.
    controls : collection of str
        Extractors that are marked as controls.
    patients : mapping of str to str
        By slide.
    predictions : mapping
        Out-of-fold predictions of patients, by task and extractor: they say whose slides to show.
    slides : mapping of str to two str
        The tiles and the verdicts of each slide that is shown.
    slides_folder : str or Path, optional
        Where the slides' pictures are written, one script each, which the page loads when a slide
        is chosen (a page on a disk may load scripts, but nothing else). By default they are part of
        the page.
    """
    tables = read_tables(paths)
    maps = _maps(tables)
    held: dict[str, Any] = {}
    folder = None if slides_folder is None else Path(slides_folder)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    for name, (tiles, verdicts) in slides.items():
        pictures = slide_pictures(tiles, verdicts, maps[maps["slide"] == name], slide=name)
        if folder is None:
            held[name] = pictures
        else:
            script = f"showSlide({_json(name)}, {_json(pictures)});\n"
            (folder / f"{name}.js").write_text(script, encoding="utf-8")
    shown = with_controls_marked(tables, controls)
    comparison = shown["comparison"]
    data = {
        "alpha": alpha,
        "comparison": _columns(_surest(comparison)),
        "left_out": max(0, len(comparison) - MOST_ROWS),
        "metrics": METRICS,
        "answers": _answers(shown["answers"]),
        "slides": {name: patients.get(name, "") for name in slides},
        "folder": "" if folder is None else folder.name,
        "pictures": held,
        "slides_of": slides_of_targets(tables, predictions, patients, list(slides)),
    }
    with written_whole(out_path) as partial:
        text = (
            environment()
            .get_template("explore.html")
            .render(
                study=study,
                has_slides=bool(slides),
                plotly=get_plotlyjs(),
                data=_json(data),
            )
        )
        partial.write_text(text, encoding="utf-8")


def _maps(tables: Tables) -> pd.DataFrame:
    """Return the heatmaps with their units and the ends of their colour scales."""
    if "heatmap_images" not in tables or tables["heatmap_images"].empty:
        return pd.DataFrame({"slide": []})
    maps = tables["heatmap_images"]
    units = tables["heatmaps"].drop_duplicates(["task", "target"])[["task", "target", "unit"]]
    maps = maps.merge(units, on=["task", "target"], how="left", validate="many_to_one")
    return maps.assign(limit=limits_of_targets(maps))


def _surest(comparison: pd.DataFrame) -> pd.DataFrame:
    if len(comparison) <= MOST_ROWS:
        return comparison
    return comparison.sort_values("q_bh", kind="stable").head(MOST_ROWS).sort_index()


def _columns(comparison: pd.DataFrame) -> dict[str, Any]:
    """Return columns as JSON can hold them: texts as places in a list, numbers of few digits."""
    columns: dict[str, Any] = {}
    for name in COLUMNS:
        column = comparison[name]
        if pd.api.types.is_numeric_dtype(column):
            columns[name] = [_rounded(number) for number in column.tolist()]
        else:
            codes, values = pd.factorize(column.astype(object))
            columns[name] = {"values": [str(value) for value in values], "codes": codes.tolist()}
    return columns


def _rounded(number: Any) -> float | int | None:  # noqa: ANN401
    if pd.isna(number):
        return None
    return number if isinstance(number, int) else float(f"{number:.{DIGITS}g}")


def _answers(answers: pd.DataFrame) -> list[list[str]]:
    """Return task, extractor, target, verdict and sentence of each answer to a target."""
    targets = answers[answers["scope"] == "target"].sort_values("q_bh", kind="stable")
    return [
        [row["task"], row["extractor"], row["target"], verdict(row), row["sentence"]]
        for row in targets.head(MOST_ROWS // 10).to_dict("records")
    ]


def _json(data: object) -> str:
    """Write JSON that may stand in a script element."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
