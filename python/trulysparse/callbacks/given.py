"""The callbacks that a fit is given, checked."""

from __future__ import annotations

from typing import Any

from trulysparse import _check
from trulysparse.callbacks.base import Callback


def callbacks(given: Any) -> list[Callback]:
    """Check what runs between epochs."""
    if given is None:
        return []
    expected = "a sequence of trulysparse.Callback objects, such as a list"
    listed = _check.sequence("callbacks", given, expected)
    for callback in listed:
        if not isinstance(callback, Callback):
            raise TypeError(
                f"callbacks has {_check.shown(callback)}: expected trulysparse.Callback objects"
                f"{_check.not_made(callback, Callback)}"
            )
        _refuse_unknown_hooks(callback)
    return listed


def _refuse_unknown_hooks(callback: Callback) -> None:
    """Raise TypeError for a method with a name like those that a fit calls, which it never will."""
    known = [name for name in vars(Callback) if name.startswith("on_")]
    for name in dir(callback):
        if name.startswith("on_") and name not in known and callable(getattr(callback, name)):
            raise TypeError(
                f"callbacks has a {type(callback).__name__} with {name}, which no fit calls: "
                f"expected {_check.either(known)}, or a name without on_"
            )
