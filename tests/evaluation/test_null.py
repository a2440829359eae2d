"""The whole chain from features to p, where nothing differs and where something was planted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from histotransfer.core.tables import read_table, write_table
from histotransfer.evaluation import statistics as st
from histotransfer.evaluation.cross_validation import run_block
from histotransfer.evaluation.scores import POOLED, PRIMARY, write_scores
from histotransfer.evaluation.splits import write_splits
from support.tasks import expression_task, mutation_task, patients, write_pooled

pytestmark = pytest.mark.slow

N, D, REPEATS, STUDIES = 60, 20, 4, 200
TASKS = {
    "expression": expression_task(alphas=[1e1, 1e2, 1e3]),
    "mutation": mutation_task(inverse_penalties=[1e-3, 1e-2]),
}


def study(folder, kind, seed, strengths):
    """Draw labels and two noisy views of what drives them; return the test of their difference."""
    rng = np.random.default_rng([seed, len(kind)])
    truth = rng.standard_normal(N)
    value = truth + rng.normal(0, 0.5, N)
    if kind == "mutation":
        value = (value > 0).astype(int)
    write_table(pd.DataFrame({"sample": patients(N), "G": value}), folder / "labels.tsv")
    write_splits(
        folder / "labels.tsv", folder / "splits.tsv",
        kind=kind, folds=5, repeats=REPEATS, seed=seed, preserve="none",
    )  # fmt: skip
    by_fold = []
    for strength in strengths:
        x = strength * truth[:, None] + 2 * rng.standard_normal((N, D))
        write_pooled(folder / "x.h5", x, patients(N))
        run_block(
            folder / "x.h5", folder / "labels.tsv", folder / "splits.tsv", folder / "cv.h5",
            task=TASKS[kind], task_name=kind, extractor="X", repeats=range(REPEATS), seed=seed,
            threads=1,
        )  # fmt: skip
        write_scores(
            [folder / "cv.h5"], folder / "labels.tsv", folder / "splits.tsv", folder / "s.tsv",
            kind=kind,
        )  # fmt: skip
        table = read_table(folder / "s.tsv")
        chosen = (table["metric"] == PRIMARY[kind]) & (table["fold"] != POOLED)
        by_fold.append(table[chosen].set_index(["repeat", "fold"])["value"])
    return st.compare(by_fold[1] - by_fold[0], folds=5, rope=0.01)


@pytest.mark.parametrize("kind", TASKS)
def test_exchangeable_feature_sets_are_rarely_called_different(tmp_path, kind):
    """At 0.05, of 200 studies about ten; more than the binomial interval holds is a failure."""
    results = [study(tmp_path, kind, seed, (0.6, 0.6)) for seed in range(STUDIES)]
    assert all(result.status == st.OK for result in results)
    rejected = sum(result.p < 0.05 for result in results)
    assert rejected <= binom.ppf(0.975, STUDIES, 0.05)
    better = sum(result.delta > 0 for result in results)
    assert binom.ppf(0.001, STUDIES, 0.5) <= better <= binom.ppf(0.999, STUDIES, 0.5)


@pytest.mark.parametrize("kind", TASKS)
def test_a_planted_difference_is_found_and_its_direction(tmp_path, kind):
    results = [study(tmp_path, kind, seed, (0.1, 2.0)) for seed in range(40)]
    assert sum(result.p < 0.05 and result.delta > 0 for result in results) >= 32
    assert not any(result.p < 0.05 and result.delta < 0 for result in results)
