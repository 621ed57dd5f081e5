"""The old place of `trulysparse.SparseFeatureSelector`, which pickles of version 0.1.0 name."""

from typing import Any

from trulysparse._moved import moved


def __getattr__(name: str) -> Any:
    return moved(__name__, name, {"SparseFeatureSelector": "trulysparse.estimators"})
