"""The activations: one row each. Values and derivatives are the core's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Activation:
    """What Python has to know of an activation.

    Attributes
    ----------
    formula
        What it computes of x, in words and NumPy; ``{slope}`` stands for the slope. None if trained
        parameters take part.
    torch
        PyTorch's module with the same outputs, by its name in `torch.nn`; None if it has none.
    slope
        Of an activation that is a line through 0 on both sides: gives the slope on the negative
        side, from the model's `slope` and the hidden layer, counted from 0.
    hidden
        Whether hidden layers can have it; what outputs have follows from the loss.
    """

    formula: str | None
    torch: str | None = None
    slope: Callable[[float, int], float] | None = None
    hidden: bool = True


def _alternating(slope: float, layer: int) -> float:
    """Give the slope of All-ReLU (arXiv 2102.01732, "All-ReLU: Alternated Left ReLU")."""
    return -slope if layer % 2 == 0 else slope


_LINES = "where x > 0, x; elsewhere {slope:g} * x"

ACTIVATIONS = {
    "all_relu": Activation(f"all_relu: {_LINES}", slope=_alternating),
    "relu": Activation("relu: where x > 0, x; elsewhere 0", slope=lambda slope, layer: 0.0),
    "leaky_relu": Activation(f"leaky_relu: {_LINES}", slope=lambda slope, layer: slope),
    "sigmoid": Activation("sigmoid: 1 / (1 + exp(-x))", "Sigmoid"),
    "tanh": Activation("tanh(x)", "Tanh"),
    "silu": Activation("silu: x / (1 + exp(-x))", "SiLU"),
    "gelu": Activation("gelu: x * (1 + erf(x / sqrt(2))) / 2", "GELU"),
    "identity": Activation("x itself", "Identity"),
    "srelu": Activation(None),
    "softmax": Activation(
        "softmax: exp(x) / exp(x).sum(axis=1, keepdims=True)", "Softmax", hidden=False
    ),
}

# The names that hidden layers can have.
HIDDEN = tuple(name for name, activation in ACTIVATIONS.items() if activation.hidden)
