"""What a caller chose of a report."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from trulysparse.report.bootstrap import RESAMPLES


class Options(NamedTuple):
    """What a caller chose.

    Attributes
    ----------
    top
        Columns that are shown.
    resamples
        Of the rows, for intervals.
    seed
        Of what is drawn.
    batch_size
        Samples that are predicted together.
    """

    top: int = 20
    resamples: int = RESAMPLES
    seed: int = 0
    batch_size: int = 128

    def some(self, rows: npt.NDArray[Any], most: int) -> npt.NDArray[np.int64]:
        """Give up to `most` of these rows, in their order."""
        if len(rows) <= most:
            return np.asarray(rows, np.int64)
        random = np.random.default_rng(self.seed)
        return np.sort(random.choice(rows, most, replace=False))
