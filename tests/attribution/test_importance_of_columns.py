"""What columns of tables are worth: many levels must not add up to more than they tell."""

import numpy as np
import pytest
import trulysparse as ts
from trulysparse.data.blocks import Blocks

pandas = pytest.importorskip("pandas", reason="pip install pandas")


def table(rng, rows, levels):
    """A number and a category of four levels that tell, and one of many levels that does not."""
    number, kind = rng.normal(size=rows), rng.integers(0, 4, rows)
    y = (number + 1.2 * np.array([1, -1, 0.5, -0.5])[kind] + rng.normal(size=rows) > 0).astype(int)
    columns = {
        "number": number,
        "kind": np.array(list("abcd"))[kind],
        "city": [f"city {i}" for i in rng.integers(0, levels, rows)],
        "noise": rng.normal(size=rows),
    }
    return pandas.DataFrame(columns), y


@pytest.mark.parametrize("standardize", ["auto", True])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_category_of_many_levels_that_tells_nothing_is_below_what_tells(seed, standardize):
    frame, y = table(np.random.default_rng(seed), 1500, 50)
    fitted = ts.SparseMLPClassifier(standardize=standardize, random_state=seed).fit(frame, y)
    worth = dict(zip(frame.columns, fitted.feature_importances_, strict=True))
    assert min(worth["number"], worth["kind"]) > max(worth["city"], worth["noise"])


def test_scores_are_paths_times_deviations_in_training():
    frame, y = table(np.random.default_rng(3), 400, 9)
    frame.loc[:40, "number"] = np.nan
    fitted = ts.SparseMLPClassifier(max_iter=3, random_state=0).fit(frame, y)
    encoded = fitted._encoder.transform(frame)
    assert isinstance(encoded, Blocks)
    ones = encoded.sparse.toarray().astype(np.float64)
    deviations = np.r_[np.ones(encoded.dense.shape[1]), ones.std(axis=0)]
    expected = np.zeros(len(deviations))
    expected[fitted.model_.units(0)] = fitted.model_.feature_importance()
    expected *= deviations
    levels = {k: v for part in fitted.level_importances_.values() for k, v in part.items()}
    found = [levels[name] for name in fitted._encoder.feature_names_]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    for part, at, score in zip(
        fitted._encoder.columns_,
        fitted._encoder.places(),
        fitted.feature_importances_,
        strict=True,
    ):
        assert score == pytest.approx(np.sqrt((expected[at] ** 2).sum())), part.name


def test_a_table_of_categories_alone():
    frame, y = table(np.random.default_rng(4), 1500, 50)
    frame = frame[["city", "kind"]]
    fitted = ts.SparseMLPClassifier(random_state=0).fit(frame, y)
    city, kind = fitted.feature_importances_
    assert kind > city > 0
