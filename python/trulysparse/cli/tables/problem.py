"""What a network is trained and scored on: a known data set, or a table of the user's own."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from trulysparse.cli.flags import data as data_flags
from trulysparse.cli.tables import rows, source, targets
from trulysparse.cli.tables.targets import Learnt
from trulysparse.data import frames
from trulysparse.data.blocks import Blocks
from trulysparse.data.precision import narrowest
from trulysparse.datasets import Dataset
from trulysparse.estimators._targets import Classes
from trulysparse.readers import Table
from trulysparse.tables import columns, parts, telling
from trulysparse.tables.arrays import ArrayEncoder, has_missing
from trulysparse.tables.encoder import TableEncoder

_DIMENSIONS = 3  # height, width and channels


@dataclass(frozen=True, eq=False)
class Problem:
    """Samples and targets of a network, a training and a test part of them.

    Attributes
    ----------
    name
        What to call it in print.
    x_train, x_test
        Arrays, CSR matrices or `Blocks`.
    y_train, y_test
        Targets as the network takes them: int64 (rows,) for classes, else (rows, outputs).
    class_names, feature_names
        Of the network's outputs and inputs, or None.
    image_shape
        Of samples that are images, or None.
    label
        Names of the label's columns; none for known data sets.
    learnt, encoder
        What was learnt of a user's labels and columns; None if there is nothing to know.
    notes
        What was found out of the file.
    missing, not_missing
        The spellings of missing cells, and of others, that were given.
    ids
        Names of the columns that name the rows.
    """

    name: str
    x_train: Any
    y_train: npt.NDArray[Any]
    x_test: Any
    y_test: npt.NDArray[Any]
    class_names: tuple[str, ...] | None = None
    feature_names: tuple[str, ...] | None = None
    image_shape: tuple[int, int, int] | None = None
    label: tuple[str, ...] = ()
    learnt: Learnt | None = None
    encoder: TableEncoder | ArrayEncoder | None = None
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    not_missing: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()

    @property
    def n_features(self) -> int:
        """The network's inputs."""
        return int(self.x_train.shape[1])

    @property
    def n_outputs(self) -> int:
        """The network's outputs."""
        return self.learnt.target.outputs if self.learnt else self.n_classes

    @property
    def loss(self) -> str:
        """The loss of `SparseMLP`."""
        return self.learnt.target.loss if self.learnt else Classes.loss

    @property
    def has_classes(self) -> bool:
        """Whether each sample has one class."""
        return self.learnt is None or isinstance(self.learnt.target, Classes)

    @property
    def n_classes(self) -> int:
        """The classes: named ones, else the largest label of either part plus one."""
        if self.class_names is not None:
            return len(self.class_names)
        return int(max(y.max(initial=-1) for y in (self.y_train, self.y_test))) + 1

    @property
    def is_sparse(self) -> bool:
        """Whether settings for sparse samples suit it."""
        return scipy.sparse.issparse(self.x_train) or isinstance(self.x_train, Blocks)

    @cached_property
    def telling(self) -> list[str]:
        """Sentences about columns that predict the label by themselves."""
        if self.learnt is None:
            return []
        parts = None if self.encoder is None else self.encoder.columns_
        names = self.feature_names or [f"x{i}" for i in range(self.n_features)]
        names = names if parts is None else [part.name for part in parts]
        task = self.learnt.task
        found = telling.of_samples(names, self.x_train, self.y_train, task=task, parts=parts)
        names = self.label
        return [
            str(one).replace(f"label {one.output}", f"the label {names[one.output]!r}")
            if one.output is not None and len(names) > one.output
            else str(one)
            for one in found
        ]

    def of(self, train: Any, test: Any) -> Problem:
        """Give one with some of the training rows to train on, and others to test."""
        x, y = self.x_train, self.y_train
        return replace(self, x_train=x[train], y_train=y[train], x_test=x[test], y_test=y[test])


def rows_of(x: Any) -> int:
    """Count samples."""
    return int(x.shape[0])


