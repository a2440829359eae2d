"""Patch stores: from folders, and from slides in one pass."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from histotransfer.core.errors import HistotransferError
from histotransfer.core.exclusions import Reason
from histotransfer.core.hdf5 import open_store
from histotransfer.imaging import stain
from histotransfer.imaging.optical_density import channels
from histotransfer.labels.task_labels import patch_labels
from histotransfer.patches.from_folders import pack_dataset
from histotransfer.patches.from_tiles import extract_patches
from histotransfer.patches.labelled import patients_of
from histotransfer.patches.metrics import NAMES, measure
from histotransfer.patches.store import read_images
from histotransfer.slides.tiles import tile_slide
from support.parameters import ENCODING, PATCHES, TILING
from support.slides import GLASS, damage, on_glass, stained, tissue, write_slide


def folder_of(tmp_path: Path, **images: Image.Image) -> Path:
    """Save images as CLASS_name.suffix → CLASS/name.suffix."""
    for key, image in images.items():
        name, suffix = key.rsplit("_", 1)
        label, stem = name.split("_")
        (tmp_path / "set" / label).mkdir(parents=True, exist_ok=True)
        image.save(tmp_path / "set" / label / f"{stem}.{suffix}")
    return tmp_path / "set"


def picture(size: int = 64, seed: int = 0) -> Image.Image:
    return Image.fromarray(tissue(size, size, seed))


def pack(folder: Path, out: Path, patch_px: int = 64, codec: str = "png") -> None:
    pack_dataset(
        folder, out, dataset="set", patch_px=patch_px, encoding=replace(ENCODING, codec=codec)
    )


def test_folder_is_packed_in_order_and_without_loss(tmp_path: Path):
    images = {f"{label}_{i}_tif": picture(seed=i) for label in ("TUM", "ADI") for i in range(3)}
    folder = folder_of(tmp_path, **images)
    (folder / "ADI/._0.tif").write_bytes(b"what macOS leaves beside a file")
    pack(folder, tmp_path / "a.h5")
    with open_store(tmp_path / "a.h5", "patches/1") as store:
        assert store.attrs["classes"].tolist() == ["ADI", "TUM"]
        names = store["names"].asstr()[:].tolist()
        assert names == sorted(names)
        assert names[0] == "ADI/0.tif"
        assert store["labels"][:].tolist() == [0, 0, 0, 1, 1, 1]
        stored = read_images(store, 0, 100)
        np.testing.assert_array_equal(read_images(store, 2, 4), stored[2:4])
    np.testing.assert_array_equal(stored[:3], np.stack([tissue(64, 64, i) for i in range(3)]))


def test_other_sizes_and_modes_are_converted_and_counted(tmp_path: Path):
    clear = picture().convert("RGBA")
    clear.putalpha(0)
    folder = folder_of(
        tmp_path,
        A_big_png=picture(128),
        A_grey_png=picture().convert("L"),
        A_clear_png=clear,
        A_plain_png=picture(),
    )
    (folder / "A" / "Thumbs.db").write_text("not an image")
    pack(folder, tmp_path / "a.h5")
    with open_store(tmp_path / "a.h5", "patches/1") as store:
        assert (store.attrs["n_resized"], store.attrs["n_converted"]) == (1, 2)
        big, clear_image, grey, plain = read_images(store, 0, 4)
    halves = tissue(128, 128).reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
    assert np.abs(big - halves).max() <= 1
    assert (clear_image == 255).all()
    assert (grey[..., 0] == grey[..., 2]).all()
    np.testing.assert_array_equal(plain, tissue(64, 64))


def test_jpeg_that_fits_is_not_compressed_again(tmp_path: Path):
    folder = folder_of(tmp_path, A_1_jpg=picture())
    pack(folder, tmp_path / "a.h5", codec="jpeg")
    with open_store(tmp_path / "a.h5", "patches/1") as store:
        assert store["images"][0].tobytes() == (folder / "A" / "1.jpg").read_bytes()


def test_jpeg_stays_close_to_the_pixels(tmp_path: Path):
    smooth = np.kron(tissue(8, 8), np.ones((8, 8, 1), np.uint8))
    folder = folder_of(tmp_path, A_1_tif=Image.fromarray(smooth))
    pack(folder, tmp_path / "a.h5", codec="jpeg")
    with open_store(tmp_path / "a.h5", "patches/1") as store:
        assert np.abs(read_images(store, 0, 1)[0].astype(int) - smooth).max() <= 6


@pytest.mark.parametrize("kind", ["missing", "no classes", "empty class", "broken", "16 bit"])
def test_folder_that_is_wrong_is_named(tmp_path: Path, kind: str):
    folder = tmp_path / "set"
    wrong = folder
    if kind != "missing":
        folder.mkdir()
    if kind in {"empty class", "broken", "16 bit"}:
        wrong = folder / "A"
        wrong.mkdir()
    if kind == "broken":
        wrong = folder / "A" / "1.png"
        picture().save(wrong)
        wrong.write_bytes(wrong.read_bytes()[:500])
    if kind == "16 bit":
        wrong = folder / "A" / "1.png"
        Image.fromarray(np.full((64, 64), 5000, np.uint16)).save(wrong)
    with pytest.raises(HistotransferError) as caught:
        pack(folder, tmp_path / "a.h5")
    assert caught.value.subject == str(wrong)
    assert list(tmp_path.glob("*.h5")) == []


def test_the_patients_of_patches_are_kept(tmp_path: Path):
    folder = folder_of(tmp_path, A_1_png=picture(), A_2_png=picture(seed=1), B_1_png=picture())
    table = tmp_path / "patients.csv"
    table.write_text("patient,file,note\nP2,B/1.png,\nP1,A/1.png,x\nP2,A/2.png,\nP9,A/9.png,\n")
    pack_dataset(
        folder, tmp_path / "a.h5", dataset="set", patch_px=64, encoding=ENCODING, patients=table
    )
    labels = patch_labels(tmp_path / "a.h5")
    assert labels.group.to_dict() == {"A/1.png": "P1", "A/2.png": "P2", "B/1.png": "P2"}
    pack(folder, tmp_path / "a.h5")
    assert patch_labels(tmp_path / "a.h5").group.tolist() == ["A/1.png", "A/2.png", "B/1.png"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file\tpatient\nA/1.png\tP1\n", "no patient of 1 of the 2 patches, such as A/2.png"),
        ("file\tpatient\nA/1.png\tP1\nA/2.png\t\n", "no patient of 1 of the 2 patches"),
        ("file\tpatient\nA/1.png\tP1\nA/1.png\tP2\n", "A/1.png is of P1, and of P2"),
        ("image\tsite\nA/1.png\tP1\n", r"has no column patient \(it has image, site\)"),
    ],
)
def test_a_table_of_patients_that_does_not_fit_is_an_error(
    tmp_path: Path, table: str, message: str
):
    (tmp_path / "patients.tsv").write_text(table)
    with pytest.raises(HistotransferError, match=f"patients.tsv.*{message}"):
        patients_of(["A/1.png", "A/2.png"], tmp_path / "patients.tsv")


def test_real_patches(realdata: Path, tmp_path: Path):
    folder = realdata / "patches" / "nct9_224"
    pack(folder, tmp_path / "a.h5", patch_px=224)
    with open_store(tmp_path / "a.h5", "patches/1") as store:
        assert store.attrs["classes"].tolist() == [
            "ADI", "BACK", "DEB", "LYM", "MUC", "MUS", "NORM", "STR", "TUM",
        ]  # fmt: skip
        images = read_images(store, 0, len(store["images"]))
        for name, image in zip(store["names"].asstr()[:], images, strict=True):
            original = np.asarray(Image.open(folder / name).convert("RGB"))
            if original.shape == image.shape:
                np.testing.assert_array_equal(image, original)


class Study:
    """A slide of 8 × 8 tiles of 64 px, of which 6 × 7 are tissue, and its files."""

    def __init__(self, folder: Path, image: np.ndarray | None = None) -> None:
        image = on_glass(512, 64, 64, 384, 448) if image is None else image
        self.image = image
        self.slide = write_slide(folder / "a.svs", image)
        self.tiles, self.metrics, self.patches = (folder / f"{x}.h5" for x in "tmp")
        self.reference = folder / "reference.json"
        self.tile()

    def tile(self) -> None:
        """Find the candidate tiles."""
        tile_slide(self.slide, self.tiles, slide="a", sheet_mpp=None, parameters=TILING)

    def extract(self, **changes: Any) -> tuple[dict[str, Any], dict[str, np.ndarray], np.ndarray]:
        """Return the attributes of both files, the metrics, and the stored images."""
        extract_patches(
            self.slide, self.tiles, self.metrics, self.patches, slide="a",
            reference_path=self.reference, parameters=replace(PATCHES, **changes),
        )  # fmt: skip
        with open_store(self.metrics, "metrics/1", slide="a") as store:
            measured = {name: store[name][:] for name in store}
            attrs = dict(store.attrs)
        with open_store(self.patches, "patches/1", slide="a") as store:
            assert Reason.of(store.attrs) == Reason.of(attrs)
            assert len(store["coords"]) == len(store["images"]) == measured["stored"].sum()
            measured["coords"] = store["coords"][:]
            images = read_images(store, 0, len(store["images"]))
        return attrs, measured, images

    def pixels(self, x: int, y: int) -> np.ndarray:
        """Return a tile as it was painted."""
        return self.image[y : y + 64, x : x + 64]


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path)


def write_reference(study: Study, glass: int = stain.GLASS) -> stain.Stain:
    """Take as the reference a stain stronger than the slide's."""
    pixels = stained(*np.random.default_rng(3).uniform(0, 0.9, (2, 20000)))
    reference = stain.fit(pixels, glass)
    study.reference.write_text(
        json.dumps(
            {
                "schema": "stain/2",
                "matrix": reference.matrix.tolist(),
                "max_concentrations": reference.max_concentrations.tolist(),
                "glass": glass,
            }
        )
    )
    return reference


