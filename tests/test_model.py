"""The rest of the public surface: views, storage, callbacks, interruption, history."""

import copy
import csv
import doctest
import os
import pickle
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts

SIZES = [6, 20, 15, 4]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, SIZES[0])).astype(np.float32)
Y = RNG.integers(0, SIZES[-1], size=len(X))


def make_model(**options):
    return ts.SparseMLP(SIZES, **({"density": 0.5, "seed": 3, "threads": 2} | options))


def fit(model, epochs=2, y=Y, **options):
    return model.fit(X, y, **({"epochs": epochs, "batch_size": 16, "progress": False} | options))


def test_defaults_are_the_papers():
    model = ts.SparseMLP([784, 100, 10])
    assert (model.epsilon, model.activation, model.slope) == (20, "all_relu", 0.6)
    assert (model.loss, model.init, model.fan) == ("cross_entropy", "he_uniform", "layer")
    assert (model.dropout, model.standardize) == (0.3, False)
    sgd, set_ = ts.SGD(), ts.SET()
    assert (sgd.learning_rate, sgd.momentum, sgd.weight_decay) == (0.01, 0.9, 2e-4)
    assert (sgd.nesterov, sgd.schedule) == (False, "constant")
    assert (set_.zeta, set_.grow_init) == (0.3, 1.0)


def test_the_examples_of_the_documentation_run():
    finder = doctest.DocTestFinder(recurse=True)
    tests = [test for test in finder.find(ts.SparseMLP, globs={}) if test.examples]
    assert tests
    for test in tests:
        assert doctest.DocTestRunner().run(test).failed == 0


def test_train_on_batch_uses_the_first_rate_of_a_schedule(state_of):
    constant, cosine = make_model(), make_model()
    for _ in range(3):
        constant.train_on_batch(X, Y, optimizer=ts.SGD(0.1))
        cosine.train_on_batch(X, Y, optimizer=ts.SGD(0.1, schedule="cosine"))
    assert state_of(constant) == state_of(cosine)


