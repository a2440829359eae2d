"""A network in memory that turns patches into features, in batches that the memory holds."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.errors import HistotransferError
from . import backend, keras_files, xception
from .backend import keras

log = logging.getLogger(__name__)

LARGEST_BATCH = 512
AHEAD = 2
"""Batches that a GPU holds while the results of an earlier one are being written."""


class Network:
    """An extractor in memory, or several that share a trunk.

    Parameters
    ----------
    path : str or Path
        The extractor's ``.keras`` file.
    batch_size : int or "auto"
        Patches per step; ``auto`` is `best_batch_size`, as measured here and now. It is halved for
        good when the memory does not hold it.
    beside : sequence of str or Path
        Further extractors, equal to the first one below the block `cut`. Their features stand
        beside its features, in this order.
    cut : str
        The block of Xception, such as ``block13``, at which the network is compiled in two parts;
        empty for one part. The parts of each extractor are the same functions in any company, so
        its features do not depend on `beside`.
    mixed_precision, threads, jit, gpu
        As in `xception.set_precision`, `backend.compiled` and `backend.configure`.
    """

    def __init__(
        self,
        path: str | Path,
        batch_size: int | str,
        *,
        beside: Sequence[str | Path] = (),
        cut: str = "",
        mixed_precision: bool = False,
        threads: int = 0,
        jit: bool | None = None,
        gpu: bool | str = "prefer",
    ) -> None:
        backend.configure(threads=threads, gpu=gpu)
        self._path = path
        models = [keras_files.load_extractor(file) for file in (path, *beside)]
        if mixed_precision:
            for model in models:
                xception.set_precision(model, mixed=True)
        self._model = models[0]
        self._function = _in_parts(models, cut, jit)
        if batch_size == "auto":
            batch_size = best_batch_size(self._rate)
            log.info("batches of %d", batch_size)
        self.batch_size = int(batch_size)

    def run(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the features (n, d) of images (n, s, s, 3) of the extractor's size.

        Those of several extractors stand side by side: d is the sum of their widths. The last batch
        is padded with zeros, so the network is compiled once, and the features of a patch do not
        depend on its neighbours.
        """
        keras_files.check_size(self._path, self._model, images.shape[1])
        while True:
            size = self.batch_size
            try:
                starts = range(0, len(images), size)
                batches = (images[start : start + size] for start in starts)
                parts = [_result(self._start(batch, size)) for batch in batches]
            except Exception as error:
                if not backend.is_out_of_memory(error):
                    raise
                self._halve(size, error)
            else:
                return np.concatenate(parts)[: len(images)]

    def run_all(
        self, batches: Iterable[npt.NDArray[np.uint8]]
    ) -> Iterator[npt.NDArray[np.float32]]:
        """Yield the features of each of several arrays of images, as `run` returns them.

        On a GPU, one array is copied to it while the one before is computed and the one before that
        is in the caller's hands. An array of more than `batch_size` images waits for its turn.
        """
        started: deque[tuple[npt.NDArray[np.uint8], Sequence[object]]] = deque()
        for images in batches:
            started.append((images, self._started(images)))
            if len(started) > AHEAD:
                yield self._finished(*started.popleft())
        while started:
            yield self._finished(*started.popleft())

    def _started(self, images: npt.NDArray[np.uint8]) -> Sequence[object]:
        """Begin to compute images; wait for those that the memory does not hold together."""
        keras_files.check_size(self._path, self._model, images.shape[1])
        if len(images) > self.batch_size:
            return [self.run(images)]
        try:
            return self._start(images, self.batch_size)
        except Exception as error:
            if not backend.is_out_of_memory(error):
                raise
            self._halve(self.batch_size, error)
            return [self.run(images)]

    def _finished(
        self, images: npt.NDArray[np.uint8], started: Sequence[object]
    ) -> npt.NDArray[np.float32]:
        """Wait for the features of images, and compute them again if the memory was exhausted."""
        try:
            return _result(started)[: len(images)]
        except Exception as error:
            if not backend.is_out_of_memory(error):
                raise
            return self.run(images)

    def _start(self, images: npt.NDArray[np.uint8], size: int) -> Sequence[object]:
        """Begin a batch, padded to its size."""
        if missing := size - len(images):
            images = np.pad(images, ((0, missing), (0, 0), (0, 0), (0, 0)))
        return self._function(images)

    def _halve(self, size: int, error: Exception) -> None:
        """Continue with half a size that the memory did not hold."""
        if size == 1:
            raise HistotransferError(
                self._path,
                "needs more memory than available for one patch of "
                f"{self._model.input_shape[1]} px",
                "Free the device's memory or choose a smaller extractor",
            ) from error
        self.batch_size = size // 2
        log.warning("out of memory: continuing with batches of %d", self.batch_size)

    def _rate(self, size: int) -> float:
        """Measure patches per second over at least half a second, after a first step."""
        images = np.zeros((size, *self._model.input_shape[1:]), dtype=np.uint8)
        _result(self._function(images))
        steps, started = 0, time.perf_counter()
        while (seconds := time.perf_counter() - started) < 0.5:
            _result(self._function(images))
            steps += 1
        return steps * size / seconds


def _in_parts(
    models: Sequence[keras.Model], cut: str, jit: bool | None
) -> Callable[[npt.NDArray[np.uint8]], Sequence[object]]:
    """Compile models, apart below and above a cut; the trunk is the first model's."""
    if not cut:
        whole = [backend.compiled(model, jit=jit) for model in models]
        return lambda images: [function(images) for function in whole]
    first, *_ = models
    trunk = backend.compiled(keras.Model(first.inputs, xception.boundary(first, cut)), jit=jit)
    tails = [
        backend.compiled(keras.Model(xception.boundary(model, cut), model.outputs[0]), jit=jit)
        for model in models
    ]

    def run(images: npt.NDArray[np.uint8]) -> Sequence[object]:
        middle = trunk(images)
        return [tail(middle) for tail in tails]

    return run


def _result(started: Sequence[object]) -> npt.NDArray[np.float32]:
    """Wait for the features of each extractor and put them side by side."""
    parts = [backend.numpy(part) for part in started]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def best_batch_size(rate: Callable[[int], float]) -> int:
    """Find the smallest batch size whose double gains less than 5 %.

    It is a power of two from 8 to `LARGEST_BATCH`, smaller if the memory demands it. `rate` returns
    patches per second at a size, or raises an error of `backend.is_out_of_memory`.
    """
    size, best, best_rate = 8, 0, 0.0
    while size <= LARGEST_BATCH:
        try:
            measured = rate(size)
        except Exception as error:
            if not backend.is_out_of_memory(error):
                raise
            return best or max(1, size // 2)
        log.info("batches of %d: %.1f patches/s", size, measured)
        if measured < 1.05 * best_rate:
            return best
        size, best, best_rate = 2 * size, size, measured
    return best
