"""The bench of the cross-validation still runs, and its two sides agree."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from support.root import ROOT


@pytest.mark.slow
def test_the_bench_runs_at_a_tiny_size_and_both_sides_agree():
    command = [sys.executable, str(ROOT / "bench/crossval.py"), "--tiny", "--rounds", "1"]
    done = subprocess.run(
        [*command, "--repeats", "1", "--tissue-repeats", "1"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow/scripts")},
        check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    ratios = re.findall(r"^ratio (\S+) \S+ target", done.stdout, flags=re.M)
    assert {name.split("/")[0] for name in ratios} == {
        f"crossval-{name}" for name in ("expression", "mutation", "tissue", "whole", "memory")
    }
    differences = [float(value) for value in re.findall(r"greatest difference (\S+)", done.stdout)]
    assert len(differences) == 4
    assert max(differences) < 1e-3
