"""What a saved model remembers of its data, so that other data can be matched with it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from trulysparse import _files
from trulysparse.cli.common import note
from trulysparse.cli.flags import data as data_flags
from trulysparse.cli.tables.problem import Problem
from trulysparse.data.blocks import Blocks
from trulysparse.datasets import Dataset
from trulysparse.model import SparseMLP

Rows = npt.NDArray[Any]
Labels = npt.NDArray[np.int64]


def write(model: SparseMLP, problem: Problem, label: str | None) -> None:
    """Write down the names of the data, their classes, their features and their label."""
    known: Any = problem.label[0] if len(problem.label) == 1 else list(problem.label) or None
    entries = {
        "dataset": problem.name,
        "class_names": problem.class_names,
        "feature_names": problem.feature_names,
        "label": known if known is not None else label,
        "missing": list(problem.missing) or None,
        "not_missing": list(problem.not_missing) or None,
        "ids": list(problem.ids) or None,
    }
    for key, value in entries.items():
        if value is not None:
            model.metadata[key] = json.dumps(value)


def names(model: SparseMLP, key: str) -> list[str] | None:
    """Read a list of names from the model's metadata, or None if it has none."""
    if key not in model.metadata:
        return None
    try:
        found = _files.parsed(model.metadata[key])
    except ValueError:
        found = None
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise ValueError(f"the model's metadata {key!r}: expected a JSON list of names")
    return found


def labels(model: SparseMLP) -> list[str]:
    """Give the columns of the labels; none if they are not known."""
    if "label" not in model.metadata:
        return []
    try:
        found = _files.parsed(model.metadata["label"])
    except ValueError:
        found = None
    found = [found] if isinstance(found, str) else found
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise ValueError("the model's metadata 'label': expected a JSON string, or a list of them")
    return found


def feature_names(model: SparseMLP) -> list[str] | None:
    """Give the names of the features that the model takes; a compaction may have removed others."""
    found = names(model, "feature_names")
    if found is None or len(found) != model.original_layer_sizes[0]:
        return found
    return [found[i] for i in model.units(0)]


def remaining(model: SparseMLP, x: Any) -> Any:
    """Leave out the features that a compaction has removed, if they are there."""
    original = model.original_layer_sizes[0]
    if x.shape[1] != original or original == model.layer_sizes[0]:
        return x
    units = model.units(0)
    if not isinstance(x, Blocks):
        return x[:, units]
    dense = x.dense.shape[1]
    numbers, ones = x.dense[:, units[units < dense]], x.sparse[:, units[units >= dense] - dense]
    return Blocks(numbers, ones) if numbers.shape[1] else ones


def say_by_position(model: SparseMLP, data: str, columns: Sequence[str] | None) -> None:
    """Note that columns go by position, where the model or the data have names and the other not.

    Without names on both sides there is no other way.
    """
    known = feature_names(model)
    if known is None and columns:
        note(
            f"the model has no names of columns: those of {data} are taken by position, from "
            f"{columns[0]!r} to {columns[-1]!r}"
        )
    if known and columns is None:
        note(
            f"{data} has no names of columns: they are taken by position, the first as "
            f"{known[0]!r}, the last as {known[-1]!r}"
        )


def read(args: argparse.Namespace, model: SparseMLP) -> Dataset:
    """Read a known data set, or images; all rows are the test part if the data have none."""
    if len(args.label) > 1:
        raise ValueError(f"--label was given {len(args.label)} times: expected one for {args.data}")
    column = str(args.label[0]) if args.label else None
    if column is None and args.data == "leukemia":
        column = next(iter(labels(model)), None)
    return data_flags.read(args, column, hold_out=False)


def matched(model: SparseMLP, data: Dataset) -> tuple[Rows, Labels]:
    """Give the test part, with its columns and classes as the model counts them."""
    return _match_features(model, data), _match_classes(model, data)


def _match_features(model: SparseMLP, data: Dataset) -> Rows:
    """Give the test part with its columns in the order that the model was trained with."""
    original = names(model, "feature_names")
    if original is None or data.feature_names is None or original == list(data.feature_names):
        say_by_position(model, data.name, data.feature_names)
        found: Rows = remaining(model, data.x_test)
        return found
    trained = feature_names(model) or []
    places = {name: place for place, name in enumerate(data.feature_names)}
    missing = [name for name in trained if name not in places]
    unknown = sorted(set(places) - set(original))
    for columns, problem in ((missing, "lacks"), (unknown, "has, but the model does not know,")):
        if columns:
            some = ", ".join(columns[:5]) + (", ..." if len(columns) > 5 else "")
            raise ValueError(f"{data.name} {problem} {len(columns)} column(s): {some}")
    return data.x_test[:, [places[name] for name in trained]]


def _match_classes(model: SparseMLP, data: Dataset) -> Labels:
    """Give the test part's labels as the model counts its classes.

    A file may lack some of the classes, so that its own count means nothing: names decide, or
    for a model that was saved without names the labels themselves, if they are numbers.
    """
    if data.class_names is None:
        return data.y_test
    trained = names(model, "class_names")
    if trained is None:
        if not all(name.isdecimal() for name in data.class_names):
            return data.y_test
        # One sigmoid tells two classes apart.
        trained = [str(code) for code in range(max(model.layer_sizes[-1], 2))]
    codes = {name: code for code, name in enumerate(trained)}
    unknown = [name for name in data.class_names if name not in codes]
    if unknown:
        some = ", ".join(trained[:10]) + (", ..." if len(trained) > 10 else "")
        raise ValueError(f"{data.name}: unknown class {unknown[0]!r}, the model's are: {some}")
    return np.array([codes[name] for name in data.class_names], dtype=np.int64)[data.y_test]
