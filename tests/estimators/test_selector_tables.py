"""`SparseFeatureSelector` on tables as they are: it selects columns, and gives them back."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

pd = pytest.importorskip("pandas", reason="pip install pandas")
pl = pytest.importorskip("polars", reason="pip install polars")

RNG = np.random.default_rng(8)
ROWS = 500
SHOPS = RNG.choice(["north", "south", "east", "west"], ROWS)
NUMBERS = {f"n{i}": RNG.normal(size=ROWS) for i in range(6)}
FRAME = pd.DataFrame(
    NUMBERS
    | {
        "shop": SHOPS,
        "street": [f"street {i}" for i in RNG.integers(0, 120, ROWS)],
        "opened": pd.Timestamp("2020-01-01") + pd.to_timedelta(RNG.integers(0, 900, ROWS), "D"),
        "empty": [None] * ROWS,
        "name": [f"name {i}" for i in range(ROWS)],
    }
)
FRAME.loc[RNG.random(ROWS) < 0.1, "n1"] = np.nan
FRAME.loc[RNG.random(ROWS) < 0.1, "shop"] = None
FRAME.index = range(1000, 1000 + ROWS)
TRUTH = (
    1.5 * FRAME.n3
    + 1.5 * pd.Series(SHOPS).map({"north": 1, "south": -1, "east": 0.5, "west": -0.5}).to_numpy()
)
Y = np.where(TRUTH > 0, "busy", "quiet")
TOLD = ["n3", "shop"]
QUICK = {"epochs": 2, "hidden_layer_sizes": 10, "random_state": 0}


def as_polars(frame):
    plain = frame.astype(object).where(frame.notna(), None)
    return pl.DataFrame({name: plain[name].tolist() for name in frame.columns})


def as_arrow(frame):
    pytest.importorskip("pyarrow", reason="pip install pyarrow")
    return as_polars(frame).to_arrow()


def fitted(frame, y, count=2, **options):
    return ts.SparseFeatureSelector(count, **({"random_state": 0} | options)).fit(frame, y)


@pytest.mark.parametrize("y", [Y, TRUTH.to_numpy()], ids=["classes", "numbers"])
def test_columns_are_found_among_noise_with_more_levels(y):
    selector = fitted(FRAME, y)
    assert selector.get_feature_names_out().tolist() == TOLD
    assert selector.n_features_in_ == len(selector.scores_) == FRAME.shape[1]
    assert selector.feature_names_in_.tolist() == FRAME.columns.tolist()
    left_out = [FRAME.columns.get_loc(name) for name in ("empty", "name")]
    assert not selector.scores_[left_out].any()
    assert [part.name for part in selector.columns_] == FRAME.columns.tolist()
    assert "left out" in str(selector.columns_[left_out[1]])
    assert ts.SparseFeatureSelector(2, **QUICK).fit(RNG.normal(size=(30, 4))).columns_ is None


def test_cells_come_back_as_they_are():
    selector = fitted(FRAME, Y, 3)
    kept = FRAME.columns[selector.get_support()].tolist()
    pd.testing.assert_frame_equal(selector.transform(FRAME), FRAME[kept])
    shuffled = FRAME[FRAME.columns[::-1]].iloc[:7]
    pd.testing.assert_frame_equal(selector.transform(shuffled), FRAME[kept].iloc[:7])
    with pytest.raises(ValueError, match="lacks columns that were there in fit: 'n0'"):
        selector.transform(FRAME.drop(columns="n0"))
    with pytest.raises(ValueError, match="fit did not see: 'more'"):
        selector.transform(FRAME.assign(more=1))
    with pytest.raises(TypeError, match="expected a frame"):
        selector.transform(FRAME.to_numpy())
    with pytest.raises(TypeError, match="inverse_transform puts zeros"):
        selector.inverse_transform(selector.transform(FRAME))


@pytest.mark.parametrize("convert", [as_polars, as_arrow])
def test_other_libraries(convert):
    table = convert(FRAME)
    selector = fitted(table, Y)
    out = selector.transform(table)
    assert type(out) is type(table)
    names = out.columns if convert is as_polars else out.column_names
    assert names == selector.get_feature_names_out().tolist() == TOLD
    assert pl.DataFrame(out).equals(as_polars(FRAME)[TOLD], null_equal=True)
    np.testing.assert_array_equal(selector.scores_, fitted(FRAME, Y).scores_)


def test_set_output():
    selector = ts.SparseFeatureSelector(3, **QUICK).set_output(transform="pandas")
    out = selector.fit_transform(FRAME, Y)
    kept = FRAME.columns[selector.get_support()].tolist()
    pd.testing.assert_frame_equal(out, FRAME[kept])


def test_frames_of_numbers_give_frames():
    frame = pd.DataFrame(NUMBERS).astype({"n0": "float32"})
    selector = fitted(frame, TRUTH.to_numpy(), 3, **QUICK)
    kept = frame.columns[selector.get_support()].tolist()
    pd.testing.assert_frame_equal(selector.transform(frame), frame[kept])
    table = pl.DataFrame(NUMBERS)
    again = fitted(table, TRUTH.to_numpy(), 3, **QUICK)
    assert again.transform(table).columns == kept
    back = selector.inverse_transform(selector.transform(frame))
    np.testing.assert_allclose(back[:, selector.get_support()], frame[kept], rtol=1e-6)


def test_arrays_and_matrices_with_missing_numbers():
    x = np.column_stack([*NUMBERS.values()])
    x[RNG.random(x.shape) < 0.05] = np.nan
    y = np.nan_to_num(x[:, 3]) + 2 * np.isnan(x[:, 1])
    selector = fitted(x, y)
    assert selector.get_support(indices=True).tolist() == [1, 3]
    np.testing.assert_array_equal(selector.transform(x), x[:, [1, 3]])
    matrix = sp.csr_array(np.where(np.abs(x) > 0.3, x, 0) + 0 * x)
    again = fitted(matrix, y, standardize=False)
    assert again.get_support(indices=True).tolist() == [1, 3]
    out = again.transform(matrix)
    assert sp.issparse(out)
    np.testing.assert_array_equal(out.toarray(), matrix.toarray()[:, [1, 3]])


@pytest.mark.parametrize("y", [Y, TRUTH.to_numpy(), None], ids=["classes", "numbers", "none"])
def test_blocks(y):
    levels = sp.csr_array(pd.get_dummies(SHOPS).to_numpy(float))
    x = ts.Blocks(np.column_stack([*NUMBERS.values()]), levels)
    selector = fitted(x, y, 5)
    assert len(selector.scores_) == x.shape[1] == selector.n_features_in_
    mask = selector.get_support()
    if y is not None:
        assert mask[3]
    mask[:] = False
    mask[[2, 7, 8]] = True
    selector.scores_ = mask.astype(float)
    selector.n_features_ = 3
    out = selector.transform(x)
    np.testing.assert_array_equal(out.dense, x.dense[:, [2]])
    np.testing.assert_array_equal(out.sparse.toarray(), levels.toarray()[:, [1, 2]])
    selector.scores_ = np.arange(x.shape[1], dtype=float)  # the levels alone
    assert sp.issparse(selector.transform(x))
    selector.scores_ = -selector.scores_ + 20
    np.testing.assert_array_equal(selector.transform(x), x.dense[:, :3])
    with pytest.raises(ValueError, match=r"X has 9 features: expected 10"):
        selector.transform(ts.Blocks(x.dense[:, 1:], levels))


@pytest.mark.parametrize("table", ["frame", "blocks", "levels", "csr", "dense"])
@pytest.mark.parametrize("y", [Y, None], ids=["y", "no y"])
@pytest.mark.parametrize("standardize", ["auto", True, False])
@pytest.mark.filterwarnings("ignore::trulysparse.ExplosionWarning")
def test_what_is_standardised(table, y, standardize):
    levels = sp.csr_array(pd.get_dummies(SHOPS).to_numpy(float))
    dense = 100 + 5 * np.column_stack([*NUMBERS.values()])
    x = {
        "frame": FRAME,
        "blocks": ts.Blocks(dense, levels),
        "levels": FRAME[["shop", "street"]],
        "csr": levels,
        "dense": dense,
    }[table]
    rate = {} if standardize else {"learning_rate": 1e-9}
    model = fitted(x, y, **QUICK, standardize=standardize, **rate).model_
    is_auto = table in ("frame", "blocks", "levels") or (table == "csr" and standardize == "auto")
    assert model.standardize == (False if not standardize else "auto" if is_auto else True)
    assert model.standardize_targets == (y is None and standardize is not False)


def test_weights_and_constant_columns():
    frame = FRAME.assign(same=7.0, text="x")
    weight = RNG.integers(0, 3, ROWS)
    some = weight > 0
    selector = ts.SparseFeatureSelector(2, **QUICK)
    scores = selector.fit(frame, Y, sample_weight=weight).scores_
    assert not scores[-2:].any()
    assert scores.shape == (frame.shape[1],)
    with pytest.warns(UserWarning, match=r"14 features|13 features are selected"):
        ts.SparseFeatureSelector(13, **QUICK).fit(frame[some], Y[some])


def test_pipelines_searches_and_pickles():
    pipeline = make_pipeline(
        ts.SparseFeatureSelector(2, random_state=0),
        ts.SparseMLPClassifier(max_iter=20, random_state=0),
    )
    assert cross_val_score(pipeline, FRAME, Y, cv=2).mean() > 0.9
    table = as_polars(FRAME)
    assert pipeline.fit(table, Y).score(table, Y) > 0.9
    assert pipeline[1].feature_names_in_.tolist() == TOLD
    selector = pickle.loads(pickle.dumps(pipeline[0]))
    assert selector.transform(table).columns == TOLD
    again = clone(selector).fit(FRAME, Y)
    np.testing.assert_array_equal(again.scores_, selector.scores_)


def test_a_later_fit_forgets_the_table():
    selector = fitted(FRAME, Y, **QUICK)
    x = np.column_stack([*NUMBERS.values()])
    selector.fit(x, Y)
    np.testing.assert_array_equal(selector.transform(x), x[:, selector.get_support()])
    assert not hasattr(selector, "feature_names_in_")