def test_a_second_fit_starts_its_schedule_anew_and_initial_epoch_goes_on():
    cosine = {"optimizer": ts.SGD(0.1, schedule="cosine")}
    rates = [h.history["learning_rate"] for h in (
        fit(make_model(), 6, **cosine),
        fit(fit_and_return(make_model(), 6, **cosine), 6, **cosine),
        fit(fit_and_return(make_model(), 2, **cosine), 6, initial_epoch=2, **cosine),
    )]  # fmt: skip
    assert rates[0] == rates[1]
    assert rates[2] == rates[0][2:]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_can_use_the_model():
    model = make_model()
    fit(model)
    expected = model.predict(X).tobytes()
    child = os.fork()
    if child == 0:
        try:
            same = model.predict(X).tobytes() == expected
            fit(model)
        finally:
            os._exit(0 if same and model.epochs_trained == 4 else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_layers_describe_the_network():
    model = ts.SparseMLP(np.array(SIZES), density=0.5, slope=0.25, seed=0)
    assert model.layer_sizes == SIZES
    assert [(la.n_in, la.n_out) for la in model.layers] == [(6, 20), (20, 15), (15, 4)]
    assert [la.slope for la in model.layers[:2]] == [-0.25, 0.25]
    assert all(la.activation == "all_relu" for la in model.layers[:2])
    for la in model.layers:
        assert isinstance(la.weight, sp.csc_array)
        assert la.weight.shape == la.momentum.shape == (la.n_in, la.n_out)
        assert la.bias.shape == la.bias_momentum.shape == (la.n_out,)
        assert la.nnz == la.weight.nnz
        assert la.density == pytest.approx(la.nnz / (la.n_in * la.n_out))
        for array in (la.weight.data, la.momentum.data, la.bias, la.bias_momentum):
            assert array.dtype == np.float32
        assert not la.bias.any()
        assert not la.momentum.data.any()
    assert model.nnz == sum(la.nnz for la in model.layers)
    assert model.density == pytest.approx(
        model.nnz / sum(la.n_in * la.n_out for la in model.layers)
    )


@pytest.mark.parametrize(("n_in", "n_out", "epsilon"), [(300, 200, 5), (1000, 10, 2), (30, 4, 50)])
def test_epsilon_sets_the_number_of_connections(n_in, n_out, epsilon):
    p = min(1.0, epsilon * (n_in + n_out) / (n_in * n_out))
    nnz = ts.SparseMLP([n_in, n_out], epsilon=epsilon, seed=0).nnz
    assert abs(nnz - p * n_in * n_out) <= 5 * np.sqrt(n_in * n_out * p * (1 - p))


@pytest.mark.parametrize("fan", ["layer", "real"])
@pytest.mark.parametrize("init", ["he_uniform", "xavier", "lecun_uniform", "normal"])
def test_initial_weights_follow_their_distribution(init, fan):
    layer = ts.SparseMLP([400, 300], density=0.1, init=init, fan=fan, seed=0).layers[0]
    w, real = layer.weight, np.diff(layer.weight.indptr)
    fan_in = real if fan == "real" else np.full(300, 400)
    column = np.repeat(np.arange(300), real)
    if init == "normal":
        assert w.data.std() == pytest.approx(0.1, rel=0.03)
        assert np.abs(w.data).max() > 0.3  # tails, which a uniform distribution lacks
        return
    if init == "xavier":  # with the real fan-in goes the layer's mean fan-out
        fan_out = layer.nnz / 400 if fan == "real" else 300
        limit = np.sqrt(6 / (fan_in + fan_out))[column]
    else:
        limit = np.sqrt({"he_uniform": 6, "lecun_uniform": 3}[init] / fan_in)[column]
    share = w.data / limit  # uniform on (-1, 1)
    assert np.abs(share).max() <= 1 + 1e-6
    assert np.abs(share).max() > 0.99
    assert abs(share.mean()) < 5 / np.sqrt(3 * len(share))
    assert share.var() == pytest.approx(1 / 3, rel=0.03)


@pytest.mark.parametrize("grow_init", [0.0, 0.1, 1.0])
def test_grown_weights_follow_grow_init(grow_init):
    model = ts.SparseMLP([400, 300, 3], density=0.1, seed=0)
    before = model.layers[0].weight.toarray()
    report = model.evolve(ts.SET(0.3, grow_init=grow_init))
    after = model.layers[0].weight.tocoo()
    # Places that were empty; a place dropped and grown again is missed, which is harmless.
    grown = np.abs(after.data[before[after.coords] == 0])
    assert 0.5 * report[0]["grown"] < len(grown) <= report[0]["grown"]
    limit = grow_init * np.sqrt(6 / 400)
    assert grown.max() <= limit * (1 + 1e-6)
    assert grown.max() >= 0.98 * limit


def test_weights_give_the_pre_activations():
    model = make_model(activation="identity", loss="squared_error")
    fit(model, y=np.ones((50, 4)))  # biases are no longer zero
    a = X
    for la in model.layers:
        a = a @ la.weight + la.bias
    np.testing.assert_allclose(model.predict(X), a, rtol=1e-5, atol=1e-5)


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


def test_importance_is_the_incoming_strength():
    model = make_model()
    fit(model)
    for number, la in enumerate(model.layers, start=1):
        importance = model.importance(number)
        assert importance.dtype == np.float32
        expected = np.abs(la.weight.toarray().astype(np.float64)).sum(axis=0)
        np.testing.assert_allclose(importance, expected, rtol=1e-6)


def test_summary_prints_every_layer(capsys):
    model, lines = make_model(), []
    model.summary(print_fn=lines.append)
    text = "\n".join(map(str, lines))
    for word in (*SIZES, *(la.nnz for la in model.layers)):
        assert str(word) in text.replace(",", "")
    model.summary()
    assert capsys.readouterr().out.strip() == text.strip()


def settings_of(model):
    names = ("loss", "activation", "slope", "dropout", "standardize", "init", "fan")
    names += ("epsilon", "density", "seed", "layer_sizes")
    return {name: getattr(model, name) for name in names}


def through_file(model, tmp_path):
    model.save(tmp_path / "model.safetensors")
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]
    return ts.load(str(tmp_path / "model.safetensors"))


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
    model = make_model(standardize=True, init="xavier", fan="real", dropout=0.2, **options)
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


def test_objects_that_are_real_numbers_count_as_numbers():
    mixed = X.astype(object)  # as pandas gives a frame with columns of different types
    mixed[:, 1] = X[:, 1] > 0
    mixed[:, 2] = [round(float(value)) for value in X[:, 2]]
    mixed[:, 3] = [np.bool_(value > 0) for value in X[:, 3]]
    plain = mixed.astype(np.float32)
    one, two = make_model(), make_model()
    one.fit(mixed, Y.astype(object), epochs=2, progress=False)
    two.fit(plain, Y, epochs=2, progress=False)
    assert one.predict(mixed).tobytes() == two.predict(plain).tobytes()


