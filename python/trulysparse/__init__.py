"""Truly sparse neural networks: only the connections that exist are stored and computed with.

The system of *Truly Sparse Neural Networks at Scale* (arXiv 2102.01732) with a Rust core::

    import trulysparse as ts

    model = ts.SparseMLP([784, 1000, 1000, 1000, 10], epsilon=20, seed=0)
    history = model.fit(x, y, epochs=10, validation_data=(x_test, y_test))
    model.evaluate(x_test, y_test)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from trulysparse._core import __version__
from trulysparse.attribution import Explanation
from trulysparse.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    GradientNorms,
    JSONLogger,
    LearningRateScheduler,
    MetricsLogger,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TerminateOnExplosion,
    TerminateOnNaN,
    TopologyRecorder,
)
from trulysparse.data.augmentation import ImageAugmentation
from trulysparse.data.blocks import Blocks
from trulysparse.explosion import ExplosionWarning
from trulysparse.history import History
from trulysparse.layer import Layer
from trulysparse.loading import load
from trulysparse.memory import MemoryPlan, plan
from trulysparse.model import ModelBusyError, SparseMLP
from trulysparse.optim import SGD, Adam, Constant, Cosine, ExponentialDecay, Lion, StepDecay
from trulysparse.parallel import WASAP, WASSP
from trulysparse.parallel.mpi.link import PeerError
from trulysparse.presets import Preset, preset
from trulysparse.readers import Table, read_table
from trulysparse.recipe import RECIPE, Recipe
from trulysparse.streams import RowBlocks, open_table
from trulysparse.tables.encoder import TableEncoder
from trulysparse.topology import (
    SET,
    EvolvingLayer,
    GradientGrowth,
    ImportancePruning,
    TopologyRule,
)

if TYPE_CHECKING:
    from trulysparse.estimators import SparseFeatureSelector as SparseFeatureSelector
    from trulysparse.estimators import SparseMLPClassifier as SparseMLPClassifier
    from trulysparse.estimators import SparseMLPRegressor as SparseMLPRegressor

# Not in `__all__`: they import scikit-learn, with which `import *` takes four times as long.
_ESTIMATORS = ("SparseFeatureSelector", "SparseMLPClassifier", "SparseMLPRegressor")

# Old places of names; they were imported with the package.
_MOVED = ("augmentation", "pruning", "recorder", "rules", "schedules")

__all__ = [
    "RECIPE",
    "SET",
    "SGD",
    "WASAP",
    "WASSP",
    "Adam",
    "Blocks",
    "CSVLogger",
    "Callback",
    "Constant",
    "Cosine",
    "EarlyStopping",
    "EvolvingLayer",
    "Explanation",
    "ExplosionWarning",
    "ExponentialDecay",
    "GradientGrowth",
    "GradientNorms",
    "History",
    "ImageAugmentation",
    "ImportancePruning",
    "JSONLogger",
    "Layer",
    "LearningRateScheduler",
    "Lion",
    "MemoryPlan",
    "MetricsLogger",
    "ModelBusyError",
    "ModelCheckpoint",
    "PeerError",
    "Preset",
    "Recipe",
    "ReduceLROnPlateau",
    "RowBlocks",
    "SparseMLP",
    "StepDecay",
    "Table",
    "TableEncoder",
    "TerminateOnExplosion",
    "TerminateOnNaN",
    "TopologyRecorder",
    "TopologyRule",
    "__version__",
    "load",
    "open_table",
    "plan",
    "preset",
    "read_table",
]


def __getattr__(name: str) -> Any:
    """Import the estimators and the old modules when one is asked for."""
    if name in _MOVED:
        return import_module(f"trulysparse.{name}")
    if name in _ESTIMATORS:
        return getattr(import_module("trulysparse.estimators"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_ESTIMATORS])
