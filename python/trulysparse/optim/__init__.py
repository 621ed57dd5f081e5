"""Optimisers and the schedules of their learning rates."""

from trulysparse.optim.optimizers import SGD, Adam, Optimizer
from trulysparse.optim.schedules import Constant, Cosine, ExponentialDecay, Schedule, StepDecay

__all__ = [
    "SGD",
    "Adam",
    "Constant",
    "Cosine",
    "ExponentialDecay",
    "Optimizer",
    "Schedule",
    "StepDecay",
]
