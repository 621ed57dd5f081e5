"""What Keras, scikit-learn and PyTorch call things, and what the same is called here."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

_T = TypeVar("_T")

_FIT = "fit({name}=...)"
_HELD_OUT = "validation_data=(x, y), rows that you have held out, or an estimator's early_stopping"

ARGUMENTS = {
    "__init__": {
        "callbacks": _FIT,
        "batch_size": _FIT,
        "epochs": _FIT,
        "hidden_layer_sizes": "layer_sizes, with the inputs first and the outputs last",
        "input_shape": "the first of layer_sizes",
        "l1": "fit(optimizer=Adam(l1=...)) or that of another optimiser",
        "learning_rate": "fit(optimizer=SGD(learning_rate)), Adam or Lion",
        "n_jobs": "threads",
        "optimizer": "fit(optimizer=SGD()), Adam() or Lion()",
        "random_state": "seed",
        "sparsity": "density, which is 1 - sparsity",
        "topology": "fit(topology=SET()), GradientGrowth(), a TopologyRule, or None",
        "verbose": "progress=True or False, in fit",
        "weight_decay": "fit(optimizer=SGD(weight_decay=...)) or that of another optimiser",
        "zeta": "fit(topology=SET(zeta))",
    },
    "fit": {
        "class_weight": "sample_weight, a weight for each row",
        "early_stopping": "callbacks=[EarlyStopping()] and validation_data",
        "learning_rate": "optimizer=SGD(learning_rate), Adam or Lion",
        "loss": "SparseMLP(loss=...)",
        "lr": "optimizer=SGD(learning_rate), Adam or Lion",
        "max_iter": "epochs",
        "metrics": "callbacks=[MetricsLogger(function)]",
        "shuffle": "nothing, as every epoch takes the rows in a new order",
        "validation_batch_size": "batch_size",
        "validation_split": _HELD_OUT,
        "verbose": "progress=True or False",
        "workers": "strategy=WASSP(workers) or WASAP(workers), or SparseMLP(threads=...)",
    },
    "evaluate": {
        "return_dict": "nothing, as it always returns a dictionary",
        "verbose": "nothing, as it never prints",
    },
    "predict": {"verbose": "nothing, as it never prints"},
}
"""What to write instead of an argument that a method does not have."""

METHODS = {
    "add": "SparseMLP([inputs, hidden, ..., outputs]) has all layers from the start",
    "backward": "train_on_batch takes a step; gradient_norms tells how large gradients are",
    "classes_": "outputs are numbered from 0; SparseMLPClassifier has classes_",
    "compile": "give the optimizer to fit, and the loss to SparseMLP",
    "count_params": "nnz counts the connections, layers[i].bias has the biases",
    "eval": "predict and evaluate never drop units out",
    "forward": "predict",
    "get_params": "SparseMLPClassifier and SparseMLPRegressor are scikit-learn's estimators",
    "get_weights": "layers[i].weight and layers[i].bias, or to_scipy()",
    "load_weights": "trulysparse.load(path)",
    "parameters": "layers[i].weight and layers[i].bias, or to_scipy()",
    "partial_fit": "train_on_batch, or an estimator's partial_fit",
    "predict_classes": "predict(x).argmax(axis=1)",
    "predict_proba": "predict, which gives probabilities",
    "save_weights": "save(path)",
    "score": "evaluate",
    "set_weights": "SparseMLP.from_scipy(weights, biases)",
    "state_dict": "save(path), or to_torch().state_dict()",
    "train": "fit",
    "zero_grad": "train_on_batch takes a step",
}
"""What to call instead of a method that a model does not have."""


def known(model: type[_T]) -> type[_T]:
    """Leave out of signatures, as people see them, the ``**others`` that `refuse` takes."""
    for name in ARGUMENTS:
        method = getattr(model, name)
        signature = inspect.signature(method)
        shown = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
        method.__signature__ = signature.replace(parameters=shown)
    return model


def refuse(method: Callable[..., Any], others: Mapping[str, object]) -> None:
    """Raise the TypeError of arguments that a method does not have, and say what there is instead.

    A wrapper could do it too, but would be a frame between users and the warnings that they get.
    """
    for name in others:
        whole = method.__qualname__.removesuffix(".__init__")
        instead = ARGUMENTS.get(method.__name__, {}).get(name)
        if instead is not None:
            instead = f"instead of it there is {instead.format(name=name)}"
        else:
            near = difflib.get_close_matches(name, inspect.signature(method).parameters, 1)
            instead = f"did you mean {near[0]}?" if near else "help() has those that it has"
        raise TypeError(f"{whole} has no argument {name}: {instead}")


def missing(self: object, name: str) -> NoReturn:
    """Say what is called instead of a method of another library; for ``__getattr__``."""
    kind = type(self).__name__
    instead = f": {METHODS[name]}" if name in METHODS else ""
    raise AttributeError(f"{kind!r} object has no attribute {name!r}{instead}", name=name, obj=self)


def example(name: str, value: Any, classes: dict[str, str]) -> str:
    """Give ``, such as optimizer=Adam()`` for the text "adam", and nothing for others."""
    found = classes.get(value.lower()) if isinstance(value, str) else None
    return f", such as {name}=trulysparse.{found}()" if found else ""
