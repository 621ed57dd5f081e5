"""The network of a table as an estimator, which takes the table's columns as they are."""

from __future__ import annotations

from typing import Any

from trulysparse.cli.tables.problem import Problem
from trulysparse.config import Config
from trulysparse.estimators import KEY, described
from trulysparse.estimators._targets import Numbers
from trulysparse.model import SparseMLP
from trulysparse.tables.encoder import TableEncoder

# What an estimator is asked for that its network has.
_OF_CONFIG = ("activation", "slope", "dropout", "input_noise", "epsilon", "density")


def write(model: SparseMLP, problem: Problem, seed: int) -> None:
    """Write into the metadata what `trulysparse.load` needs to make an estimator of the network."""
    learnt = problem.learnt
    if learnt is None:
        return
    config = Config.of(model._core)
    parameters: dict[str, Any] = {name: getattr(config, name) for name in _OF_CONFIG}
    parameters["hidden_layer_sizes"] = model.original_layer_sizes[1:-1]
    parameters["random_state"] = seed
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
        loss_curve=[float(loss) for loss in model.history.history.get("loss", [0.0])],
    )
