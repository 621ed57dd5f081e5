"""EarlyStopping, TerminateOnNaN and TerminateOnExplosion."""

import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import trulysparse as ts
from helpers.small_model import (
    NOISY,
    OVERFITTING,
    SIZES,
    Log,
    X,
    Y,
    fit,
    make_model,
    noisy,
    through_file,
)
from trulysparse.callbacks import Callback, EarlyStopping, TerminateOnNaN
from trulysparse.explosion import Baseline

OTHERS = noisy(40)


class Epochs:
    """A callback run over values of val_loss by hand, as `fit` runs it."""

    def __init__(self, callback, name="val_loss"):
        self.callback, self.name = callback, name

    def stops_after(self, *values):
        """The epoch after which it stops, or None."""
        model = self.callback.model = type("Model", (), {})()
        model.stop_training = False
        model.history = ts.History()
        self.callback.set_params({"epochs": len(values), "metrics": [self.name]})
        self.callback.on_train_begin({})
        for epoch, value in enumerate(values):
            model.history.append(epoch, {self.name: value})
            self.callback.on_epoch_end(epoch, {self.name: value})
            if model.stop_training:
                break
        self.callback.on_train_end({})
        return epoch if model.stop_training else None


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("options", "values", "stopped", "best"),
    [
        ({}, [3, 2, 1], None, (1, 2)),
        ({}, [3, 2, 2], 2, (2, 1)),  # as good is not better
        ({"patience": 1}, [3, 2, 2], 2, (2, 1)),
        ({"patience": 2}, [3, 4, 2, 3, 1, 2, 2], 6, (1, 4)),
        ({"patience": 2}, [3, 4, 4, 0], 2, (3, 0)),
        ({"patience": 9}, [3, 4, 4, 0], None, (0, 3)),
        ({"min_delta": 0.5}, [3, 2.6, 1], 1, (3, 0)),
        ({"min_delta": 0.5}, [3, 2.4, 2.2], 2, (2.4, 1)),
        ({"mode": "max"}, [1, 2, 1.5], 2, (2, 1)),
        ({"mode": "max", "min_delta": 0.5}, [1, 1.5, 9], 1, (1, 0)),
        ({"baseline": 1}, [3, 2, 1.5, 2], 3, (1.5, 2)),
        ({"baseline": 1, "patience": 5}, [3, 2, 0.5, 2, 2, 2, 2, 2], 7, (0.5, 2)),
        ({"baseline": 1, "patience": 3}, [3, 4, 4, 0.5], 2, (3, 0)),
        ({"start_from_epoch": 2}, [1, 5, 4, 3, 3], 4, (3, 3)),
        ({"patience": 2}, [NAN, 2, 1, NAN, INF], 4, (1, 2)),  # one that is not finite never counts
        ({"patience": 2}, [NAN, INF, 1], 1, (None, None)),
    ],
)
def test_when_early_stopping_stops(options, values, stopped, best):
    stopping = EarlyStopping(**options)
    epochs = Epochs(stopping)
    for _ in range(2):  # every fit starts anew
        assert epochs.stops_after(*values) == stopped
        assert stopping.stopped_epoch == stopped
        assert (stopping.best, stopping.best_epoch) == best


def test_auto_knows_which_accuracies_and_losses_are_better():
    for name, values in {"val_accuracy": [1, 2, 3, 2], "loss": [3, 2, 1, 2]}.items():
        assert Epochs(EarlyStopping(name), name).stops_after(*values) == 3
    with pytest.raises(ValueError, match="monitor = 'connections' with mode = 'auto'"):
        EarlyStopping("connections")
    assert Epochs(EarlyStopping("connections", mode="min"), "connections").stops_after(5, 5) == 1


@pytest.mark.parametrize("topology", [ts.SET(), None], ids=["evolving", "static"])
@pytest.mark.parametrize("pruning", [None, ts.ImportancePruning(start=1, every=3, percentile=5)])
def test_the_best_network_comes_back_whole(topology, pruning, state_of, tmp_path):
    states = []
    options = {"topology": topology, "pruning": pruning, "optimizer": OVERFITTING}
    model = make_model(standardize=True, dropout=0.2)
    model.metadata["mine"] = "kept"
    stopping = EarlyStopping(patience=9, restore_best_weights=True)
    note = ts_callback(lambda model: states.append(state_of(model)))
    history = fit(model, 60, NOISY, validation_data=OTHERS, callbacks=[note, stopping], **options)
    best = stopping.best_epoch
    assert history.kept_epoch == best
    assert 0 < best < history.epoch[-1] == stopping.stopped_epoch == best + 9
    assert stopping.best == min(history.history["val_loss"]) == history.history["val_loss"][best]
    assert state_of(model) == states[best] != states[-1]
    assert model.evaluate(*OTHERS)["loss"] == stopping.best
    assert model.epochs_trained == best + 1
    # It can be saved, loaded, evolved and trained, with the bits of the same network from a file.
    loaded = through_file(model, tmp_path)
    assert state_of(loaded) == states[best]
    for each in (model, loaded):
        each.evolve()
        fit(each, 2, **options)
    assert state_of(model) == state_of(loaded)


