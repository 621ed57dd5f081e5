"""Columns beside shadows of columns: who is ahead, and how sure that makes."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from trulysparse import Blocks
from trulysparse.selection import discoveries
from trulysparse.selection.discoveries import Order, order, sure
from trulysparse.selection.elimination import Settings, Task
from trulysparse.selection.screening import in_common
from trulysparse.selection.shadows import shadowed

QUICK = Settings(hidden=(20,), steps=40)


def table(rng, rows=30, columns=12):
    x = rng.normal(size=(rows, columns)).astype(np.float32)
    x[rng.random(x.shape) < 0.4] = 0
    return x


def as_kind(x, kind, cut=5):
    if kind == "array":
        return x
    return sp.csr_array(x) if kind == "CSR" else Blocks(x[:, :cut], sp.csr_array(x[:, cut:]))


def as_array(x):
    if isinstance(x, Blocks):
        return np.hstack([x.dense, x.sparse.toarray()])
    return x.toarray() if sp.issparse(x) else x


def task(x, y):
    return Task(x, y, None, "cross_entropy", int(y.max()) + 1)


# --- shadows --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["array", "CSR", "blocks"])
@given(seed=st.integers(0, 99), copies=st.integers(1, 3), data=st.data())
def test_a_shadow_has_the_rows_in_its_order(kind, seed, copies, data):
    rng = np.random.default_rng(seed)
    x = table(rng)
    chosen = data.draw(st.sets(st.integers(0, 11), min_size=1))
    features = np.array(sorted(chosen))
    orders = [rng.permutation(30) for _ in range(copies)]
    both = shadowed(task(as_kind(x, kind), rng.integers(0, 2, 30)), features, orders)
    found = as_array(both.X)
    assert found.shape == (30, (copies + 1) * len(features))
    assert isinstance(both.X, Blocks) == (kind == "blocks" and 0 < (features < 5).mean() < 1)
    pairs = set()
    for place, (feature, copy) in enumerate(zip(both.features, both.copies, strict=True)):
        rows = np.arange(30) if copy == copies else orders[copy]
        assert np.array_equal(found[:, place], x[rows, feature])
        pairs.add((feature, copy))
    assert pairs == {(feature, copy) for feature in features for copy in range(copies + 1)}


@pytest.mark.parametrize("kind", ["array", "CSR", "blocks"])
def test_of_many_those_stay_that_have_most_in_common(kind):
    rng = np.random.default_rng(1)
    x, y = table(rng), rng.integers(0, 3, 30)
    given_order = rng.permutation(30)
    of = task(as_kind(x, kind), y)
    shuffled = task(as_kind(x[given_order], kind), y)
    assert in_common(of, given_order) == pytest.approx(in_common(shuffled))
    both = shadowed(of, np.arange(12), [given_order], most=9)
    common = np.concatenate([in_common(shuffled), in_common(of)])
    wanted = set(np.argsort(-common, kind="stable")[:9])
    assert set(both.copies * 12 + both.features) == wanted
    for place, (feature, copy) in enumerate(zip(both.features, both.copies, strict=True)):
        rows = np.arange(30) if copy else given_order
        assert np.array_equal(as_array(both.X)[:, place], x[rows, feature])


# --- orders ---------------------------------------------------------------------------------------


@given(
    st.integers(1, 8), st.integers(1, 3), st.lists(st.integers(0, 3), min_size=32, max_size=32),
    st.sets(st.integers(0, 31)),
)  # fmt: skip
def test_orders_count_shadows_ahead(columns, copies, scores, absent):
    count = (copies + 1) * columns
    places = np.array([place for place in range(count) if place not in absent], np.int64)
    scores = np.array(scores[:count], float)
    found = order(scores, places, columns, copies)
    columns_there = [place for place in places if place >= copies * columns]
    live = len(columns_there)
    first = copies * columns
    by_score = sorted(columns_there, key=lambda place: (-scores[place], place))
    for rank, place in enumerate(by_score):
        assert found.ranks[place - first] == rank
        # A shadow with the same score is ahead.
        shadows = [other for other in places if other < first]
        assert found.ahead[rank] == sum(scores[other] >= scores[place] for other in shadows)
    assert (found.ahead[live:] == first).all()
    assert (np.sort(found.ranks)[live:] == columns).all()


@given(st.integers(1, 4), st.integers(1, 9), st.integers(1, 3), st.integers(0, 99))
def test_how_sure_is_as_counted(members, columns, copies, seed):
    rng = np.random.default_rng(seed)
    orders = []
    for _ in range(members):
        live = int(rng.integers(0, columns + 1))
        ranks = np.full(columns, columns)
        ranks[rng.permutation(columns)[:live]] = np.arange(live)
        ahead = np.full(columns, copies * columns)
        ahead[:live] = np.sort(rng.integers(0, copies * columns, live))
        orders.append(Order(ranks, ahead))
    found = sure(orders, copies)
    products = [np.prod([1.0 + one.ranks[j] for one in orders]) for j in range(columns)]
    by_rank = sorted(range(columns), key=lambda j: (round(np.log(products[j]), 9), j))
    rates = []
    for k in range(1, columns + 1):
        false = 1 + sum(int(one.ahead[k - 1]) for one in orders)
        rates.append(false / (members * copies) / k)
    for k, j in enumerate(by_rank):
        known = any(one.ranks[j] < columns for one in orders)
        assert found.q_values[j] == pytest.approx(min(1, *rates[k:], 1) if known else 1)
        assert found.scores[j] == pytest.approx(products[j] ** (-1 / members) if known else 0)


def orders_of(x, y, **how):
    usual = {"columns": x.shape[1], "seeds": [0, 1], "copies": 1, "threads": 1, "settings": QUICK}
    given_to = usual | how
    return list(discoveries.orders(task(x, y), np.arange(x.shape[1]), **given_to))


@pytest.mark.parametrize("kind", ["array", "CSR"])
def test_what_tells_is_ahead_of_shadows(kind):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 20)).astype(np.float32)
    y = (x[:, 4] - x[:, 9] > 0).astype(int)
    found = orders_of(as_kind(x, kind), y, copies=2)
    for one in found:
        assert set(np.argsort(one.ranks)[:2]) == {4, 9}
        assert one.ahead[1] == 0
    assert not np.array_equal(found[0].ahead, found[1].ahead)


def test_orders_do_not_depend_on_threads():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 30)).astype(np.float32), rng.integers(0, 2, 60)
    for one, two in zip(orders_of(x, y), orders_of(x, y, threads=3), strict=True):
        assert np.array_equal(one.ranks, two.ranks)
        assert np.array_equal(one.ahead, two.ahead)


def test_a_column_counts_once_whatever_its_features():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(150, 12)).astype(np.float32)
    groups = np.repeat([0, 1, 2], [2, 4, 6])
    y = (x[:, 3] > 0).astype(int)
    (found,) = orders_of(x, y, columns=3, groups=groups, seeds=[5])
    assert found.ranks[1] == 0
    assert found.ahead[0] == 0
    assert (found.ahead <= 3).all()
