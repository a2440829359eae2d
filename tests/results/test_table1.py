"""Table 1: counts and quartiles, of all patients and of those of each task."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotransfer.core.tables import read_table
from histotransfer.results.table1 import (
    EVERYONE,
    MOST,
    TABLE1,
    described,
    printed,
    write_table1,
)
from histotransfer.study.extractors import COVARIATES, Extractor
from support.tasks import write_values

N = 60


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table1")
    rng = np.random.default_rng(2)
    names = [f"P{i:02d}" for i in range(N)]
    clinical = pd.DataFrame(
        {
            "patient": names,
            "age": rng.integers(40, 85, N).astype(float),
            "sex": rng.choice(["female", "male"], N),
            "stage": rng.choice(["I", "II", "III", ""], N),
        }
    )
    clinical.loc[[1, 5, 7], "age"] = np.nan
    clinical.to_csv(folder / "clinical.csv", index=False)
    labels = {
        "MSI": write_values(
            folder / "MSI.tsv", names[:40], {"MSI": (np.arange(40) % 4 == 0).astype(int)}
        ),
        "OS": write_values(folder / "OS.tsv", names[20:], {"OS": rng.choice([-12.0, 8.0], 40)}),
        "genes": write_values(folder / "genes.tsv", names, rng.normal(size=(N, MOST + 1))),
    }
    kinds = {"MSI": "binary", "OS": "survival", "genes": "expression"}
    out = folder / "table1.tsv"
    sites = {name: f"site{i % 14}" for i, name in enumerate(names)}
    covariates = Extractor(COVARIATES, str(folder / "clinical.csv"))
    write_table1(covariates, names, sites, labels, kinds, out)
    return clinical, read_table(out, TABLE1), names


def of(table, population, variable):
    return table[(table["population"] == population) & (table["variable"] == variable)]


def test_numbers_have_quartiles_and_what_is_missing(study):
    clinical, table, _ = study
    (row,) = of(table, EVERYONE, "age").to_dict("records")
    expected = clinical["age"].describe()
    assert row["n"] == expected["count"]
    assert row["missing"] == 3
    assert [row["q1"], row["median"], row["q3"]] == expected[["25%", "50%", "75%"]].tolist()
    (row,) = of(table, "MSI", "age").to_dict("records")
    assert row["median"] == clinical["age"][:40].median()


def test_categories_have_counts_and_shares_of_those_that_are_known(study):
    clinical, table, _ = study
    stage = clinical["stage"].replace("", np.nan)
    rows = of(table, EVERYONE, "stage").set_index("level")
    assert rows["n"].to_dict() == stage.value_counts().to_dict()
    shares = 100 * stage.value_counts(normalize=True)
    assert rows["percent"].to_dict() == pytest.approx(shares.to_dict())
    assert rows["missing"].eq(stage.isna().sum()).all()


def test_a_task_has_the_prevalence_of_its_labels_and_the_events(study):
    _, table, _ = study
    carriers = of(table, "MSI", "MSI").set_index("level")
    assert carriers["n"].to_dict() == {"no": 30, "yes": 10}
    assert of(table, EVERYONE, "MSI").empty
    status = of(table, "OS", "OS: status").set_index("level")["n"]
    assert status.sum() == 40
    assert set(status.index) == {"censored", "event"}
    (time,) = of(table, "OS", "OS: time").to_dict("records")
    assert time["q1"] == 8
    assert time["q3"] == 12


def test_of_many_targets_and_sites_the_table_stays_short(study):
    _, table, _ = study
    assert set(of(table, "genes", "age")["n_patients"]) == {N}
    assert set(table.loc[table["population"] == "genes", "variable"]) == {
        *("age", "sex", "stage", "site")
    }
    sites = of(table, EVERYONE, "site")
    assert len(sites) == MOST + 1
    assert sites["n"].sum() == N
    assert sites["level"].iloc[-1] == "others (4)"


def test_the_printed_table_has_a_column_for_each_population(study):
    _, table, _ = study
    shown = printed(table)
    assert list(shown)[2:5] == ["all patients (n = 60)", "MSI (n = 40)", "OS (n = 40)"]
    age = shown[(shown["variable"] == "age") & (shown["level"] == "missing")].iloc[0]
    assert age["all patients (n = 60)"] == "3"
    yes = shown[(shown["variable"] == "MSI") & (shown["level"] == "yes")].iloc[0]
    assert yes["MSI (n = 40)"] == "10 (25 %)"
    assert yes["OS (n = 40)"] == ""


@given(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=30))
def test_levels_and_missing_add_up_to_all_patients(values):
    rows = list(described(pd.Series(values, dtype=object)))
    assert sum(row["n"] for row in rows) + rows[0]["missing"] == len(values)


def test_without_any_row_the_printed_table_is_empty():
    assert printed(TABLE1.empty()).empty
