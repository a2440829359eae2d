"""Two-step fine-tuning: what is trained, what is not, and that shortcuts change nothing."""

from __future__ import annotations

import shutil
from dataclasses import replace
from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotransfer.core.errors import HistotransferError
from histotransfer.core.files import file_digest
from histotransfer.core.tables import read_table
from histotransfer.imaging.codecs import decode
from histotransfer.models import fine_tuning, keras_files, weight_files, xception
from histotransfer.models.augmentation import Augmentation
from histotransfer.models.backend import keras
from histotransfer.models.checkpoint import Checkpoint
from histotransfer.models.fine_tuning import FineTunedFiles
from histotransfer.models.frozen_blocks import compute_outputs, write_frozen_blocks
from histotransfer.models.history import TRAINING
from histotransfer.models.training import Data, train
from histotransfer.study.parameters import AugmentationParameters, ComputeParameters, StepParameters
from support.networks import PX, RECIPE, write_hues, write_patch_store

PLAIN = Augmentation(RECIPE.augment, 0)
FILES = ("FTX.keras", "classifier.keras", "training.tsv", "FTX.card.md")


@pytest.fixture(scope="module")
def store_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("patches") / "hues.h5"
    write_hues(path)
    return path


def images_and_labels(store_path):
    with h5py.File(store_path) as store:
        return np.stack([decode(buffer) for buffer in store["images"][:]]), store["labels"][:]


def run(weights_path, store_path, folder, **changes):
    extractor, classifier, history, card = (folder / name for name in FILES)
    settings = {
        "extractor": "FTX",
        "parameters": RECIPE,
        "input_px": PX,
        "compute": ComputeParameters(gpu="prefer", precision="auto", jit="auto"),
        "seed": 11,
        "versions_seed": 11,
        "simulated": True,
    } | changes
    frozen = folder / "frozen_blocks.h5"
    shared = {name: settings[name] for name in ("parameters", "input_px", "compute")}
    write_frozen_blocks(weights_path, store_path, frozen, seed=settings["versions_seed"], **shared)
    fine_tuning.fine_tune(
        weights_path,
        store_path,
        frozen,
        FineTunedFiles(extractor, classifier, history, card),
        folder / "checkpoint.h5",
        **settings,
    )
    return folder


@pytest.fixture(scope="module")
def tuned(weights_path, store_path, tmp_path_factory):
    return run(weights_path, store_path, tmp_path_factory.mktemp("tuned"))


def test_planted_classes_are_learned(tuned, store_path):
    classifier = keras.models.load_model(tuned / "classifier.keras")
    images, labels = images_and_labels(store_path)
    probabilities = classifier.predict_on_batch(images)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert (probabilities.argmax(axis=1) == labels).mean() > 0.9


def test_history_tells_both_steps(tuned):
    history = read_table(tuned / "training.tsv", TRAINING)
    assert list(history) == list(TRAINING.columns)
    assert history.groupby("step")["epoch"].apply(list).to_dict() == {
        1: list(range(21)),
        2: [0, 1, 2],
    }
    assert (history.query("step == 1")["learning_rate"] == 3e-3).all()
    assert history.query("step == 2")["learning_rate"].tolist() == pytest.approx([1e-4, 1e-4, 5e-5])
    starts = history["epoch"] == 0
    assert history.loc[starts, ["loss", "accuracy"]].isna().all(axis=None)
    assert history.loc[~starts].notna().all(axis=None)
    # Step 2 starts where step 1 was best.
    first, second = (history[history["step"] == step] for step in (1, 2))
    assert second["val_loss"].iloc[0] == pytest.approx(first["val_loss"].min(), rel=1e-2)


def test_only_the_unfrozen_blocks_changed_and_no_normalisation(tuned, weights_path):
    before = weight_files.read(weights_path)
    model = keras_files.load_extractor(tuned / "FTX.keras")
    after = xception.tensors(model)
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed == {
        f"block14_sepconv{number}/{kind}_kernel"
        for number in (1, 2)
        for kind in ("depthwise", "pointwise")
    }
    assert model.trainable_weights  # frozen in training, not in the file


def test_the_card_lists_data_parameters_result_and_digests(tuned, store_path):
    card = (tuned / "FTX.card.md").read_text()
    assert "**Simulated data.**" in card
    assert "hues, SHA-256 of the patch store " + file_digest(store_path) in card
    for row in ("| class | training | validation |", "| green | 9 | 3 |", "| all | 27 | 9 |"):
        assert row in card
    for row in (
        "| step2.unfreeze_from | block14 |",
        "| step1.lr_schedule | none |",
        "| seed | 11 |",
    ):
        assert row in card
    assert f"| extractor `FTX.keras` | {file_digest(tuned / 'FTX.keras')} |" in card
    assert "step1.unfreeze_from" not in card
    history = read_table(tuned / "training.tsv", TRAINING).query("step == 2 and epoch > 0")
    assert f"| {history['val_loss'].min():.4f} |" in card


