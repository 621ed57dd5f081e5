"""Optimisers, the L1 penalty and schedules, against the float64 oracle and by their promises."""

import copy
import itertools
import math
import os
import pickle
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest
import trulysparse as ts
from helpers import limits
from helpers import oracle as o
from helpers.biased_model import BATCHES, SIZES, make_model
from helpers.judged import close, models_agree
from hypothesis import given
from hypothesis import strategies as st
from trulysparse.optim.optimizers import BY_NAME

KINDS = list(BY_NAME.values())
OTHERS = [kind for kind in KINDS if kind is not ts.SGD]
RNG = np.random.default_rng(7)
X = RNG.normal(size=(60, SIZES[0])).astype(np.float32)
Y = RNG.integers(0, SIZES[-1], size=len(X))


def squares_agree(model, oracle, tolerance):
    for layer, expected in zip(model.layers, oracle.layers, strict=True):
        close(layer.second_moment.toarray(), expected.square, tolerance)
        close(layer.bias_second_moment, expected.bias_square, tolerance)


def fit(model, epochs=3, **options):
    options = {"batch_size": 16, "topology": None, "progress": False} | options
    return model.fit(X, Y, epochs=epochs, **options)


# --- Adam -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("layer_rates", ["equal", "fan_in"])
@pytest.mark.parametrize("loss", o.LOSSES)
def test_adam_steps(loss, layer_rates):
    # A large epsilon: where a gradient cancels to nearly nothing its rounding would decide.
    settings = {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3, "weight_decay": 0.3, "l1": 0.05}
    model = make_model("all_relu", loss)
    oracle = o.from_model(model)
    adam = ts.Adam(0.02, layer_rates=layer_rates, **settings)
    for step, n in enumerate(BATCHES):
        x, y = o.random_data(loss, n, SIZES[0], SIZES[-1], seed=step)
        model.train_on_batch(x, y, optimizer=adam)
        oracle.adam_step(x, y, step + 1, lr=0.02, by_fan_in=layer_rates == "fan_in", **settings)
        models_agree(model, oracle, 1e-5 * (step + 1))
        squares_agree(model, oracle, 1e-4)


def test_adam_by_default_moves_everything_by_the_rate_at_first():
    model = make_model()
    before = o.from_model(model)
    gradient = before.flat_gradient(X, Y)
    model.train_on_batch(X, Y, optimizer=ts.Adam())
    moved = o.from_model(model).flat() - before.flat()
    there = np.abs(gradient) > 1e-4  # far above epsilon and rounding
    assert there.sum() > 100
    np.testing.assert_allclose(moved[there], -0.001 * np.sign(gradient[there]), rtol=2e-3)


def test_adam_fits_along_its_schedule():
    model = make_model()
    oracle = o.from_model(model)
    adam = ts.Adam(0.01, epsilon=1e-3, schedule=ts.Cosine(final=0.1, warmup=0.25))
    history = fit(model, 8, batch_size=len(X), optimizer=adam)
    for step in range(8):
        lr = o.learning_rate("cosine", 0.01, step, 8, warmup_steps=2, final=0.1)
        assert history.history["learning_rate"][step] == pytest.approx(lr, rel=1e-6)
        oracle.adam_step(X, Y, step + 1, lr=lr, epsilon=1e-3)
    models_agree(model, oracle, 5e-5)


def test_adam_learns_digits(digits):
    x_train, y_train, x_test, y_test = digits
    model = ts.SparseMLP([64, 200, 100, 10], fan="real", standardize=True, dropout=0.1, seed=0)
    model.fit(x_train, y_train, epochs=8, batch_size=32, optimizer=ts.Adam(), progress=False)
    assert model.evaluate(x_test, y_test)["accuracy"] > 0.9


def moments(layer):
    """Of weights, by the name of the moment."""
    both = {"momentum": layer.momentum, "second": layer.second_moment}
    return {name: matrix for name, matrix in both.items() if matrix is not None}


