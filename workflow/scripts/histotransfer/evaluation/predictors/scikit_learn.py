"""Further predictors by name, through scikit-learn: each target tuned in its training fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

#: Predictors that are not here have a closed form or a solver of their own in `linear`.
NAMES = ("pls", "elastic_net", "random_forest", "linear_svm", "knn")
#: What inner cross-validation maximises: proper scores, since these are what is predicted.
TUNED_BY = {
    "tissue": "accuracy",
    "expression": "neg_mean_squared_error",
    "mutation": "neg_brier_score",
}


def settings(grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return every combination of the values of a grid, in the order of scikit-learn's."""
    from sklearn.model_selection import ParameterGrid  # here: most jobs do without scikit-learn

    return list(ParameterGrid({name: list(values) for name, values in grid.items()}))


def fit_predict(
    name: str,
    kind: str,
    train: Float,
    labels: npt.NDArray[Any],
    test: Float,
    *,
    grid: Mapping[str, Sequence[Any]],
    inner: Ints,
    seed: int,
) -> tuple[Float, int]:
    """Fit one target on a training fold and predict its test fold.

    Features are standardised by the training samples of each fit, the inner ones included.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    kind : {"tissue", "expression", "mutation"}
        Expression is a regression; the others are classifications.
    train, test : (n, d) and (m, d) float64
        Features.
    labels : (n,) array
        Values, 0/1, or the index of the class.
    grid : mapping
        Values to choose from, by the name of scikit-learn's parameter.
    inner : (n,) int
        The inner fold of each training sample.
    seed : int
        Of a forest and of the support vector machine's order of samples.

    Returns
    -------
    predictions : (m, k) float64
        Of expression one column; else the probability of each class of the training fold, in
        ascending order.
    chosen : int
        Which of `settings(grid)`: the best by `TUNED_BY`, the first wins a tie.
    """
    from sklearn.base import clone
    from sklearn.model_selection import GridSearchCV, PredefinedSplit
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model, prefix = _estimator(name, kind, seed)
    pipeline = make_pipeline(StandardScaler(), model)
    choices = [
        {f"{pipeline.steps[-1][0]}__{prefix}{key}": value for key, value in choice.items()}
        for choice in settings(grid)
    ]
    chosen = 0
    if len(choices) > 1:
        search = GridSearchCV(
            pipeline,
            [{key: [value] for key, value in choice.items()} for choice in choices],
            scoring=TUNED_BY[kind],
            cv=PredefinedSplit(inner),
            refit=False,
            error_score="raise",
        ).fit(train, labels)
        chosen = int(np.argmax(search.cv_results_["mean_test_score"]))
    fitted = clone(pipeline).set_params(**choices[chosen]).fit(train, labels)
    if kind == "expression":
        return np.asarray(fitted.predict(test), dtype=np.float64).reshape(-1, 1), chosen
    return np.asarray(fitted.predict_proba(test), dtype=np.float64), chosen


def _estimator(name: str, kind: str, seed: int) -> tuple[Any, str]:
    """Return an estimator, and what its parameters' names begin with."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.cross_decomposition import PLSRegression
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.linear_model import ElasticNet
    from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
    from sklearn.svm import LinearSVC

    regression = kind == "expression"
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
