"""`SparseFeatureSelector`: what it finds, and that it is what scikit-learn expects."""

import json
import pickle
import warnings

import numpy as np
import pytest
import trulysparse as ts
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from trulysparse import SparseFeatureSelector

pd = pytest.importorskip("pandas", reason="pip install pandas")

# Two samples, and one of twice the weight, make other batches.
STOCHASTIC = dict.fromkeys(
    [f"check_sample_weight_equivalence_on_{kind}_data" for kind in ("dense", "sparse")],
    "shuffles and makes batches of the samples that there are",
)
QUICK = {"epochs": 2, "hidden_layer_sizes": (10,), "random_state": 0}


def linear(n=400, features=60, informative=(2, 17, 40, 59), seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, features)) * 10.0 ** rng.integers(-2, 3, size=features)
    standard = x / x.std(axis=0)
    return x, standard[:, list(informative)] @ [1, -1, 1, -1] > 0, list(informative)


def blocks(n=500, features=100, n_blocks=5, size=6, seed=0):
    """Blocks of features that share a hidden variable, and below them features of noise alone."""
    rng = np.random.default_rng(seed)
    hidden = np.repeat(rng.normal(size=(n, n_blocks)), size, axis=1)
    related = hidden * rng.choice([-1, 1], n_blocks * size)
    related += 0.3 * rng.normal(size=related.shape)
    return np.hstack([related, rng.normal(size=(n, features - n_blocks * size))]), n_blocks * size


@parametrize_with_checks(
    [
        SparseFeatureSelector(epochs=2, hidden_layer_sizes=(10,)),
        SparseFeatureSelector(1, epochs=1, importance="strength", standardize=False),
    ],
    expected_failed_checks=lambda _: STOCHASTIC,
)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("importance", [None, "path", "strength"])
def test_finds_the_informative_features(importance):
    for seed in range(3):
        x, y, informative = linear(seed=seed)
        selector = SparseFeatureSelector(4, importance=importance, random_state=seed).fit(x, y)
        assert selector.get_support(indices=True).tolist() == informative


def test_finds_features_that_decide_only_together():
    x = np.random.default_rng(0).normal(size=(1000, 100))
    y = np.where(x[:, 3] * x[:, 7] > 0, "same", "other")
    selector = SparseFeatureSelector(2, random_state=0).fit(x, y)
    assert selector.get_support(indices=True).tolist() == [3, 7]
    assert selector.classes_.tolist() == ["other", "same"]


def test_finds_correlated_features_without_labels():
    for seed in range(3):
        x, related = blocks(seed=seed)
        selector = SparseFeatureSelector(related, random_state=seed).fit(3 * x + 5)
        assert selector.get_support()[:related].mean() > 0.95
        model = selector.model_
        assert (model.loss, model.input_noise, model.layer_sizes) == (
            "squared_error",
            0.2,
            [100, 200, 100],
        )
        np.testing.assert_array_equal(selector.scores_, model.feature_importance("strength"))
        assert not hasattr(selector, "classes_")


def test_the_autoencoder_learns_the_standardised_inputs():
    x, _ = blocks()
    selector = SparseFeatureSelector(random_state=0, weight_decay=0, epochs=100).fit(3 * x + 5)
    moved = 3 * x + 5
    # The related third alone can be compressed: a third of the variance and more is explained.
    left = (selector.model_.predict(moved) - moved) / moved.std(axis=0)
    assert (left**2).mean() < 0.6


@pytest.mark.parametrize("labels", [False, True])
def test_same_seed_same_bits_for_any_number_of_jobs(labels):
    x, y, _ = linear()
    y = y if labels else None

    def scores(seed, n_jobs=None):
        selector = SparseFeatureSelector(epochs=3, random_state=seed, n_jobs=n_jobs).fit(x, y)
        assert selector.model_.threads == (n_jobs or 1)
        return selector.scores_.tobytes()

    assert scores(0) == scores(0, 2) == scores(0, 3) != scores(1)
    generator = np.random.RandomState(0)
    assert scores(generator) != scores(generator)


@pytest.mark.parametrize(
    ("wanted", "features", "selected"),
    [(None, 7, 3), (None, 1, 1), (3, 7, 3), (0.3, 7, 2), (0.01, 7, 1), (1.0, 7, 7), (7, 7, 7)],
)
def test_number_of_features(wanted, features, selected):
    x = np.random.default_rng(0).normal(size=(20, features))
    selector = SparseFeatureSelector(wanted, **QUICK).fit(x, np.arange(20) % 2)
    assert selector.n_features_ == selector.get_support().sum() == selected
    assert selector.transform(x).shape == (20, selected)


def test_all_features_with_a_warning_if_there_are_not_enough():
    x = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.warns(UserWarning, match="there are 3 features"):
        selector = SparseFeatureSelector(4, **QUICK).fit(x)
    assert selector.n_features_ == 3


@pytest.mark.parametrize("labels", [False, True])
def test_constant_features_come_last_however_large(labels):
    x, y, _ = linear(features=60)
    x[:, [0, 30]] = 1e9, -3
    selector = SparseFeatureSelector(58, random_state=0, epochs=5).fit(x, y if labels else None)
    assert selector.get_support(indices=True).tolist() == [*range(1, 30), *range(31, 60)]
    assert selector.scores_[[0, 30]].tolist() == [0, 0]
    assert x[0, 0] == 1e9


