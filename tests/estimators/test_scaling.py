"""`scale` and `clip`: heavy-tailed columns are learnt, ordinary ones train as they always did."""

import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers import cases
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from trulysparse.data.spread import HEAVY, is_heavy, spreads

pd = pytest.importorskip("pandas", reason="pip install pandas")

CLASSIFIER, REGRESSOR = ts.SparseMLPClassifier, ts.SparseMLPRegressor
QUICK = {"hidden_layer_sizes": (12,), "max_iter": 3, "random_state": 0}
ROWS = 300

HEAVY_TAILED = {
    "exponentials": lambda r, n: np.exp(3 * r.normal(size=n)),
    "Cauchy": lambda r, n: 7 + r.standard_cauchy(n),
    "one far value": lambda r, n: np.where(np.arange(n) == 3, -1e9, r.normal(size=n)),
    "mostly zeros": lambda r, n: np.where(r.random(n) < 0.6, 0, np.exp(3 * r.normal(size=n))),
    "a word for missing": lambda r, n: np.where(r.random(n) < 0.02, -99999, r.normal(size=n)),
}
ORDINARY = {
    "normal": lambda r, n: 5 + r.normal(size=n),
    "uniform": lambda r, n: r.random(n),
    "waits": lambda r, n: r.exponential(size=n),
    "counts": lambda r, n: r.poisson(2, n),
    "rare counts": lambda r, n: r.poisson(0.1, n),
    "binary": lambda r, n: r.random(n) < 0.02,
    "whole": lambda r, n: r.integers(0, 10, n),
    "two clouds": lambda r, n: np.where(r.random(n) < 0.4, 1e6, 0) + r.normal(size=n),
    "one value": lambda r, n: np.full(n, 3.0),
}


def table(draw, rows=ROWS, seed=0):
    """Three normal columns and one more, its rank, and a class that needs both kinds."""
    rng = np.random.default_rng(seed)
    column = np.asarray(draw(rng, rows), float)
    x = np.column_stack([rng.normal(size=(rows, 3)), column])
    return x, ((column > np.quantile(column, 0.6)) ^ (x[:, 0] > 0)).astype(int)


def kinds(estimator):
    return [part.scaled.kind for part in estimator.columns_]


