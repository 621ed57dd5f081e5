"""The losses: one row each. Its formula and gradient are the core's, in ``rust/nn/loss.rs``."""

from __future__ import annotations

from dataclasses import dataclass

from trulysparse import _core


@dataclass(frozen=True)
class Loss:
    """What Python has to know of a loss.

    Attributes
    ----------
    output
        The activation of the outputs.
    has_accuracy
        Whether right and wrong answers can be told apart.
    takes_classes
        Whether targets can be class labels, one for each sample.
    """

    output: str
    has_accuracy: bool = True
    takes_classes: bool = False


LOSSES = {
    "cross_entropy": Loss("softmax", takes_classes=True),
    "binary_cross_entropy": Loss("sigmoid"),
    "squared_error": Loss("identity", has_accuracy=False),
    "huber": Loss("identity", has_accuracy=False),
    "squared_error_sigmoid": Loss("sigmoid"),
}


def scores(loss: str, found: _core.Scores) -> dict[str, float]:
    """Give the numbers that a loss has, by name."""
    if LOSSES[loss].has_accuracy:
        return {"loss": found.loss, "accuracy": found.accuracy}
    return {"loss": found.loss}
