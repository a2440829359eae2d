"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from support.root import ROOT

# No example is failed for the time it takes; continuous integration tries the same ones each time.
settings.register_profile("patient", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "patient")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no worker is left with one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (item.path.parent.name != "workflow", item.path not in slow))


@pytest.fixture(scope="session")
def realdata() -> Path:
    """Return the folder of real slides, patches and tables, or skip the test where it is absent."""
    folder = Path(os.environ.get("HISTOTRANSFER_REALDATA", ROOT.parent / "shared" / "realdata"))
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder} (set HISTOTRANSFER_REALDATA)")
    return folder


@pytest.fixture(scope="session")
def weights_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw random weights for Xception, once."""
    from histotransfer.models import (
        initial_weights,  # here, since most tests do without the network
    )

    path = tmp_path_factory.mktemp("weights") / "random.h5"
    initial_weights.fetch(path, source="random", seed=3)
    return path
