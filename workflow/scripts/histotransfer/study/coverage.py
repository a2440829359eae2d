"""Which extractors have features of a task's samples: patients, or the patches of a dataset.

A network can run on any patch, a table knows patients alone, and a folder of another tool's
features knows the slides and datasets of which it has a file. Extractors side by side have what all
of them have. Whoever lacks features is left out of the task by name, before the first job.

Imported by the Snakefile, so only the standard library may be imported here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import HistotransferError
from ..core.user_files import FEATURES, files_by_stem
from .extractors import COVARIATES, Extractor
from .tasks import Task

Files = Mapping[str, Sequence[Path]]


@dataclass(frozen=True)
class Lacking:
    """Why an extractor has no features of a task's samples, and what helps, if anything."""

    cause: str
    remedy: str = ""


def feature_files(extractors: Mapping[str, Extractor]) -> dict[str, Files]:
    """Return the files of each folder of features that exists, by their name without ending."""
    return {
        name: files_by_stem(extractor.path, FEATURES)
        for name, extractor in extractors.items()
        if extractor.kind == "features" and Path(extractor.path).is_dir()
    }


def lacking(
    extractors: Mapping[str, Extractor],
    files: Mapping[str, Files],
    tasks: Mapping[str, Task],
    slides: Collection[str] | None,
) -> dict[str, dict[str, Lacking]]:
    """Return the extractors without features of a task's samples, by task.

    Parameters
    ----------
    extractors : mapping of str to Extractor
    files : mapping of str to mapping
        As of `feature_files`; a folder that does not exist yet may come to hold anything.
    tasks : mapping of str to Task
    slides : collection of str, optional
        Those of the study; None if its sheet does not exist yet.

    Raises
    ------
    HistotransferError
        If a folder has two files of a dataset.
    """
    return {
        task: {
            name: why
            for name, extractor in extractors.items()
            for part in extractor.parts or (name,)
            if (why := _why(extractors[part], files.get(part), entry.dataset, slides)) is not None
        }
        for task, entry in tasks.items()
    }


def _why(
    extractor: Extractor, files: Files | None, dataset: str, slides: Collection[str] | None
) -> Lacking | None:
    if extractor.kind == COVARIATES and dataset:
        return Lacking("clinical covariates are of patients, not of patches")
    if extractor.kind == "table" and dataset:
        return Lacking(
            f"the table {extractor.path} has features of patients, not of patches",
            "Give features of patches (docs/your-study.md), if there are any",
        )
    if extractor.kind != "features" or files is None:
        return None
    if dataset:
        if dataset in files:
            _refuse_two(extractor.path, files[dataset], dataset)
            return None
        return Lacking(
            f"the folder {extractor.path} has no {dataset}.h5",
            f"Put the features of {dataset}'s patches there (docs/your-study.md)",
        )
    if slides is None or any(slide in files for slide in slides):
        return None
    return Lacking(
        f"the folder {extractor.path} has no file of any slide",
        "Put {slide}.h5 there, named as in the slide sheet",
    )


def _refuse_two(folder: str, files: Sequence[Path], dataset: str) -> None:
    if len(files) > 1:
        raise HistotransferError(
            folder,
            f"has two files of dataset {dataset}: {files[0]} and {files[1]}",
            "Give the folder of one kind of features, or move the other files away",
        )


def refuse_uncompared(
    extractors: Mapping[str, Extractor], left_out: Mapping[str, Mapping[str, Lacking]]
) -> None:
    """Raise HistotransferError if a task has nothing to compare, or an extractor no task.

    Parameters
    ----------
    extractors : mapping of str to Extractor
        The baseline first.
    left_out : mapping
        As of `lacking`.
    """
    baseline = next(iter(extractors))
    for task, without in left_out.items():
        if baseline in without:
            own = without[baseline]
            raise HistotransferError(
                f"config: extractors.{baseline}",
                f"is the baseline, and has no features for task {task}: {own.cause}",
                f"{own.remedy}, or name another extractor first",
            )
        if len(without) == len(extractors) - 1:
            name, own = next(iter(without.items()))
            raise HistotransferError(
                f"config: tasks.{task}",
                f"would have {baseline} alone, and nothing to compare it with; of {name}, "
                f"{own.cause}",
                own.remedy,
            )
    for name in extractors:
        reasons = [without.get(name) for without in left_out.values()]
        if None not in reasons and (why := reasons[0]) is not None:
            raise HistotransferError(
                f"config: extractors.{name}",
                f"has no features for any task: {why.cause}",
                f"{why.remedy}, or take the extractor out",
            )


def sentences(left_out: Mapping[str, Mapping[str, Lacking]]) -> list[str]:
    """Say of each task who is left out of it, why, and what to do."""
    return [
        f"{task}: {name} is not compared, because {why.cause}. {why.remedy}."
        for task, without in left_out.items()
        for name, why in without.items()
        if why.remedy  # what cannot be otherwise is no surprise
    ]
