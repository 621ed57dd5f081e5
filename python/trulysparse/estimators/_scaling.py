"""How features are scaled: `scale`, its older name `standardize`, and `clip`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from trulysparse import _check, _core
from trulysparse.config import Config
from trulysparse.data import spread
from trulysparse.data.arrays import sample_weights
from trulysparse.data.samples import inputs_of, limits
from trulysparse.data.spread import Columns, Spreads
from trulysparse.losses import LOSSES
from trulysparse.model import SparseMLP
from trulysparse.tables.parts import NumberPart, Part, Scaled, TimePart

LIMIT = 3.0
"""What numbers never exceed where classes are learnt, as in RealMLP."""

FAR = 10.0
"""The same where numbers are learnt, if a column is heavy-tailed: they may grow along it."""

SCALES = ("auto", "standard", "robust")
_OLDER = {True: "standard", False: None}


class Asked(NamedTuple):
    """The parameters, checked; a scale of None leaves features as they are."""

    scale: str | None
    clip: float | str | None

    def standardize(self, *, is_sparse: bool) -> bool | str:
        """Give `SparseMLP`'s standardize: ``"auto"`` leaves rare sparse columns as they are."""
        if self.scale == "auto" and is_sparse:
            return "auto"
        return self.scale is not None

    def finds_heavy(self) -> bool:
        """Whether heavy-tailed columns are scaled by their spread: without a clip none are."""
        return self.scale == "auto" and self.clip is not None


@dataclass(frozen=True)
class Scaling:
    """How the features of a new network are scaled."""

    name: str | None
    """The scale that was asked for."""
    standardize: bool | str
    clip: float | None
    robust: Spreads | None = None
    """The columns that are scaled by spreads."""

    @property
    def columns(self) -> Columns | None:
        """Their numbers, if there are some."""
        return None if self.robust is None or not len(self.robust.columns) else self.robust.columns

    def apply(self, model: SparseMLP, X: Any, weight: Any) -> None:
        """Set a new network's statistics if some are spreads; they stay what they are then.

        All others are those of a fit to these samples.
        """
        if self.robust is None or self.columns is None:
            return
        core = model._core
        inputs, weight = inputs_of(core, "X", X), sample_weights(weight, X.shape[0])
        moments, _ = core.moments(_core.Data(core, inputs, None, weight))
        assert moments is not None
        deviation = np.sqrt(moments.deviations / moments.total)
        centre, scale = moments.mean.copy(), np.zeros(len(deviation))
        np.divide(1, deviation, out=scale, where=deviation > 0)
        scale[~np.isfinite(scale)] = 0
        some = scale[self.robust.columns] > 0
        columns = self.robust.columns[some]
        centre[columns], scale[columns] = self.robust.centre[some], 1 / self.robust.spread[some]
        core.set_statistics(_core.Statistics(centre, scale, 0.0), None)


def asked(scale: Any, standardize: Any, clip: Any) -> Asked:
    """Check the parameters.

    Raises
    ------
    ValueError, TypeError
        If one is none of what it may be, or two do not belong together.
    """
    known = _scale(scale)
    older = _standardize(standardize)
    if older != "auto":
        if known not in ("auto", older):
            raise ValueError(
                f"scale = {_check.shown(scale)} and standardize = {_check.shown(standardize)}: "
                "expected one of the two (standardize is the older name)"
            )
        known = older
    limit = _clip(clip)
    if known is None and isinstance(limit, float):
        raise ValueError(
            f"clip = {_check.shown(clip)} and features that are not scaled: expected "
            "scale='standard' or 'robust', as scaled values are clipped"
        )
    return Asked(known, limit)


def _scale(value: Any) -> str | None:
    value = _check.plain(value)
    if value is None or (_check.is_number(value) and value == 0) or value is False:
        return None
    if isinstance(value, str) and value in SCALES:
        return value
    listed = ", ".join(map(repr, SCALES))
    raise ValueError(f"scale = {_check.shown(value)}: expected {listed} or None")


def _standardize(value: Any) -> str | None:
    value = _check.plain(value)
    if isinstance(value, str):
        if value != "auto":
            raise ValueError(
                f"standardize = {_check.shown(value)}: expected 'auto' or True or False"
            )
        return value
    return _OLDER[_check.boolean("standardize", value)]


def _clip(value: Any) -> float | str | None:
    value = _check.plain(value)
    if value is None or (isinstance(value, str) and value == "auto"):
        return value
    expected = "'auto', None or a positive finite number"
    if isinstance(value, str):
        raise ValueError(f"clip = {_check.shown(value)}: expected {expected}")
    return _check.real("clip", value, expected, low=0, low_open=True)


def of(estimator: Any) -> Asked:
    """Check the parameters of an estimator."""
    return asked(estimator.scale, estimator.standardize, estimator.clip)


def fill(estimator: Any) -> str:
    """Tell what stands for missing numbers, one of `parts.FILLS`: what is the centre then."""
    return "mean" if not hasattr(estimator, "scale") else fill_of(of(estimator))


def fill_of(wanted: Asked) -> str:
    """Tell what stands for missing numbers with these parameters."""
    return "median" if wanted.scale == "robust" else "auto" if wanted.finds_heavy() else "mean"


