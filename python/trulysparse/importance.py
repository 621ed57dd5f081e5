"""What the weights say about the input features; a kind of score is one entry."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from trulysparse import _core

KINDS: dict[str, Callable[[_core.Network], npt.NDArray[np.float64]]] = {
    "path": lambda core: core.path_strength(),
    "strength": lambda core: core.outgoing_strength(0),
}
