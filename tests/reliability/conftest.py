"""A tiny study, run whole and undisturbed, once."""

from __future__ import annotations

import pytest

from support.tiny_study import Tiny


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """Run the tiny study once; copy it before you change anything."""
    study = Tiny(tmp_path_factory.mktemp("undisturbed"))
    study.run(*study.arguments())
    return study
