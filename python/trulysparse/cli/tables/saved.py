"""A saved model, and rows of other data as samples and targets of its network."""

from __future__ import annotations

import argparse
import re
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy

from trulysparse import estimators
from trulysparse.cli import metadata
from trulysparse.cli.common import note, read_model
from trulysparse.cli.tables import source, targets
from trulysparse.data.numeric import is_number_text
from trulysparse.data.precision import narrowest
from trulysparse.data.readers import encode
from trulysparse.estimators import _support
from trulysparse.estimators._targets import Classes, Labels
from trulysparse.losses import LOSSES
from trulysparse.model import SparseMLP
from trulysparse.readers import Table
from trulysparse.readers.table import LABELS, UNNAMED
from trulysparse.tables.encoder import TableEncoder
from trulysparse.tables.parts import CategoryPart, NumberPart, Part

Array = npt.NDArray[Any]

_UNNAMED = re.compile(r"column_[0-9]+")


class Rows(NamedTuple):
    """Rows of a file for a model.

    Attributes
    ----------
    name
        What to call them in print.
    x, y
        Samples and targets of the network; y is None if they were not asked for.
    table
        The table that they are from, or None.
    is_whole
        Whether they are all rows of a file rather than its test part.
    """

    name: str
    x: Any
    y: Array | None
    table: Table | None
    is_whole: bool


