"""What a column of text is: numbers, booleans, dates or text.

A column is decided by all of its cells. If nine of ten that are not missing are numbers, it is a
column of numbers, and a cell that is none is refused; else it is text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from trulysparse import _check
from trulysparse.data.numeric import is_number_text
from trulysparse.readers import dates
from trulysparse.readers.notes import Notes
from trulysparse.readers.numbers import (
    INFINITE,
    INTEGER,
    MISSING,
    PADDED,
    PLAIN,
    POINT,
    SIGNS,
    STYLES,
    Style,
)
from trulysparse.readers.places import places

if TYPE_CHECKING:
    import polars as pl

# The share of numbers, or of dates, from which a cell that is none is a mistake; and from which a
# column of text is worth a word.
_MOSTLY, _PARTLY = 0.9, 0.5
# Levels up to which a spelling of missing may be one.
_FEW = 20
_TRUTH = ("true", "false")
_WRITTEN_DATE = r"^[0-9]{1,4}[./-][0-9]{1,2}[./-][0-9]{1,4}$"
_EXACT = 2**53
_HEAD = 200  # rows that show which columns are text


@dataclass(frozen=True)
class Asked:
    """What the caller said of cells; None where it is to be found out."""

    decimal: str | None = None
    thousands: str | None = None
    missing: frozenset[str] = MISSING
    text: frozenset[Any] = frozenset()
    said_missing: frozenset[str] = frozenset()

    def named(self, names: Sequence[str]) -> Asked:
        """Give the same with columns that stay text by their names instead of their places."""
        found = (k for one in self.text for k in places(names, "text", [one]))
        return replace(self, text=frozenset(names[k] for k in found))

    @property
    def styles(self) -> list[Style]:
        """The styles of numbers that may be."""
        return [
            style
            for style in STYLES
            if self.decimal in (None, style.decimal) and self.thousands in (None, style.thousands)
        ]


@dataclass
class Evidence:
    """The decimal signs that columns of the file show beyond doubt."""

    decimals: set[str] = field(default_factory=set)
    doubts_points: bool = False
    """Whether 1.234 may be 1234, as in files with semicolons or decimal commas."""

    @property
    def decimal(self) -> str | None:
        """The one decimal sign of the file, if there is one."""
        return next(iter(self.decimals)) if len(self.decimals) == 1 else None


Where = Callable[[int], str]


class _Cells(NamedTuple):
    """A column: its cells without blanks, those of its spellings that count, how often each is.

    `gone` are the other spellings, which mean missing.
    """

    name: str
    all: pl.Series
    spelled: pl.Series
    counts: pl.Series
    gone: list[str]
    where: Where

    def known(self) -> pl.Series:
        """Give all cells, with null for what is missing."""
        if not self.gone:
            return self.all
        return self.all.set(self.all.is_in(self.gone).fill_null(value=False), None)

    def share(self, mask: pl.Series) -> float:
        """Give the part of the cells, missing ones aside, whose spelling is in `mask`."""
        part, total = float(self.counts.filter(mask).sum()), float(self.counts.sum())
        return part / total if total else 0.0

    def said(self, mask: pl.Series) -> str:
        """Say how many cells have their spelling in `mask`."""
        return f"{self.counts.filter(mask).sum() or 0:,} of {self.counts.sum():,} cells"

    def refused(self, bad: pl.Series, expected: str) -> ValueError:
        """Make the error for the first cell whose spelling is in `bad`."""
        found = self.all.is_in(self.spelled.filter(bad).to_list()).fill_null(value=False)
        row = int(found.arg_true()[0])
        return ValueError(
            f"{self.where(row)}, column {self.name!r}: expected {expected}, got "
            f"{_check.shown(self.all[row])}"
        )


def plain_numbers(
    frame: pl.DataFrame, asked: Asked, evidence: Evidence
) -> tuple[dict[str, pl.Series], pl.DataFrame]:
    """Convert the columns of text that are plain numbers without doubt, all at once.

    Returns these columns, and the others, whose blanks around cells are gone.
    """
    import polars as pl

    cells = frame.select(pl.all().str.strip_chars())
    words = sorted(asked.missing)
    likely = _likely_numbers(cells.head(_HEAD), words)
    if not likely:
        return {}, cells
    every, cells = cells, of(cells, likely)
    known = cells.select(pl.when(pl.all().is_in(words)).then(None).otherwise(pl.all()).name.keep())
    floats = known.select(pl.all().cast(pl.Float64, strict=False))
    whole = known.select(pl.all().cast(pl.Int64, strict=False))
    count = known.select(pl.all().count()).row(0)
    finite = floats.select(pl.all().is_finite().sum()).row(0)
    integers = whole.select(pl.all().count()).row(0)
    padded = known.select(pl.all().str.contains(PADDED).any()).row(0)
    found = {}
    for k, name in enumerate(likely):
        if name in asked.text or padded[k] or finite[k] != count[k] or not count[k]:
            continue
        if integers[k] == count[k]:
            found[name] = whole[name]
            continue
        if asked.decimal == "," or asked.thousands == ".":
            continue
        if evidence.doubts_points or "." not in evidence.decimals:
            if known[name].str.contains(POINT).any():
                evidence.decimals.add(".")
            elif evidence.doubts_points and known[name].str.contains(".", literal=True).any():
                continue
        found[name] = floats[name]
    return found, every.select([name for name in every.columns if name not in found])


def _likely_numbers(head: pl.DataFrame, words: list[str]) -> list[str]:
    """Name the columns whose first cells are all numbers, or missing."""
    import polars as pl

    missing = pl.all().is_in(words) | pl.all().is_null()
    good = head.select((missing | pl.all().cast(pl.Float64, strict=False).is_not_null()).all())
    return [name for name, is_good in zip(head.columns, good.row(0), strict=True) if is_good]


def decide(
    cells: pl.Series, asked: Asked, evidence: Evidence, where: Where, notes: Notes, *, last: bool
) -> pl.Series | None:
    """Give a column of text, whose blanks around cells are gone, as what it is.

    Parameters
    ----------
    cells
        The column; null where the file has nothing.
    asked
        What the caller said.
    evidence
        What other columns show; this one adds to it.
    where
        Names the place of a row in errors: "FILE: row 3".
    notes
        To what is said of the column.
    last
        Whether all other columns were decided. If not, None is returned where they may help.

    Raises
    ------
    ValueError
        If it is a column of numbers or dates, and a cell is none, or may be two.
    """
    import polars as pl

    name = cells.name
    table = cells.alias("cell").drop_nulls().to_frame()
    # In the order of the file, so that notes and errors are the same each time.
    table = table.group_by("cell", maintain_order=True).agg(pl.len().alias("n"))
    spelled, counts = table["cell"], table["n"]
    missing = spelled.is_in(sorted(asked.missing))
    gone = spelled.filter(missing).to_list()
    column = _Cells(name, cells, spelled.filter(~missing), counts.filter(~missing), gone, where)
    if name in asked.text:
        return _text(column, asked, notes)
    if not len(column.spelled):
        return pl.Series(name, [None] * len(cells), dtype=pl.Float64)
    if column.spelled.str.to_lowercase().is_in(_TRUTH).all():
        low = column.known().str.to_lowercase()
        return (low == "true").alias(name)
    dated = dates.like_dates(column.spelled)
    if column.share(dated) >= _MOSTLY:
        if not dated.all():
            raise column.refused(~dated, f"a date, as in {column.said(dated)} of the column")
        return _dates(column, asked, notes)
    return _numbers_or_text(column, asked, evidence, notes, last=last)


def _numbers_or_text(
    column: _Cells, asked: Asked, evidence: Evidence, notes: Notes, *, last: bool
) -> pl.Series | None:
    bare, signs = _bare(column.spelled)
    styles = asked.styles
    like = bare.str.contains(INFINITE)
    infinite = like
    for style in styles:
        like = like | bare.str.contains(style.pattern)
    share = column.share(like)
    if share < _MOSTLY:
        if share >= _PARTLY:
            odd = column.spelled.filter(~like)[0]
            notes.add(
                "part",
                f"column {column.name!r} is text because of cells such as {_check.shown(odd)}: "
                f"{column.said(~like)} are no numbers",
            )
        return _text(column, asked, notes)
    padded = bare.str.contains(PADDED) & like
    if padded.any():
        code = _check.shown(column.spelled.filter(padded)[0])
        notes.add("codes", f"column {column.name!r} stays text: {code} has a zero in front")
        return _text(column, asked, notes)
    if not like.all():
        remedy = f"missing= if it means missing, text=[{column.name!r}] to keep them as text"
        raise column.refused(~like, f"a number, as in {column.said(like)} of the column ({remedy})")
    if infinite.any():
        raise column.refused(infinite, "a finite number (missing= if it means missing)")
    _one_sign(column, signs)
    found = _one_style(column, bare, styles, asked, evidence, last=last)
    if found is None:
        return None
    return _converted(column, found, bool(len(signs.drop_nulls())), asked, notes)


def _bare(spelled: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Give spellings without currency and per cent, and these signs, null where there are none."""
    signs = spelled.str.extract(f"([{SIGNS}%])", 1)
    if not signs.count():
        return spelled, signs
    before = spelled.str.replace(rf"^([+-]?)[{SIGNS}]\s*", "${1}")
    behind = spelled.str.replace(rf"\s*[{SIGNS}%]$", "")
    return before.zip_with(before != spelled, behind), signs


