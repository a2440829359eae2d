"""The tables and figures of a study, and their places in Snakemake's report.

Imported by the Snakefile, so only the standard library may be imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CATEGORIES = (
    "Read this first",
    "Comparison",
    "Tissue types",
    "Expression",
    "Mutation",
    "What predicts",
    "Fine-tuning",
    "Cohort and quality",
    "Costs",
)
"""In the order of the argument."""


@dataclass(frozen=True)
class Item:
    """A table or figure.

    Attributes
    ----------
    category : str
        One of `CATEGORIES`.
    title : str
    tables : tuple of str
        The names of the tables that a figure is drawn from.
    """

    category: str
    title: str
    tables: tuple[str, ...] = ()

    @property
    def heading(self) -> str:
        """The category with its number, because the report sorts categories by name."""
        return f"{1 + CATEGORIES.index(self.category)} {self.category}"


PUBLISHED = "TCGA-LUAD"
"""`study` in the config of the published study: only its claims are judged."""

SUMMARY = Item("Read this first", "Summary")
PAPER = Item("Comparison", "Tables for a paper")

TABLES: Mapping[str, Item] = {
    "answers": Item("Comparison", "Table: the answers"),
    "comparison": Item("Comparison", "Table: every comparison"),
    "claims": Item("Comparison", "Table: the published claims"),
    "truth": Item("Comparison", "Table: planted and recovered"),
    "metrics": Item("Comparison", "Table: every score"),
    "tuning": Item("Comparison", "Table: choices at the edges of grids"),
    "confusion": Item("Tissue types", "Table: confusion"),
    "embedding": Item("Tissue types", "Table: patches in two dimensions"),
    "improved": Item("Expression", "Table: genes improved"),
    "related_genes": Item("Expression", "Table: genes related to the image"),
    "mutation": Item("Mutation", "Table: mutations"),
    "roc": Item("Mutation", "Table: ROC curves"),
    "gallery": Item("What predicts", "Table: patches of the best genes"),
    "classifier": Item("Fine-tuning", "Table: the classifier on other patches"),
    "near_duplicates": Item("Fine-tuning", "Table: patches of both training and evaluation"),
    "cohort_flow": Item("Cohort and quality", "Table: slides and patients in and out"),
    "qc": Item("Cohort and quality", "Table: slides and patches"),
    "excluded_slides": Item("Cohort and quality", "Table: excluded slides"),
    "slide_costs": Item("Cohort and quality", "Table: seconds and memory by slide"),
    "costs": Item("Costs", "Table: hours and memory by rule"),
}

FIGURES: Mapping[str, Item] = {
    "truth": Item("Comparison", "Figure: truth", ("truth",)),
    "tissue_accuracy": Item("Tissue types", "Figure: tissue accuracy", ("comparison", "answers")),
    "confusion": Item("Tissue types", "Figure: confusion", ("confusion",)),
    "embedding": Item("Tissue types", "Figure: embedding", ("embedding",)),
    "expression": Item(
        "Expression", "Figure: expression", ("related_genes", "improved", "comparison")
    ),
    "volcano": Item("Expression", "Figure: volcano", ("comparison",)),
    "mutation": Item(
        "Mutation", "Figure: mutation", ("mutation", "comparison", "scores", "answers")
    ),
    "roc": Item("Mutation", "Figure: ROC", ("roc", "mutation")),
    "gallery": Item(
        "What predicts", "Figure: gallery", ("gallery", "gallery_images", "comparison")
    ),
    "training": Item("Fine-tuning", "Figure: training", ("training",)),
    "classifier": Item("Fine-tuning", "Figure: classifier", ("classifier",)),
    "qc": Item(
        "Cohort and quality", "Figure: quality control", ("qc", "excluded_slides", "cohort")
    ),
    "cohort_flow": Item("Cohort and quality", "Figure: cohort flow", ("cohort_flow",)),
    "costs": Item("Costs", "Figure: costs", ("costs",)),
}
