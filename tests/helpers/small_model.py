"""A small network, its data and a callback that several test files use."""

import numpy as np
import trulysparse as ts

SIZES = [6, 20, 15, 4]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, SIZES[0])).astype(np.float32)
Y = RNG.integers(0, SIZES[-1], size=len(X))

# With it the loss of other samples falls for some epochs of `fit`, and then grows.
OVERFITTING = ts.SGD(0.05, weight_decay=1e-4)


def noisy(count):
    """Other samples, and labels of which more than half follow a rule, as `NOISY` does."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(count, SIZES[0])).astype(np.float32)
    return x, _noisy_labels(x, rng)


def _noisy_labels(x, rng):
    return np.where(
        rng.random(len(x)) < 0.4, rng.integers(0, SIZES[-1], len(x)), x[:, : SIZES[-1]].argmax(1)
    )


NOISY = _noisy_labels(X, np.random.default_rng(6))


def make_model(**options):
    return ts.SparseMLP(SIZES, **({"density": 0.5, "seed": 3, "threads": 2} | options))


def fit(model, epochs=2, y=Y, **options):
    return model.fit(X, y, **({"epochs": epochs, "batch_size": 16, "progress": False} | options))


def through_file(model, tmp_path):
    model.save(tmp_path / "model.safetensors")
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]
    return ts.load(str(tmp_path / "model.safetensors"))


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


def fit_and_return(model, *args, **options):
    fit(model, *args, **options)
    return model
