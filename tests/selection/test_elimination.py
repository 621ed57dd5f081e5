"""Features that leave while networks train."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from trulysparse import Blocks
from trulysparse.selection import ranking
from trulysparse.selection.elimination import Round, Settings, Task, eliminate, judged
from trulysparse.selection.ranking import Step

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 60)).astype(np.float32)
FIRST, SECOND = 7, 31
CLASSES = (X[:, FIRST] + X[:, SECOND] > 0).astype(int)
QUICK = Settings(hidden=(20,), steps=40)


def task(x=X, y=CLASSES, weight=None, loss="cross_entropy", outputs=2, **how):
    return Task(x, y, weight, loss, outputs, **how)


def rounds(of, least=2, seeds=(0,), threads=1, settings=QUICK, features=None, **how):
    features = np.arange(of.X.shape[1]) if features is None else features
    return list(
        eliminate(
            of, features, least=least, seeds=list(seeds), threads=threads, settings=settings, **how
        )
    )


@pytest.mark.parametrize("seeds", [(0,), (3, 4)])
def test_what_matters_is_left(seeds):
    values = 3 * X[:, FIRST] - X[:, SECOND]
    labels = np.stack([X[:, FIRST] > 0, X[:, SECOND] > 0], axis=1).astype(np.float32)
    for of in (
        task(),
        task(y=values.astype(np.float64), loss="squared_error", outputs=1),
        task(y=labels, loss="binary_cross_entropy"),
    ):
        last = rounds(of, seeds=seeds, settings=Settings())[-1]
        assert last.features.tolist() == [FIRST, SECOND]
        assert last.scores.sum() == pytest.approx(1)
        assert len(last.models) == len(seeds)


def test_fewer_and_fewer_are_left():
    found = rounds(task(), least=1, stops=(50, 11))
    counts = [len(end.features) for end in found]
    assert counts[0] == 60
    assert counts == sorted(set(counts), reverse=True)
    assert {50, 11, 1} <= set(counts)
    for one, two in itertools.pairwise(found):
        assert np.isin(two.features, one.features).all()
        assert (np.diff(two.features) > 0).all()
        lost = ~np.isin(one.features, two.features)
        assert one.scores[lost].max() <= one.scores[~lost].min()


def test_connections_grow_in_the_place_of_those_that_left():
    found = rounds(task(), least=5)
    for end in found:
        (model,) = end.models
        places = len(end.features) * 20
        wanted = min(7 * (len(end.features) + 20), 0.8 * places)
        assert model.layers[0].nnz == pytest.approx(wanted, rel=0.25)


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_change_no_bit(threads):
    one, other = (rounds(task(), threads=count) for count in (1, threads))
    for a, b in zip(one, other, strict=True):
        assert a.features.tobytes() == b.features.tobytes()
        assert a.scores.tobytes() == b.scores.tobytes()


def test_columns_leave_as_a_whole():
    groups = np.arange(60) // 3
    for end in rounds(task(), least=2, groups=groups):
        counts = np.bincount(groups[end.features], minlength=20)
        assert set(counts.tolist()) <= {0, 3}
    assert {FIRST // 3, SECOND // 3} == set(groups[end.features])


def test_sparse_samples_and_blocks():
    dense = np.where(RNG.random(X.shape) < 0.2, 1 + RNG.random(X.shape), 0).astype(np.float32)
    y = (dense[:, FIRST] > 0).astype(int) ^ (dense[:, SECOND] > 0)
    csr = sp.csr_array(dense)
    for x in (csr, Blocks(dense[:, :20], csr[:, 20:]), Blocks(dense[:, :7], csr[:, 7:])):
        of = task(x, y, standardize="auto", clip=None)
        last = rounds(of, settings=Settings())[-1]
        assert last.features.tolist() == [FIRST, SECOND]


def test_held_out_samples_have_losses():
    of, held_out = task().of(np.arange(150)), task().of(np.arange(150, 200))
    found = rounds(of, settings=Settings(steps=200), held_out=held_out)
    assert all(end.losses.shape == (50,) for end in found)
    assert found[-1].losses.mean() < found[0].losses.mean()
    assert found[-1].score > 0.9
    path = ranking.steps(found, None)
    assert [step.columns for step in path] == sorted(step.columns for step in path)
    assert ranking.fewest(path) == 2


def test_weights_of_zero_are_absent():
    wrong = np.where(np.arange(200) < 150, CLASSES, 1 - CLASSES)
    weight = (np.arange(200) < 150).astype(np.float32)
    last = rounds(task(y=wrong, weight=weight), settings=Settings())[-1]
    assert last.features.tolist() == [FIRST, SECOND]


def test_missing_labels_count_for_nothing():
    labels = np.stack([X[:, FIRST] > 0, X[:, SECOND] > 0], axis=1).astype(np.float64)
    labels[::3, 0] = np.nan
    of = task(y=labels, loss="binary_cross_entropy")
    last = rounds(of, settings=Settings())[-1]
    assert last.features.tolist() == [FIRST, SECOND]
    outputs = last.models[0].predict(X[:, last.features])
    each = -(labels * np.log(outputs) + (1 - labels) * np.log(1 - outputs))
    found = judged(last.models[0], X[:, last.features], labels)
    np.testing.assert_allclose(found[0], np.nansum(each, axis=1), rtol=1e-5)
    known = ~np.isnan(labels)
    assert found[1] == ((outputs > 0.5) == (labels == 1))[known].mean()


def test_scores_are_those_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics", reason="pip install 'trulysparse[sklearn]'")
    last = rounds(task(), settings=QUICK)[-1]
    chances = last.models[0].predict(X[:, last.features])
    right = metrics.accuracy_score(CLASSES, chances.argmax(axis=1))
    assert judged(last.models[0], X[:, last.features], CLASSES)[1] == pytest.approx(right)
    numbers = np.stack([3 * X[:, FIRST] + 7, np.ones(len(X)), X[:, SECOND]], axis=1)
    last = rounds(
        task(y=numbers.astype(np.float32), loss="squared_error", outputs=3), settings=QUICK
    )[-1]
    found = judged(last.models[0], X[:, last.features], numbers)[1]
    outputs = last.models[0].predict(X[:, last.features])
    varying = numbers[:, [0, 2]], outputs[:, [0, 2]]
    assert found == pytest.approx(metrics.r2_score(*varying), rel=1e-5)


# --- scores of all ---------------------------------------------------------------------------


@st.composite
def eliminations(draw):
    """What rounds may leave, and the columns of features."""
    features = draw(st.integers(1, 12))
    groups = draw(st.none() | st.lists(st.integers(0, 4), min_size=features, max_size=features))
    left, found = np.arange(features), []
    while True:
        scores = draw(st.lists(st.floats(0, 1), min_size=len(left), max_size=len(left)))
        found.append(Round(left, np.array(scores), None, np.nan, [], []))
        if len(left) == 1 or draw(st.booleans()):
            return found, None if groups is None else np.array(groups)
        column = left if groups is None else np.array(groups)[left]
        squares = {
            c: sum(s * s for s, d in zip(scores, column, strict=True) if d == c) for c in column
        }
        kept = sorted(squares, key=lambda c: -squares[c])[: max(len(squares) // 2, 1)]
        left = left[np.isin(column, kept)]


@given(eliminations())
def test_who_stays_longer_scores_higher(drawn):
    found, groups = drawn
    columns = 12 if groups is None else 5
    scores = ranking.scores(found, columns, groups)
    assert scores.shape == (columns,)
    assert (scores >= 0).all()
    of = [set((end.features if groups is None else groups[end.features]).tolist()) for end in found]
    assert not scores[[c for c in range(columns) if c not in of[0]]].any()
    for one, two in itertools.pairwise(of):
        for left in one - two:
            assert all(scores[left] <= scores[stayed] for stayed in two)


def test_the_fewest_within_an_error_of_the_best():
    path = [Step(1, 0.9, 0.1), Step(2, 0.55, 0.1), Step(5, 0.5, 0.06), Step(9, 0.7, 0.1)]
    assert ranking.fewest(path) == 2
    assert ranking.fewest(path[2:]) == 5
    assert ranking.fewest([Step(3, 1.0, 0.0)]) == 3
