"""A network of PyTorch in memory, behind the same protocol as one of Keras."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from . import backend, torch_files
from .inference import Network, best_batch_size
from .timm_transform import Transform

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)


class TorchNetwork(Network):
    """An extractor of PyTorch; batches, exhausted memory and results are as those of `Network`."""

    def __init__(
        self,
        path: str | Path,
        batch_size: int | str,
        *,
        mixed_precision: bool = False,
        threads: int = 0,
        gpu: bool | str = "prefer",
    ) -> None:
        import torch

        backend.configure(threads=threads, gpu=gpu)
        if threads:
            torch.set_num_threads(threads)
        torch.backends.cuda.matmul.allow_tf32 = False  # float32 is float32
        torch.backends.cudnn.allow_tf32 = False
        self._path = path
        self._model = _Features(path, mixed=mixed_precision, threads=threads)
        self._function = lambda images: [self._model(images)]
        if batch_size == "auto":
            batch_size = best_batch_size(self._rate)
            log.info("batches of %d", batch_size)
        self.batch_size = int(batch_size)


class _Features:
    """A function of uint8 patches (n, s, s, 3) that gives float32 (n, d) on the device.

    Attributes
    ----------
    input_shape : tuple
        (None, s, s, 3), as a model of Keras has it.
    """

    def __init__(self, path: str | Path, *, mixed: bool, threads: int) -> None:
        import torch

        self._device = "cuda" if backend.device() == "gpu" else "cpu"
        self._mixed = mixed
        self._prepared: Callable[[npt.NDArray[np.uint8]], torch.Tensor]
        if Path(path).suffix == ".pt":
            module, px = torch_files.load_torchscript(path)
            self._prepared = lambda images: torch.from_numpy(images).to(self._device)
            self._forward: Callable[[torch.Tensor], torch.Tensor] = module.to(self._device)
        else:
            model, description = torch_files.load_timm(path)
            px = description.input_px
            self._prepared = Transform(description.transform, px, self._device, threads)
            self._forward = torch_files.pooled(model.to(self._device), description.pooling)
        self.input_shape = (None, px, px, 3)

    def __call__(self, images: npt.NDArray[np.uint8]) -> torch.Tensor:
        """Begin to compute a batch; on a GPU this returns before the result is there."""
        import torch

        mixed = torch.autocast(self._device, torch.float16) if self._mixed else nullcontext()
        with torch.inference_mode():
            batch = self._prepared(images)
            with mixed:
                return self._forward(batch).float()
