"""How a fine-tuned network's own classifier labels the patches of other datasets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..core.hdf5 import open_store
from ..core.tables import write_table
from ..features.extraction import PATCHES_SCHEMA, SCHEMA
from .schemas import CLASSIFIER


def write_classifier_table(
    files: Mapping[str, Mapping[str, Any]], trained_on: str | Path, out_path: str | Path
) -> None:
    """Classify datasets with the classifiers of fine-tuned extractors.

    A classifier is an extractor and a head on its features. The features exist already, so only the
    head runs.

    Parameters
    ----------
    files : mapping
        By extractor: its ``classifier``, a ``.keras`` file, and ``features``, its ``features/1``
        file of each dataset.
    trained_on : str or Path
        The ``patches/1`` file that the classifiers were trained on, which names their classes.
    out_path : str or Path
        The table `CLASSIFIER` to write. It includes classes that a dataset lacks.
    """
    from ..models.keras_files import head_of  # here, since readers of the table need no Keras

    with open_store(trained_on, PATCHES_SCHEMA) as store:
        names = [str(name) for name in store.attrs["classes"]]
    tables = [CLASSIFIER.empty()]
    for extractor, own in files.items():
        head = head_of(own["classifier"], extractor)
        for dataset, path in own["features"].items():
            with open_store(path, SCHEMA, dataset=dataset, extractor=extractor) as store:
                features, labels = store["features"][:].astype(np.float32), store["labels"][:]
                classes = [str(name) for name in store.attrs["classes"]]
            predicted = head.predict(features, verbose=0).argmax(axis=1)
            table = confusion([classes[i] for i in labels], [names[i] for i in predicted], names)
            tables.append(table.assign(dataset=dataset, extractor=extractor))
    write_table(pd.concat(tables[1:] or tables), out_path, CLASSIFIER)


def confusion(
    true: Sequence[str], predicted: Sequence[str], classes: Sequence[str]
) -> pd.DataFrame:
    """Return the fraction of each true class of some patches that was called each class.

    Returns
    -------
    pandas.DataFrame
        true, predicted, fraction, n; a row per true class and per one of `classes`.
    """
    called, counts = Counter(zip(true, predicted, strict=True)), Counter(true)
    rows = [
        (name, other, called[name, other] / count, count)
        for name, count in sorted(counts.items())
        for other in classes
    ]
    return pd.DataFrame(rows, columns=["true", "predicted", "fraction", "n"])