def test_frames_keep_their_names():
    x, y, informative = linear()
    frame = pd.DataFrame(x, columns=[f"gene {i}" for i in range(x.shape[1])])
    labels = pd.Series(np.where(y, "ill", "well"), dtype="category")
    selector = SparseFeatureSelector(4, random_state=0).set_output(transform="pandas")
    out = selector.fit_transform(frame, labels)
    names = [f"gene {i}" for i in informative]
    assert out.columns.tolist() == selector.get_feature_names_out().tolist() == names
    assert selector.feature_names_in_.tolist() == frame.columns.tolist()
    pd.testing.assert_frame_equal(out, frame[names])
    # The command line reads them from the model.
    assert json.loads(selector.model_.metadata["feature_names"]) == frame.columns.tolist()
    assert json.loads(selector.model_.metadata["class_names"]) == ["ill", "well"]


@pytest.mark.parametrize("kind", ["classes", "labels", "numbers"])
def test_columns_that_tell_nothing_are_said(kind):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 30))
    signal = np.c_[x[:, 0], x[:, 1]]
    targets = {
        "classes": lambda z: (z[:, 0] > 0).astype(int),
        "labels": lambda z: (z > 0).astype(int),
        "numbers": lambda z: z[:, 0],
    }[kind]
    selector = SparseFeatureSelector("auto", n_members=1, random_state=0)
    with pytest.warns(UserWarning, match="clearly better than a constant does") as said:
        selector.fit(x, targets(rng.normal(size=(60, 2))))
    assert said[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        selector.fit(x, targets(signal))


def test_transform_there_and_back():
    x, y, informative = linear()
    selector = SparseFeatureSelector(4, random_state=0)
    with pytest.raises(NotFittedError):
        selector.transform(x)
    small = selector.fit(x, y).transform(x)
    np.testing.assert_array_equal(small, x[:, informative])
    back = selector.inverse_transform(small)
    np.testing.assert_array_equal(back[:, informative], small)
    assert not np.delete(back, informative, axis=1).any()
    assert selector.feature_importances_ is selector.scores_


def test_in_a_search_over_a_pipeline():
    x, y, _ = linear()
    pipeline = make_pipeline(
        StandardScaler(), SparseFeatureSelector(random_state=0), LogisticRegression()
    )
    grid = {"sparsefeatureselector__n_features_to_select": [1, 4]}
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=1).fit(x, y)
    assert search.best_params_ == {"sparsefeatureselector__n_features_to_select": 4}
    assert search.best_score_ > 0.85


def test_pickles_and_clones():
    x, y, _ = linear()
    selector = SparseFeatureSelector(4, **QUICK).fit(x, y)
    again = pickle.loads(pickle.dumps(selector))
    assert again.scores_.tobytes() == selector.scores_.tobytes()
    assert again.model_.predict(x).tobytes() == selector.model_.predict(x).tobytes()
    assert clone(selector).get_params() == selector.get_params()
    assert not hasattr(clone(selector), "model_")


def test_fit_without_labels_forgets_the_labels():
    x, y, _ = linear()
    selector = SparseFeatureSelector(4, **QUICK).fit(x, y)
    assert not hasattr(selector.fit(x), "classes_")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_features_to_select": 0}, "n_features_to_select = 0"),
        ({"n_features_to_select": 1.5}, "n_features_to_select = 1.5"),
        ({"n_features_to_select": "half"}, "n_features_to_select = 'half'"),
        ({"n_features_to_select": True}, "n_features_to_select = True"),
        ({"hidden_layer_sizes": 5.5}, "hidden_layer_sizes = 5.5"),
        ({"hidden_layer_sizes": (0,)}, "layer_sizes"),
        ({"epsilon": 0}, "epsilon"),
        ({"importance": "gini"}, "importance = 'gini'"),
        ({"noise": -1}, "^noise = -1"),
        ({"activation": "swish"}, "activation = 'swish'"),
        ({"dropout": 1}, "dropout"),
        ({"epochs": 0}, "epochs = 0"),
        ({"batch_size": 0}, "batch_size"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"weight_decay": -1}, "weight_decay"),
        ({"zeta": 1}, "zeta"),
        ({"standardize": "yes"}, "standardize"),
        ({"learning_rate": 1e9}, "training diverged: expected a learning_rate lower than"),
    ],
)
@pytest.mark.parametrize("labels", [False, True])
def test_mistakes_are_named(parameters, message, labels):
    x, y, _ = linear(n=40, features=60)
    selector = SparseFeatureSelector(**({"epochs": 5} | parameters))
    with pytest.raises((ValueError, TypeError), match=message):
        selector.fit(x, y if labels else None)
    with pytest.raises(NotFittedError):
        selector.get_support()


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros(40, int), "one class"),
        (np.zeros(40), "one value"),
        (np.arange(39), "inconsistent numbers of samples"),
        (np.zeros((40, 2), int), r"one value, \[0, 0\]"),
        (np.arange(80).reshape(40, 2), r"shape \(40, 2\).*task='regression'"),
        (np.array(["a", None] * 20, dtype=object), r"y: row 1 is missing"),
        (np.where(np.arange(40) == 3, np.nan, 1.5), r"y: row 3 is missing"),
    ],
)
def test_wrong_labels(y, message):
    with pytest.raises(ValueError, match=message):
        SparseFeatureSelector(**QUICK).fit(linear(n=40)[0], y)


def test_what_is_not_there_is_an_error():
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        ts.Nonsense  # noqa: B018


def test_the_old_module_warns():
    with pytest.warns(DeprecationWarning, match="has moved to trulysparse.estimators"):
        from trulysparse.feature_selection import SparseFeatureSelector as old
    assert old is SparseFeatureSelector


def test_the_documented_example_runs():
    import doctest

    from trulysparse.estimators import _selector

    result = doctest.testmod(_selector)
    assert result.failed == 0
    assert result.attempted > 0
