"""Methods of callbacks that a fit never calls."""

import numpy as np
import pytest
import trulysparse as ts

X = np.random.default_rng(1).normal(size=(20, 4))
Y = np.arange(20) % 2
# Keras's, and one that is misspelt.
NEVER = [
    "on_batch_begin",
    "on_batch_end",
    "on_train_batch_begin",
    "on_train_batch_end",
    "on_test_begin",
    "on_test_end",
    "on_test_batch_end",
    "on_predict_begin",
    "on_predict_batch_end",
    "on_epoch_ends",
]


def fit(*callbacks, model=None):
    model = model or ts.SparseMLP([4, 6, 2], seed=0, threads=1)
    model.fit(X, Y, epochs=2, callbacks=callbacks, progress=False)
    return model


@pytest.mark.parametrize("name", NEVER)
def test_hooks_that_are_never_called_are_refused(name):
    kind = type("Counter", (ts.Callback,), {name: lambda self, *given: None})
    child = type("Child", (kind,), {})
    assigned = ts.Callback()
    setattr(assigned, name, lambda *given: None)
    model = ts.SparseMLP([4, 6, 2], seed=0, threads=1)
    before = model.to_scipy()[0][0].data.tobytes()
    for callback in (kind(), child(), assigned):
        match = rf"with {name}, which no fit calls: expected on_train_begin, .* or on_train_end"
        with pytest.raises(TypeError, match=match):
            fit(ts.TerminateOnNaN(), callback, model=model)
    assert model.to_scipy()[0][0].data.tobytes() == before


def test_hooks_that_are_called():
    called = []

    class All(ts.Callback):
        on_time = False  # no method

        def _on_batch(self):
            raise AssertionError

        def on_train_begin(self, logs):
            called.append("train begin")

        def on_epoch_begin(self, epoch, logs):
            called.append(f"{epoch} begin")

        def on_epoch_end(self, epoch, logs):
            called.append(f"{epoch} end")

        def on_train_end(self, logs):
            called.append("train end")

    fit(All())
    assert called == ["train begin", "0 begin", "0 end", "1 begin", "1 end", "train end"]


def test_our_own_callbacks_have_no_others():
    monitor = {"monitor": "loss"}
    fit(
        ts.EarlyStopping(**monitor),
        ts.ReduceLROnPlateau(**monitor),
        ts.TerminateOnNaN(),
        ts.TerminateOnExplosion(),
        ts.GradientNorms(X, Y),
        ts.TopologyRecorder(),
    )


@pytest.mark.parametrize("kind", [ts.LearningRateScheduler, ts.MetricsLogger])
def test_functions_take_what_a_callback_gives_them(kind):
    for wrong in (lambda epoch: 0.1, lambda epoch, rate, more: 0.1, 0.1):
        message = r"^(schedule|function) = .*: expected a function that is called as \1\(epoch, \w+"
        with pytest.raises(TypeError, match=message):
            kind(wrong)
    for right in (lambda epoch, rate, more=1: 0.1, lambda *given: 0.1):
        fit(kind(right))


def test_no_callbacks():
    fitted = ts.SparseMLP([4, 6, 2], seed=0, threads=1)
    fitted.fit(X, Y, epochs=2, callbacks=None, progress=False)
    assert fitted.predict(X).tobytes() == fit().predict(X).tobytes()


def test_a_wrong_name_of_a_number_says_which_may_be_meant():
    for wrong, right in (("val_acc", "val_accuracy"), ("acc", "accuracy"), ("los", "loss")):
        for kind in (ts.EarlyStopping, ts.ReduceLROnPlateau):
            with pytest.raises(ValueError, match=f"^monitor = '{wrong}' .* may be '{right}'"):
                kind(wrong)
        with pytest.raises(ValueError, match=f"^monitor = '{wrong}': .*(may be|validation_data)"):
            fit(ts.EarlyStopping(wrong, mode="min"))
