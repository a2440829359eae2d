"""An external validation in sentences, each true of its rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from histotransfer.evaluation.external_scores import VALIDATION, validate
from histotransfer.evaluation.kinds import KINDS
from histotransfer.results.tables import read_tables
from histotransfer.results.validation import of_tasks, sentences
from support.results import write_results


def validated(kind: str, truth: np.ndarray, **noise: float) -> pd.DataFrame:
    """Validate predictions with an error of these sizes, by extractor, as a table of one task."""
    rng = np.random.default_rng(1)
    predicted = {name: truth + size * rng.normal(size=truth.shape) for name, size in noise.items()}
    names = [f"G{i}" for i in range(truth.shape[1])]
    table = validate(KINDS[kind], truth, predicted, names, rng, draws=200)
    columns = {"task": "T", "trained_on": "TCGA", "tested_on": "CPTAC", "crossval": 0.8125}
    return table.assign(**columns).reindex(columns=list(VALIDATION.columns))


def said(table: pd.DataFrame) -> list[str]:
    return [sentence for *_, sentence in sentences(table)]


def test_a_decided_difference_stands_beside_the_cross_validated_scores():
    truth = np.random.default_rng(0).normal(size=(60, 1))
    table = validated("regression", truth, UNI=2.0, CONCH=0.5)
    ((task, baseline, extractor, sentence),) = sentences(table)
    assert (task, baseline, extractor) == ("T", "UNI", "CONCH")
    row = table[(table["extractor"] == "CONCH") & (table["metric"] == "pearson")].iloc[0]
    assert sentence.startswith(
        f"In 60 patients of CPTAC: better, +{row['delta']:.3f} in Pearson r ("
    )
    assert (
        f"{row['value']:.3f} ({row['ci_low']:.3f} to {row['ci_high']:.3f}) for CONCH." in sentence
    )
    assert sentence.endswith("Cross-validated in TCGA: 0.812 and 0.812.")
    turned = validated("regression", truth, UNI=0.5, CONCH=2.0, THIRD=0.5)
    assert "worse, −" in said(turned)[0]
    assert "undecided, " in said(turned)[1]


def test_several_targets_are_averaged_and_counted():
    truth = np.random.default_rng(0).normal(size=(60, 3))
    truth[:, 2] = 1
    (sentence,) = said(validated("regression", truth, UNI=3.0, CONCH=0.3))
    assert ", on average over its targets; " in sentence
    assert "Of 3 targets, 2 have an interval above zero and 0 one below it; 1 is not" in sentence


@pytest.mark.parametrize(
    ("truth", "sentence"),
    [
        (np.zeros((30, 1)), "In CPTAC: not estimable, because all labelled patients of the "),
        (np.zeros((30, 2)), "In CPTAC, no target is estimable; G0: all labelled patients of the "),
        (np.empty((0, 1)), "In CPTAC: not estimable, because no patient of the external cohort"),
    ],
)
def test_what_is_not_estimable_is_said_with_its_reason(truth, sentence):
    (found,) = said(validated("binary", truth, UNI=1.0, CONCH=1.0))
    assert found.startswith(sentence)
    assert found.endswith(".")


def test_perfect_scores_have_a_difference_without_an_interval():
    truth = np.repeat([[0.0], [1.0]], 10, axis=0)
    (found,) = said(validated("binary", truth, UNI=0.01, CONCH=0.01))
    assert "the same whoever is drawn, so it has no interval; 1.000 for UNI and 1.000" in found


def test_each_task_and_extractor_is_stood_for_by_one_row(tmp_path: Path):
    table = read_tables({"validation": write_results(tmp_path)["validation"]})["validation"]
    primary = table[table["metric"].isin(["pearson", "auroc", "c_index"])]
    whole = of_tasks(primary.assign(target=primary["target"].fillna("")))
    assert whole.groupby(["task", "extractor"]).size().tolist() == [1] * 6
    classes = validated("multiclass", np.eye(3)[np.arange(60) % 3], UNI=1.0, CONCH=0.5)
    whole = of_tasks(classes[classes["metric"] == "accuracy"])
    assert whole["target"].tolist() == ["all", "all"]
    assert "points (" in said(classes)[0]
    assert " %) for CONCH" in said(classes)[0]
