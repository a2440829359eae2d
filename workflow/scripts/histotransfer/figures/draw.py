"""The figures, by name: each is drawn from tables alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from ..core.errors import HistotransferError
from ..results.tables import Inputs, Tables, read_tables
from . import (
    cohort_flow,
    embedding,
    expression,
    gallery,
    mutation,
    qc,
    resource_usage,
    style,
    tissue,
    training,
    truth,
)
from .nothing import NothingToDraw

FIGURES: dict[str, tuple[Callable[[Tables, float], Figure], tuple[str, ...]]] = {
    "tissue_accuracy": (tissue.accuracy, ("comparison",)),
    "confusion": (tissue.confusion, ("confusion",)),
    "embedding": (embedding.layout, ("embedding",)),
    "expression": (expression.scatter, ("related_genes", "improved", "comparison")),
    "volcano": (expression.volcano, ("comparison",)),
    "mutation": (mutation.auroc, ("mutation", "comparison", "scores")),
    "roc": (mutation.roc, ("roc", "mutation")),
    "gallery": (gallery.patches, ("gallery", "gallery_images", "comparison")),
    "qc": (qc.overview, ("qc", "excluded_slides", "cohort")),
    "cohort_flow": (cohort_flow.chart, ("cohort_flow",)),
    "costs": (resource_usage.by_rule, ("costs",)),
    "training": (training.curves, ("training",)),
    "classifier": (tissue.classifier, ("classifier",)),
    "truth": (truth.recovery, ("truth",)),
}
"""How each figure is drawn, and the names of the tables it needs."""


def draw(
    name: str,
    inputs: Inputs,
    outputs: Sequence[str | Path],
    *,
    study: str,
    alpha: float = 0.05,
) -> None:
    """Draw one figure from its tables.

    Parameters
    ----------
    name : str
        A name in `FIGURES`.
    inputs : mapping
        Paths of the tables that `FIGURES` lists for it. ``scores`` is a list of every extractor's
        ``scores/{task}/{extractor}.tsv``, ``training`` of ``models/{extractor}.training.tsv``.
    outputs : sequence of str or Path
        Files to write, ``.pdf`` or ``.png``.
    study : str
        The study's name; ``simulated`` is written on the figure.
    alpha : float
        Level of significance.

    Raises
    ------
    HistotransferError
        If there is no such figure. An empty or degenerate table is no error: the figure says so.
    """
    if name not in FIGURES:
        raise HistotransferError(name, "no such figure", f"Choose one of {', '.join(FIGURES)}")
    paint, needed = FIGURES[name]
    tables = read_tables({table: inputs[table] for table in needed})
    with rc_context(style.RC):
        try:
            figure = paint(tables, alpha)
        except NothingToDraw as nothing:
            figure = style.in_words(str(nothing))
        if study == "simulated":
            style.mark_simulated(figure)
        style.save(figure, outputs)
