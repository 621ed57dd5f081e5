"""The rest of the public surface: construction, scoring, history, printing."""

import csv
import doctest
import inspect
import re
import sys

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers.small_model import SIZES, X, Y, fit, fit_and_return, make_model, through_file
from trulysparse.training import loop


def test_defaults_are_the_papers():
    model = ts.SparseMLP([784, 100, 10])
    assert (model.epsilon, model.activation, model.slope) == (20, "all_relu", 0.6)
    assert (model.loss, model.init, model.fan) == ("cross_entropy", "he_uniform", "layer")
    assert (model.dropout, model.input_noise, model.standardize) == (0.3, 0.0, False)
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


def test_settings_are_read_only_copies_with_docstrings():
    model = ts.SparseMLP(SIZES, density=0.5, dropout=[0.1, 0.2], seed=0)
    for name in ("layer_sizes", "dropout", "seed", "loss"):
        with pytest.raises(AttributeError):
            setattr(model, name, getattr(model, name))
    model.dropout.append(0.3)
    model.layer_sizes.clear()
    assert (model.dropout, model.layer_sizes) == ([0.1, 0.2], SIZES)
    assert inspect.getdoc(ts.SparseMLP.seed) == "The seed, also if it was drawn from the system."


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


def test_summary_has_the_slopes_that_there_are():
    lines = []
    ts.SparseMLP([4, 9, 9, 2], activation=["relu", "all_relu"], epsilon=1).summary(lines.append)
    shown = {word for line in lines for word in re.findall(r"\w*relu(?: \(\S+\))?", str(line))}
    assert shown == {"relu", "all_relu (+0.6)"}


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
    with pytest.raises(ValueError, match=r"x\[7, 'nullable'\] is (NaN|missing)"):
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
    assert set(history.history) == keys | {"neurons", "seconds", *loop.COSTS}
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
    assert caught[0].filename == fit.__code__.co_filename  # which called the model's
    assert not history.is_finite()
    assert not np.isfinite(model.layers[0].weight.data).all()
    model.evolve()
    assert [la.nnz for la in model.layers] == nnz
    with pytest.warns(RuntimeWarning, match="this model had diverged when it was saved"):
        again = through_file(model, tmp_path)
    assert state_of(again) == state_of(model)


def test_a_loss_of_validation_that_is_not_finite_is_reported():
    model = make_model()  # whose only step starts from good weights and leaves bad ones
    with pytest.warns(RuntimeWarning, match="diverged"):
        history = fit(
            model, 1, batch_size=50, optimizer=ts.SGD(1e38), validation_data=(X, Y)
        ).history
    assert np.isfinite(history["loss"]).all()
    assert not np.isfinite(history["val_loss"]).any()


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


def test_a_core_becomes_another():
    """It takes the whole content, and the other has what it was."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 6)), rng.integers(0, 3, 40)
    first = ts.SparseMLP([6, 8, 3], density=0.5, seed=0, threads=1)
    second = ts.SparseMLP([6, 9, 3], density=0.5, seed=1, threads=2)
    second.fit(x, y, epochs=2, progress=False)
    was, wanted = first.predict(x), second.predict(x)
    first._core.become(second._core)
    np.testing.assert_array_equal(first.predict(x), wanted)
    np.testing.assert_array_equal(second.predict(x), was)
    assert (first.threads, second.threads, first.epochs_trained) == (1, 2, 2)
    first._core.become(first._core)
    np.testing.assert_array_equal(first.predict(x), wanted)
