"""The bench of feature extraction, at the smallest size."""

from __future__ import annotations

import re

import pytest

from support.benches import run_bench


@pytest.mark.slow
def test_extraction_is_timed_beside_both_others():
    sizes = (
        "--patches",
        "5",
        "--px",
        "72",
        "--batch-size",
        "2",
        "--rounds",
        "1",
        "--extractors",
        "2",
    )
    printed = run_bench("features", *sizes)
    assert re.findall(r"^(\w+): [\d.]+ patches/s$", printed, re.MULTILINE) == [
        "alone",
        "ours",
        "their_loop",
    ]
    ratios = re.findall(r"^ratio (\w+) [\d.e+]+ target [\d.]+$", printed, re.MULTILINE)
    assert ratios == ["extraction_of_network_alone", "extraction_over_clam_loop"]
    assert printed.count("share of the start") == 8
