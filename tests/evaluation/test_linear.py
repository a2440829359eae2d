"""Ridge and logistic regression against scikit-learn, brute force and their own minima."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, RidgeCV
from sklearn.model_selection import LeaveOneOut, PredefinedSplit
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from histotransfer.evaluation.cross_validation import Drawn, out_of_fold
from histotransfer.evaluation.predictors.binary_logistic import BinaryLogistic
from histotransfer.evaluation.predictors.lbfgs import minimise
from histotransfer.evaluation.predictors.multinomial_logistic import MultinomialLogistic
from histotransfer.evaluation.predictors.predictor import Draws
from histotransfer.evaluation.predictors.ridge import Ridge
from histotransfer.evaluation.predictors.rotation import Rotation
from histotransfer.evaluation.predictors.softmax import Softmax

ALPHAS = [1e-2, 1e0, 1e1, 1e2, 1e3, 1e4]
SHAPES = pytest.mark.parametrize(("n", "d"), [(60, 200), (90, 25)], ids=["wide", "tall"])


def features(rng, n, d):
    """Few factors, unequal scales, skewed values and a constant: as deep features are."""
    factors = rng.standard_normal((n, 12)) @ rng.standard_normal((12, d))
    x = np.maximum(factors + rng.standard_normal((n, d)), -1) * rng.uniform(0.01, 10, d)
    x[:, 3] = 0.1
    return x.astype(np.float32).astype(float)


DRAWS = Draws(seed=1, repeat=0, fold=0)


def fitted(predictor, x, y, n_test=20):
    """Fit on all but the last samples and predict these; also return what was chosen."""
    model = predictor.fit(x[:-n_test], np.asarray(y[:-n_test], dtype=float), DRAWS)
    return model.predict(x[-n_test:]), model.chosen


def multinomial(x, classes, fold_of, n_classes, c):
    predictor = MultinomialLogistic([c]).prepared(x)
    truth = np.eye(n_classes)[classes]
    return out_of_fold(predictor, x, truth, Drawn(fold_of, int(fold_of.max()) + 1, 0, 0))[0]


def standardised(train, test):
    scaler = StandardScaler().fit(train)
    return scaler.transform(train), scaler.transform(test)


def widened(grid, chosen):
    """Return a grid with what was chosen beyond its edges."""
    return sorted({*grid, *np.atleast_1d(chosen).tolist()})


def tuned_by_scikit_learn(ladder: list[float], inner: np.ndarray) -> Pipeline:
    """Build the obvious pipeline: the C of a ladder is chosen on given inner folds."""
    return make_pipeline(
        StandardScaler(),
        LogisticRegressionCV(
            Cs=ladder, cv=PredefinedSplit(inner), scoring="neg_log_loss",
            l1_ratios=(0.0,), use_legacy_attributes=False, tol=1e-10, max_iter=20_000,
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("n", "d", "noise"), [(60, 200, 1.0), (60, 200, 30.0), (90, 25, 0.0), (90, 25, 1.0)]
)
def test_a_multinomial_c_is_chosen_as_by_scikit_learn(n, d, noise):
    """Within the grid, at its lower end, above its upper one, and at that."""
    rng = np.random.default_rng(5)
    x = features(rng, n, d)
    signal = x[:, 5] / x[:, 5].std() + noise * rng.standard_normal(n)
    classes = signal.argsort().argsort() * 3 // n
    ladder = [1e-3, 1e-2, 1e-1]
    train, truth = x[:-20], np.eye(3)[classes]
    predictor = MultinomialLogistic(ladder)
    model = predictor.fit(train, truth[:-20], DRAWS)
    c = model.chosen[0]
    assert (model.chosen == c).all()
    inner = DRAWS.inner_folds(classes[:-20])
    theirs = tuned_by_scikit_learn(widened(ladder, c), inner).fit(train, classes[:-20])
    assert np.atleast_1d(theirs[-1].C_)[0] == c
    alone = make_pipeline(StandardScaler(), LogisticRegression(C=c, tol=1e-12, max_iter=20_000))
    expected = alone.fit(train, classes[:-20]).predict_proba(x[-20:])
    np.testing.assert_allclose(model.predict(x[-20:]), expected, atol=1e-6)
    masks = np.zeros((1, n), dtype=bool)
    masks[0, -20:] = True
    (held_out,), chosen = predictor.prepared(x).held_out(x, truth, masks, [DRAWS])
    np.testing.assert_array_equal(held_out, model.predict(x[-20:]))
    np.testing.assert_array_equal(chosen, [model.chosen])


def test_a_c_is_chosen_though_an_inner_fold_has_a_class_of_its_own():
    rng = np.random.default_rng(6)
    x, classes = rng.standard_normal((30, 5)), np.array([0, 1] * 14 + [1, 2])
    model = MultinomialLogistic([1e-2, 1.0]).fit(x, np.eye(3)[classes], DRAWS)
    assert np.isfinite(model.chosen).all()
    np.testing.assert_allclose(model.predict(x).sum(axis=1), 1)


@given(n=st.integers(3, 12), d=st.integers(1, 20), seed=st.integers(0, 10**6))
@settings(max_examples=50)
def test_rotation_keeps_every_inner_product_and_nothing_else(n, d, seed):
    rng = np.random.default_rng(seed)
    raw, raw_test = rng.normal(2, 3, (n, d)), rng.normal(2, 3, (4, d))
    train, test = standardised(raw, raw_test)
    rotation = Rotation.of(raw)
    z = rotation.train
    assert z.shape[1] <= min(n - 1, d)
    np.testing.assert_allclose(z @ z.T, train @ train.T, atol=1e-8)
    np.testing.assert_allclose(rotation.apply(raw_test) @ z.T, test @ train.T, atol=1e-8)
    np.testing.assert_allclose(z.T @ z, np.diag(rotation.power), atol=1e-8)
    np.testing.assert_allclose(rotation.apply(raw), z, atol=1e-8)


@SHAPES
def test_ridge_is_scikit_learns_pipeline(n, d):
    rng = np.random.default_rng(1)
    x = features(rng, n, d)
    y = x[:, :7] @ rng.standard_normal((7, 30)) + rng.normal(0, np.geomspace(0.1, 1e3, 30), (n, 30))
    predictions, chosen = fitted(Ridge(ALPHAS), x, y)
    theirs = make_pipeline(
        StandardScaler(), RidgeCV(widened(ALPHAS, chosen), alpha_per_target=True)
    )
    theirs.fit(x[:-20].astype(float), y[:-20])
    np.testing.assert_array_equal(chosen, theirs[-1].alpha_)
    assert len(set(chosen)) > 2
    assert not set(chosen) <= set(ALPHAS)
    np.testing.assert_allclose(predictions, theirs.predict(x[-20:].astype(float)), rtol=1e-6)


def test_the_penalty_is_that_of_least_error_when_each_sample_is_left_out_in_turn():
    rng = np.random.default_rng(2)
    x = features(rng, 40, 60)
    y = rng.standard_normal((20, 5)) + x[:20, 5:10] / x[:20, 5:10].std(axis=0)
    z, _ = standardised(x[:20], x[20:])
    z = z[:, z.any(axis=0)]
    chosen = Ridge(ALPHAS).fit(x[:20], y, DRAWS).chosen
    alphas = widened(ALPHAS, chosen)
    errors = np.zeros((len(alphas), 5))
    for train, test in LeaveOneOut().split(z):
        centre = z[train].mean(axis=0)
        a, b = z[train] - centre, z[test] - centre
        for i, alpha in enumerate(alphas):
            dual = np.linalg.solve(a @ a.T + alpha * np.eye(19), y[train] - y[train].mean(axis=0))
            errors[i] += ((y[train].mean(axis=0) + b @ a.T @ dual - y[test]) ** 2)[0]
    np.testing.assert_array_equal(chosen, np.array(alphas)[errors.argmin(axis=0)])


@SHAPES
def test_logistic_is_scikit_learns_pipeline(n, d):
    rng = np.random.default_rng(3)
    x = features(rng, n, d)
    signal = x[:, 5:9] / x[:, 5:9].std(axis=0) * [3, 1, 0.3, 0] + rng.standard_normal((n, 4))
    y = (signal > np.quantile(signal, [0.5, 0.6, 0.75, 0.8], axis=0).diagonal()).astype(int)
    ladder = [1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    probabilities, chosen = fitted(BinaryLogistic(ladder), x, y)
    for j in range(4):
        cs = widened(ladder, chosen[j])
        theirs = tuned_by_scikit_learn(cs, DRAWS.inner_folds(y[:-20, j]))
        theirs.fit(x[:-20].astype(float), y[:-20, j])
        assert chosen[j] == theirs[-1].C_
        expected = theirs.predict_proba(x[-20:].astype(float))[:, 1]
        np.testing.assert_allclose(probabilities[:, j], expected, atol=1e-6)
    assert len(set(chosen)) > 1


@pytest.mark.parametrize("noise", [0.2, 0.7, 3.0], ids=["easy", "hard", "hopeless"])
@SHAPES
def test_multinomial_is_scikit_learns_pipeline(n, d, noise):
    rng = np.random.default_rng(4)
    x = features(rng, 2 * n, d)
    classes = (x[:, 5:9] / x[:, 5:9].std(axis=0) + rng.normal(0, noise, (2 * n, 4))).argmax(axis=1)
    fold_of = rng.permutation(2 * n) % 3
    probabilities = multinomial(x, classes, fold_of, 4, 0.1)
    for fold in range(3):
        test = fold_of == fold
        theirs = make_pipeline(
            StandardScaler(),
            LogisticRegression(C=0.1, solver="newton-cg", tol=1e-8, max_iter=1000),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a line search that rounding ends
            theirs.fit(x[~test].astype(float), classes[~test])
        expected = theirs.predict_proba(x[test].astype(float))
        np.testing.assert_allclose(probabilities[test], expected, atol=1e-6)


def test_a_repeat_of_many_decided_samples_is_fitted_as_well():
    """Where most samples are left out of the Hessian, and folds share decompositions."""
    rng = np.random.default_rng(8)
    codes = np.arange(1200) % 5
    x = rng.normal(size=(5, 20))[codes] + rng.standard_normal((1200, 20))
    fold_of = rng.permutation(1200) % 4
    counted = []
    inner = Softmax._undecided

    def count(self, probabilities, left_out):
        rows, weights = inner(self, probabilities, left_out)
        counted.append(len(rows))
        return rows, weights

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Softmax, "_undecided", count)
        probabilities = multinomial(x, codes, fold_of, 5, 100.0)
    assert min(counted) < 600
    assert 0.9 < (probabilities.argmax(axis=1) == codes).mean() < 1
    test = fold_of == 2
    theirs = make_pipeline(
        StandardScaler(), LogisticRegression(C=100, solver="newton-cg", tol=1e-8, max_iter=1000)
    ).fit(x[~test], codes[~test])
    np.testing.assert_allclose(probabilities[test], theirs.predict_proba(x[test]), atol=1e-6)


def test_few_decided_samples_of_many_features_take_few_steps():
    """A sample left out of the Hessian may be all that bends the loss along its direction."""
    rng = np.random.default_rng(11)
    codes = np.arange(160) % 9
    factors = 2 * rng.normal(size=(9, 200))[codes] + rng.standard_normal((160, 200))
    x = factors / np.arange(1, 201) ** 2 @ rng.standard_normal((200, 900))
    steps = 0
    inner = Softmax._step

    def count(*args):
        nonlocal steps
        steps += 1
        return inner(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Softmax, "_step", count)
        multinomial(x, codes, rng.permutation(160) % 5, 9, 10.0)
    assert steps / 5 < 20


@pytest.mark.parametrize("d", [8, 90])
def test_a_class_without_training_samples_gets_probability_zero(d):
    rng = np.random.default_rng(5)
    classes = np.array([0, 2, 3, 0, 2, 3, 0, 2, 3, 4] * 4)
    fold_of = np.where(classes == 4, 0, np.arange(40) % 2)
    probabilities = multinomial(rng.normal(size=(40, d)), classes, fold_of, 5, 1.0)
    tested = fold_of == 0
    assert (probabilities[:, 1] == 0).all()
    assert (probabilities[tested, 4] == 0).all()
    assert (probabilities[~tested, 4] > 0).all()
    assert (probabilities[:, [0, 2, 3]] > 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_a_multinomial_model_predicts_as_its_training_fold_was_predicted():
    rng = np.random.default_rng(9)
    for d in (20, 200):
        x = features(rng, 120, d)
        codes = (x[:, 5:9] / x[:, 5:9].std(axis=0) + rng.normal(0, 1, (120, 4))).argmax(axis=1)
        fold_of = rng.permutation(120) % 3
        together = multinomial(x, codes, fold_of, 5, 0.1)
        train = fold_of != 1
        model = MultinomialLogistic([0.1]).fit(x[train], np.eye(5)[codes[train]], DRAWS)
        np.testing.assert_allclose(model.predict(x[~train]), together[~train], atol=1e-6)
        assert (model.chosen == 0.1).all()


def test_constant_features_predict_the_mean_and_the_prevalence():
    train, test = np.full((20, 7), 0.1), np.arange(35.0).reshape(5, 7)
    y = np.arange(20.0)[:, None]
    np.testing.assert_allclose(Ridge(ALPHAS).fit(train, y, DRAWS).predict(test), 9.5)
    positive = (np.arange(20) < 6)[:, None].astype(float)
    model = BinaryLogistic([0.1, 1]).fit(train, positive, DRAWS)
    np.testing.assert_allclose(model.predict(test), 0.3, rtol=1e-5)
    for x in (np.full((40, 7), 0.1), np.full((40, 70), 0.1)):
        classes, fold_of = (np.arange(40) % 20 < 6).astype(int), np.arange(40) // 20
        probabilities = multinomial(x, classes, fold_of, 2, 1.0)
        np.testing.assert_allclose(probabilities[:, 1], 0.3, rtol=1e-5)


@given(seed=st.integers(0, 10**6), p=st.integers(1, 8), columns=st.integers(1, 6))
@settings(max_examples=50)
def test_minimise_finds_the_minimum_of_every_column(seed, p, columns):
    rng = np.random.default_rng(seed)
    curvature = 10 ** rng.uniform(-2, 0, (p, columns))
    minimum = rng.standard_normal((p, columns))

    def bowls(x):
        away = x - minimum
        value = (curvature * (np.sqrt(1 + away**2) - 1)).sum(axis=0)
        return value, curvature * away / np.sqrt(1 + away**2)

    found = minimise(bowls, np.zeros((p, columns)))
    np.testing.assert_allclose(found, minimum, atol=1e-3)


def test_ridge_is_scikit_learns_pipeline_on_real_tables(realdata):
    """Expression of TCGA-LUAD: 15 genes in TPM from 1,555 genes' z-scores of the same patients."""
    z = pd.read_csv(realdata / "tables" / "porpoise_tcga_luad_all_clean.csv.zip", low_memory=False)
    z = z.drop_duplicates("case_id").set_index("case_id").filter(like="_rnaseq").dropna(axis=1)
    tpm = pd.read_csv(realdata / "tables" / "luad_tpm_21genes_589samples.csv")
    tpm = tpm[tpm["sample_type_name"] == "Primary Tumor"].drop_duplicates("case_barcode")
    tpm = np.log2(tpm.set_index("case_barcode").iloc[:, 3:18] + 1)
    cases = sorted(set(z.index) & set(tpm.index))
    assert len(cases) > 300
    x, y = z.loc[cases].to_numpy(dtype=float), tpm.loc[cases].to_numpy(dtype=float)
    alphas = [1e1, 1e2, 1e3, 1e4]
    model = Ridge(alphas).fit(x[60:], y[60:], DRAWS)
    predictions, chosen = model.predict(x[:60]), model.chosen
    wider = RidgeCV(widened(alphas, chosen), alpha_per_target=True)
    theirs = make_pipeline(StandardScaler(), wider)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of constant genes
        theirs.fit(x[60:], y[60:])
    np.testing.assert_array_equal(chosen, theirs[-1].alpha_)
    np.testing.assert_allclose(predictions, theirs.predict(x[:60]), atol=1e-6)


