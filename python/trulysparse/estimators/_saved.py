"""Estimators in the file of their network: the metadata have what the network does not know."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trulysparse import _check, _files
from trulysparse.estimators import _state
from trulysparse.estimators._targets import Array, Classes, Labels, Numbers
from trulysparse.history import History
from trulysparse.model import SparseMLP
from trulysparse.tables import arrays
from trulysparse.tables.arrays import ArrayEncoder
from trulysparse.tables.encoder import TableEncoder

KEY = "estimator"
"""Where the metadata have it, as JSON."""

_PLAIN = (bool, int, float, str, type(None))


def metadata(estimator: Any) -> dict[str, str]:
    """Give the metadata of an estimator's file.

    Raises
    ------
    TypeError
        If its classes are of a type that JSON has not.
    """
    state = vars(estimator)
    parameters = {name: _check.plain(v) for name, v in estimator.get_params(deep=False).items()}
    kept = {name: value for name, value in parameters.items() if _is_plain(value)}
    names, robust = state.get("feature_names_in_"), getattr(estimator, "_robust", None)
    used = state.get("features_used_")
    said = {
        "class": type(estimator).__name__,
        "parameters": kept,
        "not_saved": sorted(set(parameters) - set(kept)),
        "target": _target(estimator._target),
        "target_labels": state.get("_target_labels"),
        "features": int(estimator.n_features_in_),
        "feature_names": None if names is None else list(map(str, names)),
        "column_labels": state.get("_column_labels"),
        "sparse": bool(estimator._sparse),
        "scale": getattr(estimator, "_scale", None),
        "robust": None if robust is None else robust.tolist(),
        "features_used": None if used is None else used.tolist(),
        "shares": None if estimator._shares is None else estimator._shares.tolist(),
        "loss_curve": [float(loss) for loss in estimator.loss_curve_],
        "notes": state.get("notes_", []),
        "history": curves_of(state.get("history_")),
        "seen": getattr(estimator, "_seen", None),
        "encoder": _encoder(state.get("_encoder")),
    }
    found: dict[str, str] = estimator.model_.metadata | {KEY: json.dumps(said)}
    return found


def restored(model: SparseMLP, kinds: Mapping[str, type]) -> Any:
    """Make the estimator whose network this is; a ValueError if the file's text is none.

    Parameters
    ----------
    model
        The network; what the metadata say of the estimator is taken out of it.
    kinds
        The classes that there are.
    """
    text = model.metadata.pop(KEY)
    try:
        said = _files.parsed(text)
        kind: Any = kinds[said["class"]]
        given = {k: tuple(v) if isinstance(v, list) else v for k, v in said["parameters"].items()}
        state = kind(**given).get_params(deep=False) | _learnt(model, said)
        _state.check(kind, state, _state.NETWORK)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        raise ValueError(f"metadata[{KEY!r}]: no estimator of this version ({error})") from None
    estimator = kind.__new__(kind)
    vars(estimator).update(state)
    return estimator


def described(
    kind: str,
    target: Classes | Labels | Numbers,
    encoder: TableEncoder | ArrayEncoder | None,
    parameters: Mapping[str, Any],
    **learnt: Any,
) -> str:
    """Give the text of an estimator whose network was trained without one.

    Parameters
    ----------
    kind
        The name of its class.
    target, encoder
        What was learnt of the labels and the columns.
    parameters
        Those of the estimator, numbers and text.
    **learnt
        `features`, `feature_names`, `sparse`, `loss_curve`, and what else `metadata` has.
    """
    said: dict[str, Any] = {
        "class": kind,
        "parameters": dict(parameters),
        "not_saved": [],
        "target": _target(target),
        "target_labels": None,
        "column_labels": None,
        "encoder": _encoder(encoder),
    }
    return json.dumps(said | learnt)


def _learnt(model: SparseMLP, said: Mapping[str, Any]) -> dict[str, Any]:
    target = _read_target(said["target"])
    names, losses = said["feature_names"], said["loss_curve"]
    state: dict[str, Any] = {
        "model_": model,
        "_target": target,
        "_target_labels": said["target_labels"],
        "_sparse": said["sparse"],
        "_encoder": _read_encoder(said["encoder"]),
        "_column_labels": said["column_labels"],
        "_scale": said.get("scale"),
        "_robust": _numbers(said.get("robust")),
        "features_used_": _numbers(said.get("features_used")),
        "_shares": None if said.get("shares") is None else np.array(said["shares"], np.float64),
        "notes_": said.get("notes", []),
        "n_features_in_": said["features"],
        "n_outputs_": target.outputs,
        "history_": _history(said.get("history")),
        "_seen": said.get("seen"),
        "loss_curve_": losses,
        "loss_": losses[-1],
        "best_loss_": min(losses),
        "n_iter_": len(losses),
        "n_retries_": 0,
        "validation_scores_": None,
        "best_validation_score_": None,
        **target.attributes(),
    }
    if names is not None:
        state["feature_names_in_"] = np.array(names, object)
    units = model._core.target_statistics()
    if units is not None:
        state["y_mean_"] = units.mean
        state["y_scale_"] = 1 / np.where(units.scale > 0, units.scale, 1.0)
    return state


def _numbers(said: Any) -> Any:
    return None if said is None else np.array(said, np.int64)


_CURVES = ("loss", "val_loss", "accuracy", "val_accuracy")


def curves_of(history: History | None) -> dict[str, list[float]]:
    """Give what a file keeps of a history, if there is one: what a report shows."""
    found = {} if history is None else history.history
    return {key: list(map(float, found[key])) for key in _CURVES if found.get(key)}


def _history(said: Mapping[str, Sequence[float]] | None) -> History:
    """Make a history of what a file has kept of it."""
    history, curves = History(), said or {}
    lengths = {len(values) for values in curves.values()}
    if len(lengths) > 1 or not set(curves) <= set(_CURVES):
        raise ValueError("history: expected curves of the same length")
    for values in curves.values():
        if not all(map(_check.is_number, values)):
            raise TypeError("history: expected numbers")
    history.history = {name: list(values) for name, values in curves.items()}
    history.epoch = list(range(max(lengths, default=0)))
    return history


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(isinstance(item, _PLAIN) for item in value)
    return isinstance(value, _PLAIN)


# --- targets --------------------------------------------------------------------------------------


def _target(target: Any) -> dict[str, Any]:
    if isinstance(target, Classes):
        return {"kind": "classes", **_values(target.classes)}
    if isinstance(target, Labels):
        return {"kind": "labels", "outputs": target.outputs, "sparse": target.sparse}
    if isinstance(target, Numbers):
        return {
            "kind": "numbers", "outputs": target.outputs, "one_per_sample": target.one_per_sample
        }  # fmt: skip
    raise TypeError("an estimator that 0.1.0 has pickled: expected one that was fitted since")


def _values(classes: Array) -> dict[str, Any]:
    items = classes.tolist()
    if classes.dtype.kind not in "biufUO" or not all(isinstance(item, _PLAIN) for item in items):
        raise TypeError(
            f"classes_ have dtype {classes.dtype}: expected numbers, text or booleans, or a "
            "pickle instead of a file"
        )
    return {"dtype": "O" if classes.dtype == object else classes.dtype.str, "values": items}


def _read_target(said: Mapping[str, Any]) -> Classes | Labels | Numbers:
    if said["kind"] == "classes":
        return Classes(np.array(said["values"], dtype=np.dtype(said["dtype"])))
    if said["kind"] == "labels":
        return Labels(said["outputs"], bool(said.get("sparse", False)))
    if said["kind"] != "numbers":
        raise ValueError(f"target of kind {said['kind']!r}")
    return Numbers(said["outputs"], said["one_per_sample"])


# --- tables ---------------------------------------------------------------------------------------


def _encoder(encoder: Any) -> dict[str, str] | None:
    if encoder is None:
        return None
    kind = "table" if isinstance(encoder, TableEncoder) else "array"
    return {"kind": kind, "text": encoder.to_json()}


def _read_encoder(said: Mapping[str, str] | None) -> TableEncoder | ArrayEncoder | None:
    if said is None:
        return None
    if said["kind"] == "table":
        return TableEncoder.from_json(said["text"])
    if said["kind"] != "array":
        raise ValueError(f"columns of kind {said['kind']!r}")
    return arrays.from_json(said["text"])
