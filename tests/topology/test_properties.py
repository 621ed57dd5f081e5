"""Topology: the private kernels that draw and evolve it, and a state machine over the model.

The rules are those of SET: exact zeros go first, then the floor(zeta * count) values of each
sign that are closest to zero, ties in favour of the later position; as many connections as went
are grown at places that hold none.
"""

import math
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import trulysparse as ts
from helpers import cases
from helpers.judged import structure
from helpers.oracle import support_of
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from scipy.stats import chi2, kstest
from trulysparse._core import kernels

THREADS = (1, 2, 3)


def topology_is_valid(indptr, indices, n_out, n_in):
    assert indptr.dtype == np.int64
    assert indices.dtype == np.uint32
    kernels.check_csr((indptr, indices, np.zeros(len(indices), np.float32), n_in))
    assert len(indptr) == n_out + 1


@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.floats(0, 1),
    st.integers(0, 2**64 - 1),
)
@example(7, 5, 0.0, 1)
@example(7, 5, 1.0, 1)
@example(1, 1, 0.5, 0)
@example(40, 40, 5e-324, 3)
def test_erdos_renyi_is_valid_for_any_probability(n_in, n_out, probability, seed):
    results = [kernels.erdos_renyi(n_in, n_out, probability, seed, t) for t in THREADS]
    topology_is_valid(*results[0], n_out, n_in)
    for indptr, indices in results[1:]:
        np.testing.assert_array_equal(indptr, results[0][0])
        np.testing.assert_array_equal(indices, results[0][1])
    if probability in (0.0, 1.0):
        assert len(results[0][1]) == probability * n_in * n_out


@pytest.mark.parametrize("probability", [1e-4, 0.01, 0.3, 0.9])
def test_erdos_renyi_has_the_binomial_number_of_uniform_places(probability):
    n_in, n_out = 400, 2500
    indptr, indices = kernels.erdos_renyi(n_in, n_out, probability, 11, 2)
    mean, variance = n_in * n_out * probability, n_in * n_out * probability * (1 - probability)
    assert abs(len(indices) - mean) < 5 * math.sqrt(variance)
    if probability < 0.01:  # too few for chi-square
        return
    # Columns and rows each: binomial counts, so their scaled squares follow chi-square.
    for counts, trials in ((np.bincount(indices, minlength=n_in), n_out), (np.diff(indptr), n_in)):
        spread = ((counts - trials * probability) ** 2).sum() / (
            trials * probability * (1 - probability)
        )
        assert 1e-4 < chi2.cdf(spread, len(counts)) < 1 - 1e-4


def test_erdos_renyi_depends_on_seed_and_row():
    first, second = (kernels.erdos_renyi(200, 50, 0.1, seed, 1) for seed in (1, 2))
    assert not np.array_equal(first[1], second[1])
    rows = {tuple(row) for row in np.split(first[1], first[0][1:-1])}
    assert len(rows) == 50


def test_erdos_renyi_of_the_widest_layer_takes_only_its_connections():
    n_in = 2**32 - 2
    indptr, indices = kernels.erdos_renyi(n_in, 3, 1e-7, 0, 1)
    topology_is_valid(indptr, indices, 3, n_in)
    assert abs(len(indices) - 1288.5) < 5 * math.sqrt(1288.5)
    assert indices.max() > 2**31  # not only the lower half


@given(st.integers(1, 2**62) | st.integers(1, 40), st.integers(0, 300), st.integers(0, 2**64 - 1))
@example(300, 300, 5)
@example(300, 299, 5)
@example(10**6, 0, 5)
@example(0, 0, 5)
@example(2**63 + 12345, 100, 5)
def test_sample_distinct(n, k, seed):
    k = min(n, k)
    sample = kernels.sample_distinct(n, k, seed)
    assert sample.dtype == np.uint64
    assert sample.shape == (k,)
    assert np.all(sample[1:] > sample[:-1])
    assert k == 0 or int(sample[-1]) < n
    np.testing.assert_array_equal(sample, kernels.sample_distinct(n, k, seed))


def test_sample_distinct_refuses_more_than_there_are():
    with pytest.raises(ValueError, match="k"):
        kernels.sample_distinct(3, 4, 0)


@pytest.mark.parametrize(("n", "k"), [(40, 1), (40, 10), (40, 33), (40, 39)])
def test_sample_distinct_is_uniform(n, k):
    draws = 3000
    counts = sum(
        np.bincount(kernels.sample_distinct(n, k, seed).astype(np.int64), minlength=n)
        for seed in range(draws)
    )
    # Counts of draws without replacement: variance k/n (1 - k/n) each, and they sum to a constant.
    share = k / n
    spread = ((counts - draws * share) ** 2).sum() / (draws * share * (1 - share)) * (n - 1) / n
    assert 1e-4 < chi2.cdf(spread, n - 1) < 1 - 1e-4


