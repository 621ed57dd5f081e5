"""The plan of memory: its parts, and that what cannot fit is refused."""

from __future__ import annotations

import pytest
import trulysparse as ts
from hypothesis import given
from hypothesis import strategies as st
from trulysparse import cli


def array_bytes(model: ts.SparseMLP) -> int:
    """Values, columns, offsets, momentum and biases, as a user can see them."""
    total = 0
    for i, layer in enumerate(model.layers):
        w = layer.weight
        total += w.data.nbytes + w.indices.nbytes + 8 * (len(w.indptr) - 1)
        total += model._core.momentum(i).nbytes + 2 * layer.bias.nbytes
    return total


@given(
    sizes=st.lists(st.integers(2, 60), min_size=2, max_size=5),
    density=st.floats(0.01, 1),
    batch=st.integers(1, 300),
    evolves=st.booleans(),
)
def test_parts_of_an_existing_model(sizes, density, batch, evolves):
    model = ts.SparseMLP(sizes, density=density, seed=0)
    memory = model.plan(batch, evolves=evolves)
    assert memory.connections == model.nnz
    assert memory.neurons == sum(sizes)
    assert memory.taken == array_bytes(model)
    assert memory.total == sum(memory.parts.values()) > memory.taken
    stride = next((s for s in (1, 4, 8) if batch <= s), -(-batch // 16) * 16)
    assert memory.parts["activations"] == 4 * stride * sum(sizes)
    assert ("evolution of a layer" in memory.parts) <= evolves
    assert memory.fits
    assert memory.batch_size == batch
    assert memory.largest_batch_size >= batch or batch > 4096


def test_a_model_to_be_made_has_the_expected_numbers():
    settings = {"epsilon": 7, "dropout": 0.0, "batch_size": 32}
    memory = ts.plan([300, 1000, 500, 4], **settings)
    settings.pop("batch_size")
    model = ts.SparseMLP([300, 1000, 500, 4], seed=0, **settings)
    assert memory.connections == pytest.approx(model.nnz, rel=0.05)
    assert memory.total == pytest.approx(model.plan(32).total, rel=0.05)
    assert memory.taken == 0
    assert "dropout" not in memory.parts


def test_bytes_of_the_largest_network_of_the_paper():
    memory = ts.plan([65536, *[5_000_000] * 10, 2], epsilon=1, dropout=0, batch_size=32)
    assert memory.neurons == 50_065_538
    assert memory.connections == pytest.approx(1e8, rel=0.01)
    per_connection = sum(
        memory.parts[name] for name in ("weights and their columns", "momentum")
    ) + 8 * (memory.connections - 5_065_536)
    assert per_connection / memory.connections <= 20
    assert memory.total < 14 * 2**30


def test_what_cannot_fit_is_refused_before_anything_is_taken():
    sizes = [65536, *[50_000_000] * 20, 2]
    assert not ts.plan(sizes, epsilon=20).fits
    assert ts.plan(sizes, epsilon=20).largest_batch_size == 0
    expected = "bytes are needed, of which 0 are taken already, and .* available: weights and"
    with pytest.raises(MemoryError, match=expected):
        ts.SparseMLP(sizes, epsilon=20)
    model = ts.SparseMLP([2, 1_000_000, 2], epsilon=1, seed=0)
    x, y = [[0.0, 1.0]] * 200_000, [0] * 200_000
    before = model.steps_trained
    with pytest.raises(MemoryError, match=r"activations \d+"):
        model.fit(x, y, batch_size=200_000, progress=False)
    assert model.steps_trained == before


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="batch_size"):
        ts.plan([2, 2], batch_size=0)
    with pytest.raises(TypeError, match="'seed'"):
        ts.plan([2, 2], seed=0)
    with pytest.raises(ValueError, match="epsilon = 1 and density"):
        ts.plan([2, 2], epsilon=1, density=0.5)


def test_the_command_prints_it(capsys):
    arguments = ["plan", "--features", "65536", "--epsilon", "1", "--batch-size", "32"]
    assert cli.main([*arguments, "--hidden", "10x1000"]) == 0
    shown = capsys.readouterr().out
    assert "75,538 neurons" in shown
    assert "largest batch that fits" in shown
    assert cli.main([*arguments, "--hidden", "100x500000000"]) == 1


@pytest.mark.parametrize("memory", ["fast", "lean", "least"])
def test_silu_and_gelu_keep_their_pre_activations(memory):
    """4 bytes a hidden neuron and lane more than tanh takes."""
    sizes = [100, 400, 300, 10]

    def total(activation):
        return ts.plan(sizes, batch_size=32, activation=activation, memory=memory).total

    more = 4 * 32 * (400 + 300)
    assert total("silu") == total("gelu")
    assert total("silu") - total("tanh") == pytest.approx(more, rel=0.01)
