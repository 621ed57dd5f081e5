"""Call every function and method of the compiled core once, with arguments that are fine and not.

``tests/memory`` runs this script where each access to memory is watched. It ends with status 1 if
a function of the core was not called, so that a new one is not forgotten.
"""

from __future__ import annotations

import inspect
import json
import pickle
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import trulysparse as ts
from trulysparse import _core
from trulysparse.training import settings

RNG = np.random.default_rng(0)
SIZES = [7, 9, 6, 3]
COUNT = 21
X = RNG.normal(size=(COUNT, SIZES[0])).astype(np.float32)
Y = (np.arange(COUNT) % SIZES[-1]).astype(np.uint32)
QUIET: dict[str, Any] = {"epochs": 3, "batch_size": 8, "progress": False}

called: set[str] = set()


def note(frame: object, event: str, function: Any) -> None:
    """Note the calls of compiled functions; for `sys.setprofile`."""
    if event == "c_call":
        owner = getattr(function, "__self__", None)
        kind = owner if isinstance(owner, type) else type(owner)
        name = function.__name__
        called.add(name if inspect.ismodule(owner) or owner is None else f"{kind.__name__}.{name}")


def functions() -> set[str]:
    """The names of all that can be called of the core."""
    found = set()
    for module in (_core, _core.kernels):
        for name, member in vars(module).items():
            if isinstance(member, type):
                for method, what in vars(member).items():
                    if method.startswith("_") or inspect.isdatadescriptor(what):
                        continue
                    is_static = isinstance(what, staticmethod)  # whose class a call does not tell
                    found.add(method if is_static else f"{name}.{method}")
            elif inspect.isbuiltin(member):
                found.add(name)
    return found


def models() -> list[ts.SparseMLP]:
    """Networks of several kinds, trained a little in several ways."""
    made = []
    for options, fit in (
        ({}, {"topology": ts.GradientGrowth(0.3), "augment": ts.ImageAugmentation((1, 7, 1))}),
        ({"activation": "srelu", "standardize": True}, {"memory": "lean"}),
        ({"activation": "gelu", "input_noise": 0.1}, {"optimizer": ts.Adam(), "memory": "least"}),
        ({"dropout": 0.0}, {"optimizer": ts.Lion(), "validation_data": (X, Y)}),
        ({}, {"strategy": ts.WASSP(2, local_fraction=0.5)}),
        ({}, {"strategy": ts.WASAP(2, local_fraction=0.4), "pruning": ts.ImportancePruning(
            start=1, every=1, percentile=5.0)}),
    ):  # fmt: skip
        model = ts.SparseMLP(SIZES, density=0.7, seed=1, threads=2, **options)
        model.fit(X, Y, **QUIET, **fit)
        made.append(model)
    sparse = ts.SparseMLP(SIZES, density=0.7, seed=1, threads=2)
    import scipy.sparse as sp

    sparse.fit(sp.csr_array(np.where(X > 0, X, 0)), Y, **QUIET, sample_weight=np.ones(COUNT))
    return [*made, sparse]


class OwnRule(ts.TopologyRule):
    """Drops the first connections and grows as many, by their gradients."""

    def evolve(self, layer: Any) -> Any:
        rows, columns = layer.empty(min(3, layer.vacancies))
        return np.arange(len(rows)), rows, columns, layer.gradient(rows, columns)


def use(model: ts.SparseMLP) -> None:
    """Everything that a model can do."""
    core = model._core
    model.train_on_batch(X, Y)
    model.evolve(OwnRule(), X, Y)
    model.evolve()
    kept = model.snapshot()
    model.predict(X, batch_size=5)
    model.evaluate(X, Y)
    model.pruning_curve(X, Y, [0, 30])
    model.gradient_norms(X, Y)
    for kind in ("path", "strength"):
        model.feature_importance(kind)
    for number, layer in enumerate(model.layers):
        layer.weight.toarray()
        _ = layer.momentum, layer.second_moment, layer.bias, layer.bias_momentum, layer.pruned
        _ = layer.srelu, model.importance(number + 1)
        np.array(core.values(number)[0])
    model.plan()
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "m")
        ts.load(Path(folder) / "m").fit(X, Y, **QUIET)
        if model.activation != "srelu":
            model.export_npz(Path(folder) / "npz")
    pickle.loads(pickle.dumps(model)).predict(X)
    model.prune(percentile=20)
    model.compact(inputs=True)
    model.predict(X[:, model.units(0)])
    model.restore(kept)
    told = {"activation": "relu"} if model.activation == "srelu" else {}
    ts.SparseMLP.from_scipy(*model.to_scipy(), **told).predict(X)
    model.threads = 1
    model.summary(lambda line: None)


def remote(strategy: Any, *, synchronous: bool) -> None:
    """Two workers of another process, as far as the core can tell."""
    model = ts.SparseMLP(SIZES, density=0.7, seed=1, threads=1)
    core = model._core
    data = _core.Data(core, X, Y)
    told: dict[str, Any] = {"strategy": strategy._core(), "workers": 2, "local_from": 1}
    text = settings.of_workers(4, ts.SGD()._core(), 12, **told)
    server = _core.RemoteServer(core, [11, 10], text)
    workers = [_core.RemoteGradientWorker(core.copy(), data, 4, k, 2) for k in range(2)]
    structure = [
        (own.indptr, np.asarray(own.indices).astype(np.uint32))
        for own in map(core.weights, range(3))
    ]
    values = [np.array(part) for layer in range(3) for part in core.values(layer)]
    server.start_epoch(0, 0)
    for worker in workers:
        worker.set_structure(structure)
        worker.set_values(np.concatenate(values))
    for _ in range(30):
        gradients = []
        this = server.round() if synchronous else None
        for number, worker in enumerate(workers):
            out = np.empty(worker.parameters(), np.float32)
            if this is None:
                server.note_pull(number)
                server.push(number, out, worker.next_gradient(out))
                continue
            worker.shuffle(this.epoch)
            sums = worker.gradient_at(this.start, this.step, out)
            gradients += [] if sums is None else [(out, sums)]
        if synchronous:
            server.apply(gradients)
        if server.progress().finished:
            break
    _ = server.learning_rate(0, 0), server.topology(), server.events(), server.tally(0.5)
    rule = ts.SET(0.3)._core()
    prune = ts.topology.pruning.core_rule(percentile=10.0, over="all", regrow=True)
    server.evolve(rule)
    server.prune(prune)
    steps = settings.of_steps(4, ts.SGD()._core(), 12)
    local = _core.RemoteLocalWorker(core.copy(), data, steps, 0, 2)
    local.epoch(0, server.scaling(1), lambda samples, loss, correct: None)
    local.evolve(rule)
    local.prune(prune)
    core.average([local.network()])


