"""The room that a study takes is said, and what is known not to fit stops it."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.study.disk import (
    GUESSED_PATCHES,
    Need,
    check_room,
    of_features,
    of_fine_tuning,
    of_patches,
    of_slides_to_fetch,
    tile_count,
)
from histotransfer.study.machine import SHARE, memory_mb
from support.errors import assert_clear

GB = 10**9
STORED = {"codec": "jpeg", "patch_px": 224}


def test_patches_that_are_kept_add_up_and_others_are_there_a_batch_at_a_time() -> None:
    tiles = dict.fromkeys("ABC", 20_000)
    batches = [["A", "B"], ["C", "another, which is extracted already"]]
    assert of_patches(tiles, batches, keep=True, **STORED) == Need("patches", 3 * GB)
    assert of_patches(tiles, batches, keep=False, **STORED) == Need("patches", 2 * GB)
    half = of_patches(tiles, batches, keep=True, codec="jpeg", patch_px=112)
    assert half.known == 3 * GB // 4


def test_a_slide_that_is_not_tiled_counts_as_the_others_do() -> None:
    tiles = {"A": 100, "B": 300, "C": None}
    assert of_features(tiles, 2, 2) == Need("features", 400 * 2 * 4096, 200 * 2 * 4096)
    nothing = of_features({"A": None}, 1, 2)
    assert (nothing.known, nothing.guessed) == (0, GUESSED_PATCHES * 4096)


def test_fetched_slides_and_the_cache_of_fine_tuning_count() -> None:
    assert of_slides_to_fetch([5, 9, 7], keep=True, at_once=2).known == 21
    assert of_slides_to_fetch([5, 9, 7], keep=False, at_once=2).known == 16
    assert of_fine_tuning(100_000, 1, 224).known == 28_500_000_000  # docs/fine-tuning.md: 29 GB
    assert of_fine_tuning(100, 8, 224).known == 8 * of_fine_tuning(100, 1, 224).known


def test_what_is_known_not_to_fit_stops_the_study_with_both_numbers(tmp_path: Path) -> None:
    needs = [Need("patches", 12 * GB), Need("features", 3 * GB, GB)]
    with pytest.raises(HistotransferError) as caught:
        check_room(needs, tmp_path / "results", free=lambda _: 14 * GB)
    assert_clear(caught.value, "results", "14.0 GB left", "15.0 GB", "patches.keep")


def test_what_is_guessed_not_to_fit_is_a_warning(tmp_path: Path) -> None:
    needs = [Need("patches", 12 * GB, 4 * GB)]
    said = check_room(needs, tmp_path, free=lambda _: 14 * GB)
    assert said is not None
    assert said.startswith("WARNING: This run takes about 16.0 GB of the 14.0 GB")
    assert "guess" in said


def test_what_fits_is_said_without_alarm_and_what_is_little_is_not_said(tmp_path: Path) -> None:
    said = check_room([Need("features", 2 * GB)], tmp_path, free=lambda _: 90 * GB)
    assert said == (
        f"This run takes about 2.0 GB of the 90.0 GB left in {tmp_path} (features 2.0 GB)."
    )
    assert check_room([Need("features", GB // 2)], tmp_path, free=lambda _: 90 * GB) is None
    assert check_room([], tmp_path, free=lambda _: 0) is None


def test_tiles_are_counted_where_they_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "S.h5"
    assert tile_count(path) is None
    with h5py.File(path, "w", userblock_size=512) as file:
        file["coords"] = np.zeros((7, 2), np.int32)
    assert tile_count(path) == 7
    path.write_bytes(b"damaged")
    assert tile_count(path) is None


def test_jobs_share_most_of_the_memory_and_keep_to_a_containers_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SLURM_MEM_PER_NODE", raising=False)
    limit = tmp_path / "memory.max"
    whole = memory_mb(limit)
    assert whole is not None
    limit.write_text("max\n")
    assert memory_mb(limit) == whole
    limit.write_text("1000000000\n")
    assert memory_mb(limit) == round(SHARE * 1000)
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "500")
    assert memory_mb(limit) == round(SHARE * 500)