def test_the_checkpoint_is_gone(tuned):
    assert not (tuned / "checkpoint.h5").exists()


@pytest.mark.slow
def test_same_seed_same_bytes(tuned, weights_path, store_path, tmp_path):
    run(weights_path, store_path, tmp_path)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (tuned / name).read_bytes(), name


@pytest.mark.slow
def test_kept_activations_train_the_same_network(whole, weights_path, store_path, tmp_path):
    """With every version of a patch."""
    run(weights_path, store_path, tmp_path, parameters=replace(RESUMED, cache=False))
    kept, computed = (
        read_table(folder / "training.tsv", TRAINING).astype(float) for folder in (whole, tmp_path)
    )
    np.testing.assert_allclose(kept, computed, rtol=0.02, atol=0.01)


@pytest.fixture(scope="module")
def base(weights_path):
    return xception.from_weights(weights_path, PX)


@pytest.mark.parametrize("block", ["block2", "block5", "block14"])
def test_the_two_parts_make_the_whole(base, block):
    boundary = xception.unfreeze(base, block)
    images = np.random.default_rng(0).integers(0, 256, (2, PX, PX, 3), dtype=np.uint8)
    lower, upper = keras.Model(base.inputs, boundary), keras.Model(boundary, base.outputs[0])
    whole = base.predict_on_batch(images)
    parts = upper.predict_on_batch(lower.predict_on_batch(images))
    np.testing.assert_allclose(parts, whole, rtol=1e-4, atol=1e-5 * whole.max())
    assert not lower.trainable_weights
    trained = {layer.name for layer in base.layers if layer.trainable_weights}
    assert trained == {
        layer.name
        for layer in base.layers
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.SeparableConv2D))
        and int(layer.name.split("_")[0].removeprefix("block")) >= int(block.removeprefix("block"))
    }
    assert {layer.name for layer in upper.layers if layer.trainable_weights} == trained


def test_all_means_all_convolutions(base):
    assert xception.unfreeze(base, "all") is base.inputs[0]
    assert len(base.trainable_weights) == 6 + 2 * 34  # convolutions, and separable ones
    with pytest.raises(HistotransferError, match="'block15' is not a block"):
        xception.unfreeze(base, "block15")


@pytest.mark.slow
def test_training_on_stored_features_is_training_through_the_frozen_network(
    weights_path, store_path
):
    """The shortcut of step 1: the same head, to float tolerance, as the plain way."""
    images, labels = images_and_labels(store_path)
    rows, held_out = fine_tuning.split(labels, 0.25, 0)
    data = Data(labels, rows, held_out, batch_size=8, seed=5)

    def train_head(through_the_network):
        base = xception.from_weights(weights_path, PX)
        base.trainable = False
        head = fine_tuning.build_head(2048, 3, 16, 0.2, seed=5)
        if through_the_network:
            model, values = keras.Model(base.inputs, head(base.outputs[0])), images
        else:
            model, values = head, base.predict(images, batch_size=8, verbose=0)
        step = StepParameters(epochs=2, learning_rate=1e-3, lr_schedule="none", patience=2)
        history = train(model, lambda rows, _: values[rows], data, step, step=1)
        return head.get_weights(), pd.DataFrame(history)

    (short, short_history), (plain, plain_history) = train_head(False), train_head(True)
    pd.testing.assert_frame_equal(short_history, plain_history, rtol=1e-3)
    for found, expected in zip(short, plain, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-4)


@given(
    st.lists(st.integers(2, 40), min_size=2, max_size=6),
    st.floats(0.05, 0.5),
    st.integers(0, 2**32),
    st.randoms(use_true_random=False),
)
def test_split_takes_its_part_of_every_class(counts, fraction, seed, random):
    labels = np.repeat(np.arange(len(counts)), counts).astype(np.int16)
    random.shuffle(labels)
    training, validation = fine_tuning.split(labels, fraction, seed)
    assert sorted([*training, *validation]) == list(range(len(labels)))
    for label, count in enumerate(counts):
        held_out = int(np.sum(labels[validation] == label))
        assert held_out == max(1, round(fraction * count))
        assert held_out < count
    again = fine_tuning.split(labels, fraction, seed)
    assert np.array_equal(again[0], training)
    assert np.array_equal(again[1], validation)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=2, max_size=80),
    st.floats(0.05, 0.5),
    st.integers(0, 2**32),
)
def test_no_patient_is_trained_and_validated_on(patches, fraction, seed):
    labels = np.array([label for label, _ in patches], np.int16)
    patients = np.array([f"P{patient}" for _, patient in patches], object)
    training, validation = fine_tuning.split(labels, fraction, seed, patients)
    assert sorted([*training, *validation]) == list(range(len(labels)))
    assert not set(patients[training]) & set(patients[validation])
    assert set(labels[training]) == set(labels)  # each class is trained on
    again = fine_tuning.split(labels, fraction, seed, patients)
    assert np.array_equal(again[1], validation)


