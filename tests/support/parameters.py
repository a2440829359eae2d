"""Parameters of the stages, small and quick."""

from __future__ import annotations

from histotransfer.fetch.http import RetryPolicy
from histotransfer.study.parameters import (
    EncodingParameters,
    PatchParameters,
    QcParameters,
    TilingParameters,
)

TILING = TilingParameters(
    patch_px=64,
    stride_px=64,
    target_mpp=0.5,
    mpp_tolerance=0.05,
    thumbnail_mpp=8.0,
    min_tissue_fraction=0.5,
)

ENCODING = EncodingParameters(codec="png", jpeg_quality=95)

PATCHES = PatchParameters(
    codec="png",
    jpeg_quality=95,
    stain_method="none",
    stain_fallback="none",
    max_background_fraction=0.75,
    max_unreadable_fraction=0.05,
    seed=1,
)

QC = QcParameters(
    max_pen_fraction=0.05,
    max_dark_fraction=0.35,
    min_sharpness=0.45,
    min_od_mean=0.05,
    min_grey=0,
    max_grey=255,
)

QUICK = RetryPolicy(timeout_s=0.5, retries=3, backoff_s=0.01)
