"""The tissue features in two dimensions, and how pure the neighbourhoods are in all of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from ..core.streams import stream
from ..core.tables import TableSchema, write_table
from ..evaluation.cross_validation import read_features
from ..labels.files import CLASS, read_labels_file

EMBEDDING = TableSchema.of(
    "embedding", "text: task extractor sample tissue", "number: x y neighbours_of_class"
)
MOST = 5000
"""How many patches are drawn: more would hide each other."""
COMPONENTS, NEIGHBOURS, PERPLEXITY = 50, 10, 30.0

Float = npt.NDArray[np.float64]


def write_embedding(
    files: Mapping[str, Mapping[str, Any]], out_path: str | Path, *, seed: int
) -> None:
    """Write where each patch of each task of patches lies under each extractor.

    Parameters
    ----------
    files : mapping of task to mapping
        ``labels``, and ``features`` by extractor: the feature files of the task's dataset.
    out_path : str or Path
        The table `EMBEDDING`; neighbours_of_class is the share of a patch's 10 nearest neighbours
        that are of its class.
    seed : int
        Draws the patches, of each class its share, where there are more than 5,000, and the order
        in which t-SNE takes them.
    """
    tables = []
    for task, paths in files.items():
        classes = read_labels_file(paths["labels"]).values[CLASS]
        chosen = draw_patches(classes.to_numpy(dtype=str), MOST, seed)
        samples, tissue = (part.to_numpy(dtype=str)[chosen] for part in (classes.index, classes))
        for extractor, path in paths["features"].items():
            names, values, _ = read_features(path, extractor)
            row = pd.Series(np.arange(len(names)), index=names)
            place, pure = embed(values[row[samples].to_numpy()], tissue, seed)
            table = pd.DataFrame({"sample": samples, "tissue": tissue, "neighbours_of_class": pure})
            # A third decimal is finer than a dot, and keeps the table readable.
            table[["x", "y"]] = place.round(3)
            tables.append(table.assign(task=task, extractor=extractor))
    write_table(pd.concat(tables) if tables else EMBEDDING.empty(), out_path, EMBEDDING)


def draw_patches(classes: npt.NDArray[np.str_], most: int, seed: int) -> npt.NDArray[np.int64]:
    """Draw at most about `most` of (n,) patches, of each class its share (at least one), in order.

    Returns their (m,) indices, ascending; all where n is at most `most`.
    """
    if len(classes) <= most:
        return np.arange(len(classes))
    rng = stream(seed, "embedding")
    drawn = []
    for name in np.unique(classes):
        of_class = np.flatnonzero(classes == name)
        count = max(1, round(most * len(of_class) / len(classes)))
        drawn.append(rng.choice(of_class, count, replace=False))
    return np.sort(np.concatenate(drawn))


def embed(features: Float, classes: npt.NDArray[np.str_], seed: int) -> tuple[Float, Float]:
    """Embed patches by t-SNE, and tell how pure each one's neighbourhood is.

    Features are standardised and reduced to 50 principal components, in which neighbours are found
    and which t-SNE (van der Maaten & Hinton, JMLR 2008;9:2579), started from the first two of them
    (Kobak & Berens, Nat Commun 2019;10:5416), lays out. One thread: the same bytes each time.

    Returns
    -------
    places : (n, 2) float64
        NaN where there are too few patches to lay out (fewer than 5).
    pure : (n,) float64
        The share of the 10 nearest neighbours that are of the same class.
    """
    from sklearn.decomposition import PCA  # here: the figures do without scikit-learn
    from sklearn.manifold import TSNE
    from sklearn.neighbors import NearestNeighbors
    from sklearn.preprocessing import StandardScaler

    n = len(features)
    if n < 5:
        return np.full((n, 2), np.nan), np.full(n, np.nan)
    with threadpool_limits(limits=1):
        standard = StandardScaler().fit_transform(features)
        kept = min(COMPONENTS, n - 1, standard.shape[1])
        reduced = PCA(kept, svd_solver="full").fit_transform(standard)
        count = min(NEIGHBOURS, n - 1)
        near = NearestNeighbors(n_neighbors=count).fit(reduced).kneighbors(return_distance=False)
        pure = (classes[near] == classes[:, None]).mean(axis=1)
        perplexity = min(PERPLEXITY, (n - 1) / 3)
        layout = TSNE(perplexity=perplexity, init="pca", random_state=seed, n_jobs=1)
        return np.asarray(layout.fit_transform(reduced), dtype=np.float64), pure