def test_patients_of_few_patches_leave_about_the_fraction_of_each_class():
    labels = np.tile([0, 0, 0, 1], 200).astype(np.int16)
    patients = np.repeat([f"P{number}" for number in range(200)], 4)
    _, validation = fine_tuning.split(labels, 0.1, 5, patients)
    assert np.bincount(labels[validation]).tolist() == [60, 20]


def test_stores_that_cannot_be_trained_on_are_named(weights_path, tmp_path):
    flat = np.zeros((PX, PX, 3))
    write_patch_store(tmp_path / "single.h5", [flat] * 3, [0, 0, 1], ["A", "B"])
    with pytest.raises(HistotransferError, match=r"single\.h5.*too few.*\[2, 1\]"):
        run(weights_path, tmp_path / "single.h5", tmp_path)
    write_patch_store(tmp_path / "small.h5", [flat] * 4, [0, 0, 1, 1], ["A", "B"])
    with pytest.raises(
        HistotransferError, match=r"small\.h5: holds patches of 71 px, but the network takes 96"
    ):
        run(weights_path, tmp_path / "small.h5", tmp_path, input_px=96)
    (tmp_path / "single.h5").rename(tmp_path / "other.h5")
    with pytest.raises(HistotransferError, match=r"other\.h5: is of dataset single"):
        run(weights_path, tmp_path / "other.h5", tmp_path)
    assert not (tmp_path / "FTX.keras").exists()


class Killed(BaseException):
    """What a preempted job sees of its end."""


RESUMED = replace(
    RECIPE,
    augment=AugmentationParameters(flips_and_rotations=True, stain_jitter=0.1),
    class_weights="balanced",
    step1=replace(RECIPE.step1, epochs=3),
)


@pytest.fixture(scope="module")
def whole(weights_path, store_path, tmp_path_factory):
    """Train without interruption."""
    return run(weights_path, store_path, tmp_path_factory.mktemp("whole"), parameters=RESUMED)


@pytest.mark.slow
@pytest.mark.parametrize("after", [(1, 2), (1, 3), (2, 1)])
def test_a_killed_run_resumes_and_ends_where_an_uninterrupted_one_does(
    whole, weights_path, store_path, tmp_path, monkeypatch, after
):
    """The same bytes, with augmentation and dropout; after (1, 3) step 1 is over."""
    saved = Checkpoint.save

    def save_and_die(self, history, *state):
        saved(self, history, *state)
        if (history[-1]["step"], history[-1]["epoch"]) == after:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", save_and_die)
        with pytest.raises(Killed):
            run(weights_path, store_path, tmp_path / "cut", parameters=RESUMED)
    assert {path.name for path in (tmp_path / "cut").iterdir()} == {
        "checkpoint.h5",
        "frozen_blocks.h5",
    }

    epochs = []

    def save_and_count(self, history, *state):
        epochs.append((history[-1]["step"], history[-1]["epoch"]))
        saved(self, history, *state)

    monkeypatch.setattr(Checkpoint, "save", save_and_count)
    cut = run(weights_path, store_path, tmp_path / "cut", parameters=RESUMED)
    assert epochs == [moment for moment in [(1, 2), (1, 3), (2, 1), (2, 2)] if moment > after]
    for name in FILES:
        assert (cut / name).read_bytes() == (whole / name).read_bytes(), name
    assert not (cut / "checkpoint.h5").exists()


def test_a_checkpoint_of_another_training_or_cut_short_is_ignored(tmp_path):
    path = tmp_path / "checkpoint.h5"
    rows = [{"step": 1, "epoch": 1, "val_loss": 0.5}]
    Checkpoint(path, "this").save(rows, [np.zeros(2)], [np.ones(2)])
    history, current, best = Checkpoint(path, "this").load()
    assert (history, current[0].tolist(), best[0].tolist()) == (rows, [0, 0], [1, 1])
    assert Checkpoint(path, "other").load() is None
    path.write_bytes(path.read_bytes()[:100])
    assert Checkpoint(path, "this").load() is None
    assert Checkpoint(tmp_path / "none.h5", "this").load() is None


