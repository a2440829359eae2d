"""Tasks: what is predicted, from which labels, by which predictor.

Imported by the Snakefile, so only the standard library may be imported here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .parameters import Parameters

STATISTICS = {"tissue": "multiclass", "expression": "regression", "mutation": "binary"}
"""The paper's kinds of task, by what they are in statistics."""
GRIDS = {"ridge": ("alphas", "alpha"), "logistic": ("C", "C")}
"""Predictors whose values are a key of the task: that key, and the name of the parameter."""


@dataclass(frozen=True)
class LabelParameters(Parameters):
    """What a task's labels are read from, and how.

    Attributes
    ----------
    kind : {"tissue", "expression", "mutation"}
    labels : mapping
        ``table`` (and ``suffix``), or ``star_counts`` and ``samples``, or ``maf``, ``samples`` and
        ``variant_classes``; each may have ``id``, the column of ids. Empty for tissue.
    targets : str or list of str
        ``all``, a file of targets, or a list.
    transform : str or mapping
        Of expression: ``log2p1``, ``none`` or ``{clip: bound}``.
    """

    kind: str
    labels: Mapping[str, Any]
    targets: str | Sequence[str]
    transform: str | Mapping[str, float]


@dataclass(frozen=True)
class PredictorParameters(Parameters):
    """By what a task is predicted.

    Attributes
    ----------
    kind : {"tissue", "expression", "mutation"}
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
        Of a tissue task: the patches that are told apart; otherwise empty.
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
        return cls(
            name,
            entry.get("dataset", ""),
            LabelParameters(
                kind, labels, entry.get("targets", "all"), entry.get("transform", "none")
            ),
            PredictorParameters(kind, predictor, grid),
        )

    @property
    def kind(self) -> str:
        """``tissue``, ``expression`` or ``mutation``."""
        return self.labels.kind

    @property
    def statistics(self) -> str:
        """``multiclass``, ``regression`` or ``binary``."""
        return STATISTICS.get(self.kind, self.kind)
