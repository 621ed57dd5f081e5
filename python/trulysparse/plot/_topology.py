"""Pictures of how the connections of a network change while it trains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

from trulysparse import _check, _hints
from trulysparse.callbacks import TopologyRecorder
from trulysparse.plot import _records, _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_CURVES = 4
_MOST_DEGREE = 2**32  # a layer has no more neurons


@_hints.plain
def degree_distributions(
    degrees: TopologyRecorder | npt.ArrayLike | Mapping[str, npt.ArrayLike],
    layer: int = 0,
    ax: Axes | None = None,
    *,
    kind: str = "in",
    epochs: Sequence[int] | None = None,
    **unknown: NoReturn,
) -> Axes:
    """Draw how many neurons have at least k connections, for every k: the tail of the degrees.

    Straight down at one k: all neurons have as many. A random graph's curve falls like a
    waterfall; one that bends outward to the right tells of hubs. The scale is logarithmic.

    Parameters
    ----------
    degrees
        A `TopologyRecorder` of a fit, with degrees; or degrees as an array of shape (neurons,) or
        a dict of such arrays, whose keys the legend shows.
    layer
        The layer in ``model.layers``, of a recorder. Default 0.
    ax
        Where to draw; a new pyplot figure by default.
    kind
        ``"in"`` (default), the incoming connections of the layer's output neurons, or ``"out"``,
        the outgoing ones of its input neurons.
    epochs
        Which of the recorder's ``epochs`` to draw, light to dark; up to 4 of them, evenly spread,
        if None, the default.

    Returns
    -------
    The Axes.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError, TypeError
        If an argument is wrong, or a recorder lacks what is to be drawn.
    """
    _hints.refuse("degree_distributions", unknown)
    kind = _check.choice("kind", kind, ("in", "out"))
    ordered = False
    if isinstance(degrees, TopologyRecorder):
        ordered = True
        recorded = _records.degrees(degrees, layer, kind)
        chosen = _records.choose(degrees, epochs, _MOST_CURVES)
        curves = {_records.moment(degrees.epochs[i]): recorded[i] for i in chosen}
    else:
        if epochs is not None:
            raise ValueError(
                f"epochs = {_check.shown(epochs)}: expected None, as degrees is no recorder"
            )
        _check.not_sparse("degrees", degrees, "an array, or a dict of arrays")
        curves = dict(degrees) if isinstance(degrees, Mapping) else {"": degrees}
        if not curves:
            raise ValueError("degrees is empty: expected at least one array")
    named = len(curves) > 1 or "" not in curves
    checked = {
        key: _degrees(f"degrees[{key!r}]" if key else "degrees", v) for key, v in curves.items()
    }
    ax = _style.single(ax)

    colours = (_style.shades if ordered else _style.colours)(len(checked))
    for number, (name, values) in enumerate(checked.items()):
        # The share falls after each degree that occurs, and these are no more than the neurons.
        found, counts = np.unique(values, return_counts=True)
        ks = found if found[0] == 0 else np.append(0, found)
        counts = counts if found[0] == 0 else np.append(0, counts)
        ax.step(
            ks,
            counts[::-1].cumsum()[::-1] / len(values),
            where="pre",  # the share changes just after each k
            color=colours[number],
            linewidth=1.8,
            label=str(name),
        )
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter(_percent_formatter())
    _style.whole(ax.xaxis)
    # All neurons have at least the least degree.
    ax.set_xlim(left=max(min(int(values.min()) for values in checked.values()) - 2, 0))
    direction, end = ("Incoming", "neuron") if kind == "in" else ("Outgoing", "input neuron")
    ax.set_xlabel(f"{direction} connections, k")
    ax.set_ylabel(f"{end.capitalize()}s with at least k")
    _style.tidy(ax)
    if named:
        _style.legend(ax)
    where = f", layer {layer}" if ordered else ""
    _style.title(ax, f"Connections per {end}{where}")
    return ax


def _degrees(name: str, value: Any) -> npt.NDArray[np.int64]:
    values = _style.numbers(name, value)
    if (values < 0).any() or (values != np.floor(values)).any() or values.max() > _MOST_DEGREE:
        raise ValueError(
            f"{name}: expected numbers of connections, integers from 0 to {_MOST_DEGREE}"
        )
    return values.astype(np.int64)


def _percent_formatter() -> Any:
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda share, _: f"{100 * share:g} %")


@_hints.plain
def size_over_epochs(
    recorder: TopologyRecorder,
    ax: Axes | None = None,
    *,
    layer: int | None = None,
    **unknown: NoReturn,
) -> npt.NDArray[np.object_]:
    """Draw the number of connections, and of hidden neurons that have some, over the epochs.

    Parameters
    ----------
    recorder
        A `TopologyRecorder` of a fit.
    ax
        Where to draw; a new pyplot figure by default. It keeps the connections on its left half,
        the right half becomes a second Axes.
    layer
        Draw this layer of ``model.layers`` and its output neurons only; the sum over all recorded
        layers, without the output neurons of the network, if None, the default.

    Returns
    -------
    Array of two Axes: connections and neurons with at least one incoming connection.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError, TypeError
        If an argument is wrong, or `recorder` has no records of what is to be drawn.
    """
    _hints.refuse("size_over_epochs", unknown)
    recorder = _records.checked(recorder)
    if layer is None:
        last = len(recorder.layer_sizes) - 2
        layers = list(recorder.connections)
        hidden = [index for index in layers if index != last]
        name = "" if len(layers) == last + 1 else f", layers {_style.listed(layers)}"
    else:
        layers = hidden = [_records.layer_of(recorder, layer)]
        name = f", layer {layer}"
    totals = (
        ("Connections", recorder.connections, layers),
        ("Neurons" if layer is not None else "Hidden neurons", recorder.neurons, hidden),
    )
    panels = _style.pair(ax)
    for panel, (what, counts, summed) in zip(panels, totals, strict=True):
        values = [sum(counts[index][i] for index in summed) for i in range(len(recorder.epochs))]
        marker = "o" if len(values) <= _style.MARKERS_UP_TO else ""
        panel.plot(
            recorder.epochs, values, marker=marker, markersize=4, linewidth=1.8, color=_style.BLUE
        )
        panel.set_ylim(0, 1.15 * max(*values, 1))  # room for the first number
        _style.whole(panel.yaxis)
        panel.yaxis.set_major_formatter(_thousands())
        _style.over_epochs(panel, recorder.epochs)
        _style.tidy(panel)
        _style.title(panel, what + name)
        _number(panel, recorder.epochs[0], values[0], "left", "bottom")
        if values[-1] != values[0]:
            # Where a curve that comes from above is not, if there is room.
            below = values[0] > values[-1] > 0.15 * max(values)
            _number(panel, recorder.epochs[-1], values[-1], "right", "top" if below else "bottom")
    result = np.empty(2, dtype=object)
    result[:] = panels
    return result


def _number(panel: Any, epoch: int, value: int, side: str, edge: str) -> None:
    """Write a value above its point, or below it where the text's `edge` is its top."""
    offset = (0, -7 if edge == "top" else 7)
    place = {"xytext": offset, "textcoords": "offset points", "ha": side, "va": edge}
    panel.annotate(f"{value:,}", (epoch, value), color=_style.BLUE, **place)


def _thousands() -> Any:
    from matplotlib.ticker import FuncFormatter

    return FuncFormatter(lambda value, _: f"{value:,.0f}" if value == round(value) else "")
