"""What a soak does to a world: legal operations, and illegal ones that must leave it as it is.

An operation draws from its generator and gives a function of a model, which is run on the model and
on its twin. What the function returns is compared; a ValueError or a TypeError counts as refused.
"""

from __future__ import annotations

import atexit
import copy
import math
import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import trulysparse as ts

from helpers import sparse_damage
from helpers.soak_world import Generator, World, content, some

Action = Callable[[ts.SparseMLP], Any]
Operation = Callable[[World, Generator], Action]

FOLDER = Path(tempfile.mkdtemp(prefix="soak-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)

LEGAL: dict[str, Operation] = {}
ILLEGAL: dict[str, Operation] = {}


def legal(operation: Operation) -> Operation:
    LEGAL[operation.__name__] = operation
    return operation


def illegal(operation: Operation) -> Operation:
    ILLEGAL[operation.__name__] = operation
    return operation


# --- what operations are made of --------------------------------------------------------------


def optimizer(world: World, rng: Generator) -> Any:
    """Mostly one that can train the model: SReLU's parameters are SGD's."""
    rate = float(10 ** rng.uniform(-4, -1.8))
    shared = {
        "weight_decay": some(rng, [0.0, 1e-3]),
        "schedule": some(
            rng, ["constant", "cosine", ts.StepDecay(0.4, 0.5), ts.Cosine(warmup=0.3)]
        ),
        "layer_rates": some(rng, ["equal", "fan_in"]),
        "l1": some(rng, [0.0, 1e-3]),
    }
    names = world.model.activation
    srelu = "srelu" in ([names] if isinstance(names, str) else names) and rng.integers(9) > 0
    return some(
        rng,
        [
            None,
            ts.SGD(rate, momentum=some(rng, [0.0, 0.9]), nesterov=bool(rng.integers(2)), **shared),
            ts.Adam(rate / 10, **shared),
            ts.Lion(rate / 10, **shared),
        ][: 2 if srelu else 4],
    )


class OwnRule(ts.TopologyRule):
    """Drops a share of the connections and grows as many anywhere."""

    def __init__(self, share: float, by_gradient: bool) -> None:
        self.share, self.by_gradient = share, by_gradient

    def evolve(self, layer: Any) -> Any:
        count = min(int(self.share * layer.nnz), layer.vacancies)
        drop = layer.rng.choice(layer.nnz, count, replace=False)
        rows, columns = layer.empty(count)
        values = np.zeros(count)
        if self.by_gradient and count:
            values = -0.01 * layer.gradient(rows, columns)
        return drop, rows, columns, values


def topology(rng: Generator) -> Any:
    zeta = float(rng.uniform(0, 0.6))
    when = {"start": int(rng.integers(1, 3)), "every": int(rng.integers(1, 3))}
    return some(
        rng,
        [
            None,
            ts.SET(zeta, grow_init=some(rng, [0.0, 1.0]), schedule="cosine", **when),
            ts.SET(zeta),
            ts.GradientGrowth(zeta, batch_size=some(rng, [None, 7]), **when),
            OwnRule(zeta, bool(rng.integers(2))),
        ],
    )


def pruning(rng: Generator) -> Any:
    amount = some(rng, [{"percentile": 10.0}, {"threshold": 0.1}, {"tolerance": 0.1}])
    return ts.ImportancePruning(start=1, every=1, regrow=bool(rng.integers(2)), **amount)


DENSE = [np.asarray, np.asfortranarray, np.float64, lambda x: x.tolist(), lambda x: x[::-1][::-1]]
SPARSE = [sp.csr_array, sp.csc_matrix, sp.coo_array, sp.lil_matrix, sp.dok_array, sp.dia_array]


def form(world: World, rng: Generator) -> Any:
    """The samples in one of the forms that are taken; noise is for dense ones."""
    dense = rng.integers(9) > 0 if world.model.input_noise else rng.integers(2)
    return some(rng, DENSE if dense else SPARSE)(world.x)


def weights(world: World, rng: Generator) -> Any:
    return some(rng, [None, rng.uniform(0, 2, len(world.y))])


class Looks(ts.Callback):
    """Looks at the model while it trains, and is refused where it would change it."""

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        self.model.layers[0].weight.copy()
        try:
            self.model.prune(percentile=1)
        except ts.ModelBusyError:
            return
        raise AssertionError("a callback may prune")


def callbacks(rng: Generator) -> list[Any]:
    made = [
        Looks(), ts.TopologyRecorder(), ts.TerminateOnNaN(), ts.CSVLogger(FOLDER / "log.csv"),
        ts.EarlyStopping("loss", patience=1, restore_best_weights=True),
        ts.ModelCheckpoint(FOLDER / "kept", "loss", save_best_only=True),
    ]  # fmt: skip
    return [callback for callback in made if rng.integers(3) == 0]


# --- training ---------------------------------------------------------------------------------


@legal
def fit(world: World, rng: Generator) -> Action:
    x, y = form(world, rng), world.y
    options = {
        "epochs": int(rng.integers(0, 4)),
        "batch_size": int(rng.integers(1, 40)),
        "sample_weight": weights(world, rng),
        "optimizer": optimizer(world, rng),
        "topology": topology(rng),
        "pruning": some(rng, [None, None, pruning(rng)]),
        "memory": some(rng, ["fast", "lean", "least"]),
        "validation_data": (world.x, y) if rng.integers(4) else None,
        "progress": False,
    }
    with_strategy = int(rng.integers(4)) == 0
    if with_strategy and rng.integers(9):
        options |= {"memory": "fast", "optimizer": ts.SGD(0.003), "topology": ts.SET(0.3)}
    workers = int(rng.integers(1, 4))
    seeds = int(rng.integers(2**31))

    def run(model: ts.SparseMLP) -> Any:
        strategy = ts.WASSP(workers, local_fraction=0.5) if with_strategy else None
        seen = callbacks(np.random.default_rng(seeds))
        found = model.fit(x, y, **options, strategy=strategy, callbacks=seen)
        return found.history.get("loss")

    return run


@legal
def fit_asynchronously(world: World, rng: Generator) -> Action:
    """Of one worker, as several have an order of their own."""
    options: dict[str, Any] = {"epochs": 2, "batch_size": 16, "progress": False}
    options["optimizer"] = some(rng, [None, ts.SGD(0.003, nesterov=True), optimizer(world, rng)])
    x = world.x
    return lambda m: m.fit(x, world.y, strategy=ts.WASAP(1), **options).history["loss"]


@legal
def fit_batches(world: World, rng: Generator) -> Action:
    x, y, size = world.x, world.y, int(rng.integers(1, 20))
    options = {"epochs": 2, "steps_per_epoch": int(rng.integers(1, 4)), "progress": False}
    options |= {"topology": topology(rng), "optimizer": optimizer(world, rng)}

    def batches() -> Iterator[Any]:
        while True:
            for start in range(0, len(x), size):
                yield x[start : start + size], y[start : start + size]

    return lambda m: m.fit(batches(), **options).history["loss"]


@legal
def train_on_batch(world: World, rng: Generator) -> Action:
    x, weight = form(world, rng), weights(world, rng)
    options = {"optimizer": optimizer(world, rng), "memory": some(rng, ["fast", "lean", "least"])}
    return lambda m: m.train_on_batch(x, world.y, sample_weight=weight, **options)["loss"]


@legal
def stop_by_an_error(world: World, rng: Generator) -> Action:
    """An exception of a callback ends a fit at a completed epoch."""

    class Stop(ts.Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            raise ZeroDivisionError

    def run(model: ts.SparseMLP) -> None:
        try:
            model.fit(world.x, world.y, epochs=3, progress=False, callbacks=[Stop()])
        except ZeroDivisionError:
            return
        raise AssertionError("the callback's error was lost")

    return run


# --- connections and neurons ------------------------------------------------------------------


@legal
def evolve(world: World, rng: Generator) -> Action:
    rule = topology(rng)
    needs = isinstance(rule, ts.GradientGrowth | OwnRule)

    def run(model: ts.SparseMLP) -> Any:
        before = [layer.nnz for layer in model.layers]
        report = model.evolve(rule, *((world.x, world.y) if needs else ()))
        after = [layer.nnz for layer in model.layers]
        changes = [layer["grown"] - layer["dropped"] for layer in report]
        changes += [0] * (len(before) - len(changes))  # the last layer
        assert [a - b for a, b in zip(after, before, strict=True)] == changes
        return report

    return run


@legal
def prune(world: World, rng: Generator) -> Action:
    amount = some(
        rng, [{"percentile": float(rng.uniform(0, 30))}, {"threshold": 0.2}, {"tolerance": 0.05}]
    )
    if "tolerance" in amount:
        amount["validation_data"] = (world.x, world.y)
    options = {"regrow": bool(rng.integers(2))}
    if "percentile" in amount:
        options["over"] = some(rng, ["all", "connected"])

    def run(model: ts.SparseMLP) -> Any:
        before = model.nnz
        report = model.prune(**amount, **options)
        assert model.nnz == before - sum(layer["connections"] for layer in report)
        return report

    return run


@legal
def compact(world: World, rng: Generator) -> Action:
    inputs = int(rng.integers(3)) == 0

    def run(model: ts.SparseMLP) -> Any:
        before, found = model.predict(world.inputs[:, model.units(0)]), model.compact(inputs=inputs)
        after = model.predict(world.inputs[:, model.units(0)])
        room = 1e-4 * (1 + np.abs(before).max())
        assert not np.isfinite(before).all() or np.abs(after - before).max() <= room
        return found

    return run


@legal
def keep(world: World, rng: Generator) -> Action:
    """Keep a snapshot of the model, and one of the twin."""
    world.kept = [*world.kept[-2:], (*(m.snapshot() for m in (world.model, world.twin)),
                                     content(world.model), None)]  # fmt: skip
    return lambda m: None


@legal
def restore(world: World, rng: Generator) -> Action:
    if not world.kept:
        return lambda m: None
    of_model, of_twin, data, _ = world.kept.pop()

    def run(model: ts.SparseMLP) -> None:
        model.restore(of_model if model is world.model else of_twin)
        assert without_notes(content(model)) == without_notes(data), "restored another network"

    return run


def without_notes(data: bytes) -> Any:
    """A model's file without `metadata`, which a snapshot leaves alone."""
    model = pickle.loads(pickle.dumps(ts.SparseMLP([1, 1], loss="huber")))
    model = ts.model._from_bytes(type(model), data, 1)
    model.metadata.clear()
    return content(model)


# --- files and copies -------------------------------------------------------------------------


@legal
def through_files_and_copies(world: World, rng: Generator) -> Action:
    way = int(rng.integers(4))

    def run(model: ts.SparseMLP) -> None:
        if way == 0:
            path = FOLDER / "model"
            model.save(path)
            assert path.read_bytes() == content(model)
            again = ts.load(path, threads=1)
        else:
            copies = [copy.copy, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))]
            again = copies[way - 1](model)
        assert content(again) == content(model), "another model came back"

    return run


@legal
def through_scipy(world: World, rng: Generator) -> Action:
    def run(model: ts.SparseMLP) -> None:
        if "srelu" in (model.activation, *model.activation) or model.standardize:
            return
        names = ("activation", "slope", "loss", "dropout", "input_noise")
        told = {name: getattr(model, name) for name in names}
        again = ts.SparseMLP.from_scipy(*model.to_scipy(), **told, threads=1)
        x = world.inputs[:, model.units(0)]
        assert np.array_equal(again.predict(x), model.predict(x), equal_nan=True)

    return run


@legal
def through_npz(world: World, rng: Generator) -> Action:
    def run(model: ts.SparseMLP) -> None:
        model.export_npz(FOLDER / "npz")
        again = ts.SparseMLP.from_npz(FOLDER / "npz", threads=1)
        x = world.inputs[:, model.units(0)]
        assert np.array_equal(again.predict(x), model.predict(x), equal_nan=True)

    return run


# --- looking ----------------------------------------------------------------------------------


@legal
def look(world: World, rng: Generator) -> Action:
    x, size = form(world, rng), int(rng.integers(1, 70))

    def run(model: ts.SparseMLP) -> Any:
        found = model.predict(x, batch_size=size)
        assert np.array_equal(found, model.predict(x), equal_nan=True), "batches change bits"
        model.summary(lambda line: None)
        model.plan(size)
        curve = model.pruning_curve(x, world.y, [0, 50], batch_size=size)
        kinds = [model.feature_importance(kind).tobytes() for kind in ("path", "strength")]
        norms = model.gradient_norms(x, world.y).tobytes()
        return found.tobytes(), repr(model), curve["loss"].tobytes(), kinds, norms

    return run


@legal
def change_threads(world: World, rng: Generator) -> Action:
    counts = [int(n) for n in rng.integers(1, 5, 2)]

    def run(model: ts.SparseMLP) -> None:
        model.threads = counts[model is world.twin]

    return run


@legal
def note(world: World, rng: Generator) -> Action:
    text = str(rng.integers(9))
    return lambda m: m.metadata.update({"note": text})


# --- what is refused --------------------------------------------------------------------------

NAN = float("nan")


@illegal
def broken_matrices(world: World, rng: Generator) -> Action:
    name = some(rng, list(sparse_damage.DAMAGE))
    attribute, change = some(rng, list(sparse_damage.DAMAGE[name].values()))
    # Blocks of BSR are of 2 x 2, and some damages need a few columns.
    columns = world.model.layer_sizes[0]
    x = sparse_damage.dense(12, columns if columns >= 6 and columns % 2 == 0 else 6)
    broken = sparse_damage.damaged(sparse_damage.kinds(name)["array"], x, attribute, change)
    verbs: list[Action] = [
        lambda m: m.predict(broken),
        lambda m: m.fit(broken, world.y, epochs=1, progress=False),
        lambda m: m.train_on_batch(world.x, broken),
        lambda m: m.fit(world.x, world.y, progress=False, validation_data=(broken, world.y)),
        lambda m: m.fit(world.x, world.y, progress=False, sample_weight=broken),
        lambda m: ts.SparseMLP.from_scipy([broken]),
    ]  # fmt: skip
    return some(rng, verbs)


@illegal
def bad_samples(world: World, rng: Generator) -> Action:
    x = np.array(world.x, np.float64)
    at = tuple(int(rng.integers(n)) for n in x.shape)
    one = x.copy()
    one[at] = some(rng, [NAN, math.inf, -math.inf])
    bad = some(
        rng,
        [one, x[:, :-1], np.c_[x, x], x[0], x[:0], x[None], None, "x", x.astype(str), x + 1j,
         [[1.0], [1.0, 2.0]], np.ma.masked_array(x, x == x), sp.csr_array(one), object()],
    )  # fmt: skip
    verbs: list[Action] = [
        lambda m: m.predict(bad), lambda m: m.evaluate(bad, world.y),
        lambda m: m.fit(bad, world.y, epochs=1, progress=False),
        lambda m: m.train_on_batch(bad, world.y), lambda m: m.gradient_norms(bad, world.y),
        lambda m: m.fit(world.x, world.y, progress=False, validation_data=(bad, world.y)),
    ]  # fmt: skip
    return some(rng, verbs)


@illegal
def bad_targets(world: World, rng: Generator) -> Action:
    y = np.asarray(world.y, np.float64)
    one = y.copy()
    # Of several outputs, a missing one does not count.
    one.flat[int(rng.integers(y.size))] = math.inf if y.ndim == 2 else some(rng, [NAN, math.inf])
    bad = some(rng, [one, y[:-1], y[..., None, None], None, y.astype(str), y * 1j, "y", 3])
    weight = some(rng, [[-1.0] * len(y), [NAN] * len(y), [1.0], "w", np.ones((len(y), 2))])
    verbs: list[Action] = [
        lambda m: m.evaluate(world.x, bad),
        lambda m: m.fit(world.x, bad, epochs=1, progress=False),
        lambda m: m.train_on_batch(world.x, bad),
        lambda m: m.train_on_batch(world.x, world.y, sample_weight=weight),
        lambda m: m.fit(world.x, world.y, progress=False, sample_weight=weight),
    ]
    return some(rng, verbs)


@illegal
def bad_arguments(world: World, rng: Generator) -> Action:
    x, y, odd = world.x, world.y, some(rng, [-1, 1.5, "1", None, NAN, [2], object(), 2**70])
    name = some(rng, [None, "nonsense", 3.5, {}, b"x"])

    which = int(rng.integers(2**31))

    def one(options: list[Any]) -> Any:
        """The same option in each run."""
        return options[which % len(options)]

    def fitted(**options: Any) -> Action:
        return lambda m: m.fit(x, y, **{"epochs": 1, "progress": False} | options)

    verbs: list[Action] = [
        fitted(epochs=odd), fitted(batch_size=odd), fitted(initial_epoch=odd),
        fitted(optimizer=one(["rmsprop", 1, ts.SGD])), fitted(topology=one(["set", 3])),
        fitted(memory=name), fitted(callbacks=one([3, [print]])), fitted(steps_per_epoch=3),
        fitted(validation_data=one([x, (x,), 3])), fitted(strategy=one(["wassp", 3])),
        fitted(strategy=ts.WASSP(1), memory="lean"),
        fitted(pruning=one(["all", 5])), fitted(augment=3),
        lambda m: m.predict(x, batch_size=odd), lambda m: m.importance(one([0, 99, odd])),
        lambda m: m.units(one([-1, 99, "0"])), lambda m: m.feature_importance(name),
        lambda m: m.prune(), lambda m: m.prune(percentile=one([100, -1, NAN, "5"])),
        lambda m: m.prune(percentile=5, threshold=5), lambda m: m.prune(tolerance=0.1),
        lambda m: m.evolve(one([0.3, "set"])), lambda m: m.evolve(ts.GradientGrowth()),
        lambda m: m.compact(inputs=3), lambda m: m.restore(name),
        lambda m: m.pruning_curve(x, y, one([[100], [NAN], 3, ["a"]])),
        lambda m: setattr(m, "threads", one([0, -1, "2", 1.5])),
        lambda m: setattr(m, "learning_rate", 0.1), lambda m: m.to_torch(dense=3),
        lambda m: ts.SparseMLP(one([[], [3], [3, 0], "33", [3, NAN]])),
        lambda m: ts.SparseMLP([3, 2], **one([
            {"epsilon": 0}, {"density": 2}, {"epsilon": 1, "density": 1}, {"dropout": 1.0},
            {"loss": name}, {"activation": "gelu2"}, {"seed": -1}, {"threads": 0}])),
        lambda m: m.save(3.5), lambda m: ts.load(Path(__file__)),
    ]  # fmt: skip
    return some(rng, verbs)


class Bad(ts.TopologyRule):
    """Gives changes that are none."""

    def __init__(self, change: Any) -> None:
        self.change = change

    def evolve(self, layer: Any) -> Any:
        return self.change


@illegal
def bad_rules(world: World, rng: Generator) -> Action:
    none = np.zeros(0, int)
    change = some(
        rng,
        [3, (), (none, none), ([10**9], none, none), ([-1], none, none), (none, [0], none),
         (none, [-1], [0]), (none, [0], [10**9]), ([0, 0], none, none), (none, [0, 0], [0, 0]),
         (none, [0], [0], [NAN]), (none, [0], [0], ["1"]), ([0.5], none, none)],
    )  # fmt: skip

    def run(model: ts.SparseMLP) -> None:
        if len(model.layer_sizes) < 3:
            raise ValueError("no layer would be asked")
        model.evolve(Bad(change))

    return run


@illegal
def damaged_files(world: World, rng: Generator) -> Action:
    """A model file without its end, or with another name for one of its parts."""
    data = content(world.model)
    cut = int(rng.integers(len(data)))
    bad = some(rng, [data[:cut], data + b"0", data.replace(b"layers.0.bias", b"layers.7.bias")])

    def run(model: ts.SparseMLP) -> None:
        (FOLDER / "damaged").write_bytes(bad)
        ts.load(FOLDER / "damaged")

    return run