def ts_callback(action):
    """A callback that does something after every epoch."""

    class Note(Callback):
        def on_epoch_end(self, epoch, logs):
            action(self.model)

    return Note()


def test_nothing_is_brought_back_if_nobody_asked_or_the_last_epoch_was_the_best(state_of):
    models = [make_model() for _ in range(3)]
    fit(models[0], 4)
    fit(models[1], 4, callbacks=[EarlyStopping("accuracy", patience=9)])
    fit(
        models[2],
        4,
        callbacks=[EarlyStopping("learning_rate", mode="max", start_from_epoch=3,
                                 restore_best_weights=True)],
    )  # fmt: skip
    assert len({repr(state_of(model)) for model in models}) == 1


def test_the_fit_that_runs_out_of_epochs_brings_the_best_network_back_too(state_of):
    states = []
    stopping = EarlyStopping(patience=99, restore_best_weights=True)
    model = make_model()
    model.threads = 1
    note = ts_callback(lambda model: states.append(state_of(model)))
    other_threads = Log(("epoch_end", 5), lambda model: setattr(model, "threads", 2))
    fit(
        model,
        40,
        NOISY,
        validation_data=OTHERS,
        optimizer=OVERFITTING,
        callbacks=[note, stopping, other_threads],
    )
    assert stopping.stopped_epoch is None
    assert stopping.best_epoch < 39
    assert state_of(model) == states[stopping.best_epoch]
    assert model.threads == 2
    assert len(model.history.epoch) == 40


@pytest.mark.parametrize(
    "strategy", [ts.WASSP(workers=2), ts.WASAP(workers=2), ts.WASSP(workers=2, local_fraction=1.0)]
)
def test_early_stopping_of_parallel_fits(strategy, state_of):
    states = []
    stopping = EarlyStopping(patience=3, restore_best_weights=True)
    note = ts_callback(lambda model: states.append(state_of(model)))
    model = make_model()
    fit(
        model, 40, NOISY, validation_data=OTHERS, optimizer=OVERFITTING, strategy=strategy,
        callbacks=[note, stopping],
    )  # fmt: skip
    assert state_of(model) == states[stopping.best_epoch]
    fit(model, 1)


def test_a_missing_number_is_told_before_anything_is_changed(state_of):
    model = make_model(standardize=True)
    before = state_of(model)
    for stopping, hint in [
        (EarlyStopping(), "validation_data"),
        (EarlyStopping("my_loss"), "'los"),
    ]:
        with pytest.raises(ValueError, match=f"monitor = '{stopping._monitor.name}'.*{hint}"):
            fit(model, callbacks=[stopping])
    assert state_of(model) == before
    assert model.history.epoch == []


def test_bad_arguments_are_named():
    for name, value, error in [
        ("monitor", 1, TypeError),
        ("min_delta", -1, ValueError),
        ("min_delta", "1", TypeError),
        ("patience", -1, ValueError),
        ("patience", 1.5, TypeError),
        ("mode", "best", ValueError),
        ("baseline", NAN, ValueError),
        ("baseline", "1", TypeError),
        ("restore_best_weights", 2, TypeError),
        ("start_from_epoch", -1, ValueError),
    ]:
        with pytest.raises(error, match=name):
            EarlyStopping(**{name: value})


def test_a_callback_can_be_copied_and_pickled_after_a_fit():
    stopping = EarlyStopping(patience=2)
    fit(
        make_model(), 30, NOISY, validation_data=OTHERS, optimizer=OVERFITTING, callbacks=[stopping]
    )
    for again in (copy.deepcopy(stopping), pickle.loads(pickle.dumps(stopping))):
        assert (again.best, again.best_epoch) == (stopping.best, stopping.best_epoch)
        assert not hasattr(again, "model")
        fit(make_model(), 1, validation_data=OTHERS, callbacks=[again])


