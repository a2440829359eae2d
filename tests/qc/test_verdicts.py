"""The verdict on each patch."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageColor

from histotransfer.core.errors import HistotransferError
from histotransfer.core.exclusions import Reason
from histotransfer.core.hdf5 import open_store
from histotransfer.patches.from_tiles import extract_patches
from histotransfer.patches.metrics import NAMES
from histotransfer.qc.overview import MARGIN_PX, OUTLINE, PANEL_PX, draw_overview, scale_bar_mm
from histotransfer.qc.verdicts import COLOURS, REASONS, judge, judge_slide
from histotransfer.slides.tiles import tile_slide
from support.parameters import PATCHES, QC, TILING
from support.slides import on_glass, write_slide

GOOD = {
    "background_fraction": 0.1,
    "od_mean": 0.3,
    "od_sd": 0.1,
    "sharpness": 0.9,
    "pen_fraction": 0.0,
    "dark_fraction": 0.0,
    "saturation": 0.4,
    "grey_mean": 160.0,
    "unreadable": 0,
    "stored": 1,
}
BAD: dict[str, dict[str, float]] = {
    "unreadable": {"unreadable": 1, "stored": 0},
    "background": {"background_fraction": 0.9, "stored": 0},
    "stain": {"stored": 0},
    "pen": {"pen_fraction": 0.06},
    "dark": {"dark_fraction": 0.4},
    "blurred": {"sharpness": 0.4},
    "faint": {"od_mean": 0.04},
    "grey": {"grey_mean": 231.0},
}
LIMITED = replace(QC, min_grey=51, max_grey=230)


def one(**changes: float) -> str:
    measured = {name: np.array([value]) for name, value in (GOOD | changes).items()}
    [reason] = judge(measured, LIMITED, max_background_fraction=0.75)
    return list(REASONS)[reason]


def test_each_rule_by_itself():
    assert one() == "kept"
    for reason, changes in BAD.items():
        assert one(**changes) == reason
    assert one(grey_mean=50) == "grey"


def test_a_patch_at_a_limit_is_kept():
    at_limits = {
        "background_fraction": 0.75,
        "pen_fraction": QC.max_pen_fraction,
        "dark_fraction": QC.max_dark_fraction,
        "sharpness": QC.min_sharpness,
        "od_mean": QC.min_od_mean,
    }
    for grey in (LIMITED.min_grey, LIMITED.max_grey):
        assert one(**at_limits, grey_mean=grey) == "kept"


@pytest.mark.parametrize(("first", "second"), list(pairwise(BAD)))
def test_the_first_rule_that_applies_is_the_reason(first: str, second: str):
    assert one(**(BAD[second] | BAD[first])) == first


@given(
    hnp.arrays(np.float32, st.tuples(st.just(len(NAMES)), st.integers(0, 20)),
               elements=st.floats(0, 1, width=32)),
    st.sampled_from(sorted(LIMITED.as_params())),
)  # fmt: skip
def test_a_laxer_threshold_never_keeps_less(values: np.ndarray, name: str):
    count = values.shape[1]
    measured: dict[str, Any] = dict(zip(NAMES, values, strict=True))
    measured |= {"unreadable": np.zeros(count), "stored": np.ones(count)}
    measured["grey_mean"] = 255 * measured["grey_mean"]
    laxest = 255.0 if name == "max_grey" else 1.0 if name.startswith("max") else 0.0
    lax = replace(LIMITED, **{name: laxest})
    strict_kept = judge(measured, LIMITED, max_background_fraction=1.0) == 0
    lax_kept = judge(measured, lax, max_background_fraction=1.0) == 0
    assert (lax_kept | ~strict_kept).all()


def files_of(folder: Path, image: np.ndarray | None, mpp: float = 0.5) -> tuple[Path, Path]:
    slide = folder / "a.svs"
    if image is None:
        slide.write_text("no slide")
    else:
        write_slide(slide, image, mpp=mpp)
    tiles, measured = folder / "t.h5", folder / "m.h5"
    tile_slide(slide, tiles, slide="a", sheet_mpp=None, parameters=TILING)
    extract_patches(
        slide, tiles, measured, folder / "p.h5", slide="a", reference_path=None, parameters=PATCHES
    )
    slide.unlink()  # the verdict needs no slide
    return tiles, measured


def test_ink_and_blur_on_a_slide_are_found_where_they_are(tmp_path: Path):
    image = on_glass(512, 64, 64, 384, 384)
    image[64:128, 64:256] = (30, 50, 150)
    smooth = image[320:448, 64:448].mean(axis=(0, 1)) + np.linspace(-20, 20, 384)[None, :, None]
    image[320:448, 64:448] = smooth.astype(np.uint8)
    tiles, measured = files_of(tmp_path, image)
    judge_slide(tiles, measured, tmp_path / "q.h5", slide="a", parameters=QC)
    draw_overview(tiles, tmp_path / "q.h5", tmp_path / "q.png", slide="a")
    with open_store(tmp_path / "q.h5", "qc/1") as store:
        assert h5py.check_enum_dtype(store["reason"].dtype) == REASONS
        coords, reason = store["coords"][:], store["reason"][:]
        assert store.attrs["min_sharpness"] == 0.45
        assert {*NAMES, "unreadable", "stored"} < set(store)
    x, y = coords.T
    np.testing.assert_array_equal(reason == REASONS["pen"], (y == 64) & (x < 256))
    np.testing.assert_array_equal(reason == REASONS["blurred"], y >= 320)
    assert (reason[(y > 64) & (y < 320)] == REASONS["kept"]).all()
    # The right half of the overview is the left one under the colours of the verdicts.
    page = np.asarray(Image.open(tmp_path / "q.png"), dtype=float)
    half = PANEL_PX + MARGIN_PX
    top = (page[:, MARGIN_PX] != 255).any(axis=1).argmax()  # glass is not quite white
    for (left, upper), verdict in zip(coords, reason, strict=True):
        column, row = (np.array([left, upper]) + 32) * PANEL_PX // 512 + (MARGIN_PX, top)
        name = list(REASONS)[verdict]
        alpha = 0.25 if name == "kept" else 0.6
        mixed = (1 - alpha) * page[row, column] + alpha * np.array(ImageColor.getrgb(COLOURS[name]))
        np.testing.assert_allclose(page[row, column + half], mixed, atol=2)
    # Outlined is the square of tissue.
    outline = (page[top : top + PANEL_PX, MARGIN_PX:half] == ImageColor.getrgb(OUTLINE)).all(axis=2)
    rows, columns = (np.flatnonzero(outline.any(axis=axis)) for axis in (1, 0))
    for found in (rows, columns):
        assert found[[0, -1]] == pytest.approx(np.array([64, 448]) * PANEL_PX / 512, abs=20)


@given(width=st.floats(1e-4, 1e4))
def test_a_scale_bar_has_a_round_length_that_fits(width: float):
    length = scale_bar_mm(width)
    assert width / 7.6 <= length <= width / 3
    assert f"{length:.6e}"[0] in "125"
    assert set(f"{length:.3e}"[1:5]) == {".", "0"}


@pytest.mark.parametrize("mpp", [0.25, 0.5])
def test_the_stride_is_that_of_the_tiles_on_the_slide(tmp_path: Path, mpp: float):
    tiles, measured = files_of(tmp_path, on_glass(1024, 64, 64, 896, 896), mpp)
    judge_slide(tiles, measured, tmp_path / "q.h5", slide="a", parameters=QC)
    with open_store(tmp_path / "q.h5", "qc/1") as store:
        steps = np.diff(np.unique(store["coords"][:, 0]))
        assert (steps == store.attrs["stride_level0"]).all()
        assert steps[0] == TILING.stride_px * TILING.target_mpp / mpp


def test_same_metrics_same_bytes(tmp_path: Path):
    tiles, measured = files_of(tmp_path, on_glass(512, 64, 64, 384, 384))
    for name in ("a", "b"):
        judge_slide(tiles, measured, tmp_path / f"{name}.h5", slide="a", parameters=QC)
        draw_overview(tiles, tmp_path / f"{name}.h5", tmp_path / f"{name}.png", slide="a")
    for suffix in ("h5", "png"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


@pytest.mark.parametrize("image", [None, np.full((512, 512, 3), 243, np.uint8)])
def test_slide_without_patches_has_verdict_and_overview(tmp_path: Path, image: np.ndarray | None):
    tiles, measured = files_of(tmp_path, image)
    judge_slide(tiles, measured, tmp_path / "q.h5", slide="a", parameters=QC)
    draw_overview(tiles, tmp_path / "q.h5", tmp_path / "q.png", slide="a")
    with open_store(tmp_path / "q.h5", "qc/1") as store:
        assert len(store["reason"]) == len(store["coords"]) == 0
        assert Reason.of(store.attrs) is not None
    Image.open(tmp_path / "q.png").verify()


def test_metrics_of_another_slide_are_refused(tmp_path: Path):
    tiles, measured = files_of(tmp_path, on_glass(512, 64, 64, 384, 384))
    with pytest.raises(HistotransferError, match="is of slide a, expected b"):
        judge_slide(tiles, measured, tmp_path / "q.h5", slide="b", parameters=QC)
