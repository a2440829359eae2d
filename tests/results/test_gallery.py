"""The gallery: the patches that a model looks at, by models that have not seen their patient."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from histotransfer.core.hdf5 import create_store, open_store
from histotransfer.core.tables import read_table, write_table
from histotransfer.evaluation.cross_validation import run_block
from histotransfer.evaluation.scores import read_predictions
from histotransfer.evaluation.splits import write_splits
from histotransfer.imaging.codecs import encode
from histotransfer.labels.task_labels import write_labels
from histotransfer.patches.store import append_images, create_patch_store
from histotransfer.qc.verdicts import REASONS
from histotransfer.results.gallery import PATCHES, TARGETS, Slide, best_targets, pick_patches
from histotransfer.results.gallery_images import write_images
from histotransfer.results.gallery_table import GALLERY, IMAGES
from support.slides import write_slide as write_slide_image
from support.tasks import (
    expression_task,
    mutation_task,
    patients,
    write_cohort,
    write_patient_table,
    write_pooled,
)

N, D, SEED = 60, 12, 7
CHOSEN = pd.DataFrame(
    [("genes", "FOLLOWS", "NET", 0.9), ("drivers", "DRIVEN", "NET", 0.8)],
    columns=["task", "target", "extractor", "score"],
)


def write_slide(folder: Path, slide: str, features: np.ndarray, kept: np.ndarray) -> Slide:
    coords = np.array([(100 * i, 50) for i in range(len(features))], np.int32).reshape(-1, 2)
    with create_store(folder / f"{slide}.features.h5", "features/1", {}) as store:
        store["features"], store["coords"] = features.astype("f2"), coords
    reason = np.where(kept, REASONS["kept"], REASONS["pen"]).astype(np.uint8)
    with create_store(folder / f"{slide}.qc.h5", "qc/1", {}) as store:
        store["coords"] = coords
        store.create_dataset("reason", data=reason, dtype=h5py.enum_dtype(REASONS, np.uint8))
    name = slide.removeprefix("S-")
    return Slide(slide, name, folder / f"{slide}.features.h5", folder / f"{slide}.qc.h5")


@pytest.fixture
def study(tmp_path: Path):
    """Patients whose first feature drives a gene and a mutation; a patch each to begin with."""
    rng = np.random.default_rng(3)
    names = patients(N)
    features = rng.normal(size=(N, D)).astype("f2").astype(float)
    tables = {
        "genes": {"FOLLOWS": features[:, 0] * 2 + 5, "NOISE": rng.normal(size=N)},
        "drivers": {"DRIVEN": (features[:, 0] > 0).astype(int)},
    }
    tasks = {
        name: make(write_patient_table(tmp_path / f"{name}.table.tsv", tables[name], names))
        for name, make in (("genes", expression_task), ("drivers", mutation_task))
    }
    cohort = write_cohort(tmp_path / "cohort.tsv", names)
    paths = {"labels": {}, "splits": {}}
    for name, task in tasks.items():
        labels = paths["labels"][name] = tmp_path / f"{name}.labels.tsv"
        splits = paths["splits"][name] = tmp_path / f"{name}.splits.tsv"
        write_labels(
            task, labels, tmp_path / "out.tsv", tmp_path / "flow.tsv",
            cohort_table=cohort, dataset_features=None,
        )  # fmt: skip
        write_splits(
            labels, splits, kind=task["kind"], folds=5, repeats=1, seed=SEED, preserve="none"
        )
    pooled = write_pooled(tmp_path / "pooled.h5", features, names)
    return tmp_path, names, features, tasks, paths, pooled


def pick(study, slides) -> pd.DataFrame:
    folder, _, _, tasks, paths, pooled = study
    pick_patches(
        CHOSEN, {"NET": slides}, {"NET": pooled}, paths["labels"], paths["splits"], tasks,
        folder / "gallery.tsv", pooling=["mean", "mean"], seed=SEED,
    )  # fmt: skip
    return read_table(folder / "gallery.tsv", patient="str", slide="str")


def test_a_patients_only_patch_is_predicted_as_the_patient_was_in_cross_validation(study):
    folder, names, features, tasks, paths, pooled = study
    slides = [
        write_slide(folder, f"S-{name}", features[[i]], np.array([True]))
        for i, name in enumerate(names)
    ]
    gallery = pick(study, slides)
    for task in tasks:
        run_block(
            pooled, paths["labels"][task], paths["splits"][task], folder / "cv.h5",
            task=tasks[task], task_name=task, extractor="NET", repeats=[0], seed=SEED, threads=1,
        )  # fmt: skip
        out_of_fold = read_predictions([folder / "cv.h5"])
        expected = pd.Series(out_of_fold.values[0, :, 0], index=out_of_fold.samples)
        rows = gallery[gallery["task"] == task]
        assert rows["prediction"].to_numpy() == pytest.approx(
            expected[rows["patient"]].to_numpy(), rel=1e-5
        )
        top = rows[rows["side"] == "highest"]["patient"].tolist()
        assert top == expected.nlargest(PATCHES).index.tolist()


def test_what_drives_the_gene_is_found_in_the_patches_that_count(study):
    folder, names, features, *_ = study
    slides = []
    for i, name in enumerate(names):
        patches = np.repeat(features[[i]], 4, axis=0)
        patches[1, 0], patches[2, 0], patches[3, 0] = 6, -6, 60  # the last is pen
        slides.append(write_slide(folder, f"S-{name}", patches, np.arange(4) < 3))
    slides.append(write_slide(folder, "S-empty", np.empty((0, D)), np.empty(0, bool)))
    gallery = pick(study, slides)
    assert len(gallery) == 2 * 2 * PATCHES
    assert (gallery.loc[gallery["side"] == "highest", "x"] == 100).all()
    assert (gallery.loc[gallery["side"] == "lowest", "x"] == 200).all()
    for _, rows in gallery.groupby(["task", "side"]):
        assert rows["patient"].is_unique
        assert rows["rank"].tolist() == list(range(1, PATCHES + 1))
        steps = rows["prediction"].diff().dropna()
        assert (steps <= 0).all() or (steps >= 0).all()
    assert (gallery["slide"] == "S-" + gallery["patient"]).all()
    genes = gallery[gallery["task"] == "genes"].set_index("patient")["label"]
    assert genes.to_numpy() == pytest.approx(
        [features[names.index(name), 0] * 2 + 5 for name in genes.index]
    )
    assert pick(study, slides).equals(gallery)


def test_no_target_gives_an_empty_table(study):
    folder, *_ = study
    pick_patches(CHOSEN.iloc[:0], {}, {}, {}, {}, {}, folder / "none.tsv", pooling=["mean"], seed=1)
    assert read_table(folder / "none.tsv").empty


def test_the_best_targets_are_those_found_each_under_its_best_extractor():
    table = pd.DataFrame(
        [("t", f"G{i}", name, score)
         for i in range(6)
         for name, score in (("A", 0.1 * i), ("B", 0.1 * i + 0.05 * (-1) ** i))],
        columns=["task", "target", "extractor", "r"],
    )  # fmt: skip
    best = best_targets(table, "r", table["target"] != "G5")
    assert best["target"].tolist() == ["G4", "G3", "G2"]
    assert len(best) == TARGETS
    assert best["extractor"].tolist() == ["B", "A", "B"]


def test_pictures_are_the_slides_pixels_or_the_stores_and_a_lost_slide_is_marked(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (256, 256, 3), dtype=np.uint8)
    path = write_slide_image(tmp_path / "s.svs", image, factors=(1,), compression="none")
    rows = [("s", "p", 64, 32), ("lost", "q", 0, 0), ("s", "p", 0, 128), ("gone", "r", 64, 0)]
    table = pd.DataFrame(rows, columns=["slide", "patient", "x", "y"])
    write_table(table.reindex(columns=list(GALLERY.columns)), tmp_path / "gallery.tsv", GALLERY)
    slides = {"s": (str(path), 0.5)}
    slides |= {name: (str(tmp_path / f"{name}.svs"), None) for name in ("lost", "gone")}
    stored = image[:64, 64:128]
    with create_patch_store(tmp_path / "gone.h5", {"slide": "gone", "codec": "png"}) as store:
        append_images(store, [encode(image[:64, :64], "png", 0), encode(stored, "png", 0)])
        store["coords"] = np.array([(0, 0), (64, 0)], np.int32)
    write_images(
        tmp_path / "gallery.tsv", slides, tmp_path, tmp_path / "out.h5",
        target_mpp=0.5, tolerance=0.05, patch_px=64,
    )  # fmt: skip
    with open_store(tmp_path / "out.h5", IMAGES) as store:
        assert store["shown"][:].tolist() == [True, False, True, True]
        assert store["slide"].asstr()[:].tolist() == table["slide"].tolist()
        assert store["x"][:].tolist() == table["x"].tolist()
        np.testing.assert_array_equal(store["images"][0], image[32:96, 64:128])
        np.testing.assert_array_equal(store["images"][2], image[128:192, 0:64])
        np.testing.assert_array_equal(store["images"][3], stored)