@st.composite
def layers(draw):
    """(indptr, indices, data, n_in) of a layer with zeros of both signs and many ties."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_out, n_in = draw(st.integers(1, 20)), draw(st.integers(1, 20))
    present = rng.random((n_out, n_in)) < draw(st.sampled_from([0.0, 0.05, 0.3, 0.8, 0.97, 1.0]))
    if draw(st.booleans()):
        data = rng.choice(np.array([-1, -0.5, -0.0, 0.0, 0.5, 1, 1e-45, -1e-45]), present.sum())
    else:
        data = rng.normal(size=present.sum())
    indptr = np.concatenate([[0], np.cumsum(present.sum(axis=1))]).astype(np.int64)
    indices = np.nonzero(present)[1].astype(np.uint32)
    return indptr, indices, data.astype(np.float32), n_in


def rows_of(indptr):
    return np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))


def survivors_by_hand(data, zeta):
    dropped = set(np.flatnonzero(data == 0))
    for sign in (1, -1):
        places = np.flatnonzero(sign * data > 0)
        order = places[np.argsort(np.abs(data[places]), kind="stable")]
        dropped.update(order[: math.floor(zeta * len(places))])
    return sorted(set(range(len(data))) - dropped)


@given(layers(), st.floats(0, 1, exclude_max=True), st.integers(0, 2**64 - 1), st.integers(0, 99))
@example((*(np.array(a) for a in ([0], [], [])), 3), 0.5, 0, 0)
def test_evolve(layer, zeta, seed, epoch):
    indptr, indices, data, n_in = layer
    indptr, indices = indptr.astype(np.int64), indices.astype(np.uint32)
    data = data.astype(np.float32)
    results = [
        kernels.evolve((indptr, indices, data, n_in), zeta, seed, epoch, threads)
        for threads in THREADS
    ]
    for other in results[1:]:
        assert [a.tobytes() for a in other] == [a.tobytes() for a in results[0]]
    new_indptr, new_indices, new_data, source = results[0]
    topology_is_valid(new_indptr, new_indices, len(indptr) - 1, n_in)
    assert len(new_indices) == len(new_data) == len(source) == len(data)
    kept = source >= 0
    assert source[kept].tolist() == survivors_by_hand(data, zeta)
    assert new_data[kept].tobytes() == data[source[kept]].tobytes()
    np.testing.assert_array_equal(new_indices[kept], indices[source[kept]])
    np.testing.assert_array_equal(rows_of(new_indptr)[kept], rows_of(indptr)[source[kept]])
    assert np.all(source[~kept] == -1)
    assert np.all(np.abs(new_data[~kept]) <= 1)
    if len(data) == (len(indptr) - 1) * n_in:  # a full layer can only grow where it dropped
        np.testing.assert_array_equal(new_indptr, indptr)
        np.testing.assert_array_equal(new_indices, indices)


@pytest.mark.parametrize("density", [0.2, 0.9])
@pytest.mark.parametrize("closed", [None, [False, True, True, False] * 3])
def test_evolve_grows_uniformly_among_the_empty_places(density, closed):
    n_in, n_out, zeta, epochs = 15, 12, 0.4, 2000
    rng = np.random.default_rng(8)
    present = rng.random((n_out, n_in)) < density
    if closed is not None:
        present[closed] = False
    indptr = np.concatenate([[0], np.cumsum(present.sum(axis=1))]).astype(np.int64)
    indices = np.nonzero(present)[1].astype(np.uint32)
    data = rng.normal(size=len(indices)).astype(np.float32)
    kept = survivors_by_hand(data, zeta)
    empty = np.ones((n_out, n_in), dtype=bool)
    if closed is not None:
        empty[closed] = False
    empty[rows_of(indptr)[kept], indices[kept]] = False
    counts, values = np.zeros((n_out, n_in)), []
    for epoch in range(epochs):
        evolved = kernels.evolve((indptr, indices, data, n_in), zeta, 7, epoch, 1, closed)
        grown = evolved[3] < 0
        counts[rows_of(evolved[0])[grown], evolved[1][grown]] += 1
        values.append(evolved[2][grown])
    assert np.all(counts[~empty] == 0)
    # Draws without replacement, as in test_sample_distinct_is_uniform.
    places, share = empty.sum(), (len(data) - len(kept)) / empty.sum()
    spread = ((counts[empty] - epochs * share) ** 2).sum() / (epochs * share * (1 - share))
    assert 1e-4 < chi2.cdf(spread * (places - 1) / places, places - 1) < 1 - 1e-4
    assert kstest(np.concatenate(values), "uniform", args=(-1, 2)).pvalue > 1e-4


def test_evolve_depends_on_seed_and_epoch():
    indptr, indices = kernels.erdos_renyi(60, 50, 0.2, 0, 1)
    data = np.random.default_rng(0).normal(size=len(indices)).astype(np.float32)
    grown = [
        kernels.evolve((indptr, indices, data, 60), 0.3, seed, epoch, 1)[1].tobytes()
        for seed, epoch in ((1, 0), (1, 1), (2, 0))
    ]
    assert len(set(grown)) == 3


class Snapshot:
    """What a layer holds now; a `Layer` itself shows the model as it goes on."""

    def __init__(self, layer):
        self.weight, self.momentum, self.bias = layer.weight, layer.momentum, layer.bias


class Life(RuleBasedStateMachine):
    """A small network through any sequence of training, evolution, pruning and storage."""

    SIZES = (6, 9, 7, 3)

    @initialize(
        density=st.sampled_from([0.1, 0.4, 0.95, 1.0]),
        dropout=st.sampled_from([0.0, 0.3]),
        threads=st.integers(1, 3),
        seed=st.integers(0, 2**64 - 1),
    )
    def create(self, density, dropout, threads, seed):
        self.model = ts.SparseMLP(
            self.SIZES, density=density, dropout=dropout, threads=threads, seed=seed
        )
        self.nnz = [layer.nnz for layer in self.model.layers]
        self.output_structure = structure(self.model.layers[-1].weight)
        self.counters = (0, 0, 0)
        self.flagged = [set(), set()]
        rng = np.random.default_rng(0)
        self.x = rng.normal(size=(11, self.SIZES[0])).astype(np.float32)
        self.y = rng.integers(0, self.SIZES[-1], size=11)

    def advance(self, epochs, steps, evolutions):
        increments = (epochs, steps, evolutions)
        self.counters = tuple(a + b for a, b in zip(self.counters, increments, strict=True))

    @rule(n=st.integers(1, 11), nesterov=st.booleans())
    def train_on_batch(self, n, nesterov):
        self.model.train_on_batch(self.x[:n], self.y[:n], optimizer=ts.SGD(nesterov=nesterov))
        self.advance(0, 1, 0)

    @rule(
        epochs=st.integers(1, 2),
        batch_size=st.sampled_from([1, 4, 11, 50]),
        topology=st.sampled_from([None, ts.SET(), ts.SET(zeta=0.5, grow_init=0.1)]),
        pruning=st.sampled_from(
            [None, ts.ImportancePruning(1, 1, 15), ts.ImportancePruning(2, 3, regrow=True)]
        ),
    )
    def fit(self, epochs, batch_size, topology, pruning):
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "layer . was not|pruning (starts|has)", RuntimeWarning
            )
            self.model.fit(
                self.x,
                self.y,
                epochs=epochs,
                batch_size=batch_size,
                topology=topology,
                pruning=pruning,
                progress=False,
            )
        if pruning is not None:
            self.took_out()
        # No evolution after a fit's last epoch: its connections would go out untrained.
        evolutions = 0 if topology is None else epochs - 1
        self.advance(epochs, epochs * math.ceil(11 / batch_size), evolutions)

    @rule(zeta=st.sampled_from([0.0, 0.3, 0.9]), grow_init=st.sampled_from([0.0, 0.1, 1.0]))
    def evolve(self, zeta, grow_init):
        before = [Snapshot(la) for la in self.model.layers]
        report = self.model.evolve(ts.SET(zeta=zeta, grow_init=grow_init))
        self.advance(0, 0, 1)
        assert all(entry["dropped"] == entry["grown"] for entry in report)
        after = [Snapshot(la) for la in self.model.layers]
        for old, new, entry in zip(before[:-1], after, report, strict=False):
            survivors = survivors_by_hand(old.weight.data, zeta)
            assert entry["dropped"] == old.weight.nnz - len(survivors)
            self.check_survivors(old, new, survivors, grow_init)

    def check_survivors(self, old, new, survivors, grow_init):
        columns = rows_of(old.weight.indptr)[survivors]
        rows = old.weight.indices[survivors]
        for a, b in ((old.weight, new.weight), (old.momentum, new.momentum)):
            assert b.toarray()[rows, columns].tobytes() == a.data[survivors].tobytes()
        grown = support_of(new.weight)
        grown[rows, columns] = False
        assert np.all(new.momentum.toarray()[grown] == 0)
        if grow_init == 0:
            assert np.all(new.weight.toarray()[grown] == 0)
        assert old.bias.tobytes() == new.bias.tobytes()

    def took_out(self):
        """Connections and neurons only ever get fewer by pruning and compaction."""
        nnz = [layer.nnz for layer in self.model.layers]
        assert all(new <= old for new, old in zip(nnz, self.nnz, strict=True))
        self.nnz = nnz
        for level, flagged in enumerate(self.flagged):
            flags = self.model.layers[level].pruned
            now = set(self.model.units(level + 1)[flags].tolist())
            left = set(self.model.units(level + 1).tolist())
            assert flagged & left <= now
            self.flagged[level] = now

    @rule(
        how=st.sampled_from([{"percentile": 10}, {"percentile": 40}, {"threshold": 0.4}]),
        regrow=st.booleans(),
    )
    def prune(self, how, regrow):
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", "layer . was not|pruning (starts|has)", RuntimeWarning
            )
            report = self.model.prune(**how, regrow=regrow)
        before = self.nnz
        self.took_out()
        removed = [old - new for old, new in zip(before, self.nnz, strict=True)]
        assert removed == [*(entry["connections"] for entry in report), 0]
        for layer, entry in zip(self.model.layers, report, strict=False):
            # A layer is never emptied.
            assert layer.nnz > 0 or entry["neurons"] == 0

    @rule(inputs=st.booleans())
    def compact(self, inputs):
        predicted = self.model.predict(self.x)
        columns, before = self.model.units(0), self.nnz
        report = self.model.compact(inputs=inputs)
        self.x = self.x[:, np.searchsorted(columns, self.model.units(0))]
        np.testing.assert_allclose(self.model.predict(self.x), predicted, rtol=1e-4, atol=1e-5)
        self.took_out()
        removed = [old - new for old, new in zip(before, self.nnz, strict=True)]
        assert removed == [entry["connections"] for entry in report[1:]]
        self.output_structure = structure(self.model.layers[-1].weight)

    @rule()
    def save_and_load(self):
        before = [(structure(la.weight), la.weight.data.tobytes()) for la in self.model.layers]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.safetensors"
            self.model.save(path)
            self.model = ts.load(path)
        after = [(structure(la.weight), la.weight.data.tobytes()) for la in self.model.layers]
        assert before == after

    @invariant()
    def connections_are_sorted_unique_in_range_and_conserved(self):
        for layer, nnz in zip(self.model.layers, self.nnz, strict=True):
            w = layer.weight
            assert layer.nnz == w.nnz == nnz
            csr = w.indptr.astype(np.int64), w.indices.astype(np.uint32), w.data
            kernels.check_csr((*csr, layer.n_in))
            assert support_of(w).sum() == nnz  # unique and in range, by other means

    @invariant()
    def momentum_is_aligned(self):
        for layer in self.model.layers:
            assert structure(layer.momentum) == structure(layer.weight)

    @invariant()
    def everything_is_finite(self):
        for layer in self.model.layers:
            for array in (layer.weight.data, layer.momentum.data, layer.bias, layer.bias_momentum):
                assert np.all(np.isfinite(array))
        assert np.all(np.isfinite(self.model.predict(self.x)))

    @invariant()
    def flagged_neurons_stay_empty(self):
        for level, flagged in enumerate(self.flagged):
            layer = self.model.layers[level]
            assert set(self.model.units(level + 1)[layer.pruned].tolist()) == flagged
            assert not np.diff(layer.weight.indptr)[layer.pruned].any()
        assert not self.model.layers[-1].pruned.any()

    @invariant()
    def units_are_the_originals(self):
        assert self.model.original_layer_sizes == list(self.SIZES)
        for level, size in enumerate(self.model.layer_sizes):
            units = self.model.units(level)
            assert units.shape == (size,)
            assert np.all(np.diff(units) > 0)
            assert units[-1] < self.SIZES[level]

    @invariant()
    def the_output_layer_keeps_its_connections(self):
        assert structure(self.model.layers[-1].weight) == self.output_structure

    @invariant()
    def counters_count(self):
        model = self.model
        assert (model.epochs_trained, model.steps_trained, model.evolutions) == self.counters


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=cases.drawn(25),
    stateful_step_count=15,
)
