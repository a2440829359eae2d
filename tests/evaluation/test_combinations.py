"""Extractors side by side and clinical covariates: equal weight, and nothing from test samples."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from histotransfer.core.errors import HistotransferError
from histotransfer.core.hdf5 import open_store
from histotransfer.evaluation.cross_validation import Drawn, out_of_fold, run_block
from histotransfer.evaluation.predictors.binary_logistic import BinaryLogistic
from histotransfer.evaluation.predictors.by_pattern import ByPattern
from histotransfer.evaluation.predictors.cox import Cox
from histotransfer.evaluation.predictors.encoded import Encoded
from histotransfer.evaluation.predictors.multinomial_logistic import MultinomialLogistic
from histotransfer.evaluation.predictors.predictor import Draws, Predictor
from histotransfer.evaluation.predictors.ridge import Ridge
from histotransfer.evaluation.predictors.scikit_learn import ScikitLearn
from histotransfer.evaluation.splits import write_splits
from histotransfer.features.covariates import read_covariates, write_covariates
from histotransfer.labels.survival_times import encode
from support.tasks import PREDICTORS, splitting, write_pooled, write_values

DRAWS = Draws(seed=1, repeat=0, fold=0)
N = 80


def everyone(rng: np.random.Generator) -> dict[str, tuple[Predictor, np.ndarray]]:
    """Return a predictor of each kind with labels for it."""
    classes = rng.integers(0, 3, N)
    times = encode(rng.exponential(size=N), rng.random(N) < 0.7)
    positive = rng.integers(0, 2, (N, 2)).astype(float)
    return {
        "ridge": (Ridge([1.0, 10.0, 100.0]), rng.standard_normal((N, 2))),
        "logistic": (BinaryLogistic([1e-3, 1e-2, 0.1]), positive),
        "patterns": (ByPattern(BinaryLogistic([0.01]), lambda y: y.any(axis=0)), positive),
        "classes": (MultinomialLogistic([0.1]), np.eye(3)[classes]),
        "tuned classes": (MultinomialLogistic([0.1, 1.0]), np.eye(3)[classes]),
        "cox": (Cox([10.0]), times[:, None]),
        "knn": (ScikitLearn("knn", {"n_neighbors": [5]}, "binary"), positive),
        "pls": (ScikitLearn("pls", {"n_components": [1, 2]}, "value"), positive),
    }


KINDS = list(everyone(np.random.default_rng(0)))


def held_out(predictor: Predictor, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    fold_of = np.arange(N) % 4
    return out_of_fold(predictor.prepared(x), x, y, Drawn(fold_of, 4, 0, 0))[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [8, 60], ids=["tall", "wide"])
def test_blocks_of_one_width_are_features_as_any_others(kind: str, width: int) -> None:
    rng = np.random.default_rng(2)
    predictor, y = everyone(rng)[kind]
    x = rng.normal(3, 2, (N, 2 * width))
    plain = held_out(predictor, x, y)
    blocks = held_out(predictor.in_blocks((width, width)), x, y)
    np.testing.assert_allclose(blocks, plain, atol=1e-6)
    one = held_out(predictor.in_blocks((2 * width,)), x, y)
    assert one.tobytes() == plain.tobytes()


def test_a_block_that_says_everything_five_times_has_no_more_weight() -> None:
    rng = np.random.default_rng(3)
    narrow, other = rng.normal(size=(N, 6)), rng.normal(size=(N, 30))
    y = narrow[:, :1] - other[:, :1] + rng.normal(size=(N, 1))
    once, repeated = np.hstack([narrow, other]), np.hstack([*[narrow] * 5, other])
    # A penalty is relative to the number of features.
    expected = held_out(Ridge([36.0]).in_blocks((6, 30)), once, y)
    found = held_out(Ridge([60.0]).in_blocks((30, 30)), repeated, y)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def by_hand(train: np.ndarray, widths: tuple[int, ...]) -> ColumnTransformer | StandardScaler:
    """Standardise each block and divide it so that all have the same share of the variance."""
    if len(widths) == 1:
        return StandardScaler()
    ends, varies = np.cumsum(widths), np.ptp(train, axis=0) > 0
    blocks = {f"{end}": slice(end - width, end) for end, width in zip(ends, widths, strict=True)}
    share = varies.sum() / len(widths)
    return ColumnTransformer(
        [(name, StandardScaler(), block) for name, block in blocks.items()],
        transformer_weights={n: np.sqrt(share / varies[b].sum()) for n, b in blocks.items()},
    )


@given(narrow=st.integers(1, 5), wide=st.integers(20, 150), seed=st.integers(0, 10**6))
@settings(max_examples=15, deadline=None)
def test_blocks_are_those_of_scikit_learns_column_transformer(
    narrow: int, wide: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x = rng.normal(1, rng.uniform(0.1, 10, narrow + wide), (N, narrow + wide))
    x[:, -3:] = 7  # constant features have no share
    signal = x[:, 0] - x[:, narrow]
    train, test, widths = slice(0, 60), slice(60, N), (narrow, wide)

    alphas = [1.0, 10.0, 100.0]
    ridge = Ridge(alphas).in_blocks(widths).fit(x[train], signal[train, None], DRAWS)
    theirs = make_pipeline(by_hand(x[train], widths), RidgeCV(sorted({*alphas, *ridge.chosen})))
    expected = theirs.fit(x[train], signal[train]).predict(x[test])
    np.testing.assert_allclose(ridge.predict(x[test])[:, 0], expected, atol=1e-6)

    classes = np.digitize(signal, np.quantile(signal, [0.3, 0.6]))
    truth, mask = np.eye(3)[classes], np.arange(N)[None] >= 60
    ours = MultinomialLogistic([0.1]).in_blocks(widths).prepared(x)
    theirs = make_pipeline(
        by_hand(x[train], widths), LogisticRegression(C=0.1, tol=1e-12, max_iter=20_000)
    )
    expected = theirs.fit(x[train], classes[train]).predict_proba(x[test])
    (found,), _ = ours.held_out(x, truth, mask, [DRAWS])
    np.testing.assert_allclose(found, expected, atol=1e-6)
    alone = ours.fit(x[train], truth[train], DRAWS).predict(x[test])
    np.testing.assert_allclose(alone, expected, atol=1e-6)

    positive = classes > 0
    near = ScikitLearn("knn", {"n_neighbors": [5]}, "binary").in_blocks(widths)
    theirs = make_pipeline(by_hand(x[train], widths), KNeighborsClassifier())
    expected = theirs.fit(x[train], positive[train]).predict_proba(x[test])[:, 1]
    found = near.fit(x[train], positive[train, None].astype(float), DRAWS).predict(x[test])
    np.testing.assert_allclose(found[:, 0], expected)


def test_a_wide_block_does_not_drown_a_narrow_one() -> None:
    rng = np.random.default_rng(4)
    age, noise = rng.normal(size=(N, 1)), rng.normal(size=(N, 400))
    x, y = np.hstack([noise, age]), age + rng.normal(0, 0.5, (N, 1))
    ridge = Ridge([10.0, 100.0, 1000.0])
    together = pearsonr(held_out(ridge, x, y)[:, 0], y[:, 0]).statistic
    blocks = pearsonr(held_out(ridge.in_blocks((400, 1)), x, y)[:, 0], y[:, 0]).statistic
    assert blocks > 0.6
    assert together < blocks - 0.2


def covariates(rng: np.random.Generator, d: int = 3) -> np.ndarray:
    """Return d features, and age and stage with a tenth missing."""
    x = np.hstack([rng.normal(size=(N, d)), rng.normal(60, 9, (N, 1)), rng.integers(0, 4, (N, 1))])
    x[rng.random(N) < 0.1, d] = np.nan
    x[rng.random(N) < 0.1, d + 1] = np.nan
    return x


def by_pandas(x: np.ndarray, train: np.ndarray, d: int) -> np.ndarray:
    """Impute and encode as anybody would."""
    age, stage = pd.Series(x[:, d]), pd.Series(x[:, d + 1])
    age = age.fillna(age[train].median())
    stage = stage.fillna(stage[train].mode()[0])
    columns = [stage == category for category in sorted(stage[train].unique())]
    return np.column_stack([x[:, :d], age, *columns]).astype(float)


@pytest.mark.parametrize("d", [0, 3, 100])
def test_covariates_are_imputed_and_encoded_by_the_training_fold(d: int) -> None:
    rng = np.random.default_rng(5)
    x = covariates(rng, d)
    x[:3, -1] = 9  # a category of the test samples alone
    y = np.nan_to_num(x[:, [d]], nan=60) / 9 + (x[:, [-1]] == 2) + rng.normal(0, 0.3, (N, 1))
    train = np.arange(N) >= 20
    widths = (d,) if d else ()
    predictor = Encoded(Ridge([1.0, 10.0]), (False, True), widths=widths)
    model = predictor.fit(x[train], y[train], DRAWS)
    encoded = by_pandas(x, train, d)
    assert not encoded[:3, d + 1 :].any()
    both = (d, encoded.shape[1] - d) if d else (encoded.shape[1],)
    pipeline = make_pipeline(by_hand(encoded[train], both), RidgeCV(sorted({1, 10, *model.chosen})))
    expected = pipeline.fit(encoded[train], y[train, 0]).predict(encoded[~train])
    np.testing.assert_allclose(model.predict(x[~train])[:, 0], expected, atol=1e-6)


@given(
    seed=st.integers(0, 10**6),
    age=st.none() | st.floats(-1e6, 1e6),
    stage=st.none() | st.integers(0, 99),
)
@settings(max_examples=25, deadline=None)
def test_what_a_test_patient_has_changes_nobody_elses_prediction(
    seed: int, age: float | None, stage: int | None
) -> None:
    rng = np.random.default_rng(seed)
    x, y = covariates(rng), rng.standard_normal((N, 1))
    predictor = Encoded(Ridge([10.0]), (False, True), widths=(3,))
    mask = np.arange(N)[None] < 20
    (before,), _ = predictor.held_out(x, y, mask, [DRAWS])
    x[0, 3:] = [np.nan if value is None else value for value in (age, stage)]
    (after,), _ = predictor.held_out(x, y, mask, [DRAWS])
    assert np.isfinite(after).all()
    assert after[1:].tobytes() == before[1:].tobytes()


def test_a_covariate_without_a_value_among_the_training_samples_says_nothing() -> None:
    rng = np.random.default_rng(6)
    x, y = covariates(rng), rng.standard_normal((N, 1))
    x[20:, 3:] = np.nan
    model = Encoded(Ridge([10.0]), (False, True), widths=(3,)).fit(x[20:], y[20:], DRAWS)
    alone = Ridge([10.0]).fit(x[20:, :3], y[20:], DRAWS)
    np.testing.assert_allclose(model.predict(x[:20]), alone.predict(x[:20, :3]), atol=1e-12)


@pytest.fixture
def study(tmp_path):
    """Two extractors and a table of covariates, of which each lacks a patient of its own."""
    rng = np.random.default_rng(7)
    names = [f"SIM-{number:03d}" for number in range(60)]
    a, b, age = rng.normal(size=(60, 20)), rng.normal(size=(60, 4)), rng.normal(60, 9, 60)
    write_pooled(tmp_path / "A.h5", a[1:], names[1:], "A")
    write_pooled(tmp_path / "B.h5", b[:-1][::-1], names[:-1][::-1], "B")
    table = pd.DataFrame({"patient": names, "age": age, "sex": np.where(a[:, 1] > 0, "f", "m")})
    table.loc[5, "age"] = np.nan
    table.drop(index=7).to_csv(tmp_path / "clinical.csv", index=False)
    found = read_covariates(tmp_path / "clinical.csv", names)
    write_covariates(found, tmp_path / "covariates.h5", tmp_path / "u.tsv", extractor="covariates")
    y = a[:, 0] + b[:, 0] + (age - 60) / 9 + rng.normal(0, 0.1, 60)
    labels = write_values(tmp_path / "labels.tsv", names, pd.DataFrame({"Y": y}))
    write_splits(
        labels, tmp_path / "splits.tsv", task="T", kind="regression",
        parameters=splitting(3), of_patches=False,
    )  # fmt: skip
    return tmp_path, y


def cross_validated(folder, *parts, files=None):
    name = "+".join(parts)
    run_block(
        [folder / f"{part}.h5" for part in files or parts], folder / "labels.tsv",
        folder / "splits.tsv", folder / f"{name}.cv.h5", parameters=PREDICTORS["expression"],
        task="T", extractor=name, parts=parts, repeats=[0], seed=3, threads=1,
    )  # fmt: skip
    with open_store(folder / f"{name}.cv.h5", "cv/2", extractor=name) as store:
        return store["predictions"][0, :, 0]


def test_features_of_several_files_are_joined_by_patient(study):
    folder, y = study
    lacking = {"A": [0], "B": [59], "covariates": [7]}
    alone = {part: cross_validated(folder, part) for part in lacking}
    everything = cross_validated(folder, "A", "B", "covariates")
    assert np.flatnonzero(np.isnan(everything)).tolist() == [0, 7, 59]
    known = np.isfinite(everything)
    score = pearsonr(everything[known], y[known]).statistic
    assert score > 0.75
    for part, predicted in alone.items():
        assert np.flatnonzero(np.isnan(predicted)).tolist() == lacking[part]
        assert pearsonr(predicted[known], y[known]).statistic < score - 0.1


def test_a_file_in_anothers_place_is_named(study):
    folder, _ = study
    with pytest.raises(HistotransferError, match=r"A\.h5: is of extractor A, expected B"):
        cross_validated(folder, "A", "B", files=["A", "A"])