class Saved:
    """A network from a file, and what an estimator knows besides.

    Attributes
    ----------
    model, estimator
        The network, and its estimator or None.
    given
        The table of which samples were made last, as the estimator takes it.
    """

    def __init__(self, model: SparseMLP) -> None:
        self.model = model
        self.estimator: Any = None
        self.given: Any = None
        text = model.metadata.get(estimators.KEY)
        if text is not None:
            self.estimator = estimators.restored(model)
            model.metadata[estimators.KEY] = text

    @classmethod
    def read(cls, args: argparse.Namespace) -> Saved:
        """Load the model that the flags name."""
        return cls(read_model(args))

    @property
    def encoder(self) -> Any:
        """What makes samples of tables, or None."""
        return None if self.estimator is None else self.estimator._encoder

    @property
    def class_names(self) -> list[str] | None:
        """Names of the classes of the outputs; None if they are none."""
        model = self.model
        if not LOSSES[model.loss].takes_classes and not self._has_classes():
            return None
        count = model.layer_sizes[-1]
        found = metadata.names(model, "class_names") or [str(i) for i in range(max(count, 2))]
        if count > 1 and len(found) != count:
            raise ValueError(f"the model's metadata 'class_names': expected {count} names")
        return found

    def _has_classes(self) -> bool:
        return self.estimator is not None and isinstance(self.estimator._target, Classes)

    @property
    def output_names(self) -> list[str]:
        """Names of outputs that are no classes: those of the label's columns, if they are known."""
        count, known = self.model.layer_sizes[-1], metadata.labels(self.model)
        kind = "label" if self.has_labels else "output"
        return known if len(known) == count else [f"{kind}_{i}" for i in range(count)]

    @property
    def has_labels(self) -> bool:
        """Whether each output is 0 or 1."""
        return self.model.loss == Labels.loss and self.class_names is None

    # --- rows -------------------------------------------------------------------------------------

    def labelled(self, args: argparse.Namespace, *, keeps_unlabelled: bool = False) -> Rows:
        """Read rows with their labels: the test part, or all if there is none.

        With `keeps_unlabelled` labels may be missing: -1 of a class, NaN of a number.
        """
        if not source.is_table(args.data):
            return self._of_dataset(args)
        known: Any = source.labels(args.label)
        if known is None and source.has_columns(args.data):
            known = source.labels(metadata.labels(self.model))
        table = self._read(args, known)
        if known is None and table.label is not None and hasattr(table.x, "columns"):
            note(
                "the model does not say which column its label is: the table's "
                f"{table.label!r} is taken"
            )
        part = table if table.test is None else table.test
        if part.y is None:
            raise ValueError(f"{args.data}: no column is the label: expected --label COLUMN")
        name = source.name_of(args.data)
        x = self.samples(args.data, part)
        y = self._targets(args.data, part, keeps_unlabelled=keeps_unlabelled)
        return Rows(name, x, y, part, table.test is None)

    def unlabelled(self, args: argparse.Namespace) -> Rows:
        """Read rows to predict."""
        if not source.is_table(args.data):
            raise ValueError(f"--data {args.data}: expected the file of a table")
        table = self._read(args, False)
        part = table if table.test is None else table.test
        if table.test is not None:
            note(f"{args.data}: the rows of x_test are taken")
        return Rows(source.name_of(args.data), self.samples(args.data, part), None, part, True)

    def _of_dataset(self, args: argparse.Namespace) -> Rows:
        data = metadata.read(args, self.model)
        x, y = metadata.matched(self.model, data)
        return Rows(data.name, x, y, None, len(data.x_train) == 0)

    def _read(self, args: argparse.Namespace, label: Any) -> Table:
        """Read the table; categories stay text, and missing cells are spelled as in training."""
        is_text = source.is_text(args.data)
        for name, kind in (("missing", "missing"), ("not_missing", "not missing")):
            if not is_text:
                break
            given = getattr(args, name)
            known = metadata.names(self.model, name) or []
            added = [word for word in known if word not in given]
            if added:
                args = argparse.Namespace(**{**vars(args), name: [*given, *added]})
                note(f"{', '.join(map(repr, added))} in a cell is {kind}, as in training")
        table = source.read(args, label, ids=args.id or None, text=args.text)
        others = self._to_be_text(table) if is_text else []
        if others:
            table = source.read(args, label, ids=args.id or None, text=[*args.text, *others])
        table = self._with_index(args, label, table, [*args.text, *others])
        kept = tuple(s for s in table.notes if "label" not in s)
        source.say_notes(replace(table, notes=kept), args)
        return self._with_ids(args, label, table, [*args.text, *others])

    def _with_index(
        self, args: argparse.Namespace, label: Any, table: Table, text: Sequence[Any]
    ) -> Table:
        """Keep row numbers on which an earlier version has trained the model."""
        known, there = self._known() or [], getattr(table.x, "columns", None)
        if UNNAMED not in known or there is None or UNNAMED in there:
            return table
        columns = [UNNAMED, *(name for name in there if name in known)]
        try:
            return source.read(args, label, ids=args.id or None, text=text, columns=columns)
        except ValueError:  # the file has none, of which more is said later
            return table

    def _with_ids(
        self, args: argparse.Namespace, label: Any, table: Table, text: Sequence[Any]
    ) -> Table:
        """Keep identifiers that are features of the model as well."""
        ids = table.ids
        if not args.id or not hasattr(table.x, "columns"):
            return table
        names = list(ids.columns) if hasattr(ids, "columns") else [ids.name]
        known = self._known()
        if known is None or not set(names) & set(known):
            return table
        plain = argparse.Namespace(**{**vars(args), "id": []})
        whole = source.read(plain, label, text=text)
        return replace(whole, ids=ids)

    def _known(self) -> list[str] | None:
        """Name the columns that the model takes, or took before a compaction; None if unnamed."""
        if isinstance(self.encoder, TableEncoder):
            return [part.name for part in self.encoder.columns_]
        names: Any = getattr(self.estimator, "feature_names_in_", None)
        return metadata.names(self.model, "feature_names") if names is None else names.tolist()

    def _to_be_text(self, table: Table) -> list[str]:
        """Name columns that were text in training, and are numbers here."""
        if not isinstance(self.encoder, TableEncoder) or not hasattr(table.x, "schema"):
            return []
        import polars as pl

        kinds = table.x.schema
        return [
            part.name
            for part in self.encoder.columns_
            if isinstance(part, CategoryPart)
            and part.name in kinds
            and kinds[part.name] not in (pl.String, pl.Null)
        ]

    # --- samples ----------------------------------------------------------------------------------

    def samples(self, what: str, table: Table) -> Any:
        """Make samples of the network of a table's features."""
        x = table.x
        if not hasattr(x, "columns"):
            metadata.say_by_position(self.model, what, None)
            x = self._named(x)
        if hasattr(x, "columns"):
            x = self._by_name(what, replace(table, x=self._of_unnamed(what, x)))
        if self.estimator is None:
            x = self._widened(x)
            self._check_width(what, x)
            return metadata.remaining(self.model, narrowest(x) if isinstance(x, np.ndarray) else x)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
            # Of these there is a note.
            warnings.filterwarnings("ignore", "column .* none of .* is a level", RuntimeWarning)
            warnings.filterwarnings("ignore", ".* cells are missing in columns", RuntimeWarning)
            if not hasattr(x, "columns"):
                x = self._widened(x)
                self._check_width(what, x)
            self.given = x
            made = _support.validated(self.estimator, x, reset=False, name=what)
        made = narrowest(made) if isinstance(made, np.ndarray) else made
        return metadata.remaining(self.model, made)

    def _named(self, x: Any) -> Any:
        """Name the columns of an array by their position, if the model takes a table of them."""
        if not isinstance(self.encoder, TableEncoder) or not isinstance(x, np.ndarray):
            return x
        names = [part.name for part in self.encoder.columns_]
        if x.shape[1] != len(names):
            names = [p.name for p in self.encoder.columns_ if p.numbers() or p.ones()]
        if x.shape[1] != len(names):
            return x
        import polars as pl

        return pl.DataFrame(x, schema=names).fill_nan(None)

    def _widened(self, x: Any) -> Any:
        """Give a sparse matrix the columns behind its last: what no row of a file has is 0."""
        if not scipy.sparse.issparse(x):
            return x
        wide = self.model.original_layer_sizes[0]
        if self.encoder is not None:
            wide = len(self.encoder.columns_)
        if x.shape[1] >= wide:
            return x
        note(f"the last {wide - x.shape[1]} features of the model are in no row: they are 0")
        found = scipy.sparse.csr_array(x, copy=True)
        found.resize((x.shape[0], wide))
        return found

    def _check_width(self, what: str, x: Any) -> None:
        sizes = [self.model.layer_sizes[0], self.model.original_layer_sizes[0]]
        if self.encoder is not None:
            sizes = [len(self.encoder.columns_)]
        if x.shape[1] not in sizes:
            raise ValueError(f"{what} has {x.shape[1]} features, the model takes {sizes[0]}")

    def _of_unnamed(self, what: str, frame: Any) -> Any:
        """Take columns by position where neither the model nor the file has names for them."""
        known = self._known()
        if known is None or not all(map(_UNNAMED.fullmatch, [*known, *frame.columns])):
            return frame
        labels = metadata.labels(self.model)
        there = [name for name in frame.columns if name not in labels]
        if len(frame.columns) == len(known):
            note(f"{what} and the model have no names of columns: all are taken by position")
            return frame.rename(dict(zip(frame.columns, known, strict=True)))
        if len(there) != len(known):
            raise ValueError(
                f"{what} has {len(frame.columns)} columns without names: expected the "
                f"{len(known)} features, or those and the label"
            )
        return frame

    def _by_name(self, what: str, table: Table) -> Any:
        """Choose the columns that the model knows; a frame, or an array if it has only numbers."""
        frame = table.x
        if isinstance(self.encoder, TableEncoder):
            parts = [part for part in self.encoder.columns_ if part.numbers() or part.ones()]
            frame = self._with_removed(frame)
            _refuse_lacking(what, [part.name for part in parts], frame.columns)
            self._say_unknown(what, {part.name for part in self.encoder.columns_}, frame.columns)
            for part in parts:
                if part.name in table.x.columns:
                    _check_kind(what, part, frame[part.name], table.rows)
            return frame.select([part.name for part in parts])
        names: Any = getattr(self.estimator, "feature_names_in_", None)
        names = metadata.feature_names(self.model) if names is None else names.tolist()
        if names is None:
            names = self._by_position(what, frame.columns)
        _refuse_lacking(what, names, frame.columns)
        original = metadata.names(self.model, "feature_names") or names
        self._say_unknown(what, {*names, *original}, frame.columns)
        found = frame.select(names)
        if self.estimator is not None and hasattr(self.estimator, "feature_names_in_"):
            return found
        return _numbers(what, found, table.rows, keeps_missing=self.estimator is not None)

    def _with_removed(self, frame: Any) -> Any:
        """Add columns of which a compaction has left nothing, empty, if they are not there."""
        left = set(self.model.units(0).tolist())
        there = set(frame.columns)
        gone = [
            part
            for part, places in zip(self.encoder.columns_, self.encoder.places(), strict=True)
            if part.name not in there and places and left.isdisjoint(places)
        ]
        if not gone:
            return frame
        import polars as pl

        dtypes: dict[str, Any] = {"category": pl.String, "time": pl.Datetime("us")}
        empty = [pl.lit(None, dtypes.get(part.kind, pl.Float64)).alias(part.name) for part in gone]
        return frame.with_columns(empty)

    def _by_position(self, what: str, columns: Sequence[str]) -> list[str]:
        """Give all columns but the label; a ValueError if another is named as labels are."""
        labels = metadata.labels(self.model)
        names = [name for name in columns if name not in labels]
        other = None if labels else next((n for n in names if n.lower() in LABELS), None)
        if other is not None:
            raise ValueError(
                f"{what}: column {other!r} would be a feature, as the model names neither its "
                "columns nor its label: leave it out, or give it another name"
            )
        metadata.say_by_position(self.model, what, names)
        return names

    def _say_unknown(self, what: str, known: set[str], there: Sequence[str]) -> None:
        """Say which columns the model does not know; its label and identifiers may be there."""
        known = known | {*metadata.labels(self.model), *(metadata.names(self.model, "ids") or ())}
        others = [name for name in there if name not in known]
        if others:
            note(f"{what}: not used, as training had no such column: {_some(others)}")

    # --- targets ----------------------------------------------------------------------------------

    def _targets(self, what: str, table: Table, *, keeps_unlabelled: bool = False) -> Array:
        """Make targets of the network of a table's labels."""
        values = targets.columns_of(table.y)
        if keeps_unlabelled and len(values) == 1 and targets.missing_in(values[0]).any():
            return self._some_targets(what, table, values[0])
        names = targets.names_of(table)
        if self.class_names is not None:
            (column,) = values
            targets.refuse_missing(column, what, names[0], table.rows)
            return _codes(what, column, names[0], table.rows, self.class_names)
        y = targets.numbers_of(values, what, names, table.rows)
        count = self.model.layer_sizes[-1]
        if y.shape[1] != count:
            raise ValueError(f"{what}: {y.shape[1]} labels, but the model predicts {count}")
        return y

    def _some_targets(self, what: str, table: Table, column: Array) -> Array:
        """Make targets of labels of which some are missing."""
        known = np.flatnonzero(~targets.missing_in(column))
        rows = [table.rows[i] for i in known.tolist()] if len(table.rows) else ()
        is_class = self.class_names is not None
        found = np.full(len(column), -1) if is_class else np.full((len(column), 1), np.nan)
        if len(known):
            found[known] = self._targets(what, replace(table, y=column[known], rows=rows))
        return found


