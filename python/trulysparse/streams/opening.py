"""`open_table`: rows of a file by its path."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from trulysparse import _check, _hints
from trulysparse.data.blocks import Blocks
from trulysparse.streams import h5ad
from trulysparse.streams.parquet import ParquetSource
from trulysparse.streams.reader import ahead
from trulysparse.streams.rows import RowBlocks
from trulysparse.streams.source import ArraySource, Labels, Piece
from trulysparse.tables.encoder import MIN_COUNT
from trulysparse.tables.gradual import Gradual

_FORMATS = ".parquet, .h5ad or .npy"
_SAMPLE = 1000  # rows by which the memory of one is told


@_hints.plain
def open_table(
    path: str | os.PathLike[str],
    label: str | int | Sequence[str | int] | bool | None = None,
    *,
    columns: Sequence[str | int] | None = None,
    drop: Sequence[str | int] | None = None,
    ids: str | int | Sequence[str | int] | None = None,
    min_count: int = MIN_COUNT,
    buffer_rows: int | None = None,
    **unknown: NoReturn,
) -> RowBlocks:
    """Open a table that is larger than memory, to train on it by blocks of rows.

    `read_table` reads tables that fit into memory. A Parquet file is read once, to learn what its
    columns become, as `TableEncoder` does; numbers without missing ones stay as they are.

    Parameters
    ----------
    path
        A ``.parquet`` file; an ``.h5ad`` file of AnnData, of which X is taken, dense or CSR; or an
        ``.npy`` file.
    label
        The column of the labels, by name or place, or several; in ``.h5ad`` files a name in obs.
        False for none. None (default): as `read_table` finds it, and none of ``.h5ad`` files. Of
        ``.npy`` files it is the last column.
    columns, drop, ids
        Columns of a Parquet file to take, to leave out, and that only name rows.
    min_count
        As in `TableEncoder`.
    buffer_rows
        As in `RowBlocks`.

    Returns
    -------
    RowBlocks

    Raises
    ------
    ValueError, TypeError
        If the file is none of these or holds other things than numbers, text, categories and
        times.
    ImportError
        If what reads it is missing; the message says what to install.

    Examples
    --------
    >>> import polars as pl, tempfile, trulysparse as ts
    >>> path = tempfile.mkdtemp() + "/ships.parquet"
    >>> pl.DataFrame({"age": [30, None, 50, 41], "port": ["S", "C", "S", "C"],
    ...               "fare": [7.5, 8.0, 30.0, 9.5]}).write_parquet(path)
    >>> rows = ts.open_table(path, label="fare")
    >>> rows.shape, rows.feature_names
    ((4, 4), ['age', 'age is missing', 'port = C', 'port = S'])
    """
    _hints.refuse("open_table", unknown)
    where = _check.path("path", path)
    suffix = Path(where).suffix.lower()
    chosen = {"columns": columns, "drop": drop, "ids": ids}
    if suffix in (".parquet", ".pq"):
        return _parquet(where, {"label": label, **chosen}, min_count, buffer_rows)
    if suffix not in (".h5ad", ".npy"):
        raise ValueError(
            f"{where}: expected a {_FORMATS} file; read_table reads others, and RowBlocks takes "
            "data sets of h5py"
        )
    for name, value in chosen.items():
        if value is not None:
            raise ValueError(f"{name} = {_check.shown(value)}: expected None with {suffix} files")
    if not Path(where).exists():
        raise FileNotFoundError(f"no file {where}")
    if suffix == ".npy":
        return _npy(where, label, buffer_rows)
    if label is not None and label is not False and not isinstance(label, str):
        raise TypeError(f"label = {_check.shown(label)}: expected the name of a column of obs")
    return RowBlocks._of(h5ad.source(where, label or None), buffer_rows)


def _npy(path: str, label: Any, buffer_rows: int | None) -> RowBlocks:
    if label not in (None, False):
        raise ValueError(f"label = {_check.shown(label)}: expected None (the last column) or False")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise ValueError(f"{path}: not a readable array ({error})") from None
    if array.ndim != 2 or (label is None and array.shape[1] < 2):
        raise ValueError(f"{path} has shape {array.shape}: expected (rows, columns)")
    if label is False:
        return RowBlocks._of(ArraySource(path, array, None), buffer_rows)
    labels = Labels(f"{path}: the last column", array[:, -1])
    return RowBlocks._of(ArraySource(path, array[:, :-1], labels), buffer_rows)


def _parquet(
    path: str, wanted: dict[str, Any], min_count: int, buffer_rows: int | None
) -> RowBlocks:
    source = ParquetSource(path, wanted)
    if not source.rows:
        raise ValueError(f"{path}: expected rows, got none")
    source.row_bytes = _row_bytes(source.read(0, min(source.rows, _SAMPLE)))
    rows = RowBlocks._of(source, buffer_rows)
    learnt = Gradual(min_count=_check.integer("min_count", min_count, 1))
    with closing(ahead(_calls(source, rows._spans()))) as pieces:
        for start, piece in pieces:
            learnt.take(f"{path} (rows from {start + 1})", piece.x)
    encoder = learnt.encoder()
    rows.notes = source.notes
    if not learnt.is_plain:
        rows.columns_ = encoder
        sample = encoder.transform(source.read(0, min(source.rows, _SAMPLE)).x)
        source.row_bytes = _size(sample) / sample.shape[0]
    return rows


def _calls(source: ParquetSource, blocks: list[tuple[int, int]]) -> Any:
    def call(start: int, stop: int) -> tuple[int, Piece]:
        return start, source.read(start, stop)

    return ((lambda a=start, b=stop: call(a, b)) for start, stop in blocks)


def _row_bytes(piece: Piece) -> float:
    rows, columns = piece.x.shape
    return float(max(piece.x.estimated_size(), 8 * columns * rows) / rows)


def _size(samples: Any) -> float:
    """Count the bytes of samples, of which the core copies sparse ones."""
    if isinstance(samples, Blocks):
        return float(3 * samples.memory() - 2 * samples.dense.nbytes)
    if isinstance(samples, np.ndarray):
        return float(samples.nbytes)
    return float(3 * (samples.data.nbytes + samples.indices.nbytes + samples.indptr.nbytes))
