"""The format of libsvm and svmlight: a label and pairs of index and value in each line."""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np
import scipy

from trulysparse.readers.notes import Notes
from trulysparse.readers.table import Table

_NUMBER = rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_VALUE = rb"(?:" + _NUMBER + rb"|[+-]?(?i:nan))"
_LABELS = rb"(?:" + _VALUE + rb"(?:,[+-]?[0-9]+(?:\.0*)?)*)?"
_LINE = re.compile(_LABELS + rb"(?:[ \t]+qid:[0-9]+)?(?:[ \t]+[0-9]+:" + _VALUE + rb")*[ \t]*\r?")
_LARGEST = 2**31 - 1


def read(path: str, data: bytes, wanted: dict[str, Any]) -> Table:
    """Read a file of libsvm; several labels in a line make a list of tuples of them."""
    from trulysparse.readers.npz import check_finite, refuse_choices

    refuse_choices(path, wanted)
    if isinstance(wanted["label"], str):
        raise ValueError(f"{path} has no column {wanted['label']!r}: its labels come first")
    rows, multi, ranked = _checked(path, data)
    x, y, queries = _loaded(path, data, multi=multi)
    matrix = scipy.sparse.csr_array(x)
    if matrix.shape[0] != len(rows):
        raise ValueError(f"{path}: {matrix.shape[0]} rows were read, expected {len(rows)}")
    check_finite(path, "a value", matrix.data)
    notes = Notes()
    if ranked:
        notes.say("`ids` are the queries (qid)")
    if not multi and y.size and (y == np.trunc(y)).all() and not np.isnan(y).any():
        y = y.astype(np.int64) if (abs(y) < 2.0**53).all() else y
    names = tuple(f"column_{k + 1}" for k in range(matrix.shape[1]))
    has_label = wanted["label"] is not False
    return Table(
        matrix,
        y if has_label else None,
        queries if ranked else None,
        names,
        "label" if has_label else None,
        tuple(notes.sentences()),
        rows,
    )


def _loaded(path: str, data: bytes, *, multi: bool) -> tuple[Any, Any, Any]:
    from sklearn.datasets import load_svmlight_file

    try:
        found: tuple[Any, Any, Any] = load_svmlight_file(
            io.BytesIO(data), dtype=np.float64, multilabel=multi, query_id=True
        )
        return found
    except MemoryError:
        raise
    except Exception as error:  # of damage it raises several kinds
        raise ValueError(f"{path}: not a readable libsvm file ({error})") from None


def _checked(path: str, data: bytes) -> tuple[list[int], bool, bool]:
    """Check each line, as Python's own numbers have spellings such as 1_000.

    Returns the number of each line that is a row, whether rows have several labels, and whether
    they belong to queries.
    """
    rows, multi, ranked = [], False, False
    for number, line in enumerate(data.split(b"\n"), 1):
        plain = line.partition(b"#")[0]
        if not plain.strip():
            continue
        plain = plain.lstrip(b" \t") if b":" not in plain.split()[0] else plain
        if not _LINE.fullmatch(plain):
            shown = plain[:60].decode(errors="replace")
            raise ValueError(
                f"{path}: row {number}: expected a label and pairs index:value, got {shown!r}"
            )
        label = b"" if b":" in plain.split()[0] else plain.split()[0]
        multi = multi or b"," in label or not label
        ranked = ranked or b"qid:" in plain
        places = [int(pair.partition(b":")[0]) for pair in plain.split()[1:] if pair[:1] != b"q"]
        if places and max(places) > _LARGEST:
            raise ValueError(f"{path}: row {number}: expected indices below {_LARGEST}")
        rows.append(number)
    if not rows:
        raise ValueError(f"{path}: expected rows, there are none")
    return rows, multi, ranked
