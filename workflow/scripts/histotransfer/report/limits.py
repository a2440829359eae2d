"""The limits of a run: what a reader must know before any number."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from ..core.errors import listed
from ..core.exclusions import KEPT, Reason
from ..evaluation.decisions import WHY
from ..evaluation.kinds import WHY_NOT
from ..evaluation.site_audit import ACCURACY
from ..evaluation.statistics import NOT_ESTIMABLE, OK, UNTESTED
from ..results.answers import TARGET
from ..results.tables import Tables
from ..results.words import UNITS, count, joined, share
from ..study.catalogue import OF_THE_PAPER, PUBLISHED, SIMULATED
from ..study.extractors import extractors

IN_COLUMNS = {"id_column": "the ids are", "patients_named": "the patients of patches are"}
"""What a column of a user's table holds, by code."""
OFTEN = 0.2
"""Share of fits at the edge of a grid from which on it is a limit."""


def limits(
    config: Mapping[str, Any],
    tables: Tables,
    random_weights: bool,
    copies: Sequence[tuple[str, str]] = (),
    left_out: Sequence[str] = (),
) -> Iterator[tuple[str, str]]:
    """Yield the limits of a run, the gravest first: a warning that stands out, and a text.

    `tables` are those of `write_summary`, `copies` and `left_out` as there.
    """
    study, kinds = config["study"], {e.kind for e in extractors(config).values()}
    if study == SIMULATED:
        text = (
            "The slides are painted, and the labels are drawn from a known truth. The page shows "
            "that the method works. It says nothing about tumours."
        )
        yield "The data are simulated.", text
    elif study != PUBLISHED and {"imagenet", "finetuned"} <= kinds:
        text = f"The data are those of {study}, not of the published study ({PUBLISHED})"
        yield "", f"{text}, so its claims are not judged."
    if random_weights and kinds & {"imagenet", "finetuned"}:
        text = "No comparison with the published study means anything in this run."
        yield "The network started from random weights, not from ImageNet’s.", text
    yield from copies
    for text in (
        *(_of_slides(tables) if "qc" in tables else ()),
        *_of_barcodes(config),
        *_of_sites(config, tables),
        *left_out,
        *_not_compared(tables["answers"]),
        *_of_fewer_folds(tables["comparison"], config["crossval"]),
        *_not_validated(tables),
        *_without_label(tables["excluded_labels"]),
        *_decided(tables["excluded_labels"], "task"),
        *_external(tables["external"]),
        *_decided(tables["external"], "extractor"),
        *_external_patches(tables),
        *_at_the_edge(tables["tuning"]),
        *_near_duplicates(tables),
        *_of_the_design(config, tables, kinds),
    ):
        yield "", text


def _of_slides(tables: Tables) -> Iterator[str]:
    yield from _left_out(tables["excluded_slides"], tables["cohort"])
    yield from taken_on_trust(tables["qc"])


def _of_barcodes(config: Mapping[str, Any]) -> Iterator[str]:
    if "slides" not in config and any(e.kind == "features" for e in extractors(config).values()):
        yield (
            "This study has no slide sheet. The patient of a slide is that of its TCGA barcode; a "
            "slide with another name counts as a patient of its own."
        )


def _of_sites(config: Mapping[str, Any], tables: Tables) -> Iterator[str]:
    """Say how well features tell the site where splits ignore it."""
    if "site_audit" not in tables or config["crossval"]["group_by"] == "site":
        return
    audit = tables["site_audit"]
    told = audit[(audit["quantity"] == ACCURACY) & (audit["status"] == OK)]
    if told.empty:
        yield (
            "Splits ignore the patients’ sites, and too few sites have enough patients to say "
            "whether features tell them. Part of a score may come from the site."
        )
        return
    found = [
        f"{row['extractor']} {100 * row['value']:.0f} %"
        for row in told.sort_values("value", ascending=False).to_dict("records")
    ]
    yield (
        "Splits ignore the patients’ sites, so part of a score may come from the site rather than "
        f"from biology. Features tell {int(told['n_sites'].max())} sites with this accuracy: "
        f"{joined(found)}; the largest site alone is {100 * told['chance'].max():.0f} % "
        "(tables/site_audit.tsv). Scores under splits that keep sites together are in "
        "tables/site_splits.tsv."
    )


