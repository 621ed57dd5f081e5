"""What the columns of a table become: in every spelling the same."""

import datetime
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from hypothesis import given
from hypothesis import strategies as st
from trulysparse.tables import columns

pd = pytest.importorskip("pandas", reason="pip install pandas")
pl = pytest.importorskip("polars", reason="pip install polars")

ROWS = 40
AGES = [20, 30, None, 50] * 10
PORTS = ["S", "C", None, "S ", "Q"] * 8
TIMES = [datetime.datetime(2024, 3, 30, 7) + datetime.timedelta(hours=9 * i) for i in range(ROWS)]


def mixed(**more):
    return pd.DataFrame({"age": AGES, "port": PORTS, "when": TIMES, **more})


def same(one, other):
    np.testing.assert_array_equal(one.dense, other.dense)
    assert one.sparse.shape == other.sparse.shape
    assert (one.sparse != other.sparse).nnz == 0


def test_a_table_of_all_kinds():
    frame = mixed(
        name=[f"person {i}" for i in range(ROWS)],
        row=range(ROWS),
        empty=[None] * ROWS,
        one="x",
        member=[True, False] * 20,
    )
    encoder = ts.TableEncoder().fit(frame)
    kinds = {part.name: part.kind for part in encoder.columns_}
    assert kinds == {
        "age": "number",
        "port": "category",
        "when": "time",
        "name": "left out",
        "row": "left out",
        "empty": "left out",
        "one": "left out",
        "member": "number",
    }
    x = encoder.transform(frame)
    names = encoder.feature_names_
    assert names[:6] == ["age", "when", "member", "age is missing", "port = C", "port = Q"]
    assert x.shape == (ROWS, len(names))
    mean = np.nanmean(np.array(AGES, float))
    np.testing.assert_array_equal(x.dense[:4, 0], [20, 30, mean, 50])
    seconds = [t.replace(tzinfo=datetime.timezone.utc).timestamp() for t in TIMES]
    np.testing.assert_array_equal(x.dense[:, 1], seconds)
    table = pd.DataFrame(x.sparse.toarray(), columns=names[encoder.n_dense_ :])
    np.testing.assert_array_equal(table["age is missing"], [0, 0, 1, 0] * 10)
    np.testing.assert_array_equal(table["port = S"], [1, 0, 0, 1, 0] * 8)
    np.testing.assert_array_equal(table["port is missing"], [0, 0, 1, 0, 0] * 8)
    np.testing.assert_array_equal(table["when: month 4"], [t.month == 4 for t in TIMES])
    np.testing.assert_array_equal(table["when: weekday 7"], [t.weekday() == 6 for t in TIMES])
    np.testing.assert_array_equal(table["when: hour 16"], [t.hour == 16 for t in TIMES])
    assert "10 missing" in repr(encoder)
    assert "left out: 40 different texts" in repr(encoder)


SPELLINGS = {
    "polars": lambda f: pl.DataFrame(
        {"age": AGES, "port": PORTS, "when": TIMES}, schema_overrides={"age": pl.Int16}
    ),
    "polars categories": lambda f: pl.DataFrame(
        {"age": AGES, "port": pl.Series(PORTS, dtype=pl.Categorical), "when": TIMES}
    ),
    "nullable": lambda f: f.astype({"age": "Float64", "port": "string"}),
    "integers": lambda f: f.astype({"age": "Int64"}),
    "objects": lambda f: f.astype({"age": object, "port": object, "when": object}),
    "categories": lambda f: f.assign(port=pd.Categorical(f.port, ["S ", "Q", "S", "C", "unused"])),
    "float32": lambda f: f.astype({"age": "float32"}),
    "order": lambda f: f[["when", "age", "port"]],
    "other spellings of missing": lambda f: f.assign(
        age=pd.Series(f.age.tolist(), dtype=object).where(f.age.notna(), pd.NA),
        port=f.port.where(f.port.notna(), float("nan")),
    ),
    "blank is missing": lambda f: f.assign(port=f.port.fillna("  ")),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_the_spelling_of_a_table_changes_nothing(name):
    frame = mixed()
    other = SPELLINGS[name](frame)
    encoder = ts.TableEncoder().fit(frame)
    same(encoder.transform(other), encoder.transform(frame))
    if name != "order":
        same(ts.TableEncoder().fit(other).transform(other), encoder.transform(frame))


def test_arrow_tables():
    pa = pytest.importorskip("pyarrow", reason="pip install pyarrow")
    frame = mixed()
    encoder = ts.TableEncoder().fit(frame)
    same(encoder.transform(pa.Table.from_pandas(frame)), encoder.transform(frame))


class Capsule:
    """What only has Arrow's interface."""

    def __init__(self, frame):
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema=None):
        return self._frame.__arrow_c_stream__(requested_schema)


