"""Readers of tables in files: text with separators, Parquet, NumPy's and SciPy's .npz, libsvm's."""

from trulysparse.readers.numbers import MISSING
from trulysparse.readers.read import read_table
from trulysparse.readers.table import Table

__all__ = ["MISSING", "Table", "read_table"]
