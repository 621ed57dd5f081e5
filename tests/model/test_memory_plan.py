"""The plan of memory: its parts, and that what cannot fit is refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers import limits
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


# --- sparse samples ---------------------------------------------------------------------------


def one_hot(rows, features, stored):
    """Rows that store as many values each."""
    columns = np.random.default_rng(0).integers(features // stored, size=(rows, stored))
    columns += np.arange(stored) * (features // stored)
    values = np.ones(columns.size, np.float32)
    offsets = np.arange(rows + 1) * stored
    return sp.csr_array((values, columns.ravel(), offsets), shape=(rows, features))


@pytest.mark.parametrize("stored", [2, 10, 100])
def test_a_plan_for_sparse_samples_is_what_a_fit_asks_for(stored):
    """Work goes by 2 of 100 values, and by columns of more."""
    rows = 200_000
    model = ts.SparseMLP([100, 1_000_000, 2], epsilon=1, seed=0)
    x, y = one_hot(rows, 100, stored), np.zeros(rows, int)
    for optimizer in (ts.SGD(), ts.Adam()):
        for memory in ("fast", "lean"):
            how = {"optimizer": optimizer, "memory": memory}
            with pytest.raises(MemoryError, match="bytes are needed") as caught:
                model.fit(x, y, batch_size=rows, progress=False, **how)
            needed = int(re.search(r"(\d+) bytes are needed", str(caught.value))[1])
            plan = model.plan(rows, stored=stored, **how)
            assert plan.total == pytest.approx(needed, abs=len(plan.parts))
            dense = model.plan(rows, **how)
            assert ("sparse inputs" in plan.parts) > ("sparse inputs" in dense.parts)


@given(
    features=st.integers(100, 100_000),
    share=st.floats(0, 1),
    batch=st.integers(1, 2000),
    adam=st.booleans(),
)
def test_a_plan_for_sparse_samples_of_a_model_to_be_made(features, share, batch, adam):
    how = {"stored": share * features, "optimizer": ts.Adam() if adam else ts.SGD()}
    plan = ts.plan([features, 20, 2], density=1, batch_size=batch, **how)
    dense = ts.plan([features, 20, 2], density=1, batch_size=batch, optimizer=how["optimizer"])
    rest = {"activations", "sparse inputs", "index of the first layer"}
    assert {k: v for k, v in plan.parts.items() if k not in rest} == {
        k: v for k, v in dense.parts.items() if k not in rest
    }
    assert plan.parts["activations"] <= dense.parts["activations"]
    assert ("index of the first layer" in plan.parts) == (share * features <= 0.03 * features)
    assert plan.total == sum(plan.parts.values())


MEASURE = """
import json, sys
from trulysparse import _core
import trulysparse as ts
from model.test_memory_plan import one_hot
optimizer, topology = (ts.Adam(), None) if sys.argv[1] == "adam" else (ts.SGD(), ts.SET())
x = one_hot(2000, 1_000_000, 20)
model = ts.SparseMLP([1_000_000, 20, 2], epsilon=1, seed=0)
plan = model.plan(500, stored=20, optimizer=optimizer, evolves=topology or False)
before = _core.resident_memory()
history = model.fit(x, [0, 1] * 1000, epochs=2, batch_size=500, optimizer=optimizer,
                    topology=topology, progress=False)
grown = max(history.history["peak_memory"]) - before
print(json.dumps([grown, plan.total - plan.taken]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere memory is counted otherwise")
@pytest.mark.parametrize("how", ["adam", "set"])
def test_a_fit_on_sparse_samples_takes_about_what_its_plan_says(how):
    """A plan for dense samples says 2 GB."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, how],
        capture_output=True, text=True, timeout=limits.CHILD, check=True,
        cwd=Path(__file__).parents[1],
    )  # fmt: skip
    grown, planned = json.loads(done.stdout)
    assert 0.5 * planned < grown < 1.2 * planned + 5e6


@pytest.mark.parametrize("wrong", [-1, 101, np.nan, True, "2"])
def test_a_wrong_number_of_stored_values_is_named(wrong):
    for call in (ts.SparseMLP([100, 5, 2], seed=0).plan, lambda **k: ts.plan([100, 5, 2], **k)):
        with pytest.raises((ValueError, TypeError), match=r"stored = .*at most 100, the features"):
            call(stored=wrong)


def test_the_command_plans_for_sparse_samples(capsys):
    arguments = ["plan", "--features", "200000", "--hidden", "50", "--epsilon", "2"]
    assert cli.main([*arguments, "--stored", "20"]) == 0
    assert "index of the first layer" in capsys.readouterr().out
    assert cli.main(arguments) == 0
    assert "index of the first layer" not in capsys.readouterr().out
