"""The mean colour of patients' patches: what passed quality control counts, slides count alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.features.mean_colour import mean_colours
from histotransfer.imaging.codecs import encode
from histotransfer.patches.store import append_images, create_patch_store
from support.qc import write_qc

Colours = list[tuple[int, int, int]]


def write(folder: Path, slide: str, colours: Colours, reasons: list[str]) -> None:
    corners = np.arange(2 * len(colours), dtype=np.int32).reshape(-1, 2)
    images = [np.broadcast_to(np.uint8(colour), (8, 8, 3)) for colour in colours]
    attrs = {"slide": slide, "patch_px": 8}
    with create_patch_store(folder / f"patches/{slide}.h5", attrs) as store:
        append_images(store, (encode(np.array(image), "png", 95) for image in images))
        store["coords"] = corners
    write_qc(folder / "qc", slide, reasons)


def test_kept_patches_are_averaged_and_then_slides(tmp_path: Path) -> None:
    write(tmp_path, "s1", [(200, 10, 30), (100, 30, 50), (0, 0, 0)], ["kept", "kept", "pen"])
    write(tmp_path, "s2", [(50, 60, 70)], ["kept"])
    write(tmp_path, "s3", [(1, 2, 3)], ["kept"])
    patients = {"s2": "A", "s1": "A", "s3": "B"}
    found = mean_colours(tmp_path / "patches", tmp_path / "qc", patients)
    assert {name: colour.tolist() for name, colour in found.items()} == {
        "A": [100, 40, 55],  # the mean of (150, 20, 40) and (50, 60, 70)
        "B": [1, 2, 3],
    }


def test_a_patient_without_a_patch_is_absent(tmp_path: Path) -> None:
    write(tmp_path, "s1", [(1, 2, 3)], ["blurred"])
    write(tmp_path, "s2", [], [])
    assert mean_colours(tmp_path / "patches", tmp_path / "qc", {"s1": "A", "s2": "B"}) == {}


def test_files_of_another_slide_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "s1", [(1, 2, 3)], ["kept"])
    for room in ("patches", "qc"):
        (tmp_path / room / "s1.h5").rename(tmp_path / room / "s2.h5")
    with pytest.raises(HistotransferError, match="s1"):
        mean_colours(tmp_path / "patches", tmp_path / "qc", {"s2": "A"})
