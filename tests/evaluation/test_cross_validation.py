"""Cross-validation: planted truth found, leaks and noise at chance, bytes that do not vary."""

from __future__ import annotations

import subprocess
import sys

import h5py
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from histotransfer.core.errors import HistotransferError
from histotransfer.core.hdf5 import open_store
from histotransfer.core.tables import read_table
from histotransfer.evaluation.cross_validation import run_block
from histotransfer.evaluation.metrics import auroc, pearson
from histotransfer.evaluation.predictors.predictor import Draws
from histotransfer.evaluation.splits import SPLITS, write_splits
from histotransfer.labels.files import read_labels_file
from support.tasks import (
    ALPHAS,
    PREDICTORS,
    patients,
    splitting,
    write_patch_features,
    write_pooled,
    write_values,
)

N, D, REPEATS = 60, 150, 4


def write_task(folder, kind, samples, values):
    """Write labels, and the splits of all repeats."""
    labels = write_values(folder / f"{kind}.tsv", samples, values)
    write_splits(
        labels, folder / f"{kind}.splits.tsv", task=kind, kind=kind,
        parameters=splitting(3, repeats=REPEATS), of_patches=kind == "tissue",
    )  # fmt: skip


@pytest.fixture
def study(tmp_path):
    """Two genes that follow the features and one that is noise, with a few cells missing."""
    rng = np.random.default_rng(1)
    names = patients(N)
    x = rng.standard_normal((N, 4)) @ rng.standard_normal((4, D)) + rng.standard_normal((N, D))
    signal = x[:, :20].mean(axis=1)
    y = np.column_stack([signal, -signal, rng.standard_normal(N)]) + rng.normal(0, 0.1, (N, 3))
    expression = pd.DataFrame({"UP": y[:, 0], "DOWN": y[:, 1], "NOISE": y[:, 2]})
    expression.loc[[3, 17], "DOWN"] = np.nan
    mutation = pd.DataFrame({"RARE": [0] * N, "COMMON": (signal > 0.1).astype(int)})
    mutation.loc[[5, 9, 11], "RARE"] = 1
    mutation = mutation.astype({"COMMON": "Int64"})
    mutation.loc[7, "COMMON"] = pd.NA
    write_pooled(tmp_path / "pooled.h5", x, names)
    for kind, labels in {"expression": expression, "mutation": mutation}.items():
        write_task(tmp_path, kind, names, labels)
    return tmp_path


def first_folds(path):
    splits = read_table(path, SPLITS)
    return splits.loc[splits["repeat"] == 0, "fold"].to_numpy(dtype=int)


def run(folder, kind, out="cv.h5", *, features="pooled.h5", repeats=range(REPEATS), threads=1):
    run_block(
        folder / features, folder / f"{kind}.tsv", folder / f"{kind}.splits.tsv", folder / out,
        parameters=PREDICTORS[kind], task=kind, extractor="X", repeats=repeats, seed=3,
        threads=threads,
    )  # fmt: skip
    with open_store(folder / out, "cv/2") as store:
        return store["predictions"][:], store["hyper"][:]


@pytest.mark.parametrize("kind", ["expression", "mutation"])
def test_blocks_and_threads_change_no_byte(study, kind):
    whole, hyper = run(study, kind, "whole.h5")
    run(study, kind, "threaded.h5", threads=3)
    assert (study / "whole.h5").read_bytes() == (study / "threaded.h5").read_bytes()
    later, later_hyper = run(study, kind, "later.h5", repeats=[2, 3], threads=2)
    assert later.tobytes() == whole[2:].tobytes()
    assert later_hyper.tobytes() == hyper[2:].tobytes()


def test_expression_equals_the_obvious_loop_over_folds(study):
    predictions, hyper = run(study, "expression")
    labels = read_labels_file(study / "expression.tsv").values
    splits = read_table(study / "expression.splits.tsv", SPLITS)
    with h5py.File(study / "pooled.h5") as store:
        x = store["features"][:].astype(float)
    fold = splits[splits["repeat"] == 1].set_index("sample")["fold"].loc[labels.index].to_numpy()
    for j, gene in enumerate(labels):
        y = labels[gene].to_numpy()
        expected = np.full(N, np.nan)
        for k in range(5):
            train, test = (fold != k) & np.isfinite(y), (fold == k) & np.isfinite(y)
            # The grid goes on where its best lies at an edge.
            alphas = sorted({*ALPHAS, float(hyper[1, k, j])})
            model = make_pipeline(StandardScaler(), RidgeCV(alphas)).fit(x[train], y[train])
            expected[test] = model.predict(x[test])
            assert hyper[1, k, j] == np.float32(model[-1].alpha_)
        np.testing.assert_allclose(predictions[1, :, j], expected, atol=1e-5)


