"""What the pictures share: colours, Axes, and checks of what is to be drawn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from trulysparse import _check

# Told apart by colour-blind readers (Okabe and Ito).
BLUE = "#0072b2"
ORANGE = "#d55e00"
GREY = "#5b6770"
CURVES = (BLUE, ORANGE, "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
DASHES = ("-", (0, (4, 2)), (0, (1, 1.5)))

WIDE = (9.0, 3.8)  # inches, for two panels side by side
SINGLE = (6.4, 4.0)
MARGINS = {"left": 0.08, "right": 0.97, "bottom": 0.15, "top": 0.88}  # of WIDE
MARKERS_UP_TO = 15  # points; a lone point would draw no line at all
MISSING = "plots need matplotlib: pip install 'trulysparse[plot]'"

# What a model gives to draw, by the name of the argument.
_OF_MODELS = {
    "scores": "model.feature_importance()",
    "importance": "model.importance(1)",
    "norms": "model.gradient_norms(x, y)",
    "degrees": "those of a TopologyRecorder",
}

Values = npt.NDArray[np.float64]


def require_matplotlib() -> None:
    """Raise the error that says how to get matplotlib."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise ImportError(MISSING) from error


def single(ax: Any, size: tuple[float, float] = SINGLE) -> Any:
    """Give `ax`, or the Axes of a new pyplot figure."""
    require_matplotlib()
    if ax is None:
        import matplotlib.pyplot as plt

        return plt.subplots(figsize=size, layout="constrained")[1]
    return checked(ax, "ax")


def pair(ax: Any) -> tuple[Any, Any]:
    """Give `ax`, or a new figure's Axes, on the left half of its place, and one on the right."""
    require_matplotlib()
    if ax is None:
        import matplotlib.pyplot as plt

        ax = plt.subplots(figsize=WIDE, gridspec_kw=MARGINS)[1]
    return checked(ax, "ax"), right_half(ax)


def right_half(ax: Any) -> Any:
    """Leave `ax` the left half of its place; return new Axes on the right one."""
    from mpl_toolkits.axes_grid1 import make_axes_locatable

    return make_axes_locatable(ax).append_axes("right", size="100%", pad=0.85, sharex=ax)


def checked(ax: Any, name: str) -> Any:
    """Give `ax` if it is a matplotlib Axes."""
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes):
        raise TypeError(f"{name} = {_check.shown(ax)}: expected a matplotlib Axes or None")
    return ax


def tidy(panel: Any, grid: str | None = "y") -> None:
    """Leave out the frame's idle sides; faint lines behind the data along one axis."""
    if grid is not None:
        panel.grid(axis=grid, color="#e3e6e8", linewidth=0.8)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def title(panel: Any, what: str) -> None:
    """Say in bold what is shown."""
    panel.set_title(what, loc="left", fontweight="bold")


def legend(panel: Any, **options: Any) -> None:
    """Draw a legend without a frame or ground, where it lies over the fewest points."""
    panel.legend(**{"frameon": False, "loc": "best"} | options)


def whole(axis: Any) -> None:
    """Put ticks at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))


def over_epochs(panel: Any, epochs: list[int]) -> None:
    """Make the axis one of epochs, with ticks at whole ones."""
    panel.set_xlabel("Epoch")
    whole(panel.xaxis)
    margin = 0.02 * max(epochs[-1] - epochs[0], 1)
    # Half an epoch at most on the left: there may be no earlier one to put a tick at.
    panel.set_xlim(epochs[0] - min(margin, 0.5), epochs[-1] + margin)


def colours(count: int) -> list[str]:
    """Give colours for things without an order."""
    return [CURVES[i % len(CURVES)] for i in range(count)]


def shades(count: int) -> list[Any]:
    """Give colours of one hue for an order of up to some five things, from light to dark."""
    from matplotlib.colors import LinearSegmentedColormap

    scale = LinearSegmentedColormap.from_list("shades", ["#a9d3ec", BLUE, "#00263d"])
    return [scale(1.0 if count == 1 else i / (count - 1)) for i in range(count)]


def numbers(name: str, value: Any, *, dimensions: tuple[int, ...] = (1,)) -> Values:
    """Convert to float64; finite real numbers of one of these numbers of dimensions."""
    expected = "an array of real numbers"
    try:
        array = np.asarray(value)
    except ValueError:  # rows of different lengths
        raise ValueError(f"{name}: expected {expected}, got rows of different lengths") from None
    if array.dtype.kind not in "buif":
        got = f"dtype {array.dtype}" if array.ndim else f"a {type(value).__name__}"
        given = f", such as {_OF_MODELS[name]}" if name in _OF_MODELS else ""
        raise TypeError(f"{name}: expected {expected}{given}, got {got}")
    if array.ndim not in dimensions or array.size == 0:
        kinds = " or ".join(f"{d}-D" for d in dimensions)
        raise ValueError(f"{name} has the shape {array.shape}: expected a {kinds} array, not empty")
    finite = np.isfinite(array)
    if not finite.all():
        where = np.argwhere(~finite)[0].tolist()
        bad = array[tuple(where)].item()
        raise ValueError(f"{name}{where} = {bad!r}: expected finite numbers")
    return array.astype(np.float64)


def spread(count: int, most: int) -> list[int]:
    """Choose up to `most` of ``0..count-1``, evenly spread, with the first and the last."""
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, most)).tolist()})


def listed(items: Iterable[object], most: int = 12) -> str:
    """List items for an error message, not too many of them."""
    shown = [str(item) for item in items]
    return ", ".join(shown if len(shown) <= most else [*shown[: most - 1], "...", shown[-1]])
