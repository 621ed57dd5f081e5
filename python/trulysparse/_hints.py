"""Words of other libraries, and what they are here: for errors that say what is meant instead."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import FrozenInstanceError
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from trulysparse import _words

_F = TypeVar("_F", bound=Callable[..., Any])
_T = TypeVar("_T")

_BAR = "progress=True or progress=False"
_RATE = "fit(..., optimizer=trulysparse.SGD(learning_rate=...))"
_HELD_OUT = "validation_data=(x, y) of the samples that are held out"
_STOPPING = "fit(..., callbacks=[trulysparse.EarlyStopping(patience=...)])"
_PROCESSOR = "the processor computes everything"
_NO_GPU = f"nothing, as {_PROCESSOR}"

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
    "he_normal": "he_uniform",
    "kaiming_normal": "he_uniform",
    "kaiming": "he_uniform",
    "glorot_normal": "xavier",
    "xavier_normal": "xavier",
    "lecun_normal": "lecun_uniform",
    "truncated_normal": "normal",
}

# Numbers of a fit by other names, for callbacks that watch one.
_NUMBERS = {
    **dict.fromkeys(("acc", "train_acc", "train_accuracy", "binary_accuracy"), "accuracy"),
    **dict.fromkeys(("categorical_accuracy", "sparse_categorical_accuracy"), "accuracy"),
    **dict.fromkeys(("val_acc", "valid_acc", "validation_accuracy"), "val_accuracy"),
    **dict.fromkeys(("val_binary_accuracy", "val_categorical_accuracy"), "val_accuracy"),
    "val_sparse_categorical_accuracy": "val_accuracy",
    **dict.fromkeys(("train_loss", "training_loss"), "loss"),
    **dict.fromkeys(("valid_loss", "validation_loss", "test_loss"), "val_loss"),
    "lr": "learning_rate",
}

LOADER = "only fit takes batches (call this with the x and y of each)"
"""What to do with an iterator of batches elsewhere."""

_LOOK = "layers[i].weight and layers[i].bias show them; from_scipy makes a model of changed ones"
_NO_COMPILE = (
    "the loss is an argument of SparseMLP, the optimiser one of fit: "
    "fit(x, y, optimizer=trulysparse.Adam())"
)
_NO_MODES = "fit trains with dropout, and evaluate and predict compute without it"
_SAVE = "save(path) writes a model, and trulysparse.load(path) reads it"
_SETTINGS = "its settings are attributes, such as layer_sizes and dropout"
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
    **dict.fromkeys(("to", "cuda", "cpu", "device"), _PROCESSOR),
    **dict.fromkeys(("float", "half", "double", "dtype"), "networks compute in float32"),
    **dict.fromkeys(("to_json", "to_yaml", "get_config", "config", "get_params"), _SETTINGS),
    **dict.fromkeys(("modules", "children", "named_modules", "get_layer"), "layers is a list"),
    **dict.fromkeys(("input_shape", "output_shape", "inputs", "outputs"), "layer_sizes"),
    **dict.fromkeys(("requires_grad_", "freeze", "trainable"), "a fit trains all layers"),
    **dict.fromkeys(("clone", "copy"), "copy.deepcopy(model) makes another"),
    **dict.fromkeys(("metrics", "metrics_names", "loss_curve_"), "history has all numbers"),
    **dict.fromkeys(("feature_importances_", "coef_"), "feature_importance() computes it"),
    **dict.fromkeys(("classes_", "n_features_in_"), "SparseMLPClassifier learns it of a table"),
    "export": "export_npz and to_torch write what other libraries read",
    "lr": "learning_rate",
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

# The room of each of them that is no method.
_ROOMS: dict[str, str] = {}


def plain(function: _F) -> _F:
    """Show a function without ``**unknown``, which it has to refuse other words by `refuse`.

    A wrapper would do too, but stand in every traceback and shift the place of every warning.
    """
    signature = inspect.signature(function)
    known = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    function.__signature__ = signature.replace(parameters=known)  # type: ignore[attr-defined]
    function.__annotations__.pop("unknown", None)
    where, names = function.__qualname__, tuple(p.name for p in known)
    if "." in where:
        _PARAMETERS[where] = names[1:]  # without self
    else:
        _PARAMETERS[where], _ROOMS[where] = names, function.__module__.split(".")[1]
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
    known = _PARAMETERS[where]
    words = dict(_words.OF.get(_ROOMS.get(where, ""), {})) | dict(_words.OF.get(where, {}))
    if found := _of(words, name, known):
        return found
    if where in _ROOMS:
        return _nearest(name, known)
    if name in ARGUMENTS:
        return _here(where, ARGUMENTS[name])
    return _of_fit(name) or _nearest(name, known)


def _of(words: Mapping[str, str], name: str, known: Iterable[str]) -> str:
    """Give what a word means, but no name of an argument that there is not."""
    for said in words.get(name, "").split("|"):
        if said in known or not said.isidentifier():
            return said
    return ""


def _here(where: str, said: str) -> str:
    """Name the method itself where it takes what `fit` does."""
    found = re.match(r"fit\(\.\.\., (\w+)=", said)
    if found is None or where.endswith("__init__") or found[1] not in _PARAMETERS[where]:
        return said
    return where.split(".")[1] + said[len("fit") :]


def _of_fit(name: str) -> str:
    for where in ("SparseMLP.fit", "SparseMLP.__init__"):
        if name in _PARAMETERS.get(where, ()):
            return f"{where.removesuffix('.__init__')}(..., {name}=...)"
    return ""


def _nearest(name: str, known: Iterable[str]) -> str:
    listed = list(known)
    if near := get_close_matches(name, listed, n=1):
        return near[0]
    if len(listed) < 2:
        return f"only {listed[0]}" if listed else "no arguments"
    return f"one of {', '.join(listed)}"


class Worded:
    """What is made with arguments, which refuses those of other libraries in words.

    The error comes from here, as a wrapper of the constructor would shift the place of warnings.
    """

    __slots__ = ()

    if not TYPE_CHECKING:  # which would then take any argument

        def __new__(cls, *args: Any, **settings: Any) -> Any:
            """Raise TypeError if there are arguments that the constructor does not know."""
            if settings or args:
                _refuse_words(cls, args, settings)
            return super().__new__(cls)


def hides_arguments(new: Callable[..., Any]) -> None:
    """Let `inspect.signature` tell no arguments of a ``__new__`` that takes any."""
    first = inspect.Parameter("cls", inspect.Parameter.POSITIONAL_ONLY)
    new.__signature__ = inspect.Signature([first])  # type: ignore[attr-defined]


hides_arguments(Worded.__new__)


def _refuse_words(cls: type, args: tuple[Any, ...], settings: Mapping[str, Any]) -> None:
    if not _is_ours(cls.__new__):
        return
    init: Any = cls.__init__  # type: ignore[misc]  # of a class that is being made
    known: tuple[str, ...] = ()
    if init is not object.__init__:
        code = getattr(init, "__code__", None)
        if code is None or code.co_flags & inspect.CO_VARKEYWORDS:
            return
        known = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
    elif args:
        raise TypeError(f"{cls.__name__} takes no arguments: expected {cls.__name__}()")
    for name in settings:
        if name not in known:
            said = _of_class(cls, name, known)
            raise TypeError(f"{cls.__name__} has no argument {name!r}: expected {said}")


def _is_ours(made: Any) -> bool:
    return str(getattr(made, "__module__", "")).split(".")[0] == __name__.split(".")[0]


def _of_class(cls: type, name: str, known: Iterable[str]) -> str:
    for base in cls.__mro__:
        if found := _of(_words.OF.get(base.__name__, {}), name, known):
            return found
    listed = list(known)
    near = get_close_matches(name, listed, n=1)
    return near[0] if near else _of_fit(name) or _nearest(name, listed)


def frozen(cls: type[_T]) -> type[_T]:
    """Let a frozen dataclass say how to get one with another value."""
    before = cls.__setattr__

    def __setattr__(self: Any, name: str, value: Any) -> None:
        try:
            before(self, name, value)
        except FrozenInstanceError:
            raise FrozenInstanceError(_another(self, name)) from None

    cls.__setattr__ = __setattr__  # type: ignore[method-assign]
    return cls


def _another(owner: Any, name: str) -> str:
    kind = type(owner)
    fields = tuple(kind.__dataclass_fields__)
    if name not in fields:
        said = f"{kind.__name__} has no attribute {name!r}"
        return f"{said}: expected {_of_class(kind, name, fields)}, when it is made"
    after = getattr(kind, "_after_another", "")
    another = f"trulysparse.{kind.__name__}({name}=...)"
    return f"{kind.__name__}.{name} cannot be set: make another, such as {another}{after}"


def meant(value: str, options: Iterable[str]) -> str:
    """Say what a value that is none of the options may mean; nothing if that is not known."""
    names = list(options)
    word = value.strip().lower().replace("-", "_").replace(" ", "_")
    near = get_close_matches(word, names, n=1, cutoff=0.75)
    for found in (word, VALUES.get(word), _NUMBERS.get(word), *near):
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


def assign(owner: object, name: str, value: Any) -> None:
    """Set an attribute, or raise AttributeError for one that is none; for ``__setattr__``.

    Subclasses of users may have attributes of their own.
    """
    kind = type(owner)
    if name[:1] != "_" and _is_ours(kind):
        found, settable = inspect.getattr_static(kind, name, None), _SETTABLE[kind.__name__]
        if isinstance(found, property) and found.fset is None:
            said = _read_only(kind, name)
            raise AttributeError(f"{kind.__name__}.{name} can only be read: {said}")
        if found is None and name not in settable:
            said = _to_set(kind, name, settable)
            raise AttributeError(f"{kind.__name__!r} object has no attribute {name!r}: {said}")
    object.__setattr__(owner, name, value)


_SETTABLE = {
    "SparseMLP": ("metadata", "history", "stop_training", "learning_rate", "threads"),
    "Layer": (),
    "EvolvingLayer": ("number", "epoch", "evolutions", "rng"),
}


def _read_only(kind: type, name: str) -> str:
    if kind.__name__ == "SparseMLP":
        said = name in _PARAMETERS["SparseMLP.__init__"]
        return f"SparseMLP(..., {name}=...) makes a model with another" if said else _LOOK
    return _OF_LAYERS["set_weights"]


def _to_set(kind: type, name: str, settable: Iterable[str]) -> str:
    words = _OF_LAYERS if kind.__name__ != "SparseMLP" else ATTRIBUTES
    if name in _words.ASSIGNED:
        return f"expected {_words.ASSIGNED[name]}"
    if name in words:
        return words[name]
    if near := get_close_matches(name, list(settable), n=1):
        return f"expected {near[0]}"
    return "metadata keeps notes" if kind.__name__ == "SparseMLP" else "a layer keeps nothing"


def called(owner: object, *args: Any, **settings: Any) -> NoReturn:
    """Raise TypeError; for ``__call__``, which other libraries compute outputs by."""
    kind = type(owner).__name__
    raise TypeError(f"a {kind} cannot be called: {ATTRIBUTES['forward']}")


def of_module(module: str, public: Iterable[str]) -> Callable[[str], Any]:
    """Give a ``__getattr__`` of a module that says what a name may mean.

    Parameters
    ----------
    module
        Its name.
    public
        The names that it has.
    """

    def __getattr__(name: str) -> Any:
        missing(module, name, public)

    return __getattr__


def missing(module: str, name: str, public: Iterable[str]) -> NoReturn:
    """Raise AttributeError for a name that a module does not have, and say what it may mean.

    It is an ImportError in ``from module import name``, which would drop the message otherwise.
    """
    said = "" if name.startswith("_") else _named(module, name, list(public))
    asking = sys._getframe(1).f_back
    imports = asking is not None and asking.f_code.co_name == "_handle_fromlist"
    if said and imports and not _is_module(f"{module}.{name}"):
        raise ImportError(f"cannot import name {name!r} from {module!r}{said}", name=module)
    raise AttributeError(f"module {module!r} has no attribute {name!r}{said}")


def _is_module(name: str) -> bool:
    from importlib.util import find_spec  # which the package needs for nothing else

    return find_spec(name) is not None


def _named(module: str, name: str, public: list[str]) -> str:
    package = module.split(".")[0]
    top = getattr(sys.modules.get(package), "__all__", public)
    for names, place in ((public, module), (top, package)):
        same = [known for known in names if known.lower() == name.lower()]
        if found := same or [n for n in _words.NAMES.get(name, "").split("|") if n in names]:
            return f": expected {place}.{found[0]}"
    if name in _words.NAMES:
        said = _words.NAMES[name]
        return f": expected {f'{package}.' if said.split('.')[0] == 'datasets' else ''}{said}"
    for names, place in ((public, module), (top, package)):
        if near := get_close_matches(name, names, n=1, cutoff=0.7):
            return f": expected {place}.{near[0]}"
    return ""
