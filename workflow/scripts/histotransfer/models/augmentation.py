"""Augmentation of tissue patches: flips, quarter turns and changes of the stain.

A patch has eight versions. The first is the patch itself. Each of the others is in another symmetry
of the square, since tissue has no up and no left, and in another stain. An epoch shows one of them.

Versions follow from (seed, row, number), and which one is shown from (seed, moment, row). Neither
depends on the batch that a patch is in or on earlier draws. So a resumed training sees what an
uninterrupted one would have seen, and so does one that keeps what the frozen blocks return. The two
seeds are apart, so that trainings of several seeds share the versions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..core.streams import stream
from ..study.parameters import AugmentationParameters

Moment = tuple[int, int]
"""A step of the training and an epoch of the step."""

#: Optical densities of haematoxylin, eosin and DAB, in rows (Ruifrok & Johnston 2001).
_HED = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
_TO_OD = _HED / np.linalg.norm(_HED, axis=1, keepdims=True)
_FROM_OD = np.linalg.inv(_TO_OD)
_SHIFT = 0.1
"""Largest shift of a concentration at a stain jitter of 1: about the density of pale eosin."""


@dataclass(frozen=True)
class Augmentation:
    """The versions of each patch, and which of them an epoch shows.

    A stain jitter of j scales each stain's concentration by a factor in 1 ± j and shifts it by up
    to ± 0.1 j.
    """

    parameters: AugmentationParameters
    versions_seed: int
    """Draws the versions."""
    seed: int = 0
    """Draws which of them is shown."""

    @property
    def versions(self) -> int:
        """Number of versions of a patch, 1 or 8."""
        return self.parameters.versions

    def shown(self, row: int, moment: Moment) -> int:
        """Draw the version that a moment of the training shows of the patch in a row."""
        return int(stream(self.seed, "version shown", *moment, row).integers(self.versions))

    def version(self, image: npt.NDArray[np.uint8], row: int, number: int) -> npt.NDArray[np.uint8]:
        """Return a version of the RGB image (s, s, 3) in a row of its store; 0 is the image."""
        if number == 0:
            return image
        if self.parameters.flips_and_rotations:
            image = apply_symmetry(image, number)
        if jitter := self.parameters.stain_jitter:
            random = stream(self.versions_seed, "stain of a version", row, number)
            scale = random.uniform(1 - jitter, 1 + jitter, 3)
            image = change_stain(image, scale, _SHIFT * random.uniform(-jitter, jitter, 3))
        return image


def apply_symmetry(image: npt.NDArray[np.uint8], symmetry: int) -> npt.NDArray[np.uint8]:
    """Return one of the eight symmetries of a square image (s, s, 3); 0 is the image itself."""
    flipped = image[:, ::-1] if symmetry & 4 else image
    return np.rot90(flipped, symmetry & 3)


def change_stain(
    image: npt.NDArray[np.uint8], scale: npt.NDArray[np.float64], shift: npt.NDArray[np.float64]
) -> npt.NDArray[np.uint8]:
    """Scale and shift the concentrations of the stains in an RGB image (h, w, 3).

    Scale and shift are of haematoxylin, eosin and the residual, in units of optical density. Glass
    stays glass, because the shift fades with the density of a pixel.

    References
    ----------
    Ruifrok & Johnston, Anal Quant Cytol Histol 2001;23:291. Tellez et al., IEEE Trans Med Imaging
    2018;37:2126.
    """
    density = -np.log10((image.astype(np.float32) + 1) / 256)
    concentrations = density @ _FROM_OD.astype(np.float32)
    stained = np.minimum(density.mean(axis=-1, keepdims=True) / 0.1, 1)
    changed = concentrations * scale.astype(np.float32) + shift.astype(np.float32) * stained
    rgb = 256 * np.power(10, -(changed @ _TO_OD.astype(np.float32))) - 1
    return np.asarray(np.clip(np.rint(rgb), 0, 255).astype(np.uint8))