def test_balanced_classes_weigh_the_same():
    labels = np.repeat([0, 1, 2], [8, 2, 5]).astype(np.int16)
    weights = fine_tuning._class_weights(labels, 3, "balanced")
    assert {label: weights[label] * n for label, n in enumerate([8, 2, 5])} == pytest.approx(
        {0: 5, 1: 5, 2: 5}
    )
    assert fine_tuning._class_weights(labels, 3, "none") is None


def test_memory_that_ends_halves_the_batch_of_the_frozen_blocks_but_not_of_the_recipe(
    weights_path, store_path, tmp_path, monkeypatch
):
    base = xception.from_weights(weights_path, PX)
    predict, fit = keras.Model.predict_on_batch, keras.Model.fit

    def scarce(self, batch):
        if len(batch) > 3:
            raise MemoryError
        return predict(self, batch)

    with h5py.File(store_path) as store:
        kept = {}
        for name, method in (("plenty", predict), ("scarce", scarce)):
            monkeypatch.setattr(keras.Model, "predict_on_batch", method)
            with h5py.File(tmp_path / f"{name}.h5", "w") as outputs:
                compute_outputs(base, None, store, outputs, augmentation=PLAIN, batch_size=8)
                kept[name] = outputs["features"][:]
    np.testing.assert_allclose(kept["scarce"], kept["plenty"], rtol=1e-3, atol=1e-4)

    def exhausted(self, *arguments, **choices):
        fit(self, *arguments, **choices)
        raise MemoryError

    monkeypatch.setattr(keras.Model, "predict_on_batch", predict)
    monkeypatch.setattr(keras.Model, "fit", exhausted)
    with pytest.raises(HistotransferError, match=r"finetune\.batch_size.* is 8, more than"):
        run(weights_path, store_path, tmp_path)


def test_what_a_killed_run_left_does_not_count_as_lack_of_space(
    weights_path, store_path, tmp_path, monkeypatch
):
    left = tmp_path / ".frozen_blocks.partial.h5"
    left.write_bytes(bytes(600_000))
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _: SimpleNamespace(free=600_000 - left.stat().st_size)
    )
    frozen = tmp_path / "frozen_blocks.h5"

    def write(**changes):
        compute = ComputeParameters(gpu="prefer", precision="auto", jit="auto")
        write_frozen_blocks(
            weights_path,
            store_path,
            frozen,
            parameters=replace(RECIPE, **changes),
            input_px=PX,
            compute=compute,
            seed=0,
        )

    write(cache=False)
    with h5py.File(frozen) as store:
        assert list(store) == ["features"]
    frozen.unlink()
    with pytest.raises(HistotransferError, match=r"too little free space.*finetune\.cache"):
        write(cache=True)  # 0.3 MB of features, 0.7 MB of activations
    assert not list(tmp_path.iterdir())


def test_trainings_of_several_seeds_share_the_frozen_blocks(whole, weights_path, store_path):
    """Another seed reads the same file, and trains another network."""
    changed = {"parameters": RESUMED, "seed": 12}
    again = run(weights_path, store_path, whole / "other", **changed)
    files = [folder / "frozen_blocks.h5" for folder in (whole, again)]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert (whole / FILES[0]).read_bytes() != (again / FILES[0]).read_bytes()


def test_frozen_blocks_of_other_patches_are_refused(tuned, weights_path, tmp_path):
    write_hues(tmp_path / "hues.h5", seed=1)
    files = FineTunedFiles(*(tmp_path / name for name in FILES))
    with pytest.raises(HistotransferError, match=r"frozen_blocks\.h5: is of patches "):
        fine_tuning.fine_tune(
            weights_path,
            tmp_path / "hues.h5",
            tuned / "frozen_blocks.h5",
            files,
            tmp_path / "checkpoint.h5",
            extractor="FTX",
            parameters=RECIPE,
            input_px=PX,
            compute=ComputeParameters(gpu="prefer", precision="auto", jit="auto"),
            seed=11,
            versions_seed=11,
        )


def test_frozen_blocks_that_overflow_are_an_error_before_the_training(store_path, tmp_path):
    image = keras.Input((PX, PX, 3), dtype="uint8")
    middle = keras.layers.Rescaling(1e4)(image)
    base = keras.Model(image, keras.layers.GlobalAveragePooling2D()(middle))
    with (
        h5py.File(store_path) as store,
        h5py.File(tmp_path / "outputs.h5", "w") as outputs,
        pytest.raises(HistotransferError, match=r"whose activations .* not finite in float16"),
    ):
        compute_outputs(base, middle, store, outputs, augmentation=PLAIN, batch_size=8)
