"""Columns that tell the label are named, and columns of noise are not."""

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers import cases
from hypothesis import given, settings
from hypothesis import strategies as st
from trulysparse.tables.columns import Numbers, Text, Times
from trulysparse.tables.telling import telling

pd = pytest.importorskip("pandas", reason="pip install pandas")

pytestmark = pytest.mark.filterwarnings("ignore::trulysparse.ExplosionWarning")

ROWS = 300
RNG = np.random.default_rng(3)
BINARY = np.repeat([0, 1], [200, 100])
CLASSES = np.repeat([0, 1, 2, 3], [100, 100, 60, 40])
VALUES = RNG.uniform(0.5, 3, ROWS)
for labels in (BINARY, CLASSES):
    RNG.shuffle(labels)


def text(codes):
    return Text(np.asarray(codes, np.int64), [str(i) for i in range(max(codes) + 1)])


def few_wrong(codes, wrong=1):
    changed = codes.copy()
    changed[:wrong] = 1 - changed[:wrong]
    return changed


TELL_CLASSES = {
    "the label": (BINARY, lambda y: Numbers(y.astype(float))),
    "a monotone number": (BINARY, lambda y: np.exp(3 * y + RNG.uniform(0, 2.9, ROWS))),
    "classes in order": (CLASSES, lambda y: y + RNG.uniform(0, 0.9, ROWS)),
    "other codes of the classes": (CLASSES, lambda y: np.array([7.0, 1.0, 3.0, 2.0])[y]),
    "both ends": (BINARY, lambda y: np.where(y, RNG.choice([-1, 1], ROWS) * 2, 0) + VALUES / 99),
    "where it is missing": (BINARY, lambda y: np.where(y, np.nan, RNG.normal(size=ROWS))),
    "levels": (CLASSES, lambda y: text(y * 5 + RNG.integers(0, 5, ROWS))),
    "a missing level": (BINARY, lambda y: text(np.where(y, -1, RNG.integers(0, 4, ROWS)))),
    "nearly always": (BINARY, lambda y: text(few_wrong(y))),
    "a time": (BINARY, lambda y: Times(y * 86400.0 + VALUES, None)),
}


@pytest.mark.parametrize("name", TELL_CLASSES)
def test_what_tells_classes_is_named(name):
    y, make = TELL_CLASSES[name]
    columns = [RNG.normal(size=ROWS), make(y), text(RNG.integers(0, 3, ROWS))]
    for labels in (y, np.array(list("abcd"))[y]):
        (found,) = telling(["noise", "leak", "levels"], columns, labels, task="classification")
        assert found.name == "leak"
        assert 0.98 <= found.score <= 1
        assert "column 'leak' predicts the label by itself" in str(found)


TELL_NUMBERS = {
    "other units": lambda y: Numbers(3 * y - 40),
    "a monotone function": lambda y: np.log(y),
    "a falling one": lambda y: -(y**3),
    "with a little noise": lambda y: y + 0.01 * RNG.normal(size=ROWS),
    "two branches": lambda y: y * RNG.choice([-1, 1], ROWS),
}


@pytest.mark.parametrize("name", TELL_NUMBERS)
def test_what_tells_numbers_is_named(name):
    columns = [RNG.normal(size=ROWS), TELL_NUMBERS[name](VALUES), VALUES + RNG.normal(size=ROWS)]
    (found,) = telling(["noise", "leak", "weak"], columns, VALUES, task="regression")
    assert found.name == "leak"
    assert 0.99 <= found.score <= 1


def test_levels_that_tell_numbers():
    groups = RNG.integers(0, 40, ROWS)
    y = RNG.normal(size=40)[groups]
    (found,) = telling(["group", "other"], [text(groups), text(groups % 2)], y, task="regression")
    assert found.name == "group"


def test_what_helps_only_is_not_named():
    columns = [BINARY + RNG.normal(size=ROWS), text(few_wrong(BINARY, 30)), VALUES]
    assert telling(list("abc"), columns, BINARY, task="classification") == []
    outlier = VALUES.copy()
    outlier[0] = 1e6
    other = RNG.normal(size=ROWS)
    other[0] = 1e6
    assert telling(["x"], [other], outlier, task="regression") == []


@given(
    rows=st.integers(4, 90),
    columns=st.integers(1, 3000),
    classes=st.integers(2, 5),
    rare=st.integers(1, 5),
    seed=st.integers(0, 10**6),
    step=st.sampled_from([0, 0.5, 2]),
)
@settings(max_examples=cases.drawn(40))
def test_noise_is_never_named(rows, columns, classes, rare, seed, step):
    rng = np.random.default_rng(seed)
    y = np.zeros(rows, int)
    y[: rare * (classes - 1)] = np.arange(rare * (classes - 1))[:rows] % (classes - 1) + 1
    rng.shuffle(y)
    x = rng.normal(size=(rows, columns))
    if step:
        x = np.round(x / step)
    names = [f"x{i}" for i in range(columns)]
    assert telling(names, x, y, task="classification") == []
    assert telling(names, sp.csr_array(x * (x > 0.5)), y, task="classification") == []
    forms = [text(rng.integers(0, size, rows)) for size in rng.integers(1, rows + 1, 20)]
    assert telling(names[:20], forms[: len(names)], y, task="classification") == []
    for values in (rng.standard_cauchy(rows), y.astype(float)):
        assert telling(names, x, values, task="regression") == []


