"""The same table trains the same network, however it is held, spelled and ordered."""

from decimal import Decimal

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers import cases
from hypothesis import given, settings
from hypothesis import strategies as st

pd = pytest.importorskip("pandas", reason="pip install pandas")
pl = pytest.importorskip("polars", reason="pip install polars")

# What goes by the kind of container elsewhere: the optimiser and the growth rule of sparse samples.
SAME = {
    "hidden_layer_sizes": (8,),
    "max_iter": 3,
    "activation": "tanh",  # at a kink, as relu has it at 0, rounding decides
    "optimizer": "sgd",
    "topology": None,
    "random_state": 0,
    "learning_rate_init": 0.01,
}
SCALES = [
    {"scale": "standard", "clip": None},
    {"scale": "standard", "clip": 2.5},
    {"scale": "robust", "clip": "auto"},
    {"scale": "robust", "clip": 4},
]
DRAWS = {
    "normal": lambda r, n: 3 + r.normal(size=n),
    "large": lambda r, n: 1e9 + r.integers(0, 1000, n),
    "heavy": lambda r, n: np.exp(3 * r.normal(size=n)),
    "binary": lambda r, n: r.random(n) < 0.3,
    "rare": lambda r, n: r.poisson(0.1, n),
    "one value": lambda r, n: np.full(n, 4.0),
    "whole": lambda r, n: r.integers(-5, 6, n),
}


def numbers(seed, names, gaps):
    rng = np.random.default_rng(seed)
    x = np.column_stack([DRAWS[name](rng, 60) for name in names]).astype(float)
    for column in gaps:
        x[rng.random(60) < 0.2, column % len(names)] = np.nan
    return x, rng.integers(0, 2, 60), rng.normal(size=60)


TABLES = {
    "seed": st.integers(0, 2**32 - 1),
    "names": st.lists(st.sampled_from(sorted(DRAWS)), min_size=2, max_size=5),
    "scaling": st.sampled_from(SCALES),
}


@settings(max_examples=cases.drawn(25))
@given(**TABLES, gaps=st.sets(st.integers(0, 4), max_size=2), cut=st.integers(1, 4))
def test_containers_agree_to_rounding(seed, names, scaling, gaps, cut):
    x, classes, values = numbers(seed, names, gaps)
    labels = [f"c{i}" for i in range(x.shape[1])]
    frame = pd.DataFrame(x, columns=labels)
    containers = {
        "array": x,
        "pandas": frame,
        "polars": pl.DataFrame({name: x[:, i] for i, name in enumerate(labels)}, nan_to_null=True),
        "CSR": sp.csr_array(x),
        "Fortran": np.asfortranarray(x),
    }
    if not np.isnan(x).any():
        cut = min(cut, x.shape[1] - 1)
        containers["blocks"] = ts.Blocks(x[:, :cut], sp.csr_array(x[:, cut:]))
    for kind, y, ask in (
        (ts.SparseMLPClassifier, classes, "predict_proba"),
        (ts.SparseMLPRegressor, values, "predict"),
    ):
        expected = None
        for held in containers.values():
            found = getattr(kind(**SAME, **scaling).fit(held, y), ask)(held)
            expected = found if expected is None else expected
            np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5)


# --- spellings ------------------------------------------------------------------------------------

MIXED = pd.DataFrame(
    {
        "age": [20, 30, None, 50, 41, 63] * 10,
        "n": [3, 1, 4, 1, 5, 9] * 10,
        "port": ["S", "C", None, "Q", "S"] * 12,
    }
)
Y = np.arange(60) % 3 % 2


def objects(column, item):
    return pd.Series([item(v) for v in column.tolist()], dtype=object)


def spelled(missing):
    return lambda v: missing if v is None or v != v else v


SPELLINGS = {
    "nullable": lambda f: f.astype({"age": "Int16", "n": "UInt8", "port": "string"}),
    "float32": lambda f: f.astype({"age": "float32", "n": "float32"}),
    "floats": lambda f: f.astype({"n": "Float64"}),
    "decimals": lambda f: f.assign(
        age=objects(f.age, lambda v: None if v != v else Decimal(int(v))),
        n=objects(f.n, lambda v: Decimal(int(v))),
    ),
    "objects": lambda f: f.astype({"age": object, "n": object, "port": object}),
    "categories": lambda f: f.assign(port=pd.Categorical(f.port, ["Q", "unused", "S", "C"])),
    "other order of categories": lambda f: f.assign(port=pd.Categorical(f.port, ["C", "S", "Q"])),
    "polars": lambda f: pl.DataFrame(
        {"age": plain(f.age), "n": f.n.tolist(), "port": plain(f.port)}
    ),
    "polars decimals": lambda f: pl.DataFrame(
        {"age": plain(f.age), "n": f.n.tolist(), "port": plain(f.port)},
        schema_overrides={"age": pl.Decimal(20, 2), "n": pl.Decimal(20, 2), "port": pl.Categorical},
    ),
    "NaN": lambda f: f.assign(port=objects(f.port, spelled(float("nan")))),
    "NA": lambda f: f.assign(
        age=objects(f.age, spelled(pd.NA)), port=objects(f.port, spelled(pd.NA))
    ),
    "NaT": lambda f: f.assign(age=objects(f.age, spelled(pd.NaT))),
    "None": lambda f: f.assign(age=objects(f.age, spelled(None))),
    "blanks": lambda f: f.assign(port=objects(f.port, spelled("  "))),
}


def plain(column):
    return [None if v is None or v != v else v for v in column.tolist()]


def arrow(frame):
    pytest.importorskip("pyarrow", reason="pip install pyarrow")
    kinds = {"age": "float[pyarrow]", "n": "int64[pyarrow]", "port": "string[pyarrow]"}
    return frame.astype(kinds)


SPELLINGS["Arrow"] = arrow


@pytest.mark.parametrize("columns", [["age", "n", "port"], ["age", "n"], ["n", "port"], ["n"]])
@pytest.mark.parametrize("name", SPELLINGS)
def test_a_spelling_changes_nothing(name, columns):
    frame = MIXED.assign(more=np.exp(MIXED.n))[[*columns, "more"]]
    other = SPELLINGS[name](MIXED)
    more = frame["more"].to_numpy()
    if isinstance(other, pl.DataFrame):
        other = other.select(columns).with_columns(more=pl.Series(more))
    else:
        other = other[columns].assign(more=more)
    for scaling in ({}, *SCALES[1:3]):
        one = ts.SparseMLPClassifier(**SAME | {"topology": "set"}, **scaling).fit(frame, Y)
        two = ts.SparseMLPClassifier(**SAME | {"topology": "set"}, **scaling).fit(other, Y)
        expected = one.predict_proba(frame)
        for estimator, table in ((one, other), (two, other), (two, frame)):
            np.testing.assert_array_equal(estimator.predict_proba(table), expected)
        assert one.columns_ == two.columns_


@settings(max_examples=cases.drawn(20))
@given(order=st.permutations(["age", "n", "port"]), drop=st.sampled_from([[], ["port"]]))
def test_the_order_of_columns_at_predict_changes_nothing(order, drop):
    frame = MIXED.drop(columns=drop).fillna({"age": 1} if drop else {})
    moved = frame[[name for name in order if name not in drop]]
    fitted = ts.SparseMLPClassifier(**SAME).fit(frame, Y)
    np.testing.assert_array_equal(fitted.predict_proba(moved), fitted.predict_proba(frame))
    both = pl.DataFrame({name: plain(moved[name]) for name in moved})
    np.testing.assert_array_equal(fitted.predict_proba(both), fitted.predict_proba(frame))
