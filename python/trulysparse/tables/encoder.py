"""`TableEncoder`: what the columns of a table become."""

from __future__ import annotations

import dataclasses
import json
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy

from trulysparse import _check
from trulysparse.data import frames
from trulysparse.data.blocks import Blocks
from trulysparse.tables import columns, parts
from trulysparse.tables.columns import Column
from trulysparse.tables.frame import as_frame
from trulysparse.tables.parts import Features, Part, WrongKindError

MIN_COUNT = 2

_SHOWN = 5


class TableEncoder:
    """Learns what each column of a frame becomes, and makes samples of frames.

    Numbers stay numbers; where some are missing they become the mean, and a feature says so. Text
    and categories become a feature for each level, those of fewer than `min_count` rows together.
    Times become seconds since 1970, and features for the months, days of the week and hours that
    occur. Columns that are all missing, have one text, name the rows or count them are left out.
    `columns_` says what became of each.

    Levels that differ only in blanks around them are one. At `transform` an unseen level is that of
    the rare ones; without such it is none of the levels. A number that is missing where none was is
    the mean.

    Parameters
    ----------
    min_count
        The rows that a level needs to be a feature alone. Default 2.

    Attributes
    ----------
    columns_ : tuple of Part
        What was learnt of each column; ``print(encoder)`` shows it as a table.
    feature_names_ : list of str
        Names of the features, the dense ones first.
    n_dense_ : int
        How many of them are dense.

    Examples
    --------
    >>> import pandas as pd, trulysparse as ts
    >>> frame = pd.DataFrame({"age": [30, None, 50, 41], "port": ["S", "C", "S ", "C"]})
    >>> encoder = ts.TableEncoder().fit(frame)
    >>> encoder.transform(frame)
    Blocks(4 samples, 1 dense and 3 sparse features)
    >>> encoder.feature_names_
    ['age', 'age is missing', 'port = C', 'port = S']
    """

    def __init__(self, *, min_count: int = MIN_COUNT) -> None:
        self.min_count = _check.integer("min_count", min_count, 1)

    @classmethod
    def _of(cls, learnt: Sequence[Part], min_count: int) -> TableEncoder:
        encoder = cls(min_count=min_count)
        encoder._take(tuple(learnt))
        return encoder

    def _take(self, learnt: tuple[Part, ...]) -> None:
        self.columns_ = learnt
        self.n_dense_ = sum(len(part.numbers()) for part in learnt)
        if not self._count():
            raise ValueError(
                "no column says anything: " + "; ".join(f"{p.name!r} {p.said()}" for p in learnt)
            )

    def _count(self) -> int:
        """Count the features."""
        return self.n_dense_ + sum(part.count_ones() for part in self.columns_)

    @property
    def feature_names_(self) -> list[str]:
        """Names of the features, the dense ones first."""
        dense = [name for part in self.columns_ for name in part.numbers()]
        return dense + [name for part in self.columns_ for name in part.ones()]

    # --- learning ---------------------------------------------------------------------------------

    def fit(self, frame: Any) -> TableEncoder:
        """Learn what the columns become.

        Parameters
        ----------
        frame
            A frame of pandas or polars, or what has the Arrow PyCapsule interface.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            If it is none, has two columns of one name, or holds other things than numbers, text,
            categories and times; the message names column and row.
        """
        return self._learn("frame", frame)

    def _learn(
        self,
        name: str,
        frame: Any,
        fill: str = "mean",
        left_out: Mapping[str, str] | None = None,
        made: Made | None = None,
    ) -> TableEncoder:
        """Do as `fit`.

        Parameters
        ----------
        name
            What errors call the frame.
        frame
            As `fit` takes it.
        fill
            One of `parts.FILLS`.
        left_out
            Columns of which nothing is taken, and why.
        made
            Takes the samples, so that each column is read once.
        """
        found, left_out = as_frame(name, frame), left_out or {}
        if found.shape[0] == 0:
            raise ValueError(f"{name} has no rows: expected at least one")
        labels = _labels(name, found)
        learnt: list[Part] = []
        reads: list[Column | None] = []
        for label, (_, column) in zip(labels, columns.split(found), strict=True):
            if label in left_out:
                learnt.append(parts.LeftOutPart(label, left_out[label]))
                reads.append(None)
                continue
            read = columns.read(f"{name}[:, {label!r}]", column)
            learnt.append(parts.learn(label, read, self.min_count, fill))
            is_left_out = isinstance(learnt[-1], parts.LeftOutPart)
            reads.append(read if is_left_out else None)
            if made is not None and not is_left_out:
                made.add(learnt[-1], learnt[-1].features(read))
        if not any(part.numbers() or part.count_ones() for part in learnt):
            for place, other in enumerate(reads):
                learnt[place] = parts.anyway(learnt[place], other)
                if made is not None and other is not None:
                    made.add(learnt[place], learnt[place].features(other))
        self._take(tuple(learnt))
        return self

    def transform(self, frame: Any) -> Any:
        """Make samples of a frame, whose columns are matched by name.

        Parameters
        ----------
        frame
            As `fit` takes it. Columns that were left out need not be there.

        Returns
        -------
        Blocks, array or csr_array of shape (n_samples, n_features)
            Blocks, or one of the two alone if the other would have no columns.
        """
        return self._encode("frame", frame, says=True)

    def _encode(
        self, name: str, frame: Any, ignored: frozenset[str] = frozenset(), *, says: bool = False
    ) -> Any:
        """Do as `transform`.

        Parameters
        ----------
        name
            What errors call the frame.
        frame
            As `transform` takes it.
        ignored
            Columns that may be there.
        says
            Whether columns are warned of that have become empty; a block of rows may have such.
        """
        found = as_frame(name, frame)
        wanted, places = self._matched(name, found, ignored)
        made, empty = Made(found.shape[0]), []
        for part in wanted:
            column = columns.at(found, places[part.name])
            where = f"{name}[:, {part.name!r}]"
            try:
                read = columns.read(where, column)
                made.add(part, part.features(read))
            except WrongKindError as error:
                raise TypeError(
                    f"{where} has dtype {column.dtype}: {error} (read_table reads files, and "
                    "pandas.to_datetime or to_numeric converts a column)"
                ) from None
            if says and parts.is_newly_empty(part, read):
                empty.append(part.name)
        say_empty(name, empty, found.shape[0])
        return made.samples()

    def _check_labels(self, name: str, frame: Any) -> None:
        """Raise ValueError if columns are missing, twice there, or others than in `fit`."""
        self._matched(name, as_frame(name, frame))

    def _matched(
        self, name: str, found: Any, ignored: frozenset[str] = frozenset()
    ) -> tuple[list[Part], dict[str, int]]:
        """Give the columns that say something, and where each column of a frame is."""
        labels = _labels(name, found)
        places = {label: place for place, label in enumerate(labels)}
        wanted = [part for part in self.columns_ if part.numbers() or part.count_ones()]
        missing = [part.name for part in wanted if part.name not in places]
        if missing:
            raise ValueError(
                f"{name} lacks columns that were there in fit: {_some(missing)}; expected "
                f"{_some([part.name for part in wanted])}"
            )
        unknown = set(labels) - {part.name for part in self.columns_} - ignored
        if unknown:
            raise ValueError(
                f"{name} has columns that fit did not see: {_some(sorted(unknown))}; expected "
                f"{_some([part.name for part in self.columns_])}"
            )
        return wanted, places

    def fit_transform(self, frame: Any) -> Any:
        """Do `fit`, and give what `transform` makes of the same frame."""
        return self._learn_samples("frame", frame)

    def _learn_samples(
        self,
        name: str,
        frame: Any,
        fill: str = "mean",
        left_out: Mapping[str, str] | None = None,
    ) -> Any:
        """Do as `fit_transform`; the other parameters are those of `_learn`."""
        found = as_frame(name, frame)
        made = Made(found.shape[0])
        self._learn(name, found, fill, left_out, made)
        return made.samples()

    # --- what was learnt --------------------------------------------------------------------------

    def places(self) -> list[list[int]]:
        """Give the features of each column, by their number."""
        dense, sparse, found = 0, self.n_dense_, []
        for part in self.columns_:
            numbers, ones = len(part.numbers()), part.count_ones()
            found.append([*range(dense, dense + numbers), *range(sparse, sparse + ones)])
            dense, sparse = dense + numbers, sparse + ones
        return found

    def marks(self) -> dict[int, int]:
        """Give the features that say that numbers are missing, by those numbers' features."""
        return {
            at[0]: at[-1]
            for part, at in zip(self.columns_, self.places(), strict=True)
            if isinstance(part, parts.NumberPart | parts.TimePart) and part.missing
        }

    def to_json(self) -> str:
        """Write what was learnt as JSON."""
        learnt = []
        for part in self.columns_:
            values = {f.name: getattr(part, f.name) for f in _fields(part)}
            learnt.append({"kind": part.kind} | values)
        return json.dumps({"min_count": self.min_count, "columns": learnt})

    @classmethod
    def from_json(cls, text: str) -> TableEncoder:
        """Read what `to_json` wrote; a ValueError if it is not that."""
        try:
            said = json.loads(text)
            learnt = [_part(dict(one)) for one in said["columns"]]
            return cls._of(learnt, said["min_count"])
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise ValueError(f"no columns as TableEncoder.to_json writes them: {error}") from None

    def __reduce__(self) -> Any:
        """Pickle as JSON, which is checked."""
        if not hasattr(self, "columns_"):
            return _unfitted, (self.min_count,)
        return TableEncoder.from_json, (self.to_json(),)

    def __repr__(self) -> str:
        """Show what became of the columns, a line each."""
        if not hasattr(self, "columns_"):
            return f"TableEncoder(min_count={self.min_count})"
        wide = max(len(part.name) for part in self.columns_)
        return "\n".join(f"{part.name:<{wide}}  {part.said()}" for part in self.columns_)


