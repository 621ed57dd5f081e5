"""The bytes of a file or a pipe, unpacked, and as UTF-8."""

from __future__ import annotations

import codecs
import sys
from pathlib import Path
from typing import NamedTuple

from trulysparse import _check
from trulysparse.readers.others import refused
from trulysparse.readers.packed import SUFFIXES, unpacked

_PIECE = 1 << 24


class Text(NamedTuple):
    """A text in UTF-8, what was found out about its encoding, and whether it had that before."""

    data: bytes
    notes: list[str]
    is_utf_8: bool


def needs_polars(path: str) -> None:
    """Raise ImportError if polars is not there."""
    try:
        import polars  # noqa: F401
    except ImportError:
        raise ImportError(
            f"{path}: reading it needs polars (pip install 'trulysparse[tables]')"
        ) from None


def suffix(path: str) -> str:
    """Give the end of a file's name, without that of a packer: ``.csv`` of ``a.csv.gz``."""
    name = Path(path)
    if name.suffix.lower() in SUFFIXES:
        name = name.with_suffix("")
    return name.suffix.lower()


def read_bytes(path: str) -> bytes:
    """Read a file, or standard input for ``-``, and unpack it if it is packed."""
    if path == "-":
        stream = getattr(sys.stdin, "buffer", sys.stdin)
        data = stream.read()
        data = data.encode() if isinstance(data, str) else data
    else:
        if "://" in path and not Path(path).exists():
            raise ValueError(f"{path}: expected a file, got a URL (download it first)")
        data = Path(path).read_bytes()
    return unpacked(path, data)


def as_text(path: str, data: bytes, encoding: str | None) -> Text:
    """Give the text of a file in UTF-8, without a mark of the byte order.

    Parameters
    ----------
    path
        The file, for errors.
    data
        Its bytes.
    encoding
        Its encoding, or None to find it out.

    Raises
    ------
    ValueError
        If it is no text, or none of that encoding.
    """
    refused(path, data)
    notes = []
    if encoding is None:
        encoding, found = _encoding(data)
        notes = [found] if found else []
    else:
        encoding = _known(encoding)
    is_utf_8 = encoding in ("utf-8", "utf-8-sig")
    if is_utf_8:
        text = data.removeprefix(codecs.BOM_UTF8)
        bad = None if text.isascii() else not_utf_8(text)
        if bad is not None:
            raise ValueError(f"{path}: byte {bad} is no UTF-8: expected encoding= to be another")
    else:
        try:
            text = data.decode(encoding).removeprefix("\ufeff").encode()
        except UnicodeError as error:
            raise ValueError(f"{path}: not readable as {encoding} ({error})") from None
    if b"\0" in text:
        raise ValueError(
            f"{path} has a byte 0 at {text.index(0)}: expected text (is it encoding='utf-16-le'?)"
        )
    return Text(text, notes, is_utf_8)


def _known(encoding: str) -> str:
    _check.instance("encoding", encoding, str, "the name of an encoding")
    try:
        info = codecs.lookup(encoding)
    except (LookupError, ValueError):
        raise ValueError(f"encoding = {encoding!r}: expected an encoding of Python") from None
    if not getattr(info, "_is_text_encoding", True):
        raise ValueError(f"encoding = {encoding!r}: expected an encoding of text")
    return info.name


def _encoding(data: bytes) -> tuple[str, str]:
    """Find the encoding out, and say it if it is unusual."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", "the file is in UTF-16"
    if data.startswith(codecs.BOM_UTF8) or data.isascii() or not_utf_8(data) is None:
        return "utf-8", ""
    try:
        data.decode("cp1252")
    except UnicodeDecodeError:
        return "latin-1", "the file is no UTF-8: read as Latin-1 (encoding= says another)"
    return "cp1252", "the file is no UTF-8: read as Windows-1252 (encoding= says another)"


def not_utf_8(data: bytes) -> int | None:
    """Find the first byte that is no UTF-8, piece by piece, so that no text is made of all."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(data), _PIECE):
        piece = data[start : start + _PIECE]
        try:
            decoder.decode(piece, start + _PIECE >= len(data))
        except UnicodeDecodeError as error:
            return max(start + error.start, 0)
    return None
