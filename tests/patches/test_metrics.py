"""What is measured on patches, on patches whose truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from histotransfer.imaging.artefacts import is_pen
from histotransfer.imaging.optical_density import channels, optical_density
from histotransfer.patches.metrics import NAMES, measure
from support.slides import GLASS, stained, tissue


def measured(rgb: np.ndarray, mpp: float = 0.5) -> dict[str, float]:
    return dict(zip(NAMES, measure(channels(rgb), mpp).tolist(), strict=True))


def real_patches(realdata: Path) -> list[np.ndarray]:
    # Without debris of glass and dirt, which is not tissue.
    files = sorted((realdata / "patches" / "nct9_224").glob("*/*.tif"))
    files += sorted((realdata / "patches" / "colorectal5_224").glob("*/*.jpg"))[::20]
    return [
        np.asarray(Image.open(file).convert("RGB")) for file in files if file.parent.name != "BACK"
    ]


def blurred(rgb: np.ndarray, sigma_um: float, mpp: float = 0.5) -> np.ndarray:
    return np.asarray(Image.fromarray(rgb).filter(ImageFilter.GaussianBlur(sigma_um / mpp)))


def test_fractions_of_planted_pixels_are_found():
    patch = stained(np.full((80, 80), 0.3), np.full((80, 80), 0.3))
    patch[:16] = GLASS
    patch[16:40] = (30, 50, 150)  # blue ink
    patch[40:44] = (15, 10, 15)  # black
    found = measured(patch)
    assert found["background_fraction"] == pytest.approx(0.20)
    assert found["pen_fraction"] == pytest.approx(0.30)
    assert found["dark_fraction"] == pytest.approx(0.05)


def test_strokes_are_pen_and_coloured_fringes_are_not():
    patch = stained(np.full((80, 80), 0.3), np.full((80, 80), 0.3))
    fringed = patch.copy()
    fringed[:, 10:70:12] = (60, 110, 120)  # teal lines of half a micrometre
    assert is_pen(optical_density(fringed)).mean() > 0.05
    assert measured(fringed)["pen_fraction"] == 0
    patch[:, 16:40] = (60, 110, 120)
    assert measured(patch)["pen_fraction"] == pytest.approx(0.3)


def test_density_and_saturation_of_a_flat_patch():
    patch = np.full((50, 50, 3), (255, 51, 102), np.uint8)
    found = measured(patch)
    assert found["od_mean"] == pytest.approx(-np.log10([1, 0.2, 0.4]).mean(), abs=1e-5)
    assert found["od_sd"] == pytest.approx(0, abs=1e-5)
    assert found["saturation"] == pytest.approx(0.8)
    assert found["sharpness"] == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("px", [50, 56, 61])
def test_metrics_are_what_they_are_called(px: int):
    patch = np.random.default_rng(px).integers(0, 256, (px, px, 3), np.uint8)
    patch[:9] //= 200  # zeros and ones
    patch[-9:] |= 224
    found = measured(patch)
    levels = np.maximum(patch, 1).astype(float)
    od = -np.log10(levels / 255).mean(axis=2)
    assert found["background_fraction"] == pytest.approx((patch > 212).all(axis=2).mean())
    assert found["od_mean"] == pytest.approx(od.mean(), rel=1e-5)
    assert found["od_sd"] == pytest.approx(od.std(), rel=1e-5)
    assert found["dark_fraction"] == pytest.approx((od > 1).mean())
    saturation = 1 - levels.min(axis=2) / levels.max(axis=2)
    assert found["saturation"] == pytest.approx(saturation.mean(), rel=1e-5)
    grey = np.asarray(Image.fromarray(patch).convert("L"))  # each rounded by up to a half
    assert found["grey_mean"] == pytest.approx(grey.mean(), abs=0.5)


@pytest.mark.parametrize(
    "colour", [(20, 90, 60), (30, 50, 150), (0, 80, 200), (40, 160, 60), (45, 45, 48), (30, 27, 28)]
)
def test_inks_are_pen_and_stains_are_not(colour: tuple[int, int, int]):
    assert is_pen(optical_density(np.array(colour, np.uint8)))
    amounts = np.mgrid[0:1.5:20j, 0:1.5:20j]
    assert not is_pen(optical_density(stained(*amounts))).any()


def test_real_tissue_bears_no_pen_and_is_not_dark(realdata: Path):
    found = [measured(patch) for patch in real_patches(realdata)]
    assert max(row["pen_fraction"] for row in found) == 0
    assert max(row["dark_fraction"] for row in found) < 0.35


def test_sharpness_parts_real_patches_from_their_blurred_copies(realdata: Path):
    patches = real_patches(realdata)
    sharp = [measured(patch)["sharpness"] for patch in patches]
    assert min(sharp) > 0.45
    for sigma_um in (2, 4, 8):
        assert max(measured(blurred(patch, sigma_um))["sharpness"] for patch in patches) < 0.45


def test_sharpness_does_not_depend_on_the_scale_of_the_scan():
    patch = tissue(224, 224)
    finer = np.repeat(np.repeat(patch, 2, axis=0), 2, axis=1)
    assert measured(finer, 0.25)["sharpness"] == pytest.approx(
        measured(patch, 0.5)["sharpness"], rel=1e-3
    )


def test_sharpness_hardly_depends_on_the_strength_of_the_stain(realdata: Path):
    for patch in real_patches(realdata)[:10]:
        paler = np.rint(255 * (np.maximum(patch, 1) / 255) ** 0.6).astype(np.uint8)
        assert measured(paler)["sharpness"] == pytest.approx(measured(patch)["sharpness"], rel=0.2)


def test_noise_after_blur_does_not_pass_for_sharpness(realdata: Path):
    random = np.random.default_rng(0)
    for patch in real_patches(realdata)[:10]:
        soft = blurred(patch, 4) + random.normal(0, 2, patch.shape)
        assert measured(np.clip(soft, 0, 255).astype(np.uint8))["sharpness"] < 0.45
