"""Columns of frames in three forms: numbers, text and times. Missing cells are the same in all."""

from __future__ import annotations

import datetime
import numbers
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from trulysparse import _check
from trulysparse.data.frames import is_missing

Floats = npt.NDArray[np.float64]


class Numbers(NamedTuple):
    """Numbers."""

    values: Floats
    """(rows,), NaN where missing."""
    counts: bool = True
    """Whether they may be the numbers of the rows: durations and times of the day are not."""
    are_booleans: bool = False


class Text(NamedTuple):
    """Text, categories and what else is only the same or not."""

    codes: npt.NDArray[np.int64]
    """(rows,): places in `levels`, -1 where missing."""
    levels: list[str]
    """Different ones, without the blanks around them."""


class Times(NamedTuple):
    """Dates and times."""

    seconds: Floats
    """(rows,), since 1970 in UTC, NaN where missing."""
    wall: npt.NDArray[np.datetime64]
    """(rows,), what clocks showed, in UTC where there is a zone; NaT where missing."""


Column: TypeAlias = Numbers | Text | Times

_MICROSECONDS = 1e6
_FEW = 64  # rows that are quicker to look at one by one


def split(frame: Any) -> Iterator[tuple[Any, Any]]:
    """Give the columns of a frame of pandas or polars with their labels."""
    for place, label in enumerate(frame.columns):
        yield label, at(frame, place)


def at(frame: Any, place: int) -> Any:
    """Give a column of a frame of pandas or polars by its place."""
    return frame.iloc[:, place] if hasattr(frame, "iloc") else frame.to_series(place)


def read(where: str, column: Any) -> Column:
    """Read a column; a ValueError or TypeError that names it and the row if it holds other things.

    Parameters
    ----------
    where
        What the column is called, for errors.
    column
        A series of pandas or polars.
    """
    if type(column).__module__.partition(".")[0] == "polars":
        return _of_polars(where, column)
    return _of_pandas(where, column)


# --- polars -------------------------------------------------------------------------------------


def _of_polars(where: str, column: Any) -> Column:
    import polars as pl

    dtype = column.dtype
    if dtype == pl.Null:
        return Numbers(np.full(len(column), np.nan))
    if dtype == pl.Boolean or dtype.is_numeric():
        if dtype.is_decimal():
            column = column.cast(pl.Float64)
        if dtype.is_integer() and "128" in str(dtype):
            column = column.cast(pl.Float64)
        values = column.cast(pl.Float64) if dtype == pl.Boolean or column.null_count() else column
        found = _finite(where, values.to_numpy().astype(np.float64))
        return found._replace(are_booleans=dtype == pl.Boolean)
    if dtype in (pl.Datetime, pl.Date):
        wall = column.cast(pl.Datetime("us"))
        if getattr(dtype, "time_zone", None) is not None:
            wall = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
            wall = wall.cast(pl.Datetime("us"))
        return _times(column.dt.epoch("us").cast(pl.Float64).to_numpy(), wall.to_numpy())
    if dtype == pl.Duration:
        spans = column.dt.total_microseconds().cast(pl.Float64).to_numpy() / _MICROSECONDS
        return Numbers(spans, counts=False)
    if dtype == pl.Time:
        return Numbers(column.cast(pl.Int64).cast(pl.Float64).to_numpy() / 1e9, counts=False)
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return _of_strings(column.cast(pl.String))
    if dtype == pl.Object:
        return _of_objects(where, np.array(column.to_list(), object))
    raise TypeError(f"{where} has dtype {dtype}: expected numbers, text, categories or times")


def _of_strings(text: Any) -> Text:
    import polars as pl

    if len(text) <= _FEW:
        return _of_items(text.to_list())
    # The first row with the same text; a level is then looked at once.
    rows = pl.DataFrame({"text": text}).with_row_index("row")
    first = rows.select(pl.col("row").min().over("text")).to_series().to_numpy()
    is_first = np.zeros(len(text), np.bool_)
    is_first[first] = True
    codes = (np.cumsum(is_first) - 1)[first]
    levels = text.filter(pl.Series(is_first)).to_list()
    if text.null_count():
        missing = levels.index(None)
        del levels[missing]
        codes = np.where(codes == missing, -1, codes - (codes > missing))
    return _text(codes, levels)


def _of_items(items: Sequence[str | None]) -> Text:
    levels: dict[str, int] = {}
    codes = [-1 if item is None else levels.setdefault(item, len(levels)) for item in items]
    return _text(np.array(codes, np.int64), list(levels))


# --- pandas -------------------------------------------------------------------------------------


