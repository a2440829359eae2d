"""Fingerprints: the same for changed copies in any position, and others for other pictures."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from histotransfer.patches.fingerprints import NEAR, closest, fingerprint, pixel_digest
from support.slides import tissue


def recompressed(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=60)
    return Image.open(file).convert("RGB")


def recoloured(image: Image.Image) -> Image.Image:
    return Image.fromarray((np.asarray(image) * [0.93, 1.0, 0.97]).astype(np.uint8))


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "recompressed": recompressed,
    "half the size": lambda image: image.reduce(2),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.1),
    "paler": lambda image: ImageEnhance.Contrast(image).enhance(0.85),
    "recoloured": recoloured,
    "turned": lambda image: image.transpose(Image.Transpose.ROTATE_90),
    "mirrored": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "transposed": lambda image: image.transpose(Image.Transpose.TRANSVERSE),
}


def of_all(images: list[Image.Image]) -> np.ndarray:
    return np.array([fingerprint(np.asarray(image)) for image in images]).astype(np.float32)


def pictures(first: int, count: int) -> list[Image.Image]:
    return [Image.fromarray(tissue(96, 96, seed)) for seed in range(first, first + count)]


@pytest.mark.parametrize("how", COPIES)
def test_a_changed_copy_is_found(how: str):
    originals = pictures(0, 30)
    place, agreement = closest(
        of_all([COPIES[how](image) for image in originals]), of_all(originals)
    )
    assert place.tolist() == list(range(30))
    assert agreement.min() > NEAR + 0.03


def test_other_pictures_are_not_alike():
    _, agreement = closest(of_all(pictures(0, 100)), of_all(pictures(100, 1500)))
    assert agreement.max() < NEAR - 0.1


def test_real_patches_are_not_alike(realdata: Path):
    files = sorted((realdata / "patches/colorectal5_224").glob("*/*.jpg"))[::4]
    images = [Image.open(file).convert("RGB") for file in files]
    found = of_all(images)
    _, agreement = closest(found[::2], found[1::2])
    assert agreement.max() < NEAR - 0.2
    place, agreement = closest(of_all([recompressed(image) for image in images]), found)
    assert place.tolist() == list(range(len(images)))
    assert agreement.min() > NEAR + 0.05


def test_blank_pictures_are_like_none():
    blank = Image.new("RGB", (96, 96), (240, 238, 241))
    _, agreement = closest(of_all([blank]), of_all([blank, *pictures(0, 3)]))
    assert agreement.tolist() == [0]


def test_a_speck_on_glass_is_not_like_another():
    glass = np.random.default_rng(0).normal(240, 1, (2, 96, 96, 3))
    glass[:, 20:24, 41:46] = 90
    some, other = (Image.fromarray(one.round().astype(np.uint8)) for one in glass)
    _, agreement = closest(of_all([some]), of_all([other]))
    assert agreement.max() < NEAR - 0.1


def test_a_digest_is_of_pixels():
    image = tissue(32, 32, 1)
    assert (pixel_digest(image) == pixel_digest(np.asfortranarray(image))).all()
    assert (pixel_digest(image) != pixel_digest(image[::-1])).any()
    assert (pixel_digest(image[:16]) != pixel_digest(image[:16].reshape(32, 16, 3))).any()
