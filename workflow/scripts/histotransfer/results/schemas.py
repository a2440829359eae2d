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

HEATMAPS = TableSchema.of(
    "heatmaps",
    "text: task target slide patient why extractor reading unit",
    "number: label prediction score slide_score",
    "integer: n_patches",
)
"""`score`: how far the patient's score is above that of the mean training patient, in `unit`;
`slide_score`: the mean of the slide's patches."""

HEATMAP = "heatmaps/1"
"""A store with a group for each map of the table `HEATMAPS`, in its order: attributes `task`,
`target`, `slide`, `extractors`, `mpp`, `patch_size_level0`, and of the `thumbnail` its `downsample`
and `origin_px` on level 0; `coords` (n, 2) int32, `contributions` (n, extractors) float64."""