def test_the_capsule_interface_alone():
    frame = SPELLINGS["polars"](None)
    encoder = ts.TableEncoder().fit(Capsule(frame))
    same(encoder.transform(Capsule(frame)), encoder.transform(frame))


def test_what_was_not_there_in_training():
    encoder = ts.TableEncoder().fit(
        pd.DataFrame({"a": ["x"] * 5 + ["y"] * 5 + ["rare", "rarer"], "n": np.arange(12) % 5})
    )
    assert encoder.feature_names_ == ["n", "a = x", "a = y", "a = (other)"]
    x = encoder.transform(pd.DataFrame({"a": ["x", "new", "rare", None], "n": [1, None, 3, 4]}))
    expected = [[1, 0, 0], [0, 0, 1], [0, 0, 1], [0, 0, 0]]
    np.testing.assert_array_equal(x.sparse.toarray(), expected)
    assert x.dense[1, 0] == encoder.columns_[1].mean
    without = ts.TableEncoder().fit(pd.DataFrame({"a": ["x", "y"] * 5}))
    new = without.transform(pd.DataFrame({"a": ["z"]}))
    assert new.nnz == 0


def test_columns_are_matched_by_name():
    frame = mixed()
    encoder = ts.TableEncoder().fit(frame)
    with pytest.raises(ValueError, match="lacks columns that were there in fit: 'age'"):
        encoder.transform(frame.drop(columns="age"))
    with pytest.raises(ValueError, match="fit did not see: 'more'"):
        encoder.transform(frame.assign(more=1))
    twice = pd.concat([frame, frame[["age"]]], axis=1)
    with pytest.raises(ValueError, match="2 columns named 'age'"):
        encoder.transform(twice)
    with pytest.raises(TypeError, match=r"frame\[:, 'age'\] has dtype .*expected numbers"):
        encoder.transform(frame.assign(age="old"))
    with pytest.raises(TypeError, match=r"frame\[:, 'when'\] has dtype .*expected dates or times"):
        encoder.transform(frame.assign(when=1.0))
    with pytest.raises(ValueError, match=r"frame\[:, 'age'\], row 3: inf"):
        encoder.transform(frame.assign(age=[1, 2, 3, np.inf] * 10))


def test_what_was_learnt_is_kept():
    frame = mixed()
    encoder = ts.TableEncoder(min_count=3).fit(frame)
    for other in (
        ts.TableEncoder.from_json(encoder.to_json()),
        pickle.loads(pickle.dumps(encoder)),
    ):
        assert other.columns_ == encoder.columns_
        assert other.min_count == 3
        same(other.transform(frame), encoder.transform(frame))
    for text in ("", "[]", "{}", '{"min_count": 2, "columns": [{"kind": "number"}]}'):
        with pytest.raises(ValueError, match="no columns as"):
            ts.TableEncoder.from_json(text)
    for old, new in (('"missing": 10', '"missing": -1'), ('"Q", "S"', '"Q", "Q"')):
        assert old in encoder.to_json()
        with pytest.raises(ValueError, match="no columns as"):
            ts.TableEncoder.from_json(encoder.to_json().replace(old, new))


