"""The bench of fine-tuning, at the smallest size."""

from __future__ import annotations

import re

import pytest

from support.benches import run_bench


@pytest.mark.slow
def test_both_ways_of_step_1_are_timed():
    printed = run_bench("finetune", "--patches", "10", "--px", "71", "--rounds", "1")
    assert printed.startswith("10 patches of 71 px, 10 epochs:\n")
    ratios = re.findall(r"^ratio (\w+) [-\d.e+]+ target \d+$", printed, re.MULTILINE)
    assert ratios == ["step1_on_stored_features", "step1_with_the_pass_that_stores_them"]
