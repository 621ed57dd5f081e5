"""Pictures of where in an image a network looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

from trulysparse import _check, _hints
from trulysparse.plot import _records, _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from trulysparse.callbacks import TopologyRecorder

_COLOURS = "viridis"  # even steps of lightness, also for colour-blind readers
_MOST_PANELS = 4


@_hints.plain
def input_connections_heatmap(
    connections: npt.ArrayLike,
    shape: tuple[int, int],
    ax: Axes | None = None,
    *,
    label: str = "Connections of the input",
    **unknown: NoReturn,
) -> Axes:
    """Draw the connections, or any other score, of each input as an image.

    Parameters
    ----------
    connections
        A number per input, (inputs,), such as ``recorder.out_degrees[0][-1]`` of a
        `TopologyRecorder`; or an array of the shape `shape`.
    shape
        The image's (rows, columns); inputs are its pixels row by row.
    ax
        Where to draw; a new pyplot figure by default. The colour bar takes a part of its place.
    label
        What the numbers are, for the title.

    Returns
    -------
    The Axes of the image.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError, TypeError
        If an argument is wrong; the message names it.
    """
    _hints.refuse("input_connections_heatmap", unknown)
    shape = _shape(shape)
    _check.instance("label", label, str, "a string")
    image = _image("connections", connections, shape)
    ax = _style.single(ax, (5.0, 4.0))
    drawn = _draw(ax, image, image.min(), image.max())
    ax.set_xlabel("Column of pixels")
    ax.set_ylabel("Row of pixels")
    _style.whole(ax.xaxis)
    _style.whole(ax.yaxis)
    _style.title(ax, label)
    _bar(drawn, [ax], "", whole=bool((image == image.round()).all()))
    return ax


@_hints.plain
def input_connections_over_epochs(
    recorder: TopologyRecorder,
    shape: tuple[int, int],
    epochs: Sequence[int] | None = None,
    ax: Sequence[Axes] | None = None,
    **unknown: NoReturn,
) -> npt.NDArray[np.object_]:
    """Draw the connections of each input as images, at several epochs, in one scale of colours.

    Parameters
    ----------
    recorder
        A `TopologyRecorder` of a fit, with degrees, that recorded layer 0.
    shape
        The image's (rows, columns); inputs are its pixels row by row.
    epochs
        Which of ``recorder.epochs`` to draw; up to 4 of them, evenly spread, if None, the default.
    ax
        An Axes per epoch; those of a new pyplot figure, side by side, by default.

    Returns
    -------
    Array of Axes, (epochs,).

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError, TypeError
        If an argument is wrong, or `recorder` lacks what is to be drawn.
    """
    _hints.refuse("input_connections_over_epochs", unknown)
    shape = _shape(shape)
    degrees = _records.degrees(recorder, 0, "out")
    chosen = _records.choose(recorder, epochs, _MOST_PANELS)
    images = [_image("out_degrees[0] of recorder", degrees[i], shape) for i in chosen]
    panels = _panels(ax, len(chosen), shape)
    low, high = min(image.min() for image in images), max(image.max() for image in images)
    for panel, image, i in zip(panels, images, chosen, strict=True):
        drawn = _draw(panel, image, low, high)
        panel.set_title(_records.moment(recorder.epochs[i]), fontsize="medium")
        panel.set_xticks([])
        panel.set_yticks([])
    _bar(drawn, list(panels), "Connections of the input", whole=True)
    return panels


def _shape(shape: Any) -> tuple[int, int]:
    listed = _check.sequence("shape", shape, "(rows, columns)")
    if len(listed) != 2:
        raise ValueError(f"shape = {_check.shown(shape)}: expected (rows, columns)")
    rows, columns = (_check.integer(f"shape[{i}]", size, 1) for i, size in enumerate(listed))
    return rows, columns


def _image(name: str, value: Any, shape: tuple[int, int]) -> _style.Values:
    values = _style.numbers(name, value, dimensions=(1, 2))
    if values.ndim == 2 and values.shape != shape:
        raise ValueError(f"{name} has the shape {values.shape}: expected {shape}")
    if values.size != shape[0] * shape[1]:
        raise ValueError(
            f"{name} has {values.size} values: expected {shape[0] * shape[1]}, as shape = {shape}"
        )
    return values.reshape(shape)


def _panels(ax: Any, count: int, shape: tuple[int, int]) -> npt.NDArray[np.object_]:
    _style.require_matplotlib()
    if ax is None:
        import matplotlib.pyplot as plt

        width = 2.3  # inches
        height = min(max(width * shape[0] / shape[1], 0.8), 6.0) + 0.5
        size = (width * count + 1.0, height)
        panels = plt.subplots(1, count, figsize=size, layout="constrained", squeeze=False)[1][0]
    else:
        expected = f"{count} Axes, one for each of the epochs"
        panels = np.array(_check.sequence("ax", ax, expected), dtype=object).ravel()
        if len(panels) != count:
            raise ValueError(f"ax has {len(panels)} Axes: expected {expected}")
        for i, panel in enumerate(panels):
            _style.checked(panel, f"ax[{i}]")
    result: npt.NDArray[np.object_] = panels
    return result


def _draw(panel: Any, image: _style.Values, low: float, high: float) -> Any:
    # One of equal numbers still has a scale.
    return panel.imshow(image, cmap=_COLOURS, vmin=low, vmax=high if high > low else low + 1)


def _bar(drawn: Any, panels: list[Any], label: str, *, whole: bool) -> None:
    bar = panels[0].figure.colorbar(drawn, ax=panels, label=label, pad=0.02)
    bar.outline.set_visible(False)
    if whole:
        _style.whole(bar.ax.yaxis)