def test_what_follows_the_features_is_found_and_what_is_rare_is_left_out(study):
    predictions, _ = run(study, "expression")
    labels = read_labels_file(study / "expression.tsv").values.to_numpy()
    up, down, noise = np.mean([pearson(labels, p.astype(float)) for p in predictions], axis=0)
    assert up > 0.7
    assert down > 0.7
    assert abs(noise) < 0.35
    predictions, hyper = run(study, "mutation")
    assert np.isnan(predictions[:, :, 0]).all()
    assert np.isnan(hyper[:, :, 0]).all()
    common = predictions[:, :, 1]
    assert np.isnan(common[:, 7]).all()
    assert np.isfinite(np.delete(common, 7, axis=1)).all()


def test_a_feature_that_tells_the_fold_does_not_leak_the_labels(tmp_path):
    """Noise stays at chance although a feature gives away on which side a sample is."""
    rng = np.random.default_rng(5)
    names = patients(100)
    labels = pd.DataFrame({f"G{j}": rng.standard_normal(100) for j in range(40)})
    write_task(tmp_path, "expression", names, labels)
    fold = first_folds(tmp_path / "expression.splits.tsv")
    x = np.hstack([rng.standard_normal((100, 50)), 100.0 * np.eye(5)[fold]])
    write_pooled(tmp_path / "pooled.h5", x, names)
    predictions, _ = run(tmp_path, "expression", repeats=[0])
    y = labels.to_numpy()
    by_fold = [pearson(y[fold == k], predictions[0, fold == k].astype(float)) for k in range(5)]
    r = np.nanmean(by_fold)
    assert abs(r) < 4 / np.sqrt(5 * 40 * 20)


def test_mutations_that_are_noise_stay_at_chance_where_a_feature_tells_the_fold(tmp_path):
    rng = np.random.default_rng(7)
    names = patients(100)
    labels = pd.DataFrame({f"G{j}": rng.integers(0, 2, 100) for j in range(20)})
    write_task(tmp_path, "mutation", names, labels)
    fold = first_folds(tmp_path / "mutation.splits.tsv")
    x = np.hstack([rng.standard_normal((100, 50)), 100.0 * np.eye(5)[fold]])
    write_pooled(tmp_path / "pooled.h5", x, names)
    predictions, _ = run(tmp_path, "mutation", repeats=[0])
    y = labels.to_numpy() == 1
    by_fold = [
        auroc(y[fold == k, j], predictions[0, fold == k, j].astype(float))
        for k in range(5)
        for j in range(20)
    ]
    # An AUROC of ten against ten has a standard deviation of 0.13.
    assert abs(np.nanmean(by_fold) - 0.5) < 4 * 0.13 / np.sqrt(100)


def test_tissue_classes_are_recovered(tmp_path):
    rng = np.random.default_rng(6)
    codes = np.repeat(np.arange(4), 30)
    x = 2 * np.eye(4)[codes] @ rng.standard_normal((4, 40)) + rng.standard_normal((120, 40))
    features = write_patch_features(tmp_path / "pooled.h5", x, codes)
    with h5py.File(features) as store:
        names = store["names"].asstr()[:]
    tissue = [f"CLASS{code}" for code in codes]
    write_task(tmp_path, "tissue", list(names), {"class": tissue})
    predictions, hyper = run(tmp_path, "tissue", repeats=[0, 1], threads=2)
    alone, _ = run(tmp_path, "tissue", repeats=[1])
    assert alone.tobytes() == predictions[1:].tobytes()
    assert (predictions.argmax(axis=2) == codes).mean() > 0.9
    np.testing.assert_allclose(predictions.sum(axis=2), 1, rtol=1e-5)
    assert (hyper == 1.0).all()


