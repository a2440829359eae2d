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
    "Survival",
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
    needs : str
        The part of a study without which there is none (`StudyPlan`): tasks by what they
        predict (`tasks.VALUES`), ``slides``, ``datasets`` and others.
    """

    category: str
    title: str
    tables: tuple[str, ...] = ()
    needs: str = ""

    @property
    def heading(self) -> str:
        """The category with its number, because the report sorts categories by name."""
        return f"{1 + CATEGORIES.index(self.category)} {self.category}"


PUBLISHED = "TCGA-LUAD"
"""`study` in the config of the published study: only its claims are judged."""
SIMULATED = "simulated"
"""`study` in the config of a simulated one."""
OF_THE_PAPER = (PUBLISHED, SIMULATED)
"""The studies that repeat what the paper did."""

SUMMARY = Item("Read this first", "Summary")
PAPER = Item("Comparison", "Tables for a paper")

TABLES: Mapping[str, Item] = {
    "answers": Item("Comparison", "Table: the answers"),
    "comparison": Item("Comparison", "Table: every comparison"),
    "ranks": Item("Comparison", "Table: ranks of the extractors", needs="three extractors"),
    "pairs": Item("Comparison", "Table: every pair by task", needs="three extractors"),
    "claims": Item("Comparison", "Table: the published claims", needs="published"),
    "truth": Item("Comparison", "Table: planted and recovered", needs="simulated"),
    "metrics": Item("Comparison", "Table: every score"),
    "validation": Item("Comparison", "Table: external validation", needs="cohorts"),
    "robustness": Item("Comparison", "Table: the study's alternatives", needs="robustness"),
    "learning_curves": Item("Comparison", "Table: learning curves", needs="curves"),
    "permuted": Item("Comparison", "Table: shuffled labels", needs="curves"),
    "site_audit": Item("Comparison", "Table: what tells the site", needs="sites"),
    "site_splits": Item("Comparison", "Table: splits that keep sites together", needs="sites"),
    "tuning": Item("Comparison", "Table: choices at the edges of grids"),
    "confusion": Item("Tissue types", "Table: confusion", needs="classes"),
    "class_roc": Item("Tissue types", "Table: ROC curves of classes", needs="classes"),
    "embedding": Item("Tissue types", "Table: patches in two dimensions", needs="datasets"),
    "improved": Item("Expression", "Table: genes improved", needs="numbers"),
    "related_genes": Item("Expression", "Table: genes related to the image", needs="numbers"),
    "mutation": Item("Mutation", "Table: mutations", needs="two values"),
    "roc": Item("Mutation", "Table: ROC curves", needs="two values"),
    "calibration": Item("Mutation", "Table: calibration", needs="two values"),
    "risk_groups": Item("Survival", "Table: survival by predicted risk", needs="times"),
    "gallery": Item("What predicts", "Table: patches of the best genes", needs="gallery"),
    "heatmaps": Item("What predicts", "Table: slides of the best genes", needs="gallery"),
    "classifier": Item("Fine-tuning", "Table: the classifier on other patches", needs="classifier"),
    "near_duplicates": Item(
        "Fine-tuning", "Table: patches of both training and evaluation", needs="classifier"
    ),
    "table1": Item("Cohort and quality", "Table: the patients (Table 1)", needs="covariates"),
    "cohort_flow": Item(
        "Cohort and quality", "Table: slides and patients in and out", needs="slides"
    ),
    "qc": Item("Cohort and quality", "Table: slides and patches", needs="slides"),
    "excluded_slides": Item("Cohort and quality", "Table: excluded slides", needs="slides"),
    "slide_costs": Item("Cohort and quality", "Table: seconds and memory by slide", needs="slides"),
    "costs": Item("Costs", "Table: hours and memory by rule"),
}

FIGURES: Mapping[str, Item] = {
    "answers": Item("Comparison", "Figure: the answers", ("answers",)),
    "forest": Item("Comparison", "Figure: every target", ("answers",)),
    "ranks": Item("Comparison", "Figure: ranks", ("ranks", "pairs"), needs="three extractors"),
    "truth": Item("Comparison", "Figure: truth", ("truth",), needs="simulated"),
    "validation": Item(
        "Comparison", "Figure: external validation", ("validation",), needs="cohorts"
    ),
    "robustness": Item(
        "Comparison", "Figure: the study's alternatives", ("robustness",), needs="robustness"
    ),
    "learning_curves": Item(
        "Comparison", "Figure: learning curves", ("learning_curves", "permuted"), needs="curves"
    ),
    "tissue_accuracy": Item(
        "Tissue types",
        "Figure: tissue accuracy",
        ("comparison", "answers"),
        needs="classes",
    ),
    "confusion": Item("Tissue types", "Figure: confusion", ("confusion",), needs="classes"),
    "class_roc": Item("Tissue types", "Figure: ROC of classes", ("class_roc",), needs="classes"),
    "embedding": Item("Tissue types", "Figure: embedding", ("embedding",), needs="datasets"),
    "expression": Item(
        "Expression",
        "Figure: expression",
        ("related_genes", "improved", "comparison"),
        needs="numbers",
    ),
    "volcano": Item("Expression", "Figure: volcano", ("comparison",), needs="numbers"),
    "mutation": Item(
        "Mutation",
        "Figure: mutation",
        ("mutation", "comparison", "scores", "answers"),
        needs="two values",
    ),
    "roc": Item("Mutation", "Figure: ROC", ("roc", "mutation"), needs="two values"),
    "calibration": Item(
        "Mutation", "Figure: calibration", ("calibration", "mutation"), needs="two values"
    ),
    "survival": Item("Survival", "Figure: survival", ("risk_groups", "comparison"), needs="times"),
    "gallery": Item(
        "What predicts",
        "Figure: gallery",
        ("gallery", "gallery_images", "comparison"),
        needs="gallery",
    ),
    "heatmaps": Item(
        "What predicts", "Figure: heatmaps", ("heatmaps", "heatmap_images"), needs="gallery"
    ),
    "training": Item("Fine-tuning", "Figure: training", ("training",), needs="fine-tuning"),
    "classifier": Item("Fine-tuning", "Figure: classifier", ("classifier",), needs="classifier"),
    "qc": Item(
        "Cohort and quality",
        "Figure: quality control",
        ("qc", "excluded_slides", "cohort"),
        needs="slides",
    ),
    "cohort_flow": Item(
        "Cohort and quality", "Figure: cohort flow", ("cohort_flow",), needs="slides"
    ),
    "costs": Item("Costs", "Figure: costs", ("costs",)),
}