def test_masked_arrays_without_a_masked_element_are_arrays():
    model = make_model()
    masked = np.ma.masked_array(X, np.zeros(X.shape, bool))
    assert model.predict(masked).tobytes() == model.predict(X).tobytes()


def test_pandas():
    pd = pytest.importorskip("pandas")
    frame = pd.get_dummies(pd.DataFrame({"size": X[:, 0], "kind": np.array([*"abcde"])[Y]}))
    frame["nullable"] = pd.array(X[:, 1], dtype="Float64")
    assert frame.shape == (50, 6)
    model = make_model()
    plain = frame.to_numpy(dtype=np.float32)
    assert model.predict(frame).tobytes() == model.predict(plain).tobytes()
    model.fit(frame, pd.Series(Y, dtype="Int64"), epochs=1, progress=False)
    with pytest.raises(TypeError, match=r"np\.unique\(y, return_inverse=True\)"):
        model.fit(frame, pd.Series(Y.astype(str), dtype="category"))
    frame.loc[7, "nullable"] = pd.NA
    with pytest.raises(TypeError, match=r"x\[7, 5\] = <NA>"):
        model.predict(frame)


def test_evaluate_scores_every_row():
    model = make_model()
    fit(model)
    p = model.predict(X).astype(np.float64)
    assert p.shape == (50, 4)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)
    losses, hits = -np.log(p[np.arange(50), Y]), p.argmax(axis=1) == Y
    for batch_size in (1, 7, 16, 49, 50, 51):
        for n in (1, 15, 16, 17, 50):
            got = model.evaluate(X[:n], Y[:n], batch_size=batch_size)
            assert got["loss"] == pytest.approx(losses[:n].mean(), rel=3e-6)
            assert got["accuracy"] == pytest.approx(hits[:n].mean(), abs=1e-7)


