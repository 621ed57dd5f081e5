"""Files that are packed, known by their first bytes, and unpacked as far as there is memory."""

from __future__ import annotations

import bz2
import gzip
import importlib
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from trulysparse import _core, _files

SUFFIXES = (".gz", ".zst", ".zstd", ".bz2", ".xz", ".zip")
_PIECE = 1 << 24
_ZIP, _ZSTD = b"PK\x03\x04", b"\x28\xb5\x2f\xfd"
_BZIP2 = tuple(b"BZh%d" % k + mark for k in range(1, 10) for mark in (b"1AY&SY", b"\x17rE8P\x90"))
_KINDS: dict[bytes, tuple[str, Callable[[IO[bytes]], Any]]] = {
    b"\x1f\x8b": ("gzip", lambda data: gzip.GzipFile(fileobj=data)),
    b"\xfd7zXZ\0": ("xz", lzma.LZMAFile),
    **dict.fromkeys(_BZIP2, ("bzip2", bz2.BZ2File)),
}
_DAMAGE = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError)


def is_packed(start: bytes) -> bool:
    """Tell by its first bytes whether a file is packed."""
    return start.startswith((*_KINDS, _ZSTD, _ZIP))


def unpacked(path: str, data: bytes) -> bytes:
    """Unpack the bytes of a file, if they are packed.

    Raises
    ------
    ValueError
        If they are damaged, or more than there is memory for.
    ImportError
        If a library is missing.
    """
    if data.startswith(_ZSTD):
        return _of_zstandard(path, data)
    if data.startswith(_ZIP) and Path(path).suffix.lower() == ".zip":
        return _of_zip(path, data)
    for start, (kind, opened) in _KINDS.items():
        if data.startswith(start):
            try:
                with opened(io.BytesIO(data)) as stream:
                    return _read(path, stream)
            except _DAMAGE as error:
                raise ValueError(f"{path}: damaged {kind} file ({error})") from None
    return data


def _read(path: str, stream: Any) -> bytes:
    """Read all of it, while there is memory for it."""
    most = _core.available_memory()
    found = io.BytesIO()
    while piece := stream.read(_PIECE):
        found.write(piece)
        if most is not None and found.tell() > most:
            raise ValueError(
                f"{path} unpacks to more than the {most / 1e9:.1f} GB of memory that are free: "
                "unpack it on disk, as a plain file is read block by block"
            )
    return found.getvalue()


def _of_zip(path: str, data: bytes) -> bytes:
    """Unpack an archive of one file."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [
                entry.filename
                for entry in archive.infolist()
                if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")
            ]
            if len(names) == 1:
                with archive.open(names[0]) as stream:
                    return _read(path, stream)
    except (*_DAMAGE, RuntimeError) as error:  # RuntimeError: it has a password
        raise ValueError(f"{path}: damaged or locked .zip file ({error})") from None
    some = _files.plain(", ".join(names[:5]) + (", ..." if len(names) > 5 else ""))
    raise ValueError(
        f"{path} holds {len(names)} files ({some}): expected one (unpack it, and give one of them)"
    )


def _of_zstandard(path: str, data: bytes) -> bytes:
    for name in ("compression.zstd", "backports.zstd", "zstandard"):
        try:
            library = importlib.import_module(name)
        except ImportError:
            continue
        try:
            if name == "zstandard":
                reader = library.ZstdDecompressor().stream_reader
                with reader(io.BytesIO(data), read_across_frames=True) as stream:
                    return _read(path, stream)
            with library.ZstdFile(io.BytesIO(data)) as stream:
                return _read(path, stream)
        except (MemoryError, ValueError):
            raise
        except Exception as error:  # each library has its own
            raise ValueError(f"{path}: damaged Zstandard file ({error})") from None
    raise ImportError(
        f"{path} is packed with Zstandard: reading it needs zstandard (pip install zstandard)"
    )
