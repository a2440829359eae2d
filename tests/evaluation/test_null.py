"""The whole chain from features to p, where nothing differs and where something was planted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from histotransfer.evaluation.comparison import compare
from histotransfer.evaluation.cross_validation import run_block
from histotransfer.evaluation.scores import write_scores
from histotransfer.evaluation.splits import write_splits
from histotransfer.evaluation.task_results import read_results
from histotransfer.study.parameters import StatisticsParameters
from histotransfer.study.tasks import PredictorParameters
from support.tasks import patients, splitting, write_pooled, write_values

pytestmark = pytest.mark.slow

N, D, REPEATS, STUDIES = 60, 20, 2, 80
TASKS = {
    "expression": PredictorParameters("expression", "ridge", {"alpha": [1e1, 1e2, 1e3]}),
    "mutation": PredictorParameters("mutation", "logistic", {"C": [1e-3, 1e-2]}),
}


def study(folder, kind, seed, strengths):
    """Draw labels and two noisy views of what drives them; return the test of their difference."""
    rng = np.random.default_rng([seed, len(kind)])
    truth = rng.standard_normal(N)
    value = truth + rng.normal(0, 0.5, N)
    if kind == "mutation":
        value = (value > 0).astype(int)
    write_values(folder / "labels.tsv", patients(N), {"G": value})
    write_splits(
        folder / "labels.tsv", folder / "splits.tsv",
        task=kind, kind=kind, parameters=splitting(seed, repeats=REPEATS),
    )  # fmt: skip
    scores, predictions = {}, {}
    for name, strength in zip("AB", strengths, strict=True):
        x = strength * truth[:, None] + 2 * rng.standard_normal((N, D))
        write_pooled(folder / "x.h5", x, patients(N), name)
        scores[name], predictions[name] = folder / f"{name}.tsv", [folder / f"{name}.h5"]
        run_block(
            folder / "x.h5", folder / "labels.tsv", folder / "splits.tsv", folder / f"{name}.h5",
            parameters=TASKS[kind], task=kind, extractor=name, repeats=range(REPEATS), seed=seed,
            threads=1,
        )  # fmt: skip
        write_scores(
            predictions[name], folder / "labels.tsv", folder / "splits.tsv", scores[name],
            kind=kind, task=kind, extractor=name,
        )  # fmt: skip
    files = {"labels": folder / "labels.tsv", "splits": folder / "splits.tsv"}
    files |= {"scores": scores, "predictions": predictions}
    results = read_results(files, kind, kind, StatisticsParameters(0.01, 0.05, seed), 0)
    return compare(results).iloc[0]


@pytest.mark.parametrize("kind", TASKS)
def test_exchangeable_feature_sets_are_rarely_called_different(tmp_path, kind):
    """At 0.05, of 80 studies about four; more than the binomial interval holds is a failure."""
    results = [study(tmp_path, kind, seed, (0.6, 0.6)) for seed in range(STUDIES)]
    rejected = sum(result.p_corrected < 0.05 for result in results)
    assert rejected <= binom.ppf(0.975, STUDIES, 0.05)
    better = sum(result.delta > 0 for result in results)
    assert binom.ppf(0.001, STUDIES, 0.5) <= better <= binom.ppf(0.999, STUDIES, 0.5)


@pytest.mark.parametrize("kind", TASKS)
def test_a_planted_difference_is_found_and_its_direction(tmp_path, kind):
    results = [study(tmp_path, kind, seed, (0.1, 2.0)) for seed in range(40)]
    assert sum(result.p_corrected < 0.05 and result.delta > 0 for result in results) >= 32
    assert not any(result.p_corrected < 0.05 and result.delta < 0 for result in results)
