"""Data sets from OpenML, through scikit-learn, which keeps what it has downloaded."""

from __future__ import annotations

import importlib.util
import socket
import sys
import warnings
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from trulysparse.data.readers import Array

# Seconds without an answer; scikit-learn sets no limit, and would wait on a dead connection.
TIMEOUT = 20.0


def fetch(
    what: str,
    size: str,
    advice: str,
    *,
    shape: tuple[int, int],
    name: str | None = None,
    **which: Any,
) -> tuple[Array, npt.NDArray[np.int64]]:
    """Fetch features as OpenML has them, and labels as int64.

    Parameters
    ----------
    what, size
        The data set and the size of its download, for print.
    advice
        How else to get the data, for the error.
    shape
        Rows that are needed at least, and columns.
    name, which
        For ``fetch_openml``.

    Raises
    ------
    FileNotFoundError
        If OpenML does not answer, or with an error.
    ValueError
        If it has other rows, columns or labels than expected.
    """
    x, target = _ask(what, size, advice, name=name, **which)
    try:
        y = target.astype(np.float64)
    except (TypeError, ValueError):
        y = np.full(target.shape, np.nan)
    if (
        x.ndim != 2
        or len(x) < shape[0]
        or x.shape[1] != shape[1]
        or y.shape != x.shape[:1]
        or not (y == np.rint(y)).all()
    ):
        raise ValueError(
            f"OpenML's {what}: expected {shape[0]} rows of {shape[1]} numbers and a whole number "
            f"as the label of each, got x {x.shape} and y {target.dtype} {target.shape}"
        )
    return x, y.astype(np.int64)


def _ask(what: str, size: str, advice: str, **which: Any) -> tuple[Array, Array]:
    """Ask OpenML for features and labels, as it has them."""
    from http.client import HTTPException

    from sklearn.datasets import fetch_openml

    print(f"asking OpenML for {what} ({size}, kept for the next time) ...", file=sys.stderr)
    # pandas reads it faster, but is no dependency of ours.
    parser = "auto" if importlib.util.find_spec("pandas") else "liac-arff"
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a second try, and of newer versions
            found = fetch_openml(as_frame=False, parser=parser, n_retries=1, **which)
    except (
        OSError,
        ValueError,
        KeyError,
        EOFError,
        HTTPException,
        zlib.error,
    ) as error:
        raise FileNotFoundError(
            f"{what} was not found: {advice} (asking OpenML for it failed too: {error})"
        ) from None  # the frames below are scikit-learn's and urllib's, some 80 lines
    finally:
        socket.setdefaulttimeout(before)
    return np.asarray(found.data), np.asarray(found.target)
