"""What a file is that was given as a model and is none."""

from __future__ import annotations

import zipfile
from pathlib import Path

_PICKLE = (
    "a pickle: load it in Python, with pickle.load or joblib.load, if you trust it; an estimator's "
    "`save` writes a file for the command line"
)
_PACKED = "a compressed file: joblib.load opens it, if joblib.dump(..., compress=...) wrote it"
_TABLE = "a table goes to --data"
# By the bytes that a file begins with.
_BEGINNINGS = (
    (b"\x93NUMPY", "a NumPy array: arrays go to --data"),
    (b"PAR1", f"a Parquet file: {_TABLE}"),
    (b"\x1f\x8b", _PACKED),
    (b"\x28\xb5\x2f\xfd", _PACKED),
    (b"BZh", _PACKED),
    (b"\xfd7zXZ", _PACKED),
    (b"\x89HDF", "an HDF5 file, as Keras writes some: only models of trulysparse can be read"),
    (b"\x89PNG", "a picture"),
    (b"%PDF", "a PDF"),
    (b"ARROW1", f"an Arrow file: {_TABLE}"),
)
_PROTOCOLS = (b"\x02", b"\x03", b"\x04", b"\x05")  # of pickle
_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_LOOKED_AT = 4096


def of_file(path: str) -> str | None:
    """Say in half a sentence what a file is and what opens it; None if that is not known."""
    with open(path, "rb") as file:
        start = file.read(_LOOKED_AT)
    if not start:
        return "an empty file"
    if start[4:9] == b"\0\0\0\0{":  # the size of a model file's header, and the header
        return None
    for beginning, what in _BEGINNINGS:
        if start.startswith(beginning):
            return what
    if start[0] == 0x80 and start[1:2] in _PROTOCOLS:
        return _PICKLE
    if start.startswith(_ZLIB):
        return _PACKED
    if zipfile.is_zipfile(path):
        return _of_zip(path)
    return _of_text(path, start)


def _of_zip(path: str) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return "a damaged .zip"
    if names and all(name.endswith(".npy") for name in names):
        return "a NumPy archive: arrays go to --data"
    if any(name.endswith("data.pkl") for name in names):
        return "a PyTorch file: torch.load opens it"
    if any(name.startswith("xl/") for name in names):
        return "an Excel file: save the sheet as .csv, which goes to --data"
    return "a .zip: images in folders go to --data"


def _of_text(path: str, start: bytes) -> str | None:
    """Say that a file is text; None if it is not."""
    try:
        text = start.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(start) - 3:  # else a letter was cut in two
            return None
        text = start[: error.start].decode("utf-8-sig")
    if not all(sign.isprintable() or sign in "\t\r\n" for sign in text):
        return None
    if text.lstrip().lower().startswith(("<!doctype html", "<html")):
        return "a page of HTML: a browser opens it"
    suffix = Path(path).suffix.lower()
    return f"text: {_TABLE}" if suffix in (".csv", ".tsv", ".tab", ".txt", "") else "text"
