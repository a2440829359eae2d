"""Patch stores to feature files."""

from __future__ import annotations

import subprocess
import sys

import h5py
import numpy as np
import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.core.hdf5 import open_store
from histotransfer.core.tables import read_table
from histotransfer.features import external, extraction
from histotransfer.models import backend, inference, xception
from histotransfer.models.backend import keras
from histotransfer.patches.store import append_images, create_patch_store
from histotransfer.study.parameters import ExtractionParameters
from support.networks import PX, save_extractor, write_patch_store


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    """Save a small extractor: the mean and the largest value of each colour."""
    return save_extractor(
        tmp_path_factory.mktemp("models") / "colour.keras",
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.GlobalMaxPooling2D(),
        scale=1 / 255,
    )


def write_store(path, count, seed=0, *, px=PX, labelled=False):
    images = np.random.default_rng(seed).integers(0, 256, (count, px, px, 3), dtype=np.uint8)
    if labelled:
        write_patch_store(path, images, (np.arange(count) % 2).tolist(), ["A", "B"])
    else:
        write_patch_store(path, images)
    return images


def expected(images):
    scaled = images / 255
    return np.concatenate([scaled.mean(axis=(1, 2)), scaled.max(axis=(1, 2))], axis=1)


def extract(model_path, stores, outputs, **changes):
    """Extract the features of stores, each named after its slide, in batches of four."""
    files = {store.stem: output for store, output in zip(stores, outputs, strict=True)}
    extract_all({"colour": model_path}, stores, {"colour": files}, **changes)


def extract_all(models, stores, outputs, cut="", **changes):
    settings = {
        "batch_size": 4,
        "dtype": "float32",
        "compute": {"gpu": False, "precision": "auto", "jit": "auto"},
        "code": "1",
    }
    settings |= changes
    extraction.extract(
        models,
        extraction.by_id(stores),
        outputs,
        cut=cut,
        parameters=ExtractionParameters.of(settings),
        code=settings["code"],
    )


@pytest.mark.parametrize("count", [1, 4, 11])
def test_every_patch_gets_its_features_whatever_the_batches(model_path, tmp_path, count):
    images = write_store(tmp_path / "s.h5", count)
    extract(model_path, [tmp_path / "s.h5"], [tmp_path / "f.h5"])
    with h5py.File(tmp_path / "f.h5") as file:
        assert file["features"].dtype == np.float32
        np.testing.assert_allclose(file["features"][:], expected(images), atol=1e-5)
        np.testing.assert_array_equal(
            file["coords"][:], np.arange(2 * count, dtype=np.int32).reshape(-1, 2)
        )
        assert file.attrs["schema"] == "features/1"
        assert file.attrs["slide"] == "s"
        assert file.attrs["extractor"] == "colour"


def test_a_slides_features_open_as_clam_trident_and_stamp_open_theirs(model_path, tmp_path):
    """Those tools read whole datasets by these names and hand them to PyTorch or a regressor."""
    images = write_store(tmp_path / "s.h5", 5)
    extract(model_path, [tmp_path / "s.h5"], [tmp_path / "f.h5"], dtype="float16")
    with h5py.File(tmp_path / "f.h5", "r") as file:
        clam, stamp, coords = file["features"][:], file["feats"][:], file["coords"][:]
    assert np.array_equal(clam, stamp)
    assert clam.shape == (len(images), 6)
    assert clam.dtype == np.float16  # which torch.from_numpy takes, and .float() makes float32
    assert coords.shape == (len(images), 2)
    assert coords.dtype == np.int32
    read, corners = external.read_features(tmp_path / "f.h5")
    assert np.array_equal(read, clam)
    assert np.array_equal(corners, coords)


def test_a_datasets_labels_names_and_classes_travel_along(model_path, tmp_path):
    images = write_store(tmp_path / "d.h5", 5, labelled=True)
    extract(model_path, [tmp_path / "d.h5"], [tmp_path / "f.h5"], dtype="float16")
    with h5py.File(tmp_path / "f.h5") as file:
        assert file["features"].dtype == np.float16
        np.testing.assert_allclose(file["features"][:], expected(images), atol=1e-3)
        assert file["labels"][:].tolist() == [0, 1, 0, 1, 0]
        assert file["names"].asstr()[:].tolist() == [f"x/{row}.png" for row in range(5)]
        assert list(file.attrs["classes"]) == ["A", "B"]
        assert file.attrs["dataset"] == "d"


