"""timm's transform of patches, for whole batches and with the same values."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch


class Transform:
    """Uint8 patches (n, s, s, 3) to a standardised batch (n, 3, t, t) in float32 on a device.

    Resizing and cropping work on single pictures, in threads, and not at all where they would
    leave the study's patches as they are. The rest is computed on the device.

    Parameters
    ----------
    config : mapping
        Of timm's `create_transform`.
    input_px : int
        Side of the patches.
    device : str
        Of PyTorch.
    threads : int
        That resize pictures.

    Attributes
    ----------
    changes_pictures : bool
        Whether patches are resized or cropped.
    """

    def __init__(
        self, config: Mapping[str, Any], input_px: int, device: str = "cpu", threads: int = 1
    ) -> None:
        import timm
        import torch
        from torchvision.transforms import Compose

        steps = list(timm.data.create_transform(**config, is_training=False).transforms)
        *pictures, _, normalise = steps  # before the last two, a picture becomes a tensor
        self._resize = Compose(pictures)
        self._device, self._threads = device, max(1, threads)
        self._mean, self._std = (
            torch.as_tensor(values, dtype=torch.float32, device=device).view(-1, 1, 1)
            for values in (normalise.mean, normalise.std)
        )
        noise = np.random.default_rng(0).integers(0, 256, (input_px, input_px, 3), np.uint8)
        self.changes_pictures = not np.array_equal(self._resized(noise), noise)

    def __call__(self, images: npt.NDArray[np.uint8]) -> torch.Tensor:
        """Transform a batch."""
        import torch

        if self.changes_pictures:
            with ThreadPoolExecutor(self._threads) as pool:
                images = np.stack(list(pool.map(self._resized, images)))
        batch = torch.from_numpy(images).to(self._device, non_blocking=True)
        return batch.permute(0, 3, 1, 2).float().div(255).sub(self._mean).div(self._std)

    def _resized(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        from PIL import Image

        return np.asarray(self._resize(Image.fromarray(image)))