@given(
    numbers=st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=30),
    levels=st.lists(st.none() | st.sampled_from(["a", "b ", " b", "c", "", "ä"]), min_size=30),
    min_count=st.integers(1, 4),
)
def test_as_a_plain_encoding(numbers, levels, min_count):
    rows = len(numbers)
    levels = levels[:rows]
    frame = pd.DataFrame(
        {"keep": np.arange(rows) % 3, "n": pd.array(numbers, dtype="Float64"), "t": levels}
    )
    encoder = ts.TableEncoder(min_count=min_count).fit(frame)
    x = encoder.transform(frame)
    dense, sparse = (x.dense, x.sparse.toarray()) if isinstance(x, ts.Blocks) else (x, None)
    found = {name: dense[:, i] for i, name in enumerate(encoder.feature_names_[: dense.shape[1]])}
    if sparse is not None:
        found |= dict(zip(encoder.feature_names_[dense.shape[1] :], sparse.T, strict=True))
    known = [v for v in numbers if v is not None]
    if known and "n" in found:
        mean = np.mean(known)
        filled = [mean if v is None else v for v in numbers]
        np.testing.assert_allclose(found["n"], filled, rtol=1e-12, atol=1e-9)
    plain = [None if v is None or not v.strip() else v.strip() for v in levels]
    for name, column in found.items():
        if name.startswith("t = ") and name != "t = (other)":
            np.testing.assert_array_equal(column, [v == name[4:] for v in plain])
        if name == "t is missing":
            np.testing.assert_array_equal(column, [v is None for v in plain])
        if name == "t = (other)":
            rare = [v for v in plain if v is not None and plain.count(v) < min_count]
            np.testing.assert_array_equal(column, [v in rare for v in plain])


def test_very_many_levels():
    codes = np.random.default_rng(0).integers(100_000, size=200_000)
    frame = pl.DataFrame({"user": [f"u{c}" for c in codes]})
    encoder = ts.TableEncoder().fit(frame)
    x = encoder.transform(frame)
    assert sp.issparse(x)
    assert x.nnz == len(codes)
    counts = np.bincount(codes)
    assert x.shape == (len(codes), (counts >= 2).sum() + 1)


def test_nothing_to_learn_from():
    with pytest.raises(ValueError, match="no column says anything: 'a' left out: all cells"):
        ts.TableEncoder().fit(pd.DataFrame({"a": [None, None]}))
    with pytest.raises(ValueError, match="no rows"):
        ts.TableEncoder().fit(pd.DataFrame({"a": []}))
    with pytest.raises(TypeError, match="expected a frame of pandas or polars"):
        ts.TableEncoder().fit(np.ones((3, 2)))
    counted = ts.TableEncoder().fit(pd.DataFrame({"a": range(30)}))
    assert counted.feature_names_ == ["a"]


@given(
    items=st.lists(
        st.one_of(st.none(), st.text(alphabet="ab \u00e9\u3000", max_size=3)),
        min_size=1,
        max_size=200,
    ),
    kind=st.sampled_from([pl.String, pl.Categorical]),
)
def test_text_of_many_rows_is_read_as_that_of_few(items, kind):
    column = columns.read("x", pl.Series(items, dtype=kind))
    plain = [None if item is None or not item.strip() else item.strip() for item in items]
    found = [None if code < 0 else column.levels[code] for code in column.codes]
    assert found == plain
    assert sorted(set(column.levels)) == sorted(column.levels)


@given(
    items=st.lists(
        st.one_of(
            st.none(), st.just(float("nan")), st.just(pd.NA), st.text(alphabet="ab ", max_size=3)
        ),
        min_size=1,
        max_size=60,
    )
)
def test_text_among_objects_is_read_at_once_as_one_by_one(items):
    series = pd.Series(items, dtype=object)
    one, other = columns.read("x", series), columns.of_objects("x", series.to_numpy())
    if isinstance(one, columns.Text):
        np.testing.assert_array_equal(one.codes, other.codes)
        assert one.levels == other.levels
    else:
        np.testing.assert_array_equal(one.values, other.values)


