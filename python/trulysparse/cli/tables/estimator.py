"""The network of a table as an estimator, which takes the table's columns as they are."""

from __future__ import annotations

import argparse
from typing import Any

from trulysparse.cli.flags import network
from trulysparse.cli.presets import Chosen
from trulysparse.cli.tables.problem import Problem
from trulysparse.config import Config
from trulysparse.data import seen
from trulysparse.estimators import (
    KEY,
    SparseMLPClassifier,
    SparseMLPRegressor,
    _choosing,
    _explaining,
    _scaling,
    described,
)
from trulysparse.estimators._learnt import Learnt
from trulysparse.estimators._making import Making
from trulysparse.estimators._saved import curves_of
from trulysparse.estimators._scaling import Asked, Scaling
from trulysparse.estimators._targets import Numbers
from trulysparse.estimators._weighted import WeightedSamples
from trulysparse.model import SparseMLP
from trulysparse.presets import TABLE
from trulysparse.selection.features import Indices
from trulysparse.tables.encoder import TableEncoder

# Parameters of estimators, and the flags that give them.
_FLAGS = {
    "activation": "activation",
    "slope": "slope",
    "epsilon": "epsilon",
    "dropout": "dropout",
    "input_gain": "input_gain",
    "label_smoothing": "label_smoothing",
    "input_noise": "input_noise",
    "batch_size": "batch_size",
    "learning_rate": "schedule",
    "learning_rate_init": "learning_rate",
    "weight_decay": "weight_decay",
    "optimizer": "optimizer",
    "max_iter": "epochs",
}
_OF_EVOLUTION = ("zeta", "grow", "grow_init", "zeta_schedule", "zeta_stop", "evolve_every")
_ASKED = ("input_gain", "label_smoothing")
# What an estimator is asked for that its network has.
_OF_CONFIG = ("activation", "slope", "dropout", "input_noise", "epsilon", "density")


def scaling(wanted: Asked, problem: Problem) -> Scaling:
    """Learn how features are scaled; those of known data sets are not looked at for heavy tails."""
    if problem.learnt is None and wanted.scale == "auto":
        return _scaling.of_batches(wanted, is_sparse=problem.is_sparse)
    loss = problem.loss
    marks = {} if problem.encoder is None else problem.encoder.marks()
    return _scaling.learnt(wanted, problem.x_train, marks, is_sparse=problem.is_sparse, loss=loss)


def choose(
    problem: Problem, chosen: Chosen, scaled: Scaling, args: argparse.Namespace
) -> tuple[Indices | None, float]:
    """Let held-out training rows say what they say of an estimator.

    Gives the features to connect, None for all, and the factor of what the softmax gets.
    """
    learnt = problem.learnt
    if learnt is None:
        return None, 1.0
    target, given = learnt.target, chosen.given
    kind: Any = SparseMLPRegressor if isinstance(target, Numbers) else SparseMLPClassifier
    asked = {name: given[flag] for name, flag in _FLAGS.items() if flag in given}
    if "hidden" in given:
        asked["hidden_layer_sizes"] = network.hidden(chosen)
    stays = given.get("no_evolve") or any(flag in given for flag in _OF_EVOLUTION)
    made = kind(
        **asked,
        density=given.get("density"),
        topology=None if stays else "auto",
        feature_selection=False if given.get("all_features") else "auto",
        random_state=args.seed,
        n_jobs=args.threads,
        n_members=args.members,
        n_snapshots=args.snapshots,
    )
    making = Making(made, Learnt(target, problem.is_sparse, scaled), chosen.preset, True)
    samples = WeightedSamples(problem.x_train, problem.y_train, None)
    return _choosing.choose(making, samples, problem.y_train, args.seed)


def write(
    model: SparseMLP,
    problem: Problem,
    scaled: Scaling,
    args: argparse.Namespace,
    chosen: Chosen,
    features: Indices | None,
) -> None:
    """Write into the metadata what `trulysparse.load` needs to make an estimator of the network."""
    learnt = problem.learnt
    if learnt is None:
        return
    config = Config.of(model._core)
    parameters: dict[str, Any] = {name: getattr(config, name) for name in _OF_CONFIG}
    parameters["hidden_layer_sizes"] = network.hidden(chosen)  # those of each
    parameters["random_state"] = args.seed
    parameters |= {"n_members": args.members, "n_snapshots": args.snapshots}
    parameters["scale"] = scaled.name
    if config.epsilon is config.density is None:  # some features are connected, or several are one
        density = chosen.given.get("density")
        parameters["density"] = density
        parameters["epsilon"] = chosen["epsilon"] if density is None else None
    parameters |= {name: chosen.given[name] for name in _ASKED if name in chosen.given}
    parameters |= _training(chosen)
    encoder = problem.encoder
    names = None
    if isinstance(encoder, TableEncoder):
        names = [part.name for part in encoder.columns_]
    count = model.original_layer_sizes[0] if encoder is None else len(encoder.columns_)
    is_number = isinstance(learnt.target, Numbers)
    shares = _explaining.shares(problem.x_train, encoder)
    model.metadata[KEY] = described(
        "SparseMLPRegressor" if is_number else "SparseMLPClassifier",
        learnt.target,
        encoder,
        parameters,
        features=count,
        feature_names=names,
        sparse=problem.is_sparse,
        scale=scaled.name,
        robust=None if scaled.columns is None else scaled.columns.tolist(),
        shares=None if shares is None else shares.tolist(),
        notes=problem.telling,
        history=curves_of(model.history),
        seen=seen.sketch(problem.x_train),
        features_used=None if features is None else features.tolist(),
        loss_curve=[float(loss) for loss in model.history.history.get("loss", [0.0])],
    )


# What an estimator is asked for that the command line calls otherwise.
_OF_FLAGS = {
    "max_iter": "epochs",
    "batch_size": "batch_size",
    "optimizer": "optimizer",
    "learning_rate_init": "learning_rate",
    "momentum": "momentum",
    "nesterovs_momentum": "nesterov",
    "weight_decay": "weight_decay",
    "zeta": "zeta",
}
_ALWAYS = ("epochs", "batch_size", "optimizer")


def _training(chosen: Chosen) -> dict[str, Any]:
    """Give how it was trained, as far as an estimator can be told: what was given, or is sure."""
    # The table's preset is what an estimator has by itself.
    is_usual = chosen.preset.name == TABLE.name and chosen.preset.optimizer == TABLE.optimizer
    flags = {*chosen.given, *(() if is_usual else _ALWAYS)}
    found = {name: chosen[flag] for name, flag in _OF_FLAGS.items() if flag in flags}
    if chosen["schedule"] in ("constant", "cosine"):
        found["learning_rate"] = chosen["schedule"]
    return found
