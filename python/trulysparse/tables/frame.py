"""Tables of other libraries as frames of pandas or polars."""

from __future__ import annotations

from typing import Any

from trulysparse.data import frames
from trulysparse.data.numeric import is_query, refuse_sparse


def is_table(x: Any) -> bool:
    """Whether this is a frame, or has the Arrow PyCapsule interface."""
    return frames.is_frame(x) or hasattr(type(x), "__arrow_c_stream__")


def of_a_row(x: Any) -> str:
    """Say how a row becomes a frame, if this may be one."""
    if isinstance(x, dict):
        return "; pandas.DataFrame([row]) makes one of a dict"
    if hasattr(x, "iloc") or type(x).__name__ == "Series":
        return "; a row is one as frame.iloc[[0]], or frame[0:1]"
    return ""


def as_frame(name: str, x: Any) -> Any:
    """Give a frame of pandas or polars.

    Raises
    ------
    TypeError
        If it is no table.
    ImportError
        If it is one of Arrow, and neither library is there that reads these.
    """
    if is_query(x):
        raise TypeError(f"{name} is a LazyFrame: expected a DataFrame (collect() it first)")
    if frames.is_frame(x):
        refuse_sparse(name, x)
        return x
    if not hasattr(type(x), "__arrow_c_stream__") or getattr(x, "ndim", 2) == 1:
        raise TypeError(
            f"{name} is a {type(x).__name__}: expected a frame of pandas or polars, or an Arrow "
            f"table{of_a_row(x)}"
        )
    try:
        import polars
    except ImportError:
        pass
    else:
        return polars.DataFrame(x)
    if hasattr(x, "to_pandas"):  # of pyarrow
        return x.to_pandas()
    raise ImportError(
        f"{name} is an Arrow table of {type(x).__module__}: pip install 'trulysparse[tables]'"
    )
