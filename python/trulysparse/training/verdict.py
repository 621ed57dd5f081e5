"""What is wrong with a network at the end of a fit, if something is."""

from __future__ import annotations

from trulysparse import _core
from trulysparse.explosion import (
    LITTLE,
    LOWER,
    NOTHING,
    Baseline,
    Trouble,
    exploded,
    is_better,
    is_suspicious,
    trouble,
)
from trulysparse.history import History
from trulysparse.training.driver import Driver

# What is measured after every fit: a part of the samples trained, in these limits. It takes less
# than a fiftieth of their time, as a training step does the work of three.
_PROBED = 0.05
_LEAST, _MOST = 8, 1024
# The least after more than one epoch, by which a network should be better than a constant.
_LEAST_OF_SEVERAL = 256

WEIGHTS = Trouble(
    "not finite",
    f"training has diverged: weights or moments of the optimiser are not finite; {LOWER}",
)


def baseline(driver: Driver) -> Baseline | None:
    """Give what losses are compared with, if there are targets yet."""
    constants = driver.constants()[:1]
    return Baseline.of(constants) if constants else None


def verdict(core: _core.Network, driver: Driver, history: History, steps: int) -> Trouble | None:
    """Judge the network as it is after the epochs of this history, each of `steps` steps."""
    losses = history.history.get("loss")
    if not losses or history.baseline is None:
        return None
    if not core.is_finite():
        return WEIGHTS
    constants = driver.constants()
    against, taken, samples = Baseline.of(constants), steps * len(losses), constants[0].samples
    least = _LEAST if len(losses) == 1 else _LEAST_OF_SEVERAL
    some = min(max(round(_PROBED * samples * len(losses)), least), _MOST)
    measured = driver.measure(some if some < samples else None)
    if not is_suspicious(losses, against, measured, taken):
        return None
    if some < samples:
        measured = driver.measure(None)
    if measured.samples >= samples:
        return trouble(losses, against, measured, taken)
    # A single batch of a stream may be easier or harder than the others.
    if losses[-1] > max(measured.loss, against.usual):
        return exploded(losses, against)
    found = trouble(losses, against, measured, taken)
    is_harder = is_better(losses[-1], against)
    return None if found is not None and found.kind in (NOTHING, LITTLE) and is_harder else found
