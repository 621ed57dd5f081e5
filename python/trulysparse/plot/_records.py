"""What the pictures take from a `TopologyRecorder`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from trulysparse import _check
from trulysparse.callbacks import TopologyRecorder
from trulysparse.plot import _style


def checked(recorder: Any) -> TopologyRecorder:
    """Give `recorder`, if it is one and has records."""
    expected = "a trulysparse.TopologyRecorder"
    recorder = _check.instance("recorder", recorder, TopologyRecorder, expected)
    if not recorder.epochs:
        raise ValueError(
            f"recorder = {_check.shown(recorder)}: expected one that was a callback of a fit"
        )
    return cast(TopologyRecorder, recorder)


def layer_of(recorder: TopologyRecorder, layer: Any) -> int:
    """Give `layer`, if it was recorded."""
    index = _check.integer("layer", layer, 0)
    if index not in recorder.connections:
        known = _style.listed(recorder.connections)
        raise ValueError(f"layer = {index}: expected a recorded layer, which are {known}")
    return index


def degrees(recorder: Any, layer: Any, kind: str) -> list[Any]:
    """Give the "in" or "out" degrees of a layer for each record."""
    recorder = checked(recorder)
    layer = layer_of(recorder, layer)
    if not recorder.in_degrees:
        raise ValueError(
            f"recorder = {_check.shown(recorder)}: expected one made with degrees=True"
        )
    return list((recorder.in_degrees if kind == "in" else recorder.out_degrees)[layer])


def choose(recorder: TopologyRecorder, epochs: Sequence[int] | None, most: int) -> list[int]:
    """Give the records of these epochs, in their order; some that are spread evenly if None."""
    if epochs is None:
        return _style.spread(len(recorder.epochs), most)
    listed = _check.sequence("epochs", epochs, "a sequence of integers")
    if not listed:
        raise ValueError(f"epochs = {_check.shown(epochs)}: expected at least one epoch")
    chosen = []
    for i, item in enumerate(listed):
        epoch = _check.integer(f"epochs[{i}]", item, 0)
        if epoch not in recorder.epochs:
            known = _style.listed(recorder.epochs)
            raise ValueError(f"epochs[{i}] = {epoch}: expected a recorded epoch, which are {known}")
        chosen.append(recorder.epochs.index(epoch))
    return chosen


def moment(epoch: int) -> str:
    """Say when a record was made."""
    return "before training" if epoch == 0 else f"epoch {epoch}"
