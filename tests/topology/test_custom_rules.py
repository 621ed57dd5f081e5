"""Rules of one's own: what they see, that the core does what they say, and their mistakes."""

import numpy as np
import pytest
import trulysparse as ts
from helpers import oracle as o
from helpers.growing_model import OPTIONS, SIZES, X, Y, dense_gradients, make_model, trained


class Rule(ts.TopologyRule):
    """Does what a function of the layer says."""

    def __init__(self, decide, **attributes):
        self.decide = decide
        vars(self).update(attributes)

    def evolve(self, layer):
        return self.decide(layer)


def randomly(layer):
    """Replace a third, by positions, with random weights; numbers in disorder."""
    count = layer.nnz // 3
    drop = layer.rng.permutation(layer.nnz)[:count]
    rows, columns = layer.empty(count)
    order = layer.rng.permutation(count)
    return drop, rows[order], columns[order], layer.rng.normal(size=count)


def test_the_core_does_what_the_rule_says():
    model = trained()
    before = o.from_model(model).layers
    told = {}

    def decide(layer):
        change = told[layer.number] = randomly(layer)
        return change

    report = model.evolve(Rule(decide))
    for number, (old, new) in enumerate(zip(before, o.from_model(model).layers, strict=True), 1):
        if number not in told:
            assert number == len(before)  # the output layer
            np.testing.assert_array_equal(old.weight, new.weight)
            continue
        drop, rows, columns, values = told[number]
        places = np.argwhere(old.support.T)[drop]  # in the order of storage
        old.support[places[:, 1], places[:, 0]] = False
        weight, momentum = old.weight * old.support, old.momentum * old.support
        weight[rows, columns] = np.float32(values)
        old.support[rows, columns] = True
        np.testing.assert_array_equal(new.support, old.support)
        np.testing.assert_array_equal(new.weight, weight)
        np.testing.assert_array_equal(new.momentum, momentum)
        assert report[number - 1] == {"dropped": len(drop), "grown": len(rows)}
    assert model.evolutions == 1


def test_flags_positions_and_none():
    model, twin = trained(), trained()

    def first(flags):
        def decide(layer):
            if layer.number == 2:
                return None
            drop = np.arange(layer.nnz) < 5
            return drop if flags else np.flatnonzero(drop), [], []

        return Rule(decide)

    nnz = [layer.nnz for layer in model.layers]
    for network, flags in ((model, True), (twin, False)):
        report = network.evolve(first(flags))
        assert report == [{"dropped": n, "grown": 0} for n in (5, 0, 0)]
    assert [layer.nnz for layer in model.layers] == [nnz[0] - 5, *nnz[1:]]
    assert model.layers[0].weight.data.tobytes() == twin.layers[0].weight.data.tobytes()
    model.fit(X, Y, topology=None, **OPTIONS)  # goes on with the smaller network


def test_gradients_are_the_oracles():
    model = trained(standardize=True)
    expected = dense_gradients(model, X, Y)
    seen = []

    def decide(layer):
        rows, columns = layer.rng.integers([[layer.n_in], [layer.n_out]], size=(2, 100))
        found = layer.gradient(rows, columns)  # of some places twice
        np.testing.assert_allclose(
            found, expected[layer.number - 1][rows, columns], rtol=1e-4, atol=1e-6
        )
        assert layer.gradient([], []).shape == (0,)
        seen.append(layer.number)

    assert model.evolve(Rule(decide, batch_size=1000), X, Y)[0] == {"dropped": 0, "grown": 0}
    assert seen == [1, 2]


def test_empty_places_are_drawn_uniformly_and_never_closed():
    model = trained()
    model.prune(percentile=30)
    counts = [np.zeros((la.n_in, la.n_out)) for la in model.layers]
    closed = [la.pruned for la in model.layers]
    draws = 400

    def decide(layer):
        index = layer.number - 1
        count = layer.vacancies // 2
        for _ in range(draws):
            rows, columns = layer.empty(count)
            assert len(np.unique(columns * layer.n_in + rows)) == count
            counts[index][rows, columns] += 1
        assert len(layer.empty(layer.vacancies)[0]) == layer.vacancies
        with pytest.raises(ValueError, match="count"):
            layer.empty(layer.vacancies + 1)

    model.evolve(Rule(decide))
    for layer, count, flags in zip(model.layers[:-1], counts, closed, strict=False):
        may = ~o.support_of(layer.weight) & ~flags
        assert np.all(count[~may] == 0)
        deviation = (count[may] - draws / 2) / np.sqrt(draws / 4)
        assert np.abs(deviation).max() < 5


@pytest.mark.parametrize("threads", [1, 3])
def test_a_fit_by_a_rule_has_the_same_bits_every_time(tmp_path, state_of, threads):
    def decide(layer):
        drop, rows, columns, values = randomly(layer)
        return drop, rows, columns, values * layer.gradient(rows, columns)

    class Checkpoint(ts.Callback):
        def on_epoch_end(self, epoch, logs):
            self.model.save(tmp_path / f"{epoch + 1}")

    rule = Rule(decide, start=2, stop=4, every=2, batch_size=30)
    whole = make_model(dropout=0.3)
    whole.fit(X, Y, topology=rule, callbacks=[Checkpoint()], **OPTIONS)
    assert whole.evolutions == 2
    model = ts.load(tmp_path / "2", threads=threads)
    model.evolve(rule.at(2, 5), X, Y, batch_size=16)
    assert rule.at(3, 5) is None
    model.fit(X, Y, topology=rule, initial_epoch=2, **OPTIONS)
    assert state_of(model) == state_of(whole)


def taken(layer):
    """The place of the first connection."""
    column = int(np.flatnonzero(np.diff(layer.weight.indptr))[0])
    return [int(layer.weight.indices[0])], [column]


