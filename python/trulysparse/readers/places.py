"""Columns that a caller names, or counts from 0, from the end with negative numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from trulysparse import _check

_POSITION = re.compile(r"-?[0-9]{1,9}")


class Typed(str):
    """Columns as they are typed on a command line: a name, a position, or several with commas."""

    __slots__ = ()


def place(names: Sequence[str], what: str, one: Any) -> int:
    """Give the place of a column.

    Raises
    ------
    ValueError
        If there is no such column.
    TypeError
        If it is neither text nor an integer.
    """
    if isinstance(one, Typed):
        found = _typed(names, what, one)
        if len(found) > 1:
            raise ValueError(f"{what} = {_check.shown(str(one))}: expected one column")
        return found[0]
    one = _check.plain(one)
    if isinstance(one, str):
        try:
            return list(names).index(one)
        except ValueError:
            some = ", ".join(map(repr, names[:10])) + (", ..." if len(names) > 10 else "")
            raise ValueError(
                f"no column {what}={_check.shown(one)}: expected one of {some}"
            ) from None
    if isinstance(one, bool) or not isinstance(one, int):
        raise TypeError(f"{what} = {_check.shown(one)}: expected a column's name or position")
    if not -len(names) <= one < len(names):
        raise ValueError(f"{what} = {one}: expected the position of one of {len(names)} columns")
    return one % len(names)


def _typed(names: Sequence[str], what: str, text: str) -> list[int]:
    text = str(text)
    if text not in names:
        if _POSITION.fullmatch(text):
            return [place(names, what, int(text))]
        if "," in text:
            parts = text.split(",")
            return [k for part in parts for k in _typed(names, what, part.strip())]
    return [place(names, what, text)]


def listed(what: str, value: Any, expected: str) -> list[Any]:
    """Give one item, or several, as a list; a dictionary is no list of its keys."""
    value = _check.plain(value)
    if isinstance(value, Mapping):
        raise TypeError(f"{what} = {_check.shown(value)}: expected {expected}")
    if not isinstance(value, Iterable) or isinstance(value, str | bytes):
        return [value]
    return _check.sequence(what, value, expected)


def places(names: Sequence[str], what: str, value: Any) -> list[int]:
    """Give the places of one column, or of several, each once."""
    if value is None:
        return []
    items = listed(what, value, "a column, or a list of columns")
    known = {name: k for k, name in enumerate(names)}
    found: list[int] = []
    for one in items:
        if isinstance(one, str) and one in known:
            found.append(known[one])
        elif isinstance(one, Typed):
            found += _typed(names, what, one)
        else:
            found.append(place(names, what, one))
    twice = next((k for k in found if found.count(k) > 1), None) if len(found) < 1000 else None
    if twice is not None:
        raise ValueError(f"{what} has column {names[twice]!r} twice: expected different columns")
    return list(dict.fromkeys(found))
