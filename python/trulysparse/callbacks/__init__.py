"""What can be run between the epochs of a fit, under Keras's names."""

from trulysparse.callbacks._base import Callback, Logs
from trulysparse.callbacks._files import CSVLogger, ModelCheckpoint
from trulysparse.callbacks._gradients import GradientNorms
from trulysparse.callbacks._rates import LearningRateScheduler
from trulysparse.callbacks._stopping import EarlyStopping, TerminateOnNaN

__all__ = [
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "GradientNorms",
    "LearningRateScheduler",
    "Logs",
    "ModelCheckpoint",
    "TerminateOnNaN",
]
