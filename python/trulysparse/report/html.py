"""Pieces of the page as HTML. Everything that comes from a user is escaped here."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from trulysparse import _files

NONE, MINUS = "\N{EN DASH}", "\N{MINUS SIGN}"
"""What stands for a number that there is not, and before one below 0."""

_LONGEST = 60  # characters of a name in a table; the whole name is its title


class Raw(str):
    """Text that is HTML already."""

    __slots__ = ()


class Section(NamedTuple):
    """A part of the page: the name of its anchor, its title, and what is in it."""

    anchor: str
    title: str
    body: str


def escaped(value: object) -> Raw:
    """Give text that means nothing but itself in HTML, also within quotes."""
    return value if isinstance(value, Raw) else Raw(html.escape(_files.plain(str(value))))


def name(text: str) -> Raw:
    """Give the name of a column or a class, cut if it is long."""
    text = _files.plain(text)
    if len(text) <= _LONGEST:
        return Raw(f"<span class=name>{html.escape(text)}</span>")
    cut = html.escape(text[: _LONGEST - 1] + "…")
    return Raw(f'<span class=name title="{html.escape(text)}">{cut}</span>')


def number(value: float | None, digits: int = 4) -> str:
    """Write a number with some significant digits; a dash for none."""
    if value is None or not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if -4 <= size < 9:
        return f"{value:,.{max(digits - 1 - size, 0)}f}".replace("-", MINUS)
    return f"{value:.{digits - 1}e}".replace("-", MINUS)


def fixed(value: float | None, places: int = 3) -> str:
    """Write a number with a fixed number of decimals; a dash for none."""
    if value is None or not math.isfinite(value):
        return NONE
    text = f"{value:,.{places}f}"
    text = text.lstrip("-") if float(text.replace(",", "")) == 0 else text
    return text.replace("-", MINUS)


def per_cent(share: float | None, places: int = 1) -> str:
    """Write a share in per cent; a dash for none."""
    return NONE if share is None or not math.isfinite(share) else f"{100 * share:.{places}f} %"


def count(value: int, one: str, many: str | None = None) -> str:
    """Write a count with what is counted."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def size(value: float) -> str:
    """Write a number of bytes."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return (
                f"{value:,.0f} {unit}"
                if unit == "bytes" or value >= 100
                else (f"{value:,.1f} {unit}")
            )
        value /= 1000
    raise AssertionError("internal: no unit")


def paragraph(*sentences: str) -> str:
    """Give a paragraph."""
    return f"<p>{' '.join(escaped(sentence) for sentence in sentences)}</p>"


def bar(share: float, written: str = "") -> Raw:
    """Give a bar of that share of the cell, and what is written before it."""
    share = min(max(share, 0.0), 1.0) if math.isfinite(share) else 0.0
    return Raw(f'{escaped(written)}<span class=bar><i style="width:{100 * share:.1f}%"></i></span>')


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    left: Sequence[int] = (0,),
    caption: str = "",
) -> str:
    """Give a table that scrolls sideways where it is too wide.

    Parameters
    ----------
    head
        The titles of the columns.
    rows
        Cells, of which what is no `Raw` is escaped.
    left
        The columns that are text, which begins on the left; numbers end on the right.
    caption
        What the table shows.
    """
    words = [' class="text"' if k in left else "" for k in range(len(head))]
    titles = "".join(
        f'<th scope="col"{w}>{escaped(t)}</th>' for t, w in zip(head, words, strict=True)
    )
    body = "".join(
        "<tr>" + "".join(f"<td{w}>{escaped(c)}</td>" for c, w in zip(row, words, strict=True))
        + "</tr>"
        for row in rows
    )  # fmt: skip
    said = f"<caption>{escaped(caption)}</caption>" if caption else ""
    return (
        f'<div class="wide" tabindex="0" role="group"><table>{said}<thead><tr>{titles}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def details(summary: str, body: str) -> str:
    """Give what is shown when it is asked for."""
    return f"<details><summary>{escaped(summary)}</summary>{body}</details>"


def figure(picture: str, title: str, numbers: str = "", note: str = "") -> str:
    """Give a picture with its title, and its numbers as a table."""
    below = f"<p class=note>{escaped(note)}</p>" if note else ""
    more = details("The numbers", numbers) if numbers else ""
    return (
        f"<figure><figcaption>{escaped(title)}</figcaption>"
        f'<div class="picture">{picture}</div>{below}{more}</figure>'
    )


def side_by_side(*figures: str) -> str:
    """Put figures beside each other where there is room."""
    return f'<div class="figures">{"".join(figures)}</div>'


def items(sentences: Iterable[str]) -> str:
    """Give sentences as a list."""
    return "<ul>" + "".join(f"<li>{escaped(s)}</li>" for s in sentences) + "</ul>"
