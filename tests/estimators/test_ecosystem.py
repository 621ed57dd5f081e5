"""The estimators where people use them: scikit-learn's checks, searches, frames, files."""

import copy
import io
import json
import pickle
import subprocess
import sys
from collections import Counter

import joblib
import numpy as np
import pytest
import trulysparse as ts
from helpers import cases, limits
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.datasets import load_iris
from sklearn.feature_selection import SelectFromModel
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from trulysparse import SparseMLPClassifier, SparseMLPRegressor

QUICK = {"hidden_layer_sizes": (20,), "max_iter": 5, "random_state": 0}
STOCHASTIC = (
    "shuffles and makes batches of the samples that there are: two samples and one of twice the "
    "weight take other steps, as with scikit-learn's MLPs"
)
BY_NAME = "demands an error for columns in another order, which are matched by name"
# The expectations that are not met; samples of weight 0 are as good as absent, which the tests of
# the estimators show, and so do `test_labels_of_columns.py` for other columns than in fit.
EXPECTED = {
    "check_dataframe_column_names_consistency": BY_NAME,
    "check_sample_weight_equivalence_on_dense_data": STOCHASTIC,
    "check_sample_weight_equivalence_on_sparse_data": STOCHASTIC,
}
# And one that early stopping cannot, on the 50 samples of noise that the check has.
STOPPING = {
    "check_class_weight_classifiers": (
        "of five samples held out only those two of the heavy class count, and the first network "
        "that is right about both is kept: nobody says that it gives this class to all others"
    )
}


def expected(estimator):
    """Give the checks that fail, and why."""
    return EXPECTED | (STOPPING if estimator.early_stopping else {})


# Otherwise as they are; the long lane has the epochs of the defaults too.
FEWER = cases.some({"max_iter": 50}, {})
DEFAULTS = [SparseMLPClassifier(**FEWER), SparseMLPRegressor(**FEWER)]
OTHERS = [
    SparseMLPClassifier((20, 10), activation="relu", early_stopping=True, max_iter=30),
    SparseMLPRegressor((20, 10), activation="tanh", early_stopping=True, max_iter=60),
    SparseMLPClassifier(20, optimizer=ts.SGD(0.005), topology=None, standardize=False),
    SparseMLPRegressor(20, density=0.5, max_iter=60),
]
EVERY = cases.some(2, 1)


def sampled(checks):
    """Keep one in `EVERY` checks of the others: those that one skips, the next of its kind has."""
    (names, found), chosen, seen = checks.args, [], Counter()
    places = {repr(estimator): place // 2 for place, estimator in enumerate(OTHERS)}
    for case in found:
        estimator = repr(getattr(case, "values", case)[0])
        place = places.get(estimator)
        if place is None or (seen[estimator] + place) % EVERY == 0:
            chosen.append(case)
        seen[estimator] += 1
    assert set(seen) == {*map(repr, DEFAULTS), *places}
    return pytest.mark.parametrize(names, chosen, **checks.kwargs)


@pytest.mark.cases
@sampled(parametrize_with_checks([*DEFAULTS, *OTHERS], expected_failed_checks=expected))
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True)


def linear(n=300, features=20, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, features))
    return x, 3 * x[:, 2] - x[:, 7]


def test_kinds():
    assert is_classifier(SparseMLPClassifier())
    assert is_regressor(SparseMLPRegressor())


def test_cross_validation_in_processes_and_alone_agrees(iris):
    pipeline = make_pipeline(StandardScaler(), SparseMLPClassifier(max_iter=30, random_state=0))
    scores = cross_val_score(pipeline, *iris, cv=3, n_jobs=2)
    np.testing.assert_array_equal(scores, cross_val_score(pipeline, *iris, cv=3))
    assert scores.mean() > 0.9


def test_search_over_a_pipeline_in_processes():
    pipeline = make_pipeline(StandardScaler(), SparseMLPRegressor(max_iter=20, random_state=0))
    grid = {
        "sparsemlpregressor__learning_rate_init": [1e-6, 0.05],
        "sparsemlpregressor__topology": [None, ts.SET(0.2)],
    }
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2).fit(*linear())
    assert search.best_params_["sparsemlpregressor__learning_rate_init"] == 0.05
    assert search.best_score_ > 0.8


def test_cross_validated_probabilities(iris):
    proba = cross_val_predict(SparseMLPClassifier(**QUICK), *iris, method="predict_proba")
    assert proba.shape == (150, 3)


def test_selects_features_for_others():
    x, y = linear()
    selector = SelectFromModel(
        SparseMLPRegressor(max_iter=50, weight_decay=1e-3, random_state=0),
        threshold=-np.inf,
        max_features=2,
    ).fit(x, y)
    assert selector.get_support(indices=True).tolist() == [2, 7]


