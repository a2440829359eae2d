"""The tables of learning curves, and of what shuffled labels give beside the real ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..core.tables import TableSchema, read_table, write_table
from ..study.parameters import StatisticsParameters
from .comparison import COMPARISON
from .fold_scores import FoldScores
from .kinds import ALL, KINDS
from .learning_curves import Curve, read_curve
from .predictors.predictor import Float
from .scores import SCORES
from .statistics import OK, UNBOUNDED, interval
from .task_results import TaskResults

LEARNING_CURVES = TableSchema.of(
    "learning_curves",
    "text: task scope target metric baseline extractor unit",
    "number: size n_train",
    "integer: n_targets repeats",
    "number: mean ci_low ci_high delta delta_low delta_high",
)
"""`size` is a fraction of the training patients, or the labels per class (empty for all of them);
`delta` is the extractor's mean less that of the baseline, and empty for the baseline itself."""
PERMUTED = TableSchema.of(
    "permuted",
    "text: task scope target metric extractor",
    "integer: n_targets shuffles",
    "number: mean sd lowest highest with_labels",
)
"""`mean`, `lowest` and `highest` are of the shuffles, each of which is a mean over its folds, and
`sd` their deviation; `with_labels` is the score with the labels as they are."""
WHOLE, TARGET = "task", "target"
FRACTION, PER_CLASS = "fraction of patients", "labels per class"


def write_curve_tables(
    files: Mapping[str, Mapping[str, Any]],
    comparison: str | Path,
    kinds: Mapping[str, str],
    patch_tasks: list[str],
    parameters: StatisticsParameters,
    curves_out: str | Path,
    permuted_out: str | Path,
) -> None:
    """Write the tables `LEARNING_CURVES` and `PERMUTED`.

    Parameters
    ----------
    files : mapping of task to mapping
        By extractor ``scores`` and ``curves``, the baseline first.
    comparison : str or Path
        The table `comparison`.
    kinds : mapping of task to str
        The order of the tasks in the tables.
    patch_tasks : list of str
        Those whose sizes are labels per class.
    parameters : StatisticsParameters
    curves_out, permuted_out : str or Path
    """
    compared = read_table(comparison, COMPARISON)
    curves, permuted = [LEARNING_CURVES.empty()], [PERMUTED.empty()]
    for number, (task, kind) in enumerate(kinds.items()):
        results = results_of_scores(files[task]["scores"], task, kind, parameters, number)
        traced = {
            name: read_curve(path, results.kind, results.targets, task=task, extractor=name)
            for name, path in files[task]["curves"].items()
        }
        chosen = averaged_targets(results, compared)
        whose = {"task": task, "metric": KINDS[kind].metric}
        unit = PER_CLASS if task in patch_tasks else FRACTION
        own = learning_curves(results.primary, traced, chosen, unit, results.kind.bounds)
        curves.append(own.assign(**whose))
        permuted.append(shuffles(results.primary, traced, chosen).assign(**whose))
    for tables, out, schema in (
        (curves, curves_out, LEARNING_CURVES),
        (permuted, permuted_out, PERMUTED),
    ):
        write_table(pd.concat(tables[1:] or tables), out, schema)


def results_of_scores(
    paths: Mapping[str, str | Path],
    task: str,
    kind: str,
    parameters: StatisticsParameters,
    number: int = 0,
) -> TaskResults:
    """Read the scores of a task by extractor, without the predictions that they are of."""
    return TaskResults(
        task=task,
        kind=KINDS[kind],
        scores={
            name: read_table(path, SCORES, task=task, extractor=name)
            for name, path in paths.items()
        },
        predictions={},
        truth=np.empty((0, 0)),
        fold_of=np.empty((0, 0), dtype=np.int64),
        parameters=parameters,
        number=number,
    )


def averaged_targets(
    results: TaskResults, comparison: pd.DataFrame
) -> dict[tuple[str, str], list[int]]:
    """Return which targets each row of the tables averages, by its scope and target.

    A task of classes is scored over all of them. Any other task is the mean over the targets on
    which a pair of extractors was tested, or over all of them where none was: the same targets at
    every size.
    """
    place = {target: number for number, target in enumerate(results.targets)}
    own = comparison[comparison["task"] == results.task]
    tested = set(own.loc[own["status"] == OK, "target"])
    if ALL in place and not results.kind.by_column:
        single = {(TARGET, target): [i] for target, i in place.items() if target != ALL}
        return {(WHOLE, ""): [place[ALL]], **single}
    known = [i for target, i in place.items() if target in tested] or [*place.values()]
    single = {(TARGET, target): [i] for target, i in place.items() if target in tested}
    return {(WHOLE, ""): known, **single}


