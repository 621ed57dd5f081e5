"""What the public calls are, with values of their numbers: for tests of what a number may be."""

import dataclasses
from unittest import mock

import numpy as np
import pytest
import trulysparse as ts
from trulysparse import datasets

from helpers.small_model import SIZES, X, Y

pytest.importorskip("sklearn", reason="pip install 'trulysparse[sklearn]'")

FAST = {"epochs": 2, "batch_size": 16, "progress": False}


def model(**options):
    usual = {"layer_sizes": SIZES, "seed": 3, "threads": 1}
    if "density" not in options:
        usual["epsilon"] = 3
    return ts.SparseMLP(**(usual | options))


def trained(**options):
    fitted = model()
    fitted.fit(X, Y, **(FAST | options))
    return fitted


def stream(**options):
    fitted = model()
    batches = [(X[:20], Y[:20]), (X[20:], Y[20:])]
    fitted.fit(iter(batches * 9), progress=False, epochs=2, **options)
    return fitted


def watched(callback, **options):
    fitted = trained(validation_data=(X, Y), epochs=4, callbacks=[callback], **options)
    seen = {
        name: value
        for name, value in vars(callback).items()
        if name not in ("model", "_kept", "_monitor", "_x", "_y", "_made_with")
    }
    return state(fitted), repr(seen)


def state(found):
    """What a call gave, so that equal states are equal in every bit and type."""
    if isinstance(found, ts.SparseMLP):
        return found._core.to_bytes(found.metadata), found.threads
    if isinstance(found, np.ndarray):
        return found.dtype.str, found.shape, found.tobytes()
    if isinstance(found, datasets.Dataset):
        return found.name, state(found.x_train), state(found.x_test), state(found.y_train)
    if isinstance(found, dict):
        return {name: state(value) for name, value in found.items()}
    if isinstance(found, tuple | list):
        return [state(item) for item in found]
    return repr(found)


def record(**options):
    recorder = ts.TopologyRecorder()
    trained(callbacks=[recorder], epochs=4)
    return recorder


class Rule(ts.TopologyRule):
    start, stop, every, batch_size = 1, 5, 2, None

    def __init__(self, **options):
        vars(self).update(options)

    def evolve(self, layer):
        layer.gradient([0], [0])
        drop = np.zeros(layer.nnz, bool)
        drop[0] = True
        return drop, *layer.empty(1)


def due(rule):
    return [epoch for epoch in range(1, 9) if rule.at(epoch, 9) is not None]


def evolved(rule):
    fitted = trained(topology=rule, epochs=6)
    return fitted, due(rule)


def exported(tmp_path, **options):
    model().export_npz(tmp_path / "exported")
    return ts.SparseMLP.from_npz(tmp_path / "exported", **options)


def loaded(tmp_path, **options):
    model().save(tmp_path / "model.safetensors")
    return ts.load(tmp_path / "model.safetensors", **options)


def saved(tmp_path, **options):
    model().save(tmp_path / "model.safetensors", **options)
    return (tmp_path / "model.safetensors").read_bytes()


def replaced(kind):
    return lambda **options: kind(**options)


def pruned(**options):
    if "tolerance" in options:
        options["validation_data"] = (X, Y)
    elif "threshold" not in options:
        options.setdefault("percentile", 20)
    fitted = model()
    return fitted.prune(**options), fitted


def parallel(strategy):
    return lambda **options: trained(strategy=strategy(**({"workers": 2} | options)))


def estimated(kind):
    def fit(**options):
        y = Y % 3 if kind is not ts.SparseMLPRegressor else X[:, 0] * 2
        usual = {"max_iter": 2, "random_state": 0, "hidden_layer_sizes": 12}
        estimator = kind(**(usual | options)).fit(X, y)
        if options.get("warm_start"):
            estimator.fit(X, y)
        return estimator.model_, estimator.predict(X)

    return fit


def selected(**options):
    usual = {"epochs": 2, "random_state": 0, "hidden_layer_sizes": (12,), "n_members": 1}
    selector = ts.SparseFeatureSelector(**(usual | options)).fit(X, Y)
    return selector.model_, selector.get_support(indices=True)


