"""Views of the weights, copies, pickles and files, SciPy matrices."""

import copy
import os
import pickle
import signal

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers import limits
from helpers.small_model import RNG, SIZES, Log, X, Y, fit, make_model, through_file


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_can_use_the_model():
    model = make_model()
    fit(model)
    expected = model.predict(X).tobytes()
    child = os.fork()
    if child == 0:
        signal.alarm(limits.CHILD)
        try:
            same = model.predict(X).tobytes() == expected
            fit(model)
        finally:
            os._exit(0 if same and model.epochs_trained == 4 else 1)
    assert os.waitpid(child, 0)[1] == 0


def arrays_of(layer):
    weight, momentum = layer.weight, layer.momentum
    parts = [part for m in (weight, momentum) for part in (m.data, m.indices, m.indptr)]
    return [*parts, layer.bias, layer.bias_momentum]


def test_weights_are_read_only():
    for array in [a for la in make_model().layers for a in arrays_of(la)]:
        assert not array.flags.writeable
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_changing_a_snapshot_by_force_does_not_reach_the_model(state_of):
    model = make_model()
    before = state_of(model)
    for array in [a for la in model.layers for a in arrays_of(la)]:
        try:
            array.flags.writeable = True
        except ValueError:
            continue
        array[:] = 0
    assert state_of(model) == before


def test_snapshots_keep_their_values():
    """Taken before a fit, in the middle of one, and after it; they outlive their model, too."""
    model, taken = make_model(), []

    def take(model):
        for la in model.layers:
            taken.extend((array, array.copy()) for array in arrays_of(la))

    take(model)
    fit(model, 3, callbacks=[Log(("epoch_end", 0), take), Log(("epoch_begin", 1), take)])
    take(model)
    model.train_on_batch(X, Y)
    model.evolve()
    assert any(
        not np.array_equal(a, b[0]) for a, b in zip(arrays_of(model.layers[0]), taken, strict=False)
    )
    del model
    for array, copied in taken:
        assert array.tobytes() == copied.tobytes()


def settings_of(model):
    names = ("loss", "activation", "slope", "dropout", "standardize", "init", "fan")
    names += ("epsilon", "density", "seed", "layer_sizes", "input_noise", "label_smoothing")
    return {name: getattr(model, name) for name in names}


@pytest.mark.parametrize(
    "copied",
    [
        through_file,
        lambda model, _: pickle.loads(pickle.dumps(model)),
        lambda model, _: copy.deepcopy(model),
    ],
    ids=["save and load", "pickle", "deepcopy"],
)
@pytest.mark.parametrize("trained", [False, True])
def test_copies_are_the_same_and_independent(copied, trained, state_of, tmp_path):
    options = {"loss": "binary_cross_entropy", "activation": "leaky_relu", "slope": 0.1}
    options |= {"dropout": 0.2, "input_noise": 0.1}
    model = make_model(standardize=True, init="xavier", fan="real", **options)
    one_hot = np.eye(SIZES[-1])[Y]
    if trained:
        model.fit(X, one_hot, epochs=3, progress=False)
    model.metadata["classes"] = '["a", "ü", "\\n", "日本"]'
    other = copied(model, tmp_path)
    assert settings_of(other) == settings_of(model)
    before = state_of(model)
    assert state_of(other) == before
    assert other.predict(X).tobytes() == model.predict(X).tobytes()
    other.fit(X, one_hot, epochs=1, progress=False)
    assert state_of(model) == before != state_of(other)
    model.fit(X, one_hot, epochs=1, progress=False)
    assert state_of(model) == state_of(other)


def test_saving_replaces_an_older_file(tmp_path, state_of):
    model = make_model()
    through_file(model, tmp_path)
    fit(model)
    assert state_of(through_file(model, tmp_path)) == state_of(model)


@pytest.mark.parametrize("format_", ["csr", "csc", "coo", "csr_matrix"])
def test_from_scipy(format_):
    dense = [RNG.normal(size=shape) * (RNG.random(shape) < 0.4) for shape in ((6, 9), (9, 4))]
    biases = [RNG.normal(size=9), RNG.normal(size=4)]
    make = sp.csr_matrix if format_ == "csr_matrix" else getattr(sp, format_ + "_array")
    weights = [make(w) for w in dense]
    model = ts.SparseMLP.from_scipy(weights, biases, loss="squared_error", seed=0)
    assert model.layer_sizes == [6, 9, 4]
    for la, w, b, given in zip(model.layers, dense, biases, weights, strict=True):
        assert np.array_equal(la.weight.toarray(), w.astype(np.float32))
        assert np.array_equal(la.bias, b.astype(np.float32))
        assert la.nnz == given.nnz
        given.data[:] = 0  # the model holds its own copy
        assert la.weight.data.any()
    model.fit(X, np.ones((50, 4)), epochs=2, progress=False)


def test_from_scipy_takes_unsorted_and_empty_and_sums_or_refuses_duplicates():
    unsorted = sp.csc_array(([1.0, 2.0], [1, 0], [0, 2]), shape=(2, 1))
    model = ts.SparseMLP.from_scipy([unsorted], loss="squared_error")
    assert model.layers[0].weight.toarray().tolist() == [[2.0], [1.0]]
    assert np.array_equal(model.layers[0].weight.indices, [0, 1])
    empty = ts.SparseMLP.from_scipy([sp.csc_array((6, 3)), sp.csc_array((3, 2))])
    assert empty.nnz == 0
    np.testing.assert_allclose(empty.predict(X), 0.5)
    empty.fit(X, Y % 2, epochs=2, progress=False)
    twice = sp.coo_array(([1.0, 2.0, 4.0], ([0, 0, 1], [0, 0, 0])), shape=(2, 1))
    try:
        model = ts.SparseMLP.from_scipy([twice], loss="squared_error")
    except ValueError as error:
        message = str(error)
    else:
        message = "duplicate" if model.layers[0].weight.toarray().tolist() == [[3], [4]] else ""
    assert "duplicate" in message


def test_from_scipy_feeds_back_a_models_own_layers():
    model = make_model(dropout=0.0)
    fit(model)
    weights, biases = zip(*((la.weight, la.bias) for la in model.layers), strict=True)
    again = ts.SparseMLP.from_scipy(list(weights), list(biases))
    assert again.predict(X).tobytes() == model.predict(X).tobytes()


def test_layers_are_copied_and_pickled():
    model = make_model()
    shared = copy.copy(model.layers[0])
    apart = [copy.deepcopy(model.layers), pickle.loads(pickle.dumps(model.layers))]
    before = [layer.nnz for layer in model.layers]
    model.prune(percentile=50)
    assert shared.nnz == model.layers[0].nnz < before[0]
    for layers in apart:
        assert [layer.nnz for layer in layers] == before