def learning_curves(
    full: Mapping[str, FoldScores],
    curves: Mapping[str, Curve],
    chosen: Mapping[tuple[str, str], list[int]],
    unit: str,
    bounds: tuple[float, float],
) -> pd.DataFrame:
    """Return a row per size, extractor and entry of `chosen` (scope and target: places).

    The last size is the whole training set, with the scores of all repeats: what the comparison
    says. The 95 % intervals are Student's t with the `df` and `variance` of `FoldScores`.
    """
    first = next(iter(curves.values()))
    sizes = [*enumerate(first.sizes.tolist()), (None, np.nan if unit == PER_CLASS else 1.0)]
    rows = []
    for (scope, target), places in chosen.items():
        for number, size in sizes:
            scores = {
                name: full[name] if number is None else curve.scores[number]
                for name, curve in curves.items()
            }
            for row in beside_baseline(scores, places, bounds):
                curve = curves[row["extractor"]]
                n_train = curve.n_full if number is None else curve.n_train[number]
                rows.append(
                    row | {"scope": scope, "target": target, "size": size, "n_train": n_train}
                )
    return pd.DataFrame(rows).assign(unit=unit)


def beside_baseline(
    scores: Mapping[str, FoldScores], places: list[int], bounds: tuple[float, float]
) -> Iterator[dict[str, Any]]:
    """Yield the mean score of each extractor over targets, and its difference from the first one.

    Both have the 95 % intervals of `statistics.interval`; those of scores keep within the bounds.
    """
    base: FoldScores | None = None
    for name, every in scores.items():
        own = _averaged(every, places)
        mean, low, high = _with_interval(own, bounds)
        delta = (np.nan,) * 3 if base is None else _with_interval(own - base)
        yield {
            "extractor": name,
            "baseline": "" if base is None else next(iter(scores)),
            **{"n_targets": len(places), "repeats": len(own.folds)},
            **{"mean": mean, "ci_low": low, "ci_high": high},
            **dict(zip(("delta", "delta_low", "delta_high"), delta, strict=True)),
        }
        base = base or own


def shuffles(
    full: Mapping[str, FoldScores],
    curves: Mapping[str, Curve],
    chosen: Mapping[tuple[str, str], list[int]],
) -> pd.DataFrame:
    """Return a row per extractor and entry of `chosen`: its scores after shuffles of the labels."""
    rows = []
    for (scope, target), places in chosen.items():
        for name, curve in curves.items():
            nothing = np.empty((0, *curve.permuted.shape[1:2], *curve.permuted.shape[1:]))
            scores = _averaged(FoldScores(curve.permuted, nothing), places)
            of_shuffle = scores.repeat_means[:, 0]
            known = of_shuffle[np.isfinite(of_shuffle)]
            rows.append(
                {
                    **{"scope": scope, "target": target, "extractor": name},
                    **{"n_targets": len(places), "shuffles": len(of_shuffle)},
                    "mean": scores.mean[0],
                    "sd": known.std(ddof=1) if len(known) > 1 else np.nan,
                    "lowest": known.min() if len(known) else np.nan,
                    "highest": known.max() if len(known) else np.nan,
                    "with_labels": _averaged(full[name], places).mean[0],
                }
            )
    return pd.DataFrame(rows)


def _averaged(scores: FoldScores, places: list[int]) -> FoldScores:
    """Return the scores of one target: the mean of those in these places, where they are known."""
    every = scores.of_targets(places)
    return replace(every, folds=_mean(every.folds), pairs=_mean(every.pairs))


def _mean(values: Float) -> Float:
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        total = np.where(known, values, 0).sum(axis=-1, keepdims=True)
        return np.asarray(total / known.sum(axis=-1, keepdims=True))


def _with_interval(
    scores: FoldScores, bounds: tuple[float, float] = UNBOUNDED
) -> tuple[float, float, float]:
    """Return the mean of one target, and its 95 % interval."""
    _, low, high = interval(scores, bounds)
    return float(scores.mean[0]), float(low[0]), float(high[0])
