"""The learning rate that falls on a plateau, and learning-rate callbacks of a user's own."""

import copy
import doctest
import math
import pickle

import numpy as np
import pytest
import trulysparse as ts
from helpers.small_model import X, Y, fit, make_model
from hypothesis import given
from hypothesis import strategies as st
from trulysparse.callbacks import reduce_lr_on_plateau


class Stand:
    """What the callback needs of a model."""

    learning_rate = 1.0


def rates(values, **options):
    """The rate after each epoch whose loss was so."""
    callback = ts.ReduceLROnPlateau("loss", **options)
    callback.set_model(Stand())
    callback.set_params({"metrics": ["loss"]})
    callback.on_train_begin({})
    found = []
    for epoch, value in enumerate(values):
        callback.on_epoch_end(epoch, {"loss": value})
        found.append(callback.model.learning_rate)
    return found


def expected(values, factor, patience, min_delta, cooldown, min_lr):
    """By looking back from each epoch at all before it."""
    rate, best, since, cool, found = 1.0, math.inf, 0, 0, []
    for value in values:
        better = math.isfinite(value) and (value + min_delta < best)
        best = value if better else best
        since = 0 if better or cool else since + 1
        cool = max(cool - 1, 0)
        if since >= max(patience, 1) and rate > min_lr:
            rate, since, cool = max(rate * factor, min_lr), 0, cooldown
        found.append(rate)
    return found


@given(
    st.lists(
        st.sampled_from([3.0, 2.5, 2.0, 1.0, 0.5, math.nan, math.inf]), min_size=1, max_size=40
    ),
    st.sampled_from([0.1, 0.5]),
    st.integers(0, 3),
    st.sampled_from([0.0, 0.6]),
    st.integers(0, 3),
    st.sampled_from([0.0, 0.2]),
)
def test_rates_are_those_of_a_naive_twin(values, factor, patience, min_delta, cooldown, min_lr):
    arguments = factor, patience, min_delta, cooldown, min_lr
    names = ("factor", "patience", "min_delta", "cooldown", "min_lr")
    assert rates(values, **dict(zip(names, arguments, strict=True))) == expected(values, *arguments)


def test_cooldown_leaves_all_of_its_epochs_out():
    assert rates([1.0] * 8, factor=0.5, patience=1, cooldown=2) == [
        1.0, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125,
    ]  # fmt: skip


def test_a_fit_trains_on_with_the_lower_rate(state_of):
    plateau = ts.ReduceLROnPlateau("loss", factor=0.25, patience=1, min_delta=10.0)
    model, twin = make_model(), make_model()
    sgd = ts.SGD(0.08)
    history = fit(model, 4, optimizer=sgd, callbacks=[plateau]).history
    # No epoch is better by so much: the first one is the best.
    lower = [0.08, 0.08, 0.02, 0.005]
    assert history["learning_rate"] == lower
    assert plateau.reductions == [1, 2, 3]
    assert plateau.best == history["loss"][0]
    fit(twin, 4, optimizer=sgd, callbacks=[ts.LearningRateScheduler(lambda epoch, _: lower[epoch])])
    assert state_of(model) == state_of(twin)
    again = fit(model, 1, optimizer=sgd, callbacks=[plateau])
    assert (again.history["learning_rate"], plateau.reductions) == ([0.08], [])


def test_batches_of_an_iterator_take_it_too():
    def batches():
        while True:
            yield X, Y

    plateau = ts.ReduceLROnPlateau("loss", factor=0.5, patience=0, min_delta=10.0)
    history = make_model().fit(
        batches(), epochs=3, steps_per_epoch=2, callbacks=[plateau], progress=False
    )
    assert history.history["learning_rate"] == [0.01, 0.01, 0.005]


def test_a_rate_callback_of_ones_own_needs_public_names_only():
    class Warm(ts.Callback):
        sets_learning_rate = True

        def on_train_begin(self, logs):
            self.full = self.model.learning_rate

        def on_epoch_begin(self, epoch, logs):
            self.model.learning_rate = self.full * min(1.0, (epoch + 1) / 4)

    model = make_model()
    history = fit(model, 5, optimizer=ts.SGD(0.08), callbacks=[Warm()])
    assert history.history["learning_rate"] == [0.02, 0.04, 0.06, 0.08, 0.08]
    with pytest.raises(ValueError, match="expected 'constant' with a Warm"):
        fit(model, optimizer=ts.SGD(schedule="cosine"), callbacks=[Warm()])
    with pytest.raises(ValueError, match="expected None with a Warm"):
        fit(model, strategy=ts.WASSP(workers=2), callbacks=[Warm()])


def test_there_is_no_rate_to_set_outside_of_a_fit():
    model = make_model()
    assert model.learning_rate is None
    with pytest.raises(ValueError, match=r"learning_rate = 0\.1: expected a fit that is running"):
        model.learning_rate = 0.1

    class Setter(ts.Callback):
        def on_epoch_end(self, epoch, logs):
            self.model.learning_rate = 0.1

    with pytest.raises(ValueError, match="without a strategy"):
        fit(model, strategy=ts.WASSP(workers=2), callbacks=[Setter()])
    for wrong in (0.0, -1.0, np.inf, "0.1", None):
        with pytest.raises((ValueError, TypeError), match="learning_rate = "):
            model.learning_rate = wrong


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"monitor": 3}, "monitor"),
        ({"monitor": "seconds"}, "mode"),
        ({"factor": 0.0}, "factor"),
        ({"factor": 1.0}, "factor"),
        ({"factor": "0.1"}, "factor"),
        ({"patience": -1}, "patience"),
        ({"patience": 1.5}, "patience"),
        ({"mode": "least"}, "mode"),
        ({"min_delta": -1e-9}, "min_delta"),
        ({"cooldown": -1}, "cooldown"),
        ({"min_lr": -0.1}, "min_lr"),
        ({"min_lr": np.nan}, "min_lr"),
    ],
)
def test_wrong_arguments_are_named(arguments, name):
    with pytest.raises((ValueError, TypeError), match=name):
        ts.ReduceLROnPlateau(**arguments)


def test_a_number_that_the_fit_lacks_is_refused(state_of):
    model = make_model()
    before = state_of(model)
    with pytest.raises(ValueError, match=r"monitor = 'val_loss'.*give fit validation_data"):
        fit(model, callbacks=[ts.ReduceLROnPlateau()])
    assert state_of(model) == before


def test_it_can_be_pickled_and_copied_after_a_fit():
    plateau = ts.ReduceLROnPlateau("loss", patience=1, min_delta=10.0)
    fit(make_model(), 3, callbacks=[plateau])
    for twin in (pickle.loads(pickle.dumps(plateau)), copy.deepcopy(plateau)):
        assert twin.reductions == plateau.reductions == [1, 2]


def test_the_example_runs():
    assert doctest.testmod(reduce_lr_on_plateau).failed == 0
