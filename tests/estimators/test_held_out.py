"""What held-out samples decide in a fit: which features are left out, and how sure it is."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import trulysparse as ts
from sklearn.base import clone

CLASSIFIER, REGRESSOR = ts.SparseMLPClassifier, ts.SparseMLPRegressor
TRUE = [3, 50, 119]


def linear(rows=240, features=300, noise=0.5, seed=0):
    """Three of many features, and much noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, features)).astype(np.float32)
    return x, x[:, TRUE] @ [1.0, -2.0, 1.5] + noise * rng.normal(size=rows)


@pytest.fixture(scope="module")
def chosen():
    x, y = linear()
    return REGRESSOR(random_state=0).fit(x[:160], y[:160])


def test_few_features_of_many_are_found(chosen):
    x, y = linear()
    assert set(TRUE) <= set(chosen.features_used_.tolist())
    assert len(chosen.features_used_) < 40
    whole = clone(chosen).set_params(feature_selection=False).fit(x[:160], y[:160])
    assert whole.features_used_ is None
    score = chosen.score(x[160:], y[160:])
    assert score > 0.8
    assert score > whole.score(x[160:], y[160:]) + 0.1


def test_that_features_were_left_out_is_noted(chosen):
    used = chosen.features_used_
    (note,) = chosen.notes_
    assert note.startswith(f"feature_selection left out {300 - len(used)} of 300 features")
    assert f"features_used_ are x{used[0]}, x{used[1]}" in note
    x, y = linear()
    frame = pd.DataFrame(x[:160], columns=[f"gene {i}" for i in range(300)])
    named = clone(chosen).set_params(feature_selection=True).fit(frame, y[:160])
    assert ", ".join(named.feature_names_in_[named.features_used_[:3]]) in named.notes_[-1]
    assert clone(chosen).set_params(feature_selection=False).fit(x, y).notes_ == []


def test_the_others_have_no_connections(chosen):
    others = np.setdiff1d(np.arange(300), chosen.features_used_)
    weights = chosen.coefs_[0].toarray()
    assert not weights[others].any()
    assert not chosen.feature_importances_[others].any()
    assert (chosen.feature_importances_[TRUE] > 0).all()
    x, _ = linear()
    other = x.copy()
    other[:, others] = 7
    np.testing.assert_allclose(chosen.predict(x), chosen.predict(other), rtol=1e-6)


def test_they_stay_where_training_goes_on(chosen, tmp_path):
    x, y = linear()
    chosen.save(tmp_path / "m.safetensors")
    for model in (clone(chosen).fit(x[:160], y[:160]), ts.load(tmp_path / "m.safetensors")):
        assert model.features_used_.tolist() == chosen.features_used_.tolist()
        np.testing.assert_array_equal(model.predict(x), chosen.predict(x))
        model.set_params(warm_start=True, max_iter=3).fit(x[:160], y[:160])
        model.partial_fit(x[:160], y[:160])
        others = np.setdiff1d(np.arange(300), chosen.features_used_)
        assert not model.coefs_[0].toarray()[others].any()


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_no_bit(chosen, threads):
    x, y = linear()
    other = clone(chosen).set_params(n_jobs=threads).fit(x[:160], y[:160])
    np.testing.assert_array_equal(other.predict(x), chosen.predict(x))


def test_all_features_are_kept_where_all_matter():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 120))
    y = (x.sum(axis=1) > 0).astype(int)
    fitted = CLASSIFIER(random_state=0).fit(x, y)
    assert fitted.features_used_ is None or len(fitted.features_used_) > 60


@pytest.mark.parametrize(
    ("x", "settings"),
    [
        (sp.csr_array(np.eye(40)), {}),
        (np.eye(40), {"topology": None}),
        (np.eye(40), {"topology": ts.SET()}),
        (np.eye(3), {}),
    ],
)
def test_what_cannot_be_is_said(x, settings):
    y = np.arange(len(x.toarray() if sp.issparse(x) else x)) % 2
    estimator = CLASSIFIER(feature_selection=True, random_state=0, **settings)
    before = dict(vars(estimator))
    with pytest.raises(ValueError, match="feature_selection = True: expected"):
        estimator.fit(x, y)
    assert vars(estimator) == before
    with pytest.raises(ValueError, match="feature_selection = 'maybe'"):
        CLASSIFIER(feature_selection="maybe").fit(np.eye(40), np.arange(40) % 2)


def test_small_tables_too_if_asked():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(80, 30))
    y = (x[:, 4] > 0).astype(int)
    fitted = CLASSIFIER(feature_selection=True, random_state=0).fit(x, y)
    assert fitted.score(x, y) > 0.9


# --- probabilities --------------------------------------------------------------------------------


def expected_calibration_error(proba, y):
    sure, right = proba.max(axis=1), proba.argmax(axis=1) == y
    bins = np.minimum((sure * 15).astype(int), 14)
    return sum(
        (bins == k).mean() * abs(right[bins == k].mean() - sure[bins == k].mean())
        for k in range(15)
        if (bins == k).any()
    )


@pytest.mark.parametrize("noise", [0.1, 2.0])
def test_probabilities_are_as_sure_as_they_are_right(noise):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(3000, 12))
    y = (x[:, 0] + x[:, 1] + noise * rng.normal(size=3000) > 0).astype(int)
    for rows in (150, 600):
        fitted = CLASSIFIER(random_state=0).fit(x[:rows], y[:rows])
        # A quarter of 150 samples says little.
        limit = 0.1 if rows > 200 else 0.15
        assert expected_calibration_error(fitted.predict_proba(x[600:]), y[600:]) < limit


def test_the_classes_are_those_of_the_network_before():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 8))
    y = np.argmax(x[:, :3] + 0.3 * rng.normal(size=(90, 3)), axis=1)
    told = CLASSIFIER(random_state=0).fit(x, y)
    plain = CLASSIFIER(random_state=0, max_iter=told.n_iter_).fit(x, y)
    np.testing.assert_array_equal(told.predict(x), plain.predict(x))
    ratio = np.log(told.predict_proba(x)[:, 0] / told.predict_proba(x)[:, 1]) / np.log(
        plain.predict_proba(x)[:, 0] / plain.predict_proba(x)[:, 1]
    )
    np.testing.assert_allclose(ratio, np.median(ratio), rtol=1e-2)
    assert abs(np.median(ratio) - 1) > 0.02


# --- few samples ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [2, 5, 20, 21, 30])
def test_few_samples_and_rare_classes(rows):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 150))
    for y in (np.arange(rows) % 2, (np.arange(rows) == 0).astype(int), np.arange(rows) // 2):
        if len(np.unique(y)) > 1:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                fitted = CLASSIFIER(random_state=0).fit(x, y)
            assert np.isfinite(fitted.predict_proba(x)).all()
            assert fitted.score(x, y) > 0.5


def test_classes_of_one_sample_may_be_held_out():
    x, _ = linear(rows=130)
    y = np.where(np.arange(130) < 10, np.arange(130), 11)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = CLASSIFIER(random_state=0).fit(x, y)
    assert np.isfinite(fitted.predict_proba(x)).all()
    assert len(fitted.classes_) == 11
