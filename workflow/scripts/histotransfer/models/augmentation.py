"""Augmentation of tissue patches: flips, quarter turns, mild changes of the stain.

Tissue has no up and no left, so the eight symmetries of the square are as likely as each other.
Every draw follows from (seed, moment, row): it depends neither on the batch a patch is in nor on
what was drawn before, so that a resumed training draws what an uninterrupted one would have drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SYMMETRIES = 8

#: Optical densities of haematoxylin, eosin and DAB, in rows (Ruifrok & Johnston 2001).
_HED = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
_TO_OD = _HED / np.linalg.norm(_HED, axis=1, keepdims=True)
_FROM_OD = np.linalg.inv(_TO_OD)


@dataclass(frozen=True)
class Augmentation:
    """What is drawn anew for each patch in each epoch.

    Attributes
    ----------
    flips_and_turns : bool
        Show each patch in one of its eight symmetries.
    stain_jitter : float
        Scale each stain's concentration by a factor in 1 ± `stain_jitter`, and shift it by up to
        ± `stain_jitter` times 0.1, about the density of pale eosin; 0 leaves the colours alone.
    seed : int
        Seed of the draws.
    """

    flips_and_turns: bool
    stain_jitter: float
    seed: int

    @property
    def symmetries(self) -> int:
        """Number of symmetries to choose from, 1 or 8."""
        return SYMMETRIES if self.flips_and_turns else 1

    def __bool__(self) -> bool:
        return self.flips_and_turns or self.stain_jitter > 0

    def symmetry(self, row: int, moment: tuple[int, ...]) -> int:
        """Draw a patch's symmetry at a moment of the training, such as (step, epoch)."""
        return int(self._random(row, moment).integers(self.symmetries))

    def apply(
        self, images: npt.NDArray[np.uint8], rows: npt.NDArray[np.int64], moment: tuple[int, ...]
    ) -> npt.NDArray[np.uint8]:
        """Augment images.

        Parameters
        ----------
        images : ndarray of shape (n, s, s, 3), uint8
            RGB.
        rows : ndarray of shape (n,)
            Row of each image in its store.
        moment : tuple of int
            Such as (step, epoch).

        Returns
        -------
        ndarray of shape (n, s, s, 3), uint8
        """
        shown = np.empty_like(images)
        for place, row in enumerate(rows.tolist()):
            random = self._random(row, moment)
            image = turn(images[place], int(random.integers(self.symmetries)))
            if self.stain_jitter:
                strength = self.stain_jitter
                scale = random.uniform(1 - strength, 1 + strength, 3)
                image = stain(image, scale, 0.1 * random.uniform(-strength, strength, 3))
            shown[place] = image
        return shown

    def _random(self, row: int, moment: tuple[int, ...]) -> np.random.Generator:
        return np.random.default_rng([self.seed, *moment, row])


def turn(image: npt.NDArray[np.uint8], symmetry: int) -> npt.NDArray[np.uint8]:
    """Return one of the eight symmetries of a square image (s, s, 3); 0 is the image itself."""
    flipped = image[:, ::-1] if symmetry & 4 else image
    return np.rot90(flipped, symmetry & 3)


def stain(
    image: npt.NDArray[np.uint8], scale: npt.NDArray[np.float64], shift: npt.NDArray[np.float64]
) -> npt.NDArray[np.uint8]:
    """Scale and shift the stains' concentrations in an image.

    Parameters
    ----------
    image : ndarray of shape (h, w, 3), uint8
        RGB.
    scale, shift : ndarray of shape (3,)
        For haematoxylin, eosin and the residual; concentrations are in units of optical density.

    Returns
    -------
    ndarray of shape (h, w, 3), uint8
        Glass stays glass: the shift fades out with the pixel's own density.

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