@pytest.mark.parametrize("kind", KINDS)
def test_moments_follow_the_topology(kind):
    model = ts.SparseMLP([*SIZES[:-1], SIZES[-1]], density=0.5, seed=1)
    fit(model, optimizer=kind(), topology=ts.SET(0.3))
    for change in (
        lambda: model.evolve(ts.SET(0.4)),
        lambda: model.prune(percentile=30),
        lambda: model.evolve(ts.SET(0.2)),
    ):
        before = [(la.weight, moments(la)) for la in model.layers]
        change()
        for (weight, old), layer in zip(before, model.layers, strict=True):
            # An old connection has its old weight; a grown one at the same place has another.
            kept = (layer.weight.toarray() == weight.toarray()) & o.support_of(layer.weight)
            now = moments(layer)
            assert len(now) == kind._state_per_parameter
            assert now.keys() == old.keys()
            for name, matrix in now.items():
                assert matrix.indices.tobytes() == layer.weight.indices.tobytes()
                assert np.array_equal(matrix.toarray(), np.where(kept, old[name].toarray(), 0))
            if kind is ts.Adam:
                assert layer.bias_second_moment.shape == layer.bias.shape
    model.compact()
    for layer in model.layers:
        assert all(matrix.shape == layer.weight.shape for matrix in moments(layer).values())
        if kind is ts.Adam:
            assert layer.bias_second_moment.shape == layer.bias.shape
    fit(model, 1, optimizer=kind())  # and training goes on


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("memory", ["fast", "lean", "least"])
def test_threads_and_memory_modes_do_not_change_the_bits(state_of, threads, memory, kind):
    states = []
    for options in ({"threads": 1}, {"threads": threads, "memory": memory}):
        model = ts.SparseMLP([7, 300, 200, 5], epsilon=9, seed=2, threads=options.pop("threads"))
        optimizer = kind(0.01, weight_decay=0.1, l1=0.01, schedule="cosine")
        fit(model, optimizer=optimizer, topology=ts.SET(0.3), **options)
        states.append(state_of(model))
    assert states[0] == states[1]


SCRIPT = """
import hashlib
import numpy as np
import trulysparse as ts

n = 100
x = ((np.arange(n * 30).reshape(n, 30) * 7919 % 101) / 101).astype(np.float32)
y = np.arange(n) * 31 % 5
for kind in (ts.Adam, ts.Lion):
    model = ts.SparseMLP([30, 70, 200, 40, 5], epsilon=8, init="normal", seed=7)
    model.fit(x, y, epochs=3, batch_size=33, progress=False,
              optimizer=kind(0.01, weight_decay=0.01, l1=1e-3, schedule=ts.ExponentialDecay(0.1)))
    digest = hashlib.sha256()
    for layer in model.layers:
        for matrix in (layer.weight, layer.momentum, layer.second_moment):
            if matrix is not None:
                digest.update(matrix.data.astype("<f4").tobytes())
        digest.update(layer.bias.astype("<f4").tobytes())
    print(kind.__name__, digest.hexdigest())
"""


def test_instruction_sets_do_not_change_the_bits():
    hashes = {}
    for isa in ("portable", "avx2", "avx512", "neon"):
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "TRULYSPARSE_ISA": isa},
            capture_output=True,
            text=True,
            check=False,
            timeout=limits.CHILD,
        )
        if run.returncode == 0:
            hashes[isa] = run.stdout
        else:  # this processor may lack it
            assert isa != "portable", run.stderr
            assert "expected one of" in run.stderr
    assert len(set(hashes.values())) == 1, hashes


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", [None, ts.SET(0.3)])
def test_a_saved_model_goes_on_with_the_same_bits(state_of, tmp_path, change, kind):
    options = {"optimizer": kind(0.01, schedule="cosine"), "topology": change}
    straight, resumed = (ts.SparseMLP(SIZES, density=0.5, seed=3) for _ in range(2))
    for model in (straight, resumed):
        fit(model, 2, **options)
    resumed.save(tmp_path / "model.safetensors")
    pickled = pickle.loads(pickle.dumps(resumed))
    resumed = ts.load(tmp_path / "model.safetensors")
    assert state_of(straight) == state_of(resumed) == state_of(pickled)
    for model in (straight, resumed, pickled):
        fit(model, 4, initial_epoch=2, **options)
    assert state_of(straight) == state_of(resumed) == state_of(pickled)


