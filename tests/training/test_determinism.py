"""The same seed gives the same bits: for any thread count, batch size, input layout and pause."""

import numpy as np
import pytest
import trulysparse as ts
from helpers.larger_model import SIZES, X, Y, fit, make_model, predicted
from helpers.oracle import LOSSES


@pytest.mark.parametrize("standardize", [False, True])
def test_any_number_of_threads_gives_the_same_bits(state_of, standardize):
    results = []
    for threads in (1, 2, 3, 7):
        model = fit(make_model(threads=threads, standardize=standardize))
        assert model.threads == threads
        assert model.evolutions == 2
        results.append((state_of(model), predicted(model)))
    for result in results[1:]:
        assert result == results[0]


def test_threads_may_change_between_fits(state_of):
    model, steady = make_model(threads=1), make_model(threads=2)
    for threads in (1, 3, 2):
        model.threads = threads
        fit(model, epochs=1)
        fit(steady, epochs=1)
        assert state_of(model) == state_of(steady)


@pytest.mark.parametrize("activation", ["all_relu", "sigmoid", "tanh", "silu", "gelu"])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_row_is_predicted_the_same_in_any_company(activation, loss):
    model = make_model(activation=activation, loss=loss, standardize=False)
    whole = predicted(model)
    for batch_size in (1, 2, 7, 16, 17, 64, 100, 128, 1000):
        assert predicted(model, batch_size=batch_size) == whole
    model.threads = 3
    for i in (0, 1, 100, 332):
        assert predicted(model, X[i : i + 1]) == model.predict(X)[i : i + 1].tobytes()
    assert predicted(model, X[5:23]) == model.predict(X)[5:23].tobytes()
    assert predicted(model, X[::-1]) == model.predict(X)[::-1].tobytes()


def test_same_seed_same_bits_and_other_seed_other_bits(state_of):
    one, same, other = (fit(make_model(seed=seed), epochs=2) for seed in (1, 1, 2))
    assert state_of(one) == state_of(same)
    for a, b in zip(one.layers, other.layers, strict=True):
        assert a.weight.data[:20].tobytes() != b.weight.data[:20].tobytes()


def test_seed_of_a_model_without_one_reproduces_it(state_of):
    model, other = make_model(seed=None), make_model(seed=None)
    assert model.seed != other.seed
    assert state_of(model) != state_of(other)
    assert state_of(make_model(seed=model.seed)) == state_of(model)


def test_layers_of_one_shape_get_different_connections():
    model = ts.SparseMLP([80, 80, 80, 80, 3], epsilon=5, seed=0)
    weights = [layer.weight for layer in model.layers[:3]]
    assert len({w.indices.tobytes() for w in weights}) == 3
    assert len({w.data[:50].tobytes() for w in weights}) == 3


def test_saving_and_loading_between_fits_changes_nothing(state_of, tmp_path):
    straight, resumed = fit(make_model()), fit(make_model())
    resumed.save(tmp_path / "model.safetensors")
    resumed = ts.load(tmp_path / "model.safetensors")
    resumed.threads = 3
    assert state_of(fit(straight)) == state_of(fit(resumed))


def test_two_fits_are_one_when_nothing_depends_on_the_end(state_of):
    # Constant rate, no evolution: shuffling and dropout must go on and not start again.
    options = {"topology": None, "optimizer": ts.SGD(0.02)}
    one = fit(make_model(), epochs=4, **options)
    two = fit(fit(make_model(), epochs=1, **options), epochs=3, **options)
    assert state_of(one) == state_of(two)