SETTINGS = {
    "epsilon": [4.0, 3, [2.5, 3.5, 0.5]],
    "density": [0.5, [0.25, 0.5, 1.0]],
    "slope": [0.25, 1],
    "label_smoothing": [0.125],
    "dropout": [0.25, [0.25, 0.5]],
    "input_gain": [0.5, 1],
    "input_noise": [0.5, 1],
    "standardize": [True, False],
    "clip": [2.0, 3],
    "standardize_targets": [False],
    "seed": [7, 2**63],
    "threads": [2],
    "progress": [False],
}
OPTIMIZER = {"learning_rate": [0.25, 1], "weight_decay": [0.125], "l1": [0.125]}
TIMES = {"start": [2], "stop": [4, 0.5], "every": [2]}
ESTIMATOR = {
    "input_gain": [0.5],
    "label_smoothing": [0.0],
    "feature_selection": [False],
    "hidden_layer_sizes": [12, [8, 6]],
    "slope": [0.5],
    "epsilon": [4.0, 3],
    "density": [0.5],
    "dropout": [0.25],
    "input_noise": [0.5],
    "batch_size": [10],
    "learning_rate_init": [0.0625],
    "momentum": [0.5],
    "nesterovs_momentum": [False],
    "weight_decay": [0.0078125],
    "max_iter": [3],
    "zeta": [0.25],
    "grow_init": [0.5],
    "standardize": [False, True],
    "scale": [False],
    "clip": [2.5],
    "early_stopping": [True],
    "n_members": [2],
    "n_snapshots": [2],
    "warm_start": [True, False],
    "verbose": [False],
    "n_jobs": [2],
    "random_state": [5],
}
EARLY = {"validation_fraction": [0.25], "n_iter_no_change": [3], "tol": [0.125]}
PLATEAU = {"min_delta": [0.125], "patience": [1], "factor": [0.5], "cooldown": [1], "min_lr": [0.5]}
STOP = {
    "min_delta": [0.125],
    "patience": [1],
    "baseline": [0.5],
    "restore_best_weights": [True],
    "start_from_epoch": [1],
}


def _standardizing(options):
    """With what a clip needs."""
    return ({"standardize": True} if "clip" in options else {}) | options


REPORT = {"top": [2], "resamples": [150], "seed": [3], "batch_size": [16]}


def fitted(kind):
    return kind(max_iter=1, random_state=0, hidden_layer_sizes=12).fit(X, Y)


def reported(model, **options):
    """A page without its pictures, which take a second."""
    with mock.patch("trulysparse.report.pictures.draw", lambda paint, told, *how: told):
        return model.report(X, Y, **({"resamples": 100} | options))


