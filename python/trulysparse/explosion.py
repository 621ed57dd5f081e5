"""When a fit has exploded: what its losses are compared with, and what is said."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from trulysparse import _core

FACTOR = 10.0
"""A loss of this many times the least before, or the most that is usual, is an explosion."""

NOTHING = "nothing learnt"
"""The kind of `Trouble` that is no explosion, and for which no other rate is tried."""

LITTLE = "little learnt"
"""The same where a little was, which only counts if features are to blame."""

EXPLODED, NOT_FINITE = "exploded", "not finite"
"""Kinds of `Trouble` for which a lower rate is tried."""

# The part of the usual loss below which the least one is not counted: near 0 a loss jumps for
# nothing.
_FLOOR_AT_THE_END = 0.005
_FLOOR_WHILE_TRAINING = 0.05
# Above this multiple of the constant's loss a network is worse; less may be noise.
_ABOVE = 1.05
# The part of an untrained network's loss above which one is worse that has targets of one value.
_ABOVE_ONE_VALUE = 0.25
# A loss of this many times that of the first epoch has risen.
_ROSE = 2
# Epochs after which a network should have learnt something.
_ENOUGH = 10
# Steps after which it should be, in that many epochs.
_ENOUGH_STEPS = 200
# A loss above this part of the constant's is no better.
_NO_BETTER = 0.995
# One above this part is hardly better.
_HARDLY_BETTER = 0.9


_SCALED, _SCALED_SPARSE = (
    "standardised features",
    "features scaled by scikit-learn's MaxAbsScaler (with standardize=False)",
)

LOWER = f"try a lower learning rate, {_SCALED}, or smaller targets"
"""Advice where numbers are too large."""


class ExplosionWarning(RuntimeWarning):
    """A fit has ended with a network that is worse than none; the message says why.

    After a fit the loss of the training samples is measured: with their weights and smoothed labels
    as in training, without dropout, noise and changed images. First on one in twenty of the samples
    trained; on all if that, or the last epoch's loss, is suspicious. Of an iterator the last batch
    is measured; the workers of an MPI job measure their shares. It is compared with the loss of the
    best constant prediction for the targets and weights of an epoch, `Baseline`. A fit gets this
    warning

    - if a loss, a weight or a moment of the optimiser is not finite;
    - if the loss is more than twice the constant's and an untrained network's together;
    - if the loss is ten times the least of all epochs, and not close to zero;
    - if the loss is above the constant's by 5 % after two epochs or more; if all targets are the
      same, by a quarter of an untrained network's;
    - if it is no better and all predictions are the same: hidden units are dead;
    - if it is not 0.5 % below the constant's after ten epochs and 200 steps, or more: nothing was
      learnt. The message names causes that the data show;
    - if it is not 10 % below it by then, and features are far from a size of 1.
    """


class Baseline(NamedTuple):
    """What losses of a fit are compared with; means over samples, weighted as the loss is.

    ``loss`` is that of the best constant prediction: the weighted shares of the classes or labels,
    the weighted mean, or Huber's minimiser. ``start`` is about the most that an untrained network
    has: the loss of outputs of zero and, as they vary, 1 for each output (one in all with a
    softmax). ``slack`` is by how much cross-entropies may be above the constant's, as they come
    near 0 and never to it.
    """

    loss: float
    start: float
    slack: float = 0.0

    @property
    def usual(self) -> float:
        """The most that is usual, after any number of epochs."""
        return 2 * (self.loss + self.start)

    @classmethod
    def of(cls, constants: Iterable[_core.Constant]) -> Baseline:
        """Take the largest of each."""
        found = list(constants)
        return cls(*(max(getattr(one, name) for one in found) for name in cls._fields))


@dataclass(frozen=True)
class Trouble:
    """What is wrong with a network after its fit.

    ``kind`` is ``"not finite"``, ``"exploded"``, ``"above a constant"``, ``"frozen"``,
    ``"nothing learnt"`` or ``"little learnt"``.
    """

    kind: str
    message: str

    def of_sparse(self) -> Trouble:
        """Say the same of sparse samples, which lose their zeros where they are standardised."""
        return replace(self, message=self.message.replace(_SCALED, _SCALED_SPARSE))


def grew(losses: Sequence[float], baseline: Baseline, factor: float = FACTOR) -> bool:
    """Tell whether the last epoch's loss, the mean of its batches, is an explosion."""
    loss = losses[-1]
    if not math.isfinite(loss):
        return True
    finite = filter(math.isfinite, losses)
    least = max(min(finite), _FLOOR_WHILE_TRAINING * baseline.usual)
    return loss > factor * min(least, baseline.usual)