@pytest.mark.parametrize("name", HEAVY_TAILED)
def test_a_heavy_tailed_column_does_not_drown(name):
    x, y = table(HEAVY_TAILED[name], 1200)
    ranked = x.copy()
    ranked[:, 3] = np.argsort(np.argsort(x[:, 3])) / len(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = CLASSIFIER(random_state=0).fit(x[:800], y[:800])
    best = CLASSIFIER(random_state=0).fit(ranked[:800], y[:800]).score(ranked[800:], y[800:])
    # Small numbers beside many zeros are apart by their ranks only; drowned, the score is 0.65.
    near = 0.06 if name == "mostly zeros" else 0.04
    assert fitted.score(x[800:], y[800:]) > best - near
    assert kinds(fitted) == ["standard"] * 3 + ["robust"]
    assert {part.scaled.clip for part in fitted.columns_} == {3}
    numbers = x[:, 1] + np.clip(x[:, 3] - np.median(x[:, 3]), -1, 1)
    regressor = REGRESSOR(random_state=0).fit(x[:800], numbers[:800])
    assert regressor.score(x[800:], numbers[800:]) > 0.9
    assert {part.scaled.clip for part in regressor.columns_} == {10}


@pytest.mark.parametrize("kind", [CLASSIFIER, REGRESSOR])
def test_ordinary_columns_train_as_they_did(kind):
    rng = np.random.default_rng(3)
    x = np.column_stack([draw(rng, ROWS) for draw in ORDINARY.values()]).astype(float)
    y = rng.integers(0, 3, ROWS)
    marks = sp.csr_array((rng.random((ROWS, 5)) < 0.2) * rng.random((ROWS, 5)))
    for samples, older in ((x, True), (ts.Blocks(x, marks), "auto"), (marks, "auto")):
        found = kind(**QUICK).fit(samples, y)
        # Of samples that are not sparse, what tells classes apart has a limit.
        clip = None if kind is REGRESSOR or samples is marks else 3.0
        assert found.model_.clip == clip
        assert "robust" not in kinds(found)
        plain = kind(**QUICK, standardize=older, clip=clip).fit(samples, y)
        assert found.model_._core.to_bytes({}) == plain.model_._core.to_bytes({})
        if samples is x:
            named = kind(**QUICK, scale="standard").fit(samples, y)
            assert named.model_._core.to_bytes({}) == plain.model_._core.to_bytes({})
    raw = kind(**QUICK, scale=None).fit(x[:, :2], y).model_._core.to_bytes({})
    assert raw == kind(**QUICK, standardize=False).fit(x[:, :2], y).model_._core.to_bytes({})


def test_a_few_rows_are_never_heavy_tailed():
    assert not is_heavy(np.r_[np.zeros(18), 1e9])
    assert is_heavy(np.r_[np.arange(19), 1e9])


def test_a_zero_for_none_leaves_the_times_apart():
    rng = np.random.default_rng(4)
    time = 1.6e9 + rng.integers(0, 900, 1000)
    y = (time > 1.6e9 + 450).astype(int)
    x = np.column_stack([np.where(rng.random(1000) < 0.2, 0, time), rng.normal(size=1000)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = CLASSIFIER(random_state=0).fit(x, y)
    known = x[:, 0] > 0
    assert fitted.score(x[known], y[known]) > 0.95


def test_values_that_a_clip_merges_are_said():
    rng = np.random.default_rng(4)
    column = np.where(rng.random(1000) < 0.1, 1e12 + 1e9 * rng.random(1000), rng.normal(size=1000))
    x, y = np.column_stack([column, rng.normal(size=1000)]), rng.integers(0, 2, 1000)
    for asked in ({}, {"scale": "robust"}):
        with pytest.warns(RuntimeWarning, match="column 0 of X has .* once standardised"):
            CLASSIFIER(**QUICK, **asked).fit(x, y)
        with pytest.warns(RuntimeWarning, match="column 0 of X has .* once standardised"):
            CLASSIFIER(**QUICK, **asked).fit(ts.Blocks(x, sp.csr_array(np.eye(2)[y])), y)


# --- medians and spreads --------------------------------------------------------------------------

CELLS = st.sampled_from([0.0, 0.0, 1.0, 2.0, -1.0, 0.3, 0.1 + 0.2, 1e6])
CELLS |= st.floats(-10, 10).map(lambda cell: round(cell, 6))


def naive(column):
    low, centre, high = np.quantile(column, [0.25, 0.5, 0.75])
    spread = (high - low) / 1.349
    if spread <= 1e-15 * abs(centre):
        others = np.abs(column - centre)
        others = others[others > 1e-15 * abs(centre)]
        spread = np.median(others) / 2 if len(others) else 0
    return centre, spread


@settings(max_examples=cases.drawn(150))
@example([[0.0] * 24 + [1.0]] * 2, 1)
@example([[2.0, -2.00001]], 0)
@given(
    st.integers(2, 40).flatmap(
        lambda n: st.lists(st.lists(CELLS, min_size=n, max_size=n), min_size=1, max_size=5)
    ),
    st.integers(0, 4),
)
def test_medians_and_spreads_of_any_container(columns, dense):
    x = np.array(columns).T
    dense = min(dense, x.shape[1] - 1)
    expected = [naive(column) for column in columns]
    containers = [x, np.asfortranarray(x), sp.csr_array(x)]
    if dense:
        containers.append(ts.Blocks(x[:, :dense], sp.csr_array(x[:, dense:])))
    for container in containers:
        found = spreads(container, {}, heavy=False)
        some = [c for c, (_, spread) in enumerate(expected) if spread > 0]
        assert found.columns.tolist() == some
        # What nearly cancels is as exact as what it is made of.
        error = np.abs(found.centre - [expected[c][0] for c in some])
        assert (error <= 1e-12 * np.abs(x[:, some]).max(axis=0)).all()
        np.testing.assert_allclose(found.spread, [expected[c][1] for c in some], rtol=1e-9)
    np.testing.assert_array_equal(x, np.array(columns).T)


@given(st.integers(0, 2**32 - 1), st.sampled_from([30, 100, 1000]))
def test_what_is_heavy_tailed(seed, rows):
    rng = np.random.default_rng(seed)
    draws = [*ORDINARY.values(), *HEAVY_TAILED.values()]
    x = np.column_stack([draw(rng, rows) for draw in draws]).astype(float)
    found = spreads(x, {}, heavy=True).columns.tolist()
    heavy = [x[:, c].std() > HEAVY * s > 0 for c, (_, s) in enumerate(map(naive, x.T))]
    assert found == np.flatnonzero(heavy).tolist()
    rare = (x != 0).mean(axis=0) < 0.5
    for c in np.flatnonzero(rare):  # of sparse samples such columns are scaled if they are large
        stored = np.abs(x[x[:, c] != 0, c])
        size = np.sqrt((stored**2).mean()) if len(stored) >= 20 else 0
        heavy[c] = size > max(8, HEAVY * np.median(stored)) if size else False
    found = spreads(sp.csr_array(x), {}, heavy=True)
    assert found.columns.tolist() == np.flatnonzero(heavy).tolist()
    for c, *others in zip(*found, strict=True):
        np.testing.assert_allclose(others, naive(x[:, c]), rtol=1e-9)


def test_what_stands_for_missing_numbers_has_no_say():
    rng = np.random.default_rng(1)
    column = np.exp(3 * rng.normal(size=400))
    x = np.column_stack([rng.normal(size=400), column])
    gaps = x.copy()
    gaps[rng.random(400) < 0.45, 1] = np.nan
    gaps[rng.random(400) < 0.45, 0] = np.nan
    y = (x[:, 0] > 0).astype(int)
    centres = np.nanmedian(gaps, axis=0)
    for scale, robust in (("auto", [1]), ("robust", [0, 1])):
        for samples in (gaps, pd.DataFrame(gaps, columns=["a", "b"])):
            fitted = CLASSIFIER(**QUICK, scale=scale).fit(samples, y)
            for c, part in enumerate(fitted.columns_):
                assert (part.scaled.kind == "robust") == (c in robust)
                assert part.is_median == (c in robust)
                if c in robust:
                    present = gaps[~np.isnan(gaps[:, c]), c]
                    expected = (centres[c], naive(present)[1])
                    np.testing.assert_allclose(part.scaled[1:3], expected, rtol=1e-12)
                    assert part.mean == part.scaled.centre
        sparse = CLASSIFIER(**QUICK, scale=scale).fit(sp.csr_array(gaps), y)
        assert [c for c in (0, 1) if kinds(sparse)[c] == "robust"] == robust
        np.testing.assert_allclose(sparse.columns_[1].scaled[1:3], expected, rtol=1e-12)


def test_a_price_in_a_sparse_matrix():
    rng = np.random.default_rng(2)
    codes, price = rng.integers(0, 30, 900), np.exp(3 * rng.normal(size=900))
    x = sp.hstack([sp.csr_array(np.eye(30)[codes]), sp.csr_array(price[:, None])], format="csr")
    y = (price * (1 + codes % 2) > 1).astype(int)
    fitted = CLASSIFIER(random_state=0).fit(x[:600], y[:600])
    assert kinds(fitted) == ["kept"] * 30 + ["robust"]
    assert fitted.score(x[600:], y[600:]) > 0.9
    x[::3, 30] = 0
    x.eliminate_zeros()
    assert kinds(CLASSIFIER(**QUICK).fit(x, y))[30] == "robust"
    few = x.copy()
    few.data[few.indices == 30] *= np.arange((few.indices == 30).sum()) % 4 == 0
    few.eliminate_zeros()
    assert kinds(CLASSIFIER(**QUICK).fit(few, y))[30] == "robust"


# --- parameters -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"scale": "minmax"}, "scale = 'minmax': expected 'auto', 'standard', 'robust' or None"),
        ({"scale": True}, "scale = True: expected"),
        ({"scale": "robust", "standardize": True}, "scale = 'robust' and standardize = True"),
        ({"scale": None, "standardize": True}, "scale = None and standardize = True"),
        ({"scale": "standard", "standardize": False}, "scale = 'standard' and standardize = Fal"),
        ({"clip": 0}, "clip = 0: expected 'auto', None or a positive"),
        ({"clip": "3"}, "clip = '3': expected"),
        ({"clip": 3, "scale": None}, "clip = 3 and features that are not scaled"),
        ({"clip": 3, "standardize": False}, "clip = 3 and features that are not scaled"),
    ],
)
def test_parameters_that_do_not_belong_together(asked, message):
    x, y = table(ORDINARY["normal"])
    for call in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match=message):
            getattr(CLASSIFIER(**QUICK, **asked), call)(x, y)


