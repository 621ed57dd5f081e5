"""Why a fit has learnt nothing, as far as its data show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from trulysparse.data import outliers
from trulysparse.data.blocks import BlockArrays, CsrArrays
from trulysparse.explosion import LITTLE, NOTHING, Trouble
from trulysparse.history import History
from trulysparse.losses import LOSSES
from trulysparse.training.request import Request

# Sizes of features and targets that the usual rates are for.
_SMALL, _LARGE = 0.03, 30.0
# Losses that differ by less than this part have hardly moved.
_MOVED = 0.02
# Values by which a size is found.
_SOME = 1_000_000


def with_causes(found: Trouble, request: Request, x: Any, history: History) -> Trouble | None:
    """Add to what is said those that the samples, the targets and the losses show.

    None where little was learnt and no feature is to blame: there may be no more to learn.
    """
    if found.kind not in (NOTHING, LITTLE):
        return found
    causes = _of_size(request, x)
    if found.kind == LITTLE and not causes:
        return None
    y = outliers.that_count(request.y, request.sample_weight)
    x = outliers.that_count(x, request.sample_weight)
    causes += [*_of_outliers(request, x), *_of_targets(request, y), *_of_rate(history)]
    why = "; ".join(causes) or (
        "try another learning rate, more epochs, or features that say more of the targets"
    )
    return replace(found, message=f"{found.message}; {why}")


def _of_size(request: Request, x: Any) -> list[str]:
    statistics = request.core.input_statistics()
    # Those of the estimators for sparse samples only leave constant columns out.
    scales = statistics is not None and not np.isin(statistics.scale, (0, 1)).all()
    if x is None or isinstance(x, BlockArrays) or not x.shape[0] or scales:
        return []
    is_sparse = isinstance(x, CsrArrays)
    size = _size(x.data if is_sparse else x)
    if _SMALL <= size <= _LARGE:
        return []
    what = "features that are not 0" if is_sparse else "features"
    how = "them by scikit-learn's MaxAbsScaler" if is_sparse else "them, or use standardize=True"
    return [
        f"{what} have a typical size of {size:.2g}, and are trained best at about 1: scale {how}"
    ]


def _of_outliers(request: Request, x: Any) -> list[str]:
    squeezed = outliers.squeezed(x) if isinstance(x, np.ndarray) else []
    if not squeezed:
        return []
    which = outliers.described(squeezed, request.columns.known)
    return [f"{which}: clip outliers, or take the logarithm"]


def _of_targets(request: Request, y: Any) -> list[str]:
    if y is None or hasattr(y, "tocsr") or LOSSES[request.config.loss].has_accuracy:
        return []
    far = outliers.of_targets(y)
    if far is not None:
        return [f"{far}: leave outliers out, or fit to the logarithm"]
    y = np.asarray(y, np.longdouble)  # a square may be beyond float64
    spread = float(np.nan_to_num(np.nanstd(y, axis=0)).max())
    if request.core.target_statistics() is None and not _SMALL <= spread <= _LARGE:
        return [f"targets have a deviation of {spread:.2g}: use standardize_targets=True"]
    return []


def _of_rate(history: History) -> list[str]:
    losses, rates = history.history["loss"], history.history["learning_rate"]
    if abs(losses[-1] - losses[0]) > _MOVED * abs(losses[0]):
        return []
    return [
        f"the loss has hardly moved from {losses[0]:.4g} at a learning rate of {rates[0]:.2g}: try "
        "a higher one"
    ]


def _size(values: npt.NDArray[Any]) -> float:
    """Give the median size of those that are not 0, of some."""
    flat = values if values.ndim == 1 else values[:: max(1, values.size // _SOME)]
    flat = np.abs(flat[flat != 0])
    return float(np.median(flat)) if flat.size else 1.0
