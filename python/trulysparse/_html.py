"""Small HTML that notebooks show: no scripts, no colour but that of the text, little of it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from trulysparse import _files

MOST_ROWS = 16
"""Rows of a table; of more, the first and the last are shown."""

_LONGEST = 40  # characters of a name
_BARS = 24
_HIGH = 20
_TABLE = (
    "border-collapse: separate; border-spacing: 0.9em 0.2em; margin: 0.3em 0 0.3em -0.9em; "
    "border: none; color: inherit; background: none; white-space: nowrap"
)


class Raw(str):
    """Text that is HTML already."""

    __slots__ = ()


def escaped(value: object) -> str:
    """Give text that means nothing but itself in HTML, cut if it is long."""
    if isinstance(value, Raw):
        return value
    text = _files.plain(str(value))
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST - 1]}\N{HORIZONTAL ELLIPSIS}"
    return html.escape(text)


def titled(head: str, *parts: str) -> str:
    """Give what a notebook shows: a line in bold, and HTML below it."""
    bold = f"<strong>{html.escape(head)}</strong>"
    return f'<div style="overflow-x: auto; color: inherit">{bold}{"".join(parts)}</div>'


def table(names: Sequence[str], rows: Sequence[Sequence[object]], left: int = 1) -> str:
    """Give a table whose first `left` columns are text; the others have numbers."""

    def line(cells: Sequence[object], tag: str) -> str:
        aligned = ("left" if at < left else "right" for at in range(len(cells)))
        return "".join(
            f'<{tag} style="text-align: {side}">{escaped(cell)}</{tag}>'
            for cell, side in zip(cells, aligned, strict=True)
        )

    half, left_out = MOST_ROWS // 2, len(rows) - MOST_ROWS
    ends = rows if left_out <= 0 else (*rows[:half], *rows[-half:])
    shown = [line(row, "td") for row in ends]
    if left_out > 0:
        more = f'<td colspan="{len(names)}">\N{VERTICAL ELLIPSIS} {left_out:,} more</td>'
        shown.insert(half, more)
    body = "".join(f"<tr>{row}</tr>" for row in shown)
    head = f"<thead><tr>{line(names, 'th')}</tr></thead>"
    return f'<table style="{_TABLE}">{head}<tbody>{body}</tbody></table>'


def bar(share: float) -> Raw:
    """Give a bar that is filled up to a share."""
    filled = f"{min(max(share, 0.0), 1.0) * 60:.1f}"
    return Raw(
        '<svg width="60" height="8" role="img">'
        '<rect width="60" height="8" fill="currentColor" opacity="0.15"/>'
        f'<rect width="{filled}" height="8" fill="currentColor" opacity="0.7"/></svg>'
    )


def histogram(values: npt.NDArray[Any], what: str) -> Raw:
    """Give the histogram of whole numbers, with `what` they are as its title."""
    if not len(values):
        return Raw("")
    low, high = int(values.min()), int(values.max())
    bins = min(high - low + 1, _BARS)
    counts = np.histogram(values, bins, (low, high + 1) if high - low < _BARS else (low, high))[0]
    mean = f"{float(values.mean()):.3g}"
    title = f"{what}: {low:,} to {high:,}, mean {mean}"
    # Counts of 1 stay visible beside large ones.
    heights = np.where(counts > 0, np.maximum(counts / counts.max() * _HIGH, 1), 0)
    step = f"h{4 * _BARS / bins:.4g}"
    steps = "".join(f"V{_HIGH - height:.1f}{step}" for height in heights)
    return _drawn(
        f'<path d="M0 {_HIGH}{steps}V{_HIGH}Z" fill="currentColor" opacity="0.7"/>', title
    )


def line(values: Sequence[float], what: str) -> Raw:
    """Give the line of some numbers over time; those that are not finite have no place on it."""
    array = np.asarray(values, float)
    some = np.flatnonzero(np.isfinite(array))
    if len(some) < 2:
        return Raw("")
    some = some[np.linspace(0, len(some) - 1, min(len(some), 2 * _BARS)).astype(int)]
    y = array[some]
    spread = float(y.max() / 2 - y.min() / 2)
    with np.errstate(over="ignore", invalid="ignore"):
        places = (y / 2 - y.min() / 2) / spread if spread > 0 else np.full(len(y), 0.5)
    x = some / max(len(array) - 1, 1) * (4 * _BARS)
    points = " ".join(
        f"{across:.1f},{1 + (_HIGH - 2) * (1 - up):.1f}"
        for across, up in zip(x.tolist(), places.tolist(), strict=True)
    )
    shape = f'<polyline points="{points}" fill="none" stroke="currentColor" opacity="0.8"/>'
    return _drawn(shape, what)


def _drawn(shape: str, title: str) -> Raw:
    wide = 4 * _BARS
    return Raw(
        f'<svg width="{wide}" height="{_HIGH}" viewBox="0 0 {wide} {_HIGH}" role="img">'
        f"<title>{html.escape(title)}</title>{shape}</svg>"
    )
