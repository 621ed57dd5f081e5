"""Optimisers and the schedules of their learning rates."""

from trulysparse.optim import optimizers
from trulysparse.optim.optimizers import *  # noqa: F403
from trulysparse.optim.schedules import Constant, Cosine, ExponentialDecay, Schedule, StepDecay

__all__ = ["Constant", "Cosine", "ExponentialDecay", "Schedule", "StepDecay"]
__all__ += optimizers.__all__
