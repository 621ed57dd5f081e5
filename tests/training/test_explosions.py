"""Losses that explode, freeze or come to nothing: what is said after a fit, and what is not."""

import pickle
import warnings

import numpy as np
import pytest
import trulysparse as ts
from helpers.oracle import LOSSES
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from trulysparse import _core
from trulysparse.data import samples
from trulysparse.training.sequential import Sequential

RNG = np.random.default_rng(11)
N = 300
X = RNG.normal(size=(N, 8)).astype(np.float32)
Y = (X[:, 0] + 0.3 * RNG.normal(size=N) > 0.4).astype(int)
# Columns in their own units: the first steps throw the weights far out.
RAW = X * np.array([1, 2000, 30, 500, 1, 1, 800, 4], np.float32)


def model(outputs=2, loss="cross_entropy", **options):
    usual = {"dropout": 0.0, "seed": 1, "density": 1}
    return ts.SparseMLP([8, 30, outputs], loss=loss, **(usual | options))


def fit(of, x=X, y=Y, epochs=3, **options):
    return of.fit(x, y, epochs=epochs, progress=False, **({"batch_size": 32} | options))


def silent(*arguments, **options):
    """The history of a fit that says nothing."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = fit(*arguments, **options)
    assert history.trouble is None
    return history


def said(message, *arguments, kind="exploded", **options):
    """The history of a fit that warns once."""
    with pytest.warns(ts.ExplosionWarning, match=message) as caught:
        history = fit(*arguments, **options)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert history.trouble.kind == kind
    assert history.trouble.message == str(caught[0].message)
    return history


# --- the best constant prediction ---------------------------------------------------------------


def huber(difference):
    size = np.abs(difference)
    return np.where(size <= 1, size**2 / 2, size - 0.5)


def entropy(targets, weights):
    share = weights @ targets / weights.sum()
    return -(weights @ targets @ np.log(np.where(share > 0, share, 1)))


def best(loss, y, weights, smoothing=0.0):
    """The least mean loss of a constant, in float64."""
    if loss == "cross_entropy":
        total = entropy((1 - smoothing) * y + smoothing / y.shape[1], weights)
    elif loss == "binary_cross_entropy":
        total = sum(entropy(np.stack([c, 1 - c], 1), weights) for c in y.T)
    elif loss == "huber":

        def at(c, column):
            return weights @ huber(c - column)

        total = sum(
            minimize_scalar(at, bounds=(c.min(), c.max()), args=(c,), options={"xatol": 1e-9}).fun
            for c in y.T
        )
    else:
        total = weights @ ((y - weights @ y / weights.sum()) ** 2).sum(1) / 2
    return total / len(y)


def targets(loss, rng, n=60):
    return {
        "cross_entropy": rng.dirichlet(np.ones(3), n),
        "binary_cross_entropy": rng.random((n, 3)) < [0.1, 0.5, 0.9],
        "squared_error_sigmoid": rng.random((n, 3)),
        "huber": 40 + 3 * rng.standard_cauchy((n, 3)),
        "squared_error": 1e4 + rng.normal(size=(n, 3)),
    }[loss].astype(np.float32)


@pytest.mark.parametrize("loss", LOSSES)
@given(seed=st.integers(0, 2**32 - 1), cut=st.integers(1, 58), spread=st.floats(0, 5))
def test_the_best_constant(loss, seed, cut, spread):
    rng = np.random.default_rng(seed)
    y, weights = targets(loss, rng), 10.0 ** rng.uniform(0, spread, 60)
    smoothing = 0.2 if loss == "cross_entropy" else 0.0
    core = model(3, loss, label_smoothing=smoothing)._core

    def of(part):
        weight = weights[part].astype(np.float32)
        return core.constant(samples.given(core, X[:60][part], y[part], sample_weight=weight).data)

    whole = of(slice(None))
    expected = best(loss, y.astype(float), weights.astype(np.float32).astype(float), smoothing)
    assert whole.loss == pytest.approx(expected, rel=1e-6)
    joint = of(slice(cut)).join(of(slice(cut, None)))
    again = _core.Constant(core, joint.samples, joint.numbers)
    assert (again.loss, again.start, again.samples) == (joint.loss, joint.start, 60)
    if loss == "huber":  # a bound from above
        assert joint.loss >= expected * (1 - 1e-9)
    else:
        assert joint.loss == pytest.approx(expected, rel=1e-6)
    assert joint.start == pytest.approx(whole.start, rel=1e-6)


def test_labels_are_their_one_hot_rows():
    for smoothing in (0.0, 0.3):
        core = model(label_smoothing=smoothing)._core
        rows = np.eye(2, dtype=np.float32)[Y]
        one, two = (core.constant(samples.given(core, X, y).data).loss for y in (Y, rows))
        assert one == pytest.approx(two, rel=1e-12)


def test_a_network_of_zeros_has_the_start_without_the_noise():
    for loss in LOSSES:
        y = targets(loss, np.random.default_rng(0))
        weights = [np.zeros((8, 3)).astype(np.float32)]
        network = ts.SparseMLP.from_scipy([_csc(w) for w in weights], loss=loss)
        data = samples.given(network._core, X[:60], y).data
        noise = 1 if loss == "cross_entropy" else 3
        constant = network._core.constant(data)
        assert network._core.measure(data, 16).loss == pytest.approx(
            constant.start - noise, rel=1e-5
        )


def _csc(dense):
    from scipy import sparse

    return sparse.csc_array(dense)


# --- what is said -------------------------------------------------------------------------------


class TestExplosions:
    def test_of_columns_that_are_not_scaled(self):
        message = r"has exploded: .* after 2 epochs, far above 0\.6\d+, that of the best constant"
        history = said(message, model(), RAW, epochs=2)
        assert history.is_finite()
        expected = best("cross_entropy", np.eye(2)[Y], np.ones(N))
        assert history.baseline.loss == pytest.approx(expected)

    @pytest.mark.parametrize("loss", LOSSES)
    def test_of_every_loss_by_its_last_step_alone(self, loss):
        """The loss of the epoch is that before the step."""
        y = targets(loss, np.random.default_rng(3), N)
        scaled = y / 1e4 if loss == "squared_error" else y
        options = {"epochs": 1, "batch_size": N}
        silent(model(3, loss), y=scaled, optimizer=ts.SGD(1e-3), **options)
        if loss != "squared_error_sigmoid":  # it is at most 1/2 for each output
            said(
                "after 1 epoch, far above",
                model(3, loss),
                y=scaled,
                optimizer=ts.SGD(1e6),
                **options,
            )

    def test_after_good_epochs(self):
        rates = ts.LearningRateScheduler(lambda epoch, rate: 0.05 if epoch < 18 else 1.2)
        history = fit(model(), epochs=18, callbacks=[rates])
        assert history.trouble is None
        with pytest.warns(ts.ExplosionWarning):
            fit(model(), epochs=20, callbacks=[rates])

    def test_of_streams(self):
        batches = [(RAW[k::4], Y[k::4]) for k in range(4)]
        with pytest.warns(ts.ExplosionWarning, match="far above") as caught:
            history = model().fit(iter(batches * 3), steps_per_epoch=4, epochs=3, progress=False)
        assert len(caught) == 1
        expected = best("cross_entropy", np.eye(2)[Y], np.ones(N))
        assert history.baseline.loss == pytest.approx(expected)

    @pytest.mark.parametrize("strategy", [ts.WASSP(2), ts.WASAP(2), ts.WASSP(1)])
    def test_of_workers(self, strategy):
        said("has exploded", model(), RAW, epochs=1, strategy=strategy)

    def test_of_weights_that_have_overflowed(self):
        """The loss before the step is finite, and so is that of the other samples."""
        x = X.copy()
        x[:, 3] = 0
        x[0, 3] = 3e38
        with pytest.warns(ts.ExplosionWarning, match="diverged"):
            history = fit(model(), x, epochs=1, batch_size=N, optimizer=ts.SGD(10.0))
        assert history.trouble.kind == "not finite"

    def test_of_a_moment_that_freezes_a_weight(self):
        """Adam divides by the root of an infinite moment from then on."""
        x = X.copy()
        x[0, 3] = 3e25
        network, y = model(), Y.copy()
        y[0] = 1 - network.predict(x[:1]).argmax()
        history = said(
            "moments of the optimiser are not finite",
            network, x, y=y, epochs=1, batch_size=N, kind="not finite",
            optimizer=ts.Adam(1e-3),
        )  # fmt: skip
        assert history.is_finite()

    def test_a_network_that_a_callback_restores_is_judged_as_it_is(self):
        rates = ts.LearningRateScheduler(lambda epoch, rate: 0.05 if epoch < 8 else 50.0)
        kept = ts.EarlyStopping("val_loss", patience=2, restore_best_weights=True)
        silent(model(), epochs=12, callbacks=[rates, kept], validation_data=(X, Y))

    def test_are_runtime_warnings_and_can_be_filtered(self):
        assert issubclass(ts.ExplosionWarning, RuntimeWarning)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", ts.ExplosionWarning)
            history = fit(model(), RAW)
        assert pickle.loads(pickle.dumps(history)).trouble == history.trouble


class TestFrozen:
    def test_dead_units(self):
        network = model(activation="relu")
        weights, biases = network.to_scipy()
        biases[0][:] = -1e3
        dead = ts.SparseMLP.from_scipy(weights, biases, activation="relu")
        history = said("frozen: all predictions are the same", dead, epochs=12, kind="frozen")
        assert history.history["loss"][-1] == pytest.approx(history.baseline.loss, rel=0.05)

    def test_some_living_units_are_enough(self):
        network = model(activation="relu")
        weights, biases = network.to_scipy()
        biases[0][:28] = -1e3
        silent(ts.SparseMLP.from_scipy(weights, biases, activation="relu", dropout=0.0), epochs=12)


class TestComeToNothing:
    def test_after_two_epochs(self):
        y = 1000 + X[:, 0]
        options = {"y": y, "optimizer": ts.SGD(1e-5)}
        silent(model(1, "squared_error"), epochs=1, **options)
        said(
            "come to nothing: .* after 2 epochs, above", model(1, "squared_error"), epochs=2,
            kind="above a constant", **options,
        )  # fmt: skip

    @pytest.mark.parametrize("rows", [60, N])
    def test_of_few_samples_all_are_measured(self, rows):
        y = np.random.default_rng(0).integers(0, 2, rows)
        with pytest.warns(ts.ExplosionWarning, match="above"):
            fit(model(dropout=0.0), X[:rows], y, epochs=3, optimizer=ts.Adam(0.3))

    def test_of_targets_with_one_value(self):
        few = {"epochs": 2, "optimizer": ts.SGD(1e-6)}
        with pytest.warns(ts.ExplosionWarning, match="above 0, that of the best constant"):
            fit(model(1, "squared_error"), y=np.full(N, 5.0), **few)

    def test_after_a_rise(self):
        rates = ts.LearningRateScheduler(lambda epoch, rate: 0.05 if epoch < 2 else 0.6)
        y = X[:, :1] + RNG.normal(size=(N, 1)).astype(np.float32)
        with pytest.warns(ts.ExplosionWarning):
            fit(model(1, "squared_error"), y=y, epochs=4, callbacks=[rates])


class TestNothingLearnt:
    def noise(self, epochs, **options):
        y = np.random.default_rng(0).integers(0, 2, N)
        return {"y": y, "epochs": epochs, "optimizer": ts.SGD(1e-3, **options)}

    def test_of_noise(self):
        message = r"learnt nothing: the loss .* no better than 0\.68"
        said(message, model(dropout=0.3), kind="nothing learnt", **self.noise(20))

    @pytest.mark.parametrize("epochs", [9, 19])
    def test_not_before_ten_epochs_and_200_steps(self, epochs):
        x = 0.1 * X  # so that the loss begins near the constant's
        silent(model(dropout=0.3), x, **self.noise(epochs))

    def test_not_of_noise_that_is_memorised(self):
        silent(model(), y=self.noise(1)["y"], epochs=60)

    def test_names_a_huge_target(self):
        y = X[:, 0].copy()
        y[7] = 1000
        with pytest.warns(ts.ExplosionWarning, match="nothing: .* a target is 1000, where half"):
            fit(model(1, "squared_error"), y=y, epochs=30, optimizer=ts.SGD(1e-6))

    @pytest.mark.parametrize("as_samples", [np.asarray, _csc])
    def test_names_small_features_and_a_loss_that_stays(self, as_samples):
        x = X * 1e-3 * (np.random.default_rng(1).random(X.shape) < 0.3)
        message = (
            r"not 0 have a typical size of 0\.000\d+, " if as_samples is _csc else "typical size"
        )
        said(message, model(1, "squared_error"), as_samples(x.astype(np.float32)),
             y=X[:, 0], epochs=20, kind="nothing learnt", optimizer=ts.SGD(0.01))  # fmt: skip

    def test_little_is_said_of_small_features_alone(self):
        y = 0.2 * X[:, 0] + np.random.default_rng(1).normal(size=N)
        scale = 0.02
        options = {"y": y, "epochs": 20, "optimizer": ts.SGD(0.003)}
        said(
            "learnt little: .* hardly better than .*; features have a typical size of 0.01",
            model(1, "squared_error"), X * scale, kind="little learnt", **options,
        )  # fmt: skip
        history = silent(model(1, "squared_error", standardize=True), X * scale, **options)
        assert history.history["loss"][-1] > 0.9 * history.baseline.loss

    def test_names_small_targets_and_a_low_rate(self):
        y = X[:, 0] * 1e-3
        weights = [_csc(np.full((8, 1), 1e-6, np.float32))]
        network = ts.SparseMLP.from_scipy(weights, loss="squared_error")
        said(
            r"targets have a deviation of 0\.001: .*; the loss has hardly moved .* rate of 1e-08",
            network, y=y, epochs=25, kind="nothing learnt", optimizer=ts.SGD(1e-8),
            topology=None,
        )  # fmt: skip

    def test_of_a_stream_whose_last_batch_is_easy(self):
        easy = np.zeros((1, 8), np.float32), Y[:1]
        batches = [(RAW[k::10], Y[k::10]) for k in range(9)] + [easy]
        with pytest.warns(ts.ExplosionWarning, match="exploded: the loss of epoch 3"):
            model().fit(
                iter(batches * 3),
                steps_per_epoch=10,
                epochs=3,
                progress=False,
                optimizer=ts.SGD(1e-4),
            )

    def test_of_streams_by_their_epochs(self):
        options = self.noise(20)
        y = options.pop("y")
        batches = [(X[k::10], y[k::10]) for k in range(10)]
        with pytest.warns(ts.ExplosionWarning, match="learnt nothing"):
            model().fit(iter(batches * 20), steps_per_epoch=10, progress=False, **options)


# --- what it costs -------------------------------------------------------------------------------


class TestMeasuring:
    @pytest.fixture
    def measured(self, monkeypatch):
        """How many samples were asked for, call by call."""
        asked, measure = [], Sequential.measure

        def spy(self, most):
            asked.append(most)
            return measure(self, most)

        monkeypatch.setattr(Sequential, "measure", spy)
        return asked

    def test_of_a_short_fit_is_of_a_twentieth(self, measured):
        """Random labels: the loss is above the constant's."""
        x, y = np.tile(X, (4, 1)), np.random.default_rng(0).integers(0, 2, 4 * N)
        history = silent(model(dropout=0.3), x, y=y, epochs=1)
        assert history.history["loss"][0] > history.baseline.loss
        assert measured == [60]
        silent(model(), X[:5], Y[:5], epochs=1)
        assert measured[1:] == [None]

    def test_of_what_explodes_is_of_all(self, measured):
        said("has exploded", model(), RAW, epochs=2)
        assert measured == [256, None]

    def test_of_good_long_fits_is_of_some(self, measured):
        silent(model(), epochs=40)
        assert measured == [None]
        x, y = np.tile(X, (10, 1)), np.tile(Y, 10)
        silent(model(), x, y=y, epochs=12)
        assert measured[1:] == [1024]