def _one_sign(column: _Cells, signs: pl.Series) -> None:
    """Refuse two currencies, or cells with and without per cent."""
    different = signs.fill_null("").alias("sign")
    if different.n_unique() < 2:
        return
    weights = {
        sign: column.counts.filter(different == sign).sum()
        for sign in sorted(different.unique().to_list())
    }
    usual = max(weights, key=lambda sign: weights[sign])
    expected = f"a number with {usual!r}" if usual else "a number without a sign"
    raise column.refused(different != usual, f"{expected}, as in other cells of the column")


def _one_style(
    column: _Cells,
    bare: pl.Series,
    styles: list[Style],
    asked: Asked,
    evidence: Evidence,
    *,
    last: bool,
) -> tuple[Style, pl.Series] | None:
    """Find how the numbers are spelled, and spell them plainly; None if other columns may help."""
    matching = [style for style in styles if bare.str.contains(style.pattern).all()]
    if not matching:
        usual = max(styles, key=lambda style: column.share(bare.str.contains(style.pattern)))
        good = bare.str.contains(usual.pattern)
        raise column.refused(~good, f"a number spelled as {column.said(good)} ({usual})")
    readings: list[tuple[Style, pl.Series]] = []
    for style in matching:
        plain = style.plain(bare)
        if not any(plain.equals(other) for _, other in readings):
            readings.append((style, plain))
    first = matching[0]
    if len(readings) > 1 and first == Style(".") and not evidence.doubts_points:
        return readings[0]
    if len(readings) == 1:
        decimals = {style.decimal for style in matching}
        used = {sign for sign in ".," if bare.str.contains(sign, literal=True).any()}
        if len(decimals) == 1 and used and (used & decimals or len(used) == 1):
            evidence.decimals |= decimals
        return readings[0]
    if not last and asked.decimal is None:
        return None
    decimal = evidence.decimal
    fitting = [
        (style, plain)
        for style, plain in readings
        if decimal is not None and style.decimal == decimal and style.thousands != decimal
    ]
    if len(fitting) == 1:
        return fitting[0]
    mark = "," if bare.str.contains(",", literal=True).any() else "."
    may_be = bare.str.contains(mark, literal=True)
    raise column.refused(
        may_be, f"decimal= or thousands= to say which of them {mark!r} is, as both are possible"
    )


