"""Heatmaps: what patches contribute adds up to the prediction of the cross-validation."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.core.hdf5 import create_store
from histotransfer.core.tables import read_table
from histotransfer.evaluation.cross_validation import run_block
from histotransfer.evaluation.predictions import read_predictions
from histotransfer.evaluation.splits import write_splits
from histotransfer.features.pooling import pool
from histotransfer.qc.verdicts import REASONS
from histotransfer.results.heatmap_export import export_heatmap
from histotransfer.results.heatmaps import Study, heatmap, telling, write_map
from histotransfer.results.patch_files import PatchFiles
from histotransfer.results.schemas import HEATMAPS
from histotransfer.results.tables import read_tables
from histotransfer.study.parameters import PoolingParameters
from histotransfer.study.tasks import PredictorParameters
from support.tasks import PREDICTORS, patients, splitting, write_values

N, D, SEED, SIDE = 60, 8, 7, 448
EXTRACTORS = ("BASE", "TUNED")
ORIGIN = (100, 200)
MEANS = PoolingParameters("mean", "mean", True)


def write_patches(folder: Path, slide: str, features: dict[str, np.ndarray], kept: np.ndarray):
    coords = np.array([(100 + SIDE * i, 200) for i in range(len(kept))], np.int32)
    for extractor, rows in features.items():
        path = folder / f"features/{extractor}/{slide}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        attrs = {"slide": slide, "extractor": extractor}
        with create_store(path, "features/1", attrs) as store:
            store["features"], store["coords"] = rows.astype("f4"), coords
    reason = np.where(kept, REASONS["kept"], REASONS["pen"]).astype(np.uint8)
    with create_store(folder / f"qc/{slide}.h5", "qc/1", {"slide": slide}) as store:
        store["coords"] = coords
        store.create_dataset("reason", data=reason, dtype=h5py.enum_dtype(REASONS, np.uint8))
    attrs = {
        "slide": slide, "mpp": 0.5, "patch_size_level0": SIDE, "thumbnail_downsample": 16.0,
        "bounds": [*ORIGIN, 4000, 1000],
    }  # fmt: skip
    with create_store(folder / f"tiles/{slide}.h5", "tiles/1", attrs) as store:
        store["thumbnail"] = np.full((62, 250, 3), 230, np.uint8)


@pytest.fixture(params=["mean", "median"])
def study(tmp_path: Path, request: pytest.FixtureRequest) -> Study:
    """Two slides a patient, four patches each; a patch's first feature drives all labels."""
    rng = np.random.default_rng(3)
    names = patients(N)
    (tmp_path / "qc").mkdir()
    (tmp_path / "tiles").mkdir()
    driver = np.empty(N)
    of_slide = {}
    for i, name in enumerate(names):
        sums = []
        for number in (1, 2):
            slide = f"{name}-{number}"
            of_slide[slide] = name
            rows = rng.normal(size=(4, D)) + rng.normal(size=D)
            tuned = rows + rng.normal(size=(4, D)) / 2
            write_patches(tmp_path, slide, dict(zip(EXTRACTORS, (rows, tuned), strict=True)),
                          np.arange(4) < 2 + number % 2)  # fmt: skip
            sums.append(rows[: 2 + number % 2, 0].mean())
        driver[i] = np.mean(sums)
    pooling = PoolingParameters(request.param, "mean", True)
    files: dict[str, dict[str, Path]] = {"pooled": {}, "labels": {}, "splits": {}}
    for extractor in EXTRACTORS:
        files["pooled"][extractor] = tmp_path / f"{extractor}.h5"
        pool(tmp_path / f"features/{extractor}", tmp_path / "qc", of_slide,
             files["pooled"][extractor], extractor=extractor, parameters=pooling)  # fmt: skip
    signed = np.exp(-driver) * np.where(rng.random(N) < 0.7, 1, -1)
    tables = {
        "genes": {"NOISE": rng.normal(size=N), "FOLLOWS": driver * 2 + 5},
        "drivers": {"DRIVEN": (driver > 0).astype(int)},
        "survival": {"survival": signed},
    }
    tasks = {
        "genes": PREDICTORS["expression"],
        "drivers": PREDICTORS["mutation"],
        "survival": PredictorParameters("survival", "cox", {"alpha": [10.0, 100.0]}),
    }
    for name, predictor in tasks.items():
        labels = write_values(tmp_path / f"{name}.labels.tsv", names, tables[name])
        splits = tmp_path / f"{name}.splits.tsv"
        write_splits(labels, splits, task=name, kind=predictor.kind, parameters=splitting(SEED))
        files["labels"][name], files["splits"][name] = labels, splits
    patch_files = PatchFiles(tmp_path / "features", tmp_path / "qc", of_slide, pooling)
    return Study(files, patch_files, tmp_path / "tiles", tasks, SEED)


TARGETS = {"genes": "FOLLOWS", "drivers": "DRIVEN", "survival": "survival"}


