"""The summary page of the report: the limits first, then the answer, then how it was come by."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd

from .. import __version__
from ..core.files import written_whole
from ..labels.forms import KEPT
from ..results.claims import CITATION, STUDY
from ..results.tables import Inputs, Tables, read_tables
from ..study.extractors import extractors

PACKAGES = ["snakemake", "numpy", "pandas", "scipy", "scikit-learn", "h5py", "matplotlib"]
"""Packages whose version is stated; those of other environments are on the report's rule pages."""

TABLES = ["claims", "comparison", "cohort", "qc", "excluded_slides", "excluded_labels", "elsewhere"]
"""What the page is written from."""

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto;
       padding: 0 1rem; }
h1 { font-size: 1.6rem; line-height: 1.25; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
.limits { border-left: 5px solid #D55E00; background: #FFF5EE; padding: .6rem 1.2rem; }
.red { color: #B00020; font-weight: bold; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .88rem; }
th, td { padding: .3rem 1.1rem .3rem 0; text-align: left; }
th { vertical-align: bottom; border-bottom: 2px solid #222; }
td { vertical-align: top; border-bottom: 1px solid #DDD; }
.number { text-align: right; }
td.number { white-space: nowrap; font-variant-numeric: tabular-nums; }
.reproduced { color: #00704F; font-weight: bold; } .not-reproduced { color: #B04A00;
       font-weight: bold; } .inconclusive, .not-comparable { color: #666; }
pre { font-size: .8rem; background: #F6F6F6; padding: 1rem; overflow-x: auto; }
small { color: #666; } td > span { white-space: nowrap; }
"""

POOLED = {"mean+std": "mean and standard deviation"}


def write_summary(
    config: Mapping[str, Any],
    inputs: Inputs,
    out_path: str | Path,
    *,
    random_weights: bool,
) -> None:
    """Write the summary page.

    Parameters
    ----------
    config : mapping
        The config of this run; the Methods are written from it.
    inputs : mapping
        Paths of the tables that `TABLES` names; ``excluded_labels`` is a list of every task's
        ``labels/{task}.excluded.tsv``, ``elsewhere`` of the ``pooled/{extractor}.used.tsv`` of the
        extractors that are features made elsewhere.
    out_path : str or Path
        An HTML page that needs nothing besides itself.
    random_weights : bool
        The network did not start from ImageNet.
    """
    tables = read_tables({name: inputs[name] for name in TABLES})
    title = "Does fine-tuning Xception on histology give better features than ImageNet’s?"
    page = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
        f"<style>{STYLE}</style></head><body><h1>{title}</h1>",
        f"<p>Study <b>{escape(config['study'])}</b>, after {escape(CITATION)}.</p>",
        '<h2>Limits</h2><div class="limits"><ul>',
        *(f"<li>{line}</li>" for line in limits(config, tables, random_weights)),
        "</ul></div>",
        "<h2>The answer, claim by claim</h2>",
        _claims(tables["claims"]),
        "<h2>The comparison, task by task</h2>",
        _comparison(tables["comparison"], float(config["statistics"]["alpha"])),
        "<h2>Patients and slides</h2>",
        _cohort(tables),
        "<h2>Methods of this run</h2>",
        *(f"<p>{escape(paragraph)}</p>" for paragraph in methods(config, random_weights)),
        "<h2>What the abstract states, and what was chosen here</h2>",
        _table(["choice", "this run", ""], [[*map(escape, row)] for row in choices(config)]),
        "<p><small>The reason of each choice stands beside it in config/config.yaml.</small></p>",
        "<h2>Config of this run</h2><details><summary>Every key</summary>",
        f"<pre>{escape(json.dumps(config, indent=2, ensure_ascii=False))}</pre>",
        "</details><h2>Software</h2>",
        f"<p>{escape(_software())}</p>",
        "</body></html>",
    ]
    with written_whole(out_path) as partial:
        partial.write_text("\n".join(page) + "\n", encoding="utf-8")


def limits(config: Mapping[str, Any], tables: Tables, random_weights: bool) -> Iterator[str]:
    """Yield, as HTML, what a reader must know before any number."""
    study = config["study"]
    if study == "simulated":
        yield (
            '<span class="red">The data are simulated.</span> The slides are painted and the '
            "labels drawn from a known truth: the page shows that the method works, and says "
            "nothing about tumours."
        )
    elif study != STUDY:
        yield escape(
            f"The data are those of {study}, not of the published study ({STUDY}): its numbers "
            "are shown, but not judged."
        )
    if random_weights:
        yield (
            '<span class="red">The network started from random weights, not from ImageNet’s.'
            "</span> No comparison with the published study means anything in this run."
        )
    excluded = tables["excluded_slides"]
    if len(excluded):
        yield f"{len(excluded)} of {_slides(tables)} slides are excluded; the reasons stand below."
    without = tables["cohort"].query("n_patches == 0")
    if len(without):
        yield f"{len(without)} of {len(tables['cohort'])} patients have no patch and are left out."
    yield from taken_on_trust(tables["qc"])
    comparison = tables["comparison"]
    undecided = comparison[comparison["status"] != "ok"]
    for (task, status), rows in undecided.groupby(["task", "status"], sort=False):
        names = rows["target"].drop_duplicates().tolist()
        yield escape(f"{task}: {_count(names, 'target')} {status} ({_some(names)}).")
    dropped = tables["excluded_labels"]
    if len(dropped):
        dropped = dropped[dropped["what"] != KEPT]
        for (task, what), rows in dropped.groupby(["source", "what"], sort=False):
            left_out = _count(rows["item"].tolist(), str(what))
            yield escape(f"{task}: {left_out} left out of the labels ({_reasons(rows)}).")
    yield from _elsewhere(tables["elsewhere"])
    if any(task["kind"] == "tissue" for task in config["tasks"].values()):
        yield (
            "The colorectal patches carry no patient: those of one patient may lie on both sides "
            "of a split, which makes their accuracy too high, under every extractor."
        )
    if not config["qc"]["apply"]:
        yield "Quality control was measured but not applied: blurred or inked patches count too."
    yield (
        "All intervals condition on one fine-tuning run. Its seed is another source of variance, "
        "which they do not contain."
    )
    yield (
        "Only the published abstract is at hand: what it does not state was chosen here and is "
        "declared in the config."
    )


def taken_on_trust(qc: pd.DataFrame) -> Iterator[str]:
    """Yield what was taken on trust, skipped or not normalised of the slides that are used."""
    used = qc[qc["n_patches"] > 0]
    if count := int((used["mpp_source"] == "sheet").sum()):
        yield f"The scale of {_slide_count(count)} is the slide sheet’s word, not the header’s."
    skipped = used.loc[used["unreadable"] > 0, "unreadable"]
    if len(skipped):
        yield (
            f"On {_slide_count(len(skipped))}, {int(skipped.sum())} tiles could not be read and "
            "were skipped."
        )
    if count := int((used["stain_degenerate"].fillna(0) > 0).sum()):
        yield f"On {_slide_count(count)}, stain could not be estimated and was left as it is."


def _slide_count(count: int) -> str:
    return f"{count} slide{'s' * (count != 1)}"


def _elsewhere(used: pd.DataFrame) -> Iterator[str]:
    """Yield what could not be used of features made elsewhere, and where QC could not speak."""
    if used.empty:
        return
    for (extractor, what), rows in used.groupby(["source", "what"], sort=False):
        out = rows[rows["reason"].notna()]
        if len(out):
            yield escape(
                f"{extractor}: of {_count(rows['item'].tolist(), str(what))}, {len(out)} left out "
                f"({_reasons(out)}). Expression and mutation are compared on the patients that all "
                "extractors share."
            )
        other = int((rows["qc"] == "other patches").sum())
        if other:
            yield escape(
                f"{extractor}: on {other} slide{'s' * (other != 1)} its patches are not the "
                "tiles that quality control judged, so all of them count."
            )


def methods(config: Mapping[str, Any], random_weights: bool) -> Iterator[str]:
    """Yield the paragraphs of a Methods section that is true of this run."""
    tiling, qc, stain = config["tiling"], config["qc"], config["stain"]
    width = tiling["patch_px"] * tiling["target_mpp"]
    overlap = (
        "without overlap"
        if tiling["stride_px"] == tiling["patch_px"]
        else f"with a stride of {tiling['stride_px']} px"
    )
    normalised = (
        "Stains were not normalised."
        if stain["method"] == "none"
        else "Stains were normalised to {reference} after Macenko, fitted per {method}.".format(
            **stain
        )
    )
    judged = (
        f"Patches out of focus (sharpness below {qc['min_sharpness']:g}), faint (mean optical "
        f"density below {qc['min_od_mean']:g}), with more than {100 * qc['max_pen_fraction']:g} % "
        f"pen or more than {100 * qc['max_dark_fraction']:g} % dark pixels were left out"
        if qc["apply"]
        else "No patch was left out by quality control"
    )
    yield (
        f"Slides. Tissue was divided into patches of {tiling['patch_px']} px at "
        f"{tiling['target_mpp']:g} µm/px ({width:g} µm), {overlap}, keeping tiles with at least "
        f"{100 * tiling['min_tissue_fraction']:g} % tissue in a mask at "
        f"{tiling['thumbnail_mpp']:g} µm/px. {normalised} {judged}."
    )
    yield _network(config, random_weights)
    pooling, crossval = config["pooling"], config["crossval"]
    pooled = (POOLED.get(pooling[level], pooling[level]) for level in ("patches", "slides"))
    yield (
        "Patients. A slide is the {} of its patches, a patient the {} of the slides. ".format(
            *pooled
        )
        + f"Cross-validation has {crossval['folds']} folds and is repeated {crossval['repeats']} "
        "times; the splits are drawn once per task and shared by all extractors. No patient "
        "whose slides are used is on both sides of a split; scaling and tuning are fitted inside "
        "the training folds. "
        + PRESERVED[crossval["preserve"]]
        + " ".join(_task(name, task) for name, task in config["tasks"].items())
    )
    statistics = config["statistics"]
    yield (
        "Statistics. Differences are tested with the corrected resampled t-test (Nadeau & Bengio "
        "2003; r × k form of Bouckaert & Frank 2004), which gives p and the 95 % interval, since "
        "repeats share their patients. Beside it stand the Bayesian correlated t-test with a "
        f"region of practical equivalence of ±{statistics['rope']:g} and a paired bootstrap of "
        f"{statistics['bootstrap']:,} resamples of patients. The Wilcoxon test over repeats is "
        "shown as published; it is anti-conservative. Within a task, q is by Benjamini–Hochberg "
        f"over targets; the level is {statistics['alpha']:g}. Intervals of an accuracy are "
        f"Wilson’s over patches. Every random draw starts from the seed {config['seed']}."
    )


def choices(config: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield each choice of the study: what it is, what it is in this run, stated or declared.

    Stated is what the published abstract says, whatever this run has instead.
    """
    stated, declared = "stated in the abstract", "declared"
    tiling, tuning, crossval = config["tiling"], config["finetune"], config["crossval"]
    yield "network", f"Xception, weights: {config['network']['weights']}", stated
    yield "fine-tuning in two steps", f"on {tuning['dataset']}", stated
    yield "what is trained", f"the head, then from {tuning['step2']['unfreeze_from']} on", declared
    yield (
        "learning rates",
        (f"{tuning['step1']['learning_rate']:g}, then {tuning['step2']['learning_rate']:g}"),
        declared,
    )
    yield "patches", f"{tiling['patch_px']} px at {tiling['target_mpp']:g} µm/px", declared
    yield "stain", f"Macenko, method: {config['stain']['method']}", declared
    yield "quality control", "applied" if config["qc"]["apply"] else "measured only", declared
    yield (
        "pooling",
        "{patches} of patches, {slides} of slides".format(**config["pooling"]),
        declared,
    )
    yield "cross-validation", f"{crossval['folds']} folds, {crossval['repeats']} repeats", stated
    yield "sites kept on one side", "yes" if crossval["preserve"] == "site" else "no", declared
    for name, task in config["tasks"].items():
        yield f"task {name}", f"{task['kind']}", stated
        yield f"predictor of {name}", str(task["predictor"]), declared
        targets = task.get("targets")
        if targets is not None:
            shown = ", ".join(map(str, targets)) if isinstance(targets, list) else str(targets)
            yield f"targets of {name}", shown, declared
    yield "level of significance", f"{config['statistics']['alpha']:g}", stated
    yield "primary test", "corrected resampled t-test", declared


def _network(config: Mapping[str, Any], random_weights: bool) -> str:
    tuning = config["finetune"]
    start = "random weights" if random_weights else "ImageNet weights"
    kinds = {name: extractor.kind for name, extractor in extractors(config).items()}
    text = f"Network. Xception with {start} gives 2048 features per patch."
    plain = [name for name, kind in kinds.items() if kind == "imagenet"]
    if plain:
        text += f" {_and(plain)}: as it is, off the shelf."
    tuned = [name for name, kind in kinds.items() if kind == "finetuned"]
    if tuned:
        one, two = tuning["step1"], tuning["step2"]
        smoothing, augment = tuning["label_smoothing"], tuning["augment"]
        text += (
            f" {_and(tuned)}: fine-tuned on {tuning['dataset']} in two steps, in batches of "
            f"{tuning['batch_size']}, with {100 * tuning['validation_fraction']:g} % of the "
            "patches held out for early stopping. First a head alone "
            f"({tuning['head_units']} units, dropout {tuning['dropout']:g}; {_adam(one)}), then "
            f"also the network from {two['unfreeze_from']} on ({_adam(two)})."
        )
        if smoothing:
            text += f" Labels were smoothed by {smoothing:g}."
        if tuning["class_weights"] == "balanced":
            text += " Classes were weighed inversely to their counts."
        shown = ["flipped and turned"] * augment["flips_and_turns"]
        shown += [f"changed in stain by up to {augment['stain_jitter']:.0%}"] * (
            augment["stain_jitter"] > 0
        )
        text += f" In training patches were {_and(shown)} at random." if shown else ""
    others = [name for name, kind in kinds.items() if kind not in ("imagenet", "finetuned")]
    if others:
        text += f" {_and(others)}: made elsewhere."
    return text


def _adam(step: Mapping[str, Any]) -> str:
    falling = " falling along a cosine" if step["decay"] == "cosine" else ""
    return f"Adam {step['learning_rate']:g}{falling}, at most {step['epochs']} epochs"


PRESERVED = {
    "none": "",
    "site": "Patients of a TCGA tissue source site are on one side of each split. ",
}
PREDICTORS = {
    "ridge": "ridge regression, alpha per gene by leave-one-out",
    "pls": "partial least squares",
    "elastic_net": "elastic net",
    "random_forest": "random forest",
    "linear_svm": "linear support vector machine with Platt's probabilities",
    "knn": "nearest neighbours",
}


def _task(name: str, task: Mapping[str, Any]) -> str:
    by = PREDICTORS.get(
        task["predictor"], "L2 logistic regression, penalty by inner cross-validation"
    )
    if task["kind"] == "tissue" and task["predictor"] == "logistic":
        by = (
            "multinomial L2 logistic regression on standardised features, inverse penalty "
            f"{task['inverse_penalty']:g}"
        )
    if "grid" in task:
        by += ", " + _and(sorted(task["grid"])) + " by inner cross-validation"
    match task["kind"]:
        case "tissue":
            return f"{name}: classes of {task['dataset']} by {by}."
        case "expression":
            transform = task["transform"]
            scale = {"log2p1": "log2(value + 1)", "none": "values as given"}
            if not isinstance(transform, str):
                return f"{name}: values clipped at ±{transform['clip']:g}, by {by}."
            return f"{name}: {scale[transform]} by {by}."
        case _:
            return f"{name}: {by}."


def _claims(claims: pd.DataFrame) -> str:
    rows = []
    for _, row in claims.iterrows():
        kind = str(row["quantity"])
        interval = ""
        if pd.notna(row["ci_low"]):
            # The unit once, after the upper bound.
            low = _value(row["ci_low"], kind).removesuffix(" points").removesuffix(" %")
            interval = f"{low} to {_value(row['ci_high'], kind)}"
        verdict = str(row["verdict"])
        rows.append(
            [
                escape(str(row["claim"])),
                f"<span>{escape(str(row['extractor']))}</span>",
                _value(row["published"], kind) or "better",
                _value(row["here"], kind),
                interval,
                f'<span class="{verdict.replace(" ", "-")}">{escape(verdict)}</span>'
                f"<br><small>{escape(str(row['why']))}</small>",
            ]
        )
    head = ["claim", "extractor", "published", "here", "95 % interval", "verdict"]
    return _table(head, rows, numeric={2, 3, 4})


def _comparison(comparison: pd.DataFrame, alpha: float) -> str:
    rows = []
    keys = ["task", "metric", "extractor"]
    for (task, metric, extractor), part in comparison.groupby(keys, sort=False):
        single = part[part["target"] != "all"]
        tested = single.dropna(subset=["delta"])
        gained = (tested["q_bh"] <= alpha) & (tested["delta"] > 0)
        lost = (tested["q_bh"] <= alpha) & (tested["delta"] < 0)
        overall = part[part["target"] == "all"]
        shown = (tested if overall.empty else overall)[["baseline_mean", "extractor_mean", "delta"]]
        before, after, change = shown.median()
        rows.append(
            [
                escape(f"{task}, {metric}"),
                escape(str(extractor)),
                f"{len(tested)} of {len(single)}",
                "" if pd.isna(before) else f"{before:.3f}",
                "" if pd.isna(after) else f"{after:.3f}",
                _value(change, "AUROC difference"),
                f"{int((tested['delta'] > 0).sum())} ({int(gained.sum())})",
                f"{int((tested['delta'] < 0).sum())} ({int(lost.sum())})",
            ]
        )
    head = ["task, metric", "extractor", "targets tested", "baseline", "extractor", "difference"]
    head += [f"better (q ≤ {alpha:g})", f"worse (q ≤ {alpha:g})"]
    note = (
        "Of tissue types the accuracy over all classes, otherwise the median over the targets. "
        "Better and worse: targets by the sign of the difference, of which significant."
    )
    return _table(head, rows, numeric=set(range(2, 8))) + f"<p><small>{note}</small></p>"


def _cohort(tables: Tables) -> str:
    cohort, qc = tables["cohort"], tables["qc"]
    kept, tiles = int(qc["kept"].sum()), int(qc["n_tiles"].sum())
    rows = [
        ["patients in the sheet", f"{len(cohort):,}"],
        ["patients with patches", f"{int((cohort['n_patches'] > 0).sum()):,}"],
        ["slides in the sheet", f"{_slides(tables):,}"],
        ["slides excluded", f"{len(tables['excluded_slides']):,}"],
        ["tissue tiles", f"{tiles:,}"],
        ["patches kept by quality control", f"{kept:,}"],
    ]
    excluded = tables["excluded_slides"]
    listed = [
        [
            *(f"<span>{escape(str(row[name]))}</span>" for name in ("slide", "patient")),
            escape(str(row["reason"])),
        ]
        for _, row in excluded.head(20).iterrows()
    ]
    text = _table(["", "n"], rows, numeric={1})
    if listed:
        more = len(excluded) - len(listed)
        text += "<h3>Excluded slides</h3>" + _table(["slide", "patient", "reason"], listed)
        text += f"<p>and {more:,} more, in tables/excluded_slides.tsv</p>" if more else ""
    return text


def _slides(tables: Tables) -> int:
    return int(tables["cohort"]["n_slides"].sum())


def _value(value: float, kind: str) -> str:
    if pd.isna(value):
        return ""
    if kind == "P":
        return f"{value:.2g}".replace("-", "−")
    if kind == "genes":
        return f"{value:.0f}"
    if kind == "AUROC difference":
        return f"{value:+.3f}".replace("-", "−")
    if kind == "accuracy difference":
        return f"{100 * value:+.1f} points".replace("-", "−")
    return f"{100 * value:.1f} %"


def _table(head: list[str], rows: list[list[str]], numeric: Iterable[int] = ()) -> str:
    if not rows:
        return "<p>Nothing to show.</p>"
    numeric = set(numeric)

    def cells(values: list[str], tag: str) -> str:
        return "".join(
            f'<{tag} class="number">{value}</{tag}>' if i in numeric else f"<{tag}>{value}</{tag}>"
            for i, value in enumerate(values)
        )

    body = "".join(f"<tr>{cells(row, 'td')}</tr>\n" for row in rows)
    return (
        f'<div class="wide"><table><thead><tr>{cells(head, "th")}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )


def _count(items: list[str], what: str) -> str:
    return f"{len(items)} {what}{'s' * (len(items) != 1)}"


def _some(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _reasons(rows: pd.DataFrame) -> str:
    reasons = rows["reason"].value_counts()
    return _some([f"{n} × {reason}" for reason, n in reasons.items()], 4)


def _and(names: list[str]) -> str:
    return " and ".join(names)


def _software() -> str:
    found = [f"histotransfer {__version__}", f"Python {sys.version.split()[0]}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:  # of another environment
            continue
    return ", ".join(found) + "."
