"""Contributions of the columns of a table."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import trulysparse as ts
from sklearn.exceptions import NotFittedError

RNG = np.random.default_rng(3)
ROWS = 150
AGE = RNG.normal(40, 10, ROWS)
AGE[::7] = np.nan
PORT = np.array(["S", "C", "Q", None], object)[RNG.integers(0, 4, ROWS)]
FRAME = pd.DataFrame({"age": AGE, "noise": RNG.normal(size=ROWS), "port": PORT, "one": 1.0})
Y = np.where(np.nan_to_num(AGE, nan=30) / 10 + 2 * (PORT == "S") > 4.5, "yes", "no")
FAST = {"hidden_layer_sizes": (32,), "max_iter": 60, "random_state": 0}


@pytest.fixture(scope="module")
def classifier():
    return ts.SparseMLPClassifier(**FAST).fit(FRAME, Y)


def adds_up(found):
    values = found.values
    if isinstance(values, tuple):
        values = np.stack([part.toarray() for part in values], axis=2)
    elif sp.issparse(values):
        values = values.toarray()
    difference = found.outputs - found.base_values
    gap = np.abs(values.sum(axis=1) - difference)
    assert (gap <= 0.01 * np.abs(difference) + 1e-5).all()
    return values


def test_columns_and_levels_of_a_frame(classifier):
    found = classifier.explain(FRAME, levels=True)
    assert found.columns == ["age", "noise", "port", "one"]
    assert found.output_names == ["no", "yes"]
    assert found.shape == (ROWS, 4, 2)
    values = adds_up(found)
    assert not values[:, 3].any()
    levels = adds_up(found.levels)
    assert found.levels.columns == classifier._encoder.feature_names_
    for column, at in enumerate(classifier._encoder.places()):
        np.testing.assert_allclose(levels[:, at].sum(axis=1), values[:, column], atol=1e-12)
    assert classifier.explain(FRAME).levels is None
    p = classifier.predict_proba(FRAME)
    of = classifier.explain(FRAME, of="log_odds", outputs=1)
    np.testing.assert_allclose(of.outputs, np.log(p[:, 1] / p[:, 0]), rtol=1e-3, atol=1e-4)
    assert of.shape == (ROWS, 4)
    assert np.abs(of.values[:, 2]).mean() > np.abs(of.values[:, 1]).mean()


def test_the_baseline_is_the_mean_of_the_table(classifier, tmp_path):
    mean = classifier.explain(FRAME, baseline=FRAME)
    np.testing.assert_allclose(
        classifier.explain(FRAME).base_values, mean.base_values, rtol=1e-4, atol=1e-4
    )
    zero = classifier.explain(FRAME, baseline="zero")
    assert abs(zero.base_values - mean.base_values).max() > 1e-3
    one = classifier.explain(FRAME, baseline=FRAME[:1])
    assert not one.values[0].any()
    # What is not known is not guessed: a pickle or file of an older version has no shares.
    path = tmp_path / "model"
    classifier.save(path)
    loaded = ts.load(path)
    assert np.array_equal(loaded.explain(FRAME).values, classifier.explain(FRAME).values)
    loaded._shares = None
    absent = loaded.explain(FRAME)
    adds_up(absent)
    assert loaded.feature_importances_[2] > classifier.feature_importances_[2]
    assert abs(absent.base_values - mean.base_values).max() > 1e-3


def test_a_column_of_many_levels_is_not_the_first():
    rng = np.random.default_rng(0)
    number, levels = rng.normal(size=600), rng.integers(60, size=600)
    frame = pd.DataFrame({"level": [f"l{k}" for k in levels], "number": number})
    y = number + rng.normal(size=600) > 0
    fitted = ts.SparseMLPClassifier(**FAST).fit(frame, y)
    first, second = fitted.feature_importances_
    assert first < second / 2
    levels = fitted.level_importances_["level"]
    assert first == pytest.approx(np.sqrt(sum(score**2 for score in levels.values())))
    plain, share = fitted.model_.feature_importance(), fitted._shares
    expected = plain[1:] * np.sqrt(share * (1 - share))
    np.testing.assert_allclose(list(levels.values()), expected)


def test_frames_of_other_libraries_and_orders(classifier):
    whole = classifier.explain(FRAME).values
    other = classifier.explain(FRAME[["one", "port", "noise", "age"]]).values
    assert np.array_equal(other, whole)
    cells = {name: [None if pd.isna(v) else v for v in FRAME[name]] for name in FRAME}
    frame = pl.DataFrame(cells)
    assert np.array_equal(classifier.explain(frame).values, whole)


def test_errors(classifier):
    with pytest.raises(NotFittedError):
        ts.SparseMLPClassifier().explain(FRAME)
    with pytest.raises(ValueError, match="lacks columns"):
        classifier.explain(FRAME[["age"]])
    with pytest.raises(ValueError, match="baseline lacks columns"):
        classifier.explain(FRAME, baseline=FRAME[["age"]])
    with pytest.raises(TypeError, match="baseline is a ndarray: expected a frame"):
        classifier.explain(FRAME, baseline=np.zeros(4))
    with pytest.raises((TypeError, ValueError), match="levels"):
        classifier.explain(FRAME, levels="port")
    with pytest.raises(TypeError, match="X is RowBlocks"):
        classifier.explain(ts.RowBlocks(np.ones((3, 4))))
    array = ts.SparseMLPClassifier(**FAST | {"scale": None}).fit(RNG.normal(size=(ROWS, 2)), Y)
    with pytest.raises(ValueError, match="NaN"):
        array.explain(np.full((1, 2), np.nan))
    with pytest.raises(ValueError, match="3 features"):
        array.explain(np.ones((1, 3)))


def test_nothing_of_the_estimator_changes(classifier):
    before = classifier.predict_proba(FRAME), sorted(vars(classifier))
    classifier.explain(FRAME, levels=True)
    assert np.array_equal(classifier.predict_proba(FRAME), before[0])
    assert sorted(vars(classifier)) == before[1]


def test_missing_numbers_of_arrays():
    x = FRAME[["age", "noise"]].to_numpy()
    fitted = ts.SparseMLPClassifier(**FAST).fit(x, Y)
    found = fitted.explain(x, levels=True)
    assert found.columns == ["x0", "x1"]
    assert found.levels.columns == ["x0", "x1", "x0 is missing"]
    adds_up(found)
    adds_up(found.levels)
    sparse = fitted.explain(sp.csr_array(x))
    assert all(sp.issparse(part) for part in sparse.values)
    adds_up(sparse)


@pytest.mark.parametrize("targets", ["one", "several"])
def test_regression_is_in_the_units_of_targets(targets):
    y = 1e4 + 300 * FRAME["noise"].to_numpy()
    y = y if targets == "one" else np.stack([y, -y], axis=1)
    fitted = ts.SparseMLPRegressor(**FAST).fit(FRAME, y)
    found = fitted.explain(FRAME)
    np.testing.assert_allclose(found.outputs, fitted.predict(FRAME), rtol=1e-5)
    assert found.shape == ((ROWS, 4) if targets == "one" else (ROWS, 4, 2))
    assert found.output_names == (["y"] if targets == "one" else ["y0", "y1"])
    adds_up(found)
    assert np.abs(found.values[:, 1]).mean() > 10


def test_several_labels():
    y = np.stack([FRAME["noise"] > 0, np.nan_to_num(AGE, nan=40) > 40], axis=1).astype(int)
    fitted = ts.SparseMLPClassifier(**FAST).fit(FRAME, y)
    found = fitted.explain(FRAME)
    assert found.shape == (ROWS, 4, 2)
    assert found.output_names == ["0", "1"]
    adds_up(found)
    probabilities = fitted.explain(FRAME, of="outputs")
    np.testing.assert_allclose(probabilities.outputs, fitted.predict_proba(FRAME), rtol=1e-5)


def test_sparse_samples_get_sparse_contributions():
    x = sp.random_array((ROWS, 400), density=0.05, rng=1, format="csr")
    fitted = ts.SparseMLPClassifier(**FAST).fit(x, Y)
    found = fitted.explain(x, outputs=1)
    assert found.values.nnz <= x.nnz
    assert not np.setdiff1d(found.values.nonzero()[1], x.nonzero()[1]).size
    adds_up(found)
    dense = fitted.explain(x.toarray(), outputs=1, baseline="zero")
    np.testing.assert_allclose(found.values.toarray(), dense.values, atol=1e-4)
    assert [name for name, _ in found.ranked(0)] == [
        f"x{i}"
        for i in sorted(x[[0]].indices.tolist(), key=lambda i: -abs(found.values[0, i]))
        if found.values[0, i]
    ]


def test_linear_truth_is_ranked_as_it_is():
    x = RNG.normal(size=(600, 8))
    truth = np.array([3.0, -2, 1.5, -1, 0.6, 0.3, -0.1, 0])
    fitted = ts.SparseMLPRegressor((32,), max_iter=60, random_state=0).fit(x, x @ truth)
    found = fitted.explain(x)
    assert np.corrcoef(found.values.ravel(), (x * truth).ravel())[0, 1] > 0.98
