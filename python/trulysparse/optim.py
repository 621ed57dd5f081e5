"""Optimisers."""

from __future__ import annotations

from dataclasses import dataclass

from trulysparse import _check

SCHEDULES = ("constant", "cosine")
LAYER_RATES = ("equal", "fan_in")


@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent with momentum (the paper's section 1).

    With the gradient ``g``, the mean over the batch, a step is ``v = momentum * v -
    learning_rate * g`` and ``w = w + v - weight_decay * w``, for biases as for weights.

    Parameters
    ----------
    learning_rate
        Positive; the rate at the start. Default 0.01.
    momentum
        In [0, 1). Default 0.9.
    weight_decay
        In [0, 1): the fraction of every parameter that is taken away per step. As in the paper it
        is *not* multiplied by the learning rate. Default 0.0002.
    nesterov
        Use Nesterov's variant, ``w = w + momentum * v - learning_rate * g - weight_decay * w``.
    schedule
        ``"constant"`` (default), or ``"cosine"``: from the learning rate down to 0 along half a
        cosine over all steps of a fit.
    layer_rates
        ``"equal"`` (default), or ``"fan_in"``: the rate of a layer's weights is multiplied by the
        smallest mean fan-in of all layers over its own, for networks whose layers differ much.
        With fan-ins of 2 in the hidden layers and of 2.5 million in the last one, equal rates that
        move the first at all let the last one diverge. Biases take the rate as it is.

    Raises
    ------
    ValueError, TypeError
        If a value is out of its range.
    """

    learning_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 2e-4
    nesterov: bool = False
    schedule: str = "constant"
    layer_rates: str = "equal"

    def __post_init__(self) -> None:
        """Check every value."""
        checked = {
            "learning_rate": _check.real(
                "learning_rate",
                self.learning_rate,
                "a positive finite number",
                low=0,
                low_open=True,
            ),
            "momentum": _check.real(
                "momentum", self.momentum, "a number in [0, 1)", low=0, high=1, high_open=True
            ),
            "weight_decay": _check.real(
                "weight_decay",
                self.weight_decay,
                "a number in [0, 1)",
                low=0,
                high=1,
                high_open=True,
            ),
            "nesterov": _check.boolean("nesterov", self.nesterov),
            "schedule": _check.choice("schedule", self.schedule, SCHEDULES),
            "layer_rates": _check.choice("layer_rates", self.layer_rates, LAYER_RATES),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)
