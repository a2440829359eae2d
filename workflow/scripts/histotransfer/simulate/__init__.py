"""The demo's simulated cohort: slides, patch folders and labels with a known truth.

Nothing in here looks like a measurement of anything: it exists so that the whole workflow can run
in minutes, and so that its answers can be checked against what was planted.
"""

from __future__ import annotations

from .cohort import cohort_sheet, composition, write_labels
from .slides import write_patches, write_slide

__all__ = ["cohort_sheet", "composition", "write_labels", "write_patches", "write_slide"]
