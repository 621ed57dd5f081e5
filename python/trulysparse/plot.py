"""Pictures of a training run. Needs matplotlib: ``pip install 'trulysparse[plot]'``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from trulysparse.history import History

__all__ = ["learning_curves", "save_learning_curves"]

# Told apart by colour-blind readers, and by the dash pattern in black and white.
_TRAIN = {"color": "#5b6770", "linestyle": (0, (4, 2)), "label": "training"}
_HELD_OUT = {"color": "#0072b2", "linestyle": "-"}
_SIZE = (9.0, 3.8)  # inches
_MARGINS = {"left": 0.08, "right": 0.97, "bottom": 0.15, "top": 0.88}
_MISSING = "plots need matplotlib: pip install 'trulysparse[plot]'"
_MARKERS_UP_TO = 15  # epochs; a lone epoch would draw no line at all


def learning_curves(
    history: History | Mapping[str, Sequence[float]],
    ax: Axes | None = None,
    *,
    held_out: str = "validation",
) -> Axes:
    """Draw loss and accuracy over the epochs, of the training and the held-out samples.

    Parameters
    ----------
    history
        What ``fit`` returned, or a dict of lists with the same keys: ``loss`` and, each optional,
        ``val_loss``, ``accuracy``, ``val_accuracy``. Accuracies lie in [0, 1]. Numbers that are
        not finite leave a gap.
    ax
        Where to draw; a new pyplot figure by default. With an accuracy in `history` it is split:
        it keeps the loss on its left half, the right half becomes a second Axes.

    held_out
        What the samples of ``val_loss`` and ``val_accuracy`` are called in the picture. The best
        epoch of ``"validation"``, the default, is marked. Under any other name, such as ``"test"``,
        the last accuracy is given instead: a test set is there to judge, not to choose an epoch.

    Returns
    -------
    The Axes of the loss; all of them are in ``ax.figure.axes``. Epochs count from 1.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If `history` holds no epoch, or its lists differ in length.
    """
    curves, epochs = _curves(history)
    try:
        from matplotlib.ticker import PercentFormatter
        from mpl_toolkits.axes_grid1 import make_axes_locatable
    except ImportError as error:
        raise ImportError(_MISSING) from error
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=_SIZE, gridspec_kw=_MARGINS)
    panels = [(ax, "loss", "Loss")]
    if "accuracy" in curves or "val_accuracy" in curves:
        right = make_axes_locatable(ax).append_axes("right", size="100%", pad=0.85, sharex=ax)
        right.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        panels.append((right, "accuracy", "Accuracy"))
    for panel, key, title in panels:
        _draw(panel, epochs, curves, key, held_out)
        panel.set_title(title, loc="left", fontweight="bold")
    _mark_accuracy(panels[-1][0], epochs, curves, held_out)
    return ax


def save_learning_curves(
    history: History | Mapping[str, Sequence[float]],
    path: str | Path,
    *,
    held_out: str = "validation",
) -> None:
    """Write `learning_curves` to an image file; the format follows the suffix.

    It needs no display and leaves pyplot's figures and backend alone.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        As `learning_curves`, or for an unknown suffix.
    OSError
        If the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(_MISSING) from error
    figure = Figure(figsize=_SIZE)
    learning_curves(history, figure.subplots(gridspec_kw=_MARGINS), held_out=held_out)
    figure.savefig(path, dpi=150)


def _curves(history: Any) -> tuple[dict[str, Sequence[float]], list[int]]:
    """The curves by key, and the epochs counted from 1."""
    values = history if isinstance(history, Mapping) else history.history
    keys = ("loss", "val_loss", "accuracy", "val_accuracy")
    curves = {key: values[key] for key in keys if len(values.get(key, ()))}
    if "loss" not in curves:
        raise ValueError("history: expected at least one epoch with a 'loss', there is none")
    n_epochs = len(curves["loss"])
    lengths = {key: len(curve) for key, curve in curves.items()}
    if set(lengths.values()) != {n_epochs}:
        raise ValueError(f"history: expected lists of the same length, got {lengths}")
    first = 0 if isinstance(history, Mapping) else history.epoch[0]
    return curves, list(range(first + 1, first + 1 + n_epochs))


def _draw(
    panel: Any,
    epochs: list[int],
    curves: Mapping[str, Sequence[float]],
    key: str,
    held_out: str,
) -> None:
    from matplotlib.ticker import MaxNLocator

    marker = "o" if len(epochs) <= _MARKERS_UP_TO else ""
    for name, style in ((key, _TRAIN), ("val_" + key, {**_HELD_OUT, "label": held_out})):
        if name in curves:
            panel.plot(epochs, curves[name], linewidth=1.8, marker=marker, markersize=4, **style)
    panel.set_xlabel("Epoch")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, steps=[1, 2, 5, 10]))
    margin = 0.02 * max(len(epochs) - 1, 1)
    # Half an epoch at most on the left: there is no epoch 0 to put a tick at.
    panel.set_xlim(epochs[0] - min(margin, 0.5), epochs[-1] + margin)
    panel.grid(axis="y", color="#e3e6e8", linewidth=0.8)
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)
    corner = "upper right" if key == "loss" else "lower right"  # where late epochs leave room
    panel.legend(loc=corner, edgecolor="none", framealpha=0.8)


def _mark_accuracy(
    panel: Any, epochs: list[int], curves: Mapping[str, Sequence[float]], held_out: str
) -> None:
    """Say in the panel's corner how good validation was at best, or a test in the end."""
    points = zip(curves.get("val_accuracy", ()), epochs, strict=False)
    finite = [(accuracy, -epoch) for accuracy, epoch in points if math.isfinite(accuracy)]
    if not finite:
        return
    if held_out == "validation":
        accuracy, epoch = max(finite)  # the first of equals
        text = f"best validation {100 * accuracy:.1f} %, epoch {-epoch}"
    else:
        accuracy, epoch = finite[-1]
        text = f"{held_out} {100 * accuracy:.1f} % after epoch {-epoch}"
    panel.plot([-epoch], [accuracy], "o", markersize=7, color=_HELD_OUT["color"])
    panel.set_title(text, loc="right", fontsize="medium")