def test_same_patches_same_bytes_alone_or_in_company(model_path, tmp_path):
    stores = [tmp_path / name for name in ("a.h5", "b.h5")]
    write_store(stores[0], 3, seed=1)
    write_store(stores[1], 6, seed=2)
    extract(model_path, stores, [tmp_path / "a_f.h5", tmp_path / "b_f.h5"])
    extract(model_path, stores[1:], [tmp_path / "b_alone.h5"])
    assert (tmp_path / "b_f.h5").read_bytes() == (tmp_path / "b_alone.h5").read_bytes()


def test_finished_stores_are_skipped_and_changed_ones_extracted_again(model_path, tmp_path):
    stores = [tmp_path / name for name in ("a.h5", "b.h5")]
    outputs = [tmp_path / "out" / name for name in ("a.h5", "b.h5")]

    def written():
        """Each writing makes a new file, though maybe in the place of one that is gone."""
        return [(path.stat().st_ino, path.stat().st_mtime_ns) for path in outputs]

    write_store(stores[0], 3, seed=1)
    write_store(stores[1], 3, seed=2)
    extract(model_path, stores, outputs)
    before = written()
    extract(model_path, stores, outputs)
    assert written() == before
    extract(model_path, stores, outputs, code="2")  # the code that computes them has changed
    assert not set(written()) & set(before)
    before = written()
    extract(model_path, stores, outputs, code="2")
    assert written() == before
    extract(model_path, stores, outputs)
    before = written()
    images = write_store(stores[1], 4, seed=3)
    extract(model_path, stores, outputs)
    assert written()[0] == before[0]
    with h5py.File(outputs[1]) as file:
        np.testing.assert_allclose(file["features"][:], expected(images), atol=1e-5)
    extract(model_path, stores, outputs, dtype="float16")
    with h5py.File(outputs[0]) as file:
        assert file["features"].dtype == np.float16
    outputs[0].write_bytes(b"cut short")
    extract(model_path, stores, outputs)
    with h5py.File(outputs[0]) as file:
        assert file["features"].shape == (3, 6)


def test_an_empty_store_gives_an_empty_file_without_the_network(model_path, tmp_path):
    write_store(tmp_path / "empty.h5", 0)
    code = (
        "import sys; from pathlib import Path\n"
        "from histotransfer.features.extraction import extract\n"
        "from histotransfer.study.parameters import ComputeParameters, ExtractionParameters\n"
        f"extract({{'colour': {str(model_path)!r}}},"
        f" {{'empty': Path({str(tmp_path / 'empty.h5')!r})}},"
        f" {{'colour': {{'empty': Path({str(tmp_path / 'f.h5')!r})}}}}, cut='',"
        " parameters=ExtractionParameters(4, 'float16', ComputeParameters(False, 'auto', 'auto')),"
        " code='1')\n"
        "assert not {'keras', 'tensorflow', 'jax', 'torch'} & sys.modules.keys()"
    )
    environment = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    with h5py.File(tmp_path / "f.h5") as file:
        assert file["features"].shape == (0, 6)
        assert file["coords"].shape == (0, 2)
        assert file.attrs["slide"] == "empty"


def test_patches_of_another_size_are_an_error_and_leave_no_file(model_path, tmp_path):
    write_store(tmp_path / "s.h5", 2, px=96)
    with pytest.raises(HistotransferError, match="takes patches of 71 px"):
        extract(model_path, [tmp_path / "s.h5"], [tmp_path / "f.h5"])
    assert not (tmp_path / "f.h5").exists()


def test_features_beyond_float16_are_an_error(tmp_path):
    path = save_extractor(tmp_path / "huge.keras", keras.layers.GlobalMaxPooling2D(), scale=1e4)
    write_store(tmp_path / "s.h5", 3)
    with pytest.raises(HistotransferError, match=r"3 of 3 patches.*float32"):
        extract(path, [tmp_path / "s.h5"], [tmp_path / "f.h5"], dtype="float16")
    extract(path, [tmp_path / "s.h5"], [tmp_path / "f.h5"])