def is_better(loss: float, baseline: Baseline) -> bool:
    """Tell whether a network with this loss has learnt anything."""
    return loss <= _NO_BETTER * baseline.loss


def is_suspicious(
    losses: Sequence[float], baseline: Baseline, probe: _core.Measured, steps: int
) -> bool:
    """Tell whether all samples have to be measured, where `probe` is of some.

    Noise in the loss of a short fit is no reason: measuring would take a good part of its time.
    """
    loss = losses[-1]
    if trouble(losses, baseline, probe, steps) is not None:
        return True
    is_near = len(losses) >= _ENOUGH and not loss < 0.99 * baseline.loss
    has_risen = loss > _ROSE * losses[0] and loss > baseline.loss
    return (
        is_near or has_risen or not loss <= min(baseline.usual, FACTOR * _least(losses, baseline))
    )


def exploded(losses: Sequence[float], baseline: Baseline) -> Trouble:
    """Judge a network whose loss was far above the constant's all through the last epoch."""
    what = f"the loss of epoch {len(losses)} is {losses[-1]:.4g}"
    than = f"{baseline.loss:.4g}, that of the best constant prediction"
    return Trouble(EXPLODED, f"training has exploded: {what}, far above {than}; {LOWER}")


def trouble(
    losses: Sequence[float], baseline: Baseline, measured: _core.Measured, steps: int
) -> Trouble | None:
    """Judge a network by the losses of its epochs and by what was measured after these steps."""
    loss, constant = measured.loss, baseline.loss
    what = f"the loss of the training samples is {loss:.4g} after {_epochs(len(losses))}"
    than = f"{constant:.4g}, that of the best constant prediction"
    if not math.isfinite(loss):
        return Trouble(NOT_FINITE, f"training has diverged: {what}; {LOWER}")
    if loss > baseline.usual:
        return Trouble(EXPLODED, f"training has exploded: {what}, far above {than}; {LOWER}")
    least = _least(losses, baseline)
    if loss > FACTOR * least:
        message = f"{what}, more than ten times the least of them, {_least(losses, None):.4g}"
        return Trouble(EXPLODED, f"training has exploded: {message}; try a lower learning rate")
    if not measured.varies and measured.samples > 1 and loss >= 0.99 * constant > 0:
        return Trouble(
            "frozen",
            f"training is frozen: all predictions are the same, and {what}, as with {than}; hidden "
            "units are dead, saturated or cut off: try a lower learning rate, another activation, "
            "or more connections",
        )
    is_varied = constant > 0.1 * baseline.slack
    most = _ABOVE * constant if is_varied else constant + _ABOVE_ONE_VALUE * baseline.start
    if loss > most + baseline.slack and len(losses) >= 2:
        return Trouble(
            "above a constant",
            f"training has come to nothing: {what}, above {than}; try another learning rate, or "
            "more epochs",
        )
    is_long = len(losses) >= _ENOUGH and steps >= _ENOUGH_STEPS
    if not is_long or not is_varied or loss <= _HARDLY_BETTER * constant or constant <= 0:
        return None
    if is_better(loss, baseline):
        return Trouble(LITTLE, f"training has learnt little: {what}, hardly better than {than}")
    return Trouble(NOTHING, f"training has learnt nothing: {what}, no better than {than}")


def _least(losses: Sequence[float], baseline: Baseline | None) -> float:
    floor = 0.0 if baseline is None else _FLOOR_AT_THE_END * baseline.usual
    return max(min(filter(math.isfinite, losses), default=math.inf), floor)


def _epochs(count: int) -> str:
    return "1 epoch" if count == 1 else f"{count} epochs"
