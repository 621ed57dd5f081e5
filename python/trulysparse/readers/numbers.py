"""Which spellings are numbers, and how columns of text become columns of numbers.

A cell is a number if it is spelled as one of a few known styles, and all cells of a column are of
one style. Nothing else becomes a number: ``1_000``, full-width digits and ``0x10`` are none.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import polars as pl

MISSING = frozenset(
    [
        *("", "?", "-", ".", "--", "NA", "N/A", "n/a", "<NA>", "NaN", "nan", "NAN", "-NaN", "-nan"),
        *("NULL", "Null", "null", "None", "none", "NONE", "NaT", "nil"),
        *("#N/A", "#N/A N/A", "#NA", "#NULL!", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
    ]
)
"""The spellings of a missing cell, as pandas has them and some more."""

_PLAIN = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
PLAIN = f"^{_PLAIN}$"
"""The plain numbers, for polars: no thousands, a point as decimal sign."""
INTEGER = r"^[+-]?[0-9]+$"
PADDED = r"^[+-]?0[0-9]"
"""What begins as 007 does, which is a code and no number."""
INFINITE = r"^[+-]?(?i:inf|infinity)$"

_IS_PLAIN = re.compile(rf"(?!{PADDED[1:]}){_PLAIN}")
_IS_INTEGER = re.compile(INTEGER[1:-1])
SIGNS = "$€£¥₹₽₩₺₪฿"
"""Signs of currencies that may stand before or behind a number."""
_BLANK = " \u00a0\u202f"


class Style(NamedTuple):
    """How numbers of a column are spelled: decimal sign, and sign of thousands or ""."""

    decimal: str
    thousands: str = ""

    @property
    def pattern(self) -> str:
        """Pattern of a number without currency and per cent, for polars."""
        digits = r"[0-9]+"
        if self.thousands:
            one = f"[{_BLANK}]" if self.thousands == " " else re.escape(self.thousands)
            # A first group is not 0, and all blanks or apostrophes of a cell are the same.
            digits = rf"(?:[1-9][0-9]{{0,2}}(?:{one}[0-9]{{3}})+|[0-9]+)"
        point = re.escape(self.decimal)
        return rf"^[+-]?(?:{digits}(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][+-]?[0-9]+)?$"

    def plain(self, cells: pl.Series) -> pl.Series:
        """Spell numbers of this style plainly."""
        if self.thousands:
            blanks = list(_BLANK) if self.thousands == " " else [self.thousands]
            for one in blanks:
                cells = cells.str.replace_all(one, "", literal=True)
        if self.decimal != ".":
            cells = cells.str.replace(self.decimal, ".", literal=True)
        return cells

    def __str__(self) -> str:
        """Name the style in a note."""
        thousands = f", thousands {self.thousands!r}" if self.thousands else ""
        return f"decimal {self.decimal!r}{thousands}"


STYLES = (
    Style("."),
    Style(","),
    Style(".", ","),
    Style(",", "."),
    *(Style(decimal, thousands) for decimal in ".," for thousands in ("'", "\u2019", " ")),
)


def number(text: str) -> float | None:
    """Give the number that a plain spelling is, and None for every other text."""
    return float(text) if is_plain(text) else None


def is_plain(text: str) -> bool:
    """Tell whether text is a plain number; codes such as 007 are none."""
    return _IS_PLAIN.fullmatch(text) is not None


def is_integer(text: str) -> bool:
    """Tell whether plain text has no decimal sign and no exponent."""
    return _IS_INTEGER.fullmatch(text) is not None


# 1,234 or 1.234: the sign may be of thousands or of decimals.
_EITHER = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:\.[0-9]{3})+")
POINT = r"^[+-]?(?:0?\.|[0-9]{4,}\.|[0-9]+\.(?:[0-9]{0,2}|[0-9]{4,})(?:[eE]|$)|[0-9]*\.[0-9]*[eE])"
"""Plain numbers whose point can only be a decimal sign, for polars."""
_POINT = re.compile(POINT)


def shows_point(text: str) -> bool:
    """Tell whether a plain number has a point that can only be a decimal sign."""
    return _POINT.match(text) is not None


def may_be_thousands(text: str) -> bool:
    """Tell whether the points of text may be signs of thousands."""
    return _EITHER.fullmatch(text) is not None


def is_finite(text: str) -> bool:
    """Tell whether a plain number is one of float64."""
    return math.isfinite(float(text))
