"""What is wrong with a network at the end of a fit, if something is."""

from __future__ import annotations

from trulysparse import _core
from trulysparse.explosion import Baseline, Trouble, is_suspicious, trouble
from trulysparse.history import History
from trulysparse.training.driver import Driver

# The most samples that are measured after every fit, a batch at most: no time beside an epoch.
PROBE = 256

WEIGHTS = Trouble(
    "not finite",
    "training has diverged: weights or moments of the optimiser are not finite; try a lower "
    "learning rate, standardised features, or smaller targets",
)


def baseline(driver: Driver) -> Baseline | None:
    """Give what losses are compared with, if there are targets yet."""
    constants = driver.constants()[:1]
    return Baseline.of(constants) if constants else None


def verdict(
    core: _core.Network, driver: Driver, history: History, batch_size: int
) -> Trouble | None:
    """Judge the network as it is after the epochs of this history."""
    losses = history.history.get("loss")
    if not losses or history.baseline is None:
        return None
    if not core.is_finite():
        return WEIGHTS
    against = Baseline.of(driver.constants())
    if not is_suspicious(losses, against, driver.measure(min(PROBE, batch_size))):
        return None
    return trouble(losses, against, driver.measure(None))