def learnt(
    wanted: Asked, X: Any, marks: Mapping[int, int], *, is_sparse: bool, loss: str
) -> Scaling:
    """Learn how the features of all samples that there will be are scaled.

    `marks`: as `spread.spreads` takes them.
    """
    robust = None
    if wanted.scale == "robust" or wanted.finds_heavy():
        robust = spread.spreads(X, marks, heavy=wanted.scale == "auto")
    some = wanted.scale == "robust" or (robust is not None and len(robust.columns) > 0)
    clip = _limit(wanted, some=some, is_dense=not issparse(X), loss=loss)
    return Scaling(wanted.scale, wanted.standardize(is_sparse=is_sparse), clip, robust)


def _limit(wanted: Asked, *, some: bool, is_dense: bool, loss: str) -> float | None:
    """Give the clip; `some`: whether columns are scaled by their spread.

    By cross-validation (`experiments/defaults.py`), classes are told better with a clip in any
    case, but for sparse samples. Numbers may grow along a column without end.
    """
    if not isinstance(wanted.clip, str):
        return wanted.clip
    if LOSSES[loss].output == "identity":
        return FAR if some else None
    return LIMIT if some or (is_dense and wanted.scale is not None) else None


def of_batches(wanted: Asked, *, is_sparse: bool) -> Scaling:
    """Give how features of batches are scaled: by means and deviations, which follow them."""
    if wanted.scale == "robust":
        raise ValueError(
            "scale = 'robust': expected fit before partial_fit, as medians and quartiles are those "
            "of all samples"
        )
    clip = None if isinstance(wanted.clip, str) else wanted.clip
    return Scaling(wanted.scale, wanted.standardize(is_sparse=is_sparse), clip)


def of_rows(wanted: Asked, *, is_sparse: bool, is_csr: bool, loss: str) -> Scaling:
    """Give how features of rows of a file are scaled: by means and deviations of all."""
    if wanted.scale == "robust":
        raise ValueError(
            "scale = 'robust' with rows of a file: expected 'auto', 'standard' or None, as medians "
            "need all rows at once"
        )
    found = of_batches(wanted, is_sparse=is_sparse)
    return replace(found, clip=_limit(wanted, some=False, is_dense=not is_csr, loss=loss))


def going_on(
    wanted: Asked, model: SparseMLP, was: str | None, robust: Any, *, is_sparse: bool
) -> Scaling:
    """Give the scaling of a network that goes on, as far as parameters ask for it.

    Parameters
    ----------
    wanted
        What they ask for.
    model
        The network.
    was, robust
        The scale that it was made with, and its columns that are scaled by spreads, if any are.

    Raises
    ------
    ValueError
        If they ask for another one.
    """
    is_other = wanted.scale == "robust" and was != "robust"
    if is_other or (wanted.scale == "standard" and robust is not None):
        raise ValueError(
            f"scale = {wanted.scale!r}, but the network to go on with was made with "
            f"{was or 'auto'!r}: expected that, or a new fit (warm_start=False)"
        )
    clip = model.clip if isinstance(wanted.clip, str) else wanted.clip
    if wanted.scale is None and isinstance(wanted.clip, str):
        clip = None  # what has changed is the scale
    return Scaling(wanted.scale, wanted.standardize(is_sparse=is_sparse), clip)


def take_up(model: SparseMLP, X: Any) -> Columns:
    """Let features that had one value until now count if they vary by now; give their numbers.

    For networks whose statistics are fixed, as spreads are. The value that they had stays their
    centre, so that no prediction moves.
    """
    statistics = model._core.input_statistics()
    if statistics is None or statistics.scale.all():
        return np.zeros(0, np.int64)
    waiting = np.flatnonzero(statistics.scale == 0)
    size = spread.distances_from(X, waiting, statistics.mean[waiting])
    columns: Columns = waiting[size > 0]
    if len(columns):
        scale = statistics.scale.copy()
        scale[columns] = 1 / size[size > 0]
        model._core.set_statistics(_core.Statistics(statistics.mean, scale, 0.0), None)
    return columns


def columns(estimator: Any) -> tuple[Part, ...]:
    """Say what became of the columns of a fitted estimator, and what its network does to them."""
    model, encoder = estimator.model_, estimator._encoder
    if encoder is None:
        count = estimator.n_features_in_
        names = getattr(estimator, "feature_names_in_", [f"x{i}" for i in range(count)])
        means = np.zeros(count) if model.mean is None else model.mean
        parts: tuple[Part, ...] = tuple(
            NumberPart(str(n), float(m), 0) for n, m in zip(names, means, strict=False)
        )
        at: list[list[int]] = [[i] for i in range(count)]
    else:
        parts, at = encoder.columns_, encoder.places()
    statistics = model._core.input_statistics()
    if statistics is None or len(statistics.mean) != model.original_layer_sizes[0]:
        return parts
    robust = set(() if estimator._robust is None else estimator._robust.tolist())
    clips = limits(Config.of(model._core), statistics)
    found = []
    for part, places in zip(parts, at, strict=True):
        if isinstance(part, NumberPart | TimePart):
            i = places[0]
            clip = None if clips is None else float(clips[i])
            one = _scaled(statistics, i, clip, is_robust=i in robust, standardize=model.standardize)
            part = replace(part, scaled=one)
        found.append(part)
    return tuple(found)


def _scaled(
    statistics: _core.Statistics,
    i: int,
    clip: float | None,
    *,
    is_robust: bool,
    standardize: bool | str,
) -> Scaled:
    centre, scale = float(statistics.mean[i]), float(statistics.scale[i])
    is_fixed = standardize == "auto" or (statistics.total == 0 and scale == 1)
    kind = "robust" if is_robust else "kept" if is_fixed and centre == 0 else "standard"
    size = 1 / scale if scale else float("inf")
    return Scaled(kind, centre, size, None if clip is None or np.isinf(clip) else clip)
