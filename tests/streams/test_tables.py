"""Parquet files by blocks of rows: what is learnt is that of the whole table."""

import datetime
from pathlib import Path

import numpy as np
import pytest
import trulysparse as ts
from helpers import cases
from hypothesis import given, settings
from hypothesis import strategies as st
from trulysparse.tables.gradual import Gradual

pl = pytest.importorskip("polars", reason="pip install 'trulysparse[tables]'")

ROWS = 2000


def table(seed: int = 0) -> "pl.DataFrame":
    rng = np.random.default_rng(seed)
    size = rng.normal(size=ROWS) * 3 + 5
    weight = pl.Series(rng.integers(0, 60, ROWS).astype(float))
    start = datetime.datetime(2020, 1, 30, 22)
    return pl.DataFrame(
        {
            "key": [f"k{i}" for i in range(ROWS)],
            "row": np.arange(ROWS),
            "size": size,
            "weight": weight.set(pl.Series(rng.random(ROWS) < 0.1), None),
            "port": [None if i % 11 == 0 else "xyz"[i % 3] + " " * (i % 2) for i in range(ROWS)],
            "when": [start + datetime.timedelta(hours=3 * i) for i in range(ROWS)],
            "ok": rng.random(ROWS) < 0.5,
            "label": np.where(size > 5, "big", "small"),
            "price": size * 100 + 1e5,
        }
    )


def opened(folder: Path, frame, label="label", drop=("price",), **how) -> ts.RowBlocks:
    frame.write_parquet(folder / "t.parquet", row_group_size=333)
    return ts.open_table(folder / "t.parquet", label=label, drop=list(drop), **how)


def test_columns_become_what_they_become_in_memory(tmp_path):
    frame = table()
    x = frame.drop("label", "price")
    encoder = ts.TableEncoder().fit(x)
    rows = opened(tmp_path, frame, buffer_rows=150)
    assert rows.columns_.to_json() == encoder.to_json()
    assert rows.shape == (ROWS, len(encoder.feature_names_))
    assert rows.feature_names == encoder.feature_names_
    assert rows.classes.tolist() == ["big", "small"]


def test_one_buffer_gives_the_bits_of_the_table(tmp_path):
    frame = table()
    x = ts.TableEncoder().fit_transform(frame.drop("label", "price"))
    y = (frame["label"] == "small").to_numpy().astype(int)
    models = []
    for buffer_rows in (ROWS, 300):
        rows = opened(tmp_path, frame, buffer_rows=buffer_rows)
        for given_x, given_y in ((x, y), (rows, None)):
            model = ts.SparseMLP([x.shape[1], 20, 2], standardize="auto", seed=1)
            model.fit(given_x, given_y, epochs=2, progress=False)
            models.append(model)
    whole, one, _, many = models
    assert np.array_equal(whole.predict(x), one.predict(rows))
    assert np.array_equal(whole.mean, many.mean)
    assert np.array_equal(whole.scale, many.scale)
    assert many.evaluate(rows) == pytest.approx(many.evaluate(x, y), rel=1e-12)


def test_estimators_are_those_of_the_frame_and_are_saved(tmp_path):
    frame = table()
    x, names, price = frame.drop("label", "price"), frame["label"].to_list(), frame["price"]
    rows = opened(tmp_path, frame, buffer_rows=ROWS)
    whole = ts.SparseMLPClassifier(max_iter=3, random_state=0).fit(x, names)
    streamed = ts.SparseMLPClassifier(max_iter=3, random_state=0).fit(rows)
    assert whole.loss_curve_ == streamed.loss_curve_
    assert streamed.columns_ == whole.columns_
    assert streamed.feature_names_in_.tolist() == x.columns
    assert np.array_equal(streamed.predict_proba(x), whole.predict_proba(x))
    streamed.save(tmp_path / "model")
    loaded = ts.load(tmp_path / "model")
    assert np.array_equal(loaded.predict(rows), streamed.predict(x))
    numbers = opened(tmp_path, frame, "price", ["label"], buffer_rows=ROWS)
    whole = ts.SparseMLPRegressor(max_iter=3, random_state=0).fit(x, price.to_numpy())
    streamed = ts.SparseMLPRegressor(max_iter=3, random_state=0).fit(numbers)
    assert np.array_equal(streamed.predict(numbers), whole.predict(x))


def test_plain_numbers_stay_as_they_are(tmp_path):
    frame = table().select("size", "label").with_columns(shuffled=pl.col("size").shuffle(seed=0))
    frame = frame.select("shuffled", "size", "label")
    rows = opened(tmp_path, frame, drop=(), buffer_rows=ROWS)
    assert rows.columns_ is None
    assert rows.names == ("shuffled", "size")
    x = frame.select("shuffled", "size").to_numpy()
    whole = ts.SparseMLPClassifier(max_iter=2, random_state=0).fit(x, frame["label"].to_list())
    streamed = ts.SparseMLPClassifier(max_iter=2, random_state=0).fit(rows)
    assert whole.loss_curve_ == streamed.loss_curve_


