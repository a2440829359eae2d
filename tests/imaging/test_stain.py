"""Macenko's stains: planted ones are recovered, and what has none is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchstain.numpy.normalizers.macenko import NumpyMacenkoNormalizer

from histotransfer.core.errors import HistotransferError
from histotransfer.imaging import stain
from histotransfer.imaging.optical_density import channels, optical_density
from histotransfer.patches import stain_reference
from histotransfer.patches.from_folders import pack_dataset
from support.parameters import ENCODING


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector, axis=0)


def mixed(matrix: np.ndarray, strength: float = 1.0, count: int = 20000) -> np.ndarray:
    """Mix pixels (count, 3) of two stains: some almost pure, most with both."""
    random = np.random.default_rng(0)
    share = random.beta(0.4, 0.4, count)
    amount = strength * random.uniform(0.25, 1.0, count)
    density = np.stack([amount * share, amount * (1 - share)], -1) @ matrix.T
    return np.rint(stain.GLASS * 10.0**-density).astype(np.uint8)


def normalised_by(
    matrix: np.ndarray, image: np.ndarray, glass: int = stain.GLASS
) -> tuple[np.ndarray, float]:
    normalised, clipped = stain.normalise(channels(image), stain.tabulate(matrix, glass), glass)
    assert (normalised[..., 3] == 255).all()
    return normalised[..., :3], clipped


HAEMATOXYLIN_EOSIN = unit(np.array([[0.65, 0.15], [0.70, 0.95], [0.29, 0.25]]))


def angles_deg(found: np.ndarray, planted: np.ndarray) -> np.ndarray:
    return np.degrees(np.arccos(np.clip((found * planted).sum(axis=0), -1, 1)))


@given(red=st.floats(0.55, 0.75), blue=st.floats(0.25, 0.4), eosin_blue=st.floats(0.2, 0.4))
@settings(max_examples=20)
def test_planted_stains_are_recovered(red: float, blue: float, eosin_blue: float):
    planted = unit(np.array([[red, 0.15], [0.75, 0.95], [blue, eosin_blue]]))
    found = stain.fit(mixed(planted))
    assert angles_deg(found.matrix, planted).max() < 3
    assert found.matrix[0, 0] > found.matrix[0, 1]
    np.testing.assert_allclose(found.max_concentrations, 0.97, atol=0.08)


def test_fit_does_not_depend_on_the_order_of_the_pixels_or_on_glass():
    pixels = mixed(HAEMATOXYLIN_EOSIN)
    found = stain.fit(pixels)
    with_glass = np.concatenate([pixels[::-1], np.full((50000, 3), 243, np.uint8)])
    again = stain.fit(with_glass)
    np.testing.assert_allclose(again.matrix, found.matrix, atol=1e-9)
    np.testing.assert_allclose(again.max_concentrations, found.max_concentrations, atol=1e-9)


def test_normalised_pixels_have_the_references_stains():
    reference = stain.fit(mixed(HAEMATOXYLIN_EOSIN, strength=0.9))
    other = mixed(unit(np.array([[0.55, 0.25], [0.75, 0.90], [0.40, 0.35]])), strength=0.5)
    image = other.reshape(100, 200, 3)
    normalised, clipped = normalised_by(stain.transform(stain.fit(other), reference), image)
    assert normalised.shape == image.shape
    assert clipped == 0
    found = stain.fit(normalised.reshape(-1, 3))
    assert angles_deg(found.matrix, reference.matrix).max() < 1.5
    np.testing.assert_allclose(found.max_concentrations, reference.max_concentrations, rtol=0.03)


def test_normalising_to_itself_changes_nothing_in_the_plane_of_the_stains():
    pixels = mixed(HAEMATOXYLIN_EOSIN).reshape(100, 200, 3)
    found = stain.fit(pixels.reshape(-1, 3))
    normalised, _ = normalised_by(stain.transform(found, found), pixels)
    assert np.abs(normalised.astype(int) - pixels).max() <= 2


def test_glass_stays_bright():
    reference = stain.fit(mixed(HAEMATOXYLIN_EOSIN))
    pale = stain.fit(mixed(HAEMATOXYLIN_EOSIN, strength=0.4))
    glass = np.array([[[240, 240, 240], [244, 242, 246], [255, 255, 255]]], np.uint8)
    normalised, clipped = normalised_by(stain.transform(pale, reference), glass)
    assert normalised.min() >= 235
    assert clipped == 0


def test_tissue_that_would_pass_white_is_counted():
    matrix = -np.eye(3, dtype=np.float32)
    image = np.full((2, 2, 3), 100, np.uint8)
    image[0] = 250
    normalised, clipped = normalised_by(matrix, image)
    assert clipped == 0.5
    assert (normalised[1] == 255).all()


@given(
    matrix=st.lists(st.floats(-40, 40), min_size=9, max_size=9),
    strength=st.floats(0.01, 1),
    seed=st.integers(0, 1000),
    glass=st.sampled_from([230, stain.GLASS, 255]),
)
def test_colours_are_those_of_the_transformed_densities(
    matrix: list[float], strength: float, seed: int, glass: int
):
    # Stains that are close to each other, and pale ones, give factors of up to 10^100.
    transform = (strength * np.reshape(matrix, (3, 3))).astype(np.float32)
    image = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), np.uint8)
    relative = optical_density(image).astype(float) - np.log10(255 / glass)
    with np.errstate(over="ignore"):
        expected = glass * 10 ** -np.einsum("ij,jhw->hwi", transform.astype(float), relative)
    normalised, clipped = normalised_by(transform, image, glass)
    assert np.abs(normalised - np.clip(expected, 0, 255)).max() <= 0.51
    beyond = (expected > 255.5).all(axis=-1) & (image < glass).all(axis=-1)
    assert clipped == pytest.approx(beyond.mean(), abs=0.01)


@pytest.mark.parametrize(
    ("pixels", "cause"),
    [
        (np.full((5000, 3), 245, np.uint8), "only 0 stained pixels"),
        (mixed(HAEMATOXYLIN_EOSIN, count=500), "stained pixels"),
        (mixed(HAEMATOXYLIN_EOSIN[:, [0, 0]]), "apart"),
        (mixed(unit(np.array([[0.65, 0.27], [0.70, 0.57], [0.29, 0.78]]))), "haematoxylin"),
    ],
)
def test_what_is_not_two_stains_is_refused(pixels: np.ndarray, cause: str):
    with pytest.raises(stain.DegenerateStain, match=cause):
        stain.fit(pixels)


def stained_pixels(file: Path, glass: int) -> np.ndarray:
    pixels = np.asarray(Image.open(file).convert("RGB")).reshape(-1, 3)
    return pixels[(pixels < glass * 10**-stain.BETA - 1).all(axis=1)][None]


@pytest.mark.parametrize("glass", [stain.GLASS, 255])
def test_stains_and_pixels_agree_with_torchstain(realdata: Path, glass: int):
    # Of stained pixels alone, since torchstain takes the glass into its maxima and we do not.
    files = sorted((realdata / "patches" / "nct9_224").glob("[LNST][YOTU]*/*.tif"))
    target, *sources = [stained_pixels(file, glass) for file in files]
    independent, own = NumpyMacenkoNormalizer(), NumpyMacenkoNormalizer()
    independent.fit(target, Io=glass)
    reference = stain.fit(target[0], glass)
    for source in sources:
        found = stain.fit(source[0], glass)
        own.fit(source, Io=glass)
        assert angles_deg(found.matrix, unit(own.HERef)).max() < 1.5
        np.testing.assert_allclose(found.max_concentrations, own.maxCRef / np.log(10), rtol=0.06)
        expected, _, _ = independent.normalize(source, Io=glass, stains=False)
        normalised, _ = normalised_by(stain.transform(found, reference), source, glass)
        # It adds 1 to every grey level, against black, and truncates.
        assert np.abs(normalised - expected.astype(int)).mean() < 3


def write_dataset(folder: Path, pixels: np.ndarray) -> Path:
    for name in ("A", "B"):
        (folder / name).mkdir(parents=True)
        Image.fromarray(pixels.reshape(100, 200, 3)[:, :100]).save(folder / name / "1.png")
    store = folder / "store.h5"
    pack_dataset(folder, store, dataset="set", patch_px=100, encoding=ENCODING)
    return store


def test_reference_survives_its_file(tmp_path: Path):
    store = write_dataset(tmp_path / "set", mixed(HAEMATOXYLIN_EOSIN))
    for name in ("a", "b"):
        stain_reference.fit_reference(store, tmp_path / f"{name}.json", seed=7, glass=250)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert '"dataset": "set"' in (tmp_path / "a.json").read_text()
    found = stain_reference.read_reference(tmp_path / "a.json")
    assert angles_deg(found.matrix, HAEMATOXYLIN_EOSIN).max() < 4
    assert found.glass == 250


def test_dataset_without_stain_is_no_reference(tmp_path: Path):
    store = write_dataset(tmp_path / "set", np.full((20000, 3), 240, np.uint8))
    with pytest.raises(HistotransferError, match="no patches that show two stains"):
        stain_reference.fit_reference(store, tmp_path / "a.json", seed=7)
    assert not (tmp_path / "a.json").exists()


@pytest.mark.parametrize("text", ["", "{}", '{"schema": "other/1"}', '{"schema": "stain/2"}'])
def test_file_that_is_not_a_reference_is_named(tmp_path: Path, text: str):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(HistotransferError, match=r"a\.json: is not a stain reference"):
        stain_reference.read_reference(tmp_path / "a.json")
