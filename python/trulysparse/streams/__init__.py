"""Samples in files that are larger than memory, read by blocks of rows.

Read first ``rows``, the `RowBlocks` that users hold; then ``source``, what blocks are read from;
``opening``, which finds the source of a path; and ``reader``, which mixes rows and reads ahead.
"""

from trulysparse.streams.opening import open_table
from trulysparse.streams.rows import RowBlocks, as_rows, is_on_disk

__all__ = ["RowBlocks", "as_rows", "is_on_disk", "open_table"]
