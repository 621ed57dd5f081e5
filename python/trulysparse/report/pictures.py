"""Pictures as SVG that stands in the page: its colours are the page's, also in the dark."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from io import StringIO
from typing import Any

import numpy as np
import numpy.typing as npt

from trulysparse import _files
from trulysparse.plot import _style
from trulysparse.report.html import MINUS, escaped

Array = npt.NDArray[Any]

# Colours that stand for those of the page until the picture is written.
INK, MUTED, LINE, ACCENT, SECOND, PAPER = (f"#01020{k}" for k in range(3, 9))
_PAGE = {
    INK: "ink", MUTED: "muted", LINE: "line", ACCENT: "accent", SECOND: "second", PAPER: "paper"
}  # fmt: skip

SIZE = (4.3, 2.75)  # inches, such that the letters are readable on a phone
_FONT = 9.0
_LONGEST = 18  # characters of a name
_WIDEST = 7.4  # rem of an inch, at which the letters have the size of the page's
_ONE = 0.995  # which is 1.00 in two decimals
_DARK = 0.55  # strength of a cell above which its number is bright
_WRITTEN = 12  # columns of a heat map up to which its cells have their numbers

_SETTINGS: Any = {
    "svg.fonttype": "none",
    "font.size": _FONT,
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": LINE,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.unicode_minus": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "xtick.major.width": 0.8,
    "ytick.major.width": 0.8,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "lines.linewidth": 1.8,
}  # fmt: skip


def require() -> None:
    """Raise the ImportError that says how to get matplotlib, if it is not there."""
    _style.require_matplotlib()


def draw(
    paint: Callable[[Any], object], told: str, salt: str, size: tuple[float, float] = SIZE
) -> str:
    """Give a picture as SVG.

    Parameters
    ----------
    paint
        Takes the Axes and draws.
    told
        What the picture shows, for those who do not see it.
    salt
        Makes the names in the SVG the picture's alone; another one for each picture of a page.
    size
        Of the picture, in inches.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_SETTINGS | {"svg.hashsalt": salt}):
        made = Figure(figsize=size, layout="constrained")
        made.patch.set_alpha(0)
        ax = made.subplots()
        ax.patch.set_alpha(0)
        paint(ax)
        text = StringIO()
        made.savefig(text, format="svg", transparent=True, metadata=_NO_METADATA)
    return _cleaned(text.getvalue(), told, size[0])


