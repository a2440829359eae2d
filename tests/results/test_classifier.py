"""What fine-tuned classifiers call the patches of other datasets."""

from __future__ import annotations

import numpy as np
import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.core.hdf5 import create_store
from histotransfer.core.tables import read_table
from histotransfer.models import fine_tuning, keras_files
from histotransfer.models.backend import keras
from histotransfer.results.classifier import confusion, write_classifier_table
from histotransfer.results.schemas import CLASSIFIER
from support.networks import write_patch_store

CLASSES = ["A", "B", "C"]


@pytest.fixture(scope="module")
def trained_on(tmp_path_factory):
    path = tmp_path_factory.mktemp("patches") / "training.h5"
    write_patch_store(path, np.zeros((3, 8, 8, 3)), [0, 1, 2], CLASSES)
    return path


def write_features(path, features, labels, classes, *, dataset, extractor):
    path.parent.mkdir(exist_ok=True)
    attrs = {"dataset": dataset, "extractor": extractor, "classes": classes}
    with create_store(path, "features/1", attrs) as store:
        store["features"] = features.astype(np.float16)
        store["labels"] = np.asarray(labels, np.int16)


def write_classifier(path, seed):
    """Write the classifier of the extractor that the file is named after, and return its head."""
    head = fine_tuning.build_head(4, len(CLASSES), 8, 0.0, seed=seed)
    image = keras.Input((4,))
    name = keras_files.classifier_name(path.stem)
    keras_files.save(keras.Model(image, head(image), name=name), path)
    return head


def test_each_classifier_labels_the_features_of_its_own_extractor(trained_on, tmp_path):
    """Two extractors on two datasets, one of which has other classes in another order."""
    rng = np.random.default_rng(0)
    files, expected = {}, {}
    for seed, extractor in enumerate(["E1", "E2"]):
        path = tmp_path / f"{extractor}.keras"
        head, features = write_classifier(path, seed), {}
        for dataset, classes in (("same", CLASSES), ("other", ["C", "X"])):
            values = rng.normal(size=(20, 4)).astype(np.float16)
            labels = np.arange(20) % len(classes)
            features[dataset] = tmp_path / extractor / f"{dataset}.h5"
            write_features(
                features[dataset], values, labels, classes, dataset=dataset, extractor=extractor
            )
            called = head.predict_on_batch(values.astype(np.float32)).argmax(axis=1)
            for label, true in enumerate(classes):
                for number, predicted in enumerate(CLASSES):
                    share = (called[labels == label] == number).mean()
                    expected[dataset, extractor, true, predicted] = share
        files[extractor] = {"classifier": path, "features": features}
    write_classifier_table(files, trained_on, tmp_path / "classifier.tsv")
    table = read_table(tmp_path / "classifier.tsv", CLASSIFIER)
    found = table.set_index(["dataset", "extractor", "true", "predicted"])["fraction"].to_dict()
    assert found == pytest.approx(expected)
    assert table.groupby("dataset")["n"].unique().map(list).to_dict() == {
        "same": [7, 6],
        "other": [10],
    }


@pytest.mark.parametrize("key", ["dataset", "extractor"])
def test_features_of_something_else_are_refused(trained_on, tmp_path, key):
    write_classifier(tmp_path / "E.keras", 0)
    identity = {"dataset": "D", "extractor": "E", key: "another"}
    write_features(tmp_path / "D.h5", np.zeros((1, 4)), [0], CLASSES, **identity)
    files = {"E": {"classifier": tmp_path / "E.keras", "features": {"D": tmp_path / "D.h5"}}}
    with pytest.raises(HistotransferError, match=rf"D\.h5: is of {key} another, expected"):
        write_classifier_table(files, trained_on, tmp_path / "classifier.tsv")
    assert not (tmp_path / "classifier.tsv").exists()


def test_the_classifier_of_another_extractor_is_refused(trained_on, tmp_path):
    write_classifier(tmp_path / "E2.keras", 0)
    files = {"E1": {"classifier": tmp_path / "E2.keras", "features": {}}}
    with pytest.raises(HistotransferError, match="is E2-classifier, expected E1-classifier"):
        write_classifier_table(files, trained_on, tmp_path / "classifier.tsv")


def test_classes_that_the_classifier_does_not_know_are_counted_too():
    table = confusion(["A", "A", "X"], ["A", "B", "B"], ["A", "B"])
    assert table.set_index(["true", "predicted"])["fraction"].to_dict() == {
        ("A", "A"): 0.5,
        ("A", "B"): 0.5,
        ("X", "A"): 0.0,
        ("X", "B"): 1.0,
    }
    assert table["n"].tolist() == [2, 2, 1, 1]
