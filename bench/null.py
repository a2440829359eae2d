"""The comparison's error rates: simulated studies through the library's own evaluation.

    make bench-null [STUDIES=1000] [ROWS="pearson auroc-n100"] [SEED=1]

In a null study, two extractors see the same signal with independent noise of equal size; in a study
of power, the second one sees less noise. Folds, estimators, scores and test are the library's. Each
row of the table is a size, metric, signal and number of repeats, and prints

- `null ROW RATE LOW HIGH target 0.06`: how often, at 0.05, a difference is found where there is
  none; a target that is not predicted at all is not tested;
- `cover ROW RATE LOW HIGH target 0.93`: how often the 95 % interval holds zero, of all
  targets, also those that a study would leave untested;
- `power ROW RATE LOW HIGH target RATE`: how often a planted difference is found, and how often the
  test of Nadeau and Bengio finds it in the same studies, a quarter as many; this is the target
  where that test keeps its level (`uncorrected` lines say where).

LOW and HIGH are a 95 % Wilson interval over studies.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from threadpoolctl import threadpool_limits

from histotransfer.evaluation import statistics as st
from histotransfer.evaluation.cross_validation import Drawn, out_of_fold, without_pairs
from histotransfer.evaluation.fold_scores import PAIRED_REPEATS, FoldScores
from histotransfer.evaluation.kinds import ALL, KINDS, TaskKind
from histotransfer.evaluation.splits import stratified_folds
from histotransfer.study.tasks import PredictorParameters

Array = npt.NDArray[np.float64]
FOLDS, AT_ONCE, CLASSES, PATCHES = 5, 10, 4, 100
ROPE, ALPHA = 0.01, 0.05
TASKS = {
    "pearson": PredictorParameters(
        "expression", "ridge", {"alpha": np.logspace(0, 5, 11).tolist()}
    ),
    "auroc": PredictorParameters("mutation", "logistic", {"C": [1e-2]}),
    "accuracy": PredictorParameters("tissue", "logistic", {"C": [1e-2]}),
}
"""By metric; the grid of the logistic regression is one value, to have a thousand studies."""


@dataclass(frozen=True)
class Row:
    """A kind of study.

    `n` patients; `signal` is the share of a target's variance that the features can know, `noise`
    what the features add to it; `positives` of an AUROC.
    """

    name: str
    metric: str
    n: int
    repeats: int
    signal: float
    noise: float = 2.0
    positives: int = 0
    features: int = 50

    @property
    def kind(self) -> TaskKind:
        """The kind of its task."""
        return KINDS[TASKS[self.metric].kind]


def rows() -> Iterator[Row]:
    """Yield the rows of the table."""
    for repeats in (10, 50):
        for n in (60, 100, 455):
            for name, signal in (("unrelated", 0.0), ("weak", 0.15), ("strong", 0.6)):
                row = f"pearson-n{n}-{name}-r{repeats}"
                yield Row(row, "pearson", n, repeats, signal)
        for n, positives in ((60, 18), (100, 30), (100, 50), (455, 10), (455, 20), (455, 45)):
            for name, signal in (("unrelated", 0.0), ("related", 0.5)):
                row = f"auroc-n{n}-{positives}pos-{name}-r{repeats}"
                yield Row(row, "auroc", n, repeats, signal, positives=positives)
        yield Row(f"accuracy-40x100-grouped-r{repeats}", "accuracy", 40, repeats, 0.5, features=24)
    yield Row("auroc-n455-9pos-related-r10", "auroc", 455, 10, 0.5, positives=9)
    yield Row("pearson-n455-weak-300features-r10", "pearson", 455, 10, 0.15, features=300)


def draw(row: Row, rng: np.random.Generator, gain: float) -> tuple[list[Array], Array, Array]:
    """Return the features of both extractors, the truth (n, t), and each sample's group."""
    if row.metric == "accuracy":
        return _patches(row, rng, gain)
    known = rng.standard_normal((row.n, AT_ONCE))
    axes = rng.standard_normal((AT_ONCE, row.features)) / np.sqrt(AT_ONCE)
    views = [
        known @ axes + noise * rng.standard_normal((row.n, row.features))
        for noise in (row.noise, row.noise / gain)
    ]
    own = rng.standard_normal(known.shape)
    truth = np.sqrt(row.signal) * known + np.sqrt(1 - row.signal) * own
    if row.positives:
        truth = (truth >= np.sort(truth, axis=0)[row.n - row.positives]).astype(np.float64)
    return views, truth, np.arange(row.n)


def _patches(row: Row, rng: np.random.Generator, gain: float) -> tuple[list[Array], Array, Array]:
    patient = np.repeat(np.arange(row.n), PATCHES)
    code = np.tile(np.arange(PATCHES) % CLASSES, row.n)
    axes = rng.standard_normal((CLASSES, row.features)) * row.signal
    views = [
        axes[code]
        + noise / 2 * rng.standard_normal((row.n, row.features))[patient]
        + noise / 2 * rng.standard_normal((len(code), row.features))
        for noise in (row.noise, row.noise / gain)
    ]
    return views, np.eye(CLASSES)[code], patient


