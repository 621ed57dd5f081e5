"""The old place of `trulysparse.TopologyRule` and `trulysparse.EvolvingLayer`."""

from typing import Any

from trulysparse._moved import moved


def __getattr__(name: str) -> Any:
    places = dict.fromkeys(("EvolvingLayer", "TopologyRule"), "trulysparse.topology")
    return moved(__name__, name, places)
