"""Predictors of scikit-learn by name, each target tuned in its training fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .blocks import spread
from .predictor import Draws, Float, Predictor

if TYPE_CHECKING:
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import StandardScaler

TUNED_BY = {"value": "neg_mean_squared_error", "binary": "neg_brier_score", "classes": "accuracy"}
"""What inner cross-validation maximises: proper scores, since these are what is predicted."""


@dataclass(frozen=True)
class _OneByOne:
    """A fitted pipeline for each target; see `Model`."""

    pipelines: Sequence[Any]
    chosen: Float
    values: bool

    def predict(self, features: Float) -> Float:
        """Predict (m, t) values, or probabilities to be positive."""
        columns = [
            np.ravel(one.predict(features)) if self.values else one.predict_proba(features)[:, -1]
            for one in self.pipelines
        ]
        return np.column_stack(columns).astype(np.float64)

    def scores(self, features: Float) -> Float:
        """Return the predictions."""
        return self.predict(features)


@dataclass(frozen=True)
class _OfClasses:
    """One fitted pipeline for all classes; see `Model`."""

    pipeline: Any
    chosen: Float

    def predict(self, features: Float) -> Float:
        """Predict the (m, k) probabilities of the classes; 0 of one without training samples."""
        probabilities = np.zeros((len(features), len(self.chosen)))
        probabilities[:, self.pipeline.classes_] = self.pipeline.predict_proba(features)
        return probabilities

    def scores(self, features: Float) -> Float:
        """Return the probabilities."""
        return self.predict(features)


@dataclass(frozen=True)
class ScikitLearn(Predictor):
    """A predictor of scikit-learn; features are standardised by the training samples of each fit.

    Attributes
    ----------
    name : {"pls", "elastic_net", "random_forest", "linear_svm", "knn"}
    grid : mapping
        Values to choose from, by the name of scikit-learn's parameter.
    target : {"value", "binary", "classes"}
        What a target is: a number, 0 or 1, or one of exclusive classes.
    """

    name: str
    grid: Mapping[str, Sequence[Any]]
    target: str

    @property
    def settings(self) -> list[dict[str, Any]]:
        """Every combination of the values of the grid, in the order of scikit-learn's."""
        from sklearn.model_selection import ParameterGrid  # here: most jobs do without it

        return list(ParameterGrid({name: list(values) for name, values in self.grid.items()}))

    @property
    def is_linear(self) -> bool:
        """Whether the numbers that it predicts are linear in the features."""
        return self.name in ("pls", "elastic_net")

    def fit(self, features: Float, truth: Float, draws: Draws) -> _OneByOne | _OfClasses:
        """Fit one target after the other, or all classes together; see `Predictor.fit`."""
        if self.target == "classes":
            pipeline, chosen = self._fit_one(features, truth.argmax(axis=1), draws)
            return _OfClasses(pipeline, np.full(truth.shape[1], float(chosen)))
        fitted = [self._fit_one(features, labels, draws) for labels in truth.T]
        return _OneByOne(
            [pipeline for pipeline, _ in fitted],
            np.array([float(chosen) for _, chosen in fitted]),
            values=self.target == "value",
        )

    def _fit_one(self, features: Float, labels: npt.NDArray[Any], draws: Draws) -> tuple[Any, int]:
        """Return a fitted pipeline, and which of the settings it has: the first wins a tie."""
        from sklearn.base import clone
        from sklearn.model_selection import GridSearchCV, PredefinedSplit
        from sklearn.pipeline import make_pipeline

        model, prefix = _estimator(self.name, self.target == "value", draws.predictor_seed)
        pipeline = make_pipeline(_scaler(features, self.widths), model)
        choices = [
            {f"{pipeline.steps[-1][0]}__{prefix}{key}": value for key, value in choice.items()}
            for choice in self.settings
        ]
        chosen = 0
        if len(choices) > 1:
            strata = np.zeros(len(labels)) if self.target == "value" else labels
            search = GridSearchCV(
                pipeline,
                [{key: [value] for key, value in choice.items()} for choice in choices],
                scoring=TUNED_BY[self.target],
                cv=PredefinedSplit(draws.inner_folds(strata)),
                refit=False,
                error_score="raise",
            ).fit(features, labels)
            chosen = int(np.argmax(search.cv_results_["mean_test_score"]))
        return clone(pipeline).set_params(**choices[chosen]).fit(features, labels), chosen


def _scaler(features: Float, widths: Sequence[int]) -> StandardScaler | ColumnTransformer:
    """Return what standardises features, within their blocks if these are several."""
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import StandardScaler

    if len(widths) < 2:
        return StandardScaler()
    starts = np.cumsum([0, *widths])
    blocks = {str(number): slice(*starts[number : number + 2]) for number in range(len(widths))}
    divisor = spread(np.ptp(features, axis=0) > 0, widths)
    return ColumnTransformer(
        [(name, StandardScaler(), block) for name, block in blocks.items()],
        transformer_weights={name: 1 / divisor[block][0] for name, block in blocks.items()},
    )


def _estimator(name: str, regression: bool, seed: int) -> tuple[Any, str]:
    """Return an estimator, and what its parameters' names begin with."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.cross_decomposition import PLSRegression
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.linear_model import ElasticNet
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
    from sklearn.svm import LinearSVC

    if name == "pls":
        return PLSRegression(scale=False), ""
    if name == "elastic_net":
        return ElasticNet(max_iter=10_000), ""
    if name == "random_forest":
        forest = RandomForestRegressor if regression else RandomForestClassifier
        return forest(random_state=seed), ""
    if name == "knn":
        return (KNeighborsRegressor if regression else KNeighborsClassifier)(), ""
    # Its margins become probabilities by Platt's scaling, on inner folds of the training samples.
    machine = LinearSVC(random_state=seed, dual="auto", max_iter=10_000)
    return CalibratedClassifierCV(machine, cv=3, ensemble=False), "estimator__"
