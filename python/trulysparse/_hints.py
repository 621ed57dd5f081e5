"""Words of other libraries, and what they are here: for errors that say what is meant instead."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, NoReturn, TypeVar

_F = TypeVar("_F", bound=Callable[..., Any])

_BAR = "progress=True or progress=False"
_RATE = "fit(..., optimizer=trulysparse.SGD(learning_rate=...))"
_HELD_OUT = "validation_data=(x, y) of the samples that are held out"
_STOPPING = "fit(..., callbacks=[trulysparse.EarlyStopping(patience=...)])"
_NO_GPU = "nothing, as all is computed by the processor"

# Arguments, and what a message says to expect instead.
ARGUMENTS = {
    "verbose": _BAR,
    "silent": _BAR,
    "quiet": _BAR,
    "validation_split": _HELD_OUT,
    "validation_fraction": _HELD_OUT,
    "eval_set": _HELD_OUT,
    "X_val": _HELD_OUT,
    "y_val": _HELD_OUT,
    "validation_batch_size": "batch_size",
    "validation_steps": "nothing, as all of validation_data is scored",
    "validation_freq": "nothing, as validation_data is scored after every epoch",
    "shuffle": "nothing, as every epoch has a new order",
    "class_weight": "sample_weight, an array of one weight for each sample",
    "weights": "sample_weight, or SparseMLP.from_scipy(weights)",
    "X": "x",
    "inputs": "x",
    "data": "x",
    "target": "y",
    "targets": "y",
    "labels": "y",
    "max_iter": "epochs",
    "n_epochs": "epochs",
    "num_epochs": "epochs",
    "nb_epoch": "epochs",
    "bs": "batch_size",
    "lr": _RATE,
    "learning_rate": _RATE,
    "learning_rate_init": _RATE,
    "momentum": "fit(..., optimizer=trulysparse.SGD(momentum=...))",
    "weight_decay": "fit(..., optimizer=trulysparse.SGD(weight_decay=...))",
    "l1": "fit(..., optimizer=trulysparse.SGD(l1=...))",
    "solver": "optimizer=trulysparse.Adam()",
    "schedule": "fit(..., optimizer=trulysparse.SGD(schedule='cosine'))",
    "optimizer": "fit(..., optimizer=trulysparse.Adam())",
    "topology": "fit(..., topology=trulysparse.SET())",
    "zeta": "fit(..., topology=trulysparse.SET(zeta=...))",
    "pruning": "fit(..., pruning=trulysparse.ImportancePruning(...))",
    "early_stopping": _STOPPING,
    "patience": _STOPPING,
    "metrics": "fit(..., callbacks=[...]); accuracy is there where the loss has one",
    "return_dict": "nothing, as the result is a dict",
    "steps": "nothing, as all samples are taken",
    "workers": "threads=... of SparseMLP, or strategy=trulysparse.WASSP(workers=...)",
    "use_multiprocessing": "threads=... of SparseMLP",
    "n_jobs": "threads=... of SparseMLP",
    "num_threads": "threads=... of SparseMLP",
    "nthread": "threads=... of SparseMLP",
    "random_state": "seed=... of SparseMLP",
    "device": _NO_GPU,
    "dtype": "nothing, as networks compute in float32",
    "hidden_layer_sizes": "layer_sizes, those of inputs and outputs included",
    "hidden_sizes": "layer_sizes, those of inputs and outputs included",
    "hidden_dims": "layer_sizes, those of inputs and outputs included",
    "layers": "layer_sizes",
    "sizes": "layer_sizes",
    "units": "layer_sizes",
    "input_shape": "layer_sizes, whose first number is that of the inputs",
    "input_dim": "layer_sizes, whose first number is that of the inputs",
    "output_dim": "layer_sizes, whose last number is that of the outputs",
    "n_classes": "layer_sizes, whose last number is that of the outputs",
    "num_classes": "layer_sizes, whose last number is that of the outputs",
    "sparsity": "density, which is 1 - sparsity",
    "dropout_rate": "dropout",
    "alpha": "slope for All-ReLU, or weight_decay of the optimiser",
    "criterion": "loss",
    "kernel_initializer": "init",
    "bias": "nothing, as every neuron has a bias",
    "use_bias": "nothing, as every neuron has a bias",
    "output_activation": "loss, which says what the outputs are",
    "out_activation": "loss, which says what the outputs are",
    "normalize": "standardize",
    "scale": "standardize",
}

# Names of values.
VALUES = {
    "linear": "identity",
    "none": "identity",
    "logistic": "sigmoid",
    "swish": "silu",
    "elu": "leaky_relu",
    "prelu": "srelu",
    "allrelu": "all_relu",
    "mse": "squared_error",
    "mean_squared_error": "squared_error",
    "smooth_l1": "huber",
    "categorical_crossentropy": "cross_entropy",
    "sparse_categorical_crossentropy": "cross_entropy",
    "crossentropy": "cross_entropy",
    "log_loss": "cross_entropy",
    "nll": "cross_entropy",
    "binary_crossentropy": "binary_cross_entropy",
    "bce": "binary_cross_entropy",
    "glorot_uniform": "xavier",
    "glorot": "xavier",
    "xavier_uniform": "xavier",
    "kaiming_uniform": "he_uniform",
    "he": "he_uniform",
    "lecun": "lecun_uniform",
    "random_normal": "normal",
    "erdos_renyi": "er",
}

_LOOK = "layers[i].weight and layers[i].bias show them; from_scipy makes a model of changed ones"
_NO_COMPILE = (
    "the loss is an argument of SparseMLP, the optimiser one of fit: "
    "fit(x, y, optimizer=trulysparse.Adam())"
)
_NO_MODES = "fit trains with dropout, and evaluate and predict compute without it"
_SAVE = "save(path) writes a model, and trulysparse.load(path) reads it"
_SIZES = "SparseMLP([784, 100, 10]) has its layers from the start"

# Attributes of models and layers.
ATTRIBUTES = {
    "compile": _NO_COMPILE,
    "loss_fn": _NO_COMPILE,
    "criterion": _NO_COMPILE,
    "optimizer": _NO_COMPILE,
    "add": _SIZES,
    "build": _SIZES,
    "parameters": _LOOK,
    "named_parameters": _LOOK,
    "trainable_weights": _LOOK,
    "weights": _LOOK,
    "get_weights": _LOOK,
    "set_weights": _LOOK,
    "coefs_": _LOOK,
    "intercepts_": _LOOK,
    "count_params": "nnz is the number of connections",
    "num_parameters": "nnz is the number of connections",
    "state_dict": _SAVE,
    "load_state_dict": _SAVE,
    "save_weights": _SAVE,
    "load_weights": _SAVE,
    "save_model": _SAVE,
    "load": _SAVE,
    "forward": "predict(x) computes the outputs",
    "predict_on_batch": "predict(x) computes the outputs",
    "predict_proba": "predict(x) gives probabilities",
    "predict_classes": "predict(x).argmax(axis=1) gives classes",
    "score": "evaluate(x, y) gives a dict of loss and accuracy",
    "train": _NO_MODES,
    "eval": _NO_MODES,
    "backward": "train_on_batch(x, y) takes one step",
    "step": "train_on_batch(x, y) takes one step",
    "zero_grad": "train_on_batch(x, y) takes one step",
    "partial_fit": "fit(x, y) goes on with the model; train_on_batch(x, y) takes one step",
    "fit_generator": "fit takes iterators of batches",
    "to": _NO_GPU,
    "cuda": _NO_GPU,
    "cpu": _NO_GPU,
    "device": _NO_GPU,
    "history_": "history",
    "random_state": "seed",
    "masks": "layers[i].mask tells which connections exist",
    "connections": "nnz is their number, and layers[i].mask tells which there are",
}

_OF_LAYERS = {
    **dict.fromkeys(
        ("get_weights", "kernel", "weights", "W", "data", "parameters", "state_dict"),
        "weight and bias are SciPy's and NumPy's arrays",
    ),
    "set_weights": "SparseMLP.from_scipy makes a model of changed weights",
    "biases": "bias",
    "b": "bias",
    "in_features": "n_in",
    "out_features": "n_out",
    "units": "n_out",
    "count_params": "nnz is the number of connections",
    "sparsity": "density, which is 1 - sparsity",
    "name": "repr(layer) says what it is",
}

# The parameters of each function that `plain` was asked about.
_PARAMETERS: dict[str, tuple[str, ...]] = {}


def plain(function: _F) -> _F:
    """Show a function without ``**unknown``, which it has to refuse other words by `refuse`.

    A wrapper would do too, but stand in every traceback and shift the place of every warning.
    """
    signature = inspect.signature(function)
    known = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    function.__signature__ = signature.replace(parameters=known)  # type: ignore[attr-defined]
    function.__annotations__.pop("unknown", None)
    _PARAMETERS[function.__qualname__] = tuple(p.name for p in known[1:])
    return function


def refuse(
    where: str,
    unknown: Mapping[str, NoReturn],
    meant: Callable[[str, str], str] | None = None,
) -> None:
    """Raise TypeError if there are arguments that a function does not know.

    Parameters
    ----------
    where
        Its qualified name.
    unknown
        What it was given by names that are no parameters.
    meant
        Says what such a name means there. None (default): by the words of `SparseMLP`.
    """
    for name in unknown:
        said = where.removesuffix(".__init__")
        expected = (meant or _meant)(where, name)
        raise TypeError(f"{said} has no argument {name!r}: expected {expected}")


def _meant(where: str, name: str) -> str:
    fit, model = _PARAMETERS["SparseMLP.fit"], _PARAMETERS["SparseMLP.__init__"]
    if name in ARGUMENTS:
        return ARGUMENTS[name]
    if name in fit:
        return f"SparseMLP.fit(..., {name}=...)"
    if name in model:
        return f"SparseMLP(..., {name}=...)"
    known = _PARAMETERS[where]
    return "".join(get_close_matches(name, known, n=1)) or f"one of {', '.join(known)}"


def meant(value: str, options: Iterable[str]) -> str:
    """Say what a value that is none of the options may mean; nothing if that is not known."""
    names = list(options)
    word = value.strip().lower().replace("-", "_").replace(" ", "_")
    for found in (word, VALUES.get(word), *get_close_matches(word, names, n=1, cutoff=0.75)):
        if found in names:
            return f"; {value!r} may be {found!r}"
    return ""


def attribute(owner: object, name: str, words: Mapping[str, str] | None = None) -> Any:
    """Raise AttributeError for an attribute that is not there; for ``__getattr__``.

    `words` say what is meant; None (default): those of models and layers.
    """
    if words is None:
        words = _OF_LAYERS if type(owner).__name__ == "Layer" else ATTRIBUTES
    if name not in words:
        return object.__getattribute__(owner, name)  # raises Python's error, or a property's again
    raise AttributeError(
        f"{type(owner).__name__!r} object has no attribute {name!r}: {words[name]}"
    )
