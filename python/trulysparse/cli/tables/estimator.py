"""The network of a table as an estimator, which takes the table's columns as they are."""

from __future__ import annotations

from typing import Any

from trulysparse.cli.presets import Chosen
from trulysparse.cli.tables.problem import Problem
from trulysparse.config import Config
from trulysparse.data import seen
from trulysparse.estimators import KEY, _scaling, described
from trulysparse.estimators._saved import curves_of
from trulysparse.estimators._scaling import Asked, Scaling
from trulysparse.estimators._targets import Numbers
from trulysparse.model import SparseMLP
from trulysparse.tables.encoder import TableEncoder

# What an estimator is asked for that its network has.
_OF_CONFIG = ("activation", "slope", "dropout", "input_noise", "epsilon", "density")


def scaling(wanted: Asked, problem: Problem) -> Scaling:
    """Learn how features are scaled; those of known data sets are not looked at for heavy tails."""
    if problem.learnt is None and wanted.scale == "auto":
        return _scaling.of_batches(wanted, is_sparse=problem.is_sparse)
    marks = {} if problem.encoder is None else problem.encoder.marks()
    return _scaling.learnt(wanted, problem.x_train, marks, is_sparse=problem.is_sparse)


def write(model: SparseMLP, problem: Problem, scaled: Scaling, seed: int, chosen: Chosen) -> None:
    """Write into the metadata what `trulysparse.load` needs to make an estimator of the network."""
    learnt = problem.learnt
    if learnt is None:
        return
    config = Config.of(model._core)
    parameters: dict[str, Any] = {name: getattr(config, name) for name in _OF_CONFIG}
    parameters["hidden_layer_sizes"] = model.original_layer_sizes[1:-1]
    parameters["random_state"] = seed
    parameters["scale"] = scaled.name
    parameters |= _training(chosen)
    encoder = problem.encoder
    names = None
    if isinstance(encoder, TableEncoder):
        names = [part.name for part in encoder.columns_]
    features = model.original_layer_sizes[0] if encoder is None else len(encoder.columns_)
    is_number = isinstance(learnt.target, Numbers)
    model.metadata[KEY] = described(
        "SparseMLPRegressor" if is_number else "SparseMLPClassifier",
        learnt.target,
        encoder,
        parameters,
        features=features,
        feature_names=names,
        sparse=problem.is_sparse,
        scale=scaled.name,
        robust=None if scaled.columns is None else scaled.columns.tolist(),
        notes=problem.telling,
        history=curves_of(model.history),
        seen=seen.sketch(problem.x_train),
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
    flags = {*chosen.given, *_ALWAYS}
    found = {name: chosen[flag] for name, flag in _OF_FLAGS.items() if flag in flags}
    if chosen["schedule"] in ("constant", "cosine"):
        found["learning_rate"] = chosen["schedule"]
    return found