@pytest.mark.parametrize("estimator", [SparseMLPClassifier, SparseMLPRegressor])
def test_pickles_copies_and_clones(estimator, iris, tmp_path):
    x, y = iris
    fitted = estimator(**QUICK, n_jobs=2).fit(x, y)
    expected = fitted.predict(x).tobytes()
    joblib.dump(fitted, tmp_path / "estimator.joblib")
    stream = io.BytesIO(pickle.dumps(fitted))
    for again in (
        pickle.load(stream),
        copy.deepcopy(fitted),
        joblib.load(tmp_path / "estimator.joblib"),
    ):
        assert again.predict(x).tobytes() == expected
        assert again.loss_curve_ == fitted.loss_curve_
        assert again.history_.history == fitted.history_.history
        assert again.partial_fit(x, y).n_iter_ == 6  # and goes on
    fresh = clone(fitted)
    assert fresh.get_params() == fitted.get_params()
    assert not hasattr(fresh, "model_")
    assert not hasattr(fresh, "coefs_")
    assert fresh.fit(x, y).predict(x).tobytes() == expected


def test_pandas_frames_keep_their_names(iris):
    pd = pytest.importorskip("pandas", reason="pip install pandas")
    x, y = iris
    frame = pd.DataFrame(x, columns=["a", "b", "c", "d"])
    names = pd.Series(np.array(["setosa", "versicolor", "virginica"])[y], dtype="category")
    check_frames(frame, names, x, y)
    classifier = SparseMLPClassifier(**QUICK).fit(frame, names)
    np.testing.assert_array_equal(
        classifier.predict_proba(frame[["b", "a", "d", "c"]]), classifier.predict_proba(frame)
    )
    for wrong in (
        frame[["b", "a", "c"]],
        frame.assign(e=1.0),
        frame.set_axis(list("abce"), axis=1),
    ):
        with pytest.raises(ValueError, match="feature names should match"):
            classifier.predict(wrong)
    with pytest.raises(ValueError, match="2 columns named 'a'"):
        classifier.predict(frame[["a", "a", "c", "d"]])


def test_polars_frames_keep_their_names(iris):
    pl = pytest.importorskip("polars", reason="pip install polars")
    x, y = iris
    frame = pl.DataFrame(x, schema=["a", "b", "c", "d"])
    names = pl.Series(np.array(["setosa", "versicolor", "virginica"])[y])
    check_frames(frame, names, x, y)


def check_frames(frame, names, x, y):
    classifier = SparseMLPClassifier(**QUICK).fit(frame, names, X_val=frame, y_val=names)
    assert classifier.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    assert classifier.classes_.tolist() == ["setosa", "versicolor", "virginica"]
    plain = SparseMLPClassifier(**QUICK).fit(x, y, X_val=x, y_val=y)
    expected = classifier.classes_[plain.predict(x)]
    assert classifier.predict(frame).tolist() == expected.tolist()
    # The command line reads them from the model.
    assert json.loads(classifier.model_.metadata["feature_names"]) == ["a", "b", "c", "d"]
    assert json.loads(classifier.model_.metadata["class_names"]) == list(classifier.classes_)
    numbers = SparseMLPRegressor(**QUICK).fit(frame, x[:, :2])
    assert numbers.feature_names_in_.tolist() == ["a", "b", "c", "d"]
    assert numbers.predict(frame).shape == (150, 2)


def test_what_takes_long_to_import_is_imported_when_asked_for():
    script = """
import sys
import trulysparse as ts
names = {"SparseMLPClassifier", "SparseMLPRegressor", "SparseFeatureSelector"}
seen = {name for name in dir(ts) if name[0] != "_"}
public = {name for name in ts.__all__ if name[0] != "_"}
assert names <= public and seen == public | {"datasets", "names", "plot"}
assert all(name in ts.__doc__ for name in names)
assert not any(name.split(".")[0] in ("sklearn", "tqdm", "matplotlib") for name in sys.modules)
assert "scipy.sparse" not in sys.modules and not hasattr(ts, "nonsense")
from trulysparse import *
for name in names:
    assert globals()[name].__name__ == name
    assert getattr(ts, name) is getattr(ts.estimators, name)
assert "sklearn" in sys.modules and "matplotlib" not in sys.modules
assert ts.datasets.load_digits and ts.plot.learning_curves
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=limits.CHILD)


@pytest.mark.parametrize("estimator", [SparseMLPClassifier, SparseMLPRegressor])
def test_documentation_is_complete(estimator):
    """Every parameter and attribute is described, and no placeholder is left."""
    doc = estimator.__doc__
    for text in (doc, *(getattr(estimator, name).__doc__ for name in ("fit", "partial_fit"))):
        assert "<" not in text.replace("<=", "")
        assert "{" not in text
    assert "\nX_val, y_val\n" in estimator.fit.__doc__
    for name in estimator().get_params():
        assert f"\n{name}\n" in doc, name
    fitted = estimator(**QUICK).fit(*load_iris(return_X_y=True))
    public = [name for name in vars(fitted) if name.endswith("_") and not name.startswith("_")]
    for name in [*public, "coefs_", "intercepts_", "feature_importances_", "neuron_importances_"]:
        assert f"{name}," in doc or f"{name} :" in doc, name


def test_the_documented_examples_run():
    import doctest

    from trulysparse.estimators import _classifier, _regressor

    for module in (_classifier, _regressor):
        result = doctest.testmod(module)
        assert result.failed == 0
        assert result.attempted > 4
