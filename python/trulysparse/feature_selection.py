"""The old module of `SparseFeatureSelector`, which is imported from ``trulysparse``.

Pickles that version 0.1.0 wrote name this module.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trulysparse.estimators import SparseFeatureSelector

__all__ = ["SparseFeatureSelector"]


def __getattr__(name: str) -> Any:
    """Warn, and give the selector from its new place."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from trulysparse import estimators

    warnings.warn(
        f"trulysparse.feature_selection is deprecated: import {name} from trulysparse",
        DeprecationWarning,
        stacklevel=2,
    )
    return getattr(estimators, name)
