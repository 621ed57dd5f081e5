"""What a fit says that its epochs cost."""

import csv
import itertools
import time

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers import parallel_fit
from helpers.small_model import X, Y, fit, make_model
from trulysparse import _core
from trulysparse.training import loop, peak_memory


def products(recorder, epoch):
    """Multiply-adds of a sample in an epoch: the outputs', the deltas', the gradient's."""
    first, *others = (counts[epoch + 1] for counts in recorder.connections.values())
    return 2 * first + 3 * sum(others)


def expected(recorder, samples):
    epochs = range(len(recorder.epochs) - 1)
    return list(itertools.accumulate(samples * products(recorder, epoch) for epoch in epochs))


class Slow(ts.TopologyRule):
    """Changes nothing, and takes its time over it."""

    def evolve(self, layer):
        time.sleep(0.02)


# --- seconds --------------------------------------------------------------------------------------


def test_what_changes_the_topology_counts_for_the_epoch_that_it_precedes():
    pruning = ts.ImportancePruning(start=2, every=2, percentile=10)
    costs = fit(make_model(), 5, topology=Slow(), pruning=pruning).history
    assert [seconds > 0.03 for seconds in costs["evolution_seconds"]] == [False] + [True] * 4
    assert costs["evolution_seconds"][0] == 0
    assert [seconds > 0 for seconds in costs["pruning_seconds"]] == [
        False,
        False,
        True,
        False,
        True,
    ]


def test_what_does_not_happen_takes_exactly_no_time():
    costs = fit(make_model(), 3, topology=None).history
    for name in ("validation_seconds", "evolution_seconds", "pruning_seconds"):
        assert costs[name] == [0, 0, 0]
    costs = fit(make_model(), 3, topology=None, validation_data=(X, Y)).history
    assert all(seconds > 0 for seconds in costs["validation_seconds"])


def test_a_fit_that_goes_on_counts_the_changes_before_its_first_epoch(tmp_path):
    class BreakOff(ts.Callback):
        def on_epoch_begin(self, epoch, logs):
            if epoch == 2:
                raise RuntimeError("broken off")

    strategy = ts.WASSP(workers=2, checkpoint=tmp_path / "fit")
    with pytest.raises(RuntimeError, match="broken off"):
        parallel_fit.fitted(strategy, callbacks=[BreakOff()])
    costs = parallel_fit.fitted(strategy).history.history
    assert [seconds > 0 for seconds in costs["evolution_seconds"]] == [False] + [True] * 5
    assert [s > 0 for s in costs["pruning_seconds"]] == [False, False, True, False, True, False]
    straight = parallel_fit.fitted(ts.WASSP(workers=2)).history.history
    assert costs["multiply_adds"] == straight["multiply_adds"]


# --- multiply-adds --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("activation", "optimizer"),
    [("all_relu", ts.SGD()), ("tanh", ts.Adam()), ("srelu", ts.SGD())],
)
def test_products_of_the_connections_of_each_epoch_are_counted(activation, optimizer):
    recorder = ts.TopologyRecorder(degrees=False)
    pruning = ts.ImportancePruning(start=1, every=1, percentile=10, regrow=False)
    model = make_model(activation=activation)
    history = fit(model, 4, optimizer=optimizer, pruning=pruning, callbacks=[recorder]).history
    assert history["connections"][-1] < history["connections"][0]
    assert history["multiply_adds"] == expected(recorder, len(X))


def test_a_layer_alone_passes_no_deltas_back():
    model = ts.SparseMLP([6, 4], density=0.5, seed=0)
    history = fit(model, 2).history
    assert history["multiply_adds"] == [2 * len(X) * model.nnz, 4 * len(X) * model.nnz]


def test_what_is_computed_twice_counts_twice():
    counts = {}
    for memory in ("fast", "lean", "least"):
        model = ts.SparseMLP([6, *[20] * 9, 4], density=0.2, seed=0)
        counts[memory] = fit(model, 1, memory=memory).history["multiply_adds"][0]
    assert counts["fast"] == counts["lean"]
    assert 0 < counts["least"] - counts["fast"] <= len(X) * model.nnz


@pytest.mark.parametrize("standardize", [False, True])
def test_sparse_samples_cost_what_their_features_cost(standardize):
    x = np.where(np.random.default_rng(1).random(X.shape) < 0.3, X, 0)
    model = make_model(standardize=standardize)
    history = model.fit(
        sp.csr_array(x), Y, epochs=1, batch_size=1, topology=None, progress=False
    ).history
    out = np.diff(model.layers[0].weight.tocsr().indptr)  # connections of each feature
    first = sum(2 * out[row != 0].sum() for row in x)
    others = 3 * sum(layer.nnz for layer in model.layers[1:])
    assert history["multiply_adds"] == [first + len(X) * others]


