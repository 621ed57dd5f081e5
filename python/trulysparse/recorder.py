"""The old place of `trulysparse.TopologyRecorder`."""

from typing import Any

from trulysparse._moved import moved


def __getattr__(name: str) -> Any:
    return moved(__name__, name, {"TopologyRecorder": "trulysparse.callbacks"})
