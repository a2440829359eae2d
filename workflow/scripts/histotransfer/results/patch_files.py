"""Patches of slides, each pooled alone, as though it were its patient's only one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..evaluation.predictors.predictor import Float
from ..features.pooling import kept_patches, pooled_alone
from ..study.parameters import PoolingParameters

AT_ONCE = 16384
"""How many patches are predicted together: their 2048 features, and copies, take some 1.5 GB."""


@dataclass(frozen=True)
class PatchFiles:
    """Where the features and the verdicts of the slides' patches are, and how they are pooled."""

    features: Path
    """The folder of ``{extractor}/{slide}.h5``."""
    verdicts: Path
    """The folder of ``{slide}.h5``."""
    patients: Mapping[str, str]
    """The patient of each slide."""
    pooling: PoolingParameters

    @classmethod
    def from_params(cls, params: Any) -> PatchFiles:  # noqa: ANN401
        """Take what the rules that read patches of slides have as parameters."""
        folders = Path(params.features), Path(params.verdicts)
        return cls(*folders, params.patients, PoolingParameters.of(params))

    def of(self, extractor: str, patients: set[str]) -> Iterator[tuple[pd.DataFrame, Float]]:
        """Yield the patches of some patients, about `AT_ONCE` at a time, each pooled alone.

        Whose and where they are, one row each, and their (n, d) features.
        """
        where: list[pd.DataFrame] = []
        features: list[npt.NDArray[np.float32]] = []
        slides = [slide for slide, patient in self.patients.items() if patient in patients]
        for slide in slides:
            coords, rows = self.of_slide(extractor, slide)
            if len(rows):
                place = pd.DataFrame(coords, columns=["x", "y"])
                where.append(place.assign(slide=slide, patient=self.patients[slide]))
                features.append(rows)
            if where and (slide == slides[-1] or sum(map(len, where)) >= AT_ONCE):
                yield pd.concat(where, ignore_index=True), np.vstack(features).astype(float)
                where, features = [], []

    def of_slide(
        self, extractor: str, slide: str
    ) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Return the corners (n, 2) of a slide's patches that count, and their (n, d) features."""
        verdicts = self.verdicts / f"{slide}.h5" if self.pooling.apply_qc else None
        path = self.features / extractor / f"{slide}.h5"
        rows, coords = kept_patches(path, verdicts, slide=slide, extractor=extractor)
        return coords, pooled_alone(rows, self.pooling.across_patches, self.pooling.across_slides)