def test_both_names_may_say_the_same():
    x, y = table(ORDINARY["normal"])
    for one, other in (("standard", True), (None, False), (False, False)):
        estimator = CLASSIFIER(**QUICK, scale=one, standardize=other)
        assert clone(estimator).get_params() == estimator.get_params()
        only = CLASSIFIER(**QUICK, scale=one).fit(x, y).predict_proba(x)
        np.testing.assert_array_equal(estimator.fit(x, y).predict_proba(x), only)


def test_pickles_from_before_have_no_such_parameters():
    x, y = table(ORDINARY["normal"])
    for standardize in ("auto", True, False):
        estimator = CLASSIFIER(**QUICK, standardize=standardize).fit(x, y)
        state = dict(vars(estimator))
        for name in ("scale", "clip", "_scale", "_robust"):
            state.pop(name)
        old = CLASSIFIER.__new__(CLASSIFIER)
        old.__setstate__(state)
        assert old.get_params() == estimator.get_params()
        np.testing.assert_array_equal(old.predict_proba(x), estimator.predict_proba(x))
        assert old.columns_ == estimator.columns_
        for one in (old, estimator):
            one.set_params(warm_start=True).fit(x, y)
        np.testing.assert_array_equal(old.predict_proba(x), estimator.predict_proba(x))


