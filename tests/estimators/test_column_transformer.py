"""Tables that scikit-learn's `ColumnTransformer` or skrub has encoded are as good as ours."""

import numpy as np
import pytest
import trulysparse as ts
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

pd = pytest.importorskip("pandas", reason="pip install pandas")

HALF, ROWS = 800, 1300


def homes(tail):
    """A price of six digits or with a heavy tail, an area, and two categories of 27 levels."""
    rng = np.random.default_rng(5)
    size = rng.normal(size=ROWS)
    frame = pd.DataFrame(
        {
            "price": 2e5 * np.exp(tail * size),
            "area": rng.normal(80, 20, ROWS),
            "town": rng.choice([f"t{i}" for i in range(25)], ROWS),
            "kind": rng.choice(["flat", "house"], ROWS),
        }
    )
    effect = rng.normal(size=25)[frame.town.str[1:].astype(int)]
    worth = size + (frame.area - 80) / 20 + 1.5 * effect + 0.7 * (frame.kind == "flat")
    return frame, worth.to_numpy()


def encoder(*, sparse):
    categories = OneHotEncoder(sparse_output=sparse, handle_unknown="ignore")
    return ColumnTransformer(
        [("levels", categories, ["town", "kind"])],
        remainder="passthrough",
        sparse_threshold=1.0 if sparse else 0.0,
    )


def scores(make, frame, worth):
    """Give accuracy and R2 on rows that a classifier and a regressor did not see."""
    found = []
    for kind, y in (
        (ts.SparseMLPClassifier, (worth > 0).astype(int)),
        (ts.SparseMLPRegressor, worth),
    ):
        fitted = make(kind(random_state=0)).fit(frame[:HALF], y[:HALF])
        found.append(fitted.score(frame[HALF:], y[HALF:]))
    return np.array(found)


@pytest.mark.parametrize("tail", [0.4, 3.0])
@pytest.mark.parametrize("sparse", [True, False])
def test_a_price_beside_one_hot_columns(sparse, tail):
    frame, worth = homes(tail)
    found = scores(lambda e: make_pipeline(encoder(sparse=sparse), e), frame, worth)
    logged = frame.assign(price=np.log(frame.price))
    best = scores(
        lambda e: make_pipeline(encoder(sparse=False), StandardScaler(), e), logged, worth
    )
    assert (found > best - (0.04 if tail < 1 else 0.08)).all()
    assert (scores(lambda e: e, frame, worth) > best - (0.04 if tail < 1 else 0.08)).all()


@pytest.mark.parametrize("tail", [0.4, 3.0])
def test_skrub(tail):
    skrub = pytest.importorskip("skrub", reason="pip install skrub")
    frame, worth = homes(tail)
    plain = scores(lambda e: e, frame, worth)
    for make in (skrub.tabular_pipeline, lambda e: make_pipeline(skrub.TableVectorizer(), e)):
        assert (scores(make, frame, worth) > plain - 0.05).all()
