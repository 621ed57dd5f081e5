"""Every public call of the package, found by looking, with arguments that are fine.

A new function, class or method is found too. If it has arguments that must be given, `REQUIRED`
has to say what they are: until then the test that asks for `calls` fails.
"""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp
import trulysparse as ts
import trulysparse.datasets
import trulysparse.plot
from trulysparse.selection.ranking import Step

ROWS, COLUMNS = 12, 6
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, COLUMNS))
Y = np.arange(ROWS) % 2
FRAME = pl.DataFrame({"number": X[:, 0], "text": ["a", "b"] * (ROWS // 2)})
FOLDER = Path(tempfile.mkdtemp())
FRAME.write_parquet(FOLDER / "table.parquet")
QUIET = {"epochs": 1, "progress": False}


def model(**options: Any) -> ts.SparseMLP:
    made = ts.SparseMLP([COLUMNS, 8, 2], density=0.9, seed=0, threads=1, **options)
    made.fit(X, Y, **QUIET)
    return made


def recorded(kind: Callable[..., Any], *given: Any) -> Any:
    """A callback that has seen a fit."""
    callback = kind(*given)
    ts.SparseMLP([COLUMNS, 8, 2], seed=0, threads=1).fit(X, Y, **QUIET, callbacks=[callback])
    return callback


class OwnRule(ts.TopologyRule):
    """A rule that changes what it is told to."""

    def __init__(self, change: Any = None) -> None:
        self.change = change

    def evolve(self, layer: Any) -> Any:
        return self.change


def evolving() -> Any:
    """The layer that a rule gets."""
    seen = []

    class Look(ts.TopologyRule):
        def evolve(self, layer: Any) -> Any:
            seen.append(layer)

    model().evolve(Look(), X, Y)
    return seen[0]


ESTIMATOR: dict[str, Any] = {"hidden_layer_sizes": (5,), "max_iter": 1, "random_state": 0}
SELECTOR: dict[str, Any] = {"n_features_to_select": COLUMNS, "epochs": 1, "random_state": 0}
CURVE = {"percentile": [0.0, 5.0], "connections": [9, 8], "accuracy": [0.5, 0.4], "loss": [1, 2]}
RUNS = {1: [1.0], 2: [0.9]}

# Public by their name only: the package calls them.
OWN = {
    "History.add", "History.append", "ImportancePruning.is_due", "ImportancePruning.resolved",
    "MemoryPlan.of", "TopologyRule.evolve",
}  # fmt: skip
# An object of each class that is looked at through one; the others are made by their arguments.
OBJECTS: dict[str, Callable[[], Any]] = {
    "Blocks": lambda: ts.Blocks(X, sp.csr_array(X)),
    "RowBlocks": lambda: ts.RowBlocks(X, Y),
    "TableEncoder": lambda: ts.TableEncoder().fit(FRAME),
    "SparseMLP": model,
    "Layer": lambda: model().layers[0],
    "Explanation": lambda: model().explain(X),
    "EvolvingLayer": evolving,
    "History": lambda: model().history,
    "MemoryPlan": lambda: model().plan(),
    "Preset": lambda: ts.preset("table", samples=100),
    "Recipe": lambda: ts.RECIPE,
    "TopologyRule": OwnRule,
    "Table": lambda: ts.Table(X, Y),
    "Dataset": lambda: trulysparse.datasets.load_digits(),
    "SparseMLPClassifier": lambda: ts.SparseMLPClassifier(**ESTIMATOR).fit(X, Y),
    "SparseMLPRegressor": lambda: ts.SparseMLPRegressor(**ESTIMATOR).fit(X, Y),
    "SparseFeatureSelector": lambda: ts.SparseFeatureSelector(**SELECTOR).fit(X, Y),
}
SAMPLES = {"x": X, "y": Y}
FITTED = {"X": X, "y": Y}
# What must be given, and what makes a call quick.
REQUIRED: dict[str, dict[str, Any]] = {
    "SparseMLP": {"layer_sizes": [COLUMNS, 8, 2]},
    "Blocks": {"dense": X, "sparse": sp.csr_array(X)},
    **{f"TableEncoder.{name}": {"frame": FRAME} for name in ("fit", "transform", "fit_transform")},
    "TableEncoder.from_json": {"text": ts.TableEncoder().fit(FRAME).to_json()},
    "SparseMLP.from_scipy": {"weights": [sp.csc_array(np.ones((COLUMNS, 2)))]},
    "SparseMLP.from_npz": {"folder": FOLDER / "npz"},
    "SparseMLP.export_npz": {"folder": FOLDER / "npz"},
    "SparseMLP.save": {"path": FOLDER / "model"},
    "SparseMLP.fit": SAMPLES | QUIET,
    "SparseMLP.prune": {"percentile": 10},
    "SparseMLP.importance": {"layer": 1},
    "SparseMLP.units": {"layer": 1},
    "SparseMLP.restore": {"snapshot": None},
    "SparseMLP.predict": {"x": X},
    "SparseMLP.explain": {"x": X},
    "SparseMLP.feature_importance": {"kind": "contribution", "x": X},
    "SparseMLP.pruning_curve": SAMPLES | {"percentiles": [0, 50]},
    "SparseMLP.evolve": SAMPLES | {"topology": ts.GradientGrowth()},
    **{f"SparseMLP.{name}": SAMPLES for name in (
        "train_on_batch", "test_on_batch", "evaluate", "gradient_norms")},
    "SparseMLP.report": {"x": X, "resamples": 100},
    **{f"{kind}.report": {"X": X, "resamples": 100} for kind in (
        "SparseMLPClassifier", "SparseMLPRegressor")},
    **{f"{kind}.save": {"path": FOLDER / "estimator"} for kind in (
        "SparseMLPClassifier", "SparseMLPRegressor")},
    "SparseMLPClassifier.fit": FITTED, "SparseMLPRegressor.fit": FITTED,
    "SparseMLPClassifier.partial_fit": FITTED, "SparseMLPRegressor.partial_fit": FITTED,
    "SparseMLPClassifier.score": FITTED, "SparseMLPRegressor.score": FITTED,
    "SparseFeatureSelector.fit": FITTED, "SparseFeatureSelector.fit_transform": FITTED,
    **{f"{kind}.{name}": {"X": X} for kind, name in (
        ("SparseMLPClassifier", "predict"), ("SparseMLPClassifier", "predict_proba"),
        ("SparseMLPClassifier", "explain"), ("SparseMLPRegressor", "explain"),
        ("SparseMLPClassifier", "predict_log_proba"), ("SparseMLPRegressor", "predict"),
        ("SparseFeatureSelector", "transform"), ("SparseFeatureSelector", "inverse_transform"))},
    "History.to_csv": {"path": FOLDER / "history.csv"},
    "EvolvingLayer.empty": {"count": 1},
    "EvolvingLayer.gradient": {"rows": [0], "columns": [0]},
    "TopologyRule.at": {"epoch": 1, "epochs": 2},
    **{f"{kind}.at": {"epoch": 1, "epochs": 2} for kind in ("SET", "GradientGrowth")},
    "GradientNorms": SAMPLES,
    "JSONLogger": {"filename": FOLDER / "log.jsonl"}, "MetricsLogger": {"function": print},
    "CSVLogger": {"filename": FOLDER / "log.csv"}, "ModelCheckpoint": {"filepath": FOLDER / "kept"},
    "LearningRateScheduler": {"schedule": lambda epoch, rate: rate},
    "ImageAugmentation": {"shape": (2, 3, 1)},
    "ImportancePruning": {"percentile": 5.0},
    "StepDecay": {"factor": 0.5, "every": 1}, "ExponentialDecay": {"factor": 0.5},
    "load": {"path": FOLDER / "model"},
    "plan": {"layer_sizes": [COLUMNS, 8, 2]},
    "preset": {"name": "table", "samples": 100},
    "read_table": {"path": FOLDER / "table.csv"},
    "open_table": {"path": FOLDER / "table.parquet"}, "RowBlocks": {"x": X},
    "ImageAugmentation.preview": {"x": X},
    "plot.accuracy_against_parameters": {"curve": CURVE},
    "plot.accuracy_over_workers": {"accuracy": RUNS}, "plot.speedup_over_workers": {"speed": RUNS},
    "plot.degree_distributions": {"degrees": recorded(ts.TopologyRecorder)},
    "plot.size_over_epochs": {"recorder": recorded(ts.TopologyRecorder)},
    "plot.input_connections_over_epochs": {
        "recorder": recorded(ts.TopologyRecorder), "shape": (2, 3)},
    "plot.input_connections_heatmap": {"connections": np.arange(6.0), "shape": (2, 3)},
    "plot.feature_importance_bars": {"scores": np.arange(6.0)},
    "plot.importance_histogram": {"importance": np.arange(6.0)},
    "plot.selection_path": {"path": [Step(1, 0.5, 0.1, 0.75), Step(9, 0.25, 0.1, 0.9)]},
    "plot.gradient_flow": {"norms": recorded(ts.GradientNorms, X, Y)},
    "plot.learning_curves": {"history": model().history},
    "plot.save_learning_curves": {"history": model().history, "path": FOLDER / "curves.png"},
    "plot.compare_runs": {"runs": {"one": model().history}, "metric": "loss"},
    "plot.staleness_histogram": {"history": [1, 2, 3]},
    "datasets.load_csv": {"path": FOLDER / "none.csv"},
    "datasets.load_npz": {"path": FOLDER / "none.npz"},
    "datasets.load_images": {"path": FOLDER / "none"},
    "datasets.load_synthetic": {"features": 10},
    "datasets.resolve": {"spec": "digits"},
}  # fmt: skip
# What an argument only matters beside.
BESIDE: dict[tuple[str, str], dict[str, Any]] = {
    **{(kind, name): {"early_stopping": True}
       for kind in ("SparseMLPClassifier", "SparseMLPRegressor")
       for name in ("validation_fraction", "tol", "n_iter_no_change")},
    ("SparseMLP.prune", "validation_data"): {"percentile": None, "tolerance": 0.1},
    ("SparseMLP.prune", "batch_size"): {
        "percentile": None, "tolerance": 0.1, "validation_data": (X, Y)},
    ("SparseMLP.prune", "threshold"): {"percentile": None},
    ("SparseMLP.prune", "tolerance"): {"percentile": None, "validation_data": (X, Y)},
    ("SparseMLP", "density"): {"epsilon": None}, ("plan", "density"): {"epsilon": None},
    **{(f"{kind}.fit", "X_val"): {"y_val": Y}
       for kind in ("SparseMLPClassifier", "SparseMLPRegressor")},
    **{(f"{kind}.fit", "y_val"): {"X_val": X}
       for kind in ("SparseMLPClassifier", "SparseMLPRegressor")},
    **{(f"{kind}.fit", "scoring"): {"X_val": X, "y_val": Y}
       for kind in ("SparseMLPClassifier", "SparseMLPRegressor")},
}  # fmt: skip


@dataclass(frozen=True)
class Call:
    """A public call: its name, how it is made with arguments, and whose state it may not harm."""

    name: str
    make: Callable[..., Any]
    parameters: tuple[str, ...]
    owner: Any

    def given(self, parameter: str, value: Any) -> dict[str, Any]:
        """Arguments of which all are fine but this one."""
        fine = REQUIRED.get(self.name, {}) | BESIDE.get((self.name, parameter), {})
        return fine | {parameter: value}


def _named(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters that can be given by name."""
    try:
        found = inspect.signature(function).parameters
    except ValueError:  # compiled, such as an exception's constructor
        return {}
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {name: p for name, p in found.items() if p.kind in kinds and name != "self"}


def _call(name: str, make: Callable[..., Any], owner: Any = None) -> Call:
    parameters = _named(make)
    must = [p for p, is_ in parameters.items() if is_.default is inspect.Parameter.empty]
    lacking = [p for p in must if p not in REQUIRED.get(name, {})]
    assert not lacking, f"{name} needs {lacking}: say in REQUIRED of {__file__} what is fine"
    return Call(name, make, tuple(parameters), owner)


def _fitting(kind: type) -> Callable[..., Any]:
    """An estimator's constructor keeps anything, as scikit-learn wants it: `fit` looks at it."""
    quick = SELECTOR if "Selector" in kind.__name__ else ESTIMATOR

    def make(**options: Any) -> Any:
        return kind(**quick | options).fit(X, Y)

    make.__signature__ = inspect.signature(kind)  # type: ignore[attr-defined]
    return make


def _watching(kind: type) -> Callable[..., Any]:
    """A callback's constructor may keep anything too."""

    def make(**options: Any) -> Any:
        return model().fit(X, Y, **QUIET, callbacks=[kind(**options)])

    make.__signature__ = inspect.signature(kind)  # type: ignore[attr-defined]
    return make


def _of_class(kind: type) -> Iterator[Call]:
    if issubclass(kind, BaseException):
        return
    name = kind.__name__
    is_estimator = hasattr(kind, "get_params")
    if name in REQUIRED or name not in OBJECTS or is_estimator:
        used = _fitting if is_estimator else _watching if issubclass(kind, ts.Callback) else None
        yield _call(name, kind if used is None else used(kind))
    made = OBJECTS[name]() if name in OBJECTS else None
    for attribute, member in inspect.getmembers(kind):
        if (
            attribute.startswith(("_", "set_"))
            or f"{name}.{attribute}" in OWN
            or isinstance(member, type)
        ):
            continue
        if issubclass(kind, ts.Callback) and hasattr(ts.Callback, attribute):
            continue
        if callable(member):
            bound = inspect.ismethod(member)  # of the class
            if made is None and not bound:
                made = kind(**REQUIRED.get(name, {}))
            yield _call(f"{name}.{attribute}", getattr(kind if bound else made, attribute), made)
        elif isinstance(member, property) and member.fset is not None and name in OBJECTS:

            def setting(value: Any, attribute: str = attribute, made: Any = made) -> None:
                setattr(made, attribute, value)

            REQUIRED.setdefault(f"{name}.{attribute}", {"value": 1})
            REQUIRED[f"{name}.{attribute}"] |= {"attribute": attribute, "made": made}
            yield Call(f"{name}.{attribute}", setting, ("value",), made)


def calls() -> Iterator[Call]:
    """Every public call, but those of callbacks that only a fit makes."""
    trained = model()
    trained.export_npz(FOLDER / "npz")
    trained.save(FOLDER / "model")
    (FOLDER / "table.csv").write_text("a,b,c\n" + "1,x,2.5\n" * ROWS)
    places = [("", ts, ts.__all__)]
    places += [(f"{m.__name__.split('.')[-1]}.", m, m.__all__) for m in (ts.plot, ts.datasets)]
    for prefix, module, names in places:
        for name in names:
            member = getattr(module, name)
            if isinstance(member, type):
                yield from _of_class(member)
            elif callable(member):
                yield _call(prefix + name, member)
