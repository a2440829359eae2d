"""Two-step fine-tuning: what is trained, what is not, and that shortcuts change nothing."""

from __future__ import annotations

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from histotransfer.core.errors import HistotransferError
from histotransfer.core.files import file_digest
from histotransfer.core.hdf5 import create_store
from histotransfer.core.tables import read_table
from histotransfer.features import extraction
from histotransfer.imaging.codecs import encode
from histotransfer.models import (
    fine_tuning,
    keras_files,
    training,
    weight_files,
    xception,
)
from histotransfer.models.backend import keras
from histotransfer.models.training import Data, train
from histotransfer.results.classifier import confusion, write_confusion

PX = xception.MIN_INPUT_PX
PARAMS = {
    "validation_fraction": 0.25,
    "head_units": 16,
    "dropout": 0.2,
    "batch_size": 8,
    "label_smoothing": 0.1,
    "class_weights": "none",
    "augment": {"flips_and_turns": False, "stain_jitter": 0.0},
    "cache": True,
    "step1": {"epochs": 20, "learning_rate": 3e-3, "decay": "none", "patience": 20},
    "step2": {
        "unfreeze_from": "block14",
        "epochs": 2,
        "learning_rate": 1e-4,
        "decay": "cosine",
        "patience": 2,
    },
}


@pytest.fixture(scope="module")
def store_path(tmp_path_factory):
    """Three classes that differ in hue, not in brightness, under noise."""
    path = tmp_path_factory.mktemp("patches") / "hues.h5"
    rng = np.random.default_rng(7)
    hues = [(200, 120, 160), (120, 160, 200), (160, 200, 120)]
    images = [
        np.clip(hue + rng.normal(0, 25) + rng.normal(0, 20, (PX, PX, 3)), 0, 255)
        for hue in np.array(hues)
        for _ in range(12)
    ]
    write_store(path, images, np.repeat([0, 1, 2], 12), ["blue", "green", "pink"])
    return path


def write_store(path, images, labels, classes):
    attrs = {"dataset": path.stem, "classes": classes, "patch_px": PX, "codec": "png"}
    with create_store(path, "patches/1", attrs) as store:
        encoded = store.create_dataset("images", (len(images),), h5py.vlen_dtype(np.uint8))
        for row, image in enumerate(images):
            encoded[row] = encode(np.asarray(image).astype(np.uint8), "png", 95)
        store["labels"] = np.asarray(labels, dtype=np.int16)


def run(weights_path, store_path, folder, **changes):
    settings = {
        "extractor_path": folder / "FTX.keras",
        "classifier_path": folder / "classifier.keras",
        "history_path": folder / "training.tsv",
        "card_path": folder / "FTX.card.md",
        "checkpoint_dir": folder / "checkpoints",
        "input_px": PX,
        "params": PARAMS,
        "mixed_precision": True,  # without a GPU it has no effect
        "seed": 11,
        "simulated": True,
    }
    fine_tuning.finetune(weights_path, store_path, **(settings | changes))
    return folder


@pytest.fixture(scope="module")
def tuned(weights_path, store_path, tmp_path_factory):
    return run(weights_path, store_path, tmp_path_factory.mktemp("tuned"))


def test_planted_classes_are_learned(tuned, store_path):
    classifier = keras.models.load_model(tuned / "classifier.keras")
    with h5py.File(store_path) as store:
        images = np.stack([fine_tuning.decode(buffer) for buffer in store["images"][:]])
        labels = store["labels"][:]
    probabilities = classifier.predict_on_batch(images)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert (probabilities.argmax(axis=1) == labels).mean() > 0.9


def test_history_tells_both_steps(tuned):
    history = pd.read_csv(tuned / "training.tsv", sep="\t")
    assert list(history) == [
        "step", "epoch", "loss", "accuracy", "val_loss", "val_accuracy", "learning_rate",
    ]  # fmt: skip
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


def test_the_card_tells_data_choices_result_and_digests(tuned, store_path):
    card = (tuned / "FTX.card.md").read_text()
    assert "**Simulated data.**" in card
    assert "hues, SHA-256 of the patch store " + file_digest(store_path) in card
    for row in ("| class | training | validation |", "| green | 9 | 3 |", "| all | 27 | 9 |"):
        assert row in card
    for row in ("| step2.unfreeze_from | block14 |", "| seed of this extractor | 11 |"):
        assert row in card
    assert f"| extractor `FTX.keras` | {file_digest(tuned / 'FTX.keras')} |" in card
    history = pd.read_csv(tuned / "training.tsv", sep="\t").query("step == 2 and epoch > 0")
    assert f"| {history['val_loss'].min():.4f} |" in card


