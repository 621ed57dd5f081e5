"""What processes of a pool do: they import it by its name, which test files do not have there."""

from __future__ import annotations

import numpy as np
import trulysparse as ts


def train_and_predict(model: ts.SparseMLP, x: np.ndarray, y: np.ndarray) -> bytes:
    """Train a copy; give the bytes of its predictions."""
    model.fit(x, y, epochs=2, progress=False)
    return model.predict(x).tobytes()
