"""Tables of other libraries as frames of pandas or polars."""

from __future__ import annotations

from typing import Any

from trulysparse.data import frames
from trulysparse.data.numeric import is_query, refuse_sparse


def is_table(x: Any) -> bool:
    """Whether this is a frame, or has the Arrow PyCapsule interface."""
    return frames.is_frame(x) or hasattr(type(x), "__arrow_c_stream__")


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
    frames.refuse_no_table(name, x)
    if frames.is_frame(x):
        refuse_sparse(name, x)
        return x
    if not hasattr(type(x), "__arrow_c_stream__"):
        raise TypeError(
            f"{name} is a {type(x).__name__}: expected a frame of pandas or polars, or an Arrow "
            "table"
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