def _converted(
    column: _Cells, found: tuple[Style, pl.Series], has_sign: bool, asked: Asked, notes: Notes
) -> pl.Series:
    """Make numbers of a column whose spellings have been made plain."""
    import polars as pl

    plain = found[1]
    values = plain.cast(pl.Float64, strict=False)
    good = plain.str.contains(PLAIN) & values.is_finite().fill_null(value=False)
    if not good.all():
        raise column.refused(~good, "a finite number that float64 holds")
    if plain.str.contains(INTEGER).all():
        whole = plain.cast(pl.Int64, strict=False)
        if not whole.null_count():
            values = whole
        elif values.n_unique() < plain.n_unique():
            notes.add(
                "merged",
                f"column {column.name!r} has integers beyond 64 bits: as float64 some of them are "
                f"the same (text=[{column.name!r}] keeps them apart)",
            )
    if has_sign or not plain.equals(column.spelled):
        changed = (plain != column.spelled).arg_true()
        k = int(changed[0]) if len(changed) else 0
        shown = _check.shown(column.spelled[k])
        notes.add("spelled", f"column {column.name!r}: {shown} is read as {values[k]}")
    if plain.equals(column.spelled):
        return column.known().cast(values.dtype, strict=False)
    return column.known().replace_strict(
        column.spelled, values, default=None, return_dtype=values.dtype
    )


