"""Callbacks, other threads, interruption: what may happen while a fit runs."""

import copy
import math
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import trulysparse as ts
from helpers import cases, limits
from helpers.small_model import Log, X, Y, fit, fit_and_return, make_model, through_file


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
        fit(copy.deepcopy(model), 1)  # a copy is free

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
                thread.join(limits.CHILD)
            else:
                refused(model, mutate)

    assert issubclass(ts.ModelBusyError, RuntimeError)
    outcomes, model, plain = [], make_model(), make_model()
    fit(model, callbacks=[Log(("epoch_end", 0), attempt)])
    assert len(outcomes) == len(MUTATIONS)
    assert state_of(model) == state_of(fit_and_return(plain))


class Meanwhile(ts.Callback):
    """Runs ``work`` over and over in another thread while an epoch is trained.

    On a busy machine the other thread may be held up, so there are more epochs until ``enough``
    was done within one of them.
    """

    def __init__(self, work, enough):
        self.work, self.enough, self.outcomes, self.count = work, enough, [], 0

    def run(self, stop):
        while not stop.is_set():
            try:
                self.outcomes.append(self.work())
            except Exception as error:
                self.outcomes.append(error)
            time.sleep(0.001)

    def on_epoch_begin(self, epoch, logs=None):
        self.before, self.stop = len(self.outcomes), threading.Event()
        self.thread = threading.Thread(target=self.run, args=[self.stop], daemon=True)
        self.thread.start()

    def on_epoch_end(self, epoch, logs=None):
        # Before Python lets the other thread run again.
        self.count = max(self.count, len(self.outcomes) - self.before)
        self.stop.set()
        self.thread.join(limits.CHILD)
        self.model.stop_training = self.count > self.enough


def long_epoch(model, work, enough=5, epochs=80):
    """Epochs of very many steps with ``work`` going on beside them."""
    meanwhile = Meanwhile(work, enough)
    x, y = np.repeat(X, 500, axis=0), np.repeat(Y, 500)
    model.fit(x, y, epochs=epochs, batch_size=1, callbacks=[meanwhile], progress=False)
    assert model.steps_trained == model.epochs_trained * len(x)
    return meanwhile


def test_other_threads_run_while_an_epoch_is_trained():
    # Holding the interpreter lock, fit would leave them a round or two at its ends.
    assert long_epoch(make_model(), lambda: None).count > 5


def test_changes_by_another_thread_within_an_epoch_are_refused():
    model = make_model()
    meanwhile = long_epoch(model, lambda: model.train_on_batch(X, Y))
    assert meanwhile.count > 5
    assert {type(outcome) for outcome in meanwhile.outcomes} == {ts.ModelBusyError}


def test_reads_by_another_thread_within_an_epoch_work_or_are_refused():
    model = make_model()
    for outcome in long_epoch(model, lambda: model.predict(X), enough=0).outcomes:
        assert isinstance(outcome, ts.ModelBusyError) or np.isfinite(outcome).all()


def test_readers_in_another_thread_get_in_while_an_epoch_is_trained():
    model, plain = make_model(), make_model()
    meanwhile = long_epoch(model, lambda: model.predict(X), enough=20)
    assert meanwhile.count > 20
    long_epoch(plain, lambda: None, enough=math.inf, epochs=model.epochs_trained)
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
import os, signal, sys, threading, time
import numpy as np
import trulysparse as ts

signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job may ignore it
x = np.repeat(np.random.default_rng(0).normal(size=(1, 30)), 400_000, axis=0)
y = np.zeros(len(x), int)
create = lambda: ts.SparseMLP([30, 64, 32, 4], density=0.5, seed=0, threads=2)
arrays = lambda m: [a.tobytes() for la in m.layers
                    for a in (la.weight.data, la.momentum.data, la.bias, la.bias_momentum)]

def interrupt(model):
    while model.steps_trained == 0:
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGINT)

options = dict(batch_size=1, topology=None, progress=False)
for _ in range(10):  # a busy machine may hold up the thread for the whole epoch
    model, again = create(), create()
    thread = threading.Thread(target=interrupt, args=[model])
    thread.start()
    try:
        model.fit(x, y, epochs=50, **options)
    except KeyboardInterrupt:
        pass
    else:
        sys.exit("not interrupted")
    thread.join()
    steps = model.steps_trained
    if steps < len(x):
        break
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
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=limits.CHILD
    )
    assert (done.returncode, done.stdout) == (0, "fine\n"), done.stderr


def test_a_snapshot_is_what_restore_goes_back_to(state_of):
    model = make_model()
    fit(model, 2)
    before, snapshot = state_of(model), model.snapshot()
    fit(model, 2, topology=ts.SET(0.5))
    assert state_of(model) != before
    model.restore(snapshot)
    assert state_of(model) == before
    with pytest.raises(TypeError, match=r"expected what SparseMLP\.snapshot gave"):
        model.restore(model)
    fit(model, 1)
    trained = state_of(model)
    with pytest.raises(ValueError, match="snapshot was restored before"):
        model.restore(snapshot)
    assert state_of(model) == trained


def test_a_callback_may_restore_at_the_end_only(state_of):
    class Restore(ts.Callback):
        def __init__(self, moment):
            self.moment = moment

        def on_train_begin(self, logs):
            self.start = self.model.snapshot()
            self.do("begin")

        def on_epoch_end(self, epoch, logs):
            self.do("epoch")

        def on_train_end(self, logs):
            self.do("end")

        def do(self, moment):
            if moment == self.moment:
                self.model.restore(self.start)

    model = make_model()
    before = state_of(model)
    fit(model, 2, callbacks=[Restore("end")])
    assert state_of(model) == before
    for moment in ("begin", "epoch"):
        with pytest.raises(ts.ModelBusyError, match="restore would change the model"):
            fit(model, 2, callbacks=[Restore(moment)])
    snapshot = model.snapshot()
    model.restore(snapshot)  # the fit is over


@pytest.mark.cases
def test_a_fit_that_ends_while_another_thread_sets_the_rate():
    model, ended = make_model(), threading.Event()
    refused: list[BaseException] = []

    def set_rate() -> None:
        while not ended.is_set():
            try:
                model.learning_rate = 0.01
            except Exception as error:
                refused.append(error)

    thread = threading.Thread(target=set_rate)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        thread.start()
        for _ in range(cases.some(20, 200)):
            fit(model, 1)
    finally:
        ended.set()
        thread.join()
        sys.setswitchinterval(interval)
    assert {type(error) for error in refused} <= {ValueError}
