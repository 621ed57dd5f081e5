"""Rows that are known again, in any container."""

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers.html_page import QUICK, classifier, numbers
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from trulysparse.data import seen

RNG = np.random.default_rng(0)


def containers(x):
    yield x
    yield x.astype(np.float32)
    yield np.asfortranarray(x)
    yield sp.csr_array(x)
    yield ts.Blocks(x[:, :2], sp.csr_array(x[:, 2:]))


def test_rows_are_the_same_in_every_container():
    x = np.where(RNG.random((30, 6)) < 0.5, 0, RNG.integers(-9, 9, (30, 6))).astype(float)
    x[0, 0] = -0.0
    first, *others = map(seen.sketch, containers(x))
    assert others == [first] * len(others)
    for one in containers(x[:7]):
        assert seen.share(first, one) == (1.0, True)
    assert seen.share(first, x + 100) == (0.0, True)


@given(arrays(np.float32, (6, 3), elements=st.floats(-4, 4, width=32)), st.integers(0, 6))
def test_a_share_is_that_of_rows_with_the_same_cells(x, count):
    known = {row.tobytes() for row in (x[:count] + 0)}
    expected = np.mean([row.tobytes() in known for row in x + 0]) if count else 0
    assert seen.share(seen.sketch(x[:count]), x) == (expected, True)


def test_of_many_rows_the_share_is_about_right():
    x = RNG.normal(size=(20_000, 3))
    known = seen.sketch(x[:15_000])
    assert len(known) == seen.MOST
    share, is_exact = seen.share(known, x)
    assert not is_exact
    assert share == pytest.approx(0.75, abs=0.1)
    assert seen.share(known, x[15_000:])[0] == 0
    assert seen.share(known, x[:15_000])[0] == 1


def test_what_is_unknown_is_not_known():
    assert seen.share(None, np.ones((2, 2))) is None
    assert seen.sketch([[1.0]]) is None
    assert seen.merged(None, ["00000000"]) is None
    assert not seen.are_hashes(["xyz"])
    assert not seen.are_hashes(["0" * 8] * (seen.MOST + 1))


def test_estimators_keep_the_rows_that_they_have_seen(tmp_path):
    x, y = numbers()
    fitted = classifier(x[:30], y[:30], early_stopping=True)
    fitted.save(tmp_path / "model")
    for one in (fitted, ts.load(tmp_path / "model")):
        assert seen.share(one._seen, x) == (0.75, True)
    again = ts.SparseMLPClassifier(**QUICK, warm_start=True).fit(x[:20], y[:20])
    again.fit(x[20:], y[20:])
    assert seen.share(again._seen, x) == (1.0, True)
    again.partial_fit(x, y)
    assert again._seen is None
