"""Names that have moved: their old places give them for one more version."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from importlib import import_module
from typing import Any


def moved(module: str, name: str, places: Mapping[str, str]) -> Any:
    """Give what a module had under a name from where it is now, with a DeprecationWarning.

    Parameters
    ----------
    module, name
        The old place, and what is asked of it.
    places
        The module where each name is now.

    Raises
    ------
    AttributeError
        If the module never had the name.
    """
    if name not in places:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    message = f"{module}.{name} has moved to {places[name]}: use the new place"
    warnings.warn(message, DeprecationWarning, stacklevel=3)
    return getattr(import_module(places[name]), name)
