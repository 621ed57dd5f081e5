"""Files of one known table, spelled in drawn dialects."""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import random
from dataclasses import dataclass
from typing import Any

ROWS = 40


def table(seed: int, *, plain: bool) -> dict[str, list[Any]]:
    """Draw a table of every kind of column, some of whose cells are missing.

    With `plain`, text has no blanks and letters of ASCII only.
    """
    draw = random.Random(seed)
    words = ["red", "green", "blue"] if plain else ["red", "dark green", "blue", "bleu café"]
    texts = ["a;b", "c,d", "e|f", 'say "hi"', "two\nlines", "tab\tbed", "plain", "Müller, Jörg"]
    start = datetime.date(2019, 1, 28)
    columns: dict[str, list[Any]] = {
        "size": [round(draw.uniform(-50, 50), draw.choice([1, 2, 4])) + 0.0 for _ in range(ROWS)],
        "count": [draw.randrange(-3, 900) for _ in range(ROWS)],
        "income": [round(draw.uniform(0.5, 3e6), 2) for _ in range(ROWS)],
        "color": [draw.choice(words) for _ in range(ROWS)],
        "paid": [draw.random() < 0.5 for _ in range(ROWS)],
        "day": [start + datetime.timedelta(draw.randrange(900)) for _ in range(ROWS)],
        "code": [f"{draw.randrange(9):03d}" for _ in range(ROWS)],
        "rate": [round(draw.uniform(0, 100), 1) for _ in range(ROWS)],
    }
    if not plain:
        columns["remark"] = [draw.choice(texts) for _ in range(ROWS)]
    for name in ("size", "count", "color", "income", "day", "paid"):
        for i in draw.sample(range(1, ROWS), 4):
            columns[name][i] = None
    columns["kind"] = [draw.choice(["in", "out"]) for _ in range(ROWS)]
    return columns


@dataclass
class Dialect:
    """How a file is spelled."""

    separator: str = ","
    decimal: str = "."
    thousands: str = ""
    header: bool = True
    encoding: str = "utf-8"
    newline: str = "\n"
    quote_all: bool = False
    percent: str = ""
    currency: tuple[str, str] = ("", "")
    missing: str = ""
    padding: str = ""
    comments: int = 0
    titles: int = 0
    blank_lines: int = 0
    trailing: bool = False
    index: bool = False
    true: str = "true"
    packed: bool = False
    inner_comments: bool = False

    @property
    def is_blanks(self) -> bool:
        """Whether columns are separated by runs of blanks."""
        return self.separator == " "


def draw(seed: int) -> Dialect:
    """Draw a dialect that a program may write."""
    rng = random.Random(1000 + seed)
    separator = [",", ";", "\t", "|", " "][seed % 5]
    decimal = "." if separator == "," and rng.random() < 0.5 else rng.choice(".,")
    thousands = rng.choice(["", ".", ",", "'", " ", "\u00a0"])
    if thousands == decimal:
        thousands = ""
    is_blanks = separator == " "
    if is_blanks and thousands.isspace():
        thousands = ""
    packed = rng.random() < 0.2
    encoding = rng.choice(["utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252"])
    currency = rng.choice([("", ""), ("", ""), ("$", ""), ("€ ", ""), ("", " €"), ("£", "")])
    if is_blanks:
        currency = (currency[0].strip(), currency[1].strip())
    return Dialect(
        separator,
        decimal,
        thousands,
        header=rng.random() < 0.8,
        encoding=encoding,
        newline=rng.choice(["\n", "\n", "\r\n", "\r"]),
        quote_all=rng.random() < 0.25,
        percent=rng.choice(["", "%", "" if is_blanks else " %"]),
        currency=currency,
        missing=rng.choice(
            ["NA", "?", "NULL", "nan"] if is_blanks else ["", "", "NA", "?", "None", "-"]
        ),
        padding=" " if rng.random() < 0.2 and separator in ",;|" else "",
        comments=rng.choice([0, 0, 0, 2]),
        titles=0 if is_blanks else rng.choice([0, 0, 0, 1, 2]),
        blank_lines=rng.choice([0, 0, 1]),
        trailing=not is_blanks and rng.random() < 0.15,
        index=rng.random() < 0.2,
        true=rng.choice(["true", "True", "TRUE"]),
        packed=packed,
        inner_comments=rng.random() < 0.15,
    )


def spelled(value: float, dialect: Dialect, *, grouped: bool = False) -> str:
    """Spell a number."""
    text = repr(value)
    whole, _, part = text.partition(".")
    if grouped and dialect.thousands:
        whole = f"{int(whole):,}".replace(",", dialect.thousands)
    return whole + (dialect.decimal + part if part else "")


def _cell(name: str, value: Any, dialect: Dialect) -> str:
    if value is None:
        return dialect.missing
    if name == "income":
        before, behind = dialect.currency
        return before + spelled(value, dialect, grouped=True) + behind
    if name == "rate":
        return spelled(value, dialect) + dialect.percent
    if isinstance(value, bool):
        return (
            dialect.true
            if value
            else {"true": "false", "True": "False", "TRUE": "FALSE"}[dialect.true]
        )
    if isinstance(value, float):
        return spelled(value, dialect)
    return str(value)


def write(columns: dict[str, list[Any]], dialect: Dialect) -> bytes:
    """Write a table as bytes of a file."""
    names, rows = list(columns), list(zip(*columns.values(), strict=True))
    lines = [[_cell(n, v, dialect) for n, v in zip(names, row, strict=True)] for row in rows]
    if dialect.index:
        names = ["", *names] if not dialect.is_blanks else names
        lines = [[str(i), *line] for i, line in enumerate(lines)]
    if dialect.trailing:
        names, lines = [*names, ""], [[*line, ""] for line in lines]
    if dialect.header:
        lines.insert(0, names)
    text = io.StringIO(newline="")
    text.write("\n" * dialect.blank_lines)
    text.writelines(f"# comment {k}\n" for k in range(dialect.comments))
    if dialect.header:
        text.writelines(f"Report {k}\n" for k in range(dialect.titles))
    quoting = csv.QUOTE_ALL if dialect.quote_all else csv.QUOTE_MINIMAL
    writer = csv.writer(text, delimiter=dialect.separator, quoting=quoting, lineterminator="\n")
    for k, line in enumerate(lines):
        if dialect.inner_comments and k == 17:
            text.write("# in between\n")
        if (
            dialect.padding
            and not any(set('"\n') & set(cell) for cell in line)
            and not dialect.quote_all
        ):
            text.write((dialect.separator + dialect.padding).join(map(_safe(dialect), line)) + "\n")
        elif dialect.is_blanks and not dialect.quote_all:
            text.write("  ".join(line) + "\n")
        else:
            writer.writerow(line)
    found = text.getvalue()
    if dialect.newline != "\n":
        # Not within cells, which keep theirs.
        found = "".join(_ends(found, dialect.newline))
    data = found.encode(dialect.encoding)
    return gzip.compress(data, mtime=0) if dialect.packed else data


def _safe(dialect: Dialect):
    return lambda cell: f'"{cell}"' if dialect.separator in cell else cell


def _ends(text: str, newline: str):
    within = False
    for char in text:
        within ^= char == '"'
        yield newline if char == "\n" and not within else char


def expected(columns: dict[str, list[Any]], dialect: Dialect) -> dict[str, list[Any]]:
    """Give what is to be read."""
    found = dict(columns)
    if not dialect.header:
        shift = 2 if dialect.index else 1
        found = {f"column_{k + shift}": v for k, v in enumerate(columns.values())}
    return found
