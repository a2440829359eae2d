"""Studies for the tests of the workflow."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.study import Study


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Run the demo study once, whole."""
    study = Study(tmp_path_factory.mktemp("demo"))
    study.run("--configfile", "config/demo.yaml", "--quiet", "rules")
    return study