@pytest.mark.parametrize("kind", KINDS)
def test_batches_of_an_iterator_give_the_bits_of_single_steps(state_of, kind):
    single, stream = make_model(), make_model()
    for i in range(3):  # samples, as the order in a batch would decide how sums are rounded
        single.train_on_batch(X[[i]], Y[[i]], optimizer=kind(0.01))
    options = {"steps_per_epoch": 3, "epochs": 1, "topology": None, "progress": False}
    stream.fit(((X[[i]], Y[[i]]) for i in range(3)), optimizer=kind(0.01), **options)
    assert state_of(single)[0] == state_of(stream)[0]


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_weights_come_back_with_their_momentum(state_of, kind):
    model, states = make_model(), []
    stopping = ts.EarlyStopping(patience=2, monitor="loss", restore_best_weights=True)

    class Keep(ts.Callback):
        def on_epoch_end(self, epoch, logs):
            states.append(state_of(self.model))

    history = fit(model, 9, optimizer=kind(0.3), callbacks=[Keep(), stopping])
    best = int(np.argmin(history.history["loss"]))
    assert state_of(model) == states[best]


@pytest.mark.parametrize("kind", KINDS)
def test_an_optimiser_survives_pickles_and_copies(kind):
    optimizer = kind(0.02, schedule=ts.Cosine(final=0.1))
    assert pickle.loads(pickle.dumps(optimizer)) == optimizer == copy.deepcopy(optimizer)
    with pytest.raises(AttributeError):
        optimizer.learning_rate = 1.0


def test_the_other_optimiser_starts_from_nothing(state_of):
    used, fresh = make_model(), make_model()
    fit(used, 2)
    weights = [layer.weight for layer in used.layers]
    fresh = ts.SparseMLP.from_scipy(weights, [la.bias for la in used.layers], dropout=0.0, seed=5)
    oracle = o.from_model(fresh)
    used.train_on_batch(X, Y, optimizer=ts.Adam(epsilon=1e-3))
    oracle.adam_step(X, Y, 1, epsilon=1e-3)  # the correction of the bias starts anew too
    models_agree(used, oracle, 1e-5)
    used.train_on_batch(X, Y)
    for layer in oracle.layers:
        layer.momentum, layer.bias_momentum = 0 * layer.weight, 0 * layer.bias
    oracle.step(X, Y)
    models_agree(used, oracle, 1e-5)
    assert used.layers[0].second_moment is None
    assert used.layers[0].bias_second_moment is None


@pytest.mark.parametrize("kind", [ts.SGD, ts.Lion])
def test_only_momentum_is_kept(kind):
    model = make_model()
    fit(model, optimizer=kind())
    assert all(la.second_moment is None and la.bias_second_moment is None for la in model.layers)


def test_the_plan_counts_second_moments_for_adam_only():
    model = ts.SparseMLP([30, 40, 20, 4], density=0.5, seed=0)
    neurons = 40 + 20 + 4
    x, y = np.zeros((4, 30), np.float32), np.arange(4)
    model.train_on_batch(x, y)  # builds the transpose index
    before = model.plan().taken
    assert "second moments" not in model.plan().parts
    expected = 4 * (model.nnz + neurons)
    adam = model.plan(optimizer=ts.Adam())
    assert adam.parts["second moments"] == expected
    more = adam.parts["evolution of a layer"] - model.plan().parts["evolution of a layer"]
    assert more == 8 * model.layers[0].nnz
    assert adam.taken == before
    model.train_on_batch(x, y, optimizer=ts.Adam())
    assert model.plan().taken == before + expected
    model.train_on_batch(x, y)
    assert model.plan().taken == before
    lion = model.plan(optimizer=ts.Lion())
    assert lion.parts == model.plan().parts
    model.train_on_batch(x, y, optimizer=ts.Lion())
    assert model.plan().taken == before
    planned = ts.plan([30, 40, 20, 4], density=0.5, optimizer=ts.Adam())
    assert planned.parts["second moments"] == pytest.approx(expected, rel=0.2)
    assert "second moments" not in ts.plan([30, 40, 20, 4], density=0.5).parts
    with pytest.raises(ValueError, match="optimizer = 'adamw'"):
        model.plan(optimizer="adamw")


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("strategy", [ts.WASSP(workers=2), ts.WASAP(workers=2)])
def test_others_are_refused_with_several_workers(state_of, strategy, kind):
    model = make_model()
    before = state_of(model)
    message = rf"optimizer = {kind.__name__}\(.*expected a trulysparse.SGD with"
    with pytest.raises(ValueError, match=message):
        fit(model, optimizer=kind(), strategy=strategy)
    assert state_of(model) == before