@pytest.mark.parametrize("frame", ["mixed", "numbers", "levels", "row numbers", "polars"])
def test_fitting_and_making_samples_at_once(frame):
    table = {
        "mixed": mixed(row=range(ROWS), empty=[None] * ROWS),
        "numbers": pd.DataFrame({"a": AGES, "b": AGES[::-1]}).fillna(1),
        "levels": pd.DataFrame({"port": PORTS, "day": PORTS[::-1]}),
        "row numbers": pd.DataFrame({"row": range(ROWS), "one": ["x"] * ROWS}),
        "polars": SPELLINGS["polars"](None),
    }[frame]
    one, other = ts.TableEncoder(), ts.TableEncoder()
    made, again = one.fit_transform(table), other.fit(table).transform(table)
    assert one.to_json() == other.to_json()
    assert type(made) is type(again)
    if isinstance(made, ts.Blocks):
        same(made, again)
        made, again = made.sparse, again.sparse
    np.testing.assert_array_equal(sp.csr_array(made).toarray(), sp.csr_array(again).toarray())
    checked = sp.csr_array(sp.csr_array(made).tocoo())
    assert (checked != sp.csr_array(made)).nnz == 0
    assert len(one.feature_names_) == made.shape[1] + (one.n_dense_ if frame in BOTH else 0)


BOTH = ("mixed", "polars")


@pytest.mark.parametrize(
    ("fitted", "others"),
    [
        (pl.Series([True, False] * 20).cast(pl.String), [pl.Series([True, False] * 20)]),
        (
            pl.Series(["1.0", "2.50"] * 20),
            [pl.Series([1.0, 2.5] * 20), pl.Series(["1", "2.5"] * 20)],
        ),
        (pl.Series(["007", "010"] * 20), [pl.Series([7, 10] * 20)]),
        (pl.Series(["true", "false", "maybe", "true"] * 10), [pl.Series([True, False] * 20)]),
    ],
)
def test_levels_are_the_same_in_other_words(fitted, others):
    encoder = ts.TableEncoder().fit(pl.DataFrame({"c": fitted, "n": np.arange(40) % 7}))
    assert encoder.columns_[0].kind == "category"
    for other in others:
        made = encoder.transform(
            pl.DataFrame({"c": other, "n": np.arange(40) % 7})
        ).sparse.toarray()
        assert made.sum(axis=1).tolist() == [1.0] * 40
        assert len(np.unique(made, axis=0)) == 2


def test_levels_of_which_none_is_known_are_said():
    encoder = ts.TableEncoder().fit(pl.DataFrame({"c": ["a", "b"] * 9, "n": range(18)}))
    new = pl.DataFrame({"c": ["A", "B"] * 9, "n": range(18)})
    with pytest.warns(RuntimeWarning, match="column 'c': none of 18 cells is a level"):
        encoder.transform(new)


@pytest.mark.parametrize("cells", [["2020-01-31", "2021-12-01"], ["2020-01-31 12:30", None]])
def test_dates_as_text_are_said(cells):
    frame = pd.DataFrame({"day": cells * 5 + ["2020-02-29"], "x": np.arange(11.0) % 3})
    with pytest.warns(UserWarning, match="column 'day' has dates as text, such as '2020"):
        encoder = ts.TableEncoder().fit(frame)
    assert encoder.columns_[0].kind == "category"
    frame["day"] = pd.to_datetime(frame["day"], format="mixed")
    assert ts.TableEncoder().fit(frame).columns_[0].kind == "time"


DAYS = range(1, 29)