def _codes(
    what: str, column: Array, name: str, rows: Sequence[int], classes: Sequence[str]
) -> Array:
    """Give labels as the model counts its classes; a file may lack some of them."""
    codes, found = encode(column, f"{what}: column {name!r}", rows)
    known = {_plain(one): code for code, one in enumerate(classes)}
    unknown = [one for one in found if _plain(one) not in known]
    if unknown:
        some = ", ".join(classes[:10]) + (", ..." if len(classes) > 10 else "")
        raise ValueError(f"{what}: unknown class {unknown[0]!r}, the model's are: {some}")
    return np.array([known[_plain(one)] for one in found], dtype=np.int64)[codes]


def _plain(name: str) -> str:
    """Give 1 for 1.0, which are one class."""
    if not is_number_text(name) or "." not in name:
        return name
    value = float(name)
    return str(int(value)) if value.is_integer() else name


def _refuse_lacking(what: str, names: Sequence[str], there: Sequence[str]) -> None:
    known = set(there)
    missing = [name for name in names if name not in known]
    if missing:
        raise ValueError(f"{what} lacks {len(missing)} column(s): {_some(missing)}")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _check_kind(what: str, part: Part, column: Any, rows: Sequence[int]) -> None:
    """Refuse text where there were numbers, and say where some are missing that never were."""
    import polars as pl

    is_number = isinstance(part, NumberPart)
    if isinstance(part, CategoryPart) and column.dtype == pl.String:
        _say_unseen(what, part, column)
    if is_number and column.dtype == pl.String and column.null_count() < len(column):
        _refuse_text(what, column, rows)
    if column.null_count() and not getattr(part, "missing", 0):
        then = "the centre of the column" if part.numbers() else "none of its levels"
        note(
            f"{what}: {column.null_count()} cells of {part.name!r} are missing, and none was in "
            f"training: they are {then}"
        )