def _left_out(excluded: pd.DataFrame, cohort: pd.DataFrame) -> Iterator[str]:
    if len(excluded):
        slides = share(len(excluded), int(cohort["n_slides"].sum()), "slide", "is", "are")
        yield f"{slides} excluded, for the reasons below."
    if without := int((cohort["n_patches"] == 0).sum()):
        patients = share(without, len(cohort), "patient", "has", "have")
        yield f"{patients} no patch and cannot be compared."


def taken_on_trust(qc: pd.DataFrame) -> Iterator[str]:
    """Yield what was taken on trust, skipped or not normalised in the slides that are used."""
    used = qc[qc["n_patches"] > 0]
    if n := int((used["mpp_source"] == "sheet").sum()):
        yield f"The scale of {count(n, 'slide')} comes from the slide sheet, not from the header."
    if n := int(used["levels_passed_over"].fillna("").ne("").sum()):
        slides = count(n, "slide", " has", " have")
        yield f"{slides} levels that differ from the full picture and are not used (tables/qc.tsv)."
    if n := int(used["other_pictures"].fillna("").ne("").sum()):
        slides = count(n, "slide", " holds", " hold")
        yield f"{slides} further pictures, which are not used (tables/qc.tsv)."
    if n := int(qc["scale_doubts"].fillna("").ne("").sum()):
        slides = count(n, "slide", " has", " have")
        yield f"{slides} a scale that the objective or the nuclei contradict (tables/qc.tsv)."
    if len(skipped := used.loc[used["unreadable"] > 0, "unreadable"]):
        tiles = count(int(skipped.sum()), "tile", " was", " were")
        yield f"{tiles} skipped as unreadable, on {count(len(skipped), 'slide')}."
    if n := int((used["stain_degenerate"].fillna(0) > 0).sum()):
        yield (f"The stain of {count(n, 'slide')} could not be estimated and was not normalised.")


def _not_compared(answers: pd.DataFrame) -> Iterator[str]:
    targets = answers[answers["scope"] == TARGET]
    for (task, why), rows in targets.dropna(subset=["why"]).groupby(["task", "why"], sort=False):
        names = rows["target"].drop_duplicates().tolist()
        verbs = (f" {verb} {NOT_ESTIMABLE}" for verb in ("is", "are"))
        many = count(len(names), "target", *verbs)
        yield f"{task}: {many} ({listed(names)}): {WHY[str(why)]}."
    untested = targets[targets["direction"] == UNTESTED]
    for name, rows in untested.groupby("task", sort=False):
        names = rows["target"].drop_duplicates().tolist()
        many = count(len(names), "target", " is", " are")
        yield (
            f"{name}: {many} not predicted better than chance, so no difference is "
            f"tested ({listed(names)})."
        )


def _of_fewer_folds(comparison: pd.DataFrame, crossval: Mapping[str, int]) -> Iterator[str]:
    every = crossval["folds"] * crossval["repeats"]
    some = comparison[comparison["n_folds"].between(1, every - 1)]
    for task, rows in some.groupby("task", sort=False):
        names = rows["target"].drop_duplicates().tolist()
        yield (
            f"{task}: {count(len(names), 'target', ' has', ' have')} no score in some of the "
            f"{every:,} folds, which are left out ({listed(names)})."
        )


def _not_validated(tables: Tables) -> Iterator[str]:
    """Yield which targets say nothing in the external cohort, and why."""
    if "validation" not in tables:
        return
    lost = tables["validation"].dropna(subset=["why"])
    lost = lost[lost["metric"].isin([*UNITS]) & lost["target"].notna()]
    for (task, why), rows in lost.groupby(["task", "why"], sort=False):
        names = rows["target"].drop_duplicates().tolist()
        many = count(len(names), "target")
        yield f"{task}, external validation: {many} ({listed(names)}): {WHY_NOT[str(why)]}."


def _without_label(excluded: pd.DataFrame) -> Iterator[str]:
    # Of the external cohort the page says more elsewhere.
    dropped = excluded[~excluded["code"].isin([*KEPT, "external_cohort"])]
    for (task, what), rows in dropped.groupby(["task", "what"], sort=False):
        items = count(len(rows), str(what), " is", " are")
        yield f"{task}: {items} left out of the labels ({_reasons(rows)})."


def _decided(rows: pd.DataFrame, whose: str) -> Iterator[str]:
    """Yield which ids were used of a user's table, and what else was decided in reading it."""
    for name, kept in rows[rows["code"].isin(KEPT)].groupby(whose, sort=False):
        said = [
            f"{what} in “{item}”"
            for code, what in IN_COLUMNS.items()
            for item in kept.loc[kept["code"] == code, "item"]
        ]
        if not (others := kept[~kept["code"].isin(IN_COLUMNS)]).empty:
            said.append(f"noted: {_reasons(others)}")
        yield f"{name}: {'; '.join(said)}."