def directly() -> None:
    """What users only reach in rare cases, and the kernels."""
    model = ts.SparseMLP(SIZES, density=0.7, seed=1, threads=1, standardize=True)
    core = model._core
    data = _core.Data(core, X, Y)
    core.standardize_on(data)
    core.follow(data, 0.01)
    statistics = core.input_statistics()
    core.forget_statistics()
    core.set_statistics(_core.Statistics(np.full(7, 0.5), np.full(7, 2.0), 3.0), None)
    core.set_statistics(statistics, core.target_statistics())
    core.forget_statistics()
    moments = core.moments(data)[0]
    core.standardize_by(moments.merged(_core.Moments(2.0, moments.mean, moments.deviations)), None)
    _ = core.takes_float64(), core.moments_of()
    _ = core.connected_neurons(), core.footprint(8, 3.0, "fast", 1, 2.5), data.samples()
    _core.expected_footprint(core.config, 8, None, "fast", 2, None)
    _core.resident_memory()
    _core.aside(lambda: 1, lambda: None, 0.01)
    with _core.CallLock().hold(RuntimeError("busy")):
        pass
    text = settings.of_trainer(8, ts.SGD()._core(), 9, candidates=3.0)
    trainer = _core.Trainer(core, data, text)
    trainer.epoch(0, lambda samples, loss, correct: None)
    trainer.set_base_rate(0.01)
    _ = trainer.evaluate(data), trainer.learning_rate(0)
    parallel = settings.of_workers(4, ts.SGD()._core(), 12, strategy=ts.WASAP(2)._core(),
                                   workers=2, local_from=2)  # fmt: skip
    threads = _core.ParallelTrainer(core, data, parallel)
    threads.epoch(0, 0, lambda samples, loss, correct: None)
    _ = threads.events(), threads.tally(), threads.learning_rate(0, 0)
    threads.evolve(ts.SET(0.3)._core())
    threads.prune(ts.topology.pruning.core_rule(percentile=10.0, over="all", regrow=True))
    images = json.loads(ts.ImageAugmentation((1, 7, 1))._core())
    _core.augmented(X, json.dumps(images), 1, 2, 1)
    kernels = _core.kernels
    own = core.weights(0)
    indices, values = np.asarray(own.indices).astype(np.uint32), np.array(own.values)
    matrix = (own.indptr, indices, values, SIZES[0])
    batch, deltas = np.ascontiguousarray(X.T), np.ones((SIZES[1], COUNT), np.float32)
    kernels.check_csr(matrix)
    kernels.spmm(matrix, batch, np.zeros(SIZES[1], np.float32), 2)
    kernels.spmm_transpose(matrix, deltas, 2)
    kernels.sddmm(matrix, deltas, batch, 2)
    kernels.erdos_renyi(40, 30, 0.2, 1, 2)
    kernels.evolve(matrix, 0.3, 1, 1, 2)
    kernels.sample_distinct(100, 30, 1)
    refused()


def refused() -> None:
    """Arrays that do not fit, straight at the core: errors, and nothing is read beyond an end."""
    core = ts.SparseMLP(SIZES, seed=1, threads=1)._core
    far = np.array([0, 1, 99], np.uint32)
    pointers = np.array([0, 3, *[3] * (COUNT - 1)], np.int64)

    class Csr:
        indptr, indices, data, features = pointers, far, np.ones(3, np.float32), SIZES[0]

    for call in (
        lambda: _core.Data(core, Csr()),
        lambda: _core.Data(core, X[:, :3].copy()),
        lambda: _core.Data(core, X, Y[:5].copy()),
        lambda: _core.Data(core, X, Y + np.uint32(9)),
        lambda: core.predict(_core.Data(core, X), 4, np.empty((COUNT, 2), np.float32)),
        lambda: core.weights(9),
        lambda: core.rewire([(np.ones(2, bool), far, far, np.ones(3, np.float32)), None]),
        lambda: _core.kernels.check_csr((pointers, far, np.ones(3, np.float32), 7)),
        lambda: _core.Network.from_bytes(core.to_bytes({})[:-9], 1),
    ):
        try:
            call()
        except (ValueError, TypeError):
            continue
        raise AssertionError("something broken was taken")


def main() -> int:
    sys.setprofile(note)
    for model in models():
        use(model)
    remote(ts.WASSP(2), synchronous=True)
    remote(ts.WASAP(2), synchronous=False)
    directly()
    sys.setprofile(None)
    # What measures time says nothing about memory; the rest is called by Python itself.
    left = functions() - called - {"time_products", "gather_rate", "motions"}
    print(f"{len(functions()) - len(left)} functions of the core were called")
    if left:
        print(f"not called: {', '.join(sorted(left))}")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
