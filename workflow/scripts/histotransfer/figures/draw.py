"""The figures, by name: each is drawn from tables alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from ..core.errors import HistotransferError
from ..results.rows import with_controls_marked, with_tasks_told_apart
from ..results.tables import Paths, Tables, read_tables
from . import (
    calibration,
    cohort_flow,
    embedding,
    expression,
    forest,
    gallery,
    heatmaps,
    learning_curves,
    mutation,
    qc,
    ranks,
    resource_usage,
    sensitivity,
    style,
    survival,
    tissue,
    training,
    truth,
    validation,
)

PAINTERS: Mapping[str, Callable[[Tables, float], Figure]] = {
    "answers": forest.tasks,
    "forest": forest.targets,
    "ranks": ranks.chart,
    "learning_curves": learning_curves.by_task,
    "tissue_accuracy": tissue.accuracy,
    "confusion": tissue.confusion,
    "class_roc": tissue.roc,
    "embedding": embedding.layout,
    "expression": expression.scatter,
    "volcano": expression.volcano,
    "mutation": mutation.auroc,
    "roc": mutation.roc,
    "calibration": calibration.reliability,
    "survival": survival.curves,
    "gallery": gallery.patches,
    "heatmaps": heatmaps.maps,
    "qc": qc.overview,
    "cohort_flow": cohort_flow.chart,
    "costs": resource_usage.by_rule,
    "training": training.curves,
    "classifier": tissue.classifier,
    "truth": truth.recovery,
    "validation": validation.forest,
    "robustness": sensitivity.by_task,
}
"""How each figure of `study.catalogue.FIGURES` is drawn."""


def draw(
    name: str,
    paths: Paths,
    outputs: Sequence[str | Path],
    *,
    study: str,
    alpha: float,
    controls: Collection[str] = (),
) -> None:
    """Draw one figure from its tables.

    Parameters
    ----------
    name : str
        A name in `PAINTERS`.
    paths : mapping
        Where its tables are (see `read_tables`).
    outputs : sequence of str or Path
        Files to write, ``.pdf`` or ``.png``.
    study : str
        The study's name; ``simulated`` is written on the figure.
    alpha : float
        Level of significance.
    controls : collection of str
        Extractors that are marked as controls.

    Raises
    ------
    HistotransferError
        If there is no such figure. A table without anything to draw is not an error: the figure
        says so.
    """
    if name not in PAINTERS:
        raise HistotransferError(name, "is not a figure", f"Choose one of {', '.join(PAINTERS)}")
    tables = with_tasks_told_apart(with_controls_marked(read_tables(paths), controls))
    with rc_context(style.RC):
        try:
            figure = PAINTERS[name](tables, alpha)
        except style.NothingToDraw as nothing:
            figure = style.in_words(str(nothing))
        if study == "simulated":
            style.mark_simulated(figure)
        style.save(figure, outputs)
