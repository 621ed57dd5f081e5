"""Values of which an argument can be made: 150 kinds, most of them wrong in most places."""

from __future__ import annotations

import array
import collections
import datetime
import decimal
import enum
import fractions
import io
import itertools
import pathlib
import tempfile
import types
import uuid
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp

ROWS, COLUMNS = 12, 6


class Own(Exception):
    """It comes out as it is."""


def raising(*methods: str) -> Any:
    """An object whose methods raise."""

    def fails(*_: Any, **__: Any) -> Any:
        raise Own("of the object")

    return type("Raising", (), dict.fromkeys(methods, fails))()


def lying(**methods: Any) -> Any:
    """An object whose methods give these values."""
    of = {f"__{name}__": (lambda *_, v=value, **__: v) for name, value in methods.items()}
    return type("Lying", (), of)()


class Text(str):
    """Text of a class of the user."""


class Whole(int):
    """A number of a class of the user."""


class Color(enum.Enum):
    """An enumeration."""

    RED = 1


def table(dtype: Any = np.float64) -> np.ndarray:
    return np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS).astype(dtype)


def with_one(value: Any, dtype: Any = np.float64) -> np.ndarray:
    """A table of numbers but one."""
    made = table(dtype)
    made[3, 2] = value
    return made


def labels(*last: Any) -> np.ndarray:
    """Objects, the last of which are given."""
    made = np.empty(ROWS, object)
    made[:] = [i % 2 for i in range(ROWS)]
    made[ROWS - len(last) :] = last
    return made


def csr(**parts: Any) -> Any:
    """A sparse table of which parts are replaced."""
    made = sp.csr_array(table())
    for name, value in parts.items():
        setattr(made, name, value)
    return made


def nested(depth: int) -> Any:
    made: Any = 1
    for _ in range(depth):
        made = [made]
    return made


def itself() -> Any:
    made: list[Any] = []
    made.append(made)
    return made


def closed() -> Any:
    file = io.StringIO()
    file.close()
    return file


