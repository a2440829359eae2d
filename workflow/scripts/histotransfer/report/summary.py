"""The summary page of the report: the answers, what limits them, and then the methods."""

from __future__ import annotations

import base64
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

from .. import __version__
from ..core.exclusions import Reason
from ..core.files import written_whole
from ..core.tables import write_table
from ..evaluation.kinds import ALL
from ..evaluation.statistics import OK
from ..qc.cohort import EXCLUDED_SLIDES
from ..results.answers import TARGET, TASK
from ..results.claims import CITATION, NOT_COMPARABLE
from ..results.rows import against_baseline, with_controls_marked
from ..results.tables import Paths, Tables, read_tables
from ..results.validation import sentences
from ..results.words import count, difference, value
from ..study.catalogue import OF_THE_PAPER
from ..study.extractors import extractors
from ..study.origins import origins
from .checklist import CHECKLIST, checklist
from .controls import against_controls
from .first_screen import first_screen
from .limits import limits
from .methods import choices, methods
from .pages import environment
from .sections import sections

PACKAGES = ("snakemake", "numpy", "pandas", "scipy", "scikit-learn", "h5py", "matplotlib")
"""Packages whose version is given; those of other environments are on the report's rule pages."""
EXCLUDED_SHOWN = 20
TARGETS_SHOWN = 25
"""Of a task and extractor; the table `answers` has all."""


def write_summary(
    config: Mapping[str, Any],
    paths: Paths,
    out_path: str | Path,
    *,
    figure: str | Path,
    checklist_path: str | Path,
    defaults: Mapping[str, Any],
    random_weights: bool,
    copies: Sequence[tuple[str, str]] = (),
    left_out: Sequence[str] = (),
) -> None:
    """Write the summary page: HTML that needs no other file.

    `config` is complete, and the methods are written from it; `defaults` are the values of keys
    that a config leaves out, and `figure` is the PNG of the answers. The
    checklist (`checklist.CHECKLIST`) is also written as a table. `paths` has the tables
    `answers`, `comparison`, `tuning`, `excluded_labels` and `external` (see `read_tables`); where
    slides were read, `cohort`, `qc` and `excluded_slides`; of three or more extractors `ranks` and
    `pairs`; of an external validation `validation`; of the published study `claims`.
    `random_weights` says that the network did not start from ImageNet; `copies` warn of slides that
    seem to be copies of one
    (`study.same_slides.warnings`), `left_out` says which extractors are not compared in which task.
    """
    tables, alpha = read_tables(paths), float(config["statistics"]["alpha"])
    controls = [name for name, extractor in extractors(config).items() if extractor.is_control]
    marked = with_controls_marked(tables, controls)
    excluded = tables.get("excluded_slides", EXCLUDED_SLIDES.empty())
    of_the_paper = config["study"] in OF_THE_PAPER
    stated = list(limits(config, tables, random_weights, copies, left_out))
    written = dict(methods(config, random_weights, slides="qc" in tables, ranks="ranks" in tables))
    items = checklist(config, tables, question=_question(config), methods=written)
    write_table(items, checklist_path, CHECKLIST)
    contents = {
        "title": _question(config),
        "study": config["study"],
        "citation": CITATION if of_the_paper else "",
        "warnings": [warning for warning, _ in stated if warning],
        "limits": stated,
        "answers": list(_answers(tables["answers"], tables["comparison"], controls)),
        "controls": list(against_controls(tables["pairs"], controls, alpha))
        if "pairs" in tables
        else [],
        "figure": base64.b64encode(Path(figure).read_bytes()).decode("ascii"),
        "validated": _validated(config, tables["validation"]) if "validation" in tables else None,
        "claims": list(_claims(tables["claims"])) if "claims" in tables else None,
        "barred": _barred(tables["claims"]) if "claims" in tables else {},
        "alpha": f"{alpha:g}",
        "comparison": list(_comparison(against_baseline(marked["comparison"]), alpha)),
        "ranks": list(_ranks(marked["ranks"])) if "ranks" in tables else [],
        "ranked": _heads_of_ranks(marked["ranks"]) if "ranks" in tables else [],
        "pairs": list(_pairs(marked["pairs"])) if "pairs" in tables else [],
        "counts": [*(_counts(tables) if "qc" in tables else ()), *_compared(tables["answers"])],
        "excluded": [
            (row["slide"], row["patient"], reason.sentence() if (reason := Reason.of(row)) else "")
            for row in excluded.head(EXCLUDED_SHOWN).to_dict("records")
        ],
        "not_listed": max(0, len(excluded) - EXCLUDED_SHOWN),
        **sections(tables),
        "methods": list(written.items()),
        "checklist": items.to_numpy().tolist(),
        "choices": list(choices(config)) if of_the_paper else [],
        "config": list(origins(config, defaults)),
        "software": _software(),
    }
    with written_whole(out_path) as partial:
        text = environment().get_template("summary.html").render(contents)
        partial.write_text(text, encoding="utf-8")


def _question(config: Mapping[str, Any]) -> str:
    found = extractors(config)
    kinds = {extractor.kind for extractor in found.values() if not extractor.is_control}
    if kinds == {"imagenet", "finetuned"}:
        return "Does fine-tuning Xception on histology give better features than ImageNet’s?"
    baseline, *others = config["extractors"]
    compared = [name for name in others if name not in found or not found[name].is_control]
    compared = compared or others
    if not compared:
        return f"Do the features of {baseline} tell more than clinical covariates?"
    return f"Are the features of {' or '.join(compared)} better than those of {baseline}?"


