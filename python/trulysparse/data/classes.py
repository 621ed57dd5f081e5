"""Labels that may be something else than they are taken for."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from typing import Any

import numpy.typing as npt

from trulysparse.config import Config
from trulysparse.data.columns import Named
from trulysparse.data.missing import with_nan
from trulysparse.data.numeric import is_number_text
from trulysparse.data.tensors import as_numpy
from trulysparse.losses import LOSSES

KEY = "class_names"
"""Where a model's metadata have the names of its classes, as JSON."""

# As many classes may well have few rows each.
_FEW = 5
# Rows of a class that there are in tables of classes, on average.
_ROWS = 5
# The part of the classes that are numbers where a stray one is not.
_MOST = 0.9


def look_like_values(classes: Iterable[Any], rows: int) -> bool:
    """Tell whether classes are numbers, and as many as values of a regression have."""
    names = [str(name) for name in classes]
    numbers = sum(map(is_number_text, names))
    return len(names) > _FEW and len(names) * _ROWS > rows and numbers >= _MOST * len(names)


def said(classes: int, rows: int) -> str:
    """Say what `look_like_values` has found."""
    return f"{classes} classes in {rows} rows, and they are numbers"


def refuse_kinds(name: str, y: npt.NDArray[Any]) -> None:
    """Raise TypeError for labels of several kinds, which have no order."""
    kinds = sorted({kind.__name__ for kind in set(map(type, y.flat))}) if y.dtype == object else []
    if len(kinds) > 1 and not {"str", "str_"}.issuperset(kinds):
        raise TypeError(f"{name} has labels of the types {', '.join(kinds)}: expected one")


def counted(model: Named, y: Any) -> Any:
    """Give targets, with NaN where one of several is missing.

    Warn if they are integers and the model's classes are others.

    Integers count the outputs. A class named ``"10"`` that is output 2 is the integer 2.
    """
    y = with_nan("y", as_numpy("y", y))
    if y is None or KEY not in model.metadata or not _are_integers(y):
        return y
    if not LOSSES[Config.of(model._core).loss].takes_classes:
        return y
    try:
        names = json.loads(model.metadata[KEY])
    except (ValueError, RecursionError):  # a user's own notes
        return y
    for place, name in enumerate(names if isinstance(names, list) else ()):
        is_whole = isinstance(name, str) and name.isascii() and name.isdigit()
        if is_whole and name != str(place):
            warnings.warn(
                f"y has integers, which count the outputs from 0, and output {place} is class "
                f"{name!r} (metadata[{KEY!r}]): expected places in that list, not names of classes",
                UserWarning,
                stacklevel=3,
            )
            break
    return y


def _are_integers(y: Any) -> bool:
    """Tell whether targets are one integer a sample; what is none is refused elsewhere."""
    if isinstance(y, list | tuple):
        return bool(y) and hasattr(y[0], "__index__")
    kind = getattr(getattr(y, "dtype", None), "kind", None)
    return getattr(y, "ndim", None) == 1 and kind in ("i", "u")
