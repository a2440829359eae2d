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
from histotransfer.evaluation.predictions import read_predictions
from histotransfer.evaluation.splits import write_splits
from histotransfer.imaging.codecs import encode
from histotransfer.patches.store import append_images, create_patch_store
from histotransfer.qc.verdicts import REASONS
from histotransfer.results.gallery import (
    PATCHES,
    TARGETS,
    best_targets,
    pick_patches,
)
from histotransfer.results.gallery_images import write_images
from histotransfer.results.patch_files import PatchFiles
from histotransfer.results.schemas import GALLERY, IMAGES
from histotransfer.study.parameters import PoolingParameters
from support.slides import write_slide as write_slide_image
from support.tasks import PREDICTORS, patients, splitting, write_pooled, write_values

N, D, SEED = 60, 12, 7
CHOSEN = pd.DataFrame(
    [("genes", "FOLLOWS", "NET", 0.9), ("drivers", "DRIVEN", "NET", 0.8)],
    columns=["task", "target", "extractor", "score"],
)


def write_slide(folder: Path, slide: str, features: np.ndarray, kept: np.ndarray) -> None:
    coords = np.array([(100 * i, 50) for i in range(len(features))], np.int32).reshape(-1, 2)
    for room in ("features/NET", "qc"):
        (folder / room).mkdir(parents=True, exist_ok=True)
    attrs = {"slide": slide, "extractor": "NET"}
    with create_store(folder / f"features/NET/{slide}.h5", "features/1", attrs) as store:
        store["features"], store["coords"] = features.astype("f2"), coords
    reason = np.where(kept, REASONS["kept"], REASONS["pen"]).astype(np.uint8)
    with create_store(folder / f"qc/{slide}.h5", "qc/1", {"slide": slide}) as store:
        store["coords"] = coords
        store.create_dataset("reason", data=reason, dtype=h5py.enum_dtype(REASONS, np.uint8))


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
    tasks = {"genes": PREDICTORS["expression"], "drivers": PREDICTORS["mutation"]}
    files = {"pooled": {}, "labels": {}, "splits": {}}
    for name, predictor in tasks.items():
        labels = write_values(tmp_path / f"{name}.labels.tsv", names, tables[name])
        splits = tmp_path / f"{name}.splits.tsv"
        write_splits(labels, splits, task=name, kind=predictor.kind, parameters=splitting(SEED))
        files["labels"][name], files["splits"][name] = labels, splits
    files["pooled"]["NET"] = write_pooled(tmp_path / "pooled.h5", features, names, "NET")
    return tmp_path, names, features, tasks, files


def pick(study, slides, chosen=CHOSEN) -> pd.DataFrame:
    folder, _, _, tasks, files = study
    patch_files = PatchFiles(
        folder / "features", folder / "qc", slides, PoolingParameters("mean", "mean", True)
    )
    pick_patches(chosen, files, patch_files, folder / "gallery.tsv", tasks=tasks, seed=SEED)
    return read_table(folder / "gallery.tsv", GALLERY)


def test_a_patients_only_patch_is_predicted_as_the_patient_was_in_cross_validation(study):
    folder, names, features, tasks, files = study
    for i, name in enumerate(names):
        write_slide(folder, f"S-{name}", features[[i]], np.array([True]))
    slides = {f"S-{name}": name for name in names}
    gallery = pick(study, slides)
    for task in tasks:
        run_block(
            files["pooled"]["NET"], files["labels"][task], files["splits"][task], folder / "cv.h5",
            parameters=tasks[task], task=task, extractor="NET", repeats=[0], seed=SEED, threads=1,
        )  # fmt: skip
        out_of_fold = read_predictions([folder / "cv.h5"], task=task, extractor="NET")
        expected = pd.Series(out_of_fold.values[0, :, 0], index=out_of_fold.samples)
        rows = gallery[gallery["task"] == task]
        assert rows["prediction"].to_numpy() == pytest.approx(
            expected[rows["patient"]].to_numpy(), rel=1e-5
        )
        top = rows[rows["side"] == "highest"]["patient"].tolist()
        assert top == expected.nlargest(PATCHES).index.tolist()


def test_what_drives_the_gene_is_found_in_the_patches_that_count(study):
    folder, names, features, *_ = study
    slides = {"S-empty": "empty"}
    for i, name in enumerate(names):
        patches = np.repeat(features[[i]], 4, axis=0)
        patches[1, 0], patches[2, 0], patches[3, 0] = 6, -6, 60  # the last is pen
        write_slide(folder, f"S-{name}", patches, np.arange(4) < 3)
        slides[f"S-{name}"] = name
    write_slide(folder, "S-empty", np.empty((0, D)), np.empty(0, bool))
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
    assert pick(study, {}, CHOSEN.iloc[:0]).empty


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
