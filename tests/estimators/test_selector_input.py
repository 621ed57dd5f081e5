"""What the selector's `transform` refuses, and features that are selected without a score."""

import warnings

import numpy as np
import pytest
import trulysparse as ts

pd = pytest.importorskip("pandas", reason="pip install pandas")

RNG = np.random.default_rng(5)
X = RNG.normal(size=(50, 6))
Y = (X[:, 2] > 0).astype(int)
NAMES = list("uvwxyz")


@pytest.fixture(scope="module")
def selector():
    return ts.SparseFeatureSelector(3, epochs=3, random_state=0).fit(X, Y)


def objects(item, columns):
    table = X[:, :columns].astype(object)
    table[4, 1] = item
    return table


def masked(columns):
    return np.ma.masked_less(X[:, :columns], -1.2)


@pytest.mark.parametrize("verb", ["transform", "inverse_transform", "fit"])
def test_what_is_no_number_is_refused_everywhere(selector, verb):
    columns = 3 if verb == "inverse_transform" else 6
    call = getattr(selector if verb != "fit" else ts.SparseFeatureSelector(3, epochs=1), verb)
    for table, match in (
        (masked(columns), "masked elements"),
        (list(masked(columns)), "masked elements"),
        (objects("2.5", columns), r"X\[4, 1\] = '2.5', text"),
        (objects(b"2", columns), r"X\[4, 1\] = b'2', bytes"),
        (objects(None, columns), r"X\[4, 1\] is missing"),
        (objects(2 + 1j, columns), r"X\[4, 1\] = .*complex"),
        (np.full((9, columns), "2021-05-01", "M8[D]"), "dates"),
        (pd.DataFrame(objects(pd.NA, columns)), r"X\[4, 1\] is missing"),
    ):
        if verb == "fit" and isinstance(table, pd.DataFrame):  # a table may have missing cells
            continue
        with pytest.raises((ValueError, TypeError), match=match):
            call(table)


def test_a_mask_without_masked_elements_is_data(selector):
    table = np.ma.masked_greater(X, 1e9)
    np.testing.assert_array_equal(selector.transform(table), selector.transform(X))


def test_frames_go_back_by_their_columns():
    frame = pd.DataFrame(X, columns=NAMES)
    selector = ts.SparseFeatureSelector(3, epochs=3, random_state=0).fit(frame, Y)
    selector.set_output(transform="pandas")
    reduced = selector.transform(frame)
    kept = selector.get_support()
    np.testing.assert_array_equal(selector.inverse_transform(reduced)[:, kept], X[:, kept])
    with pytest.raises(ValueError, match="columns in another order"):
        selector.inverse_transform(reduced.iloc[:, ::-1])
    with pytest.raises(ValueError, match=r"columns in another order|feature names"):
        selector.transform(frame.iloc[:, ::-1])
    holes = frame.astype("Float64")
    holes.iloc[7, 2] = pd.NA
    with pytest.raises(ValueError, match=r"X\[7, 'w'\] is (missing|NaN)"):
        selector.transform(holes)


@pytest.mark.parametrize("varying", [0, 1, 2])
@pytest.mark.parametrize("y", [None, Y], ids=["no y", "y"])
@pytest.mark.filterwarnings("ignore::trulysparse.ExplosionWarning")
def test_features_without_a_score_are_said(varying, y):
    table = np.full((50, 6), 7.0)
    table[:, 3 : 3 + varying] = X[:, :varying]
    selector = ts.SparseFeatureSelector(3, epochs=3, random_state=0)
    with pytest.warns(UserWarning, match=rf"3 features .* and {varying} vary in X"):
        selector.fit(table, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        ts.SparseFeatureSelector(3, epochs=3, random_state=0).fit(X, y)
