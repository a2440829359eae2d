"""Alternatives of a study: plans that take from it whatever both make in the same way.

Imported by the Snakefile, so only what Snakemake itself depends on may be imported here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..core.errors import HistotransferError
from .config import amended
from .plan import StudyPlan

Way = tuple[object, ...]


class Alternative(StudyPlan):
    """A study under one of the alternatives of its config.

    Parameters
    ----------
    main : StudyPlan
        The study.
    name : str
        The alternative.
    """

    main: StudyPlan

    def __init__(self, main: StudyPlan, name: str) -> None:
        self.main = main
        super().__init__(amended(main.config, name), main.sheet)

    def is_own(self, stage: str, *names: str) -> bool:
        """Tell whether a file is another than the study's (`way`)."""
        further = self.extractors.keys() - self.main.extractors.keys()  # of more seeds
        return bool(further & {*names}) or way(self, stage, *names) != way(self.main, stage, *names)


def asks_for_robustness(words: Iterable[str], config: Mapping[str, Any]) -> bool:
    """Tell whether Snakemake is asked for alternatives, or runs a job of theirs.

    Parameters
    ----------
    words : iterable of str
        Snakemake's arguments: the rule's name, files, and on a cluster the rules and jobs to run.
    config : mapping
        Complete.
    """
    results, names = config["results"], config.get("robustness") or ()
    begins = (
        f"{results}/robustness/",
        *(f"{results}/{folder}/robustness." for folder in ("tables", "figures")),
        *(f"{rule}_robustness" for rule in ("tabulate", "draw")),
        *(f"robustness_{name}_" for name in names),
    )
    return any(word == "robustness" or word.startswith(begins) for word in words)


def alternatives(plan: StudyPlan) -> dict[str, Alternative]:
    """Plan a study under each alternative of its config.

    Raises
    ------
    HistotransferError
        If there is none, or an alternative changes nothing.
    """
    if "robustness" not in plan.config:
        raise HistotransferError(
            "config",
            "has no section `robustness`, which names the alternatives to run",
            "Add it (docs/robustness.md)",
        )
    found = {name: Alternative(plan, name) for name in plan.config["robustness"]}
    for name, alternative in found.items():
        if not alternative.changed_tasks:
            raise HistotransferError(
                f"config: robustness.{name}",
                "changes nothing that the scores of this study depend on",
                "Let it change something else, or take it out",
            )
    return found


def way(plan: StudyPlan, stage: str, *names: str) -> Way:
    """Return how a study makes a file: the parameters of its step, and of all steps before it.

    Two studies of the same data whose ways are equal make the same file.

    Parameters
    ----------
    plan : StudyPlan
    stage : str
        The folder of the results.
    *names : str
        What the file is of, such as a task and an extractor. Without names, the files of slides.

    Returns
    -------
    tuple
        For a stage that is not named here it is the results' folder, which no two studies share.
    """

    def of(*place: str) -> Way:
        return way(plan, *place)

    match (stage, *names):
        case ("tiles", *_):
            return (plan.tiling,)
        case ("patches", name) if name in plan.config["datasets"]:
            return plan.encoding, plan.tiling.patch_px, plan.needs_images(name)
        case ("stain", *_):
            return plan.reference, plan.config["stain"]["glass"], of("patches", plan.reference)
        case ("patches" | "metrics", *_):
            is_fitted = plan.patches.stain_method != "none"
            return plan.patches, of("tiles"), of("stain") if is_fitted else ()
        case ("qc", *_):
            return plan.qc, of("metrics")
        case ("models", name):
            return _of_model(plan, name)
        case ("features", name):
            return plan.extraction, of("models", name), of("patches")
        case ("features", name, dataset):
            return plan.extraction, of("models", name), of("patches", dataset)
        case ("pooled", name):
            return _of_patients(plan, name)
        case ("tables", "cohort"):
            return plan.pooling.apply_qc, of("qc")
        case ("tables", "near_duplicates"):
            return ()
        case ("labels" | "splits", task):
            return _of_labels(plan, task)
        case ("cv" | "scores", task, name):
            parts = [_of_samples(plan, task, part) for part in plan.parts_of(name)]
            return of("labels", task), *parts
    return (plan.results,)


def _of_model(plan: StudyPlan, name: str) -> Way:
    extractor = plan.extractors[name]
    is_tuned = extractor.kind == "finetuned"
    recipe = (
        (plan.frozen_blocks_params(), way(plan, "patches", plan.trained_on)) if is_tuned else ()
    )
    return extractor, plan.tiling.patch_px, *recipe


def _of_patients(plan: StudyPlan, name: str) -> Way:
    extractor = plan.extractors[name]
    if not (extractor.is_network or extractor.kind == "features"):
        return (extractor,)
    judged = way(plan, "qc" if plan.pooling.apply_qc else "metrics") if plan.has_slides else ()
    return plan.pooling, way(plan, "features", name) if extractor.is_network else name, judged


def _of_labels(plan: StudyPlan, task: str) -> Way:
    """Labels are read of the samples of which all extractors have features."""
    others = [name for name in plan.compared_in(task) if name in plan.external]
    samples = [_of_samples(plan, task, name) for name in others]
    if dataset := plan.tasks[task].dataset:
        return way(plan, "patches", dataset), *samples
    return way(plan, "tables", "cohort") if plan.has_slides else (), *samples


def _of_samples(plan: StudyPlan, task: str, name: str) -> Way:
    dataset = plan.tasks[task].dataset
    return way(plan, "features", name, dataset) if dataset else way(plan, "pooled", name)
