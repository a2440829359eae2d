"""Xception as an extractor: Keras's own network, in a file that brings no code along."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest

from histotransfer.core.errors import HistotransferError
from histotransfer.models import keras_files, weight_files, xception
from histotransfer.models.backend import keras

PX = xception.MIN_INPUT_PX


@pytest.fixture(scope="module")
def extractor(weights_path, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "IMGNET.keras"
    xception.write_imagenet_extractor(weights_path, path, input_px=PX, extractor="IMGNET-2048")
    return path


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(5).integers(0, 256, (3, PX, PX, 3), dtype=np.uint8)


def test_extractor_is_keras_xception_with_its_own_preprocessing(weights_path, extractor, images):
    theirs = keras.applications.Xception(
        include_top=False, weights=None, input_shape=(PX, PX, 3), pooling="avg"
    )
    ours = keras_files.load_extractor(extractor)
    theirs.set_weights(ours.get_weights())
    scaled = keras.applications.xception.preprocess_input(images.astype(np.float32))
    expected = theirs.predict_on_batch(scaled)
    found = ours.predict_on_batch(images)
    assert found.shape == (3, 2048)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * expected.max())


def test_same_weights_same_bytes(weights_path, extractor, tmp_path):
    again = tmp_path / "again.keras"
    xception.write_imagenet_extractor(weights_path, again, input_px=PX, extractor="IMGNET-2048")
    assert again.read_bytes() == extractor.read_bytes()


def test_loaded_weights_are_those_written(weights_path, extractor):
    found = xception.tensors(keras_files.load_extractor(extractor))
    assert weight_files.tensor_digest(found) == weight_files.tensor_digest(
        weight_files.read(weights_path)
    )


def test_the_file_tells_below_which_blocks_two_networks_are_equal(extractor, tmp_path):
    model = keras_files.load_extractor(extractor)
    values, trunks = xception.tensors(model), []
    for changed in ("block14_sepconv2", "block5_sepconv1_bn"):
        odd = next(name for name in values if name.startswith(f"{changed}/"))
        xception.set_tensors(model, values | {odd: values[odd] + 1})
        trunks.append(xception.trunk_digests(model))
    with zipfile.ZipFile(extractor) as archive:
        first = json.loads(archive.read("metadata.json"))["trunks"]
    assert list(first) == [f"block{number}" for number in range(2, 15)]
    equal = [[block for block in first if first[block] == other[block]] for other in trunks]
    assert equal == [list(first), ["block2", "block3", "block4", "block5"]]


def test_layer_names_do_not_depend_on_the_session(extractor):
    first, second = keras_files.load_extractor(extractor), xception.build(PX)
    names = [layer.name for layer in second.layers]
    assert names == [layer.name for layer in first.layers]
    assert len(set(names)) == len(names)
    assert {"block2_residual", "block13_residual_bn", "block12_add", "features"} <= set(names)
    assert second.get_layer("block13_residual").kernel.shape == (1, 1, 728, 1024)


def test_mixed_precision_is_close_and_can_be_undone(extractor, images):
    model = keras_files.load_extractor(extractor)
    exact = model.predict_on_batch(images)
    xception.set_precision(model, mixed=True)
    model.compile()  # forgets the float32 function
    mixed = model.predict_on_batch(images)
    assert mixed.dtype == np.float16
    assert 0 < np.abs(mixed - exact).max() < 0.02 * exact.max()
    xception.set_precision(model, mixed=False)
    model.compile()
    np.testing.assert_array_equal(model.predict_on_batch(images), exact)


def test_too_small_an_input_is_an_error():
    with pytest.raises(HistotransferError, match=r"tiling\.patch_px: 70 px"):
        xception.build(70)


def save_model(path, layers, shape=(PX, PX, 3), dtype="uint8"):
    image = keras.Input(shape, dtype=dtype)
    tensor = image
    for layer in layers:
        tensor = layer(tensor)
    keras.Model(image, tensor).save(path)
    return path


@keras.saving.register_keras_serializable("elsewhere")
class Own(keras.layers.Layer):
    """A layer with code of its own."""

    def call(self, x):
        return x


def test_models_with_code_of_their_own_are_refused(tmp_path):
    pool = keras.layers.GlobalAveragePooling2D
    scale = keras.layers.Rescaling(1.0)
    lambda_ = save_model(
        tmp_path / "lambda.keras", [scale, keras.layers.Lambda(lambda x: x * 2), pool()]
    )
    with pytest.raises(HistotransferError, match="a Lambda layer"):
        keras_files.load_extractor(lambda_)
    own = save_model(tmp_path / "own.keras", [scale, Own(), pool()])
    with pytest.raises(HistotransferError, match="Own, which is not a layer of Keras"):
        keras_files.load_extractor(own)


def test_other_shapes_are_refused(tmp_path):
    pool, scale = keras.layers.GlobalAveragePooling2D, keras.layers.Rescaling
    for name, layers, shape, dtype in [
        ("float", [scale(1.0), pool()], (PX, PX, 3), "float32"),
        ("oblong", [scale(1.0), pool()], (PX, 2 * PX, 3), "uint8"),
        ("map", [scale(1.0)], (PX, PX, 3), "uint8"),
    ]:
        path = save_model(tmp_path / f"{name}.keras", layers, shape, dtype)
        with pytest.raises(HistotransferError, match="maps"):
            keras_files.load_extractor(path)


def test_a_file_that_is_not_a_model_is_refused(tmp_path):
    path = tmp_path / "text.keras"
    path.write_text("no zip")
    with pytest.raises(HistotransferError, match=r"text\.keras: is not a \.keras file"):
        keras_files.load_extractor(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Functional", "config": {}}))
    with pytest.raises(HistotransferError, match="cannot be loaded"):
        keras_files.load_extractor(path)


def test_a_users_extractor_is_admitted_at_its_size(tmp_path):
    pool = keras.layers.GlobalAveragePooling2D()
    model = save_model(tmp_path / "mean.keras", [keras.layers.Rescaling(1.0), pool])
    keras_files.admit(model, tmp_path / "ours.keras", input_px=PX)
    admitted = keras_files.load_extractor(tmp_path / "ours.keras")
    white = np.full((1, PX, PX, 3), 255, dtype=np.uint8)
    np.testing.assert_allclose(admitted.predict_on_batch(white), [[255, 255, 255]], rtol=1e-6)
    with pytest.raises(HistotransferError, match="71 px, but the study has patches of 224 px"):
        keras_files.admit(model, tmp_path / "no.keras", input_px=224)


def test_the_precision_reaches_networks_within_networks_and_layers_within_layers():
    layers = keras.layers
    inner = keras.Sequential([keras.Input((4, 4)), layers.Dense(3)])
    image = keras.Input((4, 4))
    x = keras.Sequential([keras.Input((4, 4)), inner])(image)
    x = layers.TimeDistributed(layers.Dense(4))(x)
    x = layers.MultiHeadAttention(2, 2)(x, x)
    x = layers.Bidirectional(layers.LSTM(2))(x)
    outer = keras.Model(image, layers.Flatten()(x))
    patches = np.random.default_rng(0).random((2, 4, 4), dtype=np.float32)
    exact = outer.predict_on_batch(patches)
    for mixed, kind in ((True, "float16"), (False, "float32")):
        xception.set_precision(outer, mixed=mixed)
        assert {layer.compute_dtype for layer in outer._flatten_layers()} == {kind}
        assert {weight.dtype for weight in outer.weights} == {"float32"}
        outer.compile()
        found = outer.predict_on_batch(patches)
        assert found.dtype == kind
        np.testing.assert_allclose(found, exact, rtol=0.02, atol=0.01)
