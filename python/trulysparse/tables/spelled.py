"""Columns of text that say more than levels do, and what to make of them: dates and sentences."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence

_TIME = r"([T ,]+\d{1,2}:\d\d.{0,24})?"
_ISO = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d.{0,24})?")
_YEAR_FIRST = re.compile(rf"\d{{4}}([./-])(\d{{1,2}})\1(\d{{1,2}}){_TIME}")
_YEAR_LAST = re.compile(rf"(\d{{1,2}})([./-])(\d{{1,2}})\2(\d{{4}}|\d\d){_TIME}")
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_IN_WORDS = re.compile(
    rf"([a-z]+,? )?(\d{{1,2}}\.?[ -]{_MONTH},?[ -]\d{{2,4}}"
    rf"|{_MONTH} \d{{1,2}}(st|nd|rd|th)?,? \d{{4}}){_TIME}",
    re.IGNORECASE,
)
_DAYS, _MONTHS = 31, 12

_FEWEST_SENTENCES = 20  # different ones
_WORDS = 5  # of a sentence, in the mean: names have fewer


def say(name: str, levels: Sequence[str], cells: int) -> None:
    """Warn of a column whose text is dates or sentences, as all of it is lost in levels.

    Parameters
    ----------
    name
        Of the column.
    levels
        The different texts.
    cells
        How many cells have one.
    """
    if len(levels) > 1 and (remedy := _of_dates(levels)) is not None:
        warnings.warn(
            f"column {name!r} has dates as text, such as {levels[0]!r}, and is taken as text: "
            f"{remedy}",
            UserWarning,
            stacklevel=2,
        )
    elif len(levels) >= _FEWEST_SENTENCES and 2 * len(levels) >= cells and _are_sentences(levels):
        warnings.warn(
            f"column {name!r} has sentences, {len(levels)} different ones in {cells} cells, whose "
            "words are not looked at: leave it out, or make numbers of it (TfidfVectorizer of "
            "scikit-learn)",
            UserWarning,
            stacklevel=2,
        )


def _of_dates(levels: Sequence[str]) -> str | None:
    """Say what makes times of dates; None if not all texts are dates of one kind."""
    if _all(_ISO.fullmatch, levels):
        return "pandas.to_datetime makes times of them, and read_table reads them as times"
    also = "; read_table reads dates that are spelled 2025-07-03"
    if _all(_is_year_first, levels) or _all(_IN_WORDS.fullmatch, levels):
        return f"pandas.to_datetime makes times of them{also}"
    if not _all(_is_year_last, levels):
        return None
    found = [match for match in map(_YEAR_LAST.fullmatch, levels) if match]
    if any(int(match[3]) > _MONTHS for match in found):
        return f"pandas.to_datetime makes times of them{also}"
    is_known = found[0][2] == "." or any(int(match[1]) > _MONTHS for match in found)
    unless = "" if is_known else " (without dayfirst, if months come first)"
    return f"pandas.to_datetime(..., dayfirst=True) makes times of them{unless}{also}"


def _all(test: Callable[[str], object], levels: Sequence[str]) -> bool:
    return all(map(test, levels))


def _is_year_first(text: str) -> bool:
    match = _YEAR_FIRST.fullmatch(text)
    return match is not None and 0 < int(match[2]) <= _MONTHS and 0 < int(match[3]) <= _DAYS


def _is_year_last(text: str) -> bool:
    """Tell a date; 1.2.10 may be a version."""
    match = _YEAR_LAST.fullmatch(text)
    if match is None:
        return False
    if match[2] == "." and len(match[4]) == 2 and min(len(match[1]), len(match[3])) == 1:
        return False
    first, second = sorted((int(match[1]), int(match[3])))
    return 0 < first <= _MONTHS and second <= _DAYS


def _are_sentences(levels: Sequence[str]) -> bool:
    return sum(len(level.split()) for level in levels) >= _WORDS * len(levels)
