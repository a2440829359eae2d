"""A GPU that is asked for is used or it is an error, and what decided the numbers is recorded."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.features import extraction
from histotransfer.models import backend
from histotransfer.models.backend import keras
from histotransfer.models.runtime import resolve
from histotransfer.study.parameters import ComputeParameters, ExtractionParameters
from support.networks import PX, save_extractor, write_patch_store


def compute(gpu=False, precision="auto", jit="auto"):
    return ComputeParameters(gpu=gpu, precision=precision, jit=jit)


@pytest.fixture
def without_gpu(monkeypatch):
    monkeypatch.setattr(backend, "device", lambda: "cpu")


@pytest.mark.parametrize(
    ("built", "driver", "visible", "cause"),
    [
        (False, False, None, "the installed tensorflow is a build for CPUs"),
        (True, False, None, "this machine has no NVIDIA driver"),
        (True, True, "-1", "CUDA_VISIBLE_DEVICES is '-1' and hides every GPU"),
        (True, True, "", "hides every GPU"),
        (True, True, "0", "does not find CUDA's libraries"),
    ],
)
def test_a_gpu_that_is_absent_is_an_error_with_its_cause(
    without_gpu, monkeypatch, built, driver, visible, cause
):
    monkeypatch.setattr(backend, "_is_built_for_gpus", lambda library: built)
    monkeypatch.setattr(backend, "_has_driver", lambda: driver)
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    with pytest.raises(HistotransferError) as error:
        backend.configure(gpu=True)
    assert cause in str(error.value)
    assert "set network.gpu to prefer" in str(error.value)
    backend.configure(gpu="prefer")


def test_choices_that_are_left_open_follow_the_device(monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    assert (resolve(compute(True)).precision, resolve(compute(True)).jit) == ("mixed", True)
    assert (resolve(compute(False)).precision, resolve(compute(False)).jit) == ("float32", False)
    chosen = resolve(compute(True, "float32", False))
    assert (chosen.device, chosen.precision, chosen.jit) == ("gpu", "float32", False)
    for device in ("cpu", "gpu"):
        monkeypatch.setattr(backend, "device", lambda device=device: device)
        assert resolve(compute("prefer")) == resolve(compute(device == "gpu"))
    assert "keras " in resolve(compute()).versions


def test_a_backend_that_cannot_do_it_says_so(monkeypatch):
    for library, jit in (("jax", False), ("torch", True)):
        monkeypatch.setenv("KERAS_BACKEND", library)
        assert resolve(compute()).jit is not jit
        with pytest.raises(HistotransferError, match=r"Set network\.jit to auto"):
            resolve(compute(jit=jit))
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    with pytest.raises(HistotransferError, match="names theano"):
        resolve(compute())


def test_features_say_how_they_were_computed_and_are_computed_again_otherwise(tmp_path):
    model = save_extractor(tmp_path / "m.keras", keras.layers.GlobalAveragePooling2D())
    images = np.random.default_rng(0).integers(0, 256, (3, PX, PX, 3), dtype=np.uint8)
    write_patch_store(tmp_path / "s.h5", images)
    keys, values = set(), []
    for wanted in (compute(), compute(precision="mixed"), compute(jit=True)):
        extraction.extract(
            {"m": model}, {"s": tmp_path / "s.h5"}, {"m": {"s": tmp_path / "f.h5"}}, cut="",
            parameters=ExtractionParameters(2, "float32", wanted), code="1",
        )  # fmt: skip
        with h5py.File(tmp_path / "f.h5") as file:
            keys.add(file.attrs["key"])
            values.append(file["features"][:])
            assert {name: file.attrs[name] for name in ("device", "precision", "jit")} == {
                "device": "cpu",
                "precision": resolve(wanted).precision,
                "jit": "on" if resolve(wanted).jit else "off",
            }
            assert "keras" in file.attrs["versions"]
    assert len(keys) == 3
    assert not np.array_equal(values[0], values[1])  # float16 was used, on the CPU too
    np.testing.assert_allclose(values[1], values[0], rtol=1e-2)