def test_patches_of_another_slide_are_an_error(model_path, tmp_path):
    write_store(tmp_path / "s.h5", 2)
    (tmp_path / "s.h5").rename(tmp_path / "t.h5")
    with pytest.raises(HistotransferError, match=r"t\.h5: is of slide s, expected t"):
        extract(model_path, [tmp_path / "t.h5"], [tmp_path / "f.h5"])
    assert not (tmp_path / "f.h5").exists()


def test_a_batchs_manifest_lists_the_slides_that_it_names(model_path, tmp_path):
    stores = [tmp_path / "s.h5", tmp_path / "007.h5"]
    outputs = {store.stem: tmp_path / f"out/{store.name}" for store in stores}
    for count, store in enumerate(stores):
        write_store(store, count)
    extract(model_path, stores, outputs.values())
    extraction.write_manifest({"colour": outputs}, tmp_path / "b.tsv")
    table = read_table(tmp_path / "b.tsv", extraction.BATCH, extractor="colour")
    assert table["store"].tolist() == ["s", "007"]
    assert table["patches"].tolist() == [0, 1]
    with open_store(outputs["007"], extraction.SCHEMA, slide="007", extractor="colour") as file:
        assert table["key"][1] == file.attrs["key"]
    with pytest.raises(HistotransferError, match="is of extractor colour, expected other"):
        extraction.write_manifest({"other": outputs}, tmp_path / "b.tsv")
    exchanged = dict(zip(outputs, reversed(outputs.values()), strict=True))
    with pytest.raises(HistotransferError, match="is of slide 007, expected s"):
        extraction.write_manifest({"colour": exchanged}, tmp_path / "b.tsv")


def test_the_manifest_of_a_dataset_names_it(model_path, tmp_path):
    write_store(tmp_path / "TEST.h5", 4, labelled=True)
    outputs = {"TEST": tmp_path / "out/TEST.h5"}
    extract(model_path, [tmp_path / "TEST.h5"], outputs.values())
    extraction.write_manifest({"colour": outputs}, tmp_path / "b.tsv")
    table = read_table(tmp_path / "b.tsv", extraction.BATCH, extractor="colour")
    assert table[["store", "patches"]].to_numpy().tolist() == [["TEST", 4]]
    with pytest.raises(HistotransferError, match="is of dataset TEST, expected OTHER"):
        extraction.write_manifest({"colour": {"OTHER": outputs["TEST"]}}, tmp_path / "b.tsv")


@pytest.mark.parametrize("kept_bytes", [0, 20, 300, -40])
def test_a_broken_image_stops_the_store(model_path, tmp_path, kept_bytes):
    write_store(tmp_path / "whole.h5", 9)
    with h5py.File(tmp_path / "whole.h5") as whole:
        attrs, encoded = dict(whole.attrs), whole["images"][:]
    encoded[-1] = encoded[-1][:kept_bytes]
    with create_patch_store(tmp_path / "s.h5", attrs | {"slide": "s"}) as store:
        append_images(store, encoded)
    with pytest.raises(HistotransferError, match=r"s\.h5: .* cannot be decoded \(row 8: "):
        extract(model_path, [tmp_path / "s.h5"], [tmp_path / "f.h5"])
    assert not (tmp_path / "f.h5").exists()


def test_out_of_memory_halves_the_batch_and_goes_on(model_path, tmp_path, monkeypatch, caplog):
    """The allocator's own error, raised where the network is called."""
    import tensorflow as tf

    images = write_store(tmp_path / "s.h5", 21)
    sizes = []
    compiled = backend.compiled

    def scarce(model, **choices):
        function = compiled(model, **choices)

        def allocate(batch):
            sizes.append(len(batch))
            if len(batch) > 3:
                raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
            return function(batch)

        return allocate

    monkeypatch.setattr(backend, "compiled", scarce)
    extract(model_path, [tmp_path / "s.h5"], [tmp_path / "f.h5"], batch_size=8)
    with h5py.File(tmp_path / "f.h5") as file:
        np.testing.assert_allclose(file["features"][:], expected(images), atol=1e-5)
    assert sizes[:3] == [8, 4, 2]
    assert set(sizes[2:]) == {2}  # learnt once: no further size is compiled
    assert "continuing with batches of 2" in caplog.text

    def nothing_left(model, **choices):
        def allocate(batch):
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

        return allocate

    monkeypatch.setattr(backend, "compiled", nothing_left)
    with pytest.raises(HistotransferError, match="needs more memory than available for one patch"):
        extract(model_path, [tmp_path / "s.h5"], [tmp_path / "none.h5"])
    assert not (tmp_path / "none.h5").exists()


