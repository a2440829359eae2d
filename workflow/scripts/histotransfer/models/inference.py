"""A network in memory that turns patches into features, in batches that the memory holds."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..core.errors import HistotransferError
from . import backend, keras_files, xception

log = logging.getLogger(__name__)

LARGEST_BATCH = 512
AHEAD = 2
"""Batches that a GPU holds while the results of an earlier one are being written."""


class Network:
    """An extractor in memory.

    A `batch_size` of ``auto`` is `best_batch_size`, as measured here and now. It is halved for good
    when the memory does not hold it.
    """

    def __init__(
        self,
        path: str | Path,
        batch_size: int | str,
        *,
        mixed_precision: bool = False,
        threads: int = 0,
        jit: bool | None = None,
        gpu: bool | str = "prefer",
    ) -> None:
        backend.configure(threads=threads, gpu=gpu)
        self._path = path
        self._model = keras_files.load_extractor(path)
        if mixed_precision:
            xception.set_precision(self._model, mixed=True)
        self._function = backend.compiled(self._model, jit=jit)
        if batch_size == "auto":
            batch_size = best_batch_size(self._rate)
            log.info("batches of %d", batch_size)
        self.batch_size = int(batch_size)

    def run(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the features (n, d) of images (n, s, s, 3) of the extractor's size.

        The last batch is padded with zeros, so the network is compiled once, and the features of a
        patch do not depend on its neighbours.
        """
        keras_files.check_size(self._path, self._model, images.shape[1])
        while True:
            size = self.batch_size
            try:
                starts = range(0, len(images), size)
                batches = (images[start : start + size] for start in starts)
                parts = [backend.numpy(self._start(batch, size)) for batch in batches]
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
        started: deque[tuple[npt.NDArray[np.uint8], object]] = deque()
        for images in batches:
            started.append((images, self._started(images)))
            if len(started) > AHEAD:
                yield self._finished(*started.popleft())
        while started:
            yield self._finished(*started.popleft())

    def _started(self, images: npt.NDArray[np.uint8]) -> object:
        """Begin to compute images; wait for those that the memory does not hold together."""
        keras_files.check_size(self._path, self._model, images.shape[1])
        if len(images) > self.batch_size:
            return self.run(images)
        try:
            return self._start(images, self.batch_size)
        except Exception as error:
            if not backend.is_out_of_memory(error):
                raise
            self._halve(self.batch_size, error)
            return self.run(images)

    def _finished(self, images: npt.NDArray[np.uint8], started: object) -> npt.NDArray[np.float32]:
        """Wait for the features of images, and compute them again if the memory was exhausted."""
        try:
            return backend.numpy(started)[: len(images)]
        except Exception as error:
            if not backend.is_out_of_memory(error):
                raise
            return self.run(images)

    def _start(self, images: npt.NDArray[np.uint8], size: int) -> object:
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
        backend.numpy(self._function(images))
        steps, started = 0, time.perf_counter()
        while (seconds := time.perf_counter() - started) < 0.5:
            backend.numpy(self._function(images))
            steps += 1
        return steps * size / seconds


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
