"""Truly sparse neural networks: only the connections that exist are stored and computed with.

The system of *Truly Sparse Neural Networks at Scale* (arXiv 2102.01732) with a Rust core.

For a table, scikit-learn's interface: `SparseMLPClassifier`, `SparseMLPRegressor` and
`SparseFeatureSelector`, which choose their settings by the table::

    from trulysparse import SparseMLPClassifier

    classifier = SparseMLPClassifier(random_state=0).fit(x, y)
    classifier.score(x_test, y_test)

For a network of your own, `SparseMLP`, with layers, loss, optimiser and topology as you say::

    import trulysparse as ts

    model = ts.SparseMLP([784, 1000, 1000, 1000, 10], epsilon=20, **ts.RECIPE.model, seed=0)
    history = model.fit(x, y, epochs=10, validation_data=(x_test, y_test), **ts.RECIPE.fit)
    model.evaluate(x_test, y_test)

`load` reads the files of both. Modules that are imported when one asks for them: `datasets` has
tables and images to try, `plot` draws histories and networks.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from trulysparse import _hints
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

# They import scikit-learn, with which the package takes four times as long, so when asked for.
_ESTIMATORS = ("SparseFeatureSelector", "SparseMLPClassifier", "SparseMLPRegressor")

# Public modules that are looked at as attributes of the package.
_MODULES = ("datasets", "names", "plot")

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
    "SparseFeatureSelector",
    "SparseMLP",
    "SparseMLPClassifier",
    "SparseMLPRegressor",
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
    """Import the estimators, the other modules and the old ones when one is asked for."""
    if name in (*_MODULES, *_MOVED):
        return import_module(f"trulysparse.{name}")
    if name in _ESTIMATORS:
        return getattr(import_module("trulysparse.estimators"), name)
    _hints.missing(__name__, name, (*__all__, *_MODULES))


def __dir__() -> list[str]:
    """Give the public names, and what every module has, but not what is imported here."""
    return sorted({*__all__, *_MODULES, *(name for name in globals() if name[:2] == "__")})