def test_second_fit_does_not_repeat_the_randomness_of_the_first(state_of):
    # With weights that do not move, equal epochs of shuffling and dropout would give equal
    # losses; the evolution of an untouched model shows repeated growth.
    still = ts.SGD(1e-37, momentum=0.0, weight_decay=0.0)
    model, losses = make_model(), []
    for _ in range(2):
        history = model.fit(
            X, Y, epochs=2, batch_size=50, optimizer=still, topology=None, progress=False
        )
        losses += history.history["loss"]
    assert len(set(losses)) == 4
    before = model.layers[0].weight
    model.evolve(ts.SET(0.3))
    first = model.layers[0].weight
    repeated = ts.SparseMLP.from_scipy(
        [layer.weight for layer in model.layers], seed=model.seed, dropout=0.3
    )
    model.evolve(ts.SET(0.3))
    second = model.layers[0].weight
    assert before.indices.tobytes() != first.indices.tobytes() != second.indices.tobytes()
    # The same weights with the counter at zero grow elsewhere.
    repeated.evolve(ts.SET(0.3))
    assert repeated.layers[0].weight.indices.tobytes() != second.indices.tobytes()


def layouts():
    rng = np.random.default_rng(3)
    x = rng.normal(5, 3, size=X.shape)  # float64 with bits that float32 cannot hold
    integers = rng.integers(-9, 10, size=X.shape)
    wide = np.zeros((2 * len(X), 3 * SIZES[0]), np.float32)
    wide[::2, ::3] = x
    read_only = X.copy()
    read_only.flags.writeable = False
    return {
        "float64": x,
        "Fortran order": np.asfortranarray(X),
        "Fortran float64": np.asfortranarray(x),
        "not contiguous": wide[::2, ::3],
        "not contiguous float64": np.repeat(x, 2, axis=0)[::2],
        "reversed": X[::-1, ::-1],
        "read-only": read_only,
        "big-endian": X.astype(">f4"),
        "float16": x.astype(np.float16),
        "int64": integers,
        "uint8": integers.astype(np.uint8),
        "int16 not contiguous": np.repeat(integers.astype(np.int16), 2, axis=1)[:, ::2],
        "bool": integers > 0,
        "list": integers.tolist(),
    }


@pytest.mark.parametrize("name", layouts())
def test_inputs_of_any_layout_give_the_bits_of_their_copy(state_of, name):
    x = layouts()[name]
    # Standardised samples keep what float32 does not hold.
    wide = getattr(x, "dtype", None) == np.float64
    copy = np.array(x, dtype=np.float64 if wide else np.float32, order="C")
    states, predictions, losses = [], [], []
    for given in (x, copy):
        model = fit(make_model(), given, epochs=1)
        model.train_on_batch(given[:20], Y[:20])
        states.append(state_of(model))
        predictions.append(predicted(model, given))
        losses.append(model.evaluate(given, Y))
    assert states[0] == states[1]
    assert predictions[0] == predictions[1]
    assert losses[0] == losses[1]


def targets():
    soft = np.random.default_rng(4).dirichlet(np.ones(SIZES[-1]), len(X)).astype(np.float32)
    padded = np.zeros((len(X), 2 * SIZES[-1]), np.float32)
    padded[:, ::2] = soft
    one_hot = np.eye(SIZES[-1], dtype=np.float32)[Y]
    repeated = np.repeat(Y, 2)
    return {
        "labels int32": (Y.astype(np.int32), Y),
        "labels uint8": (Y.astype(np.uint8), Y),
        "labels not contiguous": (repeated[::2], Y),
        "labels list": (Y.tolist(), Y),
        "one-hot integers": (one_hot.astype(np.int64), one_hot),
        "soft float64": (soft.astype(np.float64), soft),
        "soft Fortran": (np.asfortranarray(soft), soft),
        "soft not contiguous": (padded[:, ::2], soft),
    }


@pytest.mark.parametrize("name", targets())
def test_targets_of_any_layout_give_the_same_bits(state_of, name):
    given, plain = targets()[name]
    assert state_of(fit(make_model(), y=given, epochs=1)) == state_of(
        fit(make_model(), y=plain, epochs=1)
    )


def test_training_leaves_its_arguments_alone():
    x, y = X.copy(), Y.copy()
    fit(make_model(), x, y, epochs=1)
    assert x.tobytes() == X.tobytes()
    assert y.tobytes() == Y.tobytes()
