"""What a soak works on: a random small model, its data and its twin, and what must hold of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.sparse as sp
import trulysparse as ts

from helpers import oracle

Generator = np.random.Generator

LOSSES = (
    "cross_entropy",
    "binary_cross_entropy",
    "squared_error",
    "squared_error_sigmoid",
    "huber",
)
HIDDEN = (*oracle.ACTIVATIONS, "srelu")


def some(rng: Generator, options: Any) -> Any:
    """One of some options, as it is."""
    return options[int(rng.integers(len(options)))]


def content(model: ts.SparseMLP) -> bytes:
    """All that `save` writes; pickles hold the same bytes."""
    data: bytes = model.__reduce__()[1][1]
    return data


def settings(rng: Generator) -> dict[str, Any]:
    """Arguments of a small model."""
    hidden = [int(n) for n in rng.integers(1, 16, int(rng.integers(0, 4)))]
    loss = some(rng, LOSSES)
    outputs = int(rng.integers(2 if loss == "cross_entropy" else 1, 5))
    found: dict[str, Any] = {
        "layer_sizes": [int(rng.integers(2, 12)), *hidden, outputs],
        "loss": loss,
        "seed": int(rng.integers(2**63)),
        "slope": some(rng, [0.6, 0.0, -0.3]),
        "init": some(rng, ["he_uniform", "xavier", "lecun_uniform", "normal"]),
        "fan": some(rng, ["layer", "real"]),
        "standardize": bool(rng.integers(2)),
        "input_noise": some(rng, [0.0, 0.0, 0.2]),
        "dropout": some(rng, [0.0, 0.3, [float(p) for p in rng.uniform(0, 0.6, len(hidden))]]),
        "activation": some(
            rng, [some(rng, HIDDEN), [some(rng, HIDDEN) for _ in hidden], "all_relu"]
        ),
    }
    weights = len(hidden) + 1
    found |= some(
        rng,
        [
            {"epsilon": float(rng.uniform(0.5, 6))},
            {"epsilon": [float(e) for e in rng.uniform(0.5, 6, weights)]},
            {"density": float(rng.uniform(0.05, 1))},
            {"density": [float(d) for d in rng.uniform(0.05, 1, weights)]},
            {"density": float(rng.uniform(0.05, 1)), "allocation": some(rng, ["er", "uniform"])},
        ],
    )
    if loss == "cross_entropy":
        found["label_smoothing"] = some(rng, [0.0, 0.1])
    return found


def targets(rng: Generator, loss: str, count: int, outputs: int) -> Any:
    """Targets of the kind that a loss takes, in one of their forms."""
    if loss == "cross_entropy":
        if rng.integers(2):
            return rng.integers(0, outputs, count)
        return rng.dirichlet(np.ones(outputs), count)
    if loss in ("binary_cross_entropy", "squared_error_sigmoid"):
        return rng.integers(0, 2, (count, outputs)).astype(float)
    return rng.normal(size=(count, outputs))


@dataclass
class World:
    """A model, a twin that gets the same changes with other threads, and data for both."""

    model: ts.SparseMLP
    twin: ts.SparseMLP
    inputs: Any
    y: Any
    kept: list[tuple[Any, Any, bytes, Any]] = field(default_factory=list)  # snapshots

    @classmethod
    def drawn(cls, rng: Generator) -> World:
        told = settings(rng)
        count = int(rng.integers(4, 60))
        x = rng.normal(size=(count, told["layer_sizes"][0]))
        x = x * some(rng, [1.0, 10.0]) + some(rng, [0.0, 3.0])
        if rng.integers(2):
            x[rng.random(x.shape) < 0.6] = 0  # so that its sparse form is one
        if rng.integers(4) == 0:
            x[:, 0] = some(rng, [0.0, 7.5])
        y = targets(rng, told["loss"], count, told["layer_sizes"][-1])
        model, twin = (ts.SparseMLP(**told, threads=threads) for threads in (1, 2))
        return cls(model, twin, np.asarray(x, np.float32), y)

    @property
    def x(self) -> Any:
        """The samples, with the columns that the model still has."""
        return self.inputs[:, self.model.units(0)]

    @property
    def shown(self) -> str:
        """A hash, for what is compared by eye."""
        return hashlib.sha256(content(self.model)).hexdigest()[:12]


def check(world: World) -> None:
    """Whatever was done: the structure is valid, the twin is the same, the outputs are right."""
    model = world.model
    assert content(model) == content(world.twin), "the twin is another model"
    structure(model)
    outputs(world)


def structure(model: ts.SparseMLP) -> None:
    sizes = pairwise(model.layer_sizes)
    assert model.nnz == sum(layer.nnz for layer in model.layers)
    for number, (layer, (n_in, n_out)) in enumerate(zip(model.layers, sizes, strict=True), start=1):
        for matrix in (layer.weight, layer.momentum, layer.second_moment):
            if matrix is None:
                continue
            plain = sp.csc_array(
                (matrix.data.copy(), matrix.indices.copy(), matrix.indptr.copy()), (n_in, n_out)
            )
            plain.check_format(full_check=True)
            assert plain.has_canonical_format, "columns out of order, or twice"
            assert (plain.nnz, plain.dtype) == (layer.nnz, np.float32)
        assert layer.bias.shape == (n_out,)
        assert layer.bias_momentum.shape == (n_out,)
        incoming = np.diff(layer.weight.indptr)
        assert not incoming[layer.pruned].any(), "connections to a neuron that was pruned for good"
        strength = np.asarray(abs(layer.weight).sum(axis=0), np.float64)
        found = model.importance(number)
        assert np.allclose(found, strength, rtol=1e-5, equal_nan=True)


def outputs(world: World) -> None:
    model, x, y = world.model, world.x, world.y
    found = model.predict(x)
    judge = oracle.from_model(model)
    with np.errstate(all="ignore"):
        inputs, before = judge.pass_through(x)
        expected = judge.predict(x)
    largest = np.max([np.abs(part).max(initial=0.0) for part in (*inputs, *before)])
    if not largest < 1e6:
        return  # diverged: not a number, or beyond what float32 can be compared in
    room = 2e-5 * (1.0 + largest * max(1, *(layer.nnz for layer in model.layers)) ** 0.5)
    assert np.abs(found - expected).max() <= room, "predictions are not the oracle's"
    scores = model.evaluate(x, y)
    loss = judge.evaluate(x, y)
    assert abs(scores["loss"] - loss) <= 10 * room * (1 + abs(loss)), "the loss is not the oracle's"
