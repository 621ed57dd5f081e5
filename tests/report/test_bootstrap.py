"""Scores and their intervals, beside scikit-learn and a bootstrap that draws rows."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics
from trulysparse.report import bootstrap, measures

RNG = np.random.default_rng(0)


def of_classes(y, p):
    """What scikit-learn says of classes."""
    guess = p.argmax(axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        balanced = metrics.balanced_accuracy_score(y, guess)
    which = [1] if p.shape[1] == 2 else range(p.shape[1])
    areas = [metrics.roc_auc_score(y == c, p[:, c]) for c in which if 0 < (y == c).sum() < len(y)]
    return [
        metrics.accuracy_score(y, guess),
        balanced,
        np.mean(areas) if areas else np.nan,
        metrics.log_loss(y, p, labels=range(p.shape[1])),
    ]


def of_numbers(y, guess):
    error = guess - y
    return [
        metrics.r2_score(y, guess) if np.ptp(y) > 0 else np.nan,
        np.sqrt((error**2).mean()),
        abs(error).mean(),
    ]


def probabilities(rows, classes, *, ties=False):
    p = RNG.dirichlet(np.ones(classes), rows)
    if ties:
        p = np.round(p * 4 + 0.5)
        p /= p.sum(axis=1, keepdims=True)
    return p


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_classes_of_resamples_are_those_of_the_rows_that_were_drawn(classes, ties):
    y, p = RNG.integers(0, classes, 30), probabilities(30, classes, ties=ties)
    found = measures.of_classes(y, p)
    drawn = RNG.integers(0, 30, (25, 30))
    weights = np.stack([np.bincount(rows, minlength=30) for rows in drawn]).astype(float)
    expected = np.array([of_classes(y[rows], p[rows]) for rows in drawn])
    for k, measure in enumerate(found):
        np.testing.assert_allclose(measure.of(weights), expected[:, k], rtol=1e-9, atol=1e-12)
        assert measure.whole(30) == pytest.approx(of_classes(y, p)[k])


def test_numbers_of_resamples_are_those_of_the_rows_that_were_drawn():
    y = RNG.normal(size=20) + 1e6
    guess = y + RNG.normal(size=20)
    drawn = RNG.integers(0, 20, (25, 20))
    weights = np.stack([np.bincount(rows, minlength=20) for rows in drawn]).astype(float)
    expected = np.array([of_numbers(y[rows], guess[rows]) for rows in drawn])
    for k, measure in enumerate(measures.of_numbers(y, guess)):
        np.testing.assert_allclose(measure.of(weights), expected[:, k], rtol=1e-6)


def test_labels_of_resamples_do_not_count_missing_ones():
    y = RNG.integers(0, 2, (25, 3)).astype(float)
    y[RNG.random(y.shape) < 0.3] = np.nan
    p = RNG.random((25, 3))
    drawn = RNG.integers(0, 25, (10, 25))
    weights = np.stack([np.bincount(rows, minlength=25) for rows in drawn]).astype(float)
    exact, right, area, loss = measures.of_labels(y, p)
    for k, rows in enumerate(drawn):
        truth, said = y[rows], p[rows]
        known = ~np.isnan(truth)
        hits = (said > 0.5) == (truth > 0.5)
        some = known.any(axis=1)
        assert exact.of(weights)[k] == pytest.approx((hits | ~known).all(axis=1)[some].mean())
        assert right.of(weights)[k] == pytest.approx(hits[known].mean())
        losses = -np.where(truth > 0.5, np.log(said), np.log(1 - said))
        assert loss.of(weights)[k] == pytest.approx(losses[known].mean())
        areas = [
            metrics.roc_auc_score(truth[c, j] > 0.5, said[c, j])
            for j, c in enumerate(known.T)
            if 0 < (truth[c, j] > 0.5).sum() < c.sum()
        ]
        assert area.of(weights)[k] == pytest.approx(np.mean(areas))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3)), min_size=1, max_size=12))
def test_an_area_is_what_pairs_say(rows):
    ones = np.array([one for one, _ in rows])
    score = np.array([s for _, s in rows], float)
    found = measures.area(ones, score)(np.ones((1, len(rows))))[0]
    pairs = [(a > b) + (a == b) / 2 for a in score[ones] for b in score[~ones]]
    assert found == pytest.approx(np.mean(pairs)) if pairs else np.isnan(found)


def test_intervals_are_percentiles_over_the_same_resamples():
    y, p = RNG.integers(0, 2, 60), probabilities(60, 2)
    found, resamples = bootstrap.intervals(measures.of_classes(y, p), 60, 200, seed=3)
    assert resamples == 200
    drawn = np.concatenate(list(bootstrap.weights(60, 200, 3)))
    assert (drawn.sum(axis=1) == 60).all()
    scores = [
        metrics.accuracy_score(y, p.argmax(axis=1), sample_weight=weights) for weights in drawn
    ]
    assert (found[0].low, found[0].high) == pytest.approx(tuple(np.percentile(scores, [2.5, 97.5])))
    assert found[0].low <= found[0].value <= found[0].high


def test_the_same_seed_gives_the_same_resamples():
    one, other, another = (
        np.concatenate(list(bootstrap.weights(7, 150, seed))) for seed in (0, 0, 1)
    )
    assert one.tobytes() == other.tobytes() != another.tobytes()


def test_resamples_come_in_pieces_that_fit_into_memory(monkeypatch):
    monkeypatch.setattr(bootstrap, "_CHUNK", 50)
    pieces = list(bootstrap.weights(20, 7, 0))
    assert [len(piece) for piece in pieces] == [2, 2, 2, 1]
    assert all((piece.sum(axis=1) == 20).all() for piece in pieces)


def test_one_class_has_no_area_and_no_interval_of_it():
    found, _ = bootstrap.intervals(
        measures.of_classes(np.zeros(9, int), probabilities(9, 2)), 9, 100, 0
    )
    assert np.isnan(found[2].value)
    assert np.isnan(found[2].low)
    assert not np.isnan(found[0].low)


def test_one_row_has_scores_and_no_intervals():
    found, _ = bootstrap.intervals(measures.of_numbers(np.ones(1), np.zeros(1)), 1, 100, 0)
    assert np.isnan(found[0].value)
    assert found[1].value == 1
    assert np.isnan([interval.low for interval in found]).all()


@pytest.mark.parametrize(("rows", "classes"), [(1000, 2), (100_000, 2), (100_000, 100)])
def test_large_tables_take_fewer_resamples(rows, classes):
    cost = 1 if classes == 2 else classes
    some = [measures.Measure("AUC", lambda w: w[:, 0], cost=cost)]
    count = bootstrap.affordable(some, rows, 1000)
    assert count == (1000 if classes == 2 else bootstrap.LEAST)
    assert bootstrap.LEAST <= count <= 1000
