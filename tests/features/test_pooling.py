"""From patches to patients."""

from __future__ import annotations

import subprocess
import sys

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from histotransfer.core.errors import HistotransferError
from histotransfer.features import pooling
from histotransfer.qc.verdicts import REASONS
from histotransfer.study.parameters import PoolingParameters
from support.features import write_slide


def pool(folder, patients, *, patches="mean", slides="mean", apply_qc=True, extractor="E"):
    pooling.pool(
        folder / "features",
        folder / "qc",
        patients,
        folder / "pooled.h5",
        extractor=extractor,
        parameters=PoolingParameters(patches, slides, apply_qc),
    )
    with h5py.File(folder / "pooled.h5") as file:
        return {
            "features": file["features"][:],
            "patient": file["patient"].asstr()[:].tolist(),
            "n_slides": file["n_slides"][:].tolist(),
            "n_patches": file["n_patches"][:].tolist(),
        }


@given(
    arrays(
        np.float16,
        array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
        elements=st.floats(-1000, 1000, width=16),
    ),
    st.randoms(use_true_random=False),
)
def test_pooling_is_of_the_rows_in_any_order(rows, random):
    order = random.sample(range(len(rows)), len(rows))
    exact = rows.astype(float)
    for how, reference in [
        ("mean", exact.mean(axis=0)),
        ("median", np.median(exact, axis=0)),
        ("max", exact.max(axis=0)),
        ("mean+std", np.hstack([exact.mean(axis=0), exact.std(axis=0)])),
    ]:
        pooled = pooling.pool_rows(rows, how)
        assert pooled.dtype == np.float32
        np.testing.assert_allclose(pooled, reference, rtol=1e-6, atol=1e-5)
        np.testing.assert_allclose(pooled, pooling.pool_rows(rows[order], how), atol=1e-5)


def test_float16_sums_do_not_overflow_or_stall():
    rows = np.full((100_000, 2), 3.0, dtype=np.float16)
    np.testing.assert_array_equal(pooling.pool_rows(rows, "mean"), [3, 3])


def test_patches_then_slides_then_patients(tmp_path):
    write_slide(tmp_path, "s1", [[1.0, 0.0], [3.0, 0.0]])
    write_slide(tmp_path, "s2", [[10.0, 4.0]])
    write_slide(tmp_path, "s3", [[5.0, 5.0]])
    found = pool(tmp_path, {"s1": "P2", "s2": "P2", "s3": "P1"})
    assert found["patient"] == ["P1", "P2"]
    # Each slide weighs the same, however many patches it has.
    np.testing.assert_array_equal(found["features"], [[5, 5], [6, 2]])
    assert found["n_slides"] == [1, 2]
    assert found["n_patches"] == [1, 3]


def test_quality_control_decides_here(tmp_path):
    write_slide(tmp_path, "s1", [[1.0], [100.0], [3.0]], reason=[0, REASONS["pen"], 0])
    assert pool(tmp_path, {"s1": "P"})["features"].tolist() == [[2.0]]
    assert pool(tmp_path, {"s1": "P"})["n_patches"] == [2]
    everything = pool(tmp_path, {"s1": "P"}, apply_qc=False)
    np.testing.assert_allclose(everything["features"], [[104 / 3]], rtol=1e-6)


def test_patients_without_a_patch_are_absent(tmp_path):
    write_slide(tmp_path, "empty", np.empty((0, 2)))
    write_slide(tmp_path, "bad", [[1.0, 2.0]], reason=[REASONS["blurred"]])
    write_slide(tmp_path, "good", [[1.0, 2.0]])
    patients = {"empty": "A", "bad": "B", "good": "C"}
    assert pool(tmp_path, patients)["patient"] == ["C"]
    del patients["good"]
    found = pool(tmp_path, patients)
    assert found["patient"] == []
    assert found["features"].ndim == 2


def test_a_slide_without_patches_does_not_weigh_on_its_patient(tmp_path):
    write_slide(tmp_path, "s1", [[4.0]])
    write_slide(tmp_path, "s2", np.empty((0, 1)))
    found = pool(tmp_path, {"s1": "P", "s2": "P"})
    assert found["features"].tolist() == [[4.0]]
    assert found["n_slides"] == [1]


def test_mean_and_std_double_the_width_once_per_level(tmp_path):
    write_slide(tmp_path, "s1", [[1.0], [3.0]])
    write_slide(tmp_path, "s2", [[5.0], [5.0]])
    patients = {"s1": "P", "s2": "P"}
    assert pool(tmp_path, patients, patches="mean+std")["features"].tolist() == [[3.5, 0.5]]
    both = pool(tmp_path, patients, patches="mean+std", slides="mean+std")["features"]
    assert both.tolist() == [[3.5, 0.5, 1.5, 0.5]]


def test_the_order_of_the_slides_does_not_matter(tmp_path):
    rng = np.random.default_rng(0)
    patients = {f"s{i}": f"P{i % 3}" for i in range(9)}
    for slide in patients:
        write_slide(tmp_path, slide, rng.normal(size=(4, 5)).astype(np.float16))
    pool(tmp_path, patients)
    first = (tmp_path / "pooled.h5").read_bytes()
    pool(tmp_path, dict(reversed(patients.items())))
    assert (tmp_path / "pooled.h5").read_bytes() == first


def test_files_that_do_not_belong_together_are_an_error(tmp_path):
    write_slide(tmp_path, "s1", [[1.0], [2.0]], judged=np.array([(0, 0), (11, 7)]))
    with pytest.raises(HistotransferError, match=r"features/s1\.h5: has a patch at \(10, 7\)"):
        pool(tmp_path, {"s1": "P"})
    write_slide(tmp_path, "s2", [[1.0]])
    write_slide(tmp_path, "s3", [[1.0, 2.0]])
    with pytest.raises(HistotransferError, match=r"\[1, 2\] features"):
        pool(tmp_path, {"s2": "P", "s3": "Q"})


@pytest.mark.parametrize("folder", ["features", "qc"])
def test_a_file_of_another_slide_is_refused(tmp_path, folder):
    for slide in ("s1", "s2"):
        write_slide(tmp_path, slide, [[1.0]])
    (tmp_path / folder / "s2.h5").rename(tmp_path / folder / "s1.h5")
    with pytest.raises(HistotransferError, match=f"{folder}/s1.h5: is of slide s2, expected s1"):
        pool(tmp_path, {"s1": "P"})


def test_features_of_another_extractor_are_refused(tmp_path):
    write_slide(tmp_path, "s1", [[1.0]])
    with pytest.raises(HistotransferError, match="is of extractor E, expected OTHER"):
        pool(tmp_path, {"s1": "P"}, extractor="OTHER")


def test_verdicts_are_not_needed_where_they_do_not_apply(tmp_path):
    write_slide(tmp_path, "s1", [[1.0]])
    (tmp_path / "qc/s1.h5").unlink()
    assert pool(tmp_path, {"s1": "P"}, apply_qc=False)["patient"] == ["P"]


def test_an_unknown_way_to_pool_is_an_error():
    with pytest.raises(HistotransferError, match="'mode' is not a way to pool"):
        pooling.pool_rows(np.ones((2, 2)), "mode")


def test_pooling_does_not_start_the_network():
    code = "import sys, histotransfer.features.pooling; assert 'keras' not in sys.modules"
    environment = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
