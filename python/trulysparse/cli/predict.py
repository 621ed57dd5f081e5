"""``trulysparse predict``: write what a saved model says of new rows."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trulysparse import _files
from trulysparse.cli import metadata
from trulysparse.cli.common import (
    add_batch_size,
    add_model,
    add_threads,
    default,
    read_model,
    refuse_overwriting,
    say,
)
from trulysparse.cli.flags.data import like_label
from trulysparse.data.readers import Array, check_features, read_features, read_header, read_npz
from trulysparse.losses import LOSSES
from trulysparse.model import SparseMLP

_KEYS = ("x", "x_test", "x_train")
_BATCH_SIZE = default(SparseMLP.predict, "batch_size")


def add(commands: Any) -> None:
    """Add the command."""
    predict = commands.add_parser(
        "predict",
        help="write what a saved model says of new rows",
        description="Write a .csv with the class and the probability of each class for every row.",
    )
    predict.set_defaults(run=run)
    add_model(predict)
    predict.add_argument(
        "--data",
        required=True,
        metavar="FILE",
        help="a .csv that has the columns the model was trained on, in any order and among others, "
        "or a .npz with " + ", ".join(_KEYS[:-1]) + f" or {_KEYS[-1]}",
    )
    predict.add_argument(
        "--out",
        type=Path,
        default=Path("predictions.csv"),
        metavar="FILE",
        help="the .csv to write (default: %(default)s)",
    )
    add_batch_size(predict, _BATCH_SIZE)
    add_threads(predict)


def run(args: argparse.Namespace) -> int:
    """Write the table."""
    refuse_overwriting(args, [args.out])
    model = read_model(args)
    rows = _read_rows(args.data, model)
    x = metadata.remaining(model, rows)
    if x.shape[1] != model.layer_sizes[0]:
        raise ValueError(
            f"{args.data} has {x.shape[1]} features, the model takes {model.layer_sizes[0]}"
        )
    classes = None
    if LOSSES[model.loss].takes_classes:
        count = model.layer_sizes[-1]
        classes = metadata.names(model, "class_names") or [str(i) for i in range(count)]
        if len(classes) != count:
            raise ValueError(f"the model's metadata 'class_names': expected {count} names")
    _write_table(args.out, model.predict(x, batch_size=args.batch_size), classes)
    say(f"wrote {args.out}, {len(x)} rows")
    return 0


def _read_rows(path: str, model: SparseMLP) -> Array:
    """Read the features of every row of a .csv or .npz, (rows, features).

    Of a .csv those columns that the model names, in its order; without names all, in their order,
    but its label.

    Parameters
    ----------
    path
        A .csv with a header, or an .npz with one of `_KEYS`, the first of them that it has.
    model
        The model that they are for.

    Raises
    ------
    ValueError
        If the file is of another kind or not as expected.
    FileNotFoundError
        If there is no such file.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".csv":
        names, label = metadata.feature_names(model), metadata.label(model)
        if names is None:
            columns = [name for name in read_header(path) if name != label]
            other = like_label(columns) if label is None else None
            if other is not None:
                raise ValueError(
                    f"{path}: column {other!r} would be a feature, as the model names neither its "
                    "columns nor its label: leave it out, or give it another name"
                )
            metadata.say_by_position(model, path, columns)
        return read_features(path, names, label)
    if suffix != ".npz":
        raise ValueError(f"--data {path}: expected a .csv or .npz file")
    arrays = read_npz(path, _KEYS, only_first=True)
    if not arrays:
        raise ValueError(f"{path}: expected one of the keys {', '.join(_KEYS)}")
    ((key, x),) = arrays.items()
    metadata.say_by_position(model, path, None)
    return check_features(path, key, x)


def _write_table(
    path: Path, outputs: npt.NDArray[np.float32], classes: Sequence[str] | None
) -> None:
    """Write a .csv, a line per row: class and probabilities, or without `classes` the outputs.

    The class of a row without finite probabilities is empty.
    """
    with _files.writing(path), open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if classes is None:
            writer.writerow([f"output_{i}" for i in range(outputs.shape[1])])
            writer.writerows(map(str, row) for row in outputs)
            return
        writer.writerow(["class", *(f"probability_{name}" for name in classes)])
        best = np.argmax(outputs, axis=1)
        known = np.isfinite(outputs.sum(axis=1, dtype=np.float64)).tolist()
        for code, row, is_known in zip(best, outputs, known, strict=True):
            writer.writerow([classes[code] if is_known else "", *map(str, row)])