class OutOfMemoryError(Exception):
    """Named like PyTorch's."""


@pytest.mark.parametrize(
    ("rates", "best"),
    [
        ({8: 10, 16: 10.2}, 8),  # a CPU: no gain
        ({8: 100, 16: 190, 32: 350, 64: 360}, 32),  # a GPU
        ({8: 100, 16: 190, 32: 350}, 32),  # 64 do not fit
        ({}, 4),  # not even 8 fit
        ({8 << n: 2.0**n for n in range(7)}, 512),
    ],
)
def test_the_smallest_batch_that_is_nearly_the_fastest_is_taken(rates, best):
    def rate(size):
        if size not in rates:
            raise OutOfMemoryError
        return rates[size]

    assert inference.best_batch_size(rate) == best


def test_an_error_that_is_not_of_memory_is_not_swallowed():
    def rate(size):
        raise ValueError(size)

    with pytest.raises(ValueError, match="8"):
        inference.best_batch_size(rate)


def test_a_measured_batch_size_gives_the_same_features(model_path, tmp_path):
    images = write_store(tmp_path / "s.h5", 5)
    extract(model_path, [tmp_path / "s.h5"], [tmp_path / "f.h5"], batch_size="auto")
    with h5py.File(tmp_path / "f.h5") as file:
        np.testing.assert_allclose(file["features"][:], expected(images), atol=1e-5)


def test_rows_are_gathered_into_whole_chunks(monkeypatch):
    monkeypatch.setattr(extraction, "ROWS_PER_CHUNK", 4)
    rows = np.arange(11.0, dtype=np.float32)[:, None]
    for size in (1, 3, 4, 9, 11):
        parts = [rows[start : start + size] for start in range(0, 11, size)]
        chunks = list(extraction._chunks(parts))
        assert [len(chunk) for chunk in chunks] == [4, 4, 3]
        assert np.array_equal(np.concatenate(chunks), rows)
    assert list(extraction._chunks([])) == []


@pytest.mark.parametrize("late", [False, True])
def test_memory_that_ends_while_batches_are_ahead_loses_no_patch(
    model_path, tmp_path, monkeypatch, late
):
    """A GPU says so when a batch begins, or only when its result is asked for."""
    images = write_store(tmp_path / "s.h5", 23)
    compiled, numpy = backend.compiled, backend.numpy

    class Exhausted:
        def __init__(self, batch):
            self.batch = batch

    def scarce(model, **choices):
        function = compiled(model, **choices)
        started = iter(range(100))

        def run(batch):
            if next(started) >= 2 and len(batch) > 2:
                if late:
                    return Exhausted(batch)
                raise OutOfMemoryError
            return function(batch)

        return run

    def wait(result):
        if isinstance(result, Exhausted):
            raise OutOfMemoryError
        return numpy(result)

    monkeypatch.setattr(backend, "compiled", scarce)
    monkeypatch.setattr(backend, "numpy", wait)
    extract(model_path, [tmp_path / "s.h5"], [tmp_path / "f.h5"], batch_size=4)
    with h5py.File(tmp_path / "f.h5") as file:
        np.testing.assert_allclose(file["features"][:], expected(images), atol=1e-5)


@pytest.mark.parametrize("threads", [1, 3])
def test_several_threads_decode_the_same_patches(tmp_path, threads):
    images = write_store(tmp_path / "s.h5", 70)
    with h5py.File(tmp_path / "s.h5") as store:
        decoded = list(extraction._decoded(store, 33, threads))
    assert [len(part) for part in decoded] == [33, 33, 4]
    assert np.array_equal(np.concatenate(decoded), images)


