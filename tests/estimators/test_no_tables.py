"""What is given for a table and is none: a row, a column, a dictionary, texts."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from trulysparse import (
    SparseFeatureSelector,
    SparseMLPClassifier,
    SparseMLPRegressor,
    TableEncoder,
)

pd = pytest.importorskip("pandas", reason="pip install pandas")
pl = pytest.importorskip("polars", reason="pip install polars")

RNG = np.random.default_rng(0)
NUMBERS = pd.DataFrame(RNG.normal(size=(40, 3)), columns=list("abc"))
MIXED = NUMBERS.assign(t=["p", "q"] * 20)
Y = (NUMBERS["a"] > 0).to_numpy().astype(int)
QUICK = {"hidden_layer_sizes": (4,), "random_state": 0}
FITTED = {
    "numbers": SparseMLPClassifier(max_iter=2, **QUICK).fit(NUMBERS, Y),
    "mixed": SparseMLPClassifier(max_iter=2, **QUICK).fit(MIXED, Y),
    "array": SparseMLPRegressor(max_iter=2, **QUICK).fit(NUMBERS.to_numpy(), Y),
    "selector": SparseFeatureSelector(epochs=1, n_members=1, **QUICK).fit(MIXED, Y),
}
ROW = MIXED.iloc[0]
NO_TABLES = [
    (ROW, r"is a Series, one row or column: expected a table, such as frame.iloc\[\[0\]\]"),
    (NUMBERS["a"], r"is a Series, one row or column: .*frame\[\['name'\]\] of one column$"),
    (MIXED["t"], "TfidfVectorizer of scikit-learn makes numbers of texts$"),
    (pl.Series("a", [1.0, 2.0]), r"is a Series, one column: expected a table \(\w+.to_frame\(\)\)"),
    (ROW.to_dict(), r"is a dict: expected a table: pandas.DataFrame\(\[\w+\]\)$"),
    (MIXED.to_dict("list"), r"is a dict: expected a table: pandas.DataFrame\(\w+\)$"),
    (MIXED.to_dict("records"), r"has dictionaries: expected a table: pandas.DataFrame\(\w+\)$"),
]


@pytest.mark.parametrize("name", FITTED)
@pytest.mark.parametrize(("x", "message"), NO_TABLES)
def test_rows_columns_and_dictionaries(name, x, message):
    model = FITTED[name]
    before = pickle.dumps(model)
    calls = [lambda: model.fit(x, Y)]
    if name == "selector":
        calls += [lambda: model.transform(x)]
    else:
        calls += [lambda: model.predict(x), lambda: model.explain(x), lambda: model.score(x, Y)]
        calls += [lambda: model.partial_fit(x, Y)]
    for call in calls:
        with pytest.raises(TypeError, match=rf"^X {message}|^X .*{message}"):
            call()
    assert pickle.dumps(model) == before


@pytest.mark.parametrize(("x", "message"), NO_TABLES)
def test_tables_to_encode(x, message):
    encoder = TableEncoder().fit(MIXED)
    for call in (encoder.transform, TableEncoder().fit, TableEncoder().fit_transform):
        with pytest.raises(TypeError, match=rf"^frame .*{message}|^frame {message}"):
            call(x)


TEXTS = [f"some words {i}" for i in range(40)]


@pytest.mark.parametrize("kind", [SparseMLPClassifier, SparseFeatureSelector])
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (TEXTS, r"X\[0\] = 'some words 0', text: expected numbers, which TfidfVectorizer"),
        (np.array(TEXTS), r"X\[0\] = .*TfidfVectorizer of scikit-learn makes of texts$"),
        (np.array(TEXTS)[:, None], r"X\[0, 0\] = .*, or a DataFrame, whose columns of text"),
        (MIXED.to_numpy(), r"X\[0, 3\] = 'p', text: expected numbers, or a DataFrame"),
        (MIXED.to_numpy().tolist(), r"X\[0, 3\] = 'p', text: expected numbers, or a DataFrame"),
    ],
)
def test_texts(kind, x, message):
    with pytest.raises(TypeError, match=message):
        kind(**QUICK).fit(x, Y)


def test_texts_where_numbers_were_learnt():
    frame = NUMBERS.astype({"b": object}).assign(b="few")
    for model, x in ((FITTED["numbers"], frame), (FITTED["array"], MIXED.to_numpy()[:, 1:])):
        with pytest.raises(TypeError, match="text: expected numbers, as in fit"):
            model.predict(x)


# --- columns that have become empty ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "x", "columns"),
    [
        ("numbers", NUMBERS.assign(b=np.nan), "'b'"),
        ("mixed", MIXED.assign(b=np.nan, t=None), "'b', 't'"),
        ("mixed", pl.DataFrame(MIXED.assign(b=None).to_dict("list")), "'b'"),
        ("array", NUMBERS.assign(c=np.nan).to_numpy(), "'x2'"),
        ("array", sp.csr_array(NUMBERS.assign(c=np.nan).to_numpy()), "'x2'"),
    ],
)
def test_columns_that_have_become_empty(name, x, columns):
    model = FITTED[name]
    message = f"^X: all 40 cells are missing in columns of which none was in fit: {columns};"
    calls = [model.predict, model.explain, lambda x: model.score(x, Y)]
    for call in calls:
        with pytest.warns(RuntimeWarning, match=message):
            call(x)
    # A few cells, and those of one row, are no surprise: errors, as warnings are here.
    for some in (slice(0, 1), slice(0, 40)):
        part = x.copy() if hasattr(x, "copy") and not sp.issparse(x) else None
        if isinstance(part, pd.DataFrame) and some.stop > 1:
            part.iloc[0] = (MIXED if name == "mixed" else NUMBERS).iloc[0]
        if isinstance(part, pd.DataFrame):
            model.predict(part.iloc[some])


def test_columns_that_had_missing_cells_may_be_empty():
    some = MIXED.assign(b=MIXED["b"].where(MIXED["b"] > 0))
    TableEncoder().fit(some).transform(MIXED.assign(b=np.nan))
    with pytest.warns(RuntimeWarning, match="^frame: all 40 cells are missing .*: 'b';"):
        TableEncoder().fit(MIXED).transform(MIXED.assign(b=np.nan))


# --- columns without a value ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "fit",
    [
        lambda x: SparseMLPClassifier(max_iter=1, **QUICK).fit(x, Y),
        lambda x: SparseMLPRegressor(max_iter=1, **QUICK).fit(x, Y),
        lambda x: SparseFeatureSelector(epochs=1, **QUICK).fit(x),
    ],
)
def test_sparse_columns_that_are_zero_in_all_rows(fit, recwarn):
    places = np.arange(40 * 25) % 900
    rows = np.repeat(np.arange(40), 25)
    wide = sp.csr_array((np.ones(1000), (rows, 13 * places)), shape=(40, 20_000))
    said = r"19,100 of 20,000 columns are zero in all rows.*HashingVectorizer\(n_features=2\*\*11\)"
    with pytest.warns(UserWarning, match=said) as caught:
        fit(wide)
    assert [w.filename for w in caught if "zero in all" in str(w.message)] == [__file__]
    recwarn.clear()
    fit(wide[:, :9000])
    assert not [w for w in recwarn.list if "zero in all" in str(w.message)]
