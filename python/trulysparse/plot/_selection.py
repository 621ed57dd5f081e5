"""Pictures of what the number of selected columns costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from trulysparse import _check, _hints
from trulysparse.plot import _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LOG_FROM = 30  # times as many columns at the end as at the start


@_hints.plain
def selection_path(
    path: Sequence[Any], ax: Axes | None = None, *, selected: int = 0, **unknown: NoReturn
) -> Axes:
    """Draw how well held-out samples are predicted with how many columns.

    Parameters
    ----------
    path
        The steps of ``SparseFeatureSelector(n_features_to_select="auto")``, its ``path_``: each has
        `columns`, `loss`, `error` and `score`.
    ax
        Where to draw; a new pyplot figure by default.
    selected
        The number of columns that was chosen, ``n_features_``; it gets a ring. Default 0: none.

    Returns
    -------
    The Axes: scores, or losses with their standard errors where a step has no score. The numbers of
    columns have a logarithmic scale if they differ more than 30-fold.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError, TypeError
        If an argument is wrong; the message names it.
    """
    _hints.refuse("selection_path", unknown)
    columns, losses, errors, scores = _arrays(path)
    selected = _check.integer("selected", selected, 0)
    if selected and selected not in columns:
        raise ValueError(f"selected = {selected}: expected a number of columns in path, or 0")
    ax = _style.single(ax)
    from matplotlib.ticker import FuncFormatter, NullFormatter

    has_scores = bool(np.isfinite(scores).all())
    heights = scores if has_scores else losses
    how: dict[str, Any] = {"color": _style.BLUE, "linewidth": 1.8, "marker": "o", "markersize": 4}
    ax.errorbar(columns, heights, None if has_scores else errors, capsize=2, **how)
    if selected:
        at = columns == selected
        ring: dict[str, Any] = {"markersize": 10, "markerfacecolor": "none", "markeredgewidth": 1.8}
        ax.plot(columns[at], heights[at], "o", color=_style.ORANGE, label="selected", **ring)
        _style.legend(ax)
    if columns.max() > _LOG_FROM * columns.min():
        ax.set_xscale("log")
        ax.xaxis.set_minor_formatter(NullFormatter())
    else:
        _style.whole(ax.xaxis)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ax.margins(y=0.1)
    ax.set_xlabel("Columns")
    ax.set_ylabel("Score of held-out samples" if has_scores else "Loss of held-out samples")
    _style.tidy(ax)
    _style.title(ax, "Prediction against columns")
    return ax


def _arrays(path: Any) -> tuple[_style.Values, ...]:
    """Give columns, losses, errors and scores of the steps, in the order of columns."""
    steps = list(_check.sequence("path", path, "a selector's path_"))
    if not steps:
        raise ValueError("path has no steps: expected one or more")
    found = []
    for place, step in enumerate(steps):
        try:
            found.append([float(step.columns), step.loss, step.error, step.score])
        except (AttributeError, TypeError, ValueError):
            raise TypeError(
                f"path[{place}] = {_check.shown(step)}: expected a step of a selector's path_"
            ) from None
    table = np.array(found, np.float64)
    return tuple(table[np.argsort(table[:, 0], kind="stable")].T)
