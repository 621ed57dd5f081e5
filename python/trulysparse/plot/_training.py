"""Pictures of a training run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from trulysparse import _check, _files, _hints
from trulysparse.plot import _style
from trulysparse.plot._runs import values_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from trulysparse.history import History

# Told apart by the dash pattern too, in black and white.
_TRAIN = {"color": _style.GREY, "linestyle": (0, (4, 2)), "label": "training"}
_HELD_OUT = {"color": _style.BLUE, "linestyle": "-"}


@_hints.plain
def learning_curves(
    history: History | Mapping[str, Sequence[float]],
    ax: Axes | None = None,
    *,
    held_out: str = "validation",
    **unknown: NoReturn,
) -> Axes:
    """Draw loss and accuracy over the epochs, of the training and the held-out samples.

    Parameters
    ----------
    history
        What ``fit`` returned, a fitted estimator, or a dict of lists with the same keys: ``loss``
        and, each optional, ``val_loss``, ``accuracy``, ``val_accuracy``. Accuracies lie in [0, 1].
        Numbers that are not finite leave a gap. A `History` also knows the loss of the best
        constant prediction, a dotted line where a curve comes near. `compare_runs` draws several.
    ax
        Where to draw; a new pyplot figure by default. With an accuracy in `history` it is split:
        it keeps the loss on its left half, the right half becomes a second Axes.

    held_out
        What the samples of ``val_loss`` and ``val_accuracy`` are called in the picture. Of
        ``"validation"``, the default, the epoch is marked whose network was kept, which is
        `History.kept_epoch`, or else the one with the best accuracy. Under any other name, such as
        ``"test"``, the last accuracy is given instead: a test set is there to judge, not to choose
        an epoch.

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
    _hints.refuse("learning_curves", unknown)
    curves, epochs = _curves(history)
    _check.instance("held_out", held_out, str, "a string")
    _style.require_matplotlib()
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=_style.WIDE, gridspec_kw=_style.MARGINS)
    _style.checked(ax, "ax")
    panels: list[tuple[Any, str, str]] = [(ax, "loss", "Loss")]
    if "accuracy" in curves or "val_accuracy" in curves:
        from matplotlib.ticker import PercentFormatter

        right = _style.right_half(ax)
        right.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        panels.append((right, "accuracy", "Accuracy"))
    for panel, key, title in panels:
        _draw(panel, epochs, curves, key, held_out)
        _style.title(panel, title)
    _mark_constant(ax, history, curves)
    for panel, *_ in panels:
        _style.legend(panel)
    kept = getattr(getattr(history, "history_", history), "kept_epoch", None)
    _mark_accuracy(panels[-1][0], epochs, curves, held_out, kept)
    return ax


@_hints.plain
def save_learning_curves(
    history: History | Mapping[str, Sequence[float]],
    path: str | Path,
    *,
    held_out: str = "validation",
    **unknown: NoReturn,
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
    _hints.refuse("save_learning_curves", unknown)
    _style.require_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=_style.WIDE)
    learning_curves(history, figure.subplots(gridspec_kw=_style.MARGINS), held_out=held_out)
    path = _check.path("path", path)
    with _files.writing(path):
        figure.savefig(path, dpi=150)


def _curves(history: Any) -> tuple[dict[str, Sequence[float]], list[int]]:
    """Give the curves by key, and the epochs counted from 1."""
    _check.not_sparse("history", history, "what fit returned, or a dict of lists")
    history = getattr(history, "history_", history)  # an estimator has it
    values = values_of("history", history)
    if any(hasattr(value, "history") or hasattr(value, "history_") for value in values.values()):
        raise TypeError("history has several runs: expected one; plot.compare_runs draws several")
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
    marker = "o" if len(epochs) <= _style.MARKERS_UP_TO else ""
    for name, style in ((key, _TRAIN), ("val_" + key, {**_HELD_OUT, "label": held_out})):
        if name in curves:
            panel.plot(epochs, curves[name], linewidth=1.8, marker=marker, markersize=4, **style)
    _style.over_epochs(panel, epochs)
    _style.tidy(panel)


def _mark_constant(panel: Any, history: Any, curves: Mapping[str, Sequence[float]]) -> None:
    """Draw the loss of the best constant prediction, if a curve comes near it."""
    baseline = getattr(getattr(history, "history_", history), "baseline", None)
    losses = [*curves["loss"], *curves.get("val_loss", ())]
    if baseline is not None and baseline.loss <= 1.1 * max(
        filter(math.isfinite, losses), default=0
    ):
        style = {"color": _style.GREY, "linestyle": (0, (1, 1.5)), "linewidth": 1.2}
        panel.axhline(baseline.loss, label="best constant", zorder=1, **style)


def _mark_accuracy(
    panel: Any,
    epochs: list[int],
    curves: Mapping[str, Sequence[float]],
    held_out: str,
    kept: int | None,
) -> None:
    """Say in the panel's corner how good validation was where the network was kept, or at best, or
    a test in the end.
    """
    points = zip(curves.get("val_accuracy", ()), epochs, strict=False)
    finite = [(accuracy, -epoch) for accuracy, epoch in points if math.isfinite(accuracy)]
    if not finite:
        return
    chosen = [point for point in finite if kept is not None and -point[1] == kept + 1]
    if held_out == "validation" and chosen:
        ((accuracy, epoch),) = chosen
        text = f"kept: validation {100 * accuracy:.1f} %, epoch {-epoch}"
    elif held_out == "validation":
        accuracy, epoch = max(finite)  # the first of equals
        text = f"best validation {100 * accuracy:.1f} %, epoch {-epoch}"
    else:
        accuracy, epoch = finite[-1]
        text = f"{held_out} {100 * accuracy:.1f} % after epoch {-epoch}"
    panel.plot([-epoch], [accuracy], "o", markersize=7, color=_HELD_OUT["color"])
    panel.set_title(text, loc="right", fontsize="medium")
