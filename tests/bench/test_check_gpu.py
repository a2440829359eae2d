"""The check of a GPU, at the smallest size on the CPU."""

from __future__ import annotations

import json

import pytest

from support.benches import run_bench


@pytest.mark.slow
def test_rates_and_ratios_are_printed_and_written(tmp_path):
    steps = "rate_of_the_machine,rates_of_the_network,use_of_the_machine,end_to_end"
    out = tmp_path / "check.json"
    printed = run_bench("check_gpu", "--tiny", "--out", str(out), "--only", steps)
    assert "all checks hold" in printed
    assert "end_to_end_of_slower" in printed
    found = json.loads(out.read_text())
    assert found["figures"]["device"] == "the CPU"
    assert all(check["ok"] for check in found["checks"].values())
    assert set(found["ratios"]) == {
        "end_to_end_of_slower",
        *(f"{what}_of_peak_{how}" for what in ("flops", "bytes") for how in ("float32", "mixed")),
    }
