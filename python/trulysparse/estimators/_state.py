"""The state that a pickle of an estimator holds, checked before it is taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from trulysparse import _check
from trulysparse.data import seen
from trulysparse.estimators._targets import Classes, Labels, Numbers, Values
from trulysparse.history import History
from trulysparse.model import SparseMLP
from trulysparse.tables.arrays import ArrayEncoder
from trulysparse.tables.encoder import TableEncoder

_Fits = Callable[[Any], bool]
_TARGETS = (Classes, Labels, Numbers, Values)


def check(kind: type, state: Any, learnt: Mapping[str, tuple[_Fits, str]]) -> None:
    """Check the state of an estimator of class `kind`.

    Parameters
    ----------
    kind
        The class.
    state
        What its `__dict__` will be.
    learnt
        What `fit` leaves, by name: a test, and what it expects in words. Those beginning with
        ``?`` may be missing.

    Raises
    ------
    ValueError, TypeError
        If something is missing, or is not what `fit` leaves.
    """
    if not isinstance(state, Mapping) or not all(isinstance(key, str) for key in state):
        raise TypeError(
            f"the pickled {kind.__name__} holds {_check.shown(state)}: expected its state"
        )
    parameters = kind._get_param_names()  # type: ignore[attr-defined]
    for name in parameters:
        if name not in state and not hasattr(kind, name):
            raise ValueError(f"the pickled {kind.__name__} lacks its parameter {name}")
    known = {name.removeprefix("?") for name in learnt}
    if "model_" not in state and known.isdisjoint(state):
        return  # it was not fitted
    for key, (fits, expected) in learnt.items():
        name = key.removeprefix("?")
        if name not in state:
            if name == key:
                raise ValueError(f"the pickled {kind.__name__} lacks {name}: expected {expected}")
            continue
        if not fits(state[name]):
            raise ValueError(
                f"the pickled {kind.__name__} has {name} = {_check.shown(state[name])}: expected "
                f"{expected}"
            )
    _check_shapes(kind, state)


def _check_shapes(kind: type, state: Mapping[str, Any]) -> None:
    """Check what belongs together."""
    model, features = state["model_"], state["n_features_in_"]
    sizes = model.original_layer_sizes
    encoder = state.get("_encoder")
    inputs = features if encoder is None else encoder._count()
    columns = features if encoder is None else len(encoder.columns_)
    expected = {"n_features_in_": (features, sizes[0])}
    if encoder is not None:
        expected = {"n_features_in_": (features, columns), "features": (inputs, sizes[0])}
    for name in ("scores_", "feature_names_in_", "_constant", "_column_labels"):
        if state.get(name) is not None:
            expected[f"the length of {name}"] = (len(state[name]), features)
    for name in ("_robust", "features_used_"):
        some = state.get(name)
        if some is not None:
            is_right = np.array_equal(np.intersect1d(some, np.arange(inputs)), some)
            expected[f"ascending features in {name}"] = (is_right, True)
    if "_target" in state:
        target = state["_target"]
        expected["outputs of _target"] = (target.outputs, sizes[-1])
        expected["loss of _target"] = (target.loss, model.loss)
        expected["n_outputs_"] = (state["n_outputs_"], sizes[-1])
    for name, (found, right) in expected.items():
        if found != right:
            raise ValueError(
                f"the pickled {kind.__name__} has {name} = {found!r}: expected {right!r}, as its "
                "network has"
            )
    attributes = state["_target"].attributes() if "_target" in state else {}
    for name, value in attributes.items():
        if not np.array_equal(np.asarray(state.get(name)), value):
            raise ValueError(f"the pickled {kind.__name__} has other {name} than its targets")


def _is_count(value: Any) -> bool:
    number = _check.plain(value)
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool | np.bool_)


def _array(kinds: str) -> _Fits:
    return lambda v: isinstance(v, np.ndarray) and v.ndim == 1 and v.dtype.kind in kinds


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_check.is_number, value))


def _are_labels(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(v, str) for v in value))


def _is_encoder(value: Any) -> bool:
    if value is None or type(value) is ArrayEncoder:
        return True
    return type(value) is TableEncoder and hasattr(value, "columns_")


def _is_target(value: Any) -> bool:
    if type(value) not in _TARGETS or not all(hasattr(value, f.name) for f in fields(value)):
        return False
    if isinstance(value, Classes):
        classes = value.classes
        fits = _array("biufUSOTmM")(classes) and len(classes) > 1
        return bool(fits and np.array_equal(np.unique(classes), classes))
    if isinstance(value, Labels):
        return _is_count(value.outputs)
    if not _is_bool(value.one_per_sample):
        return False
    if isinstance(value, Numbers):
        return _is_count(value.outputs) and (value.outputs == 1 or not value.one_per_sample)
    arrays = (value.mean, value.scale)
    return all(_array("f")(a) and np.isfinite(a).all() for a in arrays) and (
        len(value.mean) == len(value.scale)
    )


_NETWORK = {
    "model_": (lambda v: isinstance(v, SparseMLP), "a SparseMLP"),
    "n_features_in_": (_is_count, "a number of features"),
    "?feature_names_in_": (_array("OUT"), "an array of names"),
    "?_encoder": (_is_encoder, "what makes samples of tables, or None"),
    "?_column_labels": (_are_labels, "a list of text or None"),
}
NETWORK: Mapping[str, tuple[_Fits, str]] = {
    **_NETWORK,
    "_target": (_is_target, "classes, labels or numbers, as fit learns them"),
    "?_target_labels": (_are_labels, "a list of text or None"),
    "_sparse": (_is_bool, "True or False"),
    "?_scale": (lambda v: v is None or isinstance(v, str), "the name of a scale, or None"),
    "?_robust": (lambda v: v is None or _array("i")(v), "numbers of features, or None"),
    "?features_used_": (lambda v: v is None or _array("i")(v), "numbers of features, or None"),
    "?_shares": (lambda v: v is None or _array("f")(v), "shares of rows, or None"),
    "?_constant": (lambda v: v is None or _array("b")(v), "a mask of the features or None"),
    "?_seen": (lambda v: v is None or seen.are_hashes(v), "hashes of rows, or None"),
    "?notes_": (lambda v: isinstance(v, list) and _are_labels(v), "a list of sentences"),
    "n_outputs_": (_is_count, "a number of outputs"),
    "n_iter_": (_is_count, "a number of epochs"),
    "loss_curve_": (_are_numbers, "a list of losses"),
    "?validation_scores_": (lambda v: v is None or _are_numbers(v), "a list of scores, or None"),
    "loss_": (_check.is_number, "a loss"),
    "best_loss_": (_check.is_number, "a loss"),
    "history_": (lambda v: isinstance(v, History), "a History"),
}
SELECTOR: Mapping[str, tuple[_Fits, str]] = {
    **_NETWORK,
    "scores_": (
        lambda v: _array("f")(v) and bool(np.isfinite(v).all() and (v >= 0).all()),
        "an array of finite scores of at least 0",
    ),
    "n_features_": (_is_count, "a number of features"),
}
