"""The old place of `trulysparse.ImageAugmentation`."""

from typing import Any

from trulysparse._moved import moved


def __getattr__(name: str) -> Any:
    return moved(__name__, name, {"ImageAugmentation": "trulysparse.data.augmentation"})
