"""A picture of how gradients reach the layers of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import numpy as np
import numpy.typing as npt

from trulysparse import _hints
from trulysparse.callbacks import GradientNorms
from trulysparse.plot import _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST = 6  # layers whose legend has room among the curves


@_hints.plain
def gradient_flow(
    norms: GradientNorms | npt.ArrayLike, ax: Axes | None = None, **unknown: NoReturn
) -> Axes:
    """Draw the norm of each layer's gradient over the epochs, on a logarithmic scale.

    Curves that lie close together tell that all layers learn; one that lies far below, that hardly
    any gradient arrives there. A norm of 0 leaves a gap.

    Parameters
    ----------
    norms
        A `GradientNorms` of a fit; or norms as an array of shape (epochs, layers), the first row
        before training.
    ax
        Where to draw; a new pyplot figure by default.

    Returns
    -------
    The Axes. Layers count from 1, light to dark, and the last one is "output".

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError, TypeError
        If `norms` has no record, or is no array of finite numbers of at least 0.
    """
    _hints.refuse("gradient_flow", unknown)
    if isinstance(norms, GradientNorms):
        if not norms.epochs:
            raise ValueError(f"norms = {norms!r}: expected one that was a callback of a fit")
        epochs, values = norms.epochs, np.array(list(norms.norms.values())).T
        finite = np.where(np.isfinite(values), values, np.nan)
    else:
        finite = _style.numbers("norms", norms, dimensions=(2,))
        if (finite < 0).any():
            raise ValueError(f"norms has {finite.min()}: expected numbers of at least 0")
        epochs = list(range(len(finite)))
    ax = _style.single(ax)
    layers = finite.shape[1]
    drawn = np.where(finite > 0, finite, np.nan)
    marker = "o" if len(epochs) <= _style.MARKERS_UP_TO else ""
    for layer, colour in enumerate(_style.shades(layers)):
        last = layer == layers - 1
        ax.plot(
            epochs,
            drawn[:, layer],
            marker=marker,
            markersize=4,
            linewidth=1.8,
            color=_style.ORANGE if last else colour,
            linestyle=_style.DASHES[1] if last else "-",
            label="output" if last else f"layer {layer + 1}",
        )
    ax.set_yscale("log")
    ax.set_ylabel("Norm of the gradient")
    _style.over_epochs(ax, epochs)
    _style.tidy(ax)
    _style.title(ax, "Gradient flow")
    outside = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0)} if layers > _MOST else {}
    _style.legend(ax, fontsize="small", **outside)
    return ax
