"""How often what cross-validation chose lies at an edge of its grid."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..core.hdf5 import open_store
from ..core.tables import TableSchema, write_table
from ..evaluation.predictions import SCHEMA
from ..evaluation.predictors.grid import LEAST_RATIO

TUNING = TableSchema.of(
    "tuning",
    "text: task extractor predictor parameter",
    "number: lowest highest",
    "integer: n n_lowest n_highest n_lower n_higher n_lower_limit n_higher_limit",
)
"""A row per task, extractor and tuned parameter. Of its `n` fits, one per target, repeat and fold,
`n_lowest` and `n_highest` chose an end of the grid. Where a grid is widened, `n_lower` and
`n_higher` went beyond its ends; `n_lower_limit` and `n_higher_limit` of them to where the penalty
vanishes, or predictions are nearly constant. The latter four are empty where it is not."""

WIDENED = {"ridge": "alpha", "logistic": "C", "cox": "alpha"}
"""The predictors whose grids are widened, and the parameter (`evaluation.predictors.grid`)."""

Values = npt.NDArray[np.float64]


def write_tuning(
    files: Mapping[str, Mapping[str, Sequence[str | Path]]],
    grids: Mapping[str, Mapping[str, Sequence[Any]]],
    out_path: str | Path,
) -> None:
    """Count choices at the edges of grids in the table `TUNING`.

    Parameters
    ----------
    files : mapping
        The blocks ``cv/{task}/{extractor}/*.h5`` by task and extractor.
    grids : mapping
        By task, the values of each tuned parameter. Fewer than two numbers are not a grid.
    out_path : path
        The table to write.
    """
    rows: list[dict[str, object]] = []
    for task, by_extractor in files.items():
        for extractor, paths in by_extractor.items():
            predictor, chosen = _chosen(paths, task, extractor)
            for parameter, given in grids[task].items():
                values = _numbers(given)
                if len(values) > 1:
                    whose = {"task": task, "extractor": extractor, "predictor": predictor}
                    of_fits = np.array(list(_of(chosen, parameter)))
                    widened = WIDENED.get(predictor) == parameter
                    counts = _counts(of_fits, values, widened=widened)
                    rows.append({**whose, "parameter": parameter, **counts})
    table = pd.DataFrame(rows).reindex(columns=list(TUNING.columns))
    integers = [name for name, kind in TUNING.columns.items() if kind == "integer"]
    write_table(table.astype(dict.fromkeys(integers, "Int64")), out_path, TUNING)


def _chosen(
    paths: Sequence[str | Path], task: str, extractor: str
) -> tuple[str, list[float | dict[str, Any]]]:
    """Return the predictor, and what each fit chose: a value, or one of the settings."""
    found: list[float | dict[str, Any]] = []
    predictor = ""
    for path in paths:
        with open_store(path, SCHEMA, task=task, extractor=extractor) as store:
            predictor = str(store.attrs["predictor"])
            hyper = store["hyper"][:].ravel().astype(np.float64)
            settings = json.loads(store.attrs["grid"] or "[]")
        known = hyper[np.isfinite(hyper)].tolist()
        found += [settings[int(place)] for place in known] if settings else known
    return predictor, found


def _of(chosen: Sequence[float | dict[str, Any]], parameter: str) -> Iterator[float]:
    for choice in chosen:
        yield float(choice[parameter] if isinstance(choice, dict) else choice)


def _numbers(values: Sequence[Any]) -> list[float]:
    """Return a grid's values, ascending; nothing if one of them is no number."""
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return []
    return sorted({float(value) for value in values})


def _counts(chosen: Values, grid: Sequence[float], *, widened: bool) -> dict[str, object]:
    lowest, highest = grid[0], grid[-1]
    at: dict[str, object] = {
        "lowest": lowest,
        "highest": highest,
        "n": len(chosen),
        "n_lowest": int(_equal(chosen, lowest).sum()),
        "n_highest": int(_equal(chosen, highest).sum()),
    }
    if not widened:
        return at
    lower = chosen[(chosen < lowest) & ~_equal(chosen, lowest)]
    higher = chosen[(chosen > highest) & ~_equal(chosen, highest)]
    return at | {
        "n_lower": len(lower),
        "n_higher": len(higher),
        "n_lower_limit": _off_the_ladder(lower, lowest, grid[1] / lowest),
        "n_higher_limit": _off_the_ladder(higher, highest, highest / grid[-2]),
    }


def _off_the_ladder(values: Values, edge: float, ratio: float) -> int:
    """Count values that are no step of a widened grid: the limit, where it ends, is none."""
    steps = np.log(values / edge) / np.log(max(ratio, LEAST_RATIO))
    return int((np.abs(steps - np.round(steps)) > 1e-4).sum())


def _equal(values: Values, other: float) -> npt.NDArray[np.bool_]:
    """Tell which values are another one, as well as float32 keeps them."""
    return np.isclose(values, other, rtol=1e-6, atol=0)
