"""Scores of neurons and features against the oracle, and pruning by them."""

import copy
import itertools
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers import small_model
from helpers.judged import structure
from helpers.oracle import from_model, support_of
from helpers.small_model import RNG, Log, X, Y, fit, make_model, through_file
from hypothesis import given
from hypothesis import strategies as st


@st.composite
def models(draw, **options):
    """A network whose weights were drawn; some neurons have no connections."""
    sizes = draw(st.lists(st.integers(1, 12), min_size=2, max_size=5))
    return ts.SparseMLP(
        sizes,
        density=draw(st.sampled_from([0.05, 0.2, 0.5, 1.0])),
        seed=draw(st.integers(0, 2**32)),
        threads=draw(st.sampled_from([1, 2, 3])),
        loss="squared_error",
        **options,
    )


@given(models())
def test_importance_agrees_with_the_oracle(model):
    oracle = from_model(model)
    for kind in ("path", "strength"):
        scores = model.feature_importance(kind)
        assert scores.dtype == np.float64
        assert scores.shape == (model.layer_sizes[0],)
        expected = oracle.feature_importance(kind)
        np.testing.assert_allclose(scores, expected, rtol=1e-12)
        assert np.array_equal(scores == 0, expected == 0)
        assert not np.signbit(scores).any()
    for number, layer in enumerate(oracle.layers, start=1):
        expected = np.abs(layer.weight).sum(axis=0)
        np.testing.assert_allclose(model.importance(number), expected, rtol=1e-6)


def test_path_importance_is_the_default_and_a_walk_over_all_paths():
    model = make_model()
    weights = [np.abs(layer.weight.toarray().astype(np.float64)) for layer in model.layers]
    by_hand = [
        sum(
            weights[0][i, j] * weights[1][j, k] * weights[2][k, o]
            for j in range(20)
            for k in range(15)
            for o in range(4)
        )
        for i in range(6)
    ]
    np.testing.assert_allclose(model.feature_importance(), by_hand, rtol=1e-12)
    assert not np.allclose(model.feature_importance("strength"), by_hand)


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_importance_has_the_same_bits_for_any_threads(threads):
    def scores(threads):
        model = ts.SparseMLP([500, 800, 600, 5], epsilon=20, seed=0, threads=threads)
        features = [model.feature_importance(kind).tobytes() for kind in ("path", "strength")]
        return features + [model.importance(layer).tobytes() for layer in (1, 2, 3)]

    assert scores(threads) == scores(1)


def test_the_feature_that_decides_has_the_highest_score():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 20)) * 10.0 ** rng.integers(-2, 3, size=20)
    y = (x[:, 7] > 0).astype(int)
    model = ts.SparseMLP([20, 60, 2], density=0.3, dropout=0, standardize=True, seed=0)
    model.fit(x, y, epochs=20, batch_size=32, optimizer=ts.SGD(0.05), progress=False)
    for kind in ("path", "strength"):
        assert np.argmax(model.feature_importance(kind)) == 7


# --- pruning ---------------------------------------------------------------------------------