def _dates(column: _Cells, asked: Asked, notes: Notes) -> pl.Series:
    values, bad, zones = dates.converted(column.spelled)
    if bad.any():
        raise column.refused(bad, "a date that there is")
    if zones == "some":
        notes.add("zones", f"column {column.name!r} is text: only some of its times have a zone")
        return _text(column, asked, notes)
    if zones == "all":
        notes.add("zones", f"column {column.name!r}: times with a zone are read as UTC")
    return column.known().replace_strict(
        column.spelled, values, default=None, return_dtype=values.dtype
    )


def _text(column: _Cells, asked: Asked, notes: Notes) -> pl.Series:
    words = [word for word in column.gone if word and word not in asked.said_missing]
    if words and len(column.spelled) <= _FEW:
        spelled = column.all.is_in(words).fill_null(value=False)
        first = _check.shown(column.all.filter(spelled)[0])
        notes.add(
            "levels",
            f"column {column.name!r}: {first} is read as missing, in {spelled.sum():,} cells "
            "(not_missing= makes it a level)",
        )
    return column.known()


def without_numbers(frame: pl.DataFrame, asked: Asked) -> pl.DataFrame:
    """Give columns of numbers without those that were said to mean missing: -999 is -999.0."""
    import polars as pl

    numbers = [float(word) for word in asked.said_missing if is_number_text(word)]
    if not numbers:
        return frame
    columns = [
        pl.when(pl.col(name).is_in(numbers)).then(None).otherwise(pl.col(name)).alias(name)
        for name, dtype in frame.schema.items()
        if dtype.is_float()
    ]
    return frame.with_columns(columns)


def say_merged(frame: pl.DataFrame, notes: Notes) -> None:
    """Say which columns of integers float64 would not tell apart."""
    import polars as pl

    for column in frame.get_columns():
        if column.dtype not in (pl.Int64, pl.UInt64) or column.null_count() == len(column):
            continue
        high, low = int(column.max()), int(column.min())  # type: ignore[arg-type]
        if max(high, -low) > _EXACT and column.n_unique() > column.cast(pl.Float64).n_unique():
            notes.add(
                "merged",
                f"column {column.name!r} has integers beyond 2**53 that are the same as float64 "
                f"(text=[{column.name!r}] keeps them apart)",
            )


def of(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Give some columns of a frame; polars' own `select` takes long if they are very many."""
    import polars as pl

    if frame.columns == names:
        return frame
    columns = dict(zip(frame.columns, frame.get_columns(), strict=True))
    return pl.DataFrame([columns[name] for name in names])