def test_every_candidate_is_measured_and_stored_as_scanned(study: Study):
    attrs, measured, images = study.extract()
    assert attrs["code"] == ""
    assert attrs["stain_status"] == "none"
    assert len(images) == 42
    for (x, y), image in zip(measured["coords"].tolist(), images, strict=True):
        np.testing.assert_array_equal(image, study.pixels(x, y))
    expected = np.stack([measure(channels(image), 0.5) for image in images])
    found = np.stack([measured[name] for name in NAMES], axis=1)
    np.testing.assert_array_equal(found, expected)


def test_background_is_measured_and_not_stored(tmp_path: Path):
    image = on_glass(512, 64, 64, 384, 448)
    image[70:128, 64:128] = GLASS  # under the mask's closing, but glass
    study = Study(tmp_path, image)
    _, measured, images = study.extract(max_background_fraction=0.5)
    assert len(images) == len(measured["stored"]) - (measured["background_fraction"] > 0.5).sum()
    limit = float(np.median(measured["background_fraction"]))
    _, measured, images = study.extract(max_background_fraction=limit - 1e-6)
    assert (measured["stored"] == (measured["background_fraction"] <= limit - 1e-6)).all()
    assert np.isfinite(measured["od_mean"]).all()


@pytest.mark.parametrize("glass", [stain.GLASS, 255])
def test_stain_of_the_slide_becomes_that_of_the_reference(study: Study, glass: int):
    reference = write_reference(study, glass)
    attrs, measured, images = study.extract(stain_method="slide")
    assert (attrs["stain_status"], attrs["stain_glass"]) == ("fitted", glass)
    tables = stain.tabulate(attrs["stain_transform"], glass)
    for (x, y), image in zip(measured["coords"].tolist(), images, strict=True):
        expected, _ = stain.normalise(channels(study.pixels(x, y)), tables, glass)
        np.testing.assert_array_equal(image, expected[..., :3])
    found = stain.fit(images.reshape(-1, 3), glass)
    cosines = (found.matrix * reference.matrix).sum(axis=0)
    # The slide's mixture of the stains differs from the reference's, hence not closer.
    assert np.degrees(np.arccos(np.minimum(cosines, 1))).max() < 5
    np.testing.assert_allclose(found.max_concentrations, reference.max_concentrations, rtol=0.1)


