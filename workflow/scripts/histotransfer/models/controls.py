"""Controls: networks that know nothing of tissue, which any extractor should beat.

They are networks like any other, so patches, precision, quality control and pooling are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from . import initial_weights, xception
from .backend import keras
from .keras_files import save

BINS = 16
"""Of each colour, from black to full."""


def write_control(
    kind: str, out_path: str | Path, *, input_px: int, extractor: str, seed: int
) -> None:
    """Write a control as a ``.keras`` file.

    Parameters
    ----------
    kind : str
        A name in `CONTROLS`.
    out_path : str or Path
        The file to write.
    input_px : int
        Side of the patches.
    extractor : str
        The name of the model.
    seed : int
        Draws the weights of ``random``.
    """
    save(CONTROLS[kind](input_px, extractor, seed), out_path)


def colour_histogram(input_px: int, name: str, seed: int = 0) -> keras.Model:
    """Build a network that gives the histograms of red, green and blue in a patch.

    It maps uint8 (n, input_px, input_px, 3) to float32 (n, 3 · `BINS`): fractions that sum to 1 for
    each colour. A value between two bins' centres counts in both, by its nearness; one beyond the
    outermost centres counts in the outermost bin. Nothing is drawn or trained.
    """
    # A value's weight in a bin rises and falls in straight lines, which are sums of ReLUs with
    # kinks at the bins' centres.
    centres = (np.arange(BINS) + 0.5) / BINS
    image = keras.Input((input_px, input_px, 3), dtype="uint8", name="image")
    scaled = keras.layers.Rescaling(1 / 255, name="scale")(image)
    kinked = keras.layers.Conv2D(3 * BINS, 1, activation="relu", name="kinks")(scaled)
    mean = keras.layers.GlobalAveragePooling2D(name="mean")(kinked)
    bins = keras.layers.Dense(3 * BINS, name="bins")(mean)
    model = keras.Model(image, bins, name=name)
    model.get_layer("kinks").set_weights(
        [np.repeat(np.eye(3), BINS, axis=1).reshape(1, 1, 3, -1), np.tile(-centres, 3)]
    )
    slopes, offsets = _of_kinks(BINS)
    model.get_layer("bins").set_weights([np.kron(np.eye(3), slopes), np.tile(offsets, 3)])
    return model


def _of_kinks(bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Return how means of relu(x − centre) become bins: (bins, bins) slopes and (bins,) offsets.

    The cumulative weight of the bins above the k-th is 0 below its centre, 1 above the next one's
    and linear between: bins · (relu(x − c_k) − relu(x − c_k+1)). A bin is a difference of two.
    """
    above = np.zeros((bins, bins - 1))
    for k in range(bins - 1):
        above[k, k], above[k + 1, k] = bins, -bins
    slopes = np.hstack([np.zeros((bins, 1)), above]) - np.hstack([above, np.zeros((bins, 1))])
    return slopes, np.eye(bins)[0]


def random_xception(input_px: int, name: str, seed: int) -> keras.Model:
    """Build Xception with random weights, as `initial_weights.random_tensors` draws them."""
    model = xception.build(input_px, name=name)
    xception.set_tensors(model, initial_weights.random_tensors(seed))
    return model


CONTROLS: Mapping[str, Callable[[int, str, int], keras.Model]] = {
    "colour": colour_histogram,
    "random": random_xception,
}
"""How each control of `study.extractors.CONTROLS` is built."""
