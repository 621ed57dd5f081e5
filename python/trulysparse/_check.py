"""Checks of arguments: each returns the value in its plain type or names what is wrong.

NumPy's numbers and arrays without an axis are taken wherever Python's numbers are.
"""

from __future__ import annotations

import inspect
import itertools
import math
import numbers
import operator
import os
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any, TypeVar

import numpy as np

from trulysparse import _hints

_T = TypeVar("_T")
_Name = TypeVar("_Name", bound=str)
_LARGEST = 2**63 - 1
FLOAT32 = 3.4028234e38
"""The largest float32, in which the core computes."""

# Of an argument such as layer_sizes: iterators may have no end.
_MOST_ITEMS = 1 << 20


def plain(value: Any) -> Any:
    """Python's number or text where NumPy has one, also in an array without an axis."""
    if isinstance(value, np.ndarray) and value.ndim == 0 and not np.ma.is_masked(value):
        value = value[()]
    # Durations have a number inside, without its unit.
    return value.item() if isinstance(value, np.generic) and value.dtype.kind in "biufU" else value


def is_number(value: Any) -> bool:
    """Whether `plain` makes a real number of it; booleans and durations are none."""
    value = plain(value)
    return isinstance(value, numbers.Real) and not isinstance(value, bool | np.timedelta64)


def integer(name: str, value: Any, low: int, high: int = _LARGEST) -> int:
    """An integer in [low, high], or a float that is one; booleans are no integers."""
    if type(value) is int and low <= value <= high:
        return value
    value = plain(value)
    if isinstance(value, bool):
        raise TypeError(f"{name} = {shown(value)}: expected an integer")
    if isinstance(value, float | np.floating) and value.is_integer():
        value = int(value)
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} = {shown(value)}: expected an integer") from None
    if not low <= number <= high:
        limit = f"at least {low}" if high == _LARGEST else f"from {low} to {high}"
        raise ValueError(f"{name} = {shown(value)}: expected an integer {limit}")
    return number


def real(
    name: str,
    value: Any,
    expected: str,
    *,
    low: float,
    high: float = FLOAT32,
    low_open: bool = False,
    high_open: bool = False,
) -> float:
    """A finite number in the given interval, described to users by `expected`."""
    if type(value) is float and low < value < high:
        return value
    value = plain(value)
    if not is_number(value):
        raise TypeError(f"{name} = {shown(value)}: expected {expected}")
    try:
        number = float(value)
    except OverflowError:  # an integer or a fraction beyond any float
        number = math.inf
    below = number <= low if low_open else number < low
    above = number >= high if high_open else number > high
    if not math.isfinite(number) or below or above:
        raise ValueError(f"{name} = {shown(value)}: expected {expected}")
    return number


class _Shown(reprlib.Repr):
    """Values in messages: short, and also of broken objects."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel, self.maxstring, self.maxlong, self.maxother = 4, 120, 60, 200
        for kind in ("list", "tuple", "dict", "set", "frozenset", "deque", "array"):
            setattr(self, f"max{kind}", 12)

    def repr1(self, value: Any, level: int) -> str:
        try:
            return super().repr1(value, level)
        except Exception:  # of an object of the user; or Python shows no integers of many digits
            return "a huge number" if isinstance(value, int) else f"a {type(value).__name__}"

    def repr_ndarray(self, value: Any, level: int) -> str:
        return repr(value) if value.size <= 12 else f"an array of shape {value.shape}"

    def repr_DataFrame(self, value: Any, level: int) -> str:
        return f"a {type(value).__name__} of shape {value.shape}"

    repr_Series = repr_matrix = repr_DataFrame


shown = _Shown().repr
"""How a value looks in a message."""


def _is_sparse(value: Any) -> bool:
    """Tell sparse matrices, whose compiled code may crash when a damaged one is looped over."""
    return callable(getattr(value, "tocsr", None))


def not_sparse(name: str, value: _T, expected: str) -> _T:
    """Anything but a sparse matrix."""
    if _is_sparse(value):
        raise TypeError(f"{name} is a sparse matrix: expected {expected}")
    return value


def boolean(name: str, value: Any) -> bool:
    """True or False, or 1 or 0, and nothing else that happens to be truthy."""
    value = plain(value)
    if isinstance(value, bool) or (is_number(value) and value in (0, 1)):
        return bool(value)
    raise TypeError(f"{name} = {shown(value)}: expected True or False")


def count_or_share(name: str, value: Any) -> int | float:
    """A number of epochs, at least 1, or a share of the fit's epochs, a float below 1."""
    value = plain(value)
    is_share = is_number(value) and not isinstance(value, numbers.Integral)
    if not is_share or (value >= 1 and value % 1 == 0):
        return integer(name, value, 1)
    expected = "an integer of at least 1, or a share of the fit's epochs between 0 and 1"
    return real(name, value, expected, low=0, high=1, low_open=True, high_open=True)


