"""The checklist TRIPOD+AI, filled with what this run knows; the rest is left to the authors.

Collins et al., BMJ 2024;385:e078378. The topics are named in our words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from .. import __version__
from ..core.tables import TableSchema
from ..evaluation.kinds import KINDS
from ..results.answers import TASK
from ..results.words import METRICS, count, joined
from ..study.tasks import CLASSES, NUMBERS, TIMES, TWO_VALUES, VALUES

CHECKLIST = TableSchema.of("checklist", "text: item topic here authors")
"""`here`: what this run says of an item, or where it does; `authors`: what only they can add."""

OUTPUTS = {
    TWO_VALUES: "a probability",
    CLASSES: "a probability for each class",
    NUMBERS: "a number",
    TIMES: "a risk, higher for an earlier event",
}
WORDS = {
    TWO_VALUES: "two values",
    CLASSES: "classes",
    NUMBERS: "numbers",
    TIMES: "times to an event",
}


def checklist(
    config: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    *,
    question: str,
    methods: Mapping[str, str],
) -> pd.DataFrame:
    """Return the items of TRIPOD+AI, each with what the run says and what it leaves to the authors.

    Parameters
    ----------
    config : mapping
        Complete.
    tables : mapping
        `answers`, and of a study of slides `cohort` and `qc`.
    question : str
        What the study asks.
    methods : mapping of str to str
        The paragraphs of the methods, by heading.
    """
    rows = _rows(config, tables, question, methods)
    return pd.DataFrame(list(rows), columns=list(CHECKLIST.columns))


def _rows(
    config: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    question: str,
    methods: Mapping[str, str],
) -> Iterator[tuple[str, str, str, str]]:
    tasks, crossval = config["tasks"], config["crossval"]
    slides = "qc" in tables
    values = {name: VALUES[task["kind"]] for name, task in tasks.items()}
    outcomes = "; ".join(f"{name}: {WORDS[of]}" for name, of in values.items())
    outputs = "; ".join(f"{name}: {OUTPUTS[of]}" for name, of in values.items())
    scores = joined(
        [METRICS[m] for m in dict.fromkeys(KINDS[t["kind"]].metric for t in tasks.values())]
    )
    answers = tables["answers"]
    whole = answers[answers["scope"] == TASK].drop_duplicates("task")
    sizes = "; ".join(
        f"{row['task']}: {count(int(row['n']), row['unit'])}"
        for row in whole.to_dict("records")
        if pd.notna(row["n"])
    )
    flow = "Figure cohort_flow; tables/cohort_flow.tsv, excluded_slides.tsv" if slides else ""
    left_out = "labels/*.excluded.tsv"
    grouped = "tissue source site" if crossval["group_by"] == "site" else "patient"
    other = "cohorts" in config
    tested = f" and once in the cohort {config['cohorts']['test']}" if other else ""
    internal = f"{crossval['folds']}-fold cross-validation, {crossval['repeats']} repeats"
    figures = ["forest"]
    figures += ["calibration", "roc"] if TWO_VALUES in values.values() else []
    figures += ["class_roc"] if CLASSES in values.values() else []
    figures += ["survival"] if TIMES in values.values() else []

    yield "1", "title", f"Study {config['study']}", "The population and the outcome, in the title"
    yield "2", "abstract", "", "A structured abstract"
    yield "3", "background", "", "The use in care, its users, and known inequalities"
    yield "4", "objectives", question, "Whether models are developed, evaluated, or both"
    yield (
        *("5", "data", "The config names the files; the summary lists every key"),
        "Where and when the data were collected, and whom they represent",
    )
    yield "6", "participants", flow, "Setting, centres, criteria of eligibility, treatments"
    yield (
        *("7", "data preparation", methods.get("Slides", "")),
        "" if slides else "How the features were made: tiling, quality control, network",
    )
    yield "8", "outcome", outcomes, "How and by whom it was measured, and who was blinded"
    yield "9", "predictors", methods.get("Extractors", ""), "Why these networks"
    yield (
        *("10", "sample size", f"{sizes}. What could have been detected: tables/answers.tsv"),
        "Why the study has this size",
    )
    yield "11", "missing data", f"Left out, with reasons: {left_out}", "Why data are missing"
    yield (
        *(
            "12",
            "analysis",
            " ".join(methods.get(k, "") for k in ("Cross-validation", "Statistics")),
        ),
        "",
    )
    yield "13", "class imbalance", "Folds are stratified by class; nothing is resampled", ""
    yield "14", "fairness", "", "Performance by age, sex, ancestry and site, or why it is not given"
    yield "15", "output of the model", outputs, "Thresholds, if any are used"
    yield (
        *("16", "training and evaluation"),
        f"{internal}{tested}; no {grouped} is on both sides of a split",
        "How the data of both differ",
    )
    yield "17", "ethics", "", "Approval and consent"
    yield "18a–d", "funding, conflicts, protocol, registration", "", "All four"
    yield "18e", "data sharing", "", "Where the data are, and who may have them"
    yield (
        *(
            "18f",
            "code sharing",
            f"histotransfer {__version__}, the config, the locked environments",
        ),
        "Where config and results are kept",
    )
    yield "19", "patients and public", "", "How they took part, or that they did not"
    yield (
        *("20", "participants", f"{flow}{'; tables/cohort.tsv' if slides else sizes}"),
        "Their characteristics, and those with the outcome",
    )
    yield "21", "model development", f"{sizes}. Events: tables/mutation.tsv, labels/", ""
    yield (
        *("22", "specification of the model"),
        "Config, seed, labels/, splits/ and pooled/ fit the same models again",
        "The model itself, if it is to be used",
    )
    yield (
        *("23", "performance"),
        f"{scores} with intervals: tables/comparison.tsv, metrics.tsv; figures {joined(figures)}",
        "Performance in subgroups",
    )
    yield "24", "updating", "", "If a published model was updated: how"
    yield "25", "interpretation", "The answers of the summary; docs/answers.md", "What it means"
    yield "26", "limitations", "The limits of the summary", "Limits of the data and the setting"
    yield "27", "use in care", "", "What input it needs, who uses it, what is still to be done"
