"""Tasks: what is predicted, from which labels, by which predictor.

Imported by the Snakefile, so only the standard library may be imported here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .parameters import Parameters

GRIDS = {"ridge": ("alphas", "alpha"), "cox": ("alphas", "alpha"), "logistic": ("C", "C")}
"""Predictors whose values are a key of the task: that key, and the name of the parameter."""

TWO_VALUES, NUMBERS, CLASSES, TIMES = "two values", "numbers", "classes", "times"
"""What the values of a target are."""
VALUES = {
    "binary": TWO_VALUES, "regression": NUMBERS, "multiclass": CLASSES,
    "survival": TIMES,
    "mutation": TWO_VALUES, "expression": NUMBERS, "tissue": CLASSES,
}  # fmt: skip
"""What the targets of each kind of task are."""


def completed_task(task: object, defaults: Mapping[str, Mapping[str, Any]]) -> object:
    """Fill in the keys that a task of the config leaves to the defaults of its kind.

    The defaults' grid is that of the defaults' predictor, and is left out beside another one.
    Anything but a task of a known kind is returned as it is, for the schema to refuse.
    """
    if not isinstance(task, Mapping):
        return task
    kind = task.get("kind")
    if not isinstance(kind, str) or kind not in defaults:
        return task
    of_kind = defaults["tissue" if kind == "multiclass" and "dataset" in task else kind]
    if task.get("predictor", of_kind["predictor"]) != of_kind["predictor"]:
        grid, _ = GRIDS[of_kind["predictor"]]
        of_kind = {key: value for key, value in of_kind.items() if key != grid}
    return {**task, **{key: value for key, value in of_kind.items() if key not in task}}


@dataclass(frozen=True)
class LabelParameters(Parameters):
    """What a task's labels are read from, and how.

    Attributes
    ----------
    kind : str
        One of `VALUES`.
    labels : mapping
        ``table`` (and ``suffix``), or ``star_counts`` and ``samples``, or ``maf``, ``samples`` and
        ``variant_classes``; each may have ``id``, the column of ids. Empty for patches.
    targets : str or list of str
        ``all``, a file of targets, or a list.
    transform : str or mapping
        Of numbers: ``log2p1``, ``none`` or ``{clip: bound}``.
    named_like_task : bool
        Whether the config names no targets, so that the one target is called like the task.
    positive : str, int, float or None
        Of a binary task: which of two words counts as positive.
    classes : list of str or None
        Of a multiclass task of patients: the classes that count; None for all.
    time, event : str
        Of a survival task, the columns of the times and of whether the event was observed.
    """

    kind: str
    labels: Mapping[str, Any]
    targets: str | Sequence[str]
    transform: str | Mapping[str, float]
    named_like_task: bool = False
    positive: str | float | None = None
    classes: Sequence[str] | None = None
    time: str = ""
    event: str = ""

    @property
    def values(self) -> str:
        """What the values of a target are: one of those of `VALUES`."""
        return VALUES[self.kind]


@dataclass(frozen=True)
class PredictorParameters(Parameters):
    """By what a task is predicted.

    Attributes
    ----------
    kind : str
        One of `VALUES`.
    predictor : str
        Such as ``ridge`` or ``logistic``.
    grid : mapping of str to list
        Values to choose from inside the training folds, by scikit-learn's name of the parameter.
    """

    kind: str
    predictor: str
    grid: Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Task:
    """A task of the study.

    Attributes
    ----------
    name : str
    dataset : str
        Of a task of patches: where they are from; of a task of patients empty.
    labels : LabelParameters
    predictor : PredictorParameters
    """

    name: str
    dataset: str
    labels: LabelParameters
    predictor: PredictorParameters

    @classmethod
    def from_config(cls, name: str, entry: Mapping[str, Any], labels: Mapping[str, Any]) -> Task:
        """Make a task from its entry in the config and what its labels are read from."""
        kind, predictor = entry["kind"], entry["predictor"]
        if predictor in GRIDS:
            key, parameter = GRIDS[predictor]
            values = entry[key]
            grid = {parameter: values if isinstance(values, list) else [values]}
        else:
            grid = entry["grid"]
        dataset = entry.get("dataset", "")
        named_like_task = not dataset and "targets" not in entry
        return cls(
            name,
            dataset,
            LabelParameters(
                kind,
                labels,
                [name] if named_like_task else entry.get("targets", "all"),
                entry.get("transform", "none"),
                named_like_task,
                entry.get("positive"),
                entry.get("classes"),
                entry.get("time", ""),
                entry.get("event", ""),
            ),
            PredictorParameters(kind, predictor, grid),
        )

    @property
    def kind(self) -> str:
        """One of `VALUES`."""
        return self.labels.kind
