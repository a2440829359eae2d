"""The summary page of the report: the limits first, then the answer, then the methods."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from .. import __version__
from ..core.exclusions import Reason
from ..core.files import written_whole
from ..evaluation.kinds import ALL
from ..results.claims import CITATION
from ..results.tables import Paths, Tables, read_tables
from ..results.words import value
from .limits import limits
from .methods import choices, methods

TITLE = "Does fine-tuning Xception on histology give better features than ImageNet’s?"
PACKAGES = ("snakemake", "numpy", "pandas", "scipy", "scikit-learn", "h5py", "matplotlib")
"""Packages whose version is given; those of other environments are on the report's rule pages."""
EXCLUDED_SHOWN = 20
TEMPLATES = Path(__file__).parent / "templates"


def write_summary(
    config: Mapping[str, Any], paths: Paths, out_path: str | Path, *, random_weights: bool
) -> None:
    """Write the summary page.

    Parameters
    ----------
    config : mapping
        The config of this run, complete; the methods are written from it.
    paths : mapping
        Where the tables `claims`, `comparison`, `cohort`, `qc`, `excluded_slides`,
        `excluded_labels` and `external` are (see `read_tables`).
    out_path : str or Path
        An HTML page that needs no other file.
    random_weights : bool
        Whether the network did not start from ImageNet.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    contents = page(config, read_tables(paths), random_weights=random_weights)
    with written_whole(out_path) as partial:
        text = environment.get_template("summary.html").render(contents)
        partial.write_text(text, encoding="utf-8")


def page(config: Mapping[str, Any], tables: Tables, *, random_weights: bool) -> dict[str, Any]:
    """Return what the page holds, by the names that its template uses."""
    alpha = float(config["statistics"]["alpha"])
    excluded = tables["excluded_slides"]
    return {
        "title": TITLE,
        "study": config["study"],
        "citation": CITATION,
        "limits": list(limits(config, tables, random_weights)),
        "claims": list(_claims(tables["claims"])),
        "comparison_columns": [
            *(("task, metric", ""), ("extractor", "name"), ("targets tested", "number")),
            *(("baseline", "number"), ("extractor", "number"), ("difference", "number")),
            *((f"{name} (q ≤ {alpha:g})", "number") for name in ("better", "worse")),
        ],
        "comparison": list(_comparison(tables["comparison"], alpha)),
        "counts": list(_counts(tables)),
        "excluded": [
            (row["slide"], row["patient"], _sentence(row))
            for row in excluded.head(EXCLUDED_SHOWN).to_dict("records")
        ],
        "not_listed": max(0, len(excluded) - EXCLUDED_SHOWN),
        "methods": list(methods(config, random_weights)),
        "choices": list(choices(config)),
        "config": json.dumps(config, indent=2, ensure_ascii=False),
        "software": _software(),
    }


def _claims(claims: pd.DataFrame) -> Iterator[dict[str, str]]:
    for row in claims.to_dict("records"):
        quantity = row["quantity"]
        interval = ""
        if pd.notna(row["ci_low"]):
            # The unit once, after the upper bound.
            low = value(row["ci_low"], quantity).removesuffix(" points").removesuffix(" %")
            interval = f"{low} to {value(row['ci_high'], quantity)}"
        yield {
            **{name: row[name] for name in ("claim", "extractor", "verdict", "why")},
            "published": value(row["published"], quantity) or "better",
            "here": value(row["here"], quantity),
            "interval": interval,
        }


def _comparison(comparison: pd.DataFrame, alpha: float) -> Iterator[tuple[str, ...]]:
    keys = ["task", "metric", "extractor"]
    for (task, metric, extractor), part in comparison.groupby(keys, sort=False):
        single, overall = (part[(part["target"] == ALL) == yes] for yes in (False, True))
        tested = single.dropna(subset=["delta"])
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


def _counts(tables: Tables) -> Iterator[tuple[str, str]]:
    cohort, qc = tables["cohort"], tables["qc"]
    for name, n in {
        "patients in the sheet": len(cohort),
        "patients with patches": (cohort["n_patches"] > 0).sum(),
        "slides in the sheet": cohort["n_slides"].sum(),
        "slides excluded": len(tables["excluded_slides"]),
        "tissue tiles": qc["n_tiles"].sum(),
        "patches kept by quality control": qc["kept"].sum(),
    }.items():
        yield name, f"{int(n):,}"


def _sentence(row: Mapping[Any, Any]) -> str:
    reason = Reason.of(row)
    return reason.sentence() if reason else ""


def _software() -> str:
    found = [f"histotransfer {__version__}", f"Python {sys.version.split()[0]}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:  # of another environment
            continue
    return ", ".join(found) + "."
