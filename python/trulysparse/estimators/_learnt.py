"""What an estimator learns of its first training data."""

from __future__ import annotations

from dataclasses import dataclass

from trulysparse.estimators._scaling import Scaling
from trulysparse.estimators._targets import Targets


@dataclass(frozen=True)
class Learnt:
    """What was learnt from the first training data, and stays when training goes on."""

    target: Targets
    is_sparse: bool
    scaling: Scaling