def test_without_a_clip_nothing_is_scaled_by_spreads():
    x, y = table(HEAVY_TAILED["one far value"])
    with pytest.warns(RuntimeWarning, match="outliers"):
        fitted = CLASSIFIER(**QUICK, clip=None).fit(x, y)
    assert kinds(fitted) == ["standard"] * 4
    assert fitted.model_.clip is None


# --- what goes on ---------------------------------------------------------------------------------

SCALES = [{}, {"scale": "robust"}, {"scale": "robust", "clip": None}, {"clip": 2.0}]


@pytest.mark.parametrize("asked", SCALES)
def test_a_file_and_a_pickle_hold_it_all(asked, tmp_path):
    x, y = table(HEAVY_TAILED["exponentials"])
    x[:, 3] = np.minimum(x[:, 3], 40)
    estimator = CLASSIFIER(**QUICK, **asked).fit(x, y)
    estimator.save(tmp_path / "e.safetensors")
    loaded, copied = ts.load(tmp_path / "e.safetensors"), pickle.loads(pickle.dumps(estimator))
    for other in (loaded, copied):
        assert other.columns_ == estimator.columns_
        np.testing.assert_array_equal(other.predict_proba(x), estimator.predict_proba(x))
    estimator.model_.save(tmp_path / "network.safetensors")
    network = ts.load(tmp_path / "network.safetensors")
    np.testing.assert_array_equal(network.predict(x), estimator.predict_proba(x))
    for one in (estimator, loaded, copied):
        one.partial_fit(x[:50], y[:50])
        one.set_params(warm_start=True).fit(x, y)
    np.testing.assert_array_equal(loaded.predict_proba(x), estimator.predict_proba(x))
    np.testing.assert_array_equal(copied.predict_proba(x), estimator.predict_proba(x))


def test_spreads_stay_when_training_goes_on():
    x, y = table(HEAVY_TAILED["exponentials"])
    for asked in SCALES[:2]:
        estimator = CLASSIFIER(**QUICK, **asked, warm_start=True).fit(x, y)
        before = estimator.columns_
        estimator.partial_fit(x * 5, y).fit(x - 3, y)
        assert estimator.columns_ == before