@pytest.mark.parametrize("glass", [stain.GLASS, 255])
def test_stain_of_each_patch_becomes_that_of_the_reference(study: Study, glass: int):
    reference = write_reference(study, glass)
    attrs, measured, images = study.extract(stain_method="patch")
    assert (attrs["stain_status"], attrs["stain_glass"]) == ("fitted_per_patch", glass)
    degenerate = 0
    for (x, y), image in zip(measured["coords"].tolist(), images, strict=True):
        expected = study.pixels(x, y)
        try:
            found = stain.fit(expected.reshape(-1, 3), glass)
            tables = stain.tabulate(stain.transform(found, reference), glass)
            expected = stain.normalise(channels(expected), tables, glass)[0][..., :3]
        except stain.DegenerateStain:
            degenerate += 1
        np.testing.assert_array_equal(image, expected)
    assert degenerate == attrs["stain_degenerate"] < len(images) / 2


def test_metrics_are_those_of_the_raw_pixels_whatever_the_stain(study: Study):
    write_reference(study)
    _, raw, _ = study.extract()
    _, normalised, _ = study.extract(stain_method="patch")
    for name in NAMES:
        np.testing.assert_array_equal(raw[name], normalised[name])


def test_degenerate_stain_is_left_as_it_is_or_excluded(tmp_path: Path):
    image = np.full((512, 512, 3), GLASS, np.uint8)
    random = np.random.default_rng(0)
    image[64:448, 64:448] = stained(random.uniform(0.1, 0.8, (384, 384)), np.zeros((384, 384)))
    study = Study(tmp_path, image)
    write_reference(study)
    attrs, measured, images = study.extract(stain_method="slide")
    assert attrs["stain_status"] == "not_estimable"
    assert attrs["stain_detail"]
    assert attrs["stain_degenerate"] == 1
    np.testing.assert_array_equal(images[0], study.pixels(*measured["coords"][0]))

    attrs, _, images = study.extract(stain_method="slide", stain_fallback="exclude")
    assert attrs["code"] == "stain_not_estimable"
    assert len(images) == 0

    attrs, measured, images = study.extract(stain_method="patch", stain_fallback="exclude")
    assert attrs["code"] == ""
    assert attrs["stain_degenerate"] == len(measured["stored"]) == 36
    assert len(images) == 0


