"""Parameters of the stages, small and quick."""

from __future__ import annotations

from typing import Any

from histotransfer.fetch.http import RetryPolicy

PACK: dict[str, Any] = {"dataset": "set", "patch_px": 64, "codec": "png", "jpeg_quality": 95}


CUT: dict[str, Any] = {
    "stain_method": "none",
    "stain_fallback": "none",
    "max_background_fraction": 0.75,
    "max_unreadable_fraction": 0.05,
    "codec": "png",
    "jpeg_quality": 95,
    "seed": 1,
}


QUICK = RetryPolicy(timeout_s=0.5, retries=3, backoff_s=0.01)
