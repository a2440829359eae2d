"""Clinical covariates, which are imputed and encoded by the training samples of each fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .predictor import Draws, Float, Model, Predictor

if TYPE_CHECKING:
    from sklearn.compose import ColumnTransformer


@dataclass(frozen=True)
class Encoded(Predictor):
    """A predictor of features whose last columns are clinical covariates.

    These are numbers, and the numbers of categories; NaN where one is missing. A missing number
    becomes the median, a missing category the most frequent one, and then each category a column of
    zeros and ones. Medians and categories are those of the training samples: of a category that
    these lack, all columns are zero. Predictors standardise the columns like any other features,
    and the covariates are one block beside those of `widths`.

    Attributes
    ----------
    predictor : Predictor
    is_category : tuple of bool
        Which of the covariates are categories.
    """

    predictor: Predictor
    is_category: tuple[bool, ...]

    @property
    def settings(self) -> list[dict[str, Any]]:
        """Those of the predictor."""
        return self.predictor.settings

    def fit(self, features: Float, truth: Float, draws: Draws) -> Model:
        """Fit all targets; see `Predictor.fit`."""
        encoder = _encoder(sum(self.widths), self.is_category).fit(features)
        encoded = np.asarray(encoder.transform(features), dtype=np.float64)
        widths = (*self.widths, encoded.shape[1] - sum(self.widths))
        predictor = self.predictor.in_blocks(widths)
        return _Encoded(encoder, predictor.fit(encoded, truth, draws))


@dataclass(frozen=True)
class _Encoded:
    """A fitted predictor and what its features are encoded by; see `Model`."""

    encoder: ColumnTransformer
    model: Model

    @property
    def chosen(self) -> Float:
        return self.model.chosen

    def predict(self, features: Float) -> Float:
        return self.model.predict(self._encoded(features))

    def scores(self, features: Float) -> Float:
        return self.model.scores(self._encoded(features))

    def _encoded(self, features: Float) -> Float:
        return np.asarray(self.encoder.transform(features), dtype=np.float64)


def _encoder(start: int, is_category: Sequence[bool]) -> ColumnTransformer:
    """Return what leaves the first features as they are and encodes the covariates after them."""
    from sklearn.compose import ColumnTransformer  # here: most jobs do without it
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    kind = np.asarray(is_category)
    one_hot = make_pipeline(
        SimpleImputer(strategy="most_frequent", keep_empty_features=True),
        OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    return ColumnTransformer(
        [
            ("features", "passthrough", np.arange(start)),
            (
                "numbers",
                SimpleImputer(strategy="median", keep_empty_features=True),
                start + np.flatnonzero(~kind),
            ),
            ("categories", one_hot, start + np.flatnonzero(kind)),
        ]
    )