@pytest.mark.parametrize("kind", OTHERS)
def test_workers_forget_the_moments_of_others(kind):
    one, other = make_model(), make_model()
    fit(one, 1, optimizer=kind())
    weights = [layer.weight for layer in one.layers]
    other = ts.SparseMLP.from_scipy(weights, [la.bias for la in one.layers], dropout=0.0, seed=5)
    for model in (one, other):
        fit(model, 1, strategy=ts.WASSP(workers=2, local_fraction=0.0), batch_size=len(X))
    assert one.layers[0].second_moment is None
    models_agree(one, o.from_model(other), 1e-5)


# --- L1 -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("layer_rates", ["equal", "fan_in"])
def test_l1_steps(nesterov, layer_rates):
    model = make_model()
    oracle = o.from_model(model)
    settings = {"momentum": 0.8, "weight_decay": 0.01, "nesterov": nesterov, "l1": 0.5}
    sgd = ts.SGD(0.02, layer_rates=layer_rates, **settings)
    for step, n in enumerate(BATCHES):
        x, y = o.random_data("cross_entropy", n, SIZES[0], SIZES[-1], seed=step)
        model.train_on_batch(x, y, optimizer=sgd)
        oracle.step(x, y, lr=0.02, by_fan_in=layer_rates == "fan_in", **settings)
        models_agree(model, oracle, 3e-6 * (step + 1))
    zeros = sum((la.weight[la.support] == 0).sum() for la in oracle.layers)
    assert zeros > 10
    stored = sum((layer.weight.data == 0).sum() for layer in model.layers)
    assert abs(stored - zeros) <= 2  # rounding decides at the threshold


@pytest.mark.parametrize("kind", KINDS)
def test_l1_leaves_zeros_that_set_drops_first_and_spares_biases(kind):
    model = make_model()
    # A penalty above any weight, without a gradient that would matter.
    model.train_on_batch(X, Y, optimizer=kind(1e-4, l1=1e6, weight_decay=0.0))
    assert all(not layer.weight.data.any() for layer in model.layers)
    assert all(layer.bias.any() for layer in model.layers)
    assert model.nnz > 0  # zeros are connections until SET drops them
    replaced = model.evolve(ts.SET(0.0))
    assert [r["dropped"] for r in replaced[:-1]] == [la.nnz for la in model.layers[:-1]]


def test_without_a_penalty_nothing_is_zero():
    model = make_model()
    fit(model, optimizer=ts.Adam(0.01))
    assert all((layer.weight.data != 0).all() for layer in model.layers)


# --- schedules ------------------------------------------------------------------------------------

SCHEDULES = [
    ("constant", ts.Constant(), {}),
    ("step", ts.StepDecay(0.25, 0.5), {"steps_between": 5, "factor": 0.5}),
    ("exponential", ts.ExponentialDecay(0.02), {"factor": 0.02}),
    ("cosine", ts.Cosine(0.3), {"final": 0.3}),
]


@pytest.mark.parametrize("decays", [False, True])
@pytest.mark.parametrize("warm", [0, 4])
@pytest.mark.parametrize(("name", "schedule", "numbers"), SCHEDULES)
def test_schedules_over_a_fit(name, schedule, numbers, warm, decays):
    if "steps_between" in numbers:
        numbers = numbers | {"steps_between": (20 - warm) / 4}
    schedule = type(schedule)(**(vars(schedule) | {"warmup": warm / 20}))
    model = make_model()
    oracle = o.from_model(model)
    options = {"momentum": 0.5, "weight_decay": 0.1}
    sgd = ts.SGD(0.05, **options, schedule=schedule, schedule_decay=decays)
    history = fit(model, 20, batch_size=len(X), optimizer=sgd)
    for step in range(20):
        lr = o.learning_rate(name, 0.05, step, 20, warmup_steps=warm, **numbers)
        assert history.history["learning_rate"][step] == pytest.approx(lr, rel=1e-6)
        decay = 0.1 * lr / 0.05 if decays else 0.1
        oracle.step(X, Y, lr=lr, momentum=0.5, weight_decay=decay)
    models_agree(model, oracle, 2e-5)


