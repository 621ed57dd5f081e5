"""Everything that an exported folder holds is checked, and what it can hold comes back."""

import json

import numpy as np
import pytest
import trulysparse as ts

RNG = np.random.default_rng(8)
X = RNG.normal(2, 3, size=(40, 6))
Y = np.c_[X[:, 0] * 4 + 100, np.full(40, 7.0)]  # the second is constant


@pytest.fixture(scope="module")
def model():
    made = ts.SparseMLP(
        [6, 8, 2], loss="squared_error", density=0.7, standardize=True, standardize_targets=True,
        seed=2, threads=1,
    )  # fmt: skip
    made.fit(X, Y, epochs=3, batch_size=8, progress=False)
    made.metadata.update({"feature_names": json.dumps(list("abcdef")), "note": "mine"})
    return made


@pytest.fixture
def folder(model, tmp_path):
    model.export_npz(tmp_path)
    return tmp_path


def rewritten(folder, change):
    path = folder / "settings.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_metadata_come_back(model, folder):
    pd = pytest.importorskip("pandas")
    again = ts.SparseMLP.from_npz(folder)
    assert again.metadata == model.metadata
    frame = pd.DataFrame(X, columns=list("abcdef"))
    assert again.predict(frame[list("fedcba")]).tobytes() == model.predict(X).tobytes()


def test_names_are_those_of_the_columns_that_a_compaction_left(tmp_path):
    pd = pytest.importorskip("pandas")
    made = ts.SparseMLP([5, 4, 3], density=0.5, seed=1, threads=1)
    weight = made.layers[0].weight.toarray()
    weight[[0, 3]] = 0
    weights = [weight, made.layers[1].weight]
    made = ts.SparseMLP.from_scipy(weights, [layer.bias for layer in made.layers], threads=1)
    frame = pd.DataFrame(RNG.normal(size=(9, 5)), columns=["u", "v", "w", "x", "y"])
    made.fit(frame, np.arange(9) % 3, epochs=1, topology=None, progress=False)
    made.compact(inputs=True)
    assert made.layer_sizes[0] == 3
    made.export_npz(tmp_path)
    again = ts.SparseMLP.from_npz(tmp_path)
    assert json.loads(again.metadata["feature_names"]) == ["v", "w", "y"]
    few = frame[["y", "w", "v"]]
    assert again.predict(few).tobytes() == made.predict(few).tobytes()


def test_folders_of_earlier_versions_are_read(model, folder):
    def without(content):
        for key in ("metadata", "samples_seen"):
            del content[key]
        del content["settings"]["label_smoothing"]

    rewritten(folder, without)
    again = ts.SparseMLP.from_npz(folder)
    assert again.metadata == {}
    np.testing.assert_allclose(again.predict(X), model.predict(X), rtol=1e-5)


def put(*keys):
    """``put("a", 0, value)`` makes a change of ``content["a"][0]``."""

    def change(content):
        for key in keys[:-2]:
            content = content[key]
        content[keys[-2]] = keys[-1]

    return change


def drop(*keys):
    def change(content):
        for key in keys[:-1]:
            content = content[key]
        del content[keys[-1]]

    return change


@pytest.mark.parametrize(
    "change",
    [
        *(put("targets_of_one_value", v) for v in ([2], [-1], [0], [1.0], ["1"], [None], [True])),
        *(put("targets_of_one_value", v) for v in (1, "1", [[1]], {"1": 1}, None)),
        *(put("samples_seen", v) for v in (-1, "40", [40], True, float("nan"), 1e400, {})),
        *(put("targets_seen", v) for v in (-1, "40", [40], True, float("nan"), 0)),
        *(put("metadata", v) for v in ([], 3, {"note": 3}, None, "text")),
        *(put("trulysparse", v) for v in (2, 0, "1", None, True, 1.5)),
        *(put("layers", v) for v in ([], {}, None, 2, [3, 4], [{}, {}])),
        *(put("layers", 0, "activation", v) for v in ("tanh", None, 3)),
        *(put("layers", 1, "n_out", v) for v in (3, "2", None, -2)),
        *(put("layers", 0, "slope", v) for v in (0.123, "x")),
        *(put("settings", v) for v in ([], None, 3, "text")),
        *(put("settings", "activation", v) for v in ("tanh", "none such", 3, [])),
        *(put("settings", "loss", v) for v in ("none such", 3)),
        *(put("settings", "standardize", v) for v in (False, "yes")),
        *(put("settings", "standardize_targets", v) for v in (False, "yes")),
        *(put("settings", "layer_sizes", v) for v in ([6, 9, 2], 3, None)),
        *(put("settings", "dropout", v) for v in (-1, 2, "x", [0.1] * 7)),
        put("settings", "momentum", 0.9),
        put("more", 1),
        put("layers", 0, "more", 1),
        drop("layers", 0, "slope"),
        drop("layers", 1),
        drop("settings"),
        drop("trulysparse"),
    ],
)  # fmt: skip
def test_altered_settings_are_refused(folder, change):
    rewritten(folder, change)
    with pytest.raises(
        (ValueError, TypeError), match=r"settings\.json|activation|loss|dropout|standardize"
    ):
        ts.SparseMLP.from_npz(folder)


@pytest.mark.parametrize("name", ["mean", "scale", "target_mean", "target_scale"])
@pytest.mark.parametrize(
    "value",
    [np.nan, np.inf, -1.0, "text", 1j, True, 3, None],
)
def test_altered_statistics_are_refused(folder, name, value):
    path = folder / f"{name}.npy"
    old = np.load(path)
    if value is None:
        path.unlink()
    elif isinstance(value, float):
        if value == -1 and "mean" in name:
            return  # means may be
        old[-1] = value
        np.save(path, old)
    else:
        np.save(path, np.full(len(old), value))
    with pytest.raises((ValueError, TypeError, FileNotFoundError), match=rf"{name}\.npy"):
        ts.SparseMLP.from_npz(folder)


def test_missing_statistics_are_named(folder):
    for name in ("mean.npy", "scale.npy"):
        (folder / name).unlink()
    with pytest.raises(ValueError, match=r"mean\.npy is missing"):
        ts.SparseMLP.from_npz(folder)


@pytest.mark.parametrize("name", ["weight_0.npz", "bias_1.npy"])
def test_numbers_that_are_not_finite_are_refused_or_said(folder, name):
    path = folder / name
    if name.endswith("npz"):
        with np.load(path) as arrays:
            content = dict(arrays)
        content["data"][3] = np.nan
        np.savez(path, **content)
    else:
        np.save(path, np.array([0, np.inf], np.float32))
    with pytest.raises(ValueError, match=r"weights|biases"):
        ts.SparseMLP.from_npz(folder)
