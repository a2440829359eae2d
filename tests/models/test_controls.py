"""Controls: what they compute is what they say, in a file like any network's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from histotransfer.models import keras_files, xception
from histotransfer.models.controls import (
    BINS,
    CONTROLS,
    colour_histogram,
    random_xception,
    write_control,
)
from histotransfer.models.initial_weights import random_tensors
from histotransfer.simulate.painter import CLASSES, develop, draw_stain, paint
from histotransfer.study import extractors

PX = xception.MIN_INPUT_PX


def histogram(image: np.ndarray) -> np.ndarray:
    """Count the values of each colour in bins, those between two centres in both by nearness."""
    place = np.clip(image.reshape(-1, 3) / 255 * BINS - 0.5, 0, BINS - 1)
    below = np.floor(place).astype(int)
    share = place - below
    found = np.zeros((3, BINS))
    for colour in range(3):
        np.add.at(found[colour], below[:, colour], 1 - share[:, colour])
        np.add.at(found[colour], np.minimum(below[:, colour] + 1, BINS - 1), share[:, colour])
    return found.ravel() / len(place)


def test_colour_is_the_histogram_of_each_colour(tmp_path):
    rng = np.random.default_rng(2)
    images = rng.integers(0, 256, (3, PX, PX, 3), dtype=np.uint8)
    images[1] //= 3
    images[2] = [255, 128, 0]
    write_control("colour", tmp_path / "c.keras", input_px=PX, extractor="COLOUR", seed=1)
    found = keras_files.load_extractor(tmp_path / "c.keras").predict_on_batch(images)
    assert found.shape == (3, 3 * BINS)
    np.testing.assert_allclose(found, [histogram(image) for image in images], atol=1e-4)
    np.testing.assert_allclose(found.reshape(3, 3, BINS).sum(axis=2), 1, atol=1e-4)


def test_colour_does_not_see_where_a_colour_is():
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (1, PX, PX, 3), dtype=np.uint8)
    shuffled = rng.permutation(image.reshape(-1, 3)).reshape(image.shape)
    model = colour_histogram(PX, "COLOUR")
    np.testing.assert_allclose(
        model.predict_on_batch(image), model.predict_on_batch(shuffled), atol=1e-5
    )


def test_random_is_xception_with_the_weights_of_its_seed(tmp_path):
    write_control("random", tmp_path / "r.keras", input_px=PX, extractor="RANDOM", seed=4)
    found = xception.tensors(keras_files.load_extractor(tmp_path / "r.keras"))
    expected = random_tensors(4)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in found)


def test_what_follows_colour_alone_is_told_best_by_colour():
    """Forty patients with four painted patches each, of any tissue; the label is the eosin."""
    rng = np.random.default_rng(5)
    tissues = [tissue for tissue in CLASSES if tissue not in ("BACK", "ADI")]
    label = rng.standard_normal(40)
    images = []
    for strength in np.repeat(np.exp(0.2 * label), 4):
        stains = paint(rng.choice(tissues), rng, (PX, PX), 1.0)
        stains[1] *= np.float32(strength)
        images.append(develop(stains, draw_stain(np.random.default_rng(0)), rng))
    models = {
        "colour": colour_histogram(PX, "COLOUR"),
        "random": random_xception(PX, "RANDOM", 1),
    }
    r = {}
    for name, model in models.items():
        features = model.predict(np.stack(images), batch_size=32, verbose=0)
        pooled = features.reshape(40, 4, -1).mean(axis=1)
        ridge = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 5, 13)))
        predicted = cross_val_predict(ridge, pooled, label, cv=KFold(5))
        r[name] = np.corrcoef(predicted, label)[0, 1]
    assert r["colour"] > 0.8  # 0.91; ImageNet's weights reach 0.02 here
    assert r["colour"] > r["random"] + 0.1


@pytest.mark.parametrize("kind", CONTROLS)
def test_the_same_seed_gives_the_same_bytes(kind, tmp_path):
    one, two = tmp_path / "one.keras", tmp_path / "two.keras"
    for path in (one, two):
        write_control(kind, path, input_px=PX, extractor="X", seed=4)
    assert one.read_bytes() == two.read_bytes()


def test_every_control_of_a_config_can_be_built():
    assert set(CONTROLS) == set(extractors.CONTROLS)
