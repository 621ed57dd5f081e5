"""What can be run between the epochs of a fit, under Keras's names."""

from typing import TYPE_CHECKING

from trulysparse import _hints
from trulysparse.callbacks.base import Callback, Logs
from trulysparse.callbacks.csv_logger import CSVLogger
from trulysparse.callbacks.early_stopping import EarlyStopping
from trulysparse.callbacks.gradient_norms import GradientNorms
from trulysparse.callbacks.json_logger import JSONLogger
from trulysparse.callbacks.learning_rate_scheduler import LearningRateScheduler
from trulysparse.callbacks.metrics_logger import MetricsLogger
from trulysparse.callbacks.model_checkpoint import ModelCheckpoint
from trulysparse.callbacks.reduce_lr_on_plateau import ReduceLROnPlateau
from trulysparse.callbacks.terminate_on_explosion import TerminateOnExplosion
from trulysparse.callbacks.terminate_on_nan import TerminateOnNaN
from trulysparse.callbacks.topology_recorder import TopologyRecorder

__all__ = [
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "GradientNorms",
    "JSONLogger",
    "LearningRateScheduler",
    "Logs",
    "MetricsLogger",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
    "TerminateOnExplosion",
    "TerminateOnNaN",
    "TopologyRecorder",
]

if not TYPE_CHECKING:  # which would then take any name
    __getattr__ = _hints.of_module(__name__, __all__)
