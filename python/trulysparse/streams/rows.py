"""`RowBlocks`: samples in a file, as users hold them."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NoReturn

import numpy as np
import scipy

from trulysparse import _check
from trulysparse.data.arrays import as_float32, as_float64, sample_weights
from trulysparse.data.blocks import Blocks, FloatArray
from trulysparse.data.frames import as_array, is_frame
from trulysparse.data.numeric import refuse_held_sparse
from trulysparse.data.tensors import as_numpy
from trulysparse.streams import reader
from trulysparse.streams.reader import Read, Reader, Rows
from trulysparse.streams.source import (
    MOST_ROWS,
    Array,
    Source,
    is_array_on_disk,
    is_matrix_on_disk,
    labels_of,
    source_of,
)

SHARE = 32
"""A buffer takes at most this part of the file: there are two, and what is on its way to them."""

LEAST, MOST = 2**20, 2**28
"""Bytes of a buffer, at least and at most."""

_SPANS = 2
"""Pieces of a buffer that are read in the order of the file."""

_MOST_CLASSES = 1_000_000
_LABELS = 1_000_000  # labels that are looked at together


def is_on_disk(x: Any) -> bool:
    """Tell what is read by blocks of rows when a fit is given it, and not copied into memory."""
    return is_array_on_disk(x) or is_matrix_on_disk(x)


class RowBlocks:
    """Samples in a file that is larger than memory, which training reads by blocks of rows.

    `SparseMLP.fit` takes them in place of `x` and `y`, the estimators in place of `X` and `y`;
    `predict`, `evaluate` and ``validation_data`` take them too. `open_table` makes them of paths.

    Every epoch reads all blocks in a new order. The rows of some 16 of them or more, from different
    places in the file, are mixed in a buffer, while a thread reads the next one. Results
    are the same bits for the same seed and `buffer_rows`. If one buffer holds all rows, they are
    those of a fit to the array. Statistics of standardisation are exactly those of the whole file,
    which takes two more passes before the first epoch.

    Parameters
    ----------
    x
        A `numpy.memmap`, a data set of h5py, an array of Zarr, or the ``X`` of a backed AnnData:
        dense, or sparse and stored by rows (CSR). The file must not change meanwhile.
    y
        Targets, a label or several numbers a row: an array, a series, or a data set of a file.
        None to predict.
    sample_weight
        By what each sample counts, (rows,), as in `SparseMLP.fit`. Default None.
    buffer_rows
        How many rows are mixed. None (default): as many as are a 32nd of the file, but at least 1
        MiB and at most 256 MiB of them. Memory holds three to six times as much.

    Attributes
    ----------
    shape : tuple of int
        Rows, and features of samples.
    columns_ : TableEncoder or None
        What became of each column of a table.
    names : tuple of str or None
        Names of the columns, if they have some.
    notes : tuple of str
        What was found out of a file: a sentence each.

    Raises
    ------
    ValueError, TypeError
        If they are no such things, or of different length. From a fit: if the file has changed.

    Examples
    --------
    >>> import numpy as np, tempfile, trulysparse as ts
    >>> path = tempfile.mkdtemp() + "/x.npy"
    >>> np.save(path, np.random.default_rng(0).normal(size=(1000, 20)).astype("float32"))
    >>> x, y = np.load(path, mmap_mode="r"), np.arange(1000) % 2
    >>> rows = ts.RowBlocks(x, y)
    >>> model = ts.SparseMLP([20, 10, 2], epsilon=3, seed=0)
    >>> history = model.fit(rows[:900], epochs=1, validation_data=rows[900:], progress=False)
    >>> model.predict(rows[900:]).shape
    (100, 2)
    """

    columns_: Any
    notes: tuple[str, ...]
    _weight: FloatArray | None

    def __init__(
        self, x: Any, y: Any = None, *, sample_weight: Any = None, buffer_rows: int | None = None
    ) -> None:
        refuse_held_sparse("y", y)
        labels = None if y is None else labels_of("y", y)
        self._take(source_of("x", x, labels), buffer_rows)
        if labels is not None and labels.shape[0] != self._source.rows:
            raise ValueError(
                f"y has {labels.shape[0]} samples: expected {self._source.rows}, as many as x has"
            )
        if sample_weight is not None:
            self._weight = sample_weights(sample_weight, self._source.rows)

    def _take(self, source: Source, buffer_rows: int | None) -> None:
        if not 0 < source.rows <= MOST_ROWS:
            raise ValueError(
                f"{source.name} has {source.rows:,} rows: expected 1 to {MOST_ROWS:,} (open a part)"
            )
        if buffer_rows is not None:
            buffer_rows = _check.integer("buffer_rows", buffer_rows, 1, MOST_ROWS)
        self._source, self._asked = source, buffer_rows
        self._start, self._stop = 0, source.rows
        self._weight = None
        # Of each class, by which its samples count.
        self._factors: FloatArray | None = None
        self._encode: Callable[[Array], Array] | None = None
        self._encodes_by: list[Any] | None = None
        self.columns_: Any = None
        self.notes: tuple[str, ...] = ()
        self._counted: tuple[Array, Array] | None = None

    @classmethod
    def _of(cls, source: Source, buffer_rows: int | None) -> RowBlocks:
        rows = object.__new__(cls)
        rows._take(source, buffer_rows)
        return rows

    def _with(self, **changes: Any) -> RowBlocks:
        """Copy, with other attributes."""
        found = copy.copy(self)
        vars(found).update(changes)
        return found

    # --- what they are ----------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, and features of samples."""
        features = self._source.columns
        if self.columns_ is not None:
            features = len(self.columns_.feature_names_)
        return len(self), features

    @property
    def ndim(self) -> int:
        """Two."""
        return 2

    def __len__(self) -> int:
        """Count the rows."""
        return self._stop - self._start

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of the columns, if they have some."""
        return self._source.names

    @property
    def feature_names(self) -> list[str] | None:
        """Names of the features of samples, if they have some."""
        if self.columns_ is not None:
            return list(self.columns_.feature_names_)
        return None if self.names is None else list(self.names)

    @property
    def buffer_rows(self) -> int:
        """How many rows are mixed, of which memory holds three to six times as much."""
        if self._asked is not None:
            return min(self._asked, len(self))
        share = min(max(self._source.bytes // SHARE, LEAST), MOST)
        return int(min(max(share // max(self._source.row_bytes, 1), 1), len(self)))

    @property
    def classes(self) -> Array:
        """The different labels, sorted; the first call reads all of them."""
        return self.class_counts[0]

    @property
    def class_counts(self) -> tuple[Array, Array]:
        """The different labels, sorted, and how many rows have each."""
        if self._counted is None:
            self._counted = self._count()
        return self._counted

    def _count(self) -> tuple[Array, Array]:
        self._need_labels()
        found: dict[Any, int] = {}
        for start in range(self._start, self._stop, _LABELS):
            labels = np.asarray(self._source.labels(start, min(start + _LABELS, self._stop)))
            if labels.ndim == 2 and labels.shape[1] == 1:
                labels = labels[:, 0]
            if labels.ndim != 1:
                raise ValueError(f"y has shape (rows, {labels.shape[1]}): expected one label a row")
            kind = labels.dtype
            values, counts = np.unique(labels, return_counts=True)
            for value, count in zip(values.tolist(), counts.tolist(), strict=True):
                found[value] = found.get(value, 0) + count
            if len(found) > _MOST_CLASSES:
                raise ValueError(
                    f"y has more than {_MOST_CLASSES:,} different labels: expected classes"
                )
        classes = sorted(found)
        array = np.array(classes, None if kind.kind == "O" else kind)
        return array, np.array([found[value] for value in classes])

    def _need_labels(self) -> None:
        if not self._source.has_labels:
            raise TypeError(
                "the rows have no labels: expected RowBlocks(x, y), or open_table(path, label=...)"
            )

    def __getitem__(self, rows: Any) -> RowBlocks:
        """Give a range of rows, ``rows[:900]``; what was learnt of all of them stays."""
        if not isinstance(rows, slice) or rows.step not in (None, 1):
            raise TypeError(f"rows[{_check.shown(rows)}]: expected a range of rows, as rows[:900]")
        start, stop, _ = rows.indices(len(self))
        if start >= stop:
            raise ValueError(f"rows[{start}:{stop}] are none of the {len(self):,} rows")
        counted = self.class_counts if self._labels_are_names() else None
        part = self._with(_start=self._start + start, _stop=self._start + stop, _counted=None)
        if counted is not None:  # classes that a part lacks keep their place
            part._counted = (counted[0], part._count_of(counted[0]))
        return part

    def _count_of(self, classes: Array) -> Array:
        found, counts = self._count()
        known = np.zeros(len(classes), np.int64)
        known[np.searchsorted(classes, found)] = counts
        return known

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        """Raise TypeError: that would be all of the file."""
        raise TypeError("rows of a file are no array: expected what takes trulysparse.RowBlocks")

    def __repr__(self) -> str:
        """Say how many there are, and how they are read."""
        rows, features = self.shape
        return f"RowBlocks({rows:,} rows, {features:,} features, {self.buffer_rows:,} rows mixed)"

    # --- reading ----------------------------------------------------------------------------------

    def pieces(self) -> Iterator[tuple[Any, Any]]:
        """Give the rows as they are in the file, ``(x, y)`` for each block, in their order."""
        for start, stop in self._spans():
            yield tuple(self._source.read(start, stop))

    def _blocks(self) -> list[tuple[int, int]]:
        return self._pieces(self._source.places)

    def _spans(self) -> list[tuple[int, int]]:
        return self._pieces(_SPANS)

    def _pieces(self, of_buffer: int) -> list[tuple[int, int]]:
        """Give where pieces begin and end of which a buffer has as many."""
        size = max(1, self.buffer_rows // of_buffer)
        if self.buffer_rows >= len(self):
            size = len(self)
        return reader.blocks(self._start, self._stop, size, self._source.step)

    def _reader(self, batch_size: int, *, wide: bool, labelled: bool = True) -> Reader:
        """Give what reads samples for a network; `wide` if it takes float64."""
        read: Read = partial(self._read, wide=wide, labelled=labelled)
        return Reader(read, self._blocks(), self._spans(), self.buffer_rows, batch_size)

    def _read(self, start: int, stop: int, *, wide: bool, labelled: bool) -> Rows:
        x, y = self._source.read(start, stop)
        if self.columns_ is not None:
            x = self.columns_._encode(f"{self._source.name} (rows from {start + 1})", x)
        elif is_frame(x):
            x = as_array(f"{self._source.name} (rows from {start + 1})", x)
        x = self._of_type(start, x, wide=wide)
        if not labelled:
            return Rows(x, np.zeros(stop - start, np.int64), None)
        self._need_labels()
        weight = None if self._weight is None else self._weight[start:stop]
        targets = self._targets(y)
        if self._factors is not None:
            weight = self._factors[targets]
        return Rows(x, targets, weight)

    def _of_type(self, start: int, x: Any, *, wide: bool) -> Any:
        """Give samples in the type that a network takes; a ValueError names what is not finite."""
        name = self._source.name
        if isinstance(x, Blocks):
            return x if wide else Blocks(as_float32(f"{name} (numbers)", x.dense), x.sparse)
        if scipy.sparse.issparse(x):
            if x.dtype.kind == "f" and not np.isfinite(x.data).all():
                at = int(np.isfinite(x.data).argmin())
                row = int(np.searchsorted(x.indptr, at, side="right")) - 1
                _refuse(name, start + row, x.indices[at], x.data[at])
            return x
        if x.dtype.kind == "f" and not np.isfinite(x).all():
            row, column = np.argwhere(~np.isfinite(x))[0]
            _refuse(name, start + row, column, x[row, column])
        if wide and not np.can_cast(x.dtype, np.float32):
            return as_float64(name, x)
        return as_float32(name, x)

    def _most(self) -> float:
        """Give the most that a sample counts in statistics, as the core has it for all at once."""
        if self._factors is not None:  # their mean is 1
            return 4.0
        if self._weight is None:
            return math.inf
        weights = self._weight[self._start : self._stop].astype(np.float64)
        return float(np.float32(4 * np.add.accumulate(weights)[-1] / len(weights)))

    def _targets(self, y: Array) -> Array:
        if self._encode is not None:
            return self._encode(y)
        if self._encodes_by is None:
            return y
        values, inverse = np.unique(y, return_inverse=True)
        places = {str(name): place for place, name in enumerate(self._encodes_by)}
        unknown = [value for value in values.tolist() if str(value) not in places]
        if unknown:
            raise ValueError(f"y has the classes {unknown[:5]}: expected {self._encodes_by}")
        found = np.array([places[str(value)] for value in values.tolist()], np.int64)
        return found[inverse.reshape(y.shape)]

    def _by_classes(self, classes: Iterable[Any]) -> RowBlocks:
        """Give rows whose labels are places in these."""
        return self._with(_encodes_by=list(classes))

    def _labels_are_names(self) -> bool:
        """Tell labels that a network takes as places in `classes`: text and booleans."""
        if not self._source.has_labels or self._encode is not None:
            return False
        first = self._source.labels(self._start, self._start + 1)
        return first.ndim == 1 and first.dtype.kind in "OUb"


def _refuse(name: str, row: int, column: int, value: Any) -> NoReturn:
    raise ValueError(f"{name}[{row}, {column}] = {value}: expected finite numbers")


def as_rows(x: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
    """Give ``(x, y, sample_weight)`` of a fit as rows, None, None if x lies in a file."""
    if not is_on_disk(x):
        return as_numpy("x", x), y, as_numpy("sample_weight", sample_weight)
    if y is None:
        raise TypeError(f"y is missing: expected targets beside the {type(x).__name__} x")
    return RowBlocks(x, y, sample_weight=sample_weight), None, None
