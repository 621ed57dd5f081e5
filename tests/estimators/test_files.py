"""One file is the whole estimator."""

import json
import subprocess
import sys

import numpy as np
import pytest
import trulysparse as ts
from helpers.model_file import tensors_of, write_tensors

pd = pytest.importorskip("pandas", reason="pip install pandas")

ROWS = 120
RNG = np.random.default_rng(0)
TABLE = pd.DataFrame(
    {
        "age": pd.array(
            np.where(RNG.random(ROWS) < 0.1, None, RNG.integers(20, 60, ROWS)), "Int64"
        ),
        "port": RNG.choice(["S", "C", "Q", None], ROWS),
        "speed": RNG.normal(size=ROWS),
    }
)
NEW = TABLE.iloc[:5].assign(port=["S", "unseen", None, "Q", "other"], age=[1, None, 3, 4, None])
X = {
    "a mixed table": (TABLE, NEW),
    "numbers": (TABLE[["speed"]], NEW[["speed"]]),
    "an array": (TABLE[["speed"]].to_numpy(), NEW[["speed"]].to_numpy()),
    "missing numbers": (
        TABLE[["age", "speed"]].to_numpy(float, na_value=np.nan),
        NEW[["age", "speed"]].to_numpy(float, na_value=np.nan),
    ),
}
CLASSIFIER, REGRESSOR = ts.SparseMLPClassifier, ts.SparseMLPRegressor
Y = {
    "text": (CLASSIFIER, RNG.choice(["no", "yes", "höher"], ROWS)),
    "integers": (CLASSIFIER, RNG.integers(-1, 2, ROWS)),
    "booleans": (CLASSIFIER, RNG.random(ROWS) < 0.5),
    "floats": (CLASSIFIER, RNG.integers(0, 2, ROWS).astype(float)),
    "objects": (CLASSIFIER, RNG.choice(np.array(["a", "b"], object), ROWS)),
    "labels": (CLASSIFIER, RNG.integers(0, 2, (ROWS, 3))),
    "numbers": (REGRESSOR, 1000 + 50 * TABLE.speed.to_numpy()),
    "several numbers": (REGRESSOR, RNG.normal(size=(ROWS, 2))),
}
QUICK = {"hidden_layer_sizes": (12,), "max_iter": 3, "random_state": 0}


def answers(estimator, x):
    found = [estimator.predict(x)]
    return [*found, estimator.predict_proba(x)] if isinstance(estimator, CLASSIFIER) else found


@pytest.mark.parametrize("target", Y)
@pytest.mark.parametrize("samples", X)
def test_a_loaded_estimator_is_what_was_saved(samples, target, tmp_path):
    (x, new), (kind, y) = X[samples], Y[target]
    estimator = kind(**QUICK, early_stopping=True).fit(x, y)
    estimator.save(tmp_path / "e.safetensors")
    loaded = ts.load(tmp_path / "e.safetensors")
    assert type(loaded) is kind
    assert loaded.get_params() == estimator.get_params()
    for table in (x, new):
        for before, after in zip(answers(estimator, table), answers(loaded, table), strict=True):
            assert before.dtype == after.dtype
            np.testing.assert_array_equal(before, after)
    assert loaded.score(x, y) == estimator.score(x, y)
    assert loaded.columns_ == estimator.columns_
    np.testing.assert_array_equal(loaded.feature_importances_, estimator.feature_importances_)
    assert loaded.loss_curve_ == estimator.loss_curve_
    assert "estimator" not in loaded.model_.metadata
    named = json.loads(loaded.model_.metadata.get("feature_names", "null"))
    assert named is None or len(named) == loaded.model_.layer_sizes[0]
    estimator.partial_fit(x, y)
    loaded.partial_fit(x, y)
    for before, after in zip(answers(estimator, x), answers(loaded, x), strict=True):
        np.testing.assert_array_equal(before, after)