@pytest.mark.parametrize(
    ("cells", "remedy"),
    [
        ([f"{d:02}.07.2025" for d in DAYS], r"to_datetime\(..., dayfirst=True\) makes [^(]*$"),
        ([f"{d}.{d % 9 + 1}.2025 12:30" for d in DAYS], r"\(..., dayfirst=True\) makes [^(]*$"),
        ([f"{d}/{d % 9 + 1}/25" for d in DAYS], r"\(..., dayfirst=True\) makes [^(]*$"),
        (
            [f"{d % 9 + 1}/{d % 7 + 1}/2025" for d in DAYS],
            r"without dayfirst, if months come first",
        ),
        ([f"07-{d:02}-2025" for d in DAYS], r"pandas.to_datetime makes times"),
        ([f"2025/7/{d}" for d in DAYS], r"pandas.to_datetime makes times"),
        ([f"{d} July 2025" for d in DAYS], r"pandas.to_datetime makes times"),
        ([f"Sep {d}, 2025" for d in DAYS], r"pandas.to_datetime makes times"),
    ],
)
@pytest.mark.parametrize("times", [1, 2])
def test_dates_of_other_spellings_are_said(cells, remedy, times):
    cells = cells * times
    frame = pd.DataFrame({"day": cells, "x": np.arange(float(len(cells))) % 3})
    said = (
        f"^column 'day' has dates as text, such as '{cells[0]}', and is taken as text: .*{remedy}"
    )
    with pytest.warns(UserWarning, match=said) as caught:
        ts.TableEncoder().fit(frame)
    assert len(caught) == 1
    options = {"dayfirst": True} if "dayfirst=True" in str(caught[0].message) else {}
    frame["day"] = pd.to_datetime(frame["day"], **options)
    assert ts.TableEncoder().fit(frame).columns_[0].kind == "time"


@pytest.mark.parametrize(
    "cells",
    [
        [f"1.2.{i}" for i in range(10, 40)],  # versions
        [f"{i}.40.2025" for i in range(1, 31)],
        [f"32/1/{i}" for i in range(10, 40)],
        ["03.07.2025", "unknown"] * 15,
        [f"room {i}" for i in range(30)],
        ["the answer is yes and no", "the answer is no and yes"] * 15,  # answers of a form
        [f"Smith, Mr. John {i}" for i in range(30)],
    ],
)
def test_text_that_is_neither_dates_nor_sentences(cells, recwarn):
    ts.TableEncoder().fit(pd.DataFrame({"t": cells, "x": np.arange(30.0) % 3}))
    assert not recwarn.list


@pytest.mark.parametrize("different", [200, 150])
def test_sentences_are_said(different):
    cells = [f"it was the day {i % different} of the long journey" for i in range(200)]
    frame = pd.DataFrame({"t": cells, "x": np.arange(200.0) % 3})
    said = rf"column 't' has sentences, {different} different ones in 200 cells.*TfidfVectorizer"
    for made in (frame, pl.DataFrame(frame.to_dict("list"))):
        with pytest.warns(UserWarning, match=said) as caught:
            ts.SparseMLPClassifier((4,), max_iter=1, random_state=0).fit(made, np.arange(200) % 2)
        assert sum("sentences" in str(w.message) for w in caught) == 1


def test_instants_are_the_same_in_every_zone():
    hours = pl.datetime_range(pl.datetime(2024, 3, 30), pl.datetime(2024, 4, 2), "1h", eager=True)
    utc = pl.DataFrame({"t": hours.dt.replace_time_zone("UTC")})
    encoder = ts.TableEncoder().fit(utc)
    for zone in ("Asia/Tokyo", "Europe/Berlin", "America/New_York"):
        moved = utc.with_columns(pl.col("t").dt.convert_time_zone(zone))
        one, other = encoder.transform(utc), encoder.transform(moved)
        np.testing.assert_array_equal(one.dense, other.dense)
        assert (one.sparse != other.sparse).nnz == 0


def test_a_column_without_any_cell_is_of_every_kind():
    frame = pl.DataFrame(
        {
            "t": pl.datetime_range(
                pl.datetime(2024, 1, 1), pl.datetime(2024, 1, 20), "1d", eager=True
            ),
            "n": [float(i % 7) for i in range(20)],
            "c": ["a", "b"] * 10,
        }
    )
    encoder = ts.TableEncoder().fit(frame)
    for dtype in (pl.Null, pl.String, pl.Float64, pl.Date, pl.Boolean):
        empty = pl.DataFrame({name: pl.Series([None] * 3, dtype=dtype) for name in frame.columns})
        with pytest.warns(RuntimeWarning, match=r"all 3 cells are missing .*'t', 'n', 'c'"):
            made = encoder.transform(empty)
        np.testing.assert_array_equal(made.dense[:, 1], frame["n"].mean())
        assert made.sparse.nnz == 0
