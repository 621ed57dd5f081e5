"""Which columns number the rows, and are left out of a table."""

import datetime
from decimal import Decimal

import numpy as np
import pytest
import trulysparse as ts

pd = pytest.importorskip("pandas", reason="pip install pandas")
pl = pytest.importorskip("polars", reason="pip install polars")

ROWS = 40
COUNT = np.arange(ROWS)
RNG = np.random.default_rng(0)
VALUES, TEXT = RNG.normal(size=ROWS), ["a", "b"] * (ROWS // 2)

NUMBERS_OF_ROWS = {
    "from 0": COUNT,
    "from 1": COUNT + 1,
    "floats": COUNT.astype(float),
    "float32": COUNT.astype("float32"),
    "uint8": COUNT.astype("uint8"),
    "nullable": pd.array(COUNT, dtype="Int64"),
    "Python's": pd.Series(COUNT.tolist(), dtype=object),
    "decimals": pd.Series([Decimal(i) for i in COUNT.tolist()], dtype=object),
}
OTHERS = {
    "shuffled": RNG.permutation(COUNT),
    "backwards": COUNT[::-1],
    "from 2": COUNT + 2,
    "every second": 2 * COUNT,
    "one is missing": np.where(COUNT == 7, np.nan, COUNT),
    "one is another": np.where(COUNT == 7, 8, COUNT),
    "fractions": COUNT + 0.5,
    "durations": pd.to_timedelta(COUNT, unit="s"),
    "spans": pd.Series([datetime.timedelta(seconds=i) for i in range(ROWS)], dtype=object),
    "times of the day": pd.Series([datetime.time(0, 0, i) for i in range(ROWS)], dtype=object),
    "times": pd.to_datetime(COUNT, unit="s"),
    "booleans": COUNT % 2 == 1,
}


def columns(frame):
    encoder = ts.TableEncoder().fit(frame)
    fitted = ts.SparseMLPClassifier((5,), max_iter=1, random_state=0).fit(frame, COUNT % 2)
    found = {part.name: part.kind for part in fitted.columns_}
    assert found == {part.name: part.kind for part in encoder.columns_}
    return found


@pytest.mark.parametrize("beside", [{"v": VALUES}, {"v": TEXT}, {"v": VALUES, "t": TEXT}])
@pytest.mark.parametrize("name", NUMBERS_OF_ROWS)
def test_they_are_left_out_of_frames(name, beside):
    kinds = columns(pd.DataFrame({"row": NUMBERS_OF_ROWS[name], **beside}))
    assert kinds["row"] == "left out"
    assert "left out" not in [kinds[name] for name in beside]


@pytest.mark.parametrize("beside", [{"v": VALUES}, {"v": TEXT}])
@pytest.mark.parametrize("name", OTHERS)
def test_other_columns_stay(name, beside):
    assert columns(pd.DataFrame({"row": OTHERS[name], **beside}))["row"] != "left out"


def test_of_polars():
    table = {"row": COUNT, "span": pl.Series(COUNT * 10**6, dtype=pl.Duration("us")), "v": VALUES}
    assert columns(pl.DataFrame(table)) == {"row": "left out", "span": "number", "v": "number"}
    times = pl.Series([datetime.time(0, 0, i) for i in range(ROWS)])
    assert columns(pl.DataFrame({"at": times, "v": VALUES}))["at"] == "number"


def test_they_stay_where_nothing_else_is_said_and_in_arrays():
    assert columns(pd.DataFrame({"row": COUNT})) == {"row": "number"}
    assert columns(pd.DataFrame({"row": COUNT, "none": [None] * ROWS})) == {
        "row": "number",
        "none": "left out",
    }
    few = pd.DataFrame({"row": range(19), "v": VALUES[:19]})
    assert [part.kind for part in ts.TableEncoder().fit(few).columns_] == ["number", "number"]
    array = np.column_stack([COUNT, VALUES])
    fitted = ts.SparseMLPClassifier((5,), max_iter=1, random_state=0).fit(array, COUNT % 2)
    assert fitted.model_.layer_sizes[0] == 2
