"""The whole chain from features to p, where nothing differs and where something was planted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from histotransfer.evaluation.comparison import compare
from histotransfer.evaluation.splits import write_splits
from histotransfer.evaluation.task_results import read_results
from histotransfer.study.parameters import StatisticsParameters
from histotransfer.study.tasks import PredictorParameters
from support.tasks import cross_validated, patients, splitting, write_pooled, write_values

pytestmark = pytest.mark.slow

N, D, REPEATS, GENES, STUDIES = 80, 5, 2, 8, 10
"""Patients, features of each gene, repeats, genes of a study, studies."""
TASKS = {
    "expression": PredictorParameters("expression", "ridge", {"alpha": [1e1, 1e2, 1e3]}),
    "mutation": PredictorParameters("mutation", "logistic", {"C": [1e-3, 1e-2]}),
}


def study(folder, kind, seed, strengths):
    """Draw labels and two noisy views of what drives each; return the tests of their difference."""
    rng = np.random.default_rng([seed, len(kind)])
    truth = rng.standard_normal((N, GENES))
    values = truth + rng.normal(0, 0.5, truth.shape)
    if kind == "mutation":
        values = (values > 0).astype(int)
    genes = {f"G{number}": column for number, column in enumerate(values.T)}
    labels, splits = folder / "labels.tsv", folder / "splits.tsv"
    write_values(labels, patients(N), genes)
    write_splits(labels, splits, task=kind, kind=kind, parameters=splitting(seed, repeats=REPEATS))
    features = {}
    for name, strength in zip("AB", strengths, strict=True):
        x = strength * truth.repeat(D, axis=1) + 0.6 * rng.standard_normal((N, D * GENES))
        features[name] = write_pooled(folder / f"{name}.h5", x, patients(N), name)
    files = cross_validated(
        folder, labels, splits, features,
        task=kind, parameters=TASKS[kind], blocks=[range(REPEATS)], seed=seed,
    )  # fmt: skip
    results = read_results(files, kind, kind, StatisticsParameters(0.01, 0.05, seed), 0)
    return compare(results)


def studies(folder, kind, strengths, count):
    return pd.concat(study(folder, kind, seed, strengths) for seed in range(count))


@pytest.mark.parametrize("kind", TASKS)
def test_exchangeable_feature_sets_are_rarely_called_different(tmp_path, kind):
    """At 0.05, of 80 genes about four; more than the binomial interval holds is a failure."""
    results = studies(tmp_path, kind, (0.6, 0.6), STUDIES)
    n, rejected = len(results), (results["p_corrected"] < 0.05).sum()
    assert n == 80
    assert rejected <= binom.ppf(0.975, n, 0.05)
    assert binom.ppf(0.001, n, 0.5) <= (results["delta"] > 0).sum() <= binom.ppf(0.999, n, 0.5)


@pytest.mark.parametrize("kind", TASKS)
def test_a_planted_difference_is_found_and_its_direction(tmp_path, kind):
    results = studies(tmp_path, kind, (0.1, 2.0), STUDIES // 2)
    found = results[results["p_corrected"] < 0.05]
    assert len(results) == 40
    assert (found["delta"] > 0).sum() >= 32
    assert not (found["delta"] < 0).any()