def test_batches_of_all_sizes_count():
    recorder = ts.TopologyRecorder(degrees=False)
    batches = itertools.cycle((X[:n], Y[:n]) for n in (5, 16, 1))
    history = make_model().fit(
        batches, steps_per_epoch=3, epochs=3, callbacks=[recorder], progress=False
    )
    assert history.history["multiply_adds"] == expected(recorder, 22)


@pytest.mark.parametrize("kind", [ts.WASSP, ts.WASAP])
@pytest.mark.parametrize("fraction", [0, 0.5, 1])
def test_workers_count_together(kind, fraction):
    recorder = ts.TopologyRecorder(degrees=False)
    strategy = kind(workers=1 if kind is ts.WASAP else 3, local_fraction=fraction)
    model = parallel_fit.fitted(strategy, topology=None, pruning=None, callbacks=[recorder])
    assert model.history.history["multiply_adds"] == expected(recorder, 203)


def test_an_asynchronous_fit_counts_what_its_workers_computed():
    recorder = ts.TopologyRecorder(degrees=False)
    strategy = ts.WASAP(workers=3, local_fraction=0)
    model = parallel_fit.fitted(strategy, pruning=None, callbacks=[recorder])
    history = model.history.history
    for epoch, total in enumerate(np.diff(history["multiply_adds"], prepend=0), start=0):
        gradients = history["updates"][epoch] + history["refused"][epoch]
        # Of batches of 16 and the three shares' last ones of 3 or 4 samples.
        assert total % products(recorder, epoch) == 0
        assert 3 * gradients <= total / products(recorder, epoch) <= 16 * gradients


# --- memory ---------------------------------------------------------------------------------------


def test_the_peak_grows_with_what_is_taken_and_stays():
    before, now = peak_memory.memory(), _core.resident_memory()
    taken = np.ones((max(before - now, 0) + 2**26) // 8)
    grown = peak_memory.memory()
    assert grown >= before + 2**25
    del taken
    assert peak_memory.memory() >= grown


def test_a_system_that_does_not_record_it_is_asked_for_what_there_is(monkeypatch, tmp_path):
    monkeypatch.setattr(peak_memory, "_STATUS", tmp_path / "none")
    monkeypatch.setattr(peak_memory, "_seen", 0)
    seen = peak_memory.memory()
    assert seen > 2**20
    monkeypatch.setattr(peak_memory, "_seen", 2 * seen)
    assert peak_memory.memory() == 2 * seen


def test_what_the_system_records_is_read_when_it_may_have_grown(monkeypatch):
    usage, recorded, read = [10], [12], []
    monkeypatch.setattr(peak_memory, "_seen", 0)
    monkeypatch.setattr(peak_memory, "_usage", lambda: usage[0])
    monkeypatch.setattr(peak_memory, "_recorded", lambda _: read.append(0) or recorded[0])
    assert [peak_memory.memory(), peak_memory.memory(), len(read)] == [12, 12, 1]
    usage[0], recorded[0] = 14, 14
    assert [peak_memory.memory(), peak_memory.memory(), len(read)] == [14, 14, 2]
    # The number of a larger process that started this one says nothing of this one.
    usage[0] = 100
    assert [peak_memory.memory(), len(read)] == [14, 3]
    recorded[0] = 20
    assert [peak_memory.memory(), len(read)] == [20, 4]


def test_histories_have_the_peak():
    history = fit(make_model(), 3).history["peak_memory"]
    assert history == sorted(history)
    assert 2**20 < history[0] <= peak_memory.memory()


# --- everywhere the same --------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", [None, ts.WASSP(workers=2), ts.WASAP(workers=2)])
@pytest.mark.parametrize("validation", [None, (X, Y)])
def test_callbacks_files_and_histories_have_the_same_numbers(strategy, validation, tmp_path):
    logger = ts.CSVLogger(tmp_path / "log.csv")
    files = ts.ModelCheckpoint(str(tmp_path / "{epoch}-{multiply_adds:d}-{peak_memory:d}"))
    pruning = ts.ImportancePruning(start=1, every=1, percentile=5)
    history = fit(
        make_model(), 3, strategy=strategy, validation_data=validation, callbacks=[logger, files],
        pruning=pruning,
    )  # fmt: skip
    names = loop.metrics(
        "cross_entropy",
        validated=validation is not None,
        asynchronous=strategy is not None and strategy.asynchronous,
    )
    assert list(history.history) == names
    history.to_csv(tmp_path / "history.csv")
    assert (tmp_path / "history.csv").read_text() == (tmp_path / "log.csv").read_text()
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["multiply_adds"]) for row in rows] == history.history["multiply_adds"]
    assert (tmp_path / files.last_path).name.startswith(f"3-{rows[-1]['multiply_adds']}-")
