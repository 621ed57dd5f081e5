"""Which rows of a table are held out: some at random, whole groups, or the latest."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from trulysparse.cli.common import SPLIT_SEED
from trulysparse.cli.tables.targets import Learnt, columns_of, missing_in, refuse_missing
from trulysparse.datasets._dataset import TEST_FRACTION, held_out
from trulysparse.estimators._targets import Classes
from trulysparse.readers import Table

Places = npt.NDArray[np.int64]


def at_random(what: str, learnt: Learnt) -> tuple[Places, Places]:
    """Give the training and the test rows, stratified by class."""
    if isinstance(learnt.target, Classes):
        return held_out(what, learnt.y, learnt.target.outputs, seed=SPLIT_SEED)
    same = np.zeros(len(learnt.y), np.int64)
    return held_out(what, same, 1, seed=SPLIT_SEED)


def by_group(what: str, table: Table, groups: Any, learnt: Learnt) -> tuple[Places, Places]:
    """Hold out whole groups, a fifth of them, with about the same shares of the classes."""
    name, values = _column(what, table, "--group", groups)
    found, codes = np.unique(values, return_inverse=True)
    if len(found) < 2:
        raise ValueError(f"{what}: --group {name}: expected two or more groups, got {len(found)}")
    from sklearn.model_selection import GroupShuffleSplit, StratifiedGroupKFold

    folds = round(1 / TEST_FRACTION)
    rows = np.zeros((len(codes), 1))
    is_classes = isinstance(learnt.target, Classes)
    if is_classes and len(found) >= folds and np.bincount(learnt.y).min() >= folds:
        split = StratifiedGroupKFold(folds, shuffle=True, random_state=SPLIT_SEED)
        train, test = next(split.split(rows, learnt.y, codes))
    else:
        split = GroupShuffleSplit(1, test_size=TEST_FRACTION, random_state=SPLIT_SEED)
        train, test = next(split.split(rows, None, codes))
    return train, test


def by_time(what: str, table: Table, times: Any) -> tuple[Places, Places]:
    """Hold out the latest rows, about a fifth: those of one time stay together."""
    name, values = _column(what, table, "--time", times)
    if values.dtype.kind not in "biuf":
        raise ValueError(
            f"{what}: --time {name}: expected times or numbers, got {str(values[0])!r}"
        )
    order = np.argsort(values, kind="stable")
    first = values[order[-math.ceil(TEST_FRACTION * len(order))]]
    late = values >= first
    if late.all():
        late = values > first
    if not late.any():
        raise ValueError(f"{what}: --time {name}: expected two or more times, all are {first:g}")
    return np.flatnonzero(~late), np.flatnonzero(late)


def _column(what: str, table: Table, flag: str, series: Any) -> tuple[str, Any]:
    """Give a column's name and values: of times the seconds, of text the text."""
    name = series.name
    if series.dtype.is_temporal():
        import polars as pl

        missing = series.is_null()
        wall = series.cast(pl.Datetime("us")) if series.dtype == pl.Date else series
        values = np.where(missing.to_numpy(), np.nan, wall.to_physical().cast(pl.Float64))
    else:
        (values,) = columns_of(series)
    if missing_in(values).any():
        try:
            refuse_missing(values, what, name, table.rows)
        except ValueError as error:
            raise ValueError(f"{error} ({flag})".replace("a label", "a value")) from None
    return name, values