def test_logistic_is_scikit_learns_pipeline_on_real_tables(realdata):
    """Mutation of four genes in TCGA-LUAD from 1,555 genes' z-scores of the same patients."""
    z = pd.read_csv(realdata / "tables" / "porpoise_tcga_luad_all_clean.csv.zip", low_memory=False)
    z = z.drop_duplicates("case_id").set_index("case_id").filter(like="_rnaseq").dropna(axis=1)
    mutated = pd.read_csv(realdata / "tables" / "luad_mutation_status_10genes.csv")
    mutated.index = mutated["SAMPLE_ID"].str[:12]
    mutated = mutated[~mutated.index.duplicated()]
    cases = sorted(set(z.index) & set(mutated.index))
    assert len(cases) > 400
    x = z.loc[cases].to_numpy(dtype=float)
    y = mutated.loc[cases, ["TP53", "STK11", "EGFR", "SETBP1"]].to_numpy()
    ladder = [1e-5, 1e-4, 1e-3, 1e-2]
    model = BinaryLogistic(ladder).fit(x[90:], y[90:].astype(float), DRAWS)
    probabilities, chosen = model.predict(x[:90]), model.chosen
    for j in range(4):
        cs = widened(ladder, chosen[j])
        theirs = tuned_by_scikit_learn(cs, DRAWS.inner_folds(y[90:, j]))
        theirs.fit(x[90:], y[90:, j])
        assert chosen[j] == theirs[-1].C_
        expected = theirs.predict_proba(x[:90])[:, 1]
        np.testing.assert_allclose(probabilities[:, j], expected, atol=1e-6)
