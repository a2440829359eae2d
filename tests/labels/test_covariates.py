"""A label among the clinical covariates is found, by its name or by what it says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.core.tables import read_table
from histotransfer.features.covariates import read_covariates, write_covariates
from histotransfer.labels.exclusions import EXCLUDED
from histotransfer.labels.files import read_labels_file
from histotransfer.labels.task_labels import write_labels
from histotransfer.study.tasks import Task
from support.errors import assert_clear
from support.tasks import write_pooled

N = 40
NAMES = [f"P{number:02d}" for number in range(N)]
TASKS = {
    "MSI": {"kind": "binary", "positive": "MSI-H"},
    "subtype": {"kind": "multiclass"},
    "TMB": {"kind": "regression"},
    "survival": {"kind": "survival", "time": "months", "event": "died"},
}


def cohort() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    return pd.DataFrame(
        {
            "patient": NAMES,
            "MSI": np.where(rng.random(N) < 0.5, "MSI-H", "MSS"),
            "subtype": np.array(["a", "b", "c"])[rng.integers(0, 3, N)],
            "TMB": np.round(np.exp(rng.normal(size=N)), 6),
            "months": np.round(rng.exponential(size=N) + 0.1, 6),
            "died": rng.integers(0, 2, N),
            "age": rng.integers(40, 80, N),
            "sex": np.where(rng.random(N) < 0.5, "f", "m"),
        }
    )


def labels_of(folder, task: str, **covariates: object):
    """Read a task's labels beside covariates: age, sex and these."""
    table = cohort()
    table.to_csv(folder / "labels.csv", index=False)
    clinical = table[["patient", "age", "sex"]].assign(**covariates)
    clinical.iloc[2:].to_csv(folder / "clinical.csv", index=False)
    found = read_covariates(folder / "clinical.csv", NAMES)
    write_covariates(found, folder / "c.h5", folder / "used.tsv", extractor="covariates")
    write_pooled(folder / "pooled.h5", np.zeros((N, 2)), NAMES)
    predictor = {"predictor": "knn", "grid": {"n_neighbors": [5]}}
    source = {"table": str(folder / "labels.csv")}
    write_labels(
        Task.from_config(task, TASKS[task] | predictor, source).labels,
        *(folder / f"{task}.{name}" for name in ("tsv", "excluded.tsv", "flow.tsv")),
        pooled=[folder / "pooled.h5", folder / "c.h5"],
    )
    excluded = read_table(folder / f"{task}.excluded.tsv", EXCLUDED)
    return read_labels_file(folder / f"{task}.tsv"), excluded.set_index("item")


@pytest.mark.parametrize("task", TASKS)
def test_who_has_no_covariates_is_left_out_by_name(tmp_path, task):
    labels, excluded = labels_of(tmp_path, task)
    assert labels.samples == NAMES[2:]
    excluded = excluded[excluded["what"] == "patient"]
    assert excluded["code"].to_dict() == dict.fromkeys(NAMES[:2], "no_features")
    assert excluded.loc["P00", "detail"] == "covariates"


SAME = {
    "two values": ("MSI", "msi_status", lambda t: t["MSI"].map({"MSI-H": "high", "MSS": "low"})),
    "two numbers": ("MSI", "instable", lambda t: (t["MSI"] == "MSS").astype(int)),
    "classes": ("subtype", "histology", lambda t: t["subtype"].str.upper()),
    "codes of classes": ("subtype", "code", lambda t: t["subtype"].map({"a": 3, "b": 1, "c": 2})),
    "a number": ("TMB", "burden", lambda t: t["TMB"]),
    "its logarithm": ("TMB", "burden", lambda t: np.round(np.log(t["TMB"]), 9)),
    "its opposite": ("TMB", "burden", lambda t: -t["TMB"]),
    "a time": ("survival", "days", lambda t: t["months"] * 30),
    "an event": ("survival", "status", lambda t: t["died"].map({0: "alive", 1: "dead"})),
    "all but three": ("TMB", "burden", lambda t: t["TMB"].where(t.index > 4)),
}


@pytest.mark.parametrize(("task", "name", "values"), SAME.values(), ids=SAME)
def test_a_covariate_that_says_the_same_as_a_label_is_refused(tmp_path, task, name, values):
    with pytest.raises(HistotransferError, match=r"clinical\.csv: column") as caught:
        labels_of(tmp_path, task, **{name: values(cohort())})
    assert_clear(caught.value, repr(name), "says the same as the label", "columns")


@pytest.mark.parametrize(("task", "name"), [("MSI", "MSI"), ("TMB", "TMB"), ("survival", "died")])
def test_a_covariate_that_is_called_like_a_label_is_refused(tmp_path, task, name):
    rng = np.random.default_rng(9)
    with pytest.raises(HistotransferError, match=f"column '{name}' is a label") as caught:
        labels_of(tmp_path, task, **{name: rng.integers(0, 9, N)})
    assert_clear(caught.value)


RELATED = {
    "all but one": ("MSI", lambda t: (t["MSI"] == "MSS").astype(int).where(t.index != 9, 2)),
    "a coarser class": ("subtype", lambda t: t["subtype"].replace("c", "b")),
    "a finer class": ("MSI", lambda t: t["MSI"] + t["sex"]),
    "nearly a number": ("TMB", lambda t: t["TMB"] + 0.01 * np.random.default_rng(1).normal(size=N)),
    "another measurement": ("TMB", lambda _: np.random.default_rng(2).normal(size=N)),
    "a later time": ("survival", lambda t: t["months"] + np.arange(N)),
}


@pytest.mark.parametrize(("task", "values"), RELATED.values(), ids=RELATED)
def test_a_covariate_that_is_related_to_a_label_is_a_covariate(tmp_path, task, values):
    labels, _ = labels_of(tmp_path, task, related=values(cohort()))
    assert len(labels.samples) == N - 2