def _answers(
    answers: pd.DataFrame, comparison: pd.DataFrame, controls: Collection[str]
) -> Iterator[dict[str, Any]]:
    """Yield the answers about extractors; about controls, only if nothing else is compared."""
    apart = answers["extractor"].isin([*controls])
    answers = answers[~apart] if not apart.all() else answers
    parts = answers.groupby(["task", "extractor"], sort=False)
    for said, (_, rows) in zip(first_screen(answers, comparison), parts, strict=True):
        whole, targets = (rows[rows["scope"] == scope] for scope in (TASK, TARGET))
        first = targets.sort_values("q_bh", kind="stable").head(TARGETS_SHOWN)
        yield said | {
            "full": whole["sentence"].iloc[0],
            "targets": [
                (target, *_parted(sentence))
                for target, sentence in zip(first["target"], first["sentence"], strict=True)
            ],
            "not_listed": len(targets) - len(first),
        }


def _validated(config: Mapping[str, Any], validation: pd.DataFrame) -> dict[str, Any]:
    cohorts = config["cohorts"]
    return {
        "trained_on": str(cohorts["train"]),
        "tested_on": str(cohorts["test"]),
        "said": list(sentences(validation)),
    }


def _parted(sentence: str) -> tuple[str, str]:
    """Return the answer and the rest of its sentence, which a colon joins."""
    answer, _, rest = sentence.partition(": ")
    return answer, rest


def _barred(claims: pd.DataFrame) -> dict[str, str]:
    """Return what bars several claims from a verdict, which is said once, and how many it bars."""
    barred = claims.loc[claims["verdict"] == NOT_COMPARABLE, "why"].value_counts(sort=False)
    return {str(why): count(int(n), "claim") for why, n in barred.items() if n > 1}


def _claims(claims: pd.DataFrame) -> Iterator[dict[Any, Any]]:
    for row in claims.to_dict("records"):
        numbers = ("published", "here", "ci_low", "ci_high")
        published, here, low, high = (value(row[name], row["quantity"]) for name in numbers)
        # The unit once, after the upper bound.
        interval = f"{low.removesuffix(' points').removesuffix(' %')} to {high}" if low else ""
        asked = {name: row[name] for name in ("direction", "size", "relevance")}
        answers = [f"{name}: {word}" for name, word in asked.items() if pd.notna(word)]
        said = {"here": here, "interval": interval, "answers": answers}
        yield row | {"published": published or "better"} | said


def _comparison(comparison: pd.DataFrame, alpha: float) -> Iterator[tuple[str, ...]]:
    keys = ["task", "metric", "extractor"]
    for (task, metric, extractor), part in comparison.groupby(keys, sort=False):
        single, overall = (part[(part["target"] == ALL) == yes] for yes in (False, True))
        tested = single[single["status"] == OK]
        shown = (tested if overall.empty else overall)[["baseline_mean", "extractor_mean", "delta"]]
        before, after, change = shown.median()
        better, worse = tested["delta"] > 0, tested["delta"] < 0
        significant = tested["q_bh"] <= alpha
        yield (
            f"{task}, {metric}",
            str(extractor),
            f"{len(tested)} of {len(single)}",
            *("" if pd.isna(score) else f"{score:.3f}" for score in (before, after)),
            value(change, "AUROC difference"),
            *(f"{int(sign.sum())} ({int((sign & significant).sum())})" for sign in (better, worse)),
        )


def _heads_of_ranks(ranks: pd.DataFrame) -> list[tuple[str, str]]:
    names = dict.fromkeys(ranks["extractor"])
    return [("mean rank (1: best)", ""), ("n", "number"), *((name, "number") for name in names)]


def _ranks(ranks: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    names = list(dict.fromkeys(ranks["extractor"]))
    for task, rows in ranks.groupby("task", sort=False):
        rank = rows.set_index("extractor")["mean_rank"].reindex(names)
        shown = ("" if pd.isna(of_one) else f"{of_one:.2f}" for of_one in rank)
        yield str(task), f"{rows['n'].iloc[0]:,}", *shown


def _pairs(pairs: pd.DataFrame) -> Iterator[tuple[str, ...]]:
    for row in pairs.to_dict("records"):
        said = row["status"], "", "", ""
        if row["status"] == OK:
            shown, _, interval = difference(row)
            p, p_holm = (f"{row[name]:.2g}" for name in ("p_corrected", "p_holm"))
            said = shown, interval, p, p_holm
        yield row["task"], f"{row['extractor']} − {row['baseline']}", *said


def _counts(tables: Tables) -> Iterator[tuple[str, str]]:
    cohort, qc = tables["cohort"], tables["qc"]
    yield "patients in the sheet", f"{len(cohort):,}"
    yield "patients with patches", f"{(cohort['n_patches'] > 0).sum():,}"
    yield "slides in the sheet", f"{int(cohort['n_slides'].sum()):,}"
    yield "slides excluded", f"{len(tables['excluded_slides']):,}"
    yield "tissue tiles", f"{int(qc['n_tiles'].sum()):,}"
    yield "patches kept by quality control", f"{int(qc['kept'].sum()):,}"


def _compared(answers: pd.DataFrame) -> Iterator[tuple[str, str]]:
    for (task, unit), rows in answers.groupby(["task", "unit"], sort=False):
        many = "patches" if unit == "patch" else f"{unit}s"
        yield f"{many} compared in the task {task}", f"{int(rows['n'].max()):,}"


def _software() -> str:
    found = [f"histotransfer {__version__}", f"Python {sys.version.split()[0]}"]
    for name in PACKAGES:
        with suppress(PackageNotFoundError):  # of another environment
            found.append(f"{name} {version(name)}")
    return ", ".join(found) + "."