def test_the_classifiers_head_alone_says_what_the_classifier_says(tuned, store_path, tmp_path):
    """Features in float16 from the extractor, then the head: the classes of the whole network."""
    extraction.extract(
        tuned / "FTX.keras", [store_path], [tmp_path / "f.h5"],
        extractor="FTX", batch_size=12, dtype="float16", code="1",
    )  # fmt: skip
    out = tmp_path / "classifier.tsv"
    write_confusion([tuned / "classifier.keras"], [tmp_path / "f.h5"], store_path, out)
    table = read_table(out)
    classifier = keras.models.load_model(tuned / "classifier.keras")
    with h5py.File(store_path) as store:
        images = np.stack([fine_tuning.decode(buffer) for buffer in store["images"][:]])
        labels, classes = store["labels"][:], list(store.attrs["classes"])
    called = classifier.predict_on_batch(images).argmax(axis=1)
    for row in table.itertuples():
        of_class = labels == classes.index(row.true)
        expected = (called[of_class] == classes.index(row.predicted)).mean()
        assert row.fraction == pytest.approx(expected)
    assert set(table["dataset"]) == {"hues"}
    assert (table["n"] == 12).all()


def test_classes_that_the_classifier_does_not_know_are_counted_all_the_same():
    table = confusion(["A", "A", "X"], ["A", "B", "B"], ["A", "B"])
    assert table.set_index(["true", "predicted"])["fraction"].to_dict() == {
        ("A", "A"): 0.5,
        ("A", "B"): 0.5,
        ("X", "A"): 0.0,
        ("X", "B"): 1.0,
    }
    assert table["n"].tolist() == [2, 2, 1, 1]


def test_the_work_folder_is_gone(tuned):
    assert not (tuned / "checkpoints").exists()


@pytest.mark.slow
def test_same_seed_same_bytes(tuned, weights_path, store_path, tmp_path):
    run(weights_path, store_path, tmp_path)
    for name in ("FTX.keras", "classifier.keras", "training.tsv"):
        assert (tmp_path / name).read_bytes() == (tuned / name).read_bytes(), name


@pytest.mark.slow
def test_kept_activations_train_the_same_network(tuned, weights_path, store_path, tmp_path):
    run(weights_path, store_path, tmp_path, params=PARAMS | {"cache": False})
    kept, computed = (
        pd.read_csv(folder / "training.tsv", sep="\t") for folder in (tuned, tmp_path)
    )
    np.testing.assert_allclose(kept, computed, rtol=0.02, atol=0.01)


@pytest.fixture(scope="module")
def base(weights_path):
    return xception.from_weights(weights_path, PX)


@pytest.mark.parametrize("block", ["block2", "block5", "block14"])
def test_the_two_parts_make_the_whole(base, block):
    boundary = fine_tuning.unfreeze(base, block)
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
    assert fine_tuning.unfreeze(base, "all") is base.inputs[0]
    assert len(base.trainable_weights) == 6 + 2 * 34  # convolutions, and separable ones
    with pytest.raises(HistotransferError, match="'block15' is not a block"):
        fine_tuning.unfreeze(base, "block15")


@pytest.mark.slow
def test_training_on_stored_features_is_training_through_the_frozen_network(
    weights_path, store_path
):
    """The shortcut of step 1: the same head, to float tolerance, as the plain way."""
    with h5py.File(store_path) as store:
        labels = store["labels"][:]
        images = np.stack([fine_tuning.decode(buffer) for buffer in store["images"][:]])
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
        schedule = {"epochs": 2, "learning_rate": 1e-3, "decay": "none", "patience": 2}
        history = train(model, lambda rows, _: values[rows], data, schedule, step=1)
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


def test_stores_that_cannot_be_trained_on_are_named(weights_path, tmp_path):
    flat = np.zeros((PX, PX, 3))
    write_store(tmp_path / "single.h5", [flat] * 3, [0, 0, 1], ["A", "B"])
    with pytest.raises(HistotransferError, match=r"single\.h5.*too few.*\[2, 1\]"):
        run(weights_path, tmp_path / "single.h5", tmp_path)
    write_store(tmp_path / "small.h5", [flat] * 4, [0, 0, 1, 1], ["A", "B"])
    with pytest.raises(HistotransferError, match=r"small\.h5: holds patches of 71 px"):
        run(weights_path, tmp_path / "small.h5", tmp_path, input_px=96)
    with create_store(tmp_path / "slide.h5", "patches/1", {"slide": "s"}):
        pass
    with pytest.raises(HistotransferError, match=r"slide\.h5: has no labels"):
        run(weights_path, tmp_path / "slide.h5", tmp_path)
    assert not (tmp_path / "FTX.keras").exists()


