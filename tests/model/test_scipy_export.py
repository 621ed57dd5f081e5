"""Models as SciPy matrices, as files of them, and on the way back."""

import json
import sys
import warnings
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers import cases
from helpers import oracle as o
from helpers.judged import close
from helpers.small_model import SIZES, X, Y, fit, make_model
from hypothesis import given, settings
from hypothesis import strategies as st
from trulysparse import cli
from trulysparse.config import Config


def trained(loss="cross_entropy", **options):
    model = make_model(loss=loss, **options)
    y = Y if loss == "cross_entropy" else np.eye(SIZES[-1])[Y]
    fit(model, 3, y, pruning=ts.ImportancePruning(start=1, every=1, percentile=10))
    return model


def test_scipy_and_back():
    model = trained()
    weights, biases = model.to_scipy()
    again = ts.SparseMLP.from_scipy(weights, biases)
    assert again.predict(X).tobytes() == model.predict(X).tobytes()
    for layer, weight, bias in zip(model.layers, weights, biases, strict=True):
        assert weight.format == "csc"
        assert weight.dtype == bias.dtype == np.float32
        assert (abs(weight - layer.weight)).nnz == 0
        weight.data[:] = 0  # copies: the model does not notice
        bias[:] = 0
    assert again.predict(X).tobytes() == model.predict(X).tobytes()


def by_readme(folder):
    """What the README.txt says, run as it stands."""
    text = (folder / "README.txt").read_text()
    code = text.split("shape (samples, 6):\n\n", 1)[1].split("\n\nwhere", 1)[0]
    lines = [line[4:] for line in code.splitlines()]
    settings = json.loads((folder / "settings.json").read_text())

    def outputs(x, monkeypatch):
        kinds = iter(settings["layers"])

        def activation(z):
            layer = next(kinds)
            assert f"{layer['slope']:g} * x" in text if layer["slope"] else True
            if layer["activation"] == "softmax":
                return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
            return o.activate(
                {"all_relu": "leaky_relu"}.get(layer["activation"], layer["activation"]),
                z,
                layer["slope"] if layer["slope"] is not None else 0.0,
            )

        monkeypatch.chdir(folder)
        scope = {"x": x.astype(np.float64), "activation": activation}
        exec("\n".join(lines), scope)
        return scope["x"]

    return outputs


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize(
    "activation", ["all_relu", "leaky_relu", "relu", "sigmoid", "tanh", "silu", "gelu"]
)
@pytest.mark.parametrize("loss", o.LOSSES)
def test_files_and_back(loss, activation, standardize, tmp_path, monkeypatch):
    model = trained(
        loss, activation=activation, standardize=standardize, slope=0.3, dropout=0.1,
        input_noise=0.1, init="xavier", fan="real",
    )  # fmt: skip
    folder = tmp_path / "new" / "folder"
    for _ in range(2):  # the second time over the first files
        model.export_npz(folder)
    close(by_readme(folder)(X, monkeypatch), o.from_model(model).predict(X), 1e-6)
    again = ts.SparseMLP.from_npz(str(folder), threads=1)
    assert again.predict(X).tobytes() == model.predict(X).tobytes()
    assert Config.of(again._core) == replace(Config.of(model._core), epsilon=None, density=None)
    assert again.threads == 1
    y = Y if loss == "cross_entropy" else np.eye(SIZES[-1])[Y]
    fit(again, 1, y)


def test_an_export_leaves_nothing_of_a_larger_one(tmp_path):
    trained(standardize=True).export_npz(tmp_path)
    model = ts.SparseMLP([4, 3], density=1.0, seed=0)
    model.export_npz(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "README.txt", "bias_0.npy", "settings.json", "weight_0.npz",
    ]  # fmt: skip
    x = np.eye(4)
    assert ts.SparseMLP.from_npz(tmp_path).predict(x).tobytes() == model.predict(x).tobytes()