@pytest.mark.parametrize("rows", [30, 60])
def test_few_rows_of_many_columns(rows):
    y = np.arange(rows) % 2
    x = RNG.normal(size=(rows, 4000))
    x[:, 77] = y + RNG.uniform(0, 0.9, rows)
    names = [f"gene {i}" for i in range(4000)]
    found = telling(names, x, y, task="classification")
    assert [one.name for one in found] == ["gene 77"]
    rare = (np.arange(rows) < 2).astype(int)  # of which chance splits off some
    assert telling(names, x, rare, task="classification") == []


def test_arrays_and_matrices_say_what_their_columns_say():
    x = RNG.normal(size=(ROWS, 20))
    x[:, 4] = BINARY * 3.0
    names = [f"x{i}" for i in range(20)]
    for table in (x, list(x.T), sp.csr_array(x * (abs(x) > 1))):
        found = telling(names, table, BINARY, task="classification")
        assert [(one.name, one.score) for one in found] == [("x4", 1.0)]
    x[:, 5] = VALUES
    assert [one.name for one in telling(names, sp.csr_array(x), VALUES, task="regression")] == [
        "x5"
    ]


def test_several_labels():
    y = np.column_stack([BINARY, RNG.permutation(BINARY)])
    found = telling(["a", "b"], [y[:, 1] * 2.0, VALUES], y, task="classification")
    assert [(one.name, one.output) for one in found] == [("a", 1)]
    assert "predicts label 1 by itself" in str(found[0])
    many = np.tile(BINARY, (100, 1)).T
    assert telling(["a"], [BINARY * 1.0], many, task="classification") == []


FRAME = pd.DataFrame(
    {
        "n": RNG.normal(size=ROWS),
        "hole": np.where(RNG.random(ROWS) < 0.3, np.nan, RNG.normal(size=ROWS)),
        "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(RNG.permutation(ROWS), "D"),
        "port": RNG.choice(list("SCQ"), ROWS),
        "id": [f"k{i}" for i in range(ROWS)],
    }
)
LEAKS = {
    "text": np.where(BINARY, "ja", "nein"),
    "number": BINARY * 2.5,
    "holes": np.where(BINARY, np.nan, VALUES),
    "dates": pd.Timestamp("2024-01-01") + pd.to_timedelta(BINARY * 9, "D"),
}


@pytest.mark.parametrize("kind", LEAKS)
@pytest.mark.parametrize("place", [0, 3, 5])
def test_estimators_note_it(kind, place, tmp_path):
    frame = FRAME.copy()
    frame.insert(place, "leak", LEAKS[kind])
    model = ts.SparseMLPClassifier(8, max_iter=2, random_state=0).fit(frame, BINARY)
    (note,) = model.notes_
    assert note.startswith("column 'leak' predicts the label")
    model.save(tmp_path / "m.safetensors")
    assert ts.load(tmp_path / "m.safetensors").notes_ == [note]
    assert model.fit(FRAME, BINARY).notes_ == []


def test_where_one_of_many_numbers_is_missing():
    frame = pd.DataFrame({f"n{i}": RNG.normal(size=ROWS) for i in range(40)})
    frame = frame.mask(RNG.random(frame.shape) < 0.1)
    frame["n0"] = RNG.normal(size=ROWS)  # none is missing
    frame.loc[BINARY == 1, "n30"] = np.nan
    frame.loc[BINARY == 0, "n30"] = VALUES[BINARY == 0]
    frame["n39"] = 1.0 * BINARY
    frame = frame.assign(port=RNG.choice(list("SCQ"), ROWS))
    for table in (frame, frame.drop(columns="port"), frame.drop(columns="port").to_numpy()):
        model = ts.SparseMLPClassifier(8, max_iter=1, random_state=0).fit(table, BINARY)
        assert [note.split("'")[1][1:] for note in model.notes_] == ["30", "39"]


@pytest.mark.parametrize("as_given", [np.asarray, sp.csr_array, pd.DataFrame, "holes", "blocks"])
def test_estimators_note_it_of_numbers(as_given):
    x = RNG.normal(size=(ROWS, 6))
    x[:, 2] = VALUES * 2
    if isinstance(as_given, str) and as_given == "holes":
        x[5, :2] = np.nan
        table = x
    elif isinstance(as_given, str):
        table = ts.Blocks(x[:, :3], sp.csr_array(x[:, 3:] > 1))
    else:
        table = as_given(x)
    model = ts.SparseMLPRegressor(8, max_iter=2, random_state=0).fit(table, VALUES)
    assert [note.split("'")[1] for note in model.notes_] == ["x2"]