# --- what is not --------------------------------------------------------------------------------


class TestSilence:
    @pytest.mark.parametrize("epochs", [1, 2, 15])
    @pytest.mark.parametrize("seed", range(4))
    def test_of_healthy_fits(self, epochs, seed):
        silent(model(seed=seed, dropout=0.3), epochs=epochs)
        silent(model(1, "squared_error", seed=seed), y=X[:, :1], epochs=epochs)

    def test_of_rare_classes_with_balanced_weights(self):
        y = (X[:, 0] > 1.9).astype(int)
        weights = N / 2 / np.bincount(y)[y]
        for epochs in (1, 20):
            silent(model(), y=y, epochs=epochs, sample_weight=weights)

    def test_of_targets_that_are_all_the_same(self):
        silent(model(), y=np.ones(N, int), epochs=20)

    def test_of_one_sample(self):
        silent(model(), X[:1], Y[:1], epochs=20)

    def test_of_no_epochs(self):
        history = silent(model(), epochs=0)
        assert history.baseline is None

    @pytest.mark.parametrize("strategy", [ts.WASSP(2), ts.WASAP(2)])
    def test_of_workers(self, strategy):
        silent(model(), epochs=4, strategy=strategy)

    def test_measuring_changes_nothing(self, state_of, monkeypatch):
        networks = [model(dropout=0.3), model(dropout=0.3)]
        fit(networks[0])
        monkeypatch.setattr("trulysparse.training.loop.verdict", lambda *_: None)
        fit(networks[1])
        assert state_of(networks[0]) == state_of(networks[1])
