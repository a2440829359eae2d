"""The bench of planning keeps step with the config and the rules."""

from __future__ import annotations

import re

import pytest

import graph


@pytest.mark.slow
def test_the_published_study_is_planned_beside_a_bare_workflow(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["graph.py", "--slides", "3", "--rounds", "1"])
    graph.main()
    planned, ratio = capsys.readouterr().out.splitlines()
    found = re.fullmatch(r"3 slides: (\d+) jobs, \d+ MB", planned)
    assert found
    # Three rules per slide; fine-tuning, cross-validation, tables and figures add some eighty.
    assert 9 + 60 < int(found[1]) < 9 + 160
    assert re.fullmatch(r"ratio graph/3-slides-per-job-vs-bare \S+ target 0.5", ratio)
