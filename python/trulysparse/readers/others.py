"""Files of other tools, which are refused with a word on what reads them."""

from __future__ import annotations

import json
import re

_FRAME = ", and fit on that frame, or save it as .parquet"
_SHEET = f"a spreadsheet: read it with pandas.read_excel(path){_FRAME}"
_HDF = f"an HDF5 file: read it with pandas.read_hdf(path){_FRAME}"
_STATA = f"a file of Stata: read it with pandas.read_stata(path){_FRAME}"
_SAS = f"a file of SAS: read it with pandas.read_sas(path){_FRAME}"
_SPSS = f"a file of SPSS: read it with pandas.read_spss(path){_FRAME}"
_R = "a file of R: save it there with write.csv(x, 'table.csv')"
_PICKLE = f"a pickle: read it with pandas.read_pickle(path), if you trust who wrote it{_FRAME}"
_JSON = f"JSON: read it with pandas.read_json(path){_FRAME}"
_LINES = f"JSON: read it with pandas.read_json(path, lines=True){_FRAME}"
_ARFF = (
    "an ARFF file: read it with sklearn.datasets.fetch_openml(name, as_frame=True) if it is of "
    "OpenML, else with pandas.DataFrame(scipy.io.arff.loadarff(path)[0])" + _FRAME
)
_SQL = f"a database of SQLite: read it with pandas.read_sql(query, connection){_FRAME}"
_ORC = f"an ORC file: read it with pandas.read_orc(path){_FRAME}"
_AVRO = f"an Avro file: read it with polars.read_avro(path){_FRAME}"
_H5AD = (
    "an AnnData file: read it with anndata.read_h5ad(path), and fit on its .X with a column of its "
    ".obs as labels"
)
_MATLAB = "a file of MATLAB: read it with scipy.io.loadmat(path), and fit on its arrays"
_TAR = "an archive of files: unpack it, and give one of them"
_WEB = f"a page of the web: read its tables with pandas.read_html(path){_FRAME}"

BY_NAME = {
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".xlsb", ".ods"), _SHEET),
    **dict.fromkeys((".h5", ".hdf5", ".hdf"), _HDF),
    **dict.fromkeys((".sas7bdat", ".xpt"), _SAS),
    **dict.fromkeys((".sav", ".zsav", ".por"), _SPSS),
    **dict.fromkeys((".rds", ".rda", ".rdata"), _R),
    **dict.fromkeys((".pkl", ".pickle"), _PICKLE),
    **dict.fromkeys((".jsonl", ".ndjson"), _LINES),
    **dict.fromkeys((".sqlite", ".sqlite3", ".db"), _SQL),
    **dict.fromkeys((".htm", ".html"), _WEB),
    **dict.fromkeys((".tar", ".tgz"), _TAR),
    ".dta": _STATA,
    ".json": _JSON,
    ".arff": _ARFF,
    ".orc": _ORC,
    ".avro": _AVRO,
    ".h5ad": _H5AD,
    ".mat": _MATLAB,
}
"""What is said of files by the ends of their names."""

_BY_START = (
    (b"PAR1", "a Parquet file: its name has to end in .parquet"),
    (b"ARROW1", "an Arrow file: its name has to end in .arrow"),
    (b"FEA1", "a Feather file of version 1"),
    (b"\x93NUMPY", "an array of NumPy: its name has to end in .npy"),
    (b"PK\x03\x04", f"a .zip, an .npz or {_SHEET}"),
    (b"\xd0\xcf\x11\xe0", _SHEET),
    (b"\x89HDF", _HDF),
    (b"<stata_dta>", _STATA),
    *((bytes([version, order, 1]), _STATA) for version in (113, 114, 115) for order in (1, 2)),
    (b"\0" * 12 + b"\xc2\xea\x81\x60", _SAS),
    (b"HEADER RECORD*******", _SAS),
    (b"$FL2", _SPSS),
    (b"$FL3", _SPSS),
    (b"RDX2\n", _R),
    (b"RDX3\n", _R),
    (b"X\n\0\0", _R),
    (b"\x80\x04", _PICKLE),
    (b"\x80\x05", _PICKLE),
    (b"SQLite format 3\0", _SQL),
    (b"Obj\x01", _AVRO),
    (b"MATLAB 5.0 MAT-file", _MATLAB),
    (b"%PDF", "a PDF: expected text"),
    (b"<!DOCTYPE html", _WEB),
    (b"<html", _WEB),
)
_HEAD = 1 << 16


def refused(path: str, data: bytes) -> None:
    """Raise ValueError for the bytes of a file that is no table of text."""
    for start, kind in _BY_START:
        if data.startswith(start):
            raise ValueError(f"{path} is {kind}")
    if data[257:262] == b"ustar":
        raise ValueError(f"{path} is {_TAR}")
    head = data[:_HEAD].removeprefix(b"\xef\xbb\xbf")
    lines = (line.strip() for line in head.splitlines())
    first = next((line for line in lines if line and not line.startswith(b"%")), b"")
    if first.lower().startswith(b"@relation"):
        raise ValueError(f"{path} is {_ARFF}")
    if head.lstrip()[:1] in (b"{", b"["):
        json_kind = _kind_of_json(head)
        if json_kind is not None:
            raise ValueError(f"{path} is {json_kind}")


def _kind_of_json(head: bytes) -> str | None:
    """Tell whether text is JSON, or lines of it."""
    first, _, more = head.lstrip().partition(b"\n")
    try:
        return _LINES if isinstance(json.loads(first), dict) and more.strip() else _JSON
    except ValueError:
        pass
    except RecursionError:
        return _JSON
    # An object or a list over several lines.
    return (
        _JSON if re.match(rb'[{\[]\s*(?:[{\[]\s*)*"(?:[^"\\]|\\.)*"\s*:', head.lstrip()) else None
    )