@pytest.mark.parametrize(("strategy", "updates"), [(ts.WASSP, 1), (ts.WASAP, 2)])
def test_the_decay_of_workers_falls_with_the_schedule_too(strategy, updates):
    # A step of the schedule is a batch of every worker. With hardly a rate only the decay moves
    # weights.
    model = make_model()
    before = [layer.weight.toarray() for layer in model.layers]
    sgd = ts.SGD(1e-30, momentum=0, weight_decay=0.1, schedule="cosine", schedule_decay=True)
    two = strategy(workers=2, local_fraction=0)
    fit(model, 4, batch_size=len(X) // 2, optimizer=sgd, strategy=two)
    factors = [o.learning_rate("cosine", 1, step, 4) for step in range(4)] * updates
    expected = np.prod([1 - 0.1 * factor for factor in factors])
    for weights, layer in zip(before, model.layers, strict=True):
        close(layer.weight.toarray(), expected * weights, 1e-6)


@pytest.mark.parametrize(("name", "schedule"), [(n, type(s)()) for n, s, _ in SCHEDULES])
def test_a_name_is_the_schedule_with_its_defaults(state_of, name, schedule):
    models = make_model(), make_model()
    for model, given_ in zip(models, (name, schedule), strict=True):
        fit(model, optimizer=ts.SGD(0.05, schedule=given_))
    assert state_of(models[0]) == state_of(models[1])


def test_a_batch_has_the_full_rate():
    schedules = [ts.Cosine(warmup=0.9), ts.StepDecay(0.1, 0.1, warmup=0.5), "exponential"]
    models = [make_model() for _ in range(4)]
    for model, schedule in zip(models, ["constant", *schedules], strict=True):
        model.train_on_batch(X, Y, optimizer=ts.SGD(0.1, schedule=schedule))
    for model in models[1:]:
        assert model.predict(X).tobytes() == models[0].predict(X).tobytes()


@given(
    st.sampled_from([ts.Constant, ts.StepDecay, ts.ExponentialDecay, ts.Cosine]),
    st.floats(0, 0.99),
    st.integers(1, 12),
)
def test_rates_rise_in_the_warm_up_and_never_after(kind, warmup, epochs):
    model = ts.SparseMLP([2, 3, 2], density=1.0, seed=0)
    sgd = ts.SGD(0.1, schedule=kind(warmup=warmup))
    history = model.fit(
        np.zeros((1, 2)), [0], epochs=epochs, optimizer=sgd, topology=None, progress=False
    )
    rates = np.array(history.history["learning_rate"])
    top = int(rates.argmax())
    assert rates[top] == pytest.approx(0.1)
    assert (np.diff(rates[: top + 1]) > 0).all()
    assert (np.diff(rates[top:]) <= 0).all()
    assert top == min(math.floor(warmup * epochs + 0.5), epochs - 1)


@pytest.mark.parametrize(
    ("make", "error", "name"),
    [
        (lambda v: ts.Constant(warmup=v), ValueError, "warmup"),
        (lambda v: ts.Cosine(final=v), ValueError, "final"),
        (lambda v: ts.StepDecay(every=v), ValueError, "every"),
        (lambda v: ts.StepDecay(factor=v), ValueError, "factor"),
        (lambda v: ts.ExponentialDecay(v), ValueError, "factor"),
        (lambda v: ts.Adam(beta_1=v), ValueError, "beta_1"),
        (lambda v: ts.Adam(beta_2=v), ValueError, "beta_2"),
        (lambda v: ts.Adam(epsilon=-v), ValueError, "epsilon"),
        (lambda v: ts.Adam(learning_rate=-v), ValueError, "learning_rate"),
        (lambda v: ts.Adam(weight_decay=-v), ValueError, "weight_decay"),
        (lambda v: ts.Adam(l1=-v), ValueError, "l1"),
        (lambda v: ts.SGD(l1=-v), ValueError, "l1"),
        (lambda v: ts.Lion(beta_1=v), ValueError, "beta_1"),
        (lambda v: ts.Lion(beta_2=v), ValueError, "beta_2"),
        (lambda v: ts.Lion(learning_rate=-v), ValueError, "learning_rate"),
        (lambda v: ts.Lion(weight_decay=-v), ValueError, "weight_decay"),
        (lambda v: ts.Lion(l1=-v), ValueError, "l1"),
    ],
)
def test_values_out_of_range_are_named(make, error, name):
    for value in (1.5, np.inf, np.nan):
        with pytest.raises(error, match=f"{name} = "):
            make(value)
    for value in ("a", None, []):
        with pytest.raises(TypeError, match=f"{name} = |bad operand"):
            make(value)


def test_wrong_schedules_and_optimisers_are_named():
    for make in KINDS:
        with pytest.raises(ValueError, match=r"schedule = 'linear': expected one of 'constant', "):
            make(schedule="linear")
        with pytest.raises(TypeError, match=r"schedule = 3: expected one of .*StepDecay"):
            make(schedule=3)
    with pytest.raises(TypeError, match=r"optimizer = 3: expected a trulysparse.SGD, Adam or Lion"):
        fit(make_model(), optimizer=3)
    with pytest.raises(ValueError, match=r"optimizer = 'adamw': expected one of 'sgd', 'adam', 'l"):
        fit(make_model(), optimizer="adamw")
    # As float32, in which the core computes, it is 1.
    with pytest.raises(ValueError, match="beta_2 = 1"):
        fit(make_model(), optimizer=ts.Adam(beta_2=1 - 1e-12))


# --- LearningRateScheduler ------------------------------------------------------------------------


def test_the_scheduler_sets_the_rate_of_every_epoch():
    model, asked = make_model(), []
    oracle = o.from_model(model)

    def halve(epoch, lr):
        asked.append((epoch, lr))
        return lr if epoch < 2 else lr / 2

    sgd = ts.SGD(0.08, momentum=0.5, weight_decay=0.0)
    scheduler = ts.LearningRateScheduler(halve)
    history = fit(model, 5, batch_size=len(X), optimizer=sgd, callbacks=[scheduler])
    rates = [0.08, 0.08, 0.04, 0.02, 0.01]
    assert history.history["learning_rate"] == rates
    assert asked == list(enumerate([0.08, *rates[:-1]]))
    for lr in rates:
        oracle.step(X, Y, lr=lr, momentum=0.5, weight_decay=0.0)
    models_agree(model, oracle, 1e-5)
    # The next fit starts with its optimiser's own.
    assert fit(model, 1, optimizer=sgd).history["learning_rate"] == [0.08]
    assert model._driver is None


@pytest.mark.parametrize(
    ("returned", "error"), [(0.0, ValueError), (np.nan, ValueError), (None, TypeError)]
)
def test_a_scheduler_that_returns_no_rate_ends_the_fit(returned, error):
    model = make_model()
    with pytest.raises(error, match=r"schedule\(epoch, lr\) = "):
        fit(model, callbacks=[ts.LearningRateScheduler(lambda epoch, lr: returned)])
    assert model.steps_trained == 0


def test_a_scheduler_is_refused_where_something_else_sets_the_rate(state_of):
    model = make_model()
    before = state_of(model)
    callbacks = [ts.LearningRateScheduler(lambda epoch, lr: lr)]
    for schedule in ("cosine", ts.Constant(warmup=0.1)):
        with pytest.raises(ValueError, match="expected 'constant' with a LearningRateScheduler"):
            fit(model, optimizer=ts.SGD(schedule=schedule), callbacks=callbacks)
    with pytest.raises(ValueError, match="expected None with a LearningRateScheduler"):
        fit(model, strategy=ts.WASSP(workers=2), callbacks=callbacks)
    with pytest.raises(TypeError, match=r"schedule = 0\.1: expected a function"):
        ts.LearningRateScheduler(0.1)
    assert state_of(model) == before


# --- the command line -----------------------------------------------------------------------------


def test_the_command_line_takes_all_of_it(tmp_path, monkeypatch, flowers, capsys):
    import_module("trulysparse.cli.train")  # before `fit` has other arguments
    from trulysparse import cli

    seen = []
    original = ts.SparseMLP.fit

    def fit_and_tell(self, *args, **options):
        seen.append(options["optimizer"])
        return original(self, *args, **options)

    monkeypatch.setattr(ts.SparseMLP, "fit", fit_and_tell)

    def train(*flags):
        base = ["train", "--data", str(flowers), "--epochs", "1", "--hidden", "9"]
        return cli.main([*base, "--out", str(tmp_path / "out"), *flags])

    assert train("--optimizer", "adam", "--schedule", "step", "--warmup", "0.1") == 0
    assert seen[-1] == ts.Adam(0.004, weight_decay=0.3, schedule=ts.StepDecay(warmup=0.1))
    shown = capsys.readouterr().out
    assert "--learning-rate 0.004 --schedule step --weight-decay 0.3 --grow" in shown
    assert "--optimizer adam" in shown
    assert "--warmup 0.1" in shown
    assert train("--optimizer", "adam", "--learning-rate", "0.01", "--weight-decay", "0.2") == 0
    assert seen[-1] == ts.Adam(0.01, weight_decay=0.2, schedule="cosine")
    assert train("--l1", "0.01", "--schedule", "exponential") == 0
    assert (seen[-1].l1, seen[-1].schedule) == (0.01, "exponential")
    assert "--l1 0.01" in capsys.readouterr().out
    assert train("--optimizer", "lion", "--weight-decay", "0.2") == 0
    assert seen[-1] == ts.Lion(0.0001, weight_decay=0.2, schedule="cosine")
    assert "--optimizer lion" in capsys.readouterr().out
    flags = (["--momentum", "0.5"], ["--no-nesterov"], ["--schedule-decay"])
    for name, flag in itertools.product(("adam", "lion"), flags):
        assert train("--optimizer", name, *flag) == 2
        name = flag[0].replace("--no-", "--")
        assert f"{name}: expected --optimizer sgd" in capsys.readouterr().err
    assert train("--warmup", "1") == 2
    assert "--warmup 1.0: expected a number in [0, 1)" in capsys.readouterr().err

    plan = ["plan", "--features", "100", "--hidden", "50"]
    assert cli.main(plan) == 0
    assert "second moments" not in capsys.readouterr().out
    assert cli.main([*plan, "--optimizer", "lion"]) == 0
    assert "second moments" not in capsys.readouterr().out
    assert cli.main([*plan, "--optimizer", "adam"]) == 0
    assert "second moments" in capsys.readouterr().out


class EmptyAndFill(ts.TopologyRule):
    """Takes all connections of a layer, and gives it others an evolution later."""

    def evolve(self, layer):
        if layer.nnz:
            return np.ones(layer.nnz, bool), [], []
        rows, columns = layer.empty(5)
        return [], rows, columns, np.ones(5)


def test_second_moments_outlast_a_layer_without_connections(tmp_path, state_of):
    x, y = np.random.default_rng(0).normal(size=(60, 8)), np.arange(60) % 2
    model = ts.SparseMLP([8, 6, 5, 2], density=0.5, seed=0)
    model.fit(x, y, epochs=4, optimizer=ts.Adam(), topology=EmptyAndFill(), progress=False)
    assert all(len(layer.second_moment.data) == layer.nnz for layer in model.layers)
    model.save(tmp_path / "m.safetensors")
    assert state_of(ts.load(tmp_path / "m.safetensors")) == state_of(model)


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("call", ["fit", "train_on_batch", "plan"])
def test_others_are_refused_before_anything_changes_where_srelu_trains(call, kind, state_of):
    x, y = np.random.default_rng(0).normal(size=(60, 8)), np.arange(60) % 2
    model = ts.SparseMLP([8, 6, 2], activation="srelu", standardize=True, seed=0)
    before = state_of(model)
    data = () if call == "plan" else (x, y)
    message = rf"optimizer = {kind.__name__}\(.*expected a trulysparse.SGD"
    with pytest.raises(ValueError, match=message):
        getattr(model, call)(*data, optimizer=kind())
    assert state_of(model) == before
