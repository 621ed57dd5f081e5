"""One row through the estimators: the same as in a table, and its columns are checked."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from trulysparse import SparseMLPClassifier, SparseMLPRegressor
from trulysparse.estimators import _support

QUICK = {"hidden_layer_sizes": (15,), "max_iter": 3, "random_state": 0}
NAMES = [f"column {i}" for i in range(6)]
RNG = np.random.default_rng(2)
X = RNG.normal(size=(200, 6)) * (RNG.random((200, 6)) < 0.7)
TABLE = pd.DataFrame(X, columns=NAMES)
CLASSES = np.array(["no", "yes", "perhaps"])[RNG.integers(0, 3, 200)]
LABELS = RNG.integers(0, 2, (200, 4))
NUMBERS = X @ RNG.normal(size=(6, 2)) + 1000


def fitted(kind, x, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind(**QUICK).fit(x, y)


TARGETS = {
    "classes": (SparseMLPClassifier, CLASSES),
    "labels": (SparseMLPClassifier, LABELS),
    "numbers": (SparseMLPRegressor, NUMBERS),
    "one number": (SparseMLPRegressor, NUMBERS[:, 0]),
}
OF_ARRAYS = {name: fitted(kind, X, y) for name, (kind, y) in TARGETS.items()}
OF_FRAMES = {name: fitted(kind, TABLE, y) for name, (kind, y) in TARGETS.items()}
ANY = pytest.mark.parametrize("target", TARGETS)


def is_short(estimator, x):
    return _support.answer_at_once(estimator, x) is not None


@ANY
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_one_by_one_are_those_of_the_table(target, dtype):
    estimator, x = OF_ARRAYS[target], X.astype(dtype)
    whole = estimator.predict(x)
    assert is_short(estimator, x[:1])
    assert not is_short(estimator, x)
    rows = [estimator.predict(x[i : i + 1]) for i in range(len(x))]
    np.testing.assert_array_equal(np.concatenate(rows), whole)
    if isinstance(estimator, SparseMLPClassifier):
        rows = [estimator.predict_proba(x[i : i + 1]) for i in range(len(x))]
        np.testing.assert_array_equal(np.concatenate(rows), estimator.predict_proba(x))


@ANY
def test_rows_of_a_frame_are_those_of_the_table(target):
    estimator = OF_FRAMES[target]
    whole = estimator.predict(TABLE)
    assert is_short(estimator, TABLE.iloc[5:6])
    rows = [estimator.predict(TABLE.iloc[i : i + 1]) for i in range(20)]
    np.testing.assert_array_equal(np.concatenate(rows), whole[:20])
    np.testing.assert_array_equal(estimator.predict(TABLE.iloc[7:50]), whole[7:50])


@given(
    dtypes=st.lists(
        st.sampled_from(["f2", "f4", "f8", "i1", "u2", "i8", "u8", "?"]), min_size=6, max_size=6
    ),
    rows=st.integers(1, 3),
)
def test_frames_of_any_types_are_what_they_were(dtypes, rows):
    x = TABLE.abs().astype(dict(zip(NAMES, dtypes, strict=True)))
    estimator = OF_FRAMES["one number"]
    # More rows than are taken at once go the long way.
    np.testing.assert_array_equal(estimator.predict(x.iloc[:rows]), estimator.predict(x)[:rows])


@ANY
def test_columns_are_matched_by_name_and_others_refused(target):
    estimator, row = OF_FRAMES[target], TABLE.iloc[:1]
    moved = row[NAMES[::-1]]
    assert not is_short(estimator, moved)
    np.testing.assert_array_equal(estimator.predict(moved), estimator.predict(row))
    others = {
        "another name": row.rename(columns={NAMES[3]: "else"}),
        "a number": row.rename(columns={NAMES[3]: 3}),
        "one less": row[NAMES[:-1]],
        "one more": row.assign(more=1.0),
        "one twice": row[[*NAMES[:-1], NAMES[0]]],
    }
    for x in others.values():
        assert not is_short(estimator, x)
        with pytest.raises((ValueError, TypeError)):
            estimator.predict(x)
    # The same frame, renamed in place after it was taken.
    row = row.copy()
    estimator.predict(row)
    row.columns = NAMES[::-1]
    np.testing.assert_array_equal(
        estimator.predict(row), estimator.predict(row.to_numpy()[:, ::-1])
    )
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        estimator.predict(row.to_numpy())


def test_numbered_columns_are_checked_as_before():
    numbered = TABLE.set_axis(range(6), axis=1)
    estimator = fitted(SparseMLPClassifier, numbered, CLASSES)
    np.testing.assert_array_equal(
        estimator.predict(numbered.iloc[:1, ::-1]), estimator.predict(numbered.iloc[:1])
    )
    with pytest.warns(UserWarning, match="X has feature names"):
        estimator.predict(TABLE.iloc[:1])


@ANY
@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_what_is_no_number_is_refused_in_one_row(target, bad):
    array = X[:1].copy()
    array[0, 4] = bad
    frame = pd.DataFrame(array, columns=NAMES)
    if np.isnan(bad):  # the mean of training, as nothing was missing there
        array[0, 4] = OF_ARRAYS[target].model_.mean[4]
        filled = OF_ARRAYS[target].predict(array)
        array[0, 4] = bad
        np.testing.assert_array_equal(OF_ARRAYS[target].predict(array), filled)
        np.testing.assert_array_equal(OF_FRAMES[target].predict(frame), filled)
    elif bad == 1e300 and OF_ARRAYS[target].model_.clip is not None:  # as far as the limit
        far = OF_ARRAYS[target].predict(array)
        np.testing.assert_array_equal(OF_FRAMES[target].predict(frame), far)
        array[0, 4] = 1e9
        np.testing.assert_array_equal(OF_ARRAYS[target].predict(array), far)
    else:
        with pytest.raises(ValueError, match=r"[Xx]"):
            OF_ARRAYS[target].predict(array)
        with pytest.raises(ValueError, match=r"[Xx]"):
            OF_FRAMES[target].predict(frame)
    with pytest.raises((ValueError, TypeError), match=r"text|expected"):
        OF_FRAMES[target].predict(
            TABLE.iloc[:1].astype({NAMES[2]: object}).assign(**{NAMES[2]: "3"})
        )


@pytest.mark.parametrize("kind", [sp.csr_array, sp.csr_matrix])
def test_sparse_rows_one_by_one(kind):
    x = kind(X.astype(np.float32))
    estimator = fitted(SparseMLPClassifier, x, CLASSES)
    assert is_short(estimator, x[:1])
    rows = [estimator.predict_proba(x[i : i + 1]) for i in range(30)]
    np.testing.assert_array_equal(np.concatenate(rows), estimator.predict_proba(x)[:30])
    with pytest.raises(ValueError, match="features"):
        estimator.predict(x[:1, :5])


def test_a_model_that_was_compacted_keeps_the_estimators_features():
    estimator = fitted(SparseMLPClassifier, X, CLASSES)
    estimator.model_.compact(inputs=True)
    left = estimator.model_.layer_sizes[0]
    for features in {left, left - 1, 5}:
        if features != 6:
            with pytest.raises(ValueError, match=r"features|expected"):
                estimator.predict(X[:1, :features])


def test_predict_leaves_the_estimator_as_it_was():
    for estimator, row in ((OF_ARRAYS["classes"], X[:1]), (OF_FRAMES["classes"], TABLE.iloc[:1])):
        before = dict(vars(estimator))
        estimator.predict(row)
        assert vars(estimator) == before


def test_a_view_of_another_width_is_refused_without_a_look_at_its_values():
    """There are more of them than can be added up in an hour."""
    rng = np.random.default_rng(0)
    x, wrong = rng.normal(size=(30, 4)), np.broadcast_to(np.float32(1), 2**45)
    fitted = SparseMLPRegressor((5,), max_iter=2, random_state=0).fit(x, x[:, 0])
    with pytest.raises((ValueError, MemoryError)):
        fitted.predict(wrong)
    for call, name in (
        (lambda: fitted.predict(wrong[np.newaxis]), "X"),
        (lambda: fitted.explain(x, baseline=wrong), "baseline"),
    ):
        with pytest.raises(ValueError, match=f"{name} has {2**45} features, but"):
            call()
