"""Rows of a Parquet file, of which polars reads slices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from trulysparse.readers.fast import guarded
from trulysparse.readers.notes import Notes
from trulysparse.readers.regular import Failed
from trulysparse.readers.source import needs_polars
from trulysparse.readers.table import Table, chosen
from trulysparse.streams.source import Piece, Source, Stamp

if TYPE_CHECKING:
    import polars as pl


class ParquetSource(Source):
    """A Parquet file."""

    # A slice takes as long as its row group.
    places = 4

    def __init__(self, path: str, wanted: dict[str, Any]) -> None:
        needs_polars(path)
        import polars as pl

        self.name = self._path = path
        self._stamp = Stamp(path)
        try:
            with guarded():
                scan = pl.scan_parquet(path)
                self.rows = int(scan.select(pl.len()).collect().item())
                none = scan.head(0).collect()
        except (Failed, OSError) as error:
            raise ValueError(f"{path}: not a readable Parquet file ({error})") from None
        notes = Notes()
        self.table: Table = chosen(none, (), set(), wanted, notes)
        self.notes = self.table.notes
        self.names = self.table.names
        self.columns = len(self.names)
        label = self.table.label
        self._labels = [] if label is None else [label] if isinstance(label, str) else list(label)
        self.has_labels = bool(self._labels)
        self.bytes = self._stamp.size
        self.row_bytes = 16.0 * self.columns

    def read(self, start: int, stop: int) -> Piece:
        assert self.names is not None
        frame = self._slice(start, stop, [*self.names, *self._labels])
        y = self._targets(start, frame) if self._labels else None
        return Piece(frame.select(self.names), y)

    def labels(self, start: int, stop: int) -> Any:
        return self._targets(start, self._slice(start, stop, self._labels))

    def _slice(self, start: int, stop: int, names: list[str]) -> pl.DataFrame:
        import polars as pl

        self._stamp.check()
        try:
            with guarded():
                frame = (
                    pl.scan_parquet(self._path).select(names).slice(start, stop - start).collect()
                )
        except (Failed, OSError) as error:
            self._stamp.check()
            raise ValueError(f"{self._path}: not a readable Parquet file ({error})") from None
        self._stamp.check()
        if frame.height != stop - start:
            raise ValueError(
                f"{self._path} has {start + frame.height:,} rows by now: expected {self.rows:,}"
            )
        return frame

    def _targets(self, start: int, frame: pl.DataFrame) -> Any:
        import polars as pl

        for name in self._labels:
            column = frame[name]
            missing = column.is_null()
            if column.dtype.is_float():
                missing |= column.is_nan().fill_null(value=True)
            if missing.any():
                row = start + int(missing.arg_max() or 0)
                raise ValueError(
                    f"{self._path}: row {row + 1}, column {name!r}: the label is missing"
                )
        found = []
        for name in self._labels:
            column = frame[name]
            if column.dtype in (pl.String, pl.Categorical, pl.Enum):
                found.append(column.cast(pl.String).str.strip_chars().to_numpy().astype(object))
            elif column.dtype.is_numeric() or column.dtype == pl.Boolean:
                is_decimal = column.dtype.is_decimal()
                found.append((column.cast(pl.Float64) if is_decimal else column).to_numpy())
            else:
                raise TypeError(
                    f"{self._path}: column {name!r} has type {column.dtype}: expected a label that "
                    "is a number, text or a category"
                )
        return found[0] if len(found) == 1 else np.column_stack(found)
