"""Old names of things that have moved, for one version."""

import warnings
from importlib import import_module
from typing import Any


def moved(old: str, name: str, new: str, names: tuple[str, ...]) -> Any:
    """What module `old` once had, for its ``__getattr__``: one of `names`, with a warning."""
    if name not in names:
        raise AttributeError(f"module {old!r} has no attribute {name!r}")
    message = f"{old}.{name} has moved: expected {new}.{name}, or trulysparse.{name}"
    warnings.warn(message, DeprecationWarning, stacklevel=3)
    return getattr(import_module(new), name)