def _say_unseen(what: str, part: CategoryPart, column: Any) -> None:
    """Say which levels training had not."""
    import polars as pl

    counts = column.drop_nulls().cast(pl.String).str.strip_chars().value_counts()
    unseen = [(level, n) for level, n in counts.iter_rows() if not part.knows(level)]
    if unseen and part.levels:
        cells = sum(n for _, n in unseen)
        rare = " or few rows" if part.rare else ""
        note(
            f"{what}: {cells} cells of {part.name!r} have levels that training had in none"
            f"{rare}, such as {unseen[0][0]!r}"
        )


def _refuse_text(what: str, column: Any, rows: Sequence[int]) -> None:
    """Name the first cell of a column of text that is no number."""
    cells = column.to_list()
    bad = next((i for i, cell in enumerate(cells) if cell and not is_number_text(cell)), 0)
    raise ValueError(
        f"{what}: row {rows[bad]}, column {column.name!r}: expected a number, got {cells[bad]!r}"
    )


def _numbers(what: str, frame: Any, rows: Sequence[int], *, keeps_missing: bool) -> Array:
    """Give the numbers of a frame; a ValueError names the row and column of what is none."""
    import polars as pl

    for column in frame.get_columns():
        if not (column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Null)):
            _refuse_text(what, column.cast(pl.String), rows)
        if column.null_count() and not keeps_missing:
            row = rows[int(column.is_null().arg_max() or 0)]
            raise ValueError(
                f"{what}: row {row}, column {column.name!r}: expected a number, got nothing"
            )
    return np.asarray(frame.cast(pl.Float64).to_numpy())