MISTAKES = {
    "nothing useful": (lambda la: 3, TypeError, "returned int: expected None"),
    "two parts": (lambda la: ([], []), TypeError, "returned tuple"),
    "flags too short": (lambda la: (np.zeros(3, bool), [], []), ValueError, r"drop has shape"),
    "position": (lambda la: ([la.nnz], [], []), ValueError, r"drop\[0\] = \d+: expected"),
    "negative": (lambda la: ([0, -1], [], []), ValueError, r"drop\[1\] = -1: expected"),
    "positions twice": (lambda la: ([4, 4], [], []), ValueError, "drop has positions twice"),
    "weights as flags": (lambda la: (la.weight.data, [], []), TypeError, "drop has dtype float32"),
    "row": (lambda la: ([], [la.n_in], [0]), ValueError, r"rows\[0\] = 1?\d+: expected numbers"),
    "column": (lambda la: ([], [0], [-1]), ValueError, r"columns\[0\] = -1"),
    "beyond 32 bits": (lambda la: ([], [2**32], [0]), ValueError, r"rows\[0\] = 4294967296"),
    "lengths": (lambda la: ([], [0, 1], [0]), ValueError, "2 rows and 1 columns"),
    "axes": (lambda la: ([], [[0]], [0]), ValueError, "rows has shape"),
    "ragged rows": (lambda la: ([], [[0], [0, 1]], [0, 0]), ValueError, "rows: expected an array"),
    "ragged drop": (lambda la: ([[0], [0, 1]], [], []), ValueError, "drop: expected an array"),
    "ragged values": (
        lambda la: ([], *la.empty(2), [[0], [0, 1]]),
        ValueError,
        "values: expected an array",
    ),
    "floats": (lambda la: ([], [0.5], [0]), TypeError, "rows has dtype float64"),
    "values": (lambda la: ([], *la.empty(2), [1.0]), ValueError, "values has shape"),
    "text": (lambda la: ([], *la.empty(1), ["1"]), TypeError, "values has dtype"),
    "NaN": (lambda la: ([], *la.empty(1), [np.nan]), ValueError, "a finite weight"),
    "too large": (lambda la: ([], *la.empty(1), [1e39]), ValueError, "a finite weight"),
    "exists": (lambda la: ([], *taken(la)), ValueError, "place without a connection"),
    "twice": (
        lambda la: ([], *(np.repeat(a, 2) for a in la.empty(1))),
        ValueError,
        "number 0 and 1 = both from",
    ),
    "no samples": (lambda la: la.gradient([0], [0]), ValueError, r"model\.evolve\(rule, x, y\)"),
}


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named_and_changes_nothing(state_of, name, number):
    decide, kind, message = MISTAKES[name]
    model = trained()
    before = state_of(model)
    rule = Rule(lambda la: decide(la) if la.number == number else randomly(la))
    with pytest.raises(kind, match=message) as caught:
        model.evolve(rule)
    if name != "no samples":
        assert str(caught.value).startswith(f"Rule, layer {number}")
    assert state_of(model) == before


def test_a_rule_that_fails_leaves_no_statistics(state_of):
    rng = np.random.default_rng(0)
    x, y = rng.normal(3, 2, (40, 12)), rng.integers(0, 3, 40)
    model = ts.SparseMLP([12, 20, 3], density=0.3, standardize=True, seed=0)
    before = state_of(model)
    with pytest.raises(TypeError, match="returned int"):
        model.evolve(Rule(lambda la: 3), x, y)
    assert model.mean is None
    assert state_of(model) == before
    model.evolve(Rule(randomly), x, y)
    assert model.mean is not None
    after = state_of(model)
    with pytest.raises(TypeError, match="returned int"):
        model.evolve(Rule(lambda la: 3), x + 1, y)
    assert state_of(model) == after


def test_pruned_neurons_are_refused(state_of):
    model = trained()
    model.prune(percentile=30)
    before = state_of(model)
    grow = Rule(lambda layer: ([], [0], np.flatnonzero(layer.pruned)[:1]))
    with pytest.raises(ValueError, match="an output that was not pruned"):
        model.evolve(grow)
    assert state_of(model) == before


@pytest.mark.parametrize(("name", "value"), [("start", 0), ("every", 1.5), ("batch_size", 0)])
def test_wrong_attributes_are_named(name, value):
    rule = Rule(randomly, **{name: value})
    with pytest.raises((ValueError, TypeError), match=f"^{name} = "):
        make_model().fit(X, Y, topology=rule, **OPTIONS)


def test_what_a_rule_raises_ends_the_fit():
    def refuse(layer):
        raise RuntimeError("enough")

    model = make_model()
    with pytest.raises(RuntimeError, match="enough"):
        model.fit(X, Y, topology=Rule(refuse), **OPTIONS)
    assert (model.epochs_trained, model.evolutions) == (1, 0)
    with pytest.raises(NotImplementedError, match=r"TopologyRule\.evolve"):
        model.evolve(ts.TopologyRule())

    def change(layer):
        model.fit(X, Y, **OPTIONS)

    with pytest.raises(ts.ModelBusyError):
        model.evolve(Rule(change))


def test_the_layer_is_a_layer():
    def look(layer):
        assert isinstance(layer, ts.Layer)
        assert (layer.n_in, layer.n_out) == (SIZES[layer.number - 1], SIZES[layer.number])
        assert layer.weight.shape == layer.momentum.shape == (layer.n_in, layer.n_out)
        assert (layer.epoch, layer.evolutions) == (2, 0)
        assert layer.vacancies == layer.n_in * layer.n_out - layer.nnz

    trained().evolve(Rule(look))