def test_history(tmp_path, state_of):
    model = make_model()
    history = fit(model, 3, validation_data=(X[:9], Y[:9]))
    keys = {"loss", "accuracy", "val_loss", "val_accuracy", "connections", "learning_rate"}
    assert set(history.history) == keys | {"seconds"}
    assert history.epoch == [0, 1, 2]
    assert all(len(values) == 3 for values in history.history.values())
    assert history.history["connections"] == [model.nnz] * 3
    assert history.history["learning_rate"] == [0.01] * 3
    assert all(seconds >= 0 for seconds in history.history["seconds"])
    last = model.evaluate(X[:9], Y[:9])
    assert history.history["val_loss"][-1] == pytest.approx(last["loss"], rel=1e-6)
    history.to_csv(tmp_path / "history.csv")
    with open(tmp_path / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == history.epoch
    for key, values in history.history.items():
        assert [float(row[key]) for row in rows] == pytest.approx(values, rel=1e-6)
    assert fit(model, 5, initial_epoch=3).epoch == [3, 4]
    before = state_of(model)
    nothing = fit(model, 0)
    assert nothing.epoch == []
    assert state_of(model) == before


def test_a_diverged_model_is_reported_and_remains_usable(tmp_path, state_of):
    model = make_model()
    nnz = [la.nnz for la in model.layers]
    with pytest.warns(RuntimeWarning, match="^training has diverged: the loss is not") as caught:
        history = fit(model, 4, optimizer=ts.SGD(1e10))
    assert len(caught) == 1  # and not one per epoch
    assert caught[0].filename == __file__
    assert not history.is_finite()
    assert not np.isfinite(model.layers[0].weight.data).all()
    model.evolve()
    assert [la.nnz for la in model.layers] == nnz
    assert state_of(through_file(model, tmp_path)) == state_of(model)


def test_a_loss_of_validation_that_is_not_finite_is_reported():
    model = make_model()  # whose only step starts from good weights and leaves bad ones
    with pytest.warns(RuntimeWarning, match="diverged"):
        history = fit(
            model, 1, batch_size=50, optimizer=ts.SGD(1e38), validation_data=(X, Y)
        ).history
    assert np.isfinite(history["loss"]).all()
    assert not np.isfinite(history["val_loss"]).any()


def test_the_history_is_the_models_too():
    model = make_model()
    assert model.history.epoch == []
    seen = []
    log = Log(("epoch_end", 1), lambda model: seen.append(list(model.history.epoch)))
    assert fit(model, 3, callbacks=[log]) is model.history
    assert seen == [[0, 1]]

    def interrupt(model):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(model, 5, initial_epoch=3, callbacks=[Log(("epoch_begin", 4), interrupt)])
    assert model.history.epoch == [3]
    assert len(model.history.history["loss"]) == 1
    with pytest.raises(ValueError, match="batch_size"):
        fit(model, batch_size=0)
    assert model.history.epoch == [3]


class Log(ts.Callback):
    """Writes down its calls and does something at one of them."""

    def __init__(self, at=None, action=None):
        self.calls, self.at, self.action = [], at, action

    def note(self, *call):
        self.calls.append(call)
        if call == self.at:
            self.action(self.model)

    def on_train_begin(self, logs=None):
        self.note("train_begin")

    def on_epoch_begin(self, epoch, logs=None):
        self.note("epoch_begin", epoch)

    def on_epoch_end(self, epoch, logs=None):
        assert {"loss", "accuracy", "connections", "learning_rate"} <= set(logs)
        self.logs = dict(logs)
        self.note("epoch_end", epoch)

    def on_train_end(self, logs=None):
        self.note("train_end")


def calls_of(epochs):
    pairs = [(name, epoch) for epoch in epochs for name in ("epoch_begin", "epoch_end")]
    return [("train_begin",), *pairs, ("train_end",)]


def test_callbacks_are_called_in_order():
    model, logs = make_model(), [Log(), Log()]
    history = fit(model, 4, initial_epoch=1, callbacks=logs)
    for log in logs:
        assert log.calls == calls_of([1, 2, 3])
        assert log.model is model
        assert log.logs["loss"] == history.history["loss"][-1]


def test_callbacks_may_come_from_a_generator():
    model, log = make_model(), Log()
    fit(model, 1, callbacks=(each for each in [log]))
    assert log.calls == calls_of([0])


def test_a_callback_can_stop_the_training():
    model = make_model()
    log = Log(("epoch_end", 1), lambda model: setattr(model, "stop_training", True))
    assert fit(model, 9, callbacks=[log]).epoch == [0, 1]
    assert log.calls == calls_of([0, 1])
    assert model.epochs_trained == 2
    assert fit(model, 3).epoch == [0, 1, 2]  # asked to stop once, not for good


@pytest.mark.parametrize("at", [("epoch_begin", 1), ("epoch_end", 1)])
def test_a_callback_may_read_evaluate_and_save(at, state_of, tmp_path):
    seen = []

    def look(model):
        model.save(tmp_path / "middle.safetensors")
        seen.append((state_of(model), model.predict(X).tobytes(), model.evaluate(X, Y)))
        model.summary(print_fn=seen.append)
        model.importance(1)
        fit(copy.deepcopy(model), 1)  # a copy is nobody's business

    watched, plain = make_model(), make_model()
    fit(watched, 3, callbacks=[Log(at, look)])
    fit(plain, 3)
    assert state_of(watched) == state_of(plain)
    middle = ts.load(tmp_path / "middle.safetensors")
    assert seen[0] == (state_of(middle), middle.predict(X).tobytes(), middle.evaluate(X, Y))
    assert state_of(middle) != state_of(watched)


MUTATIONS = [
    fit,
    lambda model: model.train_on_batch(X, Y),
    lambda model: model.evolve(),
]


@pytest.mark.parametrize("elsewhere", [False, True], ids=["callback", "another thread"])
def test_a_second_change_during_a_fit_is_refused(elsewhere, state_of):
    def refused(model, mutate):
        with pytest.raises(ts.ModelBusyError):
            mutate(model)
        outcomes.append(True)

    def attempt(model):
        for mutate in MUTATIONS:
            if elsewhere:
                thread = threading.Thread(target=refused, args=(model, mutate))
                thread.start()
                thread.join()
            else:
                refused(model, mutate)

    assert issubclass(ts.ModelBusyError, RuntimeError)
    outcomes, model, plain = [], make_model(), make_model()
    fit(model, callbacks=[Log(("epoch_end", 0), attempt)])
    assert len(outcomes) == len(MUTATIONS)
    assert state_of(model) == state_of(fit_and_return(plain))


def fit_and_return(model, *args, **options):
    fit(model, *args, **options)
    return model


class Meanwhile(ts.Callback):
    """Runs ``work`` over and over in another thread while the first epoch is trained."""

    def __init__(self, work):
        self.work, self.outcomes, self.stop = work, [], threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.stop.is_set():
            try:
                self.outcomes.append(self.work())
            except Exception as error:
                self.outcomes.append(error)
            time.sleep(0.001)

    def on_epoch_begin(self, epoch, logs=None):
        self.thread.start()

    def on_epoch_end(self, epoch, logs=None):
        self.count = len(self.outcomes)  # before Python lets the other thread run again
        self.stop.set()
        self.thread.join()


def long_epoch(model, work):
    """One epoch of very many steps with ``work`` going on beside it."""
    meanwhile = Meanwhile(work)
    x, y = np.repeat(X, 2000, axis=0), np.repeat(Y, 2000)
    model.fit(x, y, epochs=1, batch_size=1, callbacks=[meanwhile], progress=False)
    assert model.steps_trained == len(x)
    return meanwhile


def test_other_threads_run_while_an_epoch_is_trained():
    # Holding the interpreter lock, fit would leave them a round or two at its ends.
    assert long_epoch(make_model(), lambda: None).count > 5


def test_changes_by_another_thread_within_an_epoch_are_refused():
    model = make_model()
    meanwhile = long_epoch(model, lambda: model.train_on_batch(X, Y))
    assert len(meanwhile.outcomes) > 5
    assert {type(outcome) for outcome in meanwhile.outcomes} == {ts.ModelBusyError}


def test_reads_by_another_thread_within_an_epoch_work_or_are_refused():
    model = make_model()
    for outcome in long_epoch(model, lambda: model.predict(X)).outcomes:
        assert isinstance(outcome, ts.ModelBusyError) or np.isfinite(outcome).all()


def test_readers_in_another_thread_get_in_while_an_epoch_is_trained():
    model, plain = make_model(), make_model()
    meanwhile = long_epoch(model, lambda: model.predict(X))
    assert meanwhile.count > 20
    long_epoch(plain, lambda: None)
    assert model.predict(X).tobytes() == plain.predict(X).tobytes()


@pytest.mark.parametrize("at", calls_of([0, 1])[:-1])
def test_an_exception_in_a_callback_leaves_a_usable_model(at, state_of, tmp_path):
    def fail(model):
        raise ZeroDivisionError("mine")

    model = make_model()
    with pytest.raises(ZeroDivisionError, match="mine"):
        fit(model, 3, callbacks=[Log(at, fail)])
    done = 0 if len(at) == 1 else at[1] + (at[0] == "epoch_end")
    assert model.steps_trained == done * 4
    assert all(np.isfinite(la.weight.data).all() for la in model.layers)
    copied = through_file(model, tmp_path)
    assert state_of(fit_and_return(model)) == state_of(fit_and_return(copied))


INTERRUPTED = """
import signal, sys
import numpy as np
import trulysparse as ts

signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job may ignore it
x = np.repeat(np.random.default_rng(0).normal(size=(1, 30)), 400_000, axis=0)
y = np.zeros(len(x), int)
create = lambda: ts.SparseMLP([30, 64, 32, 4], density=0.5, seed=0, threads=2)
arrays = lambda m: [a.tobytes() for la in m.layers
                    for a in (la.weight.data, la.momentum.data, la.bias, la.bias_momentum)]

class Say(ts.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        print("begun", flush=True)

model, again = create(), create()
options = dict(batch_size=1, topology=None, progress=False)
try:
    model.fit(x, y, epochs=50, callbacks=[Say()], **options)
except KeyboardInterrupt:
    pass
else:
    sys.exit("not interrupted")
steps = model.steps_trained
assert 0 < steps < len(x), steps
# All samples are equal, so the order within an epoch cannot matter: a fit over as many of them
# must give the same bits, if the interrupted one ended between two steps.
again.fit(x[:steps], y[:steps], epochs=1, **options)
assert arrays(model) == arrays(again)
model.fit(x[:100], y[:100], epochs=2, progress=False)
assert all(np.isfinite(la.weight.data).all() for la in model.layers)
print("fine", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends the POSIX signal of Ctrl-C")
def test_ctrl_c_within_an_epoch_stops_after_a_whole_step():
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout.readline() == "begun\n", child.stderr.read()
        time.sleep(0.3)  # into the middle of the epoch
        child.send_signal(signal.SIGINT)
        out, err = child.communicate()
    assert (child.returncode, out) == (0, "fine\n"), err


def test_progress_is_shown_only_when_asked_for_and_on_a_terminal(capfd, monkeypatch):
    fit(make_model())
    assert capfd.readouterr() == ("", "")
    fit(make_model(), progress=True)
    assert capfd.readouterr() == ("", "")  # which is no terminal
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    fit(make_model(), progress=True)
    assert "loss" in capfd.readouterr().err
    fit(make_model())
    assert capfd.readouterr() == ("", "")