def say_empty(name: str, empty: Sequence[str], rows: int) -> None:
    """Warn of columns of which all cells are missing, and none was in fit."""
    if empty:
        warnings.warn(
            f"{name}: all {rows} cells are missing in columns of which none was in fit: "
            f"{_some(empty)}; they are the centre of the column, or none of its levels",
            RuntimeWarning,
            stacklevel=2,
        )


def _unfitted(min_count: int) -> TableEncoder:
    return TableEncoder(min_count=min_count)


class Made:
    """Samples as they are made, column by column."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._numbers: list[Any] = []
        self._ones: list[tuple[Any, Any]] = []
        self._sparse = 0

    def add(self, part: Part, features: Features) -> None:
        """Take the features of a column."""
        self._numbers += features.numbers
        first = self._sparse
        self._sparse += part.count_ones()
        narrow: Any = np.int32 if max(self._rows, self._sparse) < 2**31 else np.int64
        self._ones += [
            (rows.astype(narrow), (first + places).astype(narrow)) for rows, places in features.ones
        ]

    def samples(self) -> Any:
        """Give them all, once."""
        numbers = None
        if self._numbers:
            numbers = np.empty((self._rows, len(self._numbers)))
            for place in reversed(range(len(self._numbers))):
                numbers[:, place] = self._numbers.pop()
        if not self._sparse:
            return numbers
        matrix = self._matrix()
        return matrix if numbers is None else Blocks(numbers, matrix)

    def _matrix(self) -> scipy.sparse.csr_array:
        """Fill the rows: columns come in their order, and each has a row once."""
        counts = np.zeros(self._rows + 1, np.int64)
        for rows, _ in self._ones:
            counts[1:][rows] += 1
        starts = np.cumsum(counts)
        narrow = np.int32 if max(starts[-1], self._sparse) < 2**31 else np.int64
        indices = np.empty(starts[-1], narrow)
        free = starts[:-1].copy()
        for rows, places in self._ones:
            indices[free[rows]] = places
            free[rows] += 1
        ones = np.ones(len(indices), np.float32)
        matrix = scipy.sparse.csr_array(
            (ones, indices, starts.astype(narrow)), shape=(self._rows, self._sparse)
        )
        matrix.has_sorted_indices = matrix.has_canonical_format = True
        return matrix


def _part(values: dict[str, Any]) -> Part:
    kind = parts.KINDS[values.pop("kind")]
    made: Part = kind(**values)
    hints = {f.name: f.type for f in _fields(kind)}
    for name, value in values.items():
        if not _FITS[str(hints[name])](value):
            raise ValueError(f"{name} = {_check.shown(value)}: expected {hints[name]}")
    return made


def _fields(part: Any) -> list[dataclasses.Field[Any]]:
    """Give the fields of what is learnt of a column."""
    fields = dataclasses.fields(part)
    return [f for f in fields if f.init and f.metadata.get("learnt", True)]


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _are_parts(value: Any) -> bool:
    return isinstance(value, dict) and all(
        name in parts.CALENDAR
        and isinstance(values, list)
        and values == sorted(set(values))
        and all(map(_is_count, values))
        for name, values in value.items()
    )


def _are_levels(value: Any) -> bool:
    texts = isinstance(value, list) and all(isinstance(level, str) for level in value)
    return texts and len(set(value)) == len(value)


_FITS = {
    "str": lambda v: isinstance(v, str),
    "float": lambda v: isinstance(v, float | int) and bool(np.isfinite(v)),
    "int": _is_count,
    "bool": lambda v: isinstance(v, bool),
    "list[str]": _are_levels,
    "dict[str, list[int]]": _are_parts,
}


def _labels(name: str, frame: Any) -> list[str]:
    labels = list(map(str, frames.labels(frame)))
    if len(set(labels)) < len(labels):
        label, count = Counter(labels).most_common(1)[0]
        raise ValueError(
            f"{name} has {count} columns named {label!r}: expected another name for each"
        )
    return labels


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(map(repr, names[:_SHOWN]))
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
