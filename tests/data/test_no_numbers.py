"""What is no number in a table: refused, with the row, the column and a remedy."""

import datetime
import decimal
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts

pd = pytest.importorskip("pandas", reason="pip install pandas")

ROWS = 24
NUMBERS = np.random.default_rng(3).normal(size=(ROWS, 2))
LABELS = np.arange(ROWS) % 2
TIMES = pd.date_range("2021-05-01", periods=ROWS, freq="7h")
NAT = pd.Series(TIMES).where(np.arange(ROWS) != 5)
WAITS = NAT - TIMES[0]


def column(values):
    """A frame with two columns of numbers and this one between them."""
    return pd.DataFrame({"speed": NUMBERS[:, 0], "odd": values, "load": NUMBERS[:, 1]})


def with_gap(values, gap):
    values = list(values)
    values[5] = gap
    return values


def model():
    return ts.SparseMLP([3, 6, 2], seed=0, threads=1)


def fit_model(x):
    model().fit(x, LABELS, epochs=1, progress=False)


CALLS = {
    "SparseMLP.fit": fit_model,
    "SparseMLP.predict": lambda x: model().predict(x),
    "SparseMLP.train_on_batch": lambda x: model().train_on_batch(x, LABELS),
    "SparseMLP, validation": lambda x: model().fit(
        np.ones((4, 3)), [0, 1, 0, 1], validation_data=(x, LABELS), progress=False
    ),
    "SparseMLP, batches": lambda x: model().fit(iter([(x, LABELS)]), steps_per_epoch=1, epochs=1),
    "classifier": lambda x: ts.SparseMLPClassifier(max_iter=1).fit(x, LABELS),
    "classifier, partial": lambda x: ts.SparseMLPClassifier().partial_fit(x, LABELS),
    "regressor": lambda x: ts.SparseMLPRegressor(max_iter=1).fit(x, NUMBERS[:, 0]),
    "classifier, validation": lambda x: ts.SparseMLPClassifier(max_iter=1).fit(
        column(NUMBERS[:, 1]), LABELS, X_val=x, y_val=LABELS
    ),
    "classifier, predict": lambda x: (
        ts.SparseMLPClassifier(max_iter=1).fit(column(NUMBERS[:, 1]), LABELS).predict(x)
    ),
    "selector": lambda x: ts.SparseFeatureSelector(epochs=1).fit(x, LABELS),
    "selector, no labels": lambda x: ts.SparseFeatureSelector(epochs=1).fit(x),
}
MISSING = {
    "NaN": with_gap(NUMBERS[:, 0], np.nan),
    "None": with_gap(NUMBERS[:, 0], None),
    "None among objects": pd.Series(with_gap(NUMBERS[:, 0], None), dtype=object),
    "NA of integers": pd.array(with_gap(range(ROWS), None), dtype="Int64"),
    "NA of floats": pd.array(with_gap(NUMBERS[:, 0], None), dtype="Float64"),
    "NA of booleans": pd.array(with_gap(LABELS == 1, None), dtype="boolean"),
    "NaN of decimals": with_gap(map(decimal.Decimal, range(ROWS)), decimal.Decimal("NaN")),
    "NaT among objects": pd.Series(with_gap(NUMBERS[:, 0], pd.NaT), dtype=object),
}
OTHER = {
    "text": (
        ["left", "right"] * (ROWS // 2),
        r"\[0, 'odd'\] = 'left', text.*(TableEncoder|as in fit)",
    ),
    "text among numbers": (with_gap(NUMBERS[:, 0], "n/a"), r"\[5, 'odd'\] = 'n/a', text"),
    "text of pandas": (
        pd.array(["left", "right"] * (ROWS // 2), dtype="string"),
        r"\[0, 'odd'\] = 'left', text",
    ),
    "categories": (pd.Categorical(["a", "b"] * (ROWS // 2)), r"\[:, 'odd'\] has categories"),
    "categories of numbers": (pd.Categorical([7, 8] * (ROWS // 2)), r"\[:, 'odd'\] has categories"),
    "dates": (
        TIMES,
        r"\[:, 'odd'\] has dates \(dtype datetime64.*expected numbers, such as the seconds",
    ),
    "dates with a zone": (TIMES.tz_localize("UTC"), r"\[.*'odd'\].*(dates|time).*seconds"),
    "dates with NaT": (NAT, r"\[:, 'odd'\] has dates .*NaT at \[5\]"),
    "durations": (TIMES - TIMES[0], r"\[:, 'odd'\] has durations"),
    "durations with NaT": (WAITS, r"\[:, 'odd'\] has durations .*NaT at \[5\]"),
    "periods": (TIMES.to_period("D"), r"\[0, 'odd'\] = .*a time"),
    "days": ([datetime.date(2021, 5, 1)] * ROWS, r"\[0, 'odd'\] = .*a time"),
    "complex": (NUMBERS[:, 0] + 1j, r"\[:, 'odd'\] has complex numbers"),
    "lists": ([[1.0]] * ROWS, r"\[0, 'odd'\] = "),
}


# They take columns of other things, and missing numbers.
TABLES = ("classifier", "classifier, partial", "regressor", "selector", "selector, no labels")
NO_TABLES = [call for call in CALLS if call not in TABLES]
# What was trained on numbers takes the mean where one is missing.
FILLS = "classifier, predict"


@pytest.mark.parametrize("call", TABLES)
@pytest.mark.parametrize("name", [*MISSING, *OTHER])
def test_estimators_take_tables_as_they_are(call, name):
    table = column(MISSING[name] if name in MISSING else OTHER[name][0])
    if name in ("complex", "lists"):
        with pytest.raises(TypeError, match=r"X\[:, 'odd'\]"):
            CALLS[call](table)
    else:
        CALLS[call](table)


@pytest.mark.parametrize("call", NO_TABLES)
@pytest.mark.parametrize("name", MISSING)
def test_missing_values_of_frames_are_named(call, name):
    if call == FILLS and name in ("NaN", "None"):
        CALLS[call](column(MISSING[name]))
        return
    with pytest.raises(ValueError, match=r"\[5, 'odd'\] is (NaN|missing).*fill it in"):
        CALLS[call](column(MISSING[name]))


@pytest.mark.parametrize("call", NO_TABLES)
@pytest.mark.parametrize("name", OTHER)
def test_columns_of_other_things_are_named(call, name):
    values, match = OTHER[name]
    with pytest.raises(TypeError, match=match):
        CALLS[call](column(values))


@pytest.mark.parametrize("call", CALLS)
def test_numbers_of_extension_types_are_numbers(call):
    for values in (
        pd.array(range(ROWS), dtype="Int64"),
        pd.array(NUMBERS[:, 0], dtype="Float64"),
        pd.array(LABELS == 1, dtype="boolean"),
        pd.Series(list(NUMBERS[:, 0]), dtype=object),
        pd.arrays.SparseArray(LABELS),
        pd.Series([decimal.Decimal(i) / 4 for i in range(ROWS)]),
    ):
        CALLS[call](column(values))


def test_frames_of_extension_types_train_as_arrays():
    values = np.random.default_rng(1).integers(0, 9, size=ROWS)
    frame = column(pd.array(values, dtype="Int64")).assign(load=LABELS == 1)
    array = np.c_[NUMBERS[:, 0], values, LABELS]
    assert model().predict(frame).tobytes() == model().predict(array).tobytes()


def objects(value):
    array = np.c_[NUMBERS, NUMBERS[:, :1]].astype(object)
    array[5, 1] = value
    return array


def masked():
    return np.ma.masked_array(
        np.c_[NUMBERS, NUMBERS[:, :1]], np.arange(ROWS * 3).reshape(-1, 3) == 16
    )


ARRAYS = {
    "durations": (np.full((ROWS, 3), 3, "m8[h]"), TypeError, r"durations .*expected numbers"),
    "durations with NaT": (
        np.full((ROWS, 3), "NaT", "m8[h]"),
        TypeError,
        r"durations \(dtype timedelta64.*NaT at \[0, 0\].*seconds",
    ),
    "dates": (np.full((ROWS, 3), "2021-05-01", "M8[D]"), TypeError, "datetime64"),
    "a duration among objects": (objects(np.timedelta64(3, "h")), TypeError, r"\[5, 1\]"),
    "NaT among objects": (objects(np.timedelta64("NaT")), (TypeError, ValueError), r"\[5, 1\]"),
    "pandas' NaT among objects": (objects(pd.NaT), (TypeError, ValueError), r"\[5, 1\]"),
    "None among objects": (objects(None), (TypeError, ValueError), r"\[5, 1\]"),
    "NaN among objects": (objects(np.nan), ValueError, r"\[5, 1\]"),
    "NA among objects": (objects(pd.NA), (TypeError, ValueError), r"\[5, 1\]"),
    "text among objects": (objects("n/a"), (TypeError, ValueError), r"\[5, 1\].*n/a"),
    "NaN": (objects(np.nan).astype(float), ValueError, r"\[5, 1\].*(NaN|nan)"),
    "infinity": (objects(np.inf).astype(float), ValueError, r"\[5, 1\].*inf"),
    "beyond float32": (
        objects(1e39).astype(float),
        ValueError,
        r"\[5, 1\] = 1e\+39|1e39 in row 5, column 1",
    ),
    "masked": (masked(), ValueError, "masked"),
    "a list of masked rows": (list(masked()), ValueError, "masked"),
    "a list with None": (objects(None).tolist(), (TypeError, ValueError), r"\[5, 1\]"),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_of_other_things_are_named(call, name):
    values, kind, match = ARRAYS[name]
    if name == "NaN" and call in (*TABLES, "classifier, predict"):
        CALLS[call](values)
        return
    if call in ("classifier, validation", "classifier, predict"):
        fitted = ts.SparseMLPClassifier(max_iter=1, clip=None)  # a far value is as the limit else
        train = np.c_[NUMBERS, NUMBERS[:, :1]]

        def run(x):
            if call == "classifier, predict":
                return fitted.fit(train, LABELS).predict(x)
            return fitted.fit(train, LABELS, X_val=x, y_val=LABELS)
    else:
        run = CALLS[call]
    with pytest.raises(kind, match=match):
        run(values)


@pytest.mark.parametrize("kind", ["csr", "csc", "coo"])
def test_missing_values_of_sparse_tables_are_missing(kind):
    table = sp.csr_array(np.where(np.abs(NUMBERS) > 0.5, NUMBERS, 0))
    _, col = table.nonzero()
    table.data[3] = np.nan
    given = getattr(sp, f"{kind}_array")(table)
    for call in (
        lambda x: ts.SparseMLPClassifier(max_iter=1).fit(x, LABELS),
        lambda x: ts.SparseMLPRegressor(max_iter=1).fit(x, NUMBERS[:, 0]),
    ):
        assert [part.missing for part in call(given).columns_] == [col[3] == 0, col[3] == 1]
    selector = ts.SparseFeatureSelector(2, epochs=1).fit(given, LABELS)
    assert len(selector.scores_) == 2


TARGETS = {
    "NaN": np.where(np.arange(ROWS) == 5, np.nan, LABELS),
    "None": np.array(with_gap(LABELS, None), dtype=object),
    "NA": pd.array(with_gap(LABELS, None), dtype="Int64"),
    "text and None": np.array(with_gap(["a", "b"] * (ROWS // 2), None), dtype=object),
    "categories": pd.Series(with_gap(["a", "b"] * (ROWS // 2), None), dtype="category"),
    "masked": np.ma.masked_array(LABELS, np.arange(ROWS) == 5),
    "durations": WAITS.to_numpy(),
}


@pytest.mark.parametrize("name", TARGETS)
def test_missing_targets_are_named(name):
    y, x = TARGETS[name], np.c_[NUMBERS, NUMBERS[:, :1]]
    for call in (
        lambda: ts.SparseMLPClassifier(max_iter=1).fit(x, y),
        lambda: ts.SparseMLPClassifier(max_iter=1).partial_fit(x, y),
        lambda: ts.SparseMLPClassifier(max_iter=1).fit(x, LABELS, X_val=x, y_val=y),
        lambda: ts.SparseMLPRegressor(max_iter=1).fit(x, y),
        lambda: model().fit(x, y, epochs=1, progress=False),
        lambda: model().evaluate(x, y),
    ):
        with pytest.raises(
            (ValueError, TypeError), match=r"y(_val)?: row 5 is missing|masked|durat"
        ):
            call()


def test_weights_are_numbers():
    x = np.c_[NUMBERS, NUMBERS[:, :1]]
    for weight, match in (
        (np.ma.masked_array(np.ones(ROWS), np.arange(ROWS) == 5), "masked"),
        (np.full(ROWS, 3, "m8[s]"), "timedelta64"),
        (with_gap(np.ones(ROWS), np.nan), r"sample_weight\[5\]|NaN"),
        (pd.array(with_gap(np.ones(ROWS), None), dtype="Float64"), r"sample_weight\[5\]"),
    ):
        for call in (
            lambda w=weight: ts.SparseMLPClassifier(max_iter=1).fit(x, LABELS, w),
            lambda w=weight: ts.SparseMLPRegressor(max_iter=1).partial_fit(x, LABELS, w),
            lambda w=weight: model().fit(x, LABELS, sample_weight=w, epochs=1, progress=False),
        ):
            with pytest.raises((ValueError, TypeError), match=match):
                call()


# --- what only looks like a number ------------------------------------------------------------

LOOKS = [
    ("1.5", "'1.5'.*"),
    ("1_000", "'1_000'.*"),
    ("  7 ", "'  7 '.*"),
    ("٣", "'٣'.*"),
    (np.str_("2"), ".*2"),
    (b"1", "b'1'"),
    (bytearray(b"4"), r"bytearray\(b'4'\)"),
    (1 + 2j, r"\(1\+2j\)"),
    (np.complex64(3), ".*3"),
    ([1.0, 2.0], r"\[1.0, 2.0\]"),
    ({"a": 1}, "{'a': 1}"),
]
WHOLE = ["classifier", "classifier, partial", "regressor", "selector", "selector, no labels"]


@pytest.mark.parametrize("call", [*WHOLE, "SparseMLP.fit", "SparseMLP.predict"])
@pytest.mark.parametrize(("item", "shown"), LOOKS)
def test_cells_that_look_like_numbers_are_none(call, item, shown):
    table = objects(0.5)
    table[5, 1] = item
    with pytest.raises(TypeError, match=rf"[xX]\[5, 1\] = {shown}"):
        CALLS[call](table)
    if call in WHOLE and isinstance(item, str | bytes):
        with pytest.raises(TypeError, match=rf"X\[5, 1\] = {shown}"):
            CALLS[call](table.tolist())


@pytest.mark.parametrize("call", WHOLE)
@pytest.mark.parametrize("kind", ["U", "S"])
def test_arrays_of_text_are_no_numbers(call, kind):
    text = np.arange(ROWS * 3).reshape(-1, 3).astype(kind)
    for table in (text, text.tolist(), text.astype(object)):
        with pytest.raises(TypeError, match=r"X\[0, 0\] = .*(text|bytes)"):
            CALLS[call](table)


@pytest.mark.parametrize(("item", "shown"), LOOKS)
def test_targets_that_look_like_numbers_are_none(item, shown):
    x, y = np.c_[NUMBERS, NUMBERS[:, :1]], NUMBERS[:, 0].astype(object)
    y[5] = item
    for call in (
        lambda: ts.SparseMLPRegressor(max_iter=1).fit(x, y),
        lambda: ts.SparseMLPRegressor(max_iter=1).fit(x, NUMBERS[:, 0], X_val=x, y_val=y),
        lambda: ts.SparseFeatureSelector(task="regression", epochs=1).fit(x, y),
    ):
        with pytest.raises(TypeError, match=rf"y(_val)?\[5\] = {shown}"):
            call()


def test_objects_that_are_numbers_are_targets():
    x = np.c_[NUMBERS, NUMBERS[:, :1]]
    y = np.array([decimal.Decimal(i) if i % 2 else float(i) for i in range(ROWS)], object)
    fits = [
        ts.SparseMLPRegressor(max_iter=2, random_state=0).fit(x, targets).predict(x)
        for targets in (y, y.astype(float))
    ]
    np.testing.assert_array_equal(*fits)


# --- in words ---------------------------------------------------------------------------------


def test_ragged_rows_are_named():
    rows = [list(row) for row in np.c_[NUMBERS, NUMBERS[:, :1]]]
    rows[7] = rows[7][:2]
    as_objects = np.empty(ROWS, object)
    as_objects[:] = rows
    for call in (*WHOLE, "SparseMLP.fit", "SparseMLP.predict"):
        with pytest.raises(ValueError, match=r"[xX] is ragged: .* length 3, and row 7 2"):
            CALLS[call](rows)
    for call in WHOLE:
        with pytest.raises(ValueError, match=r"X is ragged: .* length 3, and row 7 2"):
            CALLS[call](as_objects)
    x = np.c_[NUMBERS, NUMBERS[:, :1]]
    for fit in (
        lambda: ts.SparseMLPRegressor(max_iter=1).fit(x, rows),
        lambda: ts.SparseMLPClassifier(max_iter=1).fit(x, rows),
        lambda: model().fit(x, rows, progress=False),
    ):
        with pytest.raises(ValueError, match=r"y is ragged: .* row 7"):
            fit()


def test_what_numpy_cannot_read_of_polars_is_named():
    pl = pytest.importorskip("polars", reason="pip install polars")
    frame = pl.DataFrame({name: list(range(ROWS)) for name in "abc"})
    wide = frame.with_columns(pl.col("b").cast(pl.Int128))
    x = np.c_[NUMBERS, NUMBERS[:, :1]]
    for table, match in ((frame.lazy(), r"LazyFrame: .*collect\(\)"), (wide, r"Int128.*Int64")):
        for call in (*WHOLE, "SparseMLP.fit", "SparseMLP.predict", "SparseMLP, validation"):
            with pytest.raises(TypeError, match=match):
                CALLS[call](table)
        for fit in (
            lambda y=table: ts.SparseMLPRegressor(max_iter=1).fit(x, y),
            lambda y=table: model().fit(x, y, progress=False),
            lambda y=table: ts.SparseMLPClassifier(max_iter=1).fit(x, LABELS, y),
        ):
            with pytest.raises(TypeError, match=match):
                fit()


@pytest.mark.parametrize("fill", [0.0, 1.0, np.nan])
def test_sparse_columns_of_any_fill_value_are_numbers(fill):
    table = np.c_[NUMBERS, NUMBERS[:, :1]].round() + 1
    frame = pd.DataFrame(
        {name: pd.arrays.SparseArray(table[:, i], fill_value=fill) for i, name in enumerate("abc")}
    )
    options = {"max_iter": 2, "random_state": 0, "standardize": True, "topology": "set"}
    options["clip"] = None  # which arrays have, and sparse samples have not
    fits = [
        ts.SparseMLPClassifier(**options, optimizer="sgd").fit(x, LABELS).predict_proba(x)
        for x in (frame, table)
    ]
    np.testing.assert_allclose(*fits, atol=1e-5)
    if fill != 0:
        np.testing.assert_array_equal(*fits)


@pytest.mark.parametrize("size", [1.0001e150, 1e200, 1e307])
def test_huge_targets_are_refused_before_anything_is_said(size):
    x = np.c_[NUMBERS, NUMBERS[:, :1]]
    y = NUMBERS[:, 0].copy()
    y[5] = size
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for fit in (
            ts.SparseMLPRegressor(max_iter=1).fit,
            ts.SparseMLPRegressor(max_iter=1).partial_fit,
            ts.SparseFeatureSelector(epochs=1).fit,
        ):
            for targets in (y, np.c_[NUMBERS[:, 0], y]):
                with pytest.raises(ValueError, match=r"y = 1.*in row 5.*expected numbers up to"):
                    fit(x, targets)


def test_what_scikit_learn_would_print_whole_is_said_in_a_line():
    x = np.random.default_rng(0).normal(size=(ROWS, 3))
    fitted = ts.SparseMLPClassifier(max_iter=1, random_state=0).fit(x, LABELS)
    for call in (fitted.fit, lambda x, y: fitted.predict(x), ts.SparseFeatureSelector(1).fit):
        with pytest.raises(ValueError, match=r"^X has dtype complex128: .*expected reals$"):
            call(x + 1j, LABELS)
    with pytest.raises(ValueError, match=r"^X = 3\.0: expected a 2D array"):
        fitted.predict(3.0)
    for explain in (fitted.explain, fitted.model_.explain):
        for baseline in (0, None):
            with pytest.raises(
                TypeError, match=r"^baseline = (0|None): expected 'mean' or 'zero', or"
            ):
                explain(x, baseline=baseline)


def test_infinities_of_both_signs_are_an_error_and_no_warning():
    x = np.random.default_rng(0).normal(size=(ROWS, 3))
    x[2, 1], x[3, 1] = np.inf, -np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=r"^X\[2, 1\] = inf"):
            ts.SparseMLPClassifier(max_iter=1).fit(x, LABELS)
