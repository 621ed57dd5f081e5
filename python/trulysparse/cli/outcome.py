"""Whether a trained network is worth keeping."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from trulysparse.cli.tables.problem import Problem
from trulysparse.explosion import EXPLODED, LITTLE, NOT_FINITE, NOTHING, Trouble
from trulysparse.importance import KINDS
from trulysparse.model import SparseMLP
from trulysparse.training.loop import CUT_OFF

# A loss of this many times the limit is an explosion in any epoch: its large weights remain.
EXPLOSION = 100


def constant_loss(labels: npt.NDArray[np.int64]) -> float:
    """Compute the mean cross-entropy of the best constant prediction: the classes' frequencies."""
    share = np.bincount(labels) / len(labels)
    share = share[share > 0]
    return float((share * np.log(1 / share)).sum())


def limit(labels: npt.NDArray[np.int64], classes: int) -> float:
    """Give the loss above which a network is far worse than a constant prediction.

    It is the best constant one's plus ``log(classes)``, the loss of a guess: twice the constant
    one's if the classes are equally frequent. A network that has learnt nothing is near the guess,
    and so below, also with rare classes; only large outputs for wrong classes are above.
    """
    return constant_loss(labels) + math.log(classes)


def trouble(
    model: SparseMLP, data: Problem, epochs: int, *, interrupted: bool, last: bool = True
) -> str | None:
    """Say what makes the network worthless, in half a sentence, or None.

    That is a number that is not finite, or a loss beyond the `limit` both while training and
    afterwards. A large loss while training alone may come from dropout, or from the first steps if
    there were few; one afterwards alone may be overfitting. If this is not the `last` try, a
    training loss that rose beyond the limit is enough: weights that were thrown far out can still
    fit the training samples.
    """
    history = model.history
    done = len(history.epoch)
    if not _is_finite(model):
        # The losses may be fine still if Ctrl-C broke an epoch off.
        epoch = min(done + history.is_finite(), epochs)
        return f"training diverged in epoch {epoch}: the loss is not finite"
    if interrupted or not done:
        return None
    if not KINDS["path"](model._core).any():  # constant features included
        return CUT_OFF
    if not data.has_classes:
        return None if history.trouble is None else _failed(history.trouble)
    losses = history.history["loss"]
    most = limit(data.y_train, data.n_classes)
    worst = _worst(model, data, losses, most)
    if worst is not None:
        return (
            f"training failed: a loss of {worst:.4g} after {done} epochs is far above "
            f"{constant_loss(data.y_train):.4g}, that of a constant prediction"
        )
    rose = None if last else _rose(losses, most)
    if rose is not None:
        return f"training was unstable: the loss rose to {losses[rose]:.4g} in epoch {rose + 1}"
    return None


def _failed(found: Trouble) -> str | None:
    """Say what `SparseMLP.fit` says of a network that is worse than none."""
    return found.message.partition(";")[0] if found.kind in (EXPLODED, NOT_FINITE) else None


def _worst(model: SparseMLP, data: Problem, losses: Sequence[float], most: float) -> float | None:
    """Give the largest loss at the end, if it is beyond the limit while training and afterwards."""
    if losses[-1] <= most and max(losses) <= EXPLOSION * most:
        return None
    loss = model.history.history["val_loss"][-1]
    if loss <= most:
        loss = model.evaluate(data.x_train, data.y_train)["loss"]
    return None if loss <= most else max(losses[-1], loss)


def learnt_nothing(model: SparseMLP) -> bool:
    """Tell whether `warning` is of a network that is as good as a constant, and no worse."""
    found = model.history.trouble
    return found is not None and found.kind in (NOTHING, LITTLE)


def warning(model: SparseMLP) -> str | None:
    """Give what `SparseMLP.fit` says of a network that is no better than none, or None."""
    found = model.history.trouble
    return None if found is None else found.message


def remark(data: Problem, loss: float) -> str | None:
    """Remark on a test loss above a constant prediction's, or give None.

    It may be overfitting, with most classes right: no reason to throw the network away.
    """
    if not data.has_classes:
        return None
    constant = max(constant_loss(data.y_train), constant_loss(data.y_test))
    if loss <= constant:
        return None
    above = "far above" if loss > limit(data.y_train, data.n_classes) else "above"
    return (
        f"note: the test loss is {above} {constant:.4g}, that of a constant prediction: do not "
        "rely on the probabilities"
    )


def untrained(data: Problem, trained_on: Problem) -> str | None:
    """Name the classes that no training row has, or give None."""
    if not data.has_classes:
        return None
    seen = np.isin(np.arange(data.n_classes), trained_on.y_train)
    missing = np.flatnonzero(~seen)
    if not len(missing):
        return None
    names = [str(i) if data.class_names is None else data.class_names[i] for i in missing]
    some = ", ".join(map(repr, names[:5])) + (", ..." if len(names) > 5 else "")
    rows = int(np.isin(data.y_test, missing).sum())
    return (
        f"{len(names)} of {data.n_classes} classes have no training rows, so nothing trains their "
        f"outputs: {some}, with {rows} of {len(data.y_test)} test rows"
    )


def advice(rate: float, usual: float, losses: Sequence[float]) -> str:
    """Advise on the learning rate to try after these losses; `usual` is the preset's."""
    if rate < usual and losses and losses[-1] <= 1.5 * losses[0]:  # dropout is noise
        return f"Try a higher --learning-rate than {rate:g}, such as {usual:g}, or more epochs."
    other = usual if rate > usual else rate / 4
    return f"Try a lower --learning-rate than {rate:g}, such as {other:g}."


def _rose(losses: Sequence[float], most: float) -> int | None:
    """Find the first epoch with a loss above `most` after one below it."""
    below = next((i for i, loss in enumerate(losses) if loss <= most), len(losses))
    return next((i for i in range(below, len(losses)) if losses[i] > most), None)


def _is_finite(model: SparseMLP) -> bool:
    """Tell whether every loss and parameter is; Ctrl-C may come before there is a loss."""
    return model.history.is_finite() and all(
        np.isfinite(values).all()
        for layer in model.layers
        for values in (layer.weight.data, layer.bias)
    )
