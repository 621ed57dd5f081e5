"""A model as it was, where a fit of it ends before it has begun."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from trulysparse import _core
from trulysparse.data.classes import KEY as CLASSES
from trulysparse.data.columns import KEY
from trulysparse.history import History


class Fitted(Protocol):
    """A model, as far as a fit changes it beside the weights."""

    history: History
    metadata: dict[str, str]
    stop_training: bool
    _core: _core.Network


@contextmanager
def unchanged(model: Fitted) -> Iterator[None]:
    """Put back what a fit has prepared if it fails before its first step.

    These are statistics of standardisation, names of columns and classes, and the history. A
    checkpoint that was taken up stays.
    """
    core, history, stops = model._core, model.history, model.stop_training
    named, work = {KEY, CLASSES} & set(model.metadata), _work(core)
    inputs, targets = core.input_statistics(), core.target_statistics()
    try:
        yield
    except BaseException:
        if _work(core) == work:
            model.__dict__["history"] = history
            model.__dict__["stop_training"] = stops
            for key in {KEY, CLASSES} - named:
                model.metadata.pop(key, None)
            if inputs is None or targets is None:
                core.forget_statistics()
                core.set_statistics(inputs, targets)
        raise


def _work(core: _core.Network) -> tuple[int, ...]:
    counters = core.counters()
    return counters.epochs, counters.steps, counters.evolutions, *core.nnz()
