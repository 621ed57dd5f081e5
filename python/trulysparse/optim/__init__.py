"""Optimisers and the schedules of their learning rates."""

from typing import TYPE_CHECKING

from trulysparse import _hints
from trulysparse.optim import optimizers
from trulysparse.optim.optimizers import *  # noqa: F403
from trulysparse.optim.schedules import Constant, Cosine, ExponentialDecay, Schedule, StepDecay

__all__ = ["Constant", "Cosine", "ExponentialDecay", "Schedule", "StepDecay"]
__all__ += optimizers.__all__

if not TYPE_CHECKING:  # which would then take any name
    __getattr__ = _hints.of_module(__name__, __all__)
