"""The error rates that docs/statistics.md promises, where they are hardest to keep."""

from __future__ import annotations

import re

import pytest
from scipy.stats import binom

from support.benches import run_bench

pytestmark = pytest.mark.slow

# Other seeds than the table's. The rows in which the usual correction errs most.
WORST = ("pearson-n455-unrelated-r10", "pearson-n100-weak-r10", "pearson-n100-strong-r10")
STUDIES = 150


@pytest.mark.parametrize("row", WORST)
def test_the_worst_rows_keep_their_promise(row: str) -> None:
    lines = run_bench(
        "null", "--rows", row, "--studies", str(STUDIES), "--seed", "7", "--processes", "2"
    )
    rates = {what: float(rate) for what, rate in re.findall(rf"^(\w+) {row} (\S+)", lines, re.M)}
    assert set(rates) == {"null", "cover", "tested", "uncorrected", "power"}
    assert rates["null"] <= binom.ppf(0.999, STUDIES, 0.06) / STUDIES
    assert rates["cover"] >= binom.ppf(0.001, STUDIES, 0.93) / STUDIES
    assert (rates["tested"] > 0.9) == ("strong" in row)


def test_mutations_and_patches_of_patients_run_too() -> None:
    rows = ("auroc-n60-18pos-related-r10", "auroc-n455-9pos", "accuracy-40x100-grouped-r10")
    lines = run_bench("null", "--rows", *rows, "--studies", "1", "--processes", "1")
    assert "null auroc-n455-9pos-related-r10 0.000" in lines  # too few carriers: not tested
    assert "tested accuracy-40x100-grouped-r10 1.000" in lines
    assert "cover auroc-n60-18pos-related-r10" in lines