# Made anew for each trial: iterators can be read once, and arrays can be changed.
KINDS: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "ellipsis": lambda: ...,
    "not implemented": lambda: NotImplemented,
    "true": lambda: True,
    "false": lambda: False,
    "numpy's true": lambda: np.True_,
    "zero": lambda: 0,
    "one": lambda: 1,
    "minus one": lambda: -1,
    "seven": lambda: 7,
    "2**31": lambda: 2**31,
    "2**32": lambda: 2**32,
    "2**53 + 1": lambda: 2**53 + 1,
    "2**63": lambda: 2**63,
    "2**64": lambda: 2**64,
    "-2**63": lambda: -(2**63),
    "10**30": lambda: 10**30,
    "10**400": lambda: 10**400,
    "-10**400": lambda: -(10**400),
    "half": lambda: 0.5,
    "minus zero": lambda: -0.0,
    "minus half": lambda: -0.5,
    "seven and a half": lambda: 7.5,
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "-inf": lambda: -float("inf"),
    "1e300": lambda: 1e300,
    "1e39": lambda: 1e39,
    "1e-300": lambda: 1e-300,
    "5e-324": lambda: 5e-324,
    "1e-46": lambda: 1e-46,
    "float16 nan": lambda: np.float16("nan"),
    "long double": lambda: np.longdouble("1e400"),
    "uint8": lambda: np.uint8(255),
    "int8": lambda: np.int8(-128),
    "uint64": lambda: np.uint64(2**64 - 1),
    "complex": lambda: 1 + 2j,
    "complex without": lambda: 1 + 0j,
    "complex64": lambda: np.complex64(1),
    "decimal": lambda: decimal.Decimal("0.1"),
    "decimal nan": lambda: decimal.Decimal("nan"),
    "decimal huge": lambda: decimal.Decimal("1e400"),
    "fraction": lambda: fractions.Fraction(1, 3),
    "own integer": lambda: Whole(3),
    "enumeration": lambda: Color.RED,
    "empty text": lambda: "",
    "text": lambda: "text",
    "one as text": lambda: "1",
    "nan as text": lambda: "nan",
    "auto": lambda: "auto",
    "own text": lambda: Text("auto"),
    "zero byte": lambda: "a\0b",
    "escape": lambda: "\x1b[2J",
    "surrogate": lambda: "\ud800",
    "right to left": lambda: "\u202eabc",
    "long text": lambda: "x" * 100_000,
    "full width": lambda: "\uff11",
    "blanks": lambda: "  ",
    "numpy text": lambda: np.str_("text"),
    "bytes": lambda: b"text",
    "bytearray": lambda: bytearray(b"\0\1"),
    "memory": lambda: memoryview(b"text"),
    "path": lambda: pathlib.Path("/nowhere/at all"),
    "folder": lambda: pathlib.Path(tempfile.mkdtemp()),
    "device": lambda: "/dev/null/x",
    "file": io.StringIO,
    "closed file": closed,
    "empty list": list,
    "empty tuple": tuple,
    "empty dictionary": dict,
    "empty set": set,
    "list of none": lambda: [None],
    "list of nan": lambda: [float("nan")] * ROWS,
    "list of text": lambda: ["a"] * ROWS,
    "ragged": lambda: [[1], [1, 2]],
    "deep": lambda: nested(200),
    "very deep": lambda: nested(100_000),
    "itself": itself,
    "set": lambda: {1, 2},
    "dictionary": lambda: {1: 2},
    "dictionary of text": lambda: {"a": "b"},
    "dictionary of nan": lambda: {float("nan"): 1},
    "dictionary of classes": lambda: {0: 1, 1: -1},
    "deque": lambda: collections.deque([1, 2]),
    "range": lambda: range(3),
    "generator": lambda: (i for i in range(3)),
    "counting without end": itertools.count,
    "counting to ten": lambda: itertools.repeat(1, 10),
    "iterator of text": lambda: iter(["a"]),
    "iterator of pairs": lambda: iter([(1, 2)]),
    "named tuple": lambda: collections.namedtuple("Pair", "a b")(1, 2),
    "namespace": lambda: types.SimpleNamespace(shape=(12, 6)),
    "object": object,
    "class": lambda: int,
    "function": lambda: len,
    "lambda": lambda: lambda *_: 1,
    "module": lambda: types,
    "error": lambda: ValueError("x"),
    "uuid": lambda: uuid.UUID(int=1),
    "date": lambda: datetime.date(2020, 1, 1),
    "time": lambda: datetime.datetime(2020, 1, 1),
    "duration": lambda: datetime.timedelta(1),
    "numpy time": lambda: np.datetime64("2020-01-01"),
    "numpy duration": lambda: np.timedelta64(3, "D"),
    "no time": lambda: np.datetime64("NaT"),
    "record": lambda: np.void(b"ab"),
    "masked constant": lambda: np.ma.masked,
    "array.array": lambda: array.array("d", range(ROWS)),
    "0-d": lambda: np.array(1.0),
    "0-d nan": lambda: np.array(np.nan),
    "0-d text": lambda: np.array("auto"),
    "0-d object": lambda: np.array(None),
    "0-d masked": lambda: np.ma.array(1, mask=True),
    "(0,)": lambda: np.empty(0),
    "(1,)": lambda: np.ones(1),
    "(12,)": lambda: np.ones(ROWS),
    "(11,)": lambda: np.ones(ROWS - 1),
    "(12, 6)": table,
    "(6, 12)": lambda: table().T,
    "(11, 6)": lambda: table()[1:],
    "(12, 5)": lambda: table()[:, 1:],
    "(0, 6)": lambda: table()[:0],
    "(12, 0)": lambda: table()[:, :0],
    "(12, 1)": lambda: table()[:, :1],
    "(1, 6)": lambda: table()[:1],
    "(12, 6, 1)": lambda: table()[:, :, None],
    "32 axes": lambda: np.ones((1,) * 32),
    "(2**40,)": lambda: np.broadcast_to(np.float32(1), 2**40),
    "table nan": lambda: with_one(np.nan),
    "table inf": lambda: with_one(np.inf),
    "table -inf": lambda: with_one(-np.inf),
    "table 1e300": lambda: with_one(1e300),
    "table -3e38": lambda: with_one(-3e38),
    "table 1e-310": lambda: table() * 1e-310,
    "table of one number": lambda: np.ones((ROWS, COLUMNS)),
    "table float16": lambda: table(np.float16),
    "table long double": lambda: table(np.longdouble),
    "table complex": lambda: table(complex),
    "table bool": lambda: table(bool),
    "table uint64": lambda: with_one(2**64 - 1, np.uint64),
    "table int64": lambda: with_one(-(2**63), np.int64),
    "table big endian": lambda: table(">f8"),
    "table text": lambda: table(str),
    "table bytes": lambda: table(bytes),
    "table objects": lambda: table(object),
    "table none": lambda: with_one(None, object),
    "table object text": lambda: with_one("a", object),
    "table objects in": lambda: with_one([1, 2], object),
    "table times": lambda: table("M8[s]"),
    "table no time": lambda: with_one("NaT", "M8[s]"),
    "table durations": lambda: table("m8[s]"),
    "table Fortran": lambda: np.asfortranarray(table()),
    "table backwards": lambda: table()[::-1, ::-1],
    "table repeated": lambda: np.broadcast_to(1.0, (ROWS, COLUMNS)),
    "table unaligned": lambda: (
        np.frombuffer(b"\0" * (1 + 8 * ROWS * COLUMNS), np.uint8)[1:]
        .view(np.float64)
        .reshape(ROWS, COLUMNS)
    ),
    "table masked": lambda: np.ma.masked_greater(table(), 50),
    "matrix": lambda: np.matrix(table()),
    "records": lambda: np.zeros(ROWS, [("a", float), ("b", int)]),
    "classes negative": lambda: -np.arange(ROWS),
    "classes huge": lambda: np.arange(ROWS) * 2**50,
    "classes half": lambda: np.arange(ROWS) / 2,
    "classes nan": lambda: labels(float("nan")),
    "classes none": lambda: labels(None),
    "classes mixed": lambda: labels("a", 1.5),
    "classes tuples": lambda: labels((1, 2), (3, 4)),
    "classes bytes": lambda: np.array([b"a", b"b"] * 6),
    "classes one": lambda: np.zeros(ROWS, int),
    "classes all": lambda: np.arange(ROWS),
    "weights zero": lambda: np.zeros(ROWS),
    "weights negative": lambda: -np.ones(ROWS),
    "weights extreme": lambda: np.geomspace(1e-300, 1e300, ROWS),
    "csr": csr,
    "csc": lambda: csr().tocsc(),
    "coo": lambda: csr().tocoo(),
    "dok": lambda: csr().todok(),
    "csr nan": lambda: csr(data=np.full(71, np.nan)),
    "csr inf": lambda: csr(data=np.full(71, -np.inf)),
    "csr 1e300": lambda: csr(data=np.full(71, 1e300)),
    "csr complex": lambda: csr(data=np.full(71, 1j)),
    "csr bool": lambda: csr().astype(bool),
    "csr empty": lambda: sp.csr_array((ROWS, COLUMNS)),
    "csr (6, 12)": lambda: csr().T.tocsr(),
    "csr (0, 6)": lambda: sp.csr_array((0, COLUMNS)),
    "csr (12, 0)": lambda: sp.csr_array((ROWS, 0)),
    "csr (1, 2**40)": lambda: sp.csr_array((1, 2**40)),
    "coo twice": lambda: sp.coo_array(([1.0, 2.0], ([0, 0], [1, 1])), shape=(ROWS, COLUMNS)),
    "coo (12,)": lambda: sp.coo_array(np.ones(ROWS)),
    "csr objects": lambda: csr(data=np.full(71, None)),
    "list of csr": lambda: [csr()],
    "list of tables": lambda: [table(), table()],
    "raises __array__": lambda: raising("__array__"),
    "raises __iter__": lambda: raising("__iter__"),
    "raises __len__": lambda: raising("__len__", "__getitem__"),
    "raises __index__": lambda: raising("__index__"),
    "raises __float__": lambda: raising("__float__"),
    "raises __bool__": lambda: raising("__bool__"),
    "raises __eq__": lambda: raising("__eq__", "__hash__"),
    "raises __getattr__": lambda: raising("__getattr__"),
    "raises __call__": lambda: raising("__call__"),
    "raises __repr__": lambda: raising("__repr__", "__str__"),
    "raises __fspath__": lambda: raising("__fspath__"),
    "raises __class__": lambda: raising("__instancecheck__", "__next__"),
    "lies __array__": lambda: lying(array=[1]),
    "lies __len__": lambda: lying(len=2**62, getitem=1.0),
    "lies __index__": lambda: lying(index=2**70),
    "lies __float__": lambda: lying(float=float("nan")),
    "lies __iter__": lambda: lying(iter=3),
    "lies __fspath__": lambda: lying(fspath=3),
    "lies __repr__": lambda: lying(repr=3),
    "lies shape": lambda: type("S", (), {"shape": (ROWS, COLUMNS), "dtype": "x"})(),
    "lies interface": lambda: type(
        "A",
        (),
        {
            "__array_interface__": {
                "shape": (2**50,),
                "typestr": "<f8",
                "data": (0, True),
                "version": 3,
            }
        },
    )(),
    "lies tocsr": lambda: type("T", (), {"tocsr": 1, "shape": (ROWS, COLUMNS)})(),
}


