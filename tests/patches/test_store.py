"""Encoded images: what goes in comes out, and what is damaged is noticed."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from histotransfer.core.hdf5 import open_store
from histotransfer.imaging.codecs import decode, encode
from histotransfer.patches.store import CHUNK_ROWS, append_images, create_patch_store
from support.slides import tissue


def test_png_is_lossless_and_jpeg_is_what_pillow_makes_of_it():
    image = tissue(96, 64)
    np.testing.assert_array_equal(decode(encode(image, "png", 0)), image)
    encoded = encode(image, "jpeg", 95)
    independent = np.asarray(Image.open(io.BytesIO(encoded.tobytes())))
    np.testing.assert_array_equal(decode(encoded), independent)


@pytest.mark.parametrize("codec", ["jpeg", "png"])
def test_a_fourth_channel_is_not_stored(codec: str):
    image = tissue(40, 56)
    with_alpha = np.dstack([image, np.full(image.shape[:2], 7, np.uint8)])
    np.testing.assert_array_equal(encode(with_alpha, codec, 95), encode(image, codec, 95))


@pytest.mark.parametrize("codec", ["jpeg", "png"])
@given(kept=st.floats(0, 0.999))
def test_image_that_is_cut_short_is_an_error(codec: str, kept: float):
    encoded = encode(tissue(64, 64), codec, 95)
    with pytest.raises(ValueError, match=r"\w"):
        decode(encoded[: int(kept * len(encoded))])


@pytest.mark.parametrize("lengths", [[5] * 7, [5, 6, 7], [3], [4] * (2 * CHUNK_ROWS + 1), []])
def test_images_of_any_length_are_appended_in_order(tmp_path: Path, lengths: list[int]):
    images = [np.full(n, i % 256, np.uint8) for i, n in enumerate(lengths)]
    with create_patch_store(tmp_path / "a.h5", {}) as store:
        append_images(store, images)
    with open_store(tmp_path / "a.h5", "patches/1") as store:
        stored = store["images"][:]
    assert len(stored) == len(images)
    for one, other in zip(stored, images, strict=True):
        np.testing.assert_array_equal(one, other)