def test_another_process_says_the_same(tmp_path):
    estimator = REGRESSOR(**QUICK).fit(TABLE, Y["numbers"][1])
    estimator.save(tmp_path / "e.safetensors")
    NEW.to_pickle(tmp_path / "new.pkl")
    code = (
        "import sys, pandas as pd, trulysparse as ts;"
        "print(ts.load(sys.argv[1]).predict(pd.read_pickle(sys.argv[2])).tolist())"
    )
    paths = [tmp_path / "e.safetensors", tmp_path / "new.pkl"]
    said = subprocess.run(
        [sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True
    )
    assert json.loads(said.stdout) == estimator.predict(NEW).tolist()


def test_objects_among_the_parameters_are_left_at_their_defaults(tmp_path):
    estimator = CLASSIFIER(**QUICK, optimizer=ts.Adam(0.01)).fit(TABLE, Y["text"][1])
    estimator.save(tmp_path / "e.safetensors")
    loaded = ts.load(tmp_path / "e.safetensors")
    assert loaded.optimizer == "auto"
    np.testing.assert_array_equal(loaded.predict_proba(NEW), estimator.predict_proba(NEW))


def test_what_cannot_be_saved(tmp_path):
    path = tmp_path / "e.safetensors"
    days = np.array(["2024-01-01", "2024-01-02"], "M8[D]")[np.arange(ROWS) % 2]
    with pytest.raises(TypeError, match=r"classes_ have dtype datetime64.*or a pickle"):
        CLASSIFIER(**QUICK).fit(TABLE, days).save(path)
    with pytest.raises(Exception, match="not fitted"):
        CLASSIFIER().save(path)
    assert not path.exists()


DAMAGE = {
    "another class": {"class": "SparseFeatureSelector"},
    "no parameters": {"parameters": {"hidden_layers": 3}},
    "other classes": {"target": {"kind": "classes", "dtype": "<i8", "values": [0, 1, 2, 3]}},
    "unsorted classes": {"target": {"kind": "classes", "dtype": "<U5", "values": ["b", "a", "c"]}},
    "no target": {"target": None},
    "another kind of target": {"target": {"kind": "labels", "outputs": 3}},
    "other columns": {"features": 7},
    "no columns": {"encoder": None},
    "no losses": {"loss_curve": []},
    "losses of text": {"loss_curve": ["a"]},
    "spreads of other columns": {"robust": [99]},
    "spreads twice": {"robust": [1, 1]},
    "a scale without a name": {"scale": 3},
    "columns that are none": {"encoder": {"kind": "table", "text": "{}"}},
}


def test_files_from_before_say_nothing_of_scales(tmp_path):
    path = tmp_path / "e.safetensors"
    estimator = CLASSIFIER(**QUICK).fit(TABLE, Y["text"][1])
    estimator.save(path)
    metadata, tensors = tensors_of(path)
    about = json.loads(metadata["trulysparse"])
    said = json.loads(about["user"]["estimator"])
    for name in ("scale", "robust"):
        del said[name]
    for name in ("scale", "clip"):
        del said["parameters"][name]
    encoder = json.loads(said["encoder"]["text"])
    for column in encoder["columns"]:
        column.pop("is_median", None)
    said["encoder"]["text"] = json.dumps(encoder)
    about["user"]["estimator"] = json.dumps(said)
    write_tensors(path, {"trulysparse": json.dumps(about)}, tensors)
    loaded = ts.load(path)
    assert loaded.columns_ == estimator.columns_
    np.testing.assert_array_equal(loaded.predict_proba(NEW), estimator.predict_proba(NEW))
    for one in (loaded, estimator):
        one.set_params(warm_start=True).fit(TABLE, Y["text"][1])
    np.testing.assert_array_equal(loaded.predict_proba(NEW), estimator.predict_proba(NEW))


@pytest.mark.parametrize("damage", DAMAGE)
def test_other_texts_are_refused(damage, tmp_path):
    path = tmp_path / "e.safetensors"
    CLASSIFIER(**QUICK).fit(TABLE, Y["text"][1]).save(path)
    metadata, tensors = tensors_of(path)
    about = json.loads(metadata["trulysparse"])
    said = json.loads(about["user"]["estimator"]) | DAMAGE[damage]
    about["user"]["estimator"] = json.dumps(said)
    write_tensors(path, {"trulysparse": json.dumps(about)}, tensors)
    with pytest.raises(ValueError, match="no estimator of this version"):
        ts.load(path)
