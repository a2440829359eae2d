"""What the fine-tuned classifier itself calls the patches of another dataset."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..core.hdf5 import open_store
from ..core.tables import write_table
from ..features.extraction import SCHEMA

COLUMNS = ["dataset", "extractor", "true", "predicted", "fraction", "n"]


def write_confusion(
    classifiers: Sequence[str | Path],
    feature_paths: Sequence[str | Path],
    trained_on: str | Path,
    out_path: str | Path,
) -> None:
    """Classify datasets by the classifiers of fine-tuned extractors and count what is called what.

    A classifier is an extractor with a head on its features; the features are there, so only the
    head is run.

    Parameters
    ----------
    classifiers : sequence of str or Path
        A ``.keras`` classifier for each file of features.
    feature_paths : sequence of str or Path
        ``features/1`` files of labelled datasets, made by the classifier's own extractor.
    trained_on : str or Path
        The ``patches/1`` file that the classifiers were trained on, which names their classes.
    out_path : str or Path
        Table to write: dataset, extractor, true, predicted, fraction (of the n patches of the true
        class), n. Classes that one of the datasets does not have appear all the same.
    """
    from ..models import keras_files

    with open_store(trained_on, "patches/1") as store:
        names = [str(name) for name in store.attrs["classes"]]
    tables = [pd.DataFrame([], columns=COLUMNS)]
    for classifier, path in zip(classifiers, feature_paths, strict=True):
        with open_store(path, SCHEMA) as store:
            features, labels = store["features"][:].astype(np.float32), store["labels"][:]
            classes = [str(name) for name in store.attrs["classes"]]
            made_from = {key: str(store.attrs[key]) for key in ("dataset", "extractor")}
        predicted = keras_files.head_of(classifier).predict(features, verbose=0).argmax(axis=1)
        table = confusion([classes[i] for i in labels], [names[i] for i in predicted], names)
        tables.append(table.assign(**made_from))
    write_table(pd.concat(tables[1:] or tables)[COLUMNS], out_path)


def confusion(
    true: Sequence[str], predicted: Sequence[str], classes: Sequence[str]
) -> pd.DataFrame:
    """Return, of the n samples of each true class, the fraction that is called each class.

    Parameters
    ----------
    true, predicted : sequence of str
        Classes of the same samples.
    classes : sequence of str
        What may be predicted.

    Returns
    -------
    pandas.DataFrame
        true, predicted, fraction, n; a row per true class and class that may be predicted.
    """
    given: npt.NDArray[np.str_] = np.asarray(true, dtype=str)
    called: npt.NDArray[np.str_] = np.asarray(predicted, dtype=str)
    rows = []
    for row, column in product(np.unique(given).tolist(), classes):
        of_class = given == row
        fraction = float((called[of_class] == column).mean())
        rows.append((row, column, fraction, int(of_class.sum())))
    return pd.DataFrame(rows, columns=["true", "predicted", "fraction", "n"])
