"""Matrix Market's .mtx, in which SciPy and single-cell tools write sparse matrices."""

from __future__ import annotations

import io
from typing import Any

from trulysparse import _core
from trulysparse.readers.notes import Notes
from trulysparse.readers.npz import check_finite, refuse_choices
from trulysparse.readers.table import Table


def read(path: str, data: bytes, wanted: dict[str, Any]) -> Table:
    """Read a matrix without labels: sparse as CSR, dense as an array."""
    import scipy.io
    import scipy.sparse

    refuse_choices(path, wanted)
    if isinstance(wanted["label"], str):
        raise ValueError(f"{path} is one matrix, without label={wanted['label']!r}")
    try:
        rows, columns, _, layout, kind, _ = scipy.io.mminfo(io.BytesIO(data))
        if kind == "complex":
            raise ValueError("its numbers are complex")
        most = _core.available_memory()
        if 0 in (rows, columns) or (layout == "array" and rows * columns > len(data)):
            raise ValueError(f"it has {rows} x {columns} cells in {len(data)} bytes")
        if most is not None and 8 * max(rows, columns) > most:
            raise ValueError(f"{rows} x {columns} is more than the free memory holds")
        matrix = scipy.io.mmread(io.BytesIO(data))
    except MemoryError:
        raise
    except Exception as error:  # of damage it raises several kinds
        raise ValueError(f"{path}: not a readable Matrix Market file ({error})") from None
    matrix = matrix.T if wanted["transpose"] else matrix
    notes = Notes()
    if scipy.sparse.issparse(matrix):
        matrix = scipy.sparse.csr_array(matrix)
        check_finite(path, "a value", matrix.data)
    else:
        check_finite(path, "the matrix", matrix)
    if not wanted["transpose"]:
        notes.say("the rows of the matrix are samples (transpose=True if its columns are)")
    names = tuple(f"column_{k + 1}" for k in range(matrix.shape[1]))
    rows = range(1, matrix.shape[0] + 1)
    return Table(matrix, None, None, names, None, tuple(notes.sentences()), rows)