class Killed(BaseException):
    """What a preempted job sees of its end."""


RESUMED = PARAMS | {
    "augment": {"flips_and_turns": True, "stain_jitter": 0.0},
    "class_weights": "balanced",
    "step1": PARAMS["step1"] | {"epochs": 3},
}


@pytest.fixture(scope="module")
def whole(weights_path, store_path, tmp_path_factory):
    """Train without interruption."""
    return run(weights_path, store_path, tmp_path_factory.mktemp("whole"), params=RESUMED)


@pytest.mark.slow
@pytest.mark.parametrize("after", [(1, 2), (1, 3), (2, 1)])
def test_a_killed_run_goes_on_and_ends_where_an_uninterrupted_one_does(
    whole, weights_path, store_path, tmp_path, monkeypatch, after
):
    """To the byte, with augmentation and dropout; after (1, 3) step 1 is over."""
    params = RESUMED
    saved = training.Checkpoint.save

    def save_and_die(self, history, *state):
        saved(self, history, *state)
        if (history[-1]["step"], history[-1]["epoch"]) == after:
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(training.Checkpoint, "save", save_and_die)
        with pytest.raises(Killed):
            run(weights_path, store_path, tmp_path / "cut", params=params)
    assert [path.name for path in (tmp_path / "cut/checkpoints").iterdir()] == ["checkpoint.h5"]

    epochs = []

    def save_and_count(self, history, *state):
        epochs.append((history[-1]["step"], history[-1]["epoch"]))
        saved(self, history, *state)

    monkeypatch.setattr(training.Checkpoint, "save", save_and_count)
    cut = run(weights_path, store_path, tmp_path / "cut", params=params)
    assert epochs == [moment for moment in [(1, 2), (1, 3), (2, 1), (2, 2)] if moment > after]
    for name in ("FTX.keras", "classifier.keras", "training.tsv", "FTX.card.md"):
        assert (cut / name).read_bytes() == (whole / name).read_bytes(), name
    assert not (cut / "checkpoints").exists()


def test_a_checkpoint_of_another_training_or_cut_short_is_not_taken_up(tmp_path):
    path = tmp_path / "checkpoint.h5"
    rows = [{"step": 1, "epoch": 1, "val_loss": 0.5}]
    training.Checkpoint(path, "this").save(rows, [np.zeros(2)], [np.ones(2)])
    history, current, best = training.Checkpoint(path, "this").load()
    assert (history, current[0].tolist(), best[0].tolist()) == (rows, [0, 0], [1, 1])
    assert training.Checkpoint(path, "other").load() is None
    path.write_bytes(path.read_bytes()[:100])
    assert training.Checkpoint(path, "this").load() is None
    assert training.Checkpoint(tmp_path / "none.h5", "this").load() is None


@pytest.mark.slow
def test_a_changed_stain_is_trained_the_plain_way(weights_path, store_path, tmp_path):
    params = PARAMS | {
        "augment": {"flips_and_turns": True, "stain_jitter": 0.05},
        "cache": False,
        "step1": PARAMS["step1"] | {"epochs": 3},
    }
    run(weights_path, store_path, tmp_path, params=params)
    history = pd.read_csv(tmp_path / "training.tsv", sep="\t")
    assert history["step"].tolist() == [1, 1, 1, 1, 2, 2, 2]
    before = weight_files.read(weights_path)
    after = xception.tensors(keras_files.load_extractor(tmp_path / "FTX.keras"))
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert {name.split("_")[0] for name in changed} == {"block14"}


def test_balanced_classes_weigh_the_same():
    labels = np.repeat([0, 1, 2], [8, 2, 5]).astype(np.int16)
    weights = fine_tuning._class_weights(labels, 3, "balanced")
    assert {label: weights[label] * n for label, n in enumerate([8, 2, 5])} == pytest.approx(
        {0: 5, 1: 5, 2: 5}
    )
    assert fine_tuning._class_weights(labels, 3, "none") is None
