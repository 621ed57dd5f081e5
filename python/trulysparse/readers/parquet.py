"""Parquet and Arrow files, whose columns have types."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from trulysparse.readers.notes import Notes
from trulysparse.readers.source import needs_polars
from trulysparse.readers.table import Table, chosen

if TYPE_CHECKING:
    import polars as pl


def read(path: str, data: bytes, wanted: dict[str, Any]) -> Table:
    """Read a Parquet file."""
    return _read(path, data, wanted, "Parquet", "read_parquet")


def read_arrow(path: str, data: bytes, wanted: dict[str, Any]) -> Table:
    """Read a file in Arrow's format, which Feather's second version is."""
    return _read(path, data, wanted, "Arrow", "read_ipc")


def _read(path: str, data: bytes, wanted: dict[str, Any], kind: str, function: str) -> Table:
    needs_polars(path)
    import polars as pl

    from trulysparse.readers.fast import guarded
    from trulysparse.readers.regular import Failed

    reader: Callable[..., pl.DataFrame] = getattr(pl, function)
    try:
        with guarded():
            frame = reader(io.BytesIO(data))
    except (Failed, OSError) as error:
        raise ValueError(f"{path}: not a readable {kind} file ({error})") from None
    if not frame.height or not frame.width:
        raise ValueError(f"{path}: expected rows and columns, got {frame.shape}")
    notes = Notes()
    return chosen(_plain(path, frame, notes), range(1, frame.height + 1), set(), wanted, notes)


def _plain(path: str, frame: pl.DataFrame, notes: Notes) -> pl.DataFrame:
    """Give numbers, text, categories, booleans and times; NaN is missing, and infinity refused."""
    import polars as pl
    import polars.selectors as cs

    from trulysparse.readers.columns import say_merged

    for name, kind in frame.schema.items():
        if isinstance(kind, pl.Decimal):
            frame = frame.with_columns(pl.col(name).cast(pl.Float64))
        elif kind.is_nested() or kind in (pl.Binary, pl.Object) or "128" in str(kind):
            raise ValueError(f"{path}: column {name!r} has type {kind}: expected numbers or text")
    floats = frame.select(cs.float())
    if floats.width:
        sums = floats.sum().row(0)
        odd = [
            name
            for name, total in zip(floats.columns, sums, strict=True)
            if total is None or not abs(total) < float("inf")
        ]
        for name in odd:
            bad = frame[name].is_infinite().fill_null(value=False).arg_true()
            if len(bad):
                raise ValueError(
                    f"{path}: row {bad[0] + 1}, column {name!r}: expected a finite number, got "
                    f"{frame[name][bad[0]]}"
                )
        if odd:
            frame = frame.with_columns(pl.col(odd).fill_nan(None))
    say_merged(frame, notes)
    return frame
