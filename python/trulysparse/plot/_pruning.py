"""Pictures of what pruning costs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

from trulysparse import _check, _files, _hints
from trulysparse.plot import _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_KEYS = ("percentile", "connections", "accuracy")
_LOG_FROM = 30  # times as many connections in the largest network as in the smallest

Curve = Mapping[str, npt.ArrayLike]


@_hints.plain
def accuracy_against_parameters(
    curve: Curve | Mapping[str, Curve], ax: Axes | None = None, **unknown: NoReturn
) -> Axes:
    """Draw the accuracy of pruned networks against the number of their connections.

    Parameters
    ----------
    curve
        A dict of arrays of the same length, such as ``model.pruning_curve(x, y)`` returns:
        ``percentile`` of the neurons that was pruned, ``connections`` that are left, ``accuracy``
        in [0, 1]. Points at which ``refused``, if it is there, is above 0 are left out: a layer was
        not pruned there. Other keys are not used. Or a dict of several such dicts: the legend shows
        its keys. Percentile 0, the network before pruning, is marked by a ring.
    ax
        Where to draw; a new pyplot figure by default.

    Returns
    -------
    The Axes. One curve has the percentiles written beside some of its points. The connections
    have a logarithmic scale if their numbers differ more than 30-fold.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError, TypeError
        If `curve` is not as described.
    """
    _hints.refuse("accuracy_against_parameters", unknown)
    curves = _curves(curve)
    everything = np.concatenate([values["connections"] for values in curves.values()])
    if everything.size == 0:
        raise ValueError("curve: expected a point at which no layer was refused")
    ax = _style.single(ax)
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter

    positive = everything[everything > 0]
    logarithmic = positive.size > 0 and everything.max() > _LOG_FROM * positive.min()
    for number, (name, values) in enumerate(curves.items()):
        order = np.argsort(values["connections"], kind="stable")
        connections, accuracy = values["connections"][order], values["accuracy"][order]
        colour = _style.CURVES[number % len(_style.CURVES)]
        dashes = _style.DASHES[number // len(_style.CURVES) % len(_style.DASHES)]
        ax.plot(
            connections,
            accuracy,
            color=colour,
            linestyle=dashes,
            linewidth=1.8,
            marker="o",
            markersize=4,
            label=str(name),
        )
        whole = values["percentile"] == 0
        ring: dict[str, Any] = {"markersize": 9, "markerfacecolor": "none", "markeredgewidth": 1.5}
        if whole.any():
            ax.plot(
                values["connections"][whole],
                values["accuracy"][whole],
                "o",
                color=colour,
                **ring,
            )
    if logarithmic:
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.xaxis.set_minor_formatter(NullFormatter())
    else:
        ax.set_xlim(0, 1.05 * max(everything.max(), 1.0))
        _style.whole(ax.xaxis)
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ax.margins(y=0.15)  # room for words
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    ax.set_xlabel("Connections")
    ax.set_ylabel("Accuracy")
    _style.tidy(ax)
    _style.title(ax, "Accuracy against size")
    if len(curves) > 1 or "" not in curves:
        _style.legend(ax)
    else:
        _label(ax, curves[""])
    return ax


def save_pruning_curve(curve: Curve, path: str | Path, written: tuple[int, float]) -> None:
    """Write `accuracy_against_parameters` to an image file, without pyplot.

    `written`: connections and accuracy of the network that was chosen, which gets a mark.
    """
    _style.require_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=_style.SINGLE, layout="constrained")
    ax = accuracy_against_parameters(curve, figure.subplots())
    ax.plot(*written, "D", color=_style.CURVES[1], markersize=7, label="written")
    _style.legend(ax, loc="lower right", handles=ax.lines[-1:])
    with _files.writing(path):
        figure.savefig(path, dpi=150)


# Where a word may stand beside its point, best first: an offset in points, and what of the word is
# there. Below and to the right first, as accuracy rises with size.
_PLACES = (
    ((7, -5), "left", "top"),
    ((-7, 5), "right", "bottom"),
    ((0, 9), "center", "bottom"),
    ((0, -9), "center", "top"),
    ((7, 5), "left", "bottom"),
    ((-7, -5), "right", "top"),
)


def _label(ax: Any, values: dict[str, _style.Values]) -> None:
    """Write the percentiles beside some points, clear of the line and of each other."""
    from matplotlib.patheffects import withStroke

    ax.autoscale_view()  # so that places in pixels are those that will be drawn
    line = ax.lines[0]
    taken: list[Any] = []
    order = np.argsort(values["percentile"], kind="stable")
    for i in order[_style.spread(len(order), 5)]:
        percentile = values["percentile"][i]
        word = ax.annotate(
            "unpruned" if percentile == 0 else f"percentile {percentile:g}",
            (values["connections"][i], values["accuracy"][i]),
            xytext=(0, 0),
            textcoords="offset points",
            fontsize="small",
            color=_style.GREY,
            path_effects=[withStroke(linewidth=3, foreground="white")],
        )
        found = [(*_clashes(ax, line, word, place, taken), place) for place in _PLACES]
        clashes, box, place = min(found, key=lambda each: each[0])
        if clashes and i not in (order[0], order[-1]):
            word.remove()
            continue
        _put(word, place)
        taken.append(box)


def _put(word: Any, place: Any) -> None:
    offset, ha, va = place
    word.set(position=offset, ha=ha, va=va)


def _clashes(ax: Any, line: Any, word: Any, place: Any, taken: list[Any]) -> tuple[int, Any]:
    """Put a word somewhere; say what is wrong with the place, and its box in pixels."""
    _put(word, place)
    box = word.get_window_extent(ax.figure._get_renderer())
    path = line.get_path().transformed(ax.transData)
    inside = ax.bbox.padded(4).containsx(box.x1) and ax.bbox.containsx(box.x0)
    worse = 4 * (not inside) + 2 * path.intersects_bbox(box, filled=False)
    return worse + 2 * any(box.overlaps(other) for other in taken), box


def _curves(curve: Any) -> dict[str, dict[str, _style.Values]]:
    if not isinstance(curve, Mapping):
        raise TypeError(
            f"curve = {_check.shown(curve)}: expected a dict, as model.pruning_curve returns it"
        )
    if not curve:
        raise ValueError("curve is empty: expected at least one curve")
    if all(isinstance(value, Mapping) for value in curve.values()):
        return {str(name): _arrays(f"curve[{name!r}]", value) for name, value in curve.items()}
    return {"": _arrays("curve", curve)}


def _arrays(name: str, curve: Mapping[str, Any]) -> dict[str, _style.Values]:
    missing = [key for key in _KEYS if key not in curve]
    if missing:
        raise ValueError(
            f"{name}: expected the keys {_style.listed(map(repr, _KEYS))}, "
            f"there is no {_style.listed(map(repr, missing))}"
        )
    values = {key: _style.numbers(f"{name}[{key!r}]", curve[key]) for key in _KEYS}
    lengths = {key: len(array) for key, array in values.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"{name}: expected arrays of the same length, got {lengths}")
    if "refused" in curve:
        refused = _style.numbers(f"{name}['refused']", curve["refused"])
        if len(refused) != len(values["percentile"]):
            raise ValueError(f"{name}: expected arrays of the same length, refused has another")
        values = {key: array[refused == 0] for key, array in values.items()}
    return values
