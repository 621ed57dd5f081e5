"""Dates and times as ISO 8601 spells them; other spellings stay text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import polars as pl

_DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
_ZONE = r" ?(?:Z|[+-][0-9]{2}:?[0-9]{2})"
_LIKE = rf"^{_DAY}(?:[T ]{_TIME}(?:{_ZONE})?)?$"


def like_dates(cells: pl.Series) -> pl.Series:
    """Tell which texts are spelled as dates or times."""
    return cells.str.contains(_LIKE)


def converted(cells: pl.Series) -> tuple[pl.Series, pl.Series, str]:
    """Convert texts that are spelled as dates.

    Returns the values, which of them are none, such as February 30, and whether "all", "some" or
    "none" of them have a time zone. With a zone they are UTC.
    """
    import polars as pl

    zone = cells.str.extract(rf"T?{_TIME}({_ZONE})$", 1)
    zones = "none" if not zone.count() else "all" if not zone.null_count() else "some"
    if not cells.str.contains(":", literal=True).any():
        days = cells.str.to_date("%Y-%m-%d", strict=False)
        return days, days.is_null(), zones
    plain = cells.str.replace(rf"{_ZONE}$", "") if zone.count() else cells
    # A day alone is its first moment.
    plain = plain.str.replace(r"^(.{10})$", "${1} 00:00:00").str.replace("T", " ", literal=True)
    plain = plain.str.replace(r"^(.{16})$", "${1}:00")
    unit: Literal["ns", "us"] = "ns" if plain.str.contains(r"\.[0-9]{7,}$").any() else "us"
    times = plain.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit=unit, strict=False)
    if zones == "all":
        clock = zone.str.strip_chars().str.replace("Z", "+00:00", literal=True)
        sign = clock.str.starts_with("-").cast(pl.Int64) * -2 + 1
        digits = clock.str.replace_all("[^0-9]", "")
        hours = digits.str.slice(0, 2).cast(pl.Int64)
        minutes = digits.str.slice(2, 2).cast(pl.Int64)
        shift = (sign * (hours * 60 + minutes) * 60_000_000).cast(pl.Duration("us"))
        times = times - shift.cast(pl.Duration(unit))
    return times, times.is_null(), zones
