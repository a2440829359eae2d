"""The anchor: what it adds to the loss, and that it holds the features."""

from __future__ import annotations

import numpy as np
import pytest

from histotransfer.models.anchor import anchored
from histotransfer.models.backend import keras
from histotransfer.models.training import Data, train
from histotransfer.study.parameters import StepParameters

RANDOM = np.random.default_rng(0)
INPUTS = RANDOM.standard_normal((40, 6)).astype(np.float32)
LABELS = (INPUTS[:, 0] > 0).astype(np.int16)


def network(weight):
    """Return a layer of features, its features before training, and the model that trains it."""
    start = keras.Input((6,))
    layer = keras.layers.Dense(4, kernel_initializer=keras.initializers.GlorotUniform(seed=1))
    features = layer(start)
    head = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(
                2, activation="softmax", kernel_initializer=keras.initializers.GlorotUniform(seed=2)
            ),
        ]
    )
    before = keras.Model(start, features).predict_on_batch(INPUTS)
    return keras.Model(start, features), before, anchored(start, features, head, weight)


def test_the_loss_gains_the_squared_relative_distance_of_the_features():
    extractor, before, model = network(0.7)
    model.compile(loss="sparse_categorical_crossentropy")
    elsewhere = before + RANDOM.standard_normal(before.shape).astype(np.float32)
    near, far = (model.test_on_batch((INPUTS, f), LABELS) for f in (before, elsewhere))
    moved = extractor.predict_on_batch(INPUTS) - elsewhere
    distance = np.mean((moved**2).sum(axis=1) / (elsewhere**2).sum(axis=1))
    assert float(far) - float(near) == pytest.approx(0.7 * distance, rel=1e-4)


def test_a_heavier_anchor_holds_the_features_closer_and_a_light_one_lets_them_learn():
    rows = np.arange(40)
    data = Data(LABELS, rows[:30], rows[30:], batch_size=10, seed=3)
    step = StepParameters(epochs=40, learning_rate=1e-2, lr_schedule="none", patience=40)
    moved, learned = [], []
    for weight in (0.01, 1.0, 10.0):
        extractor, before, model = network(weight)
        history = train(
            model, lambda rows, _, before=before: (INPUTS[rows], before[rows]), data, step, step=1
        )
        after = extractor.predict_on_batch(INPUTS)
        moved.append(np.linalg.norm(after - before) / np.linalg.norm(before))
        learned.append(max(row["val_accuracy"] for row in history))
    assert moved[0] > 2 * moved[1] > 2 * moved[2]
    assert learned[0] > 0.8
