"""Table 1 of a paper: who the patients are, as a whole and in each task."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..core.tables import TableSchema, write_table
from ..features.covariates import read_covariates
from ..labels.files import CLASS, TaskLabels, read_labels_file
from ..labels.survival_times import time_and_event
from ..study.extractors import Extractor
from ..study.tasks import CLASSES, NUMBERS, TIMES, VALUES

TABLE1 = TableSchema.of(
    "table1",
    "text: population variable level",
    "integer: n_patients n missing",
    "number: percent median q1 q3",
)
"""`n` patients have the level, `percent` of those whose value is known; `n` numbers."""
EVERYONE = "all patients"
OTHERS = "others"
MOST = 10
"""Levels of a variable that are listed, the most frequent first; and targets of a task."""


def write_table1(
    covariates: Extractor,
    patients: Collection[str],
    sites: Mapping[str, str],
    labels: Mapping[str, str | Path],
    kinds: Mapping[str, str],
    out_path: str | Path,
) -> None:
    """Write `TABLE1` of all patients of the study, and of those that each task compares.

    Parameters
    ----------
    covariates : Extractor
        The clinical table; its columns are the first variables.
    patients : collection of str
        Those of the study; of a study without a sheet, none: then those of the tasks.
    sites : mapping of str to str
        By patient; nothing where they are unknown.
    labels, kinds : mapping of task to path, and to kind
        Of tasks of patients. A task's labels are variables of its own patients: the prevalence of
        the `MOST` frequent of two values, or of classes, the events and the time of follow-up, and
        numbers if there are no more than `MOST`.
    out_path : str or Path
    """
    of_task = {task: read_labels_file(path) for task, path in labels.items()}
    everyone = sorted(set(patients) or {p for one in of_task.values() for p in one.samples})
    found = read_covariates(
        covariates.path, everyone, id_column=covariates.id_column, columns=covariates.columns
    )
    clinical: dict[str, pd.Series] = {}
    for name, is_category in zip(found.values, found.is_category, strict=True):
        values = found.values[name]
        if is_category:
            words = found.words[str(name)]
            values = values.map(dict(enumerate(words)))
        clinical[str(name)] = values
    if sites:
        clinical["site"] = pd.Series(sites, dtype=object)
    populations = {EVERYONE: everyone} | {task: one.samples for task, one in of_task.items()}
    rows: list[dict[str, Any]] = []
    for population, members in populations.items():
        variables = {name: values.reindex(members) for name, values in clinical.items()}
        if population != EVERYONE:
            variables |= labels_as_variables(of_task[population], kinds[population])
        for variable, values in variables.items():
            whose = {"population": population, "variable": variable, "n_patients": len(members)}
            rows += [whose | row for row in described(values)]
    write_table(pd.DataFrame(rows, columns=[*TABLE1.columns]), out_path, TABLE1)


def labels_as_variables(labels: TaskLabels, kind: str) -> dict[str, pd.Series]:
    """Return a task's labels as variables: numbers, or words and flags."""
    values, what = labels.values, VALUES[kind]
    if what == CLASSES:
        return {CLASS: values[CLASS]}
    if what == TIMES:
        found = {}
        for name in values:
            time, event = time_and_event(values[name].to_numpy(dtype=np.float64))
            known = values[name].notna()
            found[f"{name}: time"] = pd.Series(time, values.index).where(known)
            flags = pd.Series(np.where(event, "event", "censored"), values.index, dtype=object)
            found[f"{name}: status"] = flags.where(known)
        return found
    if what == NUMBERS:
        return {str(n): values[n] for n in values} if values.shape[1] <= MOST else {}
    frequent = values.sum().sort_values(ascending=False, kind="stable").index[:MOST]
    words = {0.0: "no", 1.0: "yes"}
    return {str(name): values[name].map(words).astype(object) for name in frequent}


def described(values: pd.Series) -> Iterator[dict[str, Any]]:
    """Yield the rows of a variable: one of numbers, or one for each level of words."""
    known = values.dropna()
    missing = {"missing": len(values) - len(known)}
    if pd.api.types.is_numeric_dtype(values) and len(known):
        q1, median, q3 = known.quantile([0.25, 0.5, 0.75])
        yield {"level": "", "n": len(known), **missing, "median": median, "q1": q1, "q3": q3}
        return
    counts = known.astype(str).value_counts().sort_index()
    listed: Sequence[str] = list(counts.index)
    if len(listed) > MOST:
        listed = list(counts.sort_values(ascending=False, kind="stable").index[:MOST])
        others = counts.drop(listed)
        counts = pd.concat(
            [counts[listed], pd.Series({f"{OTHERS} ({len(others)})": int(others.sum())})]
        )
    for level, n in counts.items():
        yield {"level": level, "n": int(n), **missing, "percent": 100 * n / len(known)}
    if counts.empty:
        yield {"level": "", "n": 0, **missing}


def printed(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table as a paper prints it: a row per variable and level, a column per population.

    Numbers as median (quartiles), levels as n (%); then how many are missing, if any are.
    """
    order: dict[tuple[str, str], dict[str, str]] = {}
    populations = table.drop_duplicates("population")
    heads = {
        row["population"]: f"{row['population']} (n = {row['n_patients']})"
        for row in populations.to_dict("records")
    }
    table = table.assign(level=table["level"].fillna(""))
    for variable, rows in table.groupby("variable", sort=False):
        for row in rows.to_dict("records"):
            cell = f"{row['n']} ({row['percent']:.0f} %)"
            if pd.notna(row["median"]):
                cell = f"{row['median']:.3g} ({row['q1']:.3g} to {row['q3']:.3g})"
            elif pd.isna(row["percent"]):
                cell = ""
            key = (str(variable), row["level"])
            order.setdefault(key, {})[heads[row["population"]]] = cell
        lost = rows.drop_duplicates("population").set_index("population")["missing"]
        if lost.sum():
            order[str(variable), "missing"] = {heads[name]: str(n) for name, n in lost.items()}
    cells = [
        {
            "variable": variable,
            "level": level,
            **{head: row.get(head, "") for head in heads.values()},
        }
        for (variable, level), row in order.items()
    ]
    return pd.DataFrame(cells, columns=["variable", "level", *heads.values()])