def goes_by_hand(weight, support, outputs, over, percentile=None, threshold=None):
    """The neurons of a layer that go, as a mask, and why the layer is left alone, if it is."""
    nothing = np.zeros(support.shape[1], dtype=bool)
    connected = support.any(axis=0)
    # Importances are float32 sums, taken in float64.
    importance = np.abs(weight).sum(axis=0).astype(np.float32).astype(np.float64)
    if not connected.any():
        return nothing, None
    if threshold is None:
        among = importance if over == "all" else importance[connected]
        threshold = np.percentile(among, percentile)
    gone = connected & (importance <= threshold)
    least = max(2, min(outputs, -(-len(connected) // 10)))
    if gone.any() and (connected & ~gone).sum() < least:
        return nothing, "too few of its neurons"
    return gone, None


def reached_by_hand(supports, gone):
    """The outputs that some path leads to from an input, by products of matrices."""
    reached = np.ones(supports[0].shape[0], dtype=bool)
    for support, without in itertools.zip_longest(supports, gone):
        reached = support[reached].any(axis=0)
        if without is not None:
            reached &= ~without
    return reached


def pruned_by_hand(layers, over="all", **rule):
    """The neurons of each hidden layer that go, and why a layer is left alone, if it is."""
    supports = [layer.support for layer in layers]
    outputs = supports[-1].shape[1]
    found = [goes_by_hand(la.weight, la.support, outputs, over, **rule) for la in layers[:-1]]
    gone, reasons = [mask for mask, _ in found], [reason for _, reason in found]
    before = reached_by_hand(supports, [])
    if (before & ~reached_by_hand(supports, gone)).any():
        for i in range(len(gone)):
            if gone[i].any() and (before & ~reached_by_hand(supports, gone[: i + 1])).any():
                gone[i], reasons[i] = np.zeros_like(gone[i]), "an output would no longer"
    return gone, reasons


@st.composite
def tied_models(draw):
    """Weights of few values, whose sums are exact and often equal."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = draw(st.lists(st.integers(1, 12), min_size=2, max_size=5))
    values = draw(st.sampled_from([[1.0], [0.5, -0.5, 1.0], [0.0, 0.25, -2.0]]))
    density = draw(st.sampled_from([0.0, 0.1, 0.4, 1.0]))
    weights = []
    for n_in, n_out in itertools.pairwise(sizes):
        places = np.nonzero(rng.random((n_in, n_out)) < density)
        data = rng.choice(values, len(places[0]))
        weights.append(sp.coo_array((data, places), shape=(n_in, n_out)))
    return ts.SparseMLP.from_scipy(weights, loss="squared_error", seed=0, threads=2)


rules = st.one_of(
    st.fixed_dictionaries({"percentile": st.floats(0, 100, exclude_min=True, exclude_max=True)}),
    st.fixed_dictionaries({"percentile": st.sampled_from([10, 20, 25, 50, 75, 90, 99])}),
    st.fixed_dictionaries({"threshold": st.sampled_from([0.0, 0.25, 0.5, 1.0, 1.5, 5.0])}),
)


@given(models() | tied_models(), rules, st.booleans(), st.sampled_from(["all", "connected"]))
def test_pruning_takes_exactly_the_neurons_at_or_below_the_threshold(model, rule, regrow, over):
    before = from_model(model)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        report = model.prune(**rule, regrow=regrow, over=over)
    after = from_model(model)
    everything, reasons = pruned_by_hand(before.layers, over, **rule)
    for number, (old, new, entry, gone) in enumerate(
        zip(before.layers[:-1], after.layers, report, everything, strict=False), start=1
    ):
        expected = {
            "layer": number,
            "neurons": gone.sum(),
            "connections": old.support[:, gone].sum(),
        }
        assert entry == expected
        assert np.array_equal(new.support, old.support & ~gone)
        assert np.array_equal(new.weight, np.where(gone, 0, old.weight))
        assert np.array_equal(new.bias, old.bias)
        flags = model.layers[number - 1].pruned
        assert np.array_equal(flags, gone & (not regrow))
    assert len(report) == len(before.layers) - 1
    refused = [
        f"layer {number} was not pruned: {reason}"
        for number, reason in enumerate(reasons, start=1)
        if reason is not None
    ]
    assert [str(w.message)[: len(text)] for w, text in zip(caught, refused, strict=True)] == refused
    assert all(w.category is RuntimeWarning and w.filename == __file__ for w in caught)
    assert np.array_equal(after.layers[-1].weight, before.layers[-1].weight)


def test_momentum_goes_with_its_weights():
    model = make_model()
    fit(model)
    before = [layer.momentum.toarray() for layer in model.layers]
    model.prune(percentile=40)
    for old, layer in zip(before, model.layers, strict=True):
        assert structure(layer.momentum) == structure(layer.weight)
        support = support_of(layer.weight)
        assert np.array_equal(layer.momentum.toarray(), np.where(support, old, 0))
        assert support.any(axis=0).sum() < layer.n_out or layer.is_output


def test_pruned_neurons_are_not_counted_again():
    model = make_model(density=1.0)
    again = copy.deepcopy(model)
    assert [entry["neurons"] for entry in model.prune(percentile=49)] == [10, 7]
    assert [entry["neurons"] for entry in model.prune(percentile=49)] == [0, 0]
    for expected in ([10, 7], [5, 4]):
        report = again.prune(percentile=49, over="connected")
        assert [entry["neurons"] for entry in report] == expected


def test_diverged_layers_are_left_alone():
    model = make_model(loss="squared_error")
    with pytest.warns(RuntimeWarning):
        fit(model, y=np.ones((50, 4)) * 1e30, optimizer=ts.SGD(1e5), topology=None)
    nnz = model.nnz
    with pytest.warns(RuntimeWarning, match="layer . was not pruned: an importance is not"):
        model.prune(threshold=1)
    assert model.nnz <= nnz


def test_fit_prunes_when_it_is_due():
    model = make_model(density=0.8)
    counts = [(model.nnz, 35)]

    def note(model):
        counts.append(
            (model.nnz, sum((np.diff(la.weight.indptr) > 0).sum() for la in model.layers[:-1]))
        )

    callbacks = [Log(("epoch_begin", epoch), note) for epoch in range(9)]
    pruning = ts.ImportancePruning(3, 2, percentile=20, regrow=False, over="connected")
    history = fit(model, 9, pruning=pruning, callbacks=callbacks).history
    # After epochs 3, 5 and 7 of 9; after 9 training is over.
    changed = [epoch for epoch in range(1, 9) if counts[epoch + 1][0] < counts[epoch][0]]
    assert changed == [3, 5, 7]
    assert history["connections"] == [nnz for nnz, _ in counts[1:]]
    assert history["neurons"] == [neurons for _, neurons in counts[1:]]
    assert history["neurons"][-1] == 35 - (4 + 3) - (4 + 3) - (3 + 2)
    flagged = [layer.pruned.sum() for layer in model.layers]
    assert sum(flagged) == 35 - history["neurons"][-1]
    assert model.evolutions == 8


@pytest.mark.parametrize("topology", [None, ts.SET()])
def test_a_fit_that_goes_on_prunes_as_the_whole_one(topology, state_of):
    options = {"pruning": ts.ImportancePruning(2, 2, 30), "topology": topology}
    whole, parts = make_model(), make_model()
    fit(whole, 6, **options)
    fit(parts, 3, **options)
    if topology is not None:
        parts.evolve(topology)  # what the end of a fit leaves out
    fit(parts, 6, initial_epoch=3, **options)
    assert state_of(parts) == state_of(whole)


def test_fit_warns_of_layers_that_it_leaves_alone():
    model = ts.SparseMLP.from_scipy(
        [sp.csc_array(np.ones((6, 5))), sp.csc_array(RNG.normal(size=(5, 4)))], seed=0
    )
    with pytest.warns(RuntimeWarning, match="layer 1 was not pruned: too few of its") as caught:
        fit(model, 2, pruning=ts.ImportancePruning(1, 1, threshold=1e6), topology=None)
    assert caught[0].filename == small_model.__file__
    assert model.layers[0].nnz == 30


@pytest.mark.parametrize(("regrow", "filled"), [(False, False), (True, True)])
def test_set_grows_into_pruned_neurons_only_if_it_may(regrow, filled):
    model = make_model()
    fit(model)
    model.prune(percentile=50, regrow=regrow)
    pruned = [np.flatnonzero(np.diff(la.weight.indptr) == 0) for la in model.layers[:-1]]
    nnz = [la.nnz for la in model.layers]
    for _ in range(5):
        model.evolve(ts.SET(zeta=0.6))
    assert [la.nnz for la in model.layers] == nnz
    for numbers, layer in zip(pruned, model.layers, strict=False):
        assert len(numbers) >= 7
        assert np.diff(layer.weight.indptr)[numbers].any() == filled
        assert np.array_equal(np.flatnonzero(layer.pruned), [] if regrow else numbers)


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_pruned_training_has_the_same_bits_for_any_threads(threads, state_of):
    def run(threads):
        model = ts.SparseMLP([200, 600, 500, 4], epsilon=20, seed=1, threads=threads)
        x = np.random.default_rng(0).normal(size=(64, 200))
        pruning = ts.ImportancePruning(start=1, every=1)
        model.fit(x, np.arange(64) % 4, epochs=4, pruning=pruning, progress=False)
        return state_of(model)

    assert run(threads) == run(1)


def test_flags_are_saved(tmp_path, state_of):
    model = make_model()
    model.prune(percentile=30)
    assert any(layer.pruned.any() for layer in model.layers)
    loaded = through_file(model, tmp_path)
    assert state_of(loaded) == state_of(model)
    for one in (model, loaded):
        fit(one)
    assert state_of(loaded) == state_of(model)


# --- the curve -------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_pruning_curve_scores_what_pruning_would_give(loss, state_of):
    model = make_model(loss=loss, standardize=True)
    y = Y if loss == "cross_entropy" else np.eye(4)[Y]
    fit(model, y=y)
    before = state_of(model)
    percentiles = (0, 30, 12.5, 90)
    curve = model.pruning_curve(X, y, percentiles, batch_size=7)
    assert state_of(model) == before
    names = ["percentile", "connections", "neurons", "refused", "loss"]
    assert list(curve) == names + (["accuracy"] if loss == "cross_entropy" else [])
    assert [values.shape for values in curve.values()] == [(4,)] * len(curve)
    assert curve["percentile"].tolist() == list(percentiles)
    for i, percentile in enumerate(percentiles):
        other = copy.deepcopy(model)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if percentile:
                other.prune(percentile=percentile)
        assert curve["refused"][i] == len(caught)
        assert curve["connections"][i] == other.nnz
        hidden = [np.diff(layer.weight.indptr) for layer in other.layers[:-1]]
        assert curve["neurons"][i] == sum((counts > 0).sum() for counts in hidden)
        scores = other.evaluate(X, y, batch_size=7)
        assert {name: curve[name][i] for name in scores} == scores
    whole = model.pruning_curve(X, y)
    assert whole["percentile"].tolist() == list(range(0, 100, 5))
    assert np.all(np.diff(whole["connections"][whole["refused"] == 0]) <= 0)
    assert whole["refused"][0] == 0
    assert whole["refused"][-1] > 0
    assert whole["connections"].dtype == whole["neurons"].dtype == np.int64


# --- mistakes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"start": 0}, ValueError, "start = 0: expected an integer at least 1"),
        ({"start": 1.5}, ValueError, "start = 1.5: expected an integer of at least 1, or a share"),
        ({"start": "1"}, TypeError, "start = '1': expected an integer"),
        ({"every": 0.0}, ValueError, "every = 0.0: expected an integer of at least 1, or a share"),
        ({"every": 0}, ValueError, "every = 0: expected an integer at least 1"),
        ({"percentile": 0}, ValueError, "percentile = 0: expected a number above 0 and below 100"),
        ({"percentile": 100}, ValueError, "percentile = 100: expected a number above 0"),
        ({"percentile": "20"}, TypeError, "percentile = '20': expected a number above 0"),
        ({"threshold": -1}, ValueError, "threshold = -1: expected a finite number of at least 0"),
        ({"threshold": np.inf}, ValueError, "threshold = inf: expected a finite number"),
        ({"percentile": 20, "threshold": 1}, ValueError, "expected one of the three"),
        ({"threshold": 1, "tolerance": 0.1}, ValueError, "expected one of the three"),
        ({"tolerance": 1}, ValueError, r"tolerance = 1: expected a number in \[0, 1\)"),
        ({"over": "some"}, ValueError, "over = 'some': expected one of 'all', 'connected'"),
        ({"regrow": 2}, TypeError, "regrow = 2: expected True or False"),
    ],
)
def test_bad_rules(options, error, match, state_of):
    with pytest.raises(error, match=match):
        ts.ImportancePruning(**options)
    if not {"start", "every"} & set(options):
        model = make_model()
        before = state_of(model)
        if {"regrow", "over"} & set(options):
            options = {**options, "percentile": 20}
        with pytest.raises(error, match=match):
            model.prune(**options)
        assert state_of(model) == before


def test_bad_calls(state_of):
    model = make_model()
    before = state_of(model)
    with pytest.raises(ValueError, match="tolerance = None: expected one of"):
        model.prune()
    with pytest.raises(TypeError, match="pruning = 20: expected a trulysparse"):
        fit(model, pruning=20)
    with pytest.raises(ValueError, match="kind = 'magic': expected one of 'path', 'strength'"):
        model.feature_importance("magic")
    with pytest.raises(ValueError, match=r"percentiles\[1\] = 100: expected a number from 0 to"):
        model.pruning_curve(X, Y, (0, 100))
    with pytest.raises(ValueError, match="percentiles is empty"):
        model.pruning_curve(X, Y, ())
    with pytest.raises(TypeError, match="percentiles = 20: expected a sequence of numbers"):
        model.pruning_curve(X, Y, 20)
    with pytest.raises(ValueError, match="batch_size = 0"):
        model.pruning_curve(X, Y, batch_size=0)
    assert state_of(model) == before


def test_fit_warns_of_a_start_that_it_does_not_reach():
    model = make_model()
    with pytest.warns(RuntimeWarning, match="pruning starts after epoch 211"):
        model.fit(X, Y, epochs=1, pruning=ts.ImportancePruning(), progress=False)


def test_a_pruning_that_would_cut_an_output_off_is_refused():
    # The strong hidden neurons hear the input, and no output hears them.
    first = sp.csc_array([[1.0, 2.0, 0.1]])
    second = sp.coo_array(([1.0, 1.0], ([2, 2], [0, 1])), shape=(3, 2))
    model = ts.SparseMLP.from_scipy([first, second])
    with pytest.warns(RuntimeWarning, match="layer 1 was not pruned: an output would no longer"):
        assert model.prune(threshold=0.5) == [{"layer": 1, "neurons": 0, "connections": 0}]
    assert model.nnz == 5


def test_the_second_of_two_layers_is_refused_if_both_together_cut():
    # Either layer alone leaves a path to the output: through its strong or its weak neurons.
    first = sp.csc_array([[0.1, 1.0, 1.0]])
    second = sp.coo_array(([9.0, 0.1, 9.0], ([0, 1, 0], [0, 1, 2])), shape=(3, 3))
    third = sp.csc_array(np.ones((3, 1)))
    model = ts.SparseMLP.from_scipy([first, second, third], loss="squared_error")
    with pytest.warns(RuntimeWarning, match="layer 2 was not pruned: an output would no longer"):
        report = model.prune(threshold=0.5)
    assert [entry["neurons"] for entry in report] == [1, 0]
    assert np.any(model.feature_importance())


def test_the_defaults_are_the_proof_of_concepts():
    rule = ts.ImportancePruning()
    assert (rule.regrow, rule.over) == (True, "all")
    alone, together = rule.resolved(500), rule.resolved(500, parallel=True)
    assert (alone.percentile, together.percentile) == (20, 10)
    assert [e for e in range(1, 242) if alone.is_due(e)] == [211, 221, 231, 241]
    assert [e for e in range(1, 262) if together.is_due(e)] == [221, 241, 261]
    assert ts.ImportancePruning(threshold=1).resolved(500).percentile is None
    with pytest.raises(TypeError, match="expected whole epochs"):
        rule.is_due(3)


def test_times_may_be_shares_of_the_fit():
    rule = ts.ImportancePruning(start=0.4, every=0.1, percentile=10)
    assert [e for e in range(1, 21) if rule.resolved(20).is_due(e)] == [8, 10, 12, 14, 16, 18, 20]
    short = rule.resolved(2)
    assert (short.start, short.every) == (1, 1)
    model = make_model(density=0.8)
    history = fit(model, 5, pruning=ts.ImportancePruning(0.4, 0.2, 30), topology=None).history
    changed = np.flatnonzero(np.diff(history["connections"])) + 1
    assert changed[0] == 2


def test_workers_prune_by_their_own_defaults():
    options = {"topology": None, "strategy": ts.WASSP(2, local_fraction=0)}
    model = make_model()
    with pytest.warns(RuntimeWarning, match="pruning starts after epoch 221"):
        fit(model, pruning=ts.ImportancePruning(), **options)


@pytest.mark.parametrize("name", ["prune", "compact"])
def test_changes_during_a_fit_are_refused(name):
    options = {"percentile": 20} if name == "prune" else {}

    def change(model):
        with pytest.raises(ts.ModelBusyError, match=name):
            getattr(model, name)(**options)
        model.pruning_curve(X, Y, (0, 50))
        model.feature_importance()

    fit(make_model(), callbacks=[Log(("epoch_end", 0), change)])