def _of_pandas(where: str, column: Any) -> Column:
    import pandas as pd

    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        categories = dtype.categories
        if isinstance(categories, pd.IntervalIndex):
            categories = categories.astype(str)
        codes = column.cat.codes.to_numpy().astype(np.int64)
        return _text(codes, [_level(item) for item in categories.tolist()])
    if isinstance(dtype, pd.PeriodDtype):
        column, dtype = column.dt.to_timestamp(), np.dtype("datetime64[ns]")
    if isinstance(dtype, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_any_dtype(dtype):
        if getattr(column.dt, "tz", None) is not None:
            column = column.dt.tz_convert("UTC").dt.tz_localize(None)
        exact = column.to_numpy(dtype="datetime64[us]")
        epoch = np.where(np.isnat(exact), np.nan, exact.astype(np.int64))
        return _times(epoch, exact)
    if pd.api.types.is_timedelta64_dtype(dtype):
        spans = column.dt.total_seconds().to_numpy(dtype=np.float64, na_value=np.nan)
        return Numbers(spans, counts=False)
    if pd.api.types.is_bool_dtype(dtype) or pd.api.types.is_numeric_dtype(dtype):
        if pd.api.types.is_complex_dtype(dtype):
            raise TypeError(f"{where} has complex numbers: expected real ones")
        found = _finite(where, column.to_numpy(dtype=np.float64, na_value=np.nan))
        return found._replace(are_booleans=pd.api.types.is_bool_dtype(dtype))
    is_text = isinstance(dtype, pd.StringDtype) or str(dtype) in ("string", "str")
    if is_text or (
        str(dtype) == "object" and pd.api.types.infer_dtype(column, skipna=True) == "string"
    ):
        codes, levels = pd.factorize(column)
        return _text(codes.astype(np.int64), [str(item) for item in levels])
    return _of_objects(where, column.to_numpy(dtype=object, na_value=None))


# --- Python's objects ---------------------------------------------------------------------------


def of_objects(where: str, items: npt.NDArray[np.object_]) -> Column:
    """Read Python objects, (rows,)."""
    return _of_objects(where, items)


def _of_objects(where: str, items: npt.NDArray[np.object_]) -> Column:
    missing = np.fromiter(map(is_missing, items), np.bool_, len(items))
    present = set(map(type, items[~missing]))
    if all(issubclass(kind, numbers.Real | Decimal | np.bool_) for kind in present):
        values = np.full(len(items), np.nan)
        try:
            values[~missing] = [float(item) for item in items[~missing]]
        except OverflowError:
            raise ValueError(
                f"{where} has integers beyond float64: expected smaller ones"
            ) from None
        booleans = bool(present) and all(issubclass(kind, bool | np.bool_) for kind in present)
        return _finite(where, values)._replace(are_booleans=booleans)
    if all(issubclass(kind, datetime.date | np.datetime64) for kind in present):
        return _of_dates(items, missing)
    if all(issubclass(kind, datetime.timedelta | np.timedelta64) for kind in present):
        values = np.full(len(items), np.nan)
        spans = np.array(items[~missing], dtype="timedelta64[us]")
        values[~missing] = spans.astype(np.int64) / _MICROSECONDS
        return Numbers(values, counts=False)
    if all(issubclass(kind, datetime.time) for kind in present):
        values = np.full(len(items), np.nan)
        values[~missing] = [_since_midnight(item) for item in items[~missing]]
        return Numbers(values, counts=False)
    for row, (item, is_none) in enumerate(zip(items, missing, strict=True)):
        if not is_none and not isinstance(item, str | numbers.Real | np.bool_ | Decimal):
            raise TypeError(
                f"{where}, row {row}: {_check.shown(item)}; expected text, numbers or times, of "
                "one kind in a column"
            )
    codes = np.full(len(items), -1, np.int64)
    levels: dict[str, int] = {}
    for row in np.flatnonzero(~missing).tolist():
        codes[row] = levels.setdefault(_level(items[row]), len(levels))
    return _text(codes, list(levels))


def _of_dates(items: npt.NDArray[np.object_], missing: npt.NDArray[np.bool_]) -> Times:
    wall: npt.NDArray[Any] = np.full(len(items), "NaT", "datetime64[us]")
    seconds = np.full(len(items), np.nan)
    for row in np.flatnonzero(~missing):
        item = items[row]
        zone = getattr(item, "tzinfo", None)
        exact = item.astimezone(datetime.timezone.utc).replace(tzinfo=None) if zone else item
        wall[row] = np.datetime64(exact, "us")
        seconds[row] = float(wall[row].astype(np.int64)) / _MICROSECONDS
    return Times(seconds, wall)


def _since_midnight(item: datetime.time) -> float:
    return item.hour * 3600 + item.minute * 60 + item.second + item.microsecond / _MICROSECONDS


def _level(item: Any) -> str:
    """Write what is a level: 1 and 1.0 are one."""
    if isinstance(item, float | np.floating) and float(item).is_integer():
        return str(int(item))
    return str(item)


def _text(codes: npt.NDArray[np.int64], levels: Sequence[str]) -> Text:
    """Give text of which levels that differ in blanks only are one, and blank ones missing."""
    if all(map(str.__eq__, levels, map(str.strip, levels))) and len({*levels, ""}) > len(levels):
        return Text(codes, list(levels))
    places: dict[str, int] = {}
    renamed = np.empty(len(levels) + 1, np.int64)
    for old, level in enumerate(levels):
        plain = level.strip()
        renamed[old] = places.setdefault(plain, len(places)) if plain else -1
    renamed[-1] = -1
    return Text(renamed[codes], list(places))


def _times(microseconds: Any, wall: Any) -> Times:
    return Times(
        np.asarray(microseconds, np.float64) / _MICROSECONDS,
        np.asarray(wall).astype("datetime64[us]"),
    )


def _finite(where: str, values: Floats) -> Numbers:
    infinite = np.isinf(values)
    if infinite.any():
        row = int(infinite.argmax())
        raise ValueError(f"{where}, row {row}: {values[row]}; expected finite numbers")
    return Numbers(values)
