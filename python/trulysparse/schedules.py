"""The old place of the schedules, which are imported from ``trulysparse``."""

from typing import Any

from trulysparse._moved import moved

_NAMES = ("BY_NAME", "Constant", "Cosine", "ExponentialDecay", "Schedule", "StepDecay")


def __getattr__(name: str) -> Any:
    return moved(__name__, name, dict.fromkeys(_NAMES, "trulysparse.optim.schedules"))
