"""The layout of tissue patches: neighbours as an independent search finds them."""

from __future__ import annotations

import h5py
import numpy as np
import pandas as pd
import pytest

from histotransfer.core.tables import read_table
from histotransfer.results.embedding import EMBEDDING, draw_patches, embed, write_embedding
from support.tasks import write_patch_features, write_values


def blobs(n: int, d: int = 30, apart: float = 8.0):
    rng = np.random.default_rng(4)
    codes = np.arange(n) % 3
    centres = apart * rng.normal(size=(3, d))
    return rng.normal(size=(n, d)) + centres[codes], np.array(list("abc"))[codes]


def test_purity_is_that_of_a_search_by_hand():
    features, classes = blobs(60, d=8, apart=0.4)
    _, pure = embed(features, classes, seed=1)
    standard = (features - features.mean(axis=0)) / features.std(axis=0)
    distance = np.linalg.norm(standard[:, None] - standard[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    near = np.argsort(distance, axis=1)[:, :10]
    np.testing.assert_allclose(pure, (classes[near] == classes[:, None]).mean(axis=1))
    assert 1 / 3 < pure.mean() < 1


def test_classes_that_lie_apart_stay_apart_and_the_same_seed_gives_the_same_places():
    features, classes = blobs(90)
    places, pure = embed(features, classes, seed=1)
    assert pure.mean() == 1
    centres = {name: places[classes == name].mean(axis=0) for name in "abc"}
    nearest = [min(centres, key=lambda name: np.hypot(*(at - centres[name]))) for at in places]
    assert nearest == classes.tolist()
    np.testing.assert_array_equal(embed(features, classes, seed=1)[0], places)


def test_few_patches_are_not_laid_out():
    places, pure = embed(*blobs(4), seed=1)
    assert np.isnan(places).all()
    assert np.isnan(pure).all()


def test_each_class_keeps_its_share_of_the_patches_drawn():
    classes = np.repeat(["a", "b", "c"], [800, 199, 1])
    drawn = draw_patches(classes, 100, seed=2)
    assert (np.diff(drawn) > 0).all()
    counts = dict(zip(*np.unique(classes[drawn], return_counts=True), strict=True))
    assert counts == {"a": 80, "b": 20, "c": 1}
    np.testing.assert_array_equal(draw_patches(classes, 1000, seed=2), np.arange(1000))


def test_the_table_has_every_patch_under_every_extractor(tmp_path):
    features, classes = blobs(45)
    codes = np.searchsorted(np.unique(classes), classes)
    paths = {name: tmp_path / f"{name}.h5" for name in ("ONE", "TWO")}
    for name, path in paths.items():
        write_patch_features(path, features, codes, name)
    with h5py.File(paths["ONE"]) as store:
        names = store["names"].asstr()[:]
    sheet = pd.DataFrame({"sample": names, "class": classes}).sample(frac=1, random_state=1)
    labels = write_values(tmp_path / "labels.tsv", sheet["sample"].tolist(), sheet[["class"]])
    out = tmp_path / "embedding.tsv"
    write_embedding({"types": {"labels": labels, "features": paths}}, out, seed=3)
    table = read_table(out, EMBEDDING, task="types")
    assert table["extractor"].drop_duplicates().tolist() == ["ONE", "TWO"]
    assert len(table) == 90
    one, two = (table[table["extractor"] == name].reset_index() for name in paths)
    assert one["x"].tolist() == two["x"].tolist()
    assert one["neighbours_of_class"].mean() == pytest.approx(1)
    write_embedding({}, out, seed=3)
    assert read_table(out, EMBEDDING).empty
