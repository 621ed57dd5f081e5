"""Pictures of how much neurons and features matter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

from trulysparse import _check, _hints
from trulysparse.plot import _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAME_LENGTH = 40  # characters
_MOST_BARS = 200  # in a picture that can still be written


@_hints.plain
def importance_histogram(
    importance: npt.ArrayLike,
    ax: Axes | None = None,
    *,
    percentile: float | None = None,
    threshold: float | None = None,
    **unknown: NoReturn,
) -> Axes:
    """Draw how the importances of a layer's neurons are distributed, and where a cut would be.

    Neurons of importance 0 have no connections: they are left out, and a note says how many
    there are.

    Parameters
    ----------
    importance
        What ``model.importance(layer)`` returned, (neurons,): numbers of at least 0.
    ax
        Where to draw; a new pyplot figure by default.
    percentile
        Draw the cut at this percentile, above 0 and below 100, of the importances above 0,
        interpolated linearly. None by default.
    threshold
        Draw the cut at this importance, at least 0. None by default. Neurons at or below the cut
        are drawn in grey; the legend counts both groups.

    Returns
    -------
    The Axes.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError, TypeError
        If an argument is wrong, both cuts are given, or no importance is above 0.
    """
    _hints.refuse("importance_histogram", unknown)
    values = _style.numbers("importance", importance)
    if (values < 0).any():
        raise ValueError(f"importance has {values.min():g}: expected numbers of at least 0")
    connected = values[values > 0]
    if connected.size == 0:
        raise ValueError(f"importance: expected one above 0, all {values.size} are 0")
    cut, name = _cut(connected, percentile, threshold)
    ax = _style.single(ax)

    edges = _edges(connected, cut)
    counts = np.histogram(connected, edges)[0]
    bars: dict[str, Any] = {"width": np.diff(edges), "align": "edge", "edgecolor": "white"}
    bars["linewidth"] = 0.5
    if cut is None:
        ax.bar(edges[:-1], counts, color=_style.BLUE, **bars)
    else:
        below = connected <= cut
        cut_off = np.histogram(connected[below], edges)[0]
        label = f"at or below the cut: {_neurons(int(below.sum()))}"
        ax.bar(edges[:-1], cut_off, color="#b4bbc0", label=label, **bars)
        label = f"above it: {_neurons(int((~below).sum()))}"
        ax.bar(edges[:-1], counts - cut_off, bottom=cut_off, color=_style.BLUE, label=label, **bars)
        highest = float(counts.max())
        ax.vlines(cut, 0, 1.05 * highest, color=_style.ORANGE, linewidth=1.8, label=name)
        ax.set_ylim(0, 1.4 * highest)  # the legend's place is above the bars
        _style.legend(ax)
    ax.set_ylabel("Neurons")
    _style.whole(ax.yaxis)
    idle = values.size - connected.size
    note = f"\n({_neurons(idle)} without connections not shown)" if idle else ""
    ax.set_xlabel("Importance: sum of |incoming weights|" + note)
    _style.tidy(ax)
    _style.title(ax, "Importance of neurons")
    return ax


def _edges(values: _style.Values, cut: float | None) -> _style.Values:
    """Give edges of bins; a cut among the values is one of them, so that it parts no bin."""
    n_bins = min(max(math.ceil(math.sqrt(values.size)), 5), 50)
    low, high = float(values.min()), float(values.max())
    width = (high - low) / n_bins
    if cut is None or not low <= cut <= high or width == 0:
        return np.histogram_bin_edges(values, n_bins)
    left = cut - width * np.arange(math.ceil((cut - low) / width), 0, -1)
    right = cut + width * np.arange(1, math.ceil((high - cut) / width) + 1)
    # A bin is open on its right, but a neuron at the cut belongs to those below.
    edges = np.concatenate([left, [np.nextafter(cut, np.inf)], right])
    # Rounding must lose no value.
    edges[0], edges[-1] = min(edges[0], low), max(edges[-1], high)
    return edges


def _cut(
    connected: _style.Values, percentile: float | None, threshold: float | None
) -> tuple[float | None, str]:
    if percentile is not None and threshold is not None:
        raise ValueError(
            f"percentile = {_check.shown(percentile)} and threshold = {_check.shown(threshold)}: "
            "expected one of the two"
        )
    if percentile is not None:
        expected = "a number above 0 and below 100"
        p = _check.real(
            "percentile", percentile, expected, low=0, high=100, low_open=True, high_open=True
        )
        cut = float(np.percentile(connected, p))
        return cut, f"cut at the percentile {p:g}: {cut:.3g}"
    if threshold is not None:
        cut = _check.real("threshold", threshold, "a finite number of at least 0", low=0)
        return cut, f"cut at {cut:.3g}"
    return None, ""


def _neurons(count: int) -> str:
    return f"{count:,} neuron" + ("" if count == 1 else "s")


@_hints.plain
def feature_importance_bars(
    scores: npt.ArrayLike,
    ax: Axes | None = None,
    *,
    names: Sequence[str] | None = None,
    top: int = 20,
    **unknown: NoReturn,
) -> Axes:
    """Draw the scores of the best features as bars, the best on top.

    Parameters
    ----------
    scores
        A score per feature, (features,). Features with equal scores keep their order.
    ax
        Where to draw; a new pyplot figure by default, as high as the bars need.
    names
        A name per feature; the number of its column, from 0, if None, the default. Names of more
        than 40 characters are cut.
    top
        How many features to draw at most, from 1 to 200. Default 20.

    Returns
    -------
    The Axes.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError, TypeError
        If an argument is wrong; the message names it.
    """
    _hints.refuse("feature_importance_bars", unknown)
    values = _style.numbers("scores", scores)
    count = values.size
    if names is None:
        labels = [str(column) for column in range(count)]
    else:
        listed = _check.sequence("names", names, "a sequence of strings")
        labels = [_label(name) for name in listed]
        if len(labels) != count:
            raise ValueError(
                f"names has {len(labels)} names: expected {count}, one for each of the scores"
            )
    shown = min(_check.integer("top", top, 1, _MOST_BARS), count)
    best = np.argsort(-values, kind="stable")[:shown]
    ax = _style.single(ax, (_style.SINGLE[0], max(1.1 + 0.22 * shown, 1.8)))

    places = np.arange(shown)
    ax.barh(places, values[best], height=0.7, color=_style.BLUE)
    ax.set_yticks(places, [_short(labels[column]) for column in best])
    ax.set_ylim(shown - 0.4, -0.6)  # the best on top
    ax.tick_params(axis="y", length=0)
    if (values[best] < 0).any():
        ax.axvline(0, color=_style.GREY, linewidth=0.8)
    ax.set_xlabel("Score" + (f" (best {shown:,} of {count:,} features)" if shown < count else ""))
    ax.set_ylabel("Column" if names is None else "Feature")
    _style.tidy(ax, grid="x")
    _style.title(ax, "Importance of features")
    return ax


def _short(name: str) -> str:
    # A dollar sign would start a formula.
    name = name if len(name) <= _NAME_LENGTH else name[: _NAME_LENGTH - 1] + "…"
    return name.replace("$", r"\$")


def _label(name: Any) -> str:
    _check.not_sparse("a name", name, "a string")
    return name if isinstance(name, str) else _check.shown(name)
