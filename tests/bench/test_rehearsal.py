"""The rehearsal lays out a study that the workflow accepts."""

from __future__ import annotations

import rehearsal
from crossval import TINY
from histotransfer.core.hdf5 import open_store
from histotransfer.study.config import complete
from histotransfer.study.plan import StudyPlan
from support.root import ROOT


def test_a_tiny_study_is_planned_from_what_is_laid_out(tmp_path, monkeypatch):
    config = rehearsal.lay_out(tmp_path / "study", 2, TINY)
    monkeypatch.chdir(tmp_path / "study")
    whole = complete(config, ROOT / "workflow/defaults.yaml")
    plan = StudyPlan.from_config(whole, ROOT / "workflow/schemas")
    assert list(plan.blocks.values()) == [[0, 1]]
    assert len(set(plan.patients.values())) == TINY.patients + rehearsal.UNLABELLED
    assert len(plan.slides) == len(set(plan.patients.values())) + rehearsal.EXTRA_SLIDES
    for extractor in plan.networks:
        for task in plan.tasks:
            schema = "features/1" if plan.tasks[task].dataset else "pooled/1"
            with open_store(
                plan.features_of(task, extractor), schema, extractor=extractor
            ) as store:
                assert store["features"].shape[1] == TINY.features
    for slide in plan.slides:
        with open_store(f"{plan.results}/qc/{slide}.h5", "qc/1", slide=slide) as store:
            assert store.attrs["code"] == ""
