"""Pictures of training on several workers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt

from trulysparse import _check, _hints
from trulysparse.plot import _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from trulysparse.history import History

_TICKS_UP_TO = 12  # numbers of workers; a tick at each
_BARS_UP_TO, _BARS_AT_LEAST = 40, 10
_LAST_BIN = 1023  # of a history: it counts all beyond, too

Runs = Mapping[int, npt.ArrayLike]


@_hints.plain
def speedup_over_workers(
    speed: Runs | Mapping[str, Runs], ax: Axes | None = None, **unknown: NoReturn
) -> Axes:
    """Draw how many times as fast as one worker several are, and the ideal: as many times.

    Parameters
    ----------
    speed
        A dict from the number of workers, at least 1, to the speed of each repeat, (repeats,), or
        a single number: samples per second, or any measure that grows with speed; above 0. It has
        1 worker, whose median is what speed-ups are relative to. Or a dict of several such dicts:
        the legend shows its keys. Medians are drawn, with bars from the first to the third
        quartile of the repeats.
    ax
        Where to draw; a new pyplot figure by default.

    Returns
    -------
    The Axes.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError, TypeError
        If `speed` is not as described.
    """
    _hints.refuse("speedup_over_workers", unknown)
    curves = _curves("speed", speed)
    for name, curve in curves.items():
        where = _where("speed", name)
        if 1 not in curve:
            raise ValueError(f"{where}: expected a speed of 1 worker, got {_style.listed(curve)}")
        for workers, values in curve.items():
            if (values <= 0).any():
                raise ValueError(
                    f"{where}[{workers}] has {values.min():g}: expected numbers above 0"
                )
    ax = _style.single(ax)
    most = max(max(curve) for curve in curves.values())
    ideal: dict[str, Any] = {"color": _style.GREY, "linestyle": _style.DASHES[1], "linewidth": 1.2}
    ax.plot([1, most], [1, most], label="ideal", **ideal)
    for number, (name, curve) in enumerate(curves.items()):
        one = np.median(curve[1])
        quartiles = [np.percentile(values / one, [25, 50, 75]) for values in curve.values()]
        low, middle, high = np.transpose(quartiles)
        line = _draw(ax, number, name or "measured", curve, middle)
        if any(values.size > 1 for values in curve.values()):
            bars = (middle - low, high - middle)
            ax.errorbar(list(curve), middle, bars, fmt="none", ecolor=line, capsize=3)
    _over_workers(ax, curves)
    ax.set_ylim(bottom=0)
    ax.set_ylabel("Speed, in times that of one worker")
    _style.legend(ax)
    _style.title(ax, "Speed-up over workers")
    return ax


@_hints.plain
def accuracy_over_workers(
    accuracy: Runs | Mapping[str, Runs], ax: Axes | None = None, **unknown: NoReturn
) -> Axes:
    """Draw the accuracy over the number of workers: the mean and the range of several seeds.

    Parameters
    ----------
    accuracy
        A dict from the number of workers, at least 1, to the accuracy of each seed, (seeds,), or a
        single number, in [0, 1]. Or a dict of several such dicts: the legend shows its keys. Every
        seed is drawn as a point, and the means as a line. One worker is a sequential fit.
    ax
        Where to draw; a new pyplot figure by default.

    Returns
    -------
    The Axes.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError, TypeError
        If `accuracy` is not as described.
    """
    _hints.refuse("accuracy_over_workers", unknown)
    curves = _curves("accuracy", accuracy)
    for name, curve in curves.items():
        for workers, values in curve.items():
            if values.min() < 0 or values.max() > 1:
                where = f"{_where('accuracy', name)}[{workers}]"
                raise ValueError(f"{where}: expected numbers in [0, 1], got {values}")
    ax = _style.single(ax)
    from matplotlib.ticker import PercentFormatter

    for number, (name, curve) in enumerate(curves.items()):
        means = [values.mean() for values in curve.values()]
        colour = _draw(ax, number, name or "mean", curve, means)
        for workers, values in curve.items():
            at = np.full(values.size, workers)
            ax.scatter(at, values, s=14, color=colour, alpha=0.5, linewidths=0)
    _over_workers(ax, curves)
    ax.margins(y=0.1)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    ax.set_ylabel("Accuracy: mean and seeds")
    if "" not in curves:
        _style.legend(ax)
    _style.title(ax, "Accuracy over workers")
    return ax


@_hints.plain
def staleness_histogram(
    history: History | npt.ArrayLike, ax: Axes | None = None, **unknown: NoReturn
) -> Axes:
    """Draw how stale the gradients of an asynchronous fit were.

    Staleness is the number of updates between a worker's pull of the network and its push.

    Parameters
    ----------
    history
        What ``fit(strategy=WASAP(...))`` returned, or its ``staleness_histogram``: how many
        gradients had staleness 0, 1, 2 and so on, (bins,). The last of 1024 bins is of all beyond.
    ax
        Where to draw; a new pyplot figure by default.

    Returns
    -------
    The Axes. Its right title gives the mean. Beyond 10 bins, a tail of 1 % of the gradients at
    most is left out, and a note says how many. More than 40 bins are drawn in groups.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError, TypeError
        If `history` is of another fit, or holds no gradient.
    """
    _hints.refuse("staleness_histogram", unknown)
    counts = _counts(history)
    ax = _style.single(ax)
    from matplotlib.ticker import PercentFormatter

    total = counts.sum()
    covered = int(np.searchsorted(counts.cumsum(), 0.99 * total)) + 1
    end = min(counts.size, max(covered, _BARS_AT_LEAST))  # of a long tail a note will do
    group = -(-end // _BARS_UP_TO)
    bars = np.pad(counts[:end], (0, -end % group)).reshape(-1, group).sum(1)
    # A bar stands over the middle of its numbers.
    places = np.arange(bars.size) * group + (group - 1) / 2
    ax.bar(places, bars / total, width=0.9 * group, color=_style.BLUE)
    ax.set_xlim(-0.5 - 0.1 * group, max(bars.size, 2) * group - 0.5 + 0.1 * group)
    _style.whole(ax.xaxis)
    ax.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    rest = counts[end:].sum()
    note = f"\n({rest:,.0f} above {end - 1:,} not shown)" if rest else ""
    ax.set_xlabel("Staleness: updates between pull and push" + note)
    ax.set_ylabel(f"Part of {total:,.0f} gradients")
    _style.tidy(ax)
    _style.title(ax, "Staleness of gradients")
    mean = np.arange(counts.size) @ counts / total
    least = "at least " if counts.size > _LAST_BIN and counts[_LAST_BIN] else ""
    ax.set_title(f"mean {least}{mean:.3g}", loc="right", fontsize="medium")
    return ax


def _counts(history: Any) -> _style.Values:
    name, counts = "history", history
    if hasattr(history, "staleness_histogram"):
        name, counts = "history.staleness_histogram", history.staleness_histogram
    if counts is None:
        raise ValueError(f"{name} = None: expected that of a fit with strategy=WASAP(...)")
    # A fit without a phase 1 has an empty list.
    values = _style.numbers(name, counts) if np.size(counts) else np.zeros(1)
    if (values < 0).any():
        raise ValueError(f"{name} has {values.min():g}: expected numbers of at least 0")
    if values.sum() == 0:
        raise ValueError(f"{name}: expected at least one gradient, there is none")
    return values


def _curves(name: str, value: Any) -> dict[str, dict[int, _style.Values]]:
    """Give the curves by name, "" for a single one; each in ascending order of workers."""
    if not isinstance(value, Mapping):
        raise TypeError(
            f"{name} = {_check.shown(value)}: expected a dict whose keys are numbers of workers"
        )
    if not value:
        raise ValueError(f"{name} is empty: expected at least one number of workers")
    if all(isinstance(runs, Mapping) for runs in value.values()):
        return {str(key): _runs(_where(name, key), runs) for key, runs in value.items()}
    return {"": _runs(name, value)}


def _where(name: str, key: object) -> str:
    return f"{name}[{key!r}]" if key else name


def _runs(name: str, runs: Any) -> dict[int, _style.Values]:
    if not runs:
        raise ValueError(f"{name} is empty: expected at least one number of workers")
    checked = {}
    for key, values in runs.items():
        workers = _check.integer(f"a key of {name}", key, 1)
        checked[workers] = _style.numbers(f"{name}[{workers}]", np.atleast_1d(values))
    return dict(sorted(checked.items()))


def _draw(ax: Any, number: int, label: str, workers: Iterable[int], heights: Any) -> str:
    """Draw a line with points, and give its colour."""
    colour = _style.CURVES[number % len(_style.CURVES)]
    dashes = _style.DASHES[number // len(_style.CURVES) % len(_style.DASHES)]
    style: dict[str, Any] = {"linestyle": dashes, "linewidth": 1.8, "marker": "o", "markersize": 5}
    ax.plot(list(workers), heights, color=colour, label=label, **style)
    return colour


def _over_workers(ax: Any, curves: Mapping[str, Mapping[int, object]]) -> None:
    counts = sorted({workers for curve in curves.values() for workers in curve})
    if len(counts) <= _TICKS_UP_TO:
        ax.set_xticks(counts)
    else:
        _style.whole(ax.xaxis)
    ax.set_xlabel("Workers")
    margin = 0.05 * max(counts[-1] - counts[0], 1)
    ax.set_xlim(counts[0] - margin, counts[-1] + margin)
    _style.tidy(ax)
