"""Targets that lack the labels of some samples: fitted together where they lack the same ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from .predictor import Bools, Draws, Float, Ints, Model, Predictor


@dataclass(frozen=True)
class ByPattern(Predictor):
    """A predictor of targets of which some labels are missing (NaN).

    `fittable` tells of (n, t) training labels which (t,) targets have enough of them; the others
    are predicted as NaN.
    """

    predictor: Predictor
    fittable: Callable[[Float], Bools]

    @property
    def settings(self) -> list[dict[str, Any]]:
        """Those of the predictor."""
        return self.predictor.settings

    @property
    def is_linear(self) -> bool:
        """Whether the predictor is."""
        return self.predictor.is_linear

    def in_blocks(self, widths: tuple[int, ...]) -> Self:
        """Return the predictor of features that are so many blocks."""
        return replace(self, predictor=self.predictor.in_blocks(widths))

    def fit(self, features: Float, truth: Float, draws: Draws) -> Model:
        """Fit the targets; see `Predictor.fit`."""
        usable = np.flatnonzero(self.fittable(truth))
        # Such targets share one decomposition of the features; most tables have a single pattern.
        known = np.isfinite(truth)
        members: dict[bytes, list[int]] = {}
        for target in usable.tolist():
            members.setdefault(known[:, target].tobytes(), []).append(target)
        parts = []
        chosen = np.full(truth.shape[1], np.nan)
        for of_pattern in members.values():
            targets, rows = np.array(of_pattern), known[:, of_pattern[0]]
            model = self.predictor.fit(features[rows], truth[np.ix_(rows, targets)], draws)
            chosen[targets] = model.chosen
            parts.append((targets, model))
        return _Parts(parts, chosen)


@dataclass(frozen=True)
class _Parts:
    parts: Sequence[tuple[Ints, Model]]
    chosen: Float

    def predict(self, features: Float) -> Float:
        return self._each(features, lambda model: model.predict)

    def scores(self, features: Float) -> Float:
        return self._each(features, lambda model: model.scores)

    def _each(self, features: Float, how: Callable[[Model], Callable[[Float], Float]]) -> Float:
        predictions = np.full((len(features), len(self.chosen)), np.nan)
        for targets, model in self.parts:
            predictions[:, targets] = how(model)(features)
        return predictions
