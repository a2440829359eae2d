"""The time of step 1 of fine-tuning, on stored features and through the frozen network.

`make bench-finetune`. Both ways train the same head for ten epochs on the same patches; the way
through the network is timed over two epochs, and that time is multiplied by five. The stored
features come from one pass of the network, which serves step 2 as well and is shown apart. With the
pass included, ten epochs can be at most ten times as fast.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from histotransfer.models import backend, fine_tuning, initial_weights, xception
from histotransfer.models.backend import keras
from histotransfer.models.training import Data, train
from histotransfer.study.parameters import StepParameters
from ratios import report

EPOCHS, TIMED = 10, 2


def main() -> None:
    """Time both ways in turns."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--patches", type=int, default=64)
    options.add_argument("--px", type=int, default=224)
    options.add_argument("--rounds", type=int, default=2)
    options.add_argument("--threads", type=int, default=0)
    chosen = options.parse_args()
    backend.configure(threads=chosen.threads, seed=0)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (chosen.patches, chosen.px, chosen.px, 3), dtype=np.uint8)
    labels = (np.arange(chosen.patches) % 5).astype(np.int16)
    rows, held_out = fine_tuning.split(labels, 0.1, 0)
    data = Data(labels, rows, held_out, batch_size=16, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        initial_weights.fetch(Path(folder) / "w.h5", source="random", seed=0)
        base = xception.from_weights(Path(folder) / "w.h5", chosen.px)
    base.trainable = False

    def head() -> keras.Model:
        return fine_tuning.build_head(2048, 5, 256, 0.3, seed=0)

    def step(epochs: int) -> StepParameters:
        return StepParameters(epochs, learning_rate=1e-3, lr_schedule="none", patience=epochs)

    def through_the_network(epochs: int) -> float:
        model = keras.Model(base.inputs, head()(base.outputs[0]))
        started = time.perf_counter()
        train(model, lambda rows, _: images[rows], data, step(epochs), step=1)
        return time.perf_counter() - started

    def on_stored_features(epochs: int) -> tuple[float, float]:
        started = time.perf_counter()
        features = base.predict(images, batch_size=16, verbose=0)
        passed = time.perf_counter()
        train(head(), lambda rows, _: features[rows], data, step(epochs), step=1)
        return time.perf_counter() - passed, passed - started

    on_stored_features(1)  # compiles what is compiled once, which is not timed
    plain, stored = [], []
    for _ in range(chosen.rounds):
        # Epochs after the first, so that compiling does not count against the longer way.
        plain.append(through_the_network(1 + TIMED) - through_the_network(1))
        stored.append(on_stored_features(EPOCHS))
    whole = EPOCHS / TIMED * min(plain)
    training, the_pass = (min(times) for times in zip(*stored, strict=True))
    print(f"{chosen.patches} patches of {chosen.px} px, {EPOCHS} epochs:")
    print(f"{whole:.1f} s through the network; stored features: {the_pass:.1f} + {training:.1f} s")
    report("step1_on_stored_features", whole / training, 10)
    report("step1_with_the_pass_that_stores_them", whole / (training + the_pass), 5)


if __name__ == "__main__":
    main()