def _external(used: pd.DataFrame) -> Iterator[str]:
    for (extractor, what), rows in used.groupby(["extractor", "what"], sort=False):
        if len(out := rows[rows["code"].notna() & ~rows["code"].isin(KEPT)]):
            items = share(len(out), len(rows), str(what), "is", "are")
            shared = (
                ""
                if what == "column"
                else (" Tasks of patients are compared on the patients that all extractors share.")
            )
            yield f"{extractor}: {items} left out ({_reasons(out)}).{shared}"
        if other := int((rows["qc"] == "other patches").sum()):
            yield (
                f"{extractor}: on {count(other, 'slide')}, its patches are not the tiles that "
                "quality control judged, so all of them count."
            )


def _external_patches(tables: Tables) -> Iterator[str]:
    if "external_patches" not in tables:
        return
    table = tables["external_patches"]
    patches, noted = table[table["what"] == "patch"], table[table["what"] != "patch"]
    for (extractor, dataset), rows in patches.groupby(["extractor", "dataset"], sort=False):
        if len(out := rows[rows["code"].notna()]):
            items = share(len(out), len(rows), "patch", "is", "are")
            yield (
                f"{extractor}, {dataset}: {items} left out ({_reasons(out)}). Extractors are "
                "compared on the patches that all of them have."
            )
    for row in noted.to_dict("records"):
        reason = Reason(row["code"], row["detail"])
        yield f"{row['extractor']}: {row['item']} {reason.cause}."


def _at_the_edge(tuning: pd.DataFrame) -> Iterator[str]:
    """Yield where tuning often ends at an edge: of a grid, or of what a penalty can do."""
    for row in tuning.to_dict("records"):
        name = row["parameter"]
        if pd.isna(row["n_lower"]):
            n = row["n_lowest"] + row["n_highest"]
            where = f"an end of the grid of {name}; values beyond it may do better"
        else:
            n = row["n_lower_limit"] + row["n_higher_limit"]
            where = (
                f"the least or greatest {name} that makes a difference: beyond it, predictions are "
                "nearly constant, or hardly penalised"
            )
        if n > OFTEN * row["n"]:
            fits = share(int(n), int(row["n"]), "fit", "chose", "chose")
            yield f"{row['task']}, {row['extractor']}: {fits} {where} (tables/tuning.tsv)."


def _near_duplicates(tables: Tables) -> Iterator[str]:
    if "near_duplicates" not in tables:  # of a study without fine-tuning, or without patches
        return
    table = tables["near_duplicates"]
    for row in table[table["n_near"] > 0].to_dict("records"):
        patches = share(row["n_near"], row["n"], "patch", "looks", "look")
        yield (
            f"{row['dataset']}: {patches} like one of {row['trained_on']}, which networks are "
            "fine-tuned on (tables/near_duplicates.tsv). On what they have seen, networks look "
            "better than they are."
        )


def _of_the_design(
    config: Mapping[str, Any], tables: Tables, kinds: Collection[str]
) -> Iterator[str]:
    labels = tables["excluded_labels"]
    named = set(labels.loc[labels["code"] == "patients_named", "task"])
    for name, task in config["tasks"].items():
        if "dataset" in task and name not in named:
            yield (
                f"{name}: the patches of {task['dataset']} do not name their patient. Patches of "
                "one patient may lie on both sides of a split. That makes the accuracy of every "
                "extractor too high, and also p values too small and intervals too narrow."
            )
    if "qc" in tables and not config["qc"]["apply"]:
        yield "Quality control was measured but not applied: blurred or inked patches count too."
    runs = len(config["finetune"]["seeds"])
    if "finetuned" in kinds and runs == 1:
        yield (
            "All intervals are conditional on one fine-tuning run. They do not include the "
            "variance between seeds."
        )
    elif "finetuned" in kinds:
        yield (
            f"The answers are about the mean of {runs} fine-tuning runs, and their intervals "
            "include the variance between these. The comparison of each run is conditional on it."
        )
    if config["study"] in OF_THE_PAPER:
        yield (
            "Only the abstract of the published study is at hand. What it leaves open is our "
            "choice, and the config says so."
        )


def _reasons(rows: pd.DataFrame) -> str:
    codes = rows["code"].value_counts().items()
    return listed([f"{n} × “{Reason(str(code)).words}”" for code, n in codes], 4)