def test_files_that_do_not_fit_are_named(tmp_path):
    model = trained(standardize=True)

    def broken(name, change):
        model.export_npz(tmp_path)
        change(tmp_path / name)
        return pytest.raises((ValueError, TypeError, FileNotFoundError), match=name)

    for name, change in [
        ("weight_1.npz", lambda path: path.unlink()),
        ("weight_1.npz", lambda path: path.write_bytes(b"nothing")),
        ("bias_0.npy", lambda path: path.unlink()),
        ("bias_0.npy", lambda path: path.write_bytes(b"nothing")),
        ("bias_0.npy", lambda path: np.save(path, np.array([{}], object), allow_pickle=True)),
        ("mean.npy", lambda path: np.save(path, np.zeros(3))),
        ("settings.json", lambda path: path.unlink()),
        ("settings.json", lambda path: path.write_text("{")),
        ("settings.json", lambda path: path.write_text("[]")),
        ("settings.json", lambda path: path.write_text('{"layers": [], "settings": 1}')),
    ]:
        with broken(name, change):
            ts.SparseMLP.from_npz(tmp_path)
    model.export_npz(tmp_path)
    sp.save_npz(tmp_path / "weight_1.npz", sp.csc_array((3, 3), dtype=np.float32))
    with pytest.raises(ValueError, match=r"weights\[1\] has shape \(3, 3\)"):
        ts.SparseMLP.from_npz(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        model.export_npz(tmp_path / "file")
    with pytest.raises(TypeError, match="folder"):
        model.export_npz(1)


def test_export_on_the_command_line(tmp_path, capsys):
    model = trained(standardize=True)
    model.save(tmp_path / "model.safetensors")
    arguments = ["export", str(tmp_path / "model.safetensors"), "--format", "scipy"]
    assert cli.main([*arguments, "--out", str(tmp_path / "out")]) == 0
    assert f"wrote {tmp_path / 'out'}" in capsys.readouterr().out
    again = ts.SparseMLP.from_npz(tmp_path / "out")
    assert again.predict(X).tobytes() == model.predict(X).tobytes()
    assert cli.main([*arguments, "--dense"]) == 2
    assert "--dense" in capsys.readouterr().err
    assert cli.main(["export", str(tmp_path / "none.safetensors")]) == 2


def test_without_pytorch_there_is_the_way_to_it(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "trulysparse.export.torch", raising=False)
    monkeypatch.delattr("trulysparse.export.torch", raising=False)
    model = trained()
    with pytest.raises(ImportError, match=r"pip install 'trulysparse\[torch\]'"):
        model.to_torch()
    model.save(tmp_path / "model.safetensors")
    out = tmp_path / "model.pt"
    arguments = ["export", str(tmp_path / "model.safetensors"), "--format", "torch"]
    assert cli.main([*arguments, "--out", str(out)]) == 2
    assert "pip install 'trulysparse[torch]'" in capsys.readouterr().err
    assert not out.exists()


def test_trained_activations_are_refused_before_anything_is_written(tmp_path):
    model = make_model(activation="srelu")
    with pytest.raises(ValueError, match="the model has the activation 'srelu'"):
        model.export_npz(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (1e-46, "0"),
        (-3e-50, "-0"),
        (2e-45, "1.4"),  # so small that few digits are left
        (100000001.0, "100000000"),
        (np.int64(2**24 + 1), "16777216"),
    ],
)
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array, sp.coo_matrix])
def test_numbers_that_float32_does_not_hold_are_said(value, kept, kind):
    weights = np.full((3, 2), 2, np.asarray(value).dtype)
    weights[1, 1] = value
    with pytest.warns(
        RuntimeWarning, match=rf"weights\[0\].data\[\d\] = .* becomes {kept}"
    ) as said:
        ts.SparseMLP.from_scipy([kind(weights)])
    assert [w.filename for w in said] == [__file__]
    with pytest.warns(RuntimeWarning, match=rf"biases\[1\]\[1\] = .* becomes {kept}"):
        ts.SparseMLP.from_scipy([np.full((3, 4), 0.1), np.ones((4, 2))], [np.zeros(4), weights[1]])


@given(st.lists(st.floats(-1e6, 1e6).filter(lambda v: abs(v) > 1e-30), min_size=6, max_size=6))
@settings(max_examples=cases.drawn(50))
def test_numbers_that_are_only_rounded_are_no_matter(values):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ts.SparseMLP.from_scipy([np.array(values).reshape(3, 2)], [np.array(values[:2])])
