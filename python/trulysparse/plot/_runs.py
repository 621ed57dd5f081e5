"""Pictures that compare fits, with a band over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from trulysparse import _check, _hints
from trulysparse.plot import _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ONE = "what fit returned (model.history), a fitted estimator, or a dict of lists"


def values_of(name: str, run: Any) -> Mapping[str, Sequence[float]]:
    """Give the lists of a history, of an estimator's, or of a dict, by their keys."""
    run = getattr(run, "history_", run)  # an estimator has it
    if isinstance(run, Mapping):
        return run
    if isinstance(getattr(run, "history", None), Mapping):
        found: Mapping[str, Sequence[float]] = run.history
        return found
    raise TypeError(f"{name} = {_check.shown(run)}: expected {_ONE}")


@_hints.plain
def compare_runs(
    runs: Mapping[str, Any],
    metric: str = "val_accuracy",
    ax: Axes | None = None,
    **unknown: NoReturn,
) -> Axes:
    """Draw a number over the epochs of several kinds of fits, in one picture.

    Of a kind with several runs, such as one for each seed, a line is their mean and a band reaches
    from the lowest to the highest. The names stand in the order of the last means.

    Parameters
    ----------
    runs
        For each name one run or a sequence of runs: what ``fit`` returned, a fitted estimator, or
        a dict of lists. Runs of one name have as many epochs.
    metric
        What is drawn, a key of the histories. Default ``"val_accuracy"``.
    ax
        Where to draw; a new pyplot figure by default.

    Returns
    -------
    The Axes. Epochs count from 1.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError, TypeError
        If there is no run, one without `metric`, or runs of a name with other numbers of epochs.

    Examples
    --------
    >>> from trulysparse import plot
    >>> seeds = {"SET": [{"val_accuracy": [0.5, 0.8]}, {"val_accuracy": [0.6, 0.7]}]}
    >>> ax = plot.compare_runs(seeds)  # doctest: +SKIP
    """
    _hints.refuse("compare_runs", unknown)
    if not isinstance(runs, Mapping):
        raise TypeError(f"runs = {_check.shown(runs)}: expected a dict of names and runs")
    _check.instance("metric", metric, str, "a string")
    curves = {str(name): _numbers(f"runs[{name!r}]", some, metric) for name, some in runs.items()}
    if not curves:
        raise ValueError("runs has no names: expected at least one run")
    panel: Axes = _style.single(ax)
    colours = dict(zip(curves, _style.colours(len(curves)), strict=True))
    longest = max(numbers.shape[1] for numbers in curves.values())
    for name in sorted(curves, key=lambda name: -curves[name][:, -1].mean()):
        numbers = curves[name]
        epochs = np.arange(1, numbers.shape[1] + 1)
        seeds = f", {len(numbers)} runs" if len(numbers) > 1 else ""
        marker = "o" if longest <= _style.MARKERS_UP_TO else ""
        panel.plot(
            epochs,
            numbers.mean(axis=0),
            color=colours[name],
            label=f"{name}{seeds}",
            linewidth=1.8,
            marker=marker,
            markersize=4,
        )
        if len(numbers) > 1:
            low, high = numbers.min(axis=0), numbers.max(axis=0)
            panel.fill_between(epochs, low, high, color=colours[name], alpha=0.18, linewidth=0)
    if metric.endswith("accuracy"):
        from matplotlib.ticker import PercentFormatter

        panel.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    _style.over_epochs(panel, list(range(1, longest + 1)))
    _style.tidy(panel)
    _style.title(panel, _TITLES.get(metric, metric))
    _style.legend(panel)
    return panel


_TITLES = {
    "loss": "Training loss",
    "accuracy": "Training accuracy",
    "val_loss": "Held-out loss",
    "val_accuracy": "Held-out accuracy",
}


def _numbers(name: str, some: Any, metric: str) -> _style.Values:
    """Give a metric of one run or several, (runs, epochs)."""
    several = isinstance(some, Sequence) and not isinstance(some, str)
    named = {f"{name}[{i}]": run for i, run in enumerate(some)} if several else {name: some}
    found = []
    for which, run in named.items():
        values = values_of(which, run)
        if not len(values.get(metric, ())):
            known = ", ".join(sorted(key for key in values if len(values[key])))
            raise ValueError(f"{which} has no {metric!r}: expected one of {known or 'its keys'}")
        found.append(_style.numbers(f"{which}[{metric!r}]", values[metric]))
    if not found:
        raise ValueError(f"{name} has no runs: expected at least one")
    lengths = {len(numbers) for numbers in found}
    if len(lengths) > 1:
        raise ValueError(f"{name} has runs of {sorted(lengths)} epochs: expected as many in each")
    return np.array(found)
