"""WASSP's learning rate and velocity from epoch to epoch, against the NumPy oracle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trulysparse as ts
from helpers import oracle
from helpers.parallel_fit import content
from hypothesis import given
from hypothesis import strategies as st

BATCH = 4


def make_model(activation: str) -> ts.SparseMLP:
    return ts.SparseMLP(
        [6, 9, 8, 3], density=0.6, activation=activation, dropout=0, seed=3, threads=2
    )


def shares(workers: int, steps: int) -> tuple[Any, Any]:
    """Samples that are the same in any order of a share, if that has several batches."""
    rng = np.random.default_rng(workers)
    count = BATCH if steps == 1 else 1
    x = rng.normal(size=(count * workers, 6)).astype(np.float32)
    return x, rng.integers(0, 3, size=len(x))


@given(
    workers=st.integers(1, 5),
    epochs=st.integers(1, 6),
    fraction=st.sampled_from([0, 0.3, 0.5, 1]),
    steps=st.integers(1, 3),
    warmup_epochs=st.integers(0, 6),
    correction=st.booleans(),
    scaled=st.booleans(),
    nesterov=st.booleans(),
    schedule=st.sampled_from(["constant", "cosine"]),
    activation=st.sampled_from(["all_relu", "srelu"]),
)
def test_every_epoch_has_its_rate_and_its_velocity(
    workers: int,
    epochs: int,
    fraction: float,
    steps: int,
    warmup_epochs: int,
    *,
    correction: bool,
    scaled: bool,
    nesterov: bool,
    schedule: str,
    activation: str,
) -> None:
    model = make_model(activation)
    start = oracle.from_model(model)
    x, y = shares(workers, steps)
    options = {
        "warmup_epochs": warmup_epochs,
        "momentum_correction": correction,
        "scale_local_rate": scaled,
    }
    model.fit(
        np.tile(x, (BATCH * steps, 1)) if steps > 1 else x,
        np.tile(y, BATCH * steps) if steps > 1 else y,
        epochs=epochs,
        batch_size=BATCH,
        optimizer=ts.SGD(0.02, weight_decay=1e-3, nesterov=nesterov, schedule=schedule),
        topology=None,
        strategy=ts.WASSP(workers=workers, local_fraction=fraction, **options),
        progress=False,
    )
    expected, rates = oracle.wassp(
        start,
        x,
        y,
        workers=workers,
        epochs=epochs,
        local_from=epochs - round(fraction * epochs),
        steps=steps,
        rate=lambda n: oracle.learning_rate(schedule, 0.02, n, epochs * steps),
        weight_decay=1e-3,
        nesterov=nesterov,
        **options,
    )
    np.testing.assert_allclose(model.history.history["learning_rate"], rates, rtol=1e-12)
    found = oracle.from_model(model)
    for mine, theirs in zip(found.layers, expected.layers, strict=True):
        for name in ("weight", "momentum", "bias", "bias_momentum", "srelu", "srelu_momentum"):
            if getattr(theirs, name) is not None:
                np.testing.assert_allclose(
                    getattr(mine, name), getattr(theirs, name), rtol=2e-4, atol=2e-6, err_msg=name
                )


@pytest.mark.parametrize("correction", [False, True])
def test_the_velocity_is_scaled_once_an_epoch_and_by_the_very_ratio(correction: bool) -> None:
    # Without momentum and gradients only the scaling of epoch 1 is left of the velocity.
    x, y = np.zeros((8, 6), np.float32), np.zeros(8, np.float32)
    model = ts.SparseMLP(
        [6, 9, 1], density=0.6, activation="tanh", loss="squared_error", seed=3, threads=1
    )
    model.fit(x, y + 1, batch_size=8, epochs=1, topology=None, progress=False)
    before = model.layers[-1].bias_momentum.copy()
    assert (before != 0).all()
    model.fit(
        x,
        y + model.predict(x)[0, 0],
        epochs=2,
        initial_epoch=1,
        batch_size=1,
        optimizer=ts.SGD(1e-30, momentum=0.5, weight_decay=0),
        topology=None,
        strategy=ts.WASSP(
            workers=2, warmup_epochs=1, local_fraction=0, momentum_correction=correction
        ),
        progress=False,
    )
    # Four steps of two workers halve it four times, after the rate has doubled.
    expected = before * np.float32((2 if correction else 1) * 0.5**4)
    np.testing.assert_array_equal(model.layers[-1].bias_momentum, expected)


def test_a_fit_that_goes_on_at_an_epoch_is_the_same_fit(tmp_path: Path) -> None:
    x, y = shares(3, 1)

    class Stop(ts.Callback):
        def __init__(self, after: int | None) -> None:
            self.after = after

        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            self.model.stop_training = epoch == self.after

    def fitted(*pieces: tuple[int, int | None]) -> bytes:
        model = make_model("srelu")
        for first, last in pieces:
            model.fit(
                x,
                y,
                epochs=6,
                initial_epoch=first,
                batch_size=2,
                topology=None,
                callbacks=[Stop(last)],
                strategy=ts.WASSP(
                    workers=3, warmup_epochs=4, local_fraction=0, momentum_correction=True
                ),
                progress=False,
            )
        return content(model, tmp_path / "model")

    assert fitted((0, 2), (3, None)) == fitted((0, None))


@pytest.mark.parametrize("name", ["momentum_correction", "scale_local_rate"])
def test_options_that_are_no_booleans_are_named(name: str) -> None:
    with pytest.raises(TypeError, match=f"{name} = 'yes'"):
        ts.WASSP(**{name: "yes"})  # type: ignore[arg-type]