_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def _cleaned(svg: str, told: str, width: float) -> str:
    """Leave out what a page does not need, and take its colours and letters."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r' id="[a-zA-Z0-9.]+_\d+"', "", svg)  # nothing points at them
    svg = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", svg)
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg)
    for mark, colour in _PAGE.items():
        svg = svg.replace(mark, f"var(--{colour})")
    view = re.search(r'viewBox="([^"]*)"', svg)
    assert view is not None
    body = svg[svg.index(">", view.end()) + 1 :]
    body = re.sub(r"\n\s*", "\n", body)
    return (
        f'<svg role="img" aria-label="{escaped(told)}" viewBox="{view[1]}" '
        f'style="max-width:{_WIDEST * width:.1f}rem" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink">{body}'
    )


def short(name: str, most: int = _LONGEST) -> str:
    """Give a name that fits into a picture."""
    name = _files.plain(name)
    return name if len(name) <= most else name[: most - 1] + "…"


# --- kinds of pictures ----------------------------------------------------------------------------


def curves(
    told: str,
    salt: str,
    lines: Sequence[tuple[str, Sequence[float], Sequence[float], str]],
    labels: tuple[str, str],
    *,
    share: bool = False,
    whole: bool = False,
    part: bool = False,
) -> str:
    """Draw curves, each with its name, x, y and colour.

    Parameters
    ----------
    told, salt
        As in `draw`.
    lines
        The curves.
    labels
        Of the axes.
    share
        Whether y is in per cent.
    whole
        Whether x counts something.
    part
        Whether x is in per cent.
    """
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    def paint(ax: Any) -> None:
        for name, x, y, colour in lines:
            marker = "o" if len(x) <= _style.MARKERS_UP_TO else ""
            dashes = (0, (4, 2)) if colour == MUTED else "-"
            ax.plot(x, y, color=colour, label=name, marker=marker, markersize=4, linestyle=dashes)
        _frame(ax, labels)
        if whole:
            ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        if part:
            ax.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        if share:
            ax.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        if len(lines) > 1:
            ax.legend(frameon=False, labelcolor=INK)

    return draw(paint, told, salt)


def histogram(told: str, salt: str, edges: Array, counts: Array, labels: tuple[str, str]) -> str:
    """Draw counts between edges."""
    from matplotlib.ticker import MaxNLocator

    def paint(ax: Any) -> None:
        ax.bar(edges[:-1], counts, np.diff(edges) * 0.94, align="edge", color=ACCENT)
        _frame(ax, labels)
        ax.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, min_n_ticks=1))

    return draw(paint, told, salt)


def points(
    told: str, salt: str, x: Array, y: Array, labels: tuple[str, str], *, diagonal: bool
) -> str:
    """Draw points, and where they would be if all were right."""

    def paint(ax: Any) -> None:
        if diagonal:
            ends = [min(x.min(), y.min()), max(x.max(), y.max())]
            ax.plot(ends, ends, color=MUTED, linewidth=1, linestyle=(0, (4, 2)))
        else:
            ax.axhline(0, color=MUTED, linewidth=1, linestyle=(0, (4, 2)))
        ax.plot(x, y, "o", color=ACCENT, markersize=3, alpha=0.45, markeredgewidth=0)
        _frame(ax, labels)

    return draw(paint, told, salt)


def reliability(
    told: str, salt: str, said: Array, found: Array, size: Array, labels: tuple[str, str]
) -> str:
    """Draw how often something happened against how likely it was said to be."""
    from matplotlib.ticker import PercentFormatter

    def paint(ax: Any) -> None:
        ax.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (4, 2)))
        ax.plot(said, found, color=ACCENT, linewidth=1.4)
        ax.scatter(said, found, s=6 + 30 * size / size.max(), color=ACCENT, linewidth=0)
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
        _frame(ax, labels)

    return draw(paint, told, salt)


def heat(told: str, salt: str, names: Sequence[str], values: Array) -> str:
    """Draw a square of numbers from -1 to 1: one colour above 0, another below."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    count = len(names)

    def paint(ax: Any) -> None:
        for colour, sign in ((ACCENT, 1), (SECOND, -1)):
            for i, j in zip(*np.nonzero(sign * values > 0.02), strict=True):
                strength = round(float(min(abs(values[i, j]), 1)), 2)
                cell = Rectangle((j - 0.47, i - 0.47), 0.94, 0.94)
                ax.add_collection(
                    PatchCollection([cell], facecolor=colour, alpha=strength, linewidth=0)
                )
        if count <= _WRITTEN:
            for (i, j), value in np.ndenumerate(values):
                colour = PAPER if abs(value) > _DARK else INK
                text = f"{value + 0.0:.2f}".replace("-0.00", "0.00").replace("-", MINUS)
                text = text.replace("0.", ".") if abs(value) < _ONE else text
                ax.text(j, i, text, color=colour, ha="center", va="center", fontsize=6.5)
        ax.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5), aspect="equal")
        shown = [short(name) for name in names]
        ax.set_xticks(range(count), shown, rotation=90, color=INK)
        ax.set_yticks(range(count), shown, color=INK)
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)

    side = 1.6 + 0.28 * count if count <= _WRITTEN else 1.6 + 0.2 * count
    return draw(paint, told, salt, (side, side))


def _frame(ax: Any, labels: tuple[str, str]) -> None:
    ax.grid(axis="y", color=LINE, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines["left"].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.set_xlabel(labels[0])
    ax.set_ylabel(labels[1])