@pytest.mark.parametrize(
    ("strategy", "validated", "loss"),
    [
        (None, False, "cross_entropy"),
        (None, True, "squared_error"),
        (ts.WASSP(workers=2), True, "cross_entropy"),
        (ts.WASAP(workers=2), True, "cross_entropy"),
    ],
)
def test_callbacks_are_told_the_names_of_the_logs(strategy, validated, loss):
    class Names(Callback):
        def on_epoch_end(self, epoch, logs):
            assert self.params == {"epochs": 2, "metrics": list(logs)}
            assert list(logs) == list(self.model.history.history)

    y = Y if loss == "cross_entropy" else np.eye(SIZES[-1])[Y]
    validation = (X, y) if validated else None
    fit(
        make_model(loss=loss), 2, y, strategy=strategy, validation_data=validation,
        callbacks=[Names()],
    )  # fmt: skip


def test_a_diverging_fit_is_terminated():
    model = make_model(loss="squared_error")
    with pytest.warns(RuntimeWarning, match="diverged"):
        history = fit(
            model, 50, np.eye(SIZES[-1])[Y] * 1e6, optimizer=ts.SGD(1.0),
            callbacks=[TerminateOnNaN()],
        )  # fmt: skip
    assert len(history.epoch) < 50
    assert not np.isfinite(history.history["loss"][-1])
    assert fit(make_model(), 3, callbacks=[TerminateOnNaN()]).epoch == [0, 1, 2]


@pytest.mark.parametrize("losses", [{"loss": NAN}, {"loss": 1.0, "val_loss": INF}])
def test_any_loss_that_is_not_finite_terminates(losses):
    terminate = TerminateOnNaN()
    terminate.model = type("Model", (), {"stop_training": False})()
    terminate.on_epoch_end(0, {"loss": 1.0, "val_loss": 2.0, "accuracy": NAN})
    assert not terminate.model.stop_training
    terminate.on_epoch_end(1, losses)
    assert terminate.model.stop_training


class TestTerminateOnExplosion:
    """Losses are told to the callback; `usual` is the most that a healthy network has."""

    @pytest.mark.parametrize(
        ("losses", "ended"),
        [
            ([1.0, 0.5, 0.2, 0.21], None),
            ([1.0, 0.5, 5.1], 2),  # ten times the least
            ([1.0, 0.001, 1.9], None),  # which counts as a twentieth of the usual one
            ([1.0, 0.001, 2.1], 2),
            ([39.0, 38.0], None),
            ([41.0], 0),  # ten times the usual one
            ([1.0, NAN], 1),
            ([INF], 0),
        ],
    )
    def test_ends_at(self, losses, ended):
        assert self._ended(ts.TerminateOnExplosion(), losses) == ended

    def test_its_factor(self):
        assert self._ended(ts.TerminateOnExplosion(3), [1.0, 2.9]) is None
        assert self._ended(ts.TerminateOnExplosion(3), [1.0, 3.1]) == 1
        for factor in (1, 0.5, NAN, INF):
            with pytest.raises(ValueError, match=r"factor = .*expected a finite number above 1"):
                ts.TerminateOnExplosion(factor)

    def test_a_validation_loss_that_is_not_finite(self):
        callback = ts.TerminateOnExplosion()
        assert self._ended(callback, [1.0, 1.0], val_loss=INF) == 0
        assert self._ended(callback, [1.0, 1.0], val_loss=1e9) is None

    def test_in_a_fit(self):
        callback = ts.TerminateOnExplosion()
        with pytest.warns(ts.ExplosionWarning, match="exploded"):
            history = make_model(standardize=False).fit(
                1000 * X, Y, epochs=40, progress=False, callbacks=[callback]
            )
        assert len(history.epoch) < 5
        assert callback.exploded
        assert fit(make_model(), 3, callbacks=[callback]).epoch == [0, 1, 2]
        assert not callback.exploded

    @staticmethod
    def _ended(callback, losses, **logs):
        history = SimpleNamespace(baseline=Baseline(0.7, 1.3))
        callback.model = SimpleNamespace(stop_training=False, history=history)
        callback.on_train_begin({})
        for epoch, loss in enumerate(losses):
            callback.on_epoch_end(epoch, {"loss": loss, **logs})
            if callback.model.stop_training:
                assert callback.exploded
                return epoch
        return None