def compare(row: Row, seed: int, gain: float) -> tuple[pd.DataFrame, Array]:
    """Run one simulated study; return its comparison, screened or not, and the plain p values."""
    rng = np.random.default_rng([seed, len(row.name), *row.name.encode()])
    views, truth, group = draw(row, rng, gain)
    kind, targets = row.kind, [f"T{i}" for i in range(truth.shape[1])]
    usable = np.where(kind.estimable(truth, FOLDS), truth, np.nan)
    codes = np.zeros((group.max() + 1, truth.shape[1] if row.metric != "pearson" else 0), int)
    np.add.at(codes, group, truth[:, : codes.shape[1]].astype(int))
    sizes = np.bincount(group)
    drawn = [
        Drawn(stratified_folds(codes, sizes, FOLDS, rng)[group], FOLDS, seed, repeat)
        for repeat in range(row.repeats)
    ]
    results = [_scores(row, view, usable, drawn, targets) for view in views]
    chance = np.array([*kind.chance(truth, targets).values()])[: results[0].folds.shape[2]]
    difference = results[1] - results[0]
    with np.errstate(invalid="ignore", divide="ignore"):
        t = np.abs(difference.mean) / np.sqrt(difference.nadeau_bengio())
        plain = 2 * stats.t.sf(t, difference.n - 1)
    screened, every = (
        st.compare(*results, chance, rope=ROPE, alpha=alpha) for alpha in (ALPHA, 1.1)
    )
    return screened.assign(low=every["ci_low"], high=every["ci_high"]), np.asarray(plain)


def _scores(
    row: Row, view: Array, truth: Array, drawn: list[Drawn], targets: list[str]
) -> FoldScores:
    kind = row.kind
    predictor = kind.predictor(TASKS[row.metric]).prepared(view)
    t = 1 if row.metric == "accuracy" else truth.shape[1]

    def score(predicted: Array, rows: npt.NDArray[np.bool_]) -> Array:
        table = kind.primary(truth[rows], predicted[rows], targets)
        values = table.loc[table["target"] == ALL] if row.metric == "accuracy" else table
        return values["value"].to_numpy()

    folds = np.full((row.repeats, FOLDS, t), np.nan)
    pairs = np.full((min(row.repeats, PAIRED_REPEATS), FOLDS, FOLDS, t), np.nan)
    for repeat, of_repeat in enumerate(drawn):
        predicted, _ = out_of_fold(predictor, view, truth, of_repeat)
        masks = of_repeat.fold_of == np.arange(FOLDS)[:, None]
        folds[repeat] = [score(predicted, mask) for mask in masks]
        if repeat < len(pairs):
            without = without_pairs(predictor, view, truth, of_repeat)
            for i, j in zip(*np.nonzero(~np.eye(FOLDS, dtype=bool)), strict=True):
                pairs[repeat, i, j] = score(without[j], masks[i])
    return FoldScores(folds, pairs, kind.grouped, kind.correlation)


def study(row: Row, seed: int, gain: float) -> list[tuple[bool, bool, bool, bool]]:
    """Return of each target of a study: tested, found, zero in the interval, found by the plain."""
    with threadpool_limits(limits=1):
        table, plain = compare(row, seed, gain)
    known = table["status"].ne(st.NOT_ESTIMABLE)
    found = table["p_corrected"].lt(0.05)
    covered = table["low"].le(0) & table["high"].ge(0)
    tested = table["status"].eq(st.OK)
    marks = zip(tested, found, covered | ~known, plain < 0.05, strict=True)
    return [tuple(map(bool, mark)) for mark in marks]  # type: ignore[misc]


def line(what: str, row: Row, hits: int, n: int, target: str) -> None:
    """Print a rate with its interval."""
    low, high = (float(bound) for bound in st.wilson(hits / n, n))
    print(f"{what} {row.name} {hits / n:.3f} {low:.3f} {high:.3f} {target}".rstrip(), flush=True)


def main() -> None:
    """Run the bench."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--studies", type=int, default=1000, help="simulated studies per row")
    parser.add_argument("--rows", nargs="*", default=[""], help="rows whose names begin like this")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--gain", type=float, default=1.25, help="less noise, of a study of power")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    chosen = parser.parse_args()
    chosen_rows = [row for row in rows() if row.name.startswith(tuple(chosen.rows))]
    with ProcessPoolExecutor(chosen.processes) as pool:
        for row in chosen_rows:
            sets = -(-chosen.studies // (1 if row.metric == "accuracy" else AT_ONCE))
            seeds = range(chosen.seed * 1_000_000, chosen.seed * 1_000_000 + sets)
            null, power = (
                [mark for marks in pool.map(partial(study, row, gain=gain), some) for mark in marks]
                for gain, some in ((1.0, seeds), (chosen.gain, seeds[: len(seeds) // 4 + 1]))
            )
            tested, found, covered, plain = np.sum(null, axis=0)
            line("null", row, found, len(null), "target 0.06")
            line("cover", row, covered, len(null), "target 0.93")
            line("tested", row, tested, len(null), "")
            line("uncorrected", row, plain, len(null), "")
            _, found, _, plain = np.sum(power, axis=0)
            line("power", row, found, len(power), f"target {plain / len(power):.3f}")


if __name__ == "__main__":
    main()