def test_other_tables_meet_the_columns_of_the_fit(tmp_path):
    frame = table()
    rows = opened(tmp_path, frame, buffer_rows=500)
    model = ts.SparseMLPClassifier(max_iter=2, random_state=0).fit(rows)
    other = frame.head(60).with_columns(port=pl.lit("new"), weight=pl.lit(1.0))
    (tmp_path / "b").mkdir()
    new = opened(tmp_path / "b", other.reverse())
    with pytest.warns(RuntimeWarning, match="column 'port': none of 60 cells is a level"):
        expected = model.predict(other.reverse().drop("label", "price"))
    with pytest.warns(RuntimeWarning, match="column 'port': none of 60 cells is a level"):
        assert np.array_equal(model.predict(new), expected)
    (tmp_path / "c").mkdir()
    less = opened(tmp_path / "c", other.drop("size"))
    with pytest.raises(ValueError, match=r"lacks columns that were there in fit: 'size'"):
        model.predict(less)


CELLS = {
    "number": st.one_of(st.none(), st.floats(-1e6, 1e6), st.sampled_from([0.0, 1.0, 2.0])),
    "text": st.one_of(st.none(), st.sampled_from(["a", "b ", " b", "c", "", "d"])),
    "time": st.one_of(st.none(), st.datetimes(datetime.datetime(1960, 1, 1))),
    "flag": st.one_of(st.none(), st.booleans()),
}
TYPES = {"number": "Float64", "text": "String", "time": "Datetime", "flag": "Boolean"}


@settings(max_examples=cases.drawn(80))
@given(st.data())
def test_blocks_of_any_table_teach_what_the_table_does(data):
    count = data.draw(st.integers(1, 40))
    kinds = data.draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=4))
    frame = pl.DataFrame(
        {
            f"{kind}{i}": pl.Series(
                data.draw(st.lists(CELLS[kind], min_size=count, max_size=count)),
                dtype=getattr(pl, TYPES[kind]),
            )
            for i, kind in enumerate(kinds)
        }
        | ({"row": np.arange(count)} if data.draw(st.booleans()) else {})
    )
    cuts = sorted(data.draw(st.lists(st.integers(1, max(1, count - 1)), max_size=5)))
    learnt = Gradual()
    for start, stop in zip([0, *cuts], [*cuts, count], strict=True):
        if start < stop:
            learnt.take("frame", frame[start:stop])
    try:
        expected = ts.TableEncoder().fit(frame)
    except ValueError:
        with pytest.raises(ValueError, match="no column says anything"):
            learnt.encoder()
        return
    found = learnt.encoder()
    for ours, theirs in zip(found.columns_, expected.columns_, strict=True):
        ours, theirs = dict(vars(ours)), dict(vars(theirs))
        assert ours.pop("mean", 0) == pytest.approx(theirs.pop("mean", 0), rel=1e-9, abs=1e-6)
        assert ours == theirs


def test_more_texts_than_can_be_counted_are_identifiers_or_an_error():
    learnt = Gradual(most_levels=50)
    frame = pl.DataFrame({"key": [f"k{i}" for i in range(100)], "n": [1.0, 2.0] * 50})
    for start in range(0, 100, 10):
        learnt.take("frame", frame[start : start + 10])
    assert "as identifiers have them" in learnt.encoder().columns_[0].said()
    often = Gradual(most_levels=50)
    often.take("frame", frame.with_columns(key=pl.lit("k1"))[:10])
    with pytest.raises(ValueError, match=r"'key'\] has more than 50 different texts"):
        often.take("frame", frame[10:])


def test_mistakes_are_named(tmp_path):
    frame = table()
    path = tmp_path / "t.parquet"
    rows = opened(tmp_path, frame)
    frame.head(500).write_parquet(path)
    with pytest.raises(ValueError, match="has changed since it was opened"):
        ts.SparseMLP([rows.shape[1], 5, 2]).fit(rows, progress=False)
    missing = frame.with_columns(
        label=pl.when(pl.int_range(pl.len()) == 700).then(None).otherwise(pl.col("label"))
    )
    with pytest.raises(ValueError, match="row 701, column 'label': the label is missing"):
        ts.SparseMLPClassifier().fit(opened(tmp_path, missing, buffer_rows=100))
    infinite = frame.with_columns(
        size=pl.when(pl.int_range(pl.len()) == 700).then(np.inf).otherwise(pl.col("size"))
    )
    with pytest.raises(ValueError, match=r"'size'.*inf"):
        opened(tmp_path, infinite)
    nested = frame.with_columns(lists=pl.lit([1, 2]))
    with pytest.raises(TypeError, match=r"'lists'.*expected numbers, text, cat"):
        opened(tmp_path, nested)
    path.write_text("no table")
    with pytest.raises(ValueError, match="not a readable Parquet file"):
        ts.open_table(path)
    with pytest.raises(ValueError, match="'nothing'"):
        opened(tmp_path, frame, "nothing")
