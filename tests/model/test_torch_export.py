"""Models as PyTorch modules, where PyTorch is installed: pip install 'trulysparse[torch]'."""

import subprocess
import sys

import numpy as np
import pytest
import trulysparse as ts
from helpers import limits
from helpers import oracle as o
from helpers.judged import close
from helpers.small_model import RNG, SIZES, X, Y, fit, make_model
from trulysparse import cli

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'trulysparse[torch]'")


def trained(loss="cross_entropy", **options):
    model = make_model(loss=loss, **{"dropout": 0.0} | options)
    fit(model, 3, Y if loss == "cross_entropy" else np.eye(SIZES[-1])[Y])
    return model


def outputs(module, x=X):
    with torch.no_grad():
        return module(torch.from_numpy(x)).numpy()


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("activation", o.ACTIVATIONS)
@pytest.mark.parametrize("loss", o.LOSSES)
def test_outputs_are_those_of_predict(loss, activation, dense):
    model = trained(loss, activation=activation, slope=0.3, standardize=True)
    oracle = o.from_model(model)
    module = model.to_torch(dense=dense)
    assert not module.training
    close(outputs(module), oracle.predict(X))
    close(outputs(model.to_torch(dense=dense, logits=True)), oracle.logits(X))
    plain = trained(loss, activation=activation)  # without statistics
    close(outputs(plain.to_torch(dense=dense)), o.from_model(plain).predict(X))


def test_standardisation_keeps_its_precision():
    x = (RNG.normal(size=(50, SIZES[0])) + 1e6).astype(np.float32)
    model = make_model(standardize=True, dropout=0.0)
    model.fit(x, Y, epochs=1, progress=False)
    close(outputs(model.to_torch(), x), o.from_model(model).predict(x), 1e-5)


@pytest.mark.parametrize("activation", ["all_relu", "sigmoid"])
def test_gradients_are_those_of_the_oracle(activation):
    model = trained(activation=activation, standardize=True)
    oracle = o.from_model(model)
    module = model.to_torch(logits=True)
    x = torch.from_numpy(X).requires_grad_()
    torch.nn.functional.cross_entropy(module(x), torch.from_numpy(Y)).backward()
    linears = [layer for layer in module if hasattr(layer, "values")]
    for layer, ours, (weight, bias) in zip(
        linears, oracle.layers, oracle.gradients(X, Y), strict=True
    ):
        got = layer.weight.detach().to_dense().numpy()
        close(got, ours.weight.T)
        close(layer.values.grad.numpy(), weight.T[ours.support.T])
        close(layer.bias.grad.numpy(), bias)
    dense = model.to_torch(logits=True, dense=True)
    other = torch.from_numpy(X).requires_grad_()
    torch.nn.functional.cross_entropy(dense(other), torch.from_numpy(Y)).backward()
    close(x.grad.numpy(), other.grad.numpy(), 1e-5)


def test_it_can_be_trained_and_has_only_the_connections_that_exist():
    model = trained()
    module = model.to_torch(logits=True)
    assert sum(p.numel() for p in module.parameters()) == model.nnz + sum(SIZES[1:])
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(module(torch.from_numpy(X)), torch.from_numpy(Y))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(model.evaluate(X, Y)["loss"], rel=1e-5)
    assert losses[-1] < losses[0]
    # The model does not change with it.
    assert model.evaluate(X, Y)["loss"] == pytest.approx(losses[0], rel=1e-5)


MEMORY = """
import resource, torch, trulysparse as ts

resident = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
module = ts.SparseMLP([20000, 20000, 2], epsilon=2, seed=0).to_torch(logits=True)
x = torch.zeros(4, 20000)
before = resident()
module(x).sum().backward()
print((resident() - before) // 1024)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the memory as Linux has it")
def test_nothing_is_made_dense():
    grown = subprocess.run(
        [sys.executable, "-c", MEMORY],
        capture_output=True,
        text=True,
        check=True,
        timeout=limits.CHILD,
    ).stdout
    assert int(grown) < 400  # MiB; a dense matrix takes 1,526


def test_states_can_be_saved_and_loaded(tmp_path, capsys):
    model, other = trained(standardize=True), make_model(standardize=True, seed=9)
    other.fit(X + 1, Y, epochs=1, topology=None, progress=False)
    model.save(tmp_path / "model.safetensors")
    out = tmp_path / "model.pt"
    arguments = ["export", str(tmp_path / "model.safetensors"), "--format", "torch"]
    assert cli.main([*arguments, "--out", str(out)]) == 0
    assert f"wrote {out}" in capsys.readouterr().out
    module = model.to_torch()
    for parameter in module.parameters():
        torch.nn.init.zeros_(parameter)
    module.load_state_dict(torch.load(out, weights_only=True))
    assert np.array_equal(outputs(module), outputs(model.to_torch()))
    # Dense ones are those of torch.nn.Linear.
    assert cli.main([*arguments, "--dense", "--out", str(out)]) == 0
    state = torch.load(out, weights_only=True)
    close(state["1.weight"].numpy(), model.layers[0].weight.toarray().T)
    assert cli.main([*arguments, "--out", str(tmp_path / "no" / "model.pt")]) == 2
    # A whole module, too, where trulysparse is installed.
    torch.save(module, tmp_path / "module.pt")
    again = torch.load(tmp_path / "module.pt", weights_only=False)
    assert np.array_equal(outputs(again), outputs(module))


def test_unknown_activations_and_wrong_arguments_are_named(monkeypatch):
    model = trained()
    for name in ("dense", "logits"):
        with pytest.raises(TypeError, match=name):
            model.to_torch(**{name: 1})
    monkeypatch.setattr(ts.Layer, "activation", "swish")
    with pytest.raises(ValueError, match="'swish'"):
        model.to_torch()