def read(args: argparse.Namespace, fill: str, *, silent: bool) -> Problem:
    """Read what ``--data`` names.

    Parameters
    ----------
    args
        The flags.
    fill
        What stands for missing numbers, one of `parts.FILLS`.
    silent
        Whether nothing is said, as by all ranks but one.
    """
    if not source.is_table(args.data):
        return _of_dataset(args, silent=silent)
    marks, others = _marks(args)
    table = source.read(
        args,
        source.labels(args.label),
        ids=marks or None,
        drop=[one for one in args.drop if one not in marks],
        columns=args.columns or None,
        text=args.text if args.group is None else [*args.text, args.group],
    )
    table, found = _shared_out(table, others, args)
    what = args.data if args.data != "-" else source.name_of("-")
    if args.drop_unlabelled:
        table, found = _labelled_only(table, found)
    whole = _with_test(table)
    learnt = targets.learn(whole, args.task, what)
    train, test = _split(what, whole, table, learnt, found)
    table = replace(table, notes=(*table.notes, *_said_held_out(found, train, test)))
    return _of_table(args, table, learnt, (train, test), fill)


def _of_dataset(args: argparse.Namespace, *, silent: bool) -> Problem:
    """Take a known data set, which has neither text nor missing cells."""
    given = {
        f"--{name}": getattr(args, name)
        for name in ("drop", "columns", "id", "task", "group", "time", "text", "transpose")
    }
    given |= {"--labels-from": args.labels_from, "--drop-unlabelled": args.drop_unlabelled}
    for flag, value in given.items():
        if value:
            raise ValueError(f"{flag} is for tables of your own, but the data is {args.data!r}")
    if len(args.label) > 1:
        raise ValueError(f"--label was given {len(args.label)} times: expected one for {args.data}")
    label = str(args.label[0]) if args.label else None
    return of_dataset(data_flags.read(args, label, silent=silent))


def of_dataset(data: Dataset) -> Problem:
    """Take a loaded data set."""
    return Problem(
        data.name, data.x_train, data.y_train, data.x_test, data.y_test,
        data.class_names, data.feature_names, data.image_shape,
        () if data.label_name is None else (data.label_name,),
    )  # fmt: skip


def _marks(args: argparse.Namespace) -> tuple[list[Any], list[str]]:
    """Give columns to read beside the features: ids, and those by which rows are held out."""
    marks, others = list(args.id), []
    for flag in ("group", "time"):
        column = getattr(args, flag)
        if column is not None:
            others.append(flag)
            if column in marks:
                marks.remove(column)
            marks.append(column)
    return marks, others


def _shared_out(
    table: Table, others: list[str], args: argparse.Namespace
) -> tuple[Table, dict[str, Any]]:
    """Take the column by which rows are held out; a time stays a feature unless it is dropped."""
    if not others:
        return table, {}
    ids = table.ids
    found = ids if len(getattr(ids, "shape", ())) == 1 else ids[:, -1]
    (flag,) = others
    x = table.x
    if flag == "time" and args.time not in args.drop:
        x = x.with_columns(found)
    return replace(table, x=x), {flag: found}


def _labelled_only(table: Table, found: dict[str, Any]) -> tuple[Table, dict[str, Any]]:
    """Leave out rows whose label is missing, or all of several."""
    if table.y is None or table.test is not None:
        return table, found
    missing = np.all([targets.missing_in(one) for one in targets.columns_of(table.y)], axis=0)
    if not missing.any():
        return table, found
    kept = np.flatnonzero(~missing)
    y = [table.y[i] for i in kept] if isinstance(table.y, list) else table.y[kept]
    sentence = f"{int(missing.sum())} rows without a label are left out"
    rest = replace(
        table,
        x=table.x[kept],
        y=y,
        ids=None if table.ids is None else table.ids[kept],
        rows=[table.rows[i] for i in kept.tolist()],
        notes=(*table.notes, sentence),
    )
    return rest, {flag: column[kept] for flag, column in found.items()}


def _said_held_out(found: dict[str, Any], train: Any, test: Any) -> list[str]:
    """Say which groups, or times, are held out."""
    for flag, column in found.items():
        if flag == "group":
            count, total = column[test].n_unique(), column.n_unique()
            return [f"held out: {count} of {total} groups of {column.name!r}"]
        return [f"held out: {len(test)} rows from {column.name} = {column[test].min()} on"]
    return []