def choice(name: str, value: _Name, options: Sequence[str]) -> _Name:
    """One of the given names."""
    if type(value) is str and value in options:
        return value
    value = plain(value)
    listed = ", ".join(repr(option) for option in options)
    if not isinstance(value, str):
        raise TypeError(f"{name} = {shown(value)}: expected one of {listed}")
    if value not in options:
        hint = _hints.meant(value, options)
        raise ValueError(f"{name} = {shown(value)}: expected one of {listed}{hint}")
    return value


def either(names: Sequence[str]) -> str:
    """A list in words: "a, b or c"."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def not_made(value: Any, kinds: type | tuple[type, ...]) -> str:
    """The end of an error: what to give where a class stands for an object of it; else nothing."""
    if not (isinstance(value, type) and issubclass(value, kinds)):
        return ""
    return f"; this is the class: give an object of it, {value.__name__}(...)"


def instance(name: str, value: _T, kinds: type | tuple[type, ...], expected: str) -> _T:
    """An object of one of the given classes, described to users by `expected`."""
    if not isinstance(value, kinds):
        raise TypeError(f"{name} = {shown(value)}: expected {expected}{not_made(value, kinds)}")
    return value


def function(name: str, value: Any, takes: str) -> None:
    """Something that can be called with what is in the brackets of `takes`."""
    expected = f"expected a function that is called as {name}{takes}"
    if not callable(value):
        raise TypeError(f"{name} = {shown(value)}: {expected}")
    try:
        inspect.signature(value).bind(*takes.split(","))
    except ValueError:  # some of C tell no arguments
        return
    except TypeError:
        raise TypeError(f"{name} = {shown(value)}: {expected}") from None


def sequence(name: str, value: Iterable[Any], expected: str) -> list[Any]:
    """The items of an iterable, as a list; a text is one value, and not its letters."""
    not_sparse(name, value, expected)
    if isinstance(value, str | bytes):
        raise TypeError(f"{name} = {shown(value)}: expected {expected}")
    try:
        items = iter(value)
    except TypeError:
        raise TypeError(f"{name} = {shown(value)}: expected {expected}") from None
    found = list(itertools.islice(items, _MOST_ITEMS + 1))
    if len(found) > _MOST_ITEMS:
        raise ValueError(f"{name} has more than {_MOST_ITEMS} items: expected {expected}")
    return found


def per_layer(
    name: str, value: Any, check: Callable[[str, Any], _T], count: int | None = None
) -> _T | list[_T]:
    """A value for all layers, or a list of one for each: `count`, if it is known already."""
    one = not isinstance(value, Iterable) or isinstance(value, str | bytes | Mapping | Set)
    if one or _is_sparse(value) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return check(name, value)
    values = sequence(name, value, "a value, or one for each layer")
    items = [check(f"{name}[{i}]", item) for i, item in enumerate(values)]
    if count is not None:
        layers(name, items, count)
    return items


def layers(name: str, value: Any, count: int) -> None:
    """That a list has `count` values; what is no list is for all layers."""
    if isinstance(value, list) and len(value) != count:
        raise ValueError(f"{name} has {len(value)} values: expected one for all layers or {count}")


def path(name: str, value: Any) -> str:
    """A path as a string."""
    try:
        found = os.fsdecode(value)
        os.fsencode(found)
    except TypeError:
        raise TypeError(f"{name} = {shown(value)}: expected a path") from None
    except UnicodeError:
        raise ValueError(f"{name} = {shown(value)}: expected a path, and no surrogates") from None
    return found


def strings(name: str, value: Any) -> dict[str, str]:
    """A dictionary from strings to strings."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} = {shown(value)}: expected a dictionary of strings")
    for key, item in value.items():
        if not (isinstance(key, str) and isinstance(item, str)):
            raise TypeError(f"{name} has {shown(key)}: {shown(item)}: expected strings")
    return dict(value)


def first_difference(
    one: Mapping[str, Any], other: Mapping[str, Any]
) -> tuple[str, Any, Any] | None:
    """The first setting in which two dictionaries differ, ``of.a.setting``, with both values."""
    for key in {**one, **other}:
        mine, theirs = one.get(key), other.get(key)
        if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
            different = first_difference(mine, theirs)
            if different is not None:
                name, mine, theirs = different
                return f"{key}.{name}", mine, theirs
        elif mine != theirs:
            return key, mine, theirs
    return None
