"""Schemas of tables whose makers need packages that their readers do without.

The gallery's table needs scikit-learn, its images OpenSlide, the classifier's table the network.
"""

from __future__ import annotations

from ..core.tables import TableSchema

GALLERY = TableSchema.of(
    "gallery",
    "text: task target extractor",
    "number: score",
    "text: side",
    "integer: rank",
    "text: slide patient",
    "integer: x y",
    "number: prediction label",
)

IMAGES = "gallery/2"
"""A store of `images` (n, patch_px, patch_px, 3) uint8 of the patches at `x`, `y` (n,) of `slide`
(n,), and `shown` (n,) bool: False where neither the slide nor a patch store has the patch."""

PATCH = ("slide", "x", "y")
"""The columns that say which patch a row or an image is of."""

CLASSIFIER = TableSchema.of(
    "classifier",
    "text: dataset extractor true predicted",
    "number: fraction",
    "integer: n",
)
"""`fraction` of the `n` patches of class `true` were called `predicted`."""