@pytest.mark.parametrize("method", ["none", "slide"])
def test_unreadable_tiles_are_counted_and_skipped(study: Study, method: str):
    write_reference(study)
    damage(study.slide, column=1, row=1)  # four tiles of 64 px
    attrs, measured, images = study.extract(stain_method=method, max_unreadable_fraction=0.1)
    assert attrs["code"] == ""
    assert attrs["n_unreadable"] == measured["unreadable"].sum() == 4
    assert np.isnan(measured["od_mean"][measured["unreadable"] == 1]).all()
    assert len(images) == 38


def test_slide_with_more_unreadable_tiles_is_excluded(study: Study):
    damage(study.slide, column=1, row=1)
    attrs, measured, images = study.extract(max_unreadable_fraction=0.05)
    assert attrs["code"] == "too_many_unreadable_tiles"
    assert attrs["detail"].startswith("more than 2.1 of 42; the last: 64 × 64 px at (")
    assert "tiling: max_unreadable_fraction" in attrs["remedy"]
    assert len(images) == len(measured["stored"]) == 0


def test_slide_that_vanishes_is_excluded(study: Study):
    study.slide.unlink()
    attrs, _, images = study.extract()
    assert attrs["code"] == "slide_missing"
    assert len(images) == 0


def test_reason_of_the_tiling_is_handed_on(study: Study):
    study.slide.write_text("no slide")
    study.tile()
    attrs, _, images = study.extract()
    assert attrs["code"] == "slide_unreadable"
    assert len(images) == 0


def test_tiles_of_another_slide_are_refused(study: Study):
    with pytest.raises(HistotransferError, match="is of slide a, expected b"):
        extract_patches(
            study.slide, study.tiles, study.metrics, study.patches, slide="b",
            reference_path=None, parameters=PATCHES,
        )  # fmt: skip


def test_same_slide_and_seed_same_bytes(study: Study):
    write_reference(study)
    study.extract(stain_method="slide", codec="jpeg")
    first = study.metrics.read_bytes(), study.patches.read_bytes()
    study.extract(stain_method="slide", codec="jpeg")
    assert (study.metrics.read_bytes(), study.patches.read_bytes()) == first


def test_unknown_codec_is_refused(study: Study):
    with pytest.raises(HistotransferError, match="Choose jpeg or png"):
        study.extract(codec="webp")