def _with_test(table: Table) -> Table:
    """Give a table with the labels of the test part after the others."""
    if table.test is None or table.y is None:
        return table
    y = np.concatenate([table.y, table.test.y])
    return replace(table, y=y, rows=[*table.rows, *table.test.rows])


def _split(
    what: str, whole: Table, table: Table, learnt: Learnt, found: dict[str, Any]
) -> tuple[Any, Any]:
    if table.test is not None:
        return np.arange(len(table)), np.arange(len(table), len(whole.y))
    if "group" in found:
        return rows.by_group(what, table, found["group"], learnt)
    if "time" in found:
        return rows.by_time(what, table, found["time"])
    return rows.at_random(what, learnt)


def _of_table(
    args: argparse.Namespace, table: Table, learnt: Learnt, split: tuple[Any, Any], fill: str
) -> Problem:
    train, test = split
    x_train, x_test = _parts(table, train, test)
    y_train, y_test = learnt.y[train], learnt.y[test]
    encoder, made = _learnt(args.data, table.x, x_train, fill)
    names = list(table.names) if hasattr(table.x, "columns") else None
    if encoder is not None:
        names = encoder.feature_names_
    shape = table.shape
    is_image = shape is not None and len(shape) == _DIMENSIONS and shape[-1] in (1, 3)
    return Problem(
        name=source.name_of(args.data),
        x_train=made,
        y_train=y_train,
        x_test=samples(args.data, encoder, x_test),
        y_test=y_test,
        class_names=learnt.class_names,
        feature_names=None if names is None else tuple(names),
        image_shape=shape if is_image else None,  # type: ignore[arg-type]
        label=learnt.names if hasattr(table.x, "columns") else (),
        learnt=learnt,
        encoder=encoder,
        notes=table.notes,
        missing=tuple(args.missing),
        not_missing=tuple(args.not_missing),
        ids=_names_of(table.ids),
    )


def _names_of(ids: Any) -> tuple[str, ...]:
    """Name the columns that are no features as they name the rows, or are held out by."""
    if hasattr(ids, "columns"):
        return tuple(ids.columns)
    return (ids.name,) if getattr(ids, "name", "") else ()


def _parts(table: Table, train: Any, test: Any) -> tuple[Any, Any]:
    if table.test is not None:
        return table.x, table.test.x
    return table.x[train], table.x[test]


def _learnt(
    what: str, whole: Any, x: Any, fill: str
) -> tuple[TableEncoder | ArrayEncoder | None, Any]:
    """Learn the columns of the training rows, and make samples of them.

    What numbers the rows shows in the whole only.
    """
    if not hasattr(whole, "columns"):
        encoder = ArrayEncoder.of(x, fill) if has_missing(x) else None
        return encoder, samples(what, encoder, x)
    table = TableEncoder()
    made = table._learn_samples(what, x, fill, _row_numbers(what, whole))
    return table, narrowest(made) if isinstance(made, np.ndarray) else made


def _row_numbers(what: str, frame: Any) -> dict[str, str]:
    found = {}
    for name, column in columns.split(frame):
        if not column.dtype.is_numeric() or column.null_count() or len(column) < parts.ROW_NUMBERS:
            continue
        if column[0] not in (0, 1) or column[-1] - column[0] != len(column) - 1:
            continue
        read = columns.read(f"{what}[:, {name!r}]", column)
        if isinstance(read, columns.Numbers) and parts.counts_rows(read.values):
            found[name] = parts.NUMBERS_ROWS
    return {} if len(found) == frame.width else found


def samples(name: str, encoder: TableEncoder | ArrayEncoder | None, x: Any) -> Any:
    """Make samples of a network of rows."""
    if isinstance(encoder, TableEncoder):
        made = encoder._encode(name, x)
    elif encoder is not None:
        made = encoder.transform(x, name)
    else:
        made = frames.as_array(name, x) if frames.is_frame(x) else x
    return narrowest(made) if isinstance(made, np.ndarray) else made