def frames() -> dict[str, Callable[[], Any]]:
    """Kinds of pandas; none without it."""
    try:
        import pandas as pd
    except ImportError:
        return {}

    def frame(column: Any) -> Any:
        made = pd.DataFrame(table(), columns=list("abcdef"))
        made["c"] = column
        return made

    text = ["x", "y"] * (ROWS // 2)
    return {
        "frame": lambda: frame(1.0),
        "frame text": lambda: frame(text),
        "frame objects": lambda: frame(np.array([None, 1] * 6)),
        "frame categories": lambda: frame(pd.Categorical(text)),
        "frame NA": lambda: frame(pd.array([1, None] * 6, "Int64")),
        "frame times": lambda: frame(pd.date_range("2020", periods=ROWS)),
        "frame NaT": lambda: frame([pd.NaT] * ROWS),
        "frame zones": lambda: frame(pd.date_range("2020", periods=ROWS, tz="UTC")),
        "frame periods": lambda: frame(pd.period_range("2020", periods=ROWS)),
        "frame intervals": lambda: frame(pd.interval_range(0, ROWS)),
        "frame twice": lambda: frame(1.0).set_axis(list("aabbcc"), axis=1),
        "frame numbered": lambda: pd.DataFrame(table()),
        "frame levels": lambda: frame(1.0).set_axis(
            pd.MultiIndex.from_product([[1, 2], [1, 2, 3]]), axis=1
        ),
        "frame sparse": lambda: pd.DataFrame.sparse.from_spmatrix(sp.csr_matrix(table())),
        "frame empty": pd.DataFrame,
        "frame (6, 12)": lambda: frame(1.0).T,
        "series": lambda: pd.Series(range(ROWS)),
        "series text": lambda: pd.Series(text),
        "series NA": lambda: pd.Series(pd.array([1, None] * 6, "Int64")),
        "series bool NA": lambda: pd.Series(pd.array([True, None] * 6, "boolean")),
        "series categories": lambda: pd.Series(text, dtype="category"),
        "series empty": lambda: pd.Series(dtype=float),
        "series times": lambda: pd.Series(pd.date_range("2020", periods=ROWS)),
        "index": lambda: pd.Index(text),
        "NA": lambda: pd.NA,
        "NaT": lambda: pd.NaT,
        "timestamp": lambda: pd.Timestamp("2020"),
        "interval": lambda: pd.Interval(0, 1),
    }
