"""The old place of names that are in `trulysparse.topology` now."""

from typing import Any

from trulysparse._moved import moved


def __getattr__(name: str) -> Any:
    return moved(__name__, name, "trulysparse.topology", ("ImportancePruning",))