def test_blocks_and_threads_change_no_byte_where_folds_are_fitted_together(tmp_path):
    """As in a dataset of more patches than features, whose folds share the features' products."""
    rng = np.random.default_rng(8)
    codes = np.arange(300) % 4
    x = np.eye(4)[codes] @ rng.standard_normal((4, 40)) + rng.standard_normal((300, 40))
    features = write_patch_features(tmp_path / "pooled.h5", x, codes)
    with h5py.File(features) as store:
        names = store["names"].asstr()[:]
    tissue = [f"CLASS{code}" for code in codes]
    write_task(tmp_path, "tissue", list(names), {"class": tissue})
    whole, _ = run(tmp_path, "tissue", "whole.h5")
    run(tmp_path, "tissue", "threaded.h5", threads=3)
    assert (tmp_path / "whole.h5").read_bytes() == (tmp_path / "threaded.h5").read_bytes()
    later, _ = run(tmp_path, "tissue", "later.h5", repeats=[3], threads=2)
    assert later.tobytes() == whole[3:].tobytes()


def test_a_patient_without_features_is_left_out_and_counted(study):
    with h5py.File(study / "pooled.h5") as store:
        x, names = store["features"][:], list(store["patient"].asstr()[:])
    order = [i for i in range(N)[::-1] if i != 20]
    write_pooled(study / "fewer.h5", x[order], [names[i] for i in order])
    predictions, _ = run(study, "expression", "fewer_cv.h5", features="fewer.h5")
    assert np.isnan(predictions[:, 20]).all()
    assert np.isfinite(np.delete(predictions[:, :, 0], 20, axis=1)).all()
    with h5py.File(study / "fewer_cv.h5") as store:
        assert store.attrs["n_without_features"] == 1


def test_files_that_do_not_fit_are_errors(study):
    x = np.ones((N, 3))
    write_pooled(study / "strangers.h5", x, [f"OTHER-{i}" for i in range(N)])
    with pytest.raises(HistotransferError, match="shares no sample with"):
        run(study, "expression", features="strangers.h5")
    x[4, 1] = np.nan
    write_pooled(study / "broken.h5", x, patients(N))
    with pytest.raises(HistotransferError, match=r"broken\.h5: holds features of SIM-004 that"):
        run(study, "expression", features="broken.h5")
    with pytest.raises(HistotransferError, match=r"no fold for sample SIM-000 in repeat 99"):
        run(study, "expression", repeats=[99])
    assert not (study / "cv.h5").exists()


def test_the_files_must_be_of_the_task_and_the_extractor(study):
    write_pooled(study / "other.h5", np.ones((N, 3)), patients(N), extractor="Y")
    with pytest.raises(HistotransferError, match=r"other\.h5: is of extractor Y, expected X"):
        run(study, "expression", features="other.h5")
    (study / "mutation.splits.tsv").unlink()
    write_splits(
        study / "mutation.tsv", study / "mutation.splits.tsv", task="expression", kind="mutation",
        parameters=splitting(3),
    )  # fmt: skip
    with pytest.raises(HistotransferError, match="is of task expression, expected mutation"):
        run(study, "mutation", repeats=[0])


def test_inner_folds_are_stratified_and_even():
    labels = np.array([1] * 11 + [0] * 32)
    fold = Draws(1, 2, 0).inner_folds(labels)
    for value in (0, 1):
        spread = np.bincount(fold[labels == value], minlength=5)
        assert spread.max() - spread.min() <= 1
    assert np.ptp(np.bincount(fold)) <= 1
    assert (Draws(1, 2, 0).inner_folds(labels) == fold).all()
    assert (Draws(1, 2, 1).inner_folds(labels) != fold).any()


def test_cross_validation_imports_neither_network_nor_slide_reader():
    script = (
        "import sys, histotransfer.evaluation.cross_validation, histotransfer.evaluation.scores,"
        " histotransfer.evaluation.comparison, histotransfer.labels.task_labels; "
        "print({'keras', 'tensorflow', 'openslide', 'sklearn'} & set(sys.modules))"
    )
    path = {"PYTHONPATH": ":".join(sys.path)}
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=path
    )
    assert answer.stdout.strip() == "set()"