def test_a_column_that_had_one_value_counts_once_it_varies():
    rng = np.random.default_rng(0)
    x, y = table(HEAVY_TAILED["exponentials"])
    later = np.column_stack([x, 2024.0 + rng.integers(0, 3, ROWS)])
    x = np.column_stack([x, np.full(ROWS, 2024.0)])
    for asked in SCALES[:2]:
        estimator = CLASSIFIER(max_iter=40, random_state=0, warm_start=True, **asked).fit(x, y)
        assert estimator.columns_[4].scaled.size == float("inf")
        expected = estimator.predict_proba(x)
        truth = (later[:, 4] > 2024.5).astype(int)
        estimator.set_params(max_iter=1, learning_rate_init=1e-12).fit(later, truth)
        np.testing.assert_allclose(estimator.predict_proba(x), expected, atol=1e-2)
        assert estimator.columns_[4].scaled.centre == 2024
        estimator.set_params(max_iter=60, learning_rate_init="auto").fit(later, truth)
        assert estimator.score(later, truth) > 0.9


def test_another_single_value_is_none_far_away():
    x, y = table(HEAVY_TAILED["exponentials"])
    one = np.ones((ROWS, 1))
    held = {
        "array": lambda value: np.hstack([x, value * one]),
        "CSR": lambda value: sp.csr_array(np.hstack([x, value * one])),
        "blocks": lambda value: ts.Blocks(x, sp.csr_array(value * one)),
    }
    for make in held.values():
        for first, other in ((2024, 2026), (0, 2), (5, 0)):
            estimator = CLASSIFIER(**QUICK, scale="robust", warm_start=True).fit(make(first), y)
            estimator.fit(make(other), y)
            assert estimator.columns_[4].scaled[1:3] == (first, abs(other - first))


def test_another_scale_needs_a_new_fit():
    x, y = table(HEAVY_TAILED["exponentials"])
    plain = CLASSIFIER(**QUICK, scale="standard").fit(x, y)
    free = CLASSIFIER(**QUICK, scale="standard", clip=None).fit(x, y)
    auto, robust = CLASSIFIER(**QUICK).fit(x, y), CLASSIFIER(**QUICK, scale="robust").fit(x, y)
    for estimator, asked, message in (
        (auto, {"scale": "standard"}, "scale = 'standard', but .* made with 'auto'"),
        (auto, {"scale": "robust"}, "scale = 'robust', but .* made with 'auto'"),
        (plain, {"scale": "robust"}, "scale = 'robust', but .* made with 'standard'"),
        (robust, {"scale": "standard"}, "scale = 'standard', but .* made with 'robust'"),
        (robust, {"scale": None, "clip": None}, "standardize = False, but"),
        (auto, {"clip": None}, "clip = None, but .* made with 3.0"),
        (auto, {"clip": 2}, "clip = 2.0, but .* made with 3.0"),
        (plain, {"clip": 2}, "clip = 2.0, but .* made with 3.0"),
        (free, {"clip": 2}, "clip = 2.0, but .* made with None"),
    ):
        other = clone(estimator).set_params(**asked, warm_start=True)
        other.__dict__.update({k: v for k, v in vars(estimator).items() if k not in asked})
        for call in ("fit", "partial_fit"):
            with pytest.raises(ValueError, match=message):
                getattr(other.set_params(warm_start=True), call)(x, y)


def test_batches_have_no_quartiles():
    x, y = table(HEAVY_TAILED["exponentials"])
    with pytest.raises(ValueError, match="scale = 'robust': expected fit before partial_fit"):
        CLASSIFIER(**QUICK, scale="robust").partial_fit(x, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        first = CLASSIFIER(**QUICK).partial_fit(x, y)
    assert kinds(first) == ["standard"] * 4
    assert CLASSIFIER(**QUICK, clip=2).partial_fit(x, y).model_.clip == 2


def test_columns_say_how_they_are_scaled():
    x, y = table(HEAVY_TAILED["exponentials"])
    frame = pd.DataFrame(x, columns=["a", "b", "c", "price"]).assign(one=7, t=["u", "v"] * 150)
    said = {part.name: str(part) for part in CLASSIFIER(**QUICK).fit(frame, y).columns_}
    centre, spread = naive(x[:, 3])
    tail = f"median {centre:.6g} and spread {spread:.6g}, clipped at 3"
    assert said["price"] == f"price: a number, {tail}"
    assert said["a"].startswith("a: a number, mean ")
    assert said["one"] == "one: a number with one value, which counts for nothing"
    assert said["t"] == "t: a category: 2 levels"
    plain = CLASSIFIER(**QUICK, scale=None).fit(x / 50, y).columns_
    assert all(part.scaled is None for part in plain)