@pytest.mark.parametrize("study", ["mean"], indirect=True)
@pytest.mark.parametrize("task", TARGETS)
def test_contributions_add_up_to_the_prediction_of_the_cross_validation(
    study: Study, task: str, tmp_path: Path
) -> None:
    target = TARGETS[task]
    repeats = study.repeats(task, [target])
    patient = patients(N)[17]
    both = [heatmap(study, repeats, task, target, f"{patient}-{number}", "") for number in (1, 2)]
    for column, extractor in enumerate(EXTRACTORS):
        run_block(
            study.files["pooled"][extractor], study.files["labels"][task],
            study.files["splits"][task], tmp_path / "cv.h5", parameters=study.tasks[task],
            task=task, extractor=extractor, repeats=[0], seed=SEED, threads=1,
        )  # fmt: skip
        out_of_fold = read_predictions([tmp_path / "cv.h5"], task=task, extractor=extractor)
        at = out_of_fold.samples.index(patient), out_of_fold.targets.index(target)
        of_slides = [one.contributions[:, column].mean() for one in both]
        rows = pd.concat(one.table for one in both)
        rows = rows[rows["extractor"] == extractor]
        assert rows["reading"].unique().tolist() == ["exact"]
        assert rows["score"].tolist() == pytest.approx([np.mean(of_slides)] * 2, abs=1e-5)
        assert rows["slide_score"].tolist() == pytest.approx(of_slides, abs=1e-12)
        assert rows["prediction"].iloc[0] == pytest.approx(out_of_fold.values[0][at], rel=1e-4)
        # The score leads to the prediction: the model's own link, from its own average.
        repeat = repeats[extractor]
        fold = int(repeat.fold_of[repeat.samples.index(patient)])
        average = repeat.features[repeat.fold_of != fold].mean(axis=0, keepdims=True)
        origin = repeat.predicted(repeat.models[fold], average)[0, 0]
        if task == "drivers":
            odds = np.log(origin / (1 - origin)) + np.mean(of_slides)
            reached = 1 / (1 + np.exp(-odds))
        else:
            reached = origin + np.mean(of_slides)
        assert reached == pytest.approx(out_of_fold.values[0][at], abs=1e-4)


@pytest.mark.parametrize("study", ["median"], indirect=True)
def test_another_pooling_or_predictor_is_said_to_be_approximate(study: Study) -> None:
    repeats = study.repeats("genes", ["FOLLOWS"])
    one = heatmap(study, repeats, "genes", "FOLLOWS", f"{patients(N)[0]}-1", "")
    assert set(one.table["reading"]) == {"approximate: pooling"}
    forest = PredictorParameters(
        "expression", "random_forest", {"n_estimators": [3], "max_features": [1.0]}
    )
    patch_files = PatchFiles(
        study.patches.features, study.patches.verdicts, study.patches.patients, MEANS
    )
    other = Study(study.files, patch_files, study.tiles, {"genes": forest}, SEED)
    repeats = other.repeats("genes", ["FOLLOWS"])
    one = heatmap(other, repeats, "genes", "FOLLOWS", f"{patients(N)[0]}-1", "")
    assert set(one.table["reading"]) == {"approximate: predictor"}


@pytest.mark.parametrize("study", ["mean"], indirect=True)
def test_patients_that_tell_most_are_different_ones(study: Study) -> None:
    repeats = study.repeats("genes", ["FOLLOWS"])
    chosen = dict(reversed(pair) for pair in telling(repeats, "TUNED"))
    assert list(chosen) == ["highest prediction", "lowest prediction", "changes most"]
    assert len(set(chosen.values())) == 3
    truth = pd.Series(repeats["TUNED"].truth[:, 0], index=repeats["TUNED"].samples)
    ranks = truth.rank(pct=True)
    assert ranks[chosen["highest prediction"]] > 0.8 > 0.2 > ranks[chosen["lowest prediction"]]


@pytest.mark.parametrize("study", ["mean"], indirect=True)
def test_a_map_is_written_whole_and_exported_in_qupaths_frame(study: Study, tmp_path: Path) -> None:
    slide = f"{patients(N)[5]}-2"
    table, store = tmp_path / "map.tsv", tmp_path / "map.h5"
    write_map(study, table, store, task="drivers", target="DRIVEN", slide=slide)
    rows = read_table(table, HEATMAPS)
    assert rows["extractor"].tolist() == list(EXTRACTORS)
    assert set(rows["unit"]) == {"log-odds"}
    ((_, image),) = read_tables({"heatmap_images": store})["heatmap_images"].iterrows()
    assert image["contributions"].shape == (2, 2), "the tiles that quality control kept"
    assert image["thumbnail"].shape == (62, 250, 3)
    export_heatmap(store, tmp_path / "map.geojson", slide=slide)
    tiles = json.loads((tmp_path / "map.geojson").read_text())["features"]
    assert [tile["geometry"]["coordinates"][0][0] for tile in tiles] == [[0, 0], [SIDE, 0]]
    assert [tile["properties"]["measurements"] for tile in tiles] == [
        [
            {"name": f"DRIVEN: {name}", "value": pytest.approx(value)}
            for name, value in zip(EXTRACTORS, values, strict=True)
        ]
        for values in image["contributions"].tolist()
    ]


@pytest.mark.parametrize("study", ["mean"], indirect=True)
def test_what_cannot_be_mapped_is_named(study: Study, tmp_path: Path) -> None:
    with pytest.raises(HistotransferError, match="has no target TP53"):
        study.repeats("drivers", ["TP53"])
    repeats = study.repeats("drivers", ["DRIVEN"])
    stranger = PatchFiles(
        study.patches.features, study.patches.verdicts, {"S": "NOBODY"}, study.patches.pooling
    )
    other = Study(study.files, stranger, study.tiles, study.tasks, SEED)
    with pytest.raises(HistotransferError, match="no label for NOBODY, the patient of S"):
        heatmap(other, repeats, "drivers", "DRIVEN", "S", "")
    slide = f"{patients(N)[0]}-1"
    write_patches(
        tmp_path, slide, {name: np.ones((2, D)) for name in EXTRACTORS}, np.zeros(2, bool)
    )
    with pytest.raises(HistotransferError, match="no patch that passed quality control"):
        heatmap(study, repeats, "drivers", "DRIVEN", slide, "")