BLOCK = "block3"


def small_network(changed, factor):
    """Build a network of three blocks, named like Xception's, with one block's tensors changed."""
    image = x = keras.Input((PX, PX, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(x)
    for block in (1, 2, 3):
        x = keras.layers.Conv2D(8, 3, strides=2, activation="relu", name=f"block{block}_conv")(x)
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
    random = np.random.default_rng(0)
    for layer in model.layers[2:-1]:
        scale = factor if layer.name.startswith(changed) else 1
        layer.set_weights([scale * random.normal(size=w.shape) for w in layer.get_weights()])
    return model


@pytest.fixture(scope="module")
def tuned_paths(tmp_path_factory):
    """Save networks that differ in the last block alone, and one that differs in an earlier one."""
    folder = tmp_path_factory.mktemp("tuned")
    paths = {}
    for name, changed in (("A", BLOCK), ("B", BLOCK), ("C", BLOCK), ("other", "block2")):
        paths[name] = folder / f"{name}.keras"
        xception.save(small_network(changed, 1 + len(paths)), paths[name])
    return paths


def files_of(names, stores, folder):
    return {name: {s.stem: folder / name / s.name for s in stores} for name in names}


def contents(outputs):
    return {path: path.read_bytes() for files in outputs.values() for path in files.values()}


def test_extractors_that_share_a_trunk_pass_it_together_and_get_what_each_gets_alone(
    tuned_paths, tmp_path, monkeypatch
):
    stores = [tmp_path / "s.h5", tmp_path / "t.h5"]
    for seed, store in enumerate(stores):
        write_store(store, 5 + seed, seed=seed)
    passes = []
    opened = extraction.open_network
    monkeypatch.setattr(
        extraction,
        "open_network",
        lambda paths, cut, *how: passes.append((len(paths), cut)) or opened(paths, cut, *how),
    )
    alone = files_of(tuned_paths, stores, tmp_path / "alone")
    for name, path in tuned_paths.items():
        extract_all({name: path}, stores, alone, cut=BLOCK)
    assert passes == [(1, BLOCK)] * 4
    passes.clear()
    together = files_of(tuned_paths, stores, tmp_path / "together")
    extract_all(tuned_paths, stores, together, cut=BLOCK)
    assert passes == [(3, BLOCK), (1, BLOCK)]
    assert list(contents(together).values()) == list(contents(alone).values())
    with h5py.File(together["A"]["s"]) as a, h5py.File(together["B"]["s"]) as b:
        assert not np.array_equal(a["features"][:], b["features"][:])


def test_an_extractor_that_joins_is_computed_alone_and_touches_no_other_file(
    tuned_paths, tmp_path, caplog
):
    caplog.set_level("INFO")
    write_store(tmp_path / "s.h5", 3)
    outputs = files_of("ABC", [tmp_path / "s.h5"], tmp_path)
    models = {name: tuned_paths[name] for name in "AB"}
    extract_all(models, [tmp_path / "s.h5"], outputs, cut=BLOCK)
    before = {name: outputs[name]["s"].stat().st_ino for name in "AB"}
    caplog.clear()
    extract_all({**models, "C": tuned_paths["C"]}, [tmp_path / "s.h5"], outputs, cut=BLOCK)
    assert {name: outputs[name]["s"].stat().st_ino for name in "AB"} == before
    assert "s: 3 patches" in caplog.text
    assert caplog.text.rstrip().endswith("patches/s: C")


def test_an_extractor_whose_features_are_not_finite_does_not_cost_the_others_theirs(
    tuned_paths, tmp_path
):
    xception.save(small_network(BLOCK, 1e6), tmp_path / "wild.keras")
    write_store(tmp_path / "s.h5", 3)
    outputs = files_of(("wild", "A"), [tmp_path / "s.h5"], tmp_path)
    models = {"wild": tmp_path / "wild.keras", "A": tuned_paths["A"]}
    with pytest.raises(HistotransferError, match=r"3 of 3 patches have features of wild"):
        extract_all(models, [tmp_path / "s.h5"], outputs, cut=BLOCK, dtype="float16")
    assert outputs["A"]["s"].exists()
    assert not outputs["wild"]["s"].exists()