# What is called, and values of its parameters. `tmp_path` is filled in.
CALLS = {
    "SparseMLP": (lambda **o: model(**_standardizing(o)), SETTINGS | {"layer_sizes": [[6, 9, 4]]}),
    "SparseMLP.from_scipy": (
        lambda **o: ts.SparseMLP.from_scipy(
            *model().to_scipy(), **({"seed": 1} | _standardizing(o))
        ),
        {n: v for n, v in SETTINGS.items() if n not in ("epsilon", "density", "progress")},
    ),
    "SparseMLP.from_npz": (exported, {"threads": [2]}),
    "SparseMLP.fit": (
        lambda **o: stream(**o) if "steps_per_epoch" in o else trained(**o),
        {
            "epochs": [3],
            "batch_size": [10],
            "initial_epoch": [1],
            "progress": [False],
            "steps_per_epoch": [2],
        },
    ),
    "SparseMLP.evaluate": (lambda **o: model().evaluate(X, Y, **o), {"batch_size": [10]}),
    "SparseMLP.predict": (lambda **o: model().predict(X, **o), {"batch_size": [10]}),
    "SparseMLP.explain": (
        lambda **o: model().explain(X, **o).values,
        {"outputs": [1, [0, 2]]},
    ),
    "Explanation.ranked": (
        lambda **o: model().explain(X).ranked(**o),
        {"row": [2], "output": [1]},
    ),
    "SparseMLP.evolve": (
        lambda **o: model().evolve(ts.GradientGrowth(), X, Y, **o),
        {"batch_size": [10]},
    ),
    "SparseMLP.importance": (lambda **o: model().importance(**o), {"layer": [2]}),
    "SparseMLP.units": (lambda **o: model().units(**o), {"layer": [2, 0]}),
    "SparseMLP.compact": (lambda **o: model(epsilon=2).compact(**o), {"inputs": [True]}),
    "SparseMLP.prune": (
        pruned,
        {
            "percentile": [20.0, 30],
            "threshold": [0.25],
            "tolerance": [0.125],
            "regrow": [True],
            "batch_size": [10],
        },
    ),
    "SparseMLP.pruning_curve": (
        lambda **o: model().pruning_curve(X, Y, **({"percentiles": [20]} | o)),
        {"percentiles": [[0, 25.0]], "batch_size": [10]},
    ),
    "SparseMLP.report": (
        lambda **o: reported(model(), **o),
        REPORT,
    ),
    **{
        f"{kind.__name__}.report": (
            lambda kind=kind, **o: reported(fitted(kind), **o),
            REPORT | {"folds": [2]},
        )
        for kind in (ts.SparseMLPClassifier, ts.SparseMLPRegressor)
    },
    "SparseMLP.plan": (
        lambda **o: dataclasses.replace(model().plan(**o), available=None, taken=0),
        {"batch_size": [10], "evolves": [True, False], "stored": [2, 1.5]},
    ),
    "SparseMLP.save": (saved, {"progress": [False]}),
    "load": (loaded, {"threads": [2], "progress": [False]}),
    "plan": (
        lambda **o: dataclasses.replace(
            ts.plan(**({"layer_sizes": SIZES} | o)), available=None, largest_batch_size=0
        ),
        {
            "layer_sizes": [[6, 9, 4]],
            "epsilon": SETTINGS["epsilon"],
            "density": SETTINGS["density"],
            "batch_size": [10],
            "evolves": [True, False],
            "stored": [2, 1.5],
            "slope": SETTINGS["slope"],
            "dropout": [0.25],
        },
    ),
    "TableEncoder": (lambda **o: repr(ts.TableEncoder(**o)), {"min_count": [3]}),
    "preset": (lambda **o: ts.preset("table", **o), {"samples": [1000]}),
    "SGD": (
        lambda **o: (ts.SGD(**o), trained(optimizer=ts.SGD(**o))),
        OPTIMIZER | {"momentum": [0.5], "nesterov": [True], "schedule_decay": [True]},
    ),
    "Adam": (
        lambda **o: (ts.Adam(**o), trained(optimizer=ts.Adam(**o))),
        OPTIMIZER | {"beta_1": [0.5], "beta_2": [0.75], "epsilon": [0.125]},
    ),
    "Lion": (
        lambda **o: (ts.Lion(**o), trained(optimizer=ts.Lion(**o))),
        OPTIMIZER | {"beta_1": [0.5], "beta_2": [0.75]},
    ),
    "Constant": (replaced(ts.Constant), {"warmup": [0.25]}),
    "Cosine": (replaced(ts.Cosine), {"warmup": [0.25], "final": [0.5]}),
    "StepDecay": (
        replaced(ts.StepDecay),
        {"warmup": [0.25], "every": [0.25, 1], "factor": [0.5]},
    ),
    "ExponentialDecay": (
        lambda **o: trained(optimizer=ts.SGD(schedule=ts.ExponentialDecay(**o))),
        {"warmup": [0.25], "factor": [0.5]},
    ),
    "SET": (
        lambda **o: evolved(ts.SET(**o)),
        TIMES | {"zeta": [0.25], "grow_init": [0.5, 2]},
    ),
    "SET.at": (
        lambda **o: ts.SET(schedule="cosine").at(**({"epoch": 3, "epochs": 9} | o)),
        {"epoch": [2], "epochs": [7]},
    ),
    "GradientGrowth": (
        lambda **o: evolved(ts.GradientGrowth(**o)),
        TIMES | {"zeta": [0.25], "grow_init": [0.5], "samples": [2.5, 4], "batch_size": [8]},
    ),
    "GradientGrowth.at": (
        lambda **o: ts.GradientGrowth().at(**({"epoch": 3, "epochs": 9} | o)),
        {"epoch": [2], "epochs": [7]},
    ),
    "TopologyRule": (lambda **o: evolved(Rule(**o)), TIMES | {"batch_size": [8]}),
    "TopologyRule.at": (
        lambda **o: Rule(start=2).at(**({"epoch": 3, "epochs": 9} | o)) is None,
        {"epoch": [2], "epochs": [7]},
    ),
    "EvolvingLayer.empty": (
        lambda **o: ts.EvolvingLayer(model()._core, 0, None).empty(**o),
        {"count": [3]},
    ),
    "ImportancePruning": (
        lambda **o: (
            ts.ImportancePruning(**o),
            trained(
                pruning=ts.ImportancePruning(**({"start": 1, "every": 1} | o)),
                validation_data=(X, Y),
                epochs=4,
            ),
        ),
        {
            "start": [2, 0.5],
            "every": [2, 0.25],
            "percentile": [20.0, 30],
            "threshold": [0.25],
            "tolerance": [0.125],
            "regrow": [False],
        },
    ),
    "ImportancePruning.is_due": (
        lambda **o: ts.ImportancePruning(start=1, every=3).is_due(**o),
        {"epoch": [4, 5]},
    ),
    "ImportancePruning.resolved": (
        lambda **o: ts.ImportancePruning(start=0.5).resolved(**({"epochs": 9} | o)),
        {"epochs": [12], "parallel": [True]},
    ),
    "ImageAugmentation": (
        lambda **o: ts.ImageAugmentation(**({"shape": (2, 1, 3)} | o)),
        {"shape": [[1, 2, 3]], "rotation": [30.0, 45], "shift": [0.25], "mirror": [False]},
    ),
    "ImageAugmentation.preview": (
        lambda **o: ts.ImageAugmentation((2, 1, 3)).preview(X, **o),
        {"seed": [7], "step": [3]},
    ),
    "WASSP": (
        parallel(ts.WASSP),
        {
            "workers": [3],
            "warmup_epochs": [1],
            "local_fraction": [0.5, 1],
            "sharded": [False],
            "timeout": [30.0, 30],
            "momentum_correction": [True],
            "scale_local_rate": [True],
        },
    ),
    "WASAP": (
        lambda **o: ts.WASAP(**o),
        {
            "workers": [3],
            "local_fraction": [0.5],
            "max_staleness": [3],
            "sharded": [False],
            "timeout": [30.0],
        },
    ),
    "EarlyStopping": (lambda **o: watched(ts.EarlyStopping("val_loss", **o)), STOP),
    "ReduceLROnPlateau": (lambda **o: watched(ts.ReduceLROnPlateau("val_loss", **o)), PLATEAU),
    "TerminateOnExplosion": (
        lambda **o: watched(ts.TerminateOnExplosion(**o)),
        {"factor": [4.0, 20]},
    ),
    "GradientNorms": (lambda **o: watched(ts.GradientNorms(X, Y, **o)), {"every": [2]}),
    "TopologyRecorder": (
        lambda **o: watched(ts.TopologyRecorder(**o)),
        {"every": [2], "layers": [[0, 2]], "degrees": [False]},
    ),
    "LearningRateScheduler": (
        lambda schedule: watched(ts.LearningRateScheduler(lambda epoch, rate: schedule)),
        {"schedule": [0.125, 1]},
    ),
    "CSVLogger": (
        lambda tmp_path, **o: trained(callbacks=[ts.CSVLogger(tmp_path / "log.csv", **o)]) and None,
        {"append": [True]},
    ),
    "JSONLogger": (
        lambda tmp_path, **o: (
            trained(callbacks=[ts.JSONLogger(tmp_path / "log.jsonl", **o)]) and None
        ),
        {"append": [True]},
    ),
    "ModelCheckpoint": (
        lambda tmp_path, **o: watched(ts.ModelCheckpoint(tmp_path / "best", "val_loss", **o))[0],
        {"save_best_only": [True]},
    ),
    "SparseMLPClassifier": (estimated(ts.SparseMLPClassifier), ESTIMATOR),
    "SparseMLPRegressor": (estimated(ts.SparseMLPRegressor), ESTIMATOR),
    "SparseMLPRegressor, early": (
        lambda **o: estimated(ts.SparseMLPRegressor)(early_stopping=True, **o),
        EARLY,
    ),
    "SparseFeatureSelector": (
        selected,
        {
            "n_features_to_select": [2, 0.5],
            "n_members": [2],
            "n_subsamples": [1],
            "fdr": [0.25],
            "hidden_layer_sizes": [[8, 6], 9],
            "epsilon": [4.0, 3],
            "noise": [0.25, 1],
            "dropout": [0.25],
            "epochs": [3],
            "batch_size": [10],
            "learning_rate": [0.0625],
            "weight_decay": [0.0078125],
            "zeta": [0.25],
            "standardize": [False, True],
            "n_jobs": [2],
            "random_state": [5],
        },
    ),
    "datasets.load_synthetic": (
        lambda **o: datasets.load_synthetic(**({"features": 8, "samples": 9} | o)),
        {"features": [7], "samples": [10], "seed": [3]},
    ),
    "datasets.load_digits": (datasets.load_digits, {"seed": [3]}),
    "datasets.resolve": (
        lambda **o: datasets.resolve("synthetic:8:9", **o),
        {"seed": [3], "hold_out": [False]},
    ),
}
