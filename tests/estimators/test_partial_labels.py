"""Estimators of labels that are missing or sparse, and the types of labels that come back."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold, cross_val_score
from sklearn.utils.class_weight import compute_class_weight
from trulysparse import SparseMLPClassifier, SparseMLPRegressor, load
from trulysparse.estimators import _partial

pytestmark = pytest.mark.filterwarnings("ignore::trulysparse.ExplosionWarning")

RNG = np.random.default_rng(5)
X = RNG.normal(size=(120, 5))
LABELS = (X[:, :3] + 0.2 * RNG.normal(size=(120, 3)) > 0.3).astype(float)
LABELS[RNG.random(LABELS.shape) < 0.25] = np.nan
VALUES = 50 + 9 * X[:, :3]
VALUES[np.isnan(LABELS)] = np.nan
QUICK = {"hidden_layer_sizes": 8, "max_iter": 3, "random_state": 0}
KINDS = [(SparseMLPClassifier, LABELS), (SparseMLPRegressor, VALUES)]


def stored(y):
    """The same as a matrix that stores what is not 0, NaN too."""
    return sp.csr_array(y)


# --- scores -------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [None, RNG.random(120)])
def test_r2_is_the_mean_over_outputs_of_what_is_there(weight):
    fitted = SparseMLPRegressor(**QUICK).fit(X, VALUES)
    predicted = fitted.predict(X)
    assert np.isfinite(predicted).all()
    parts = []
    for k in range(3):
        some = ~np.isnan(VALUES[:, k])
        of_some = None if weight is None else weight[some]
        parts.append(r2_score(VALUES[some, k], predicted[some, k], sample_weight=of_some))
    for y in (VALUES, stored(VALUES)):
        assert np.isclose(fitted.score(X, y, weight), np.mean(parts))


@pytest.mark.parametrize("weight", [None, RNG.random(120)])
def test_a_sample_is_right_by_the_labels_that_are_there(weight):
    fitted = SparseMLPClassifier(**QUICK).fit(X, LABELS)
    right = ((fitted.predict(X) == LABELS) | np.isnan(LABELS)).all(axis=1)
    known = ~np.isnan(LABELS).all(axis=1)
    assert not known.all()
    of_known = None if weight is None else weight[known]
    expected = np.average(right[known], weights=of_known)
    for y in (LABELS, stored(LABELS)):
        assert np.isclose(fitted.score(X, y, weight), expected)


@pytest.mark.parametrize(("kind", "y"), KINDS)
def test_early_stopping_holds_some_out(kind, y):
    fitted = [
        kind(**QUICK, early_stopping=True, validation_fraction=0.3).fit(X, targets)
        for targets in (y, stored(y))
    ]
    for found in fitted:
        assert found.best_validation_score_ == max(found.validation_scores_)
    np.testing.assert_allclose(*(found.validation_scores_ for found in fitted), rtol=1e-4)


@pytest.mark.parametrize(("kind", "y"), KINDS)
def test_rows_without_labels_are_left_out(kind, y):
    some = ~np.isnan(y).all(axis=1)
    outputs = [
        kind(**QUICK).fit(X[rows], y[rows]).model_.predict(X) for rows in (some, slice(None))
    ]
    np.testing.assert_array_equal(*outputs)
    with pytest.raises(ValueError, match="y_val: all labels are missing"):
        kind(**QUICK).fit(X, y, X_val=X[:3], y_val=np.full((3, 3), np.nan))


@pytest.mark.parametrize(("kind", "y"), KINDS)
def test_cross_validation(kind, y):
    folds = KFold(3, shuffle=True, random_state=0)
    assert np.isfinite(cross_val_score(kind(**QUICK), X, y, cv=folds)).all()


@pytest.mark.parametrize(("kind", "y"), KINDS)
@pytest.mark.parametrize("of", [np.asarray, stored])
def test_a_file_predicts_the_same(kind, y, of, tmp_path):
    fitted = kind(**QUICK).fit(X, of(y))
    fitted.save(tmp_path / "it.safetensors")
    again = load(tmp_path / "it.safetensors")
    assert type(again.predict(X)) is type(fitted.predict(X))
    found, expected = (
        p.toarray() if sp.issparse(p) else p for p in (again.predict(X), fitted.predict(X))
    )
    np.testing.assert_array_equal(found, expected)
    assert again.score(X, of(y)) == fitted.score(X, of(y))


# --- weights of classes -------------------------------------------------------------------------


@given(st.integers(0, 99), st.floats(0, 0.9))
def test_balanced_weights_are_those_of_the_labels_that_are_there(seed, share):
    rng = np.random.default_rng(seed)
    y = (rng.random((40, 4)) < rng.random(4)).astype(float)
    y[rng.random(y.shape) < share] = np.nan
    y[0] = 1
    expected = np.ones(40)
    for column in y.T:
        known = ~np.isnan(column)
        classes = np.unique(column[known])
        weights = compute_class_weight("balanced", classes=classes, y=column[known])
        for value, weight in zip(classes, weights, strict=True):
            expected[column == value] *= weight
    for targets in (y, stored(y)):
        np.testing.assert_allclose(_partial.class_weights("balanced", targets), expected)


def test_weights_of_many_labels_stay_finite():
    y = sp.random_array((50, 20_000), density=0.001, rng=RNG, format="csr")
    y.data[:] = 1
    weights = _partial.class_weights("balanced", y)
    assert np.isfinite(weights).all()
    assert weights.max() == 1


def test_dictionaries_for_each_label():
    weights = [{0: 1.0, 1: 3.0}, {1: 0.5}, {0: 0}]
    expected = np.ones(120)
    for k, of_label in enumerate(weights):
        for value, weight in of_label.items():
            expected[LABELS[:, k] == value] *= weight
    for y in (LABELS, stored(LABELS)):
        np.testing.assert_allclose(_partial.class_weights(weights, y), expected)
        SparseMLPClassifier(**QUICK, class_weight=weights).fit(X, y)


# --- types of labels ----------------------------------------------------------------------------


def series():
    pd = pytest.importorskip("pandas", reason="pip install pandas")
    yes, count = X[:, 0] > 0, np.where(X[:, 0] > 0, 7, 2)
    text = np.where(yes, "in", "out")
    yield pd.Series(yes, dtype="boolean"), bool, [False, True]
    yield pd.array(yes, dtype="boolean"), bool, [False, True]
    yield pd.DataFrame({"y": pd.Series(yes, dtype="boolean")}), bool, [False, True]
    yield pd.Series(yes).astype("category"), bool, [False, True]
    yield yes.astype(object), bool, [False, True]
    yield pd.Series(count, dtype="Int64"), np.int64, [2, 7]
    yield pd.Series(count, dtype="UInt8"), np.uint8, [2, 7]
    yield pd.Series(count).astype("category"), np.int64, [2, 7]
    yield count.astype(object), np.int64, [2, 7]
    yield pd.Series(text, dtype="string"), object, ["in", "out"]
    levels = ["unseen", "out", "in", "never"]
    yield pd.Series(pd.Categorical(text, categories=levels)), object, ["in", "out"]
    pl = pytest.importorskip("polars", reason="pip install polars")
    yield pl.Series(yes), bool, [False, True]
    yield pl.Series(count, dtype=pl.UInt8), np.uint8, [2, 7]
    yield pl.Series(text), None, ["in", "out"]
    yield pl.Series(text, dtype=pl.Categorical), object, ["in", "out"]
    yield pl.Series(text, dtype=pl.Enum(levels)), object, ["in", "out"]


def test_classes_keep_the_type_of_labels(tmp_path):
    for y, dtype, classes in series():
        for fit in ("fit", "partial_fit"):
            fitted = getattr(SparseMLPClassifier(**QUICK), fit)(X, y)
            assert fitted.classes_.tolist() == classes
            assert dtype is None or fitted.classes_.dtype == dtype, y
            predicted = fitted.predict(X)
            assert predicted.dtype == fitted.classes_.dtype
            assert set(predicted.tolist()) <= set(classes)
            assert 0 <= fitted.score(X, y) <= 1
            fitted.partial_fit(X, y)
        fitted.save(tmp_path / "it.safetensors")
        again = load(tmp_path / "it.safetensors")
        assert again.classes_.dtype == fitted.classes_.dtype
        np.testing.assert_array_equal(again.predict(X), fitted.predict(X))


def gaps():
    pd = pytest.importorskip("pandas", reason="pip install pandas")

    def with_gap(values):
        return [None if i == 31 else value for i, value in enumerate(values)]

    yes, count, text = [True, False] * 60, [3, 9] * 60, ["a", "b"] * 60
    yield pd.Series(with_gap(yes), dtype="boolean")
    yield pd.Series(with_gap(count), dtype="Int64")
    yield pd.Series(with_gap(text), dtype="string")
    yield pd.Series(with_gap(text), dtype="category")
    yield pd.DataFrame({"y": with_gap(text)})
    pl = pytest.importorskip("polars", reason="pip install polars")
    yield from (pl.Series(with_gap(values)) for values in (yes, count, text))
    yield pl.Series(with_gap(text), dtype=pl.Categorical)
    yield pl.DataFrame({"y": with_gap(text)})


def test_a_missing_label_is_named_with_its_row():
    for y in gaps():
        for call in (
            SparseMLPClassifier(**QUICK).fit,
            SparseMLPClassifier(**QUICK).partial_fit,
            SparseMLPClassifier(**QUICK).fit(X, [0, 1] * 60).score,
        ):
            with pytest.raises(ValueError, match=r"^y: row 31 is missing \(.*\): expected a label"):
                call(X, y)


def test_labels_of_several_types_are_refused():
    y = np.array([True, "no"] * 60, dtype=object)
    with pytest.raises(TypeError, match="y has labels of the types bool, str: expected one"):
        SparseMLPClassifier(**QUICK).fit(X, y)
