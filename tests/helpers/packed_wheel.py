"""Compresses wheels again, which takes longer and gives files that are some per cent smaller.

    python tests/helpers/packed_wheel.py WHEEL...

Needs zopfli. The files in a wheel, their order and their times stay.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from unittest import mock


class Compressor:
    """What `zipfile` asks of zlib, by zopfli."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def compress(self, data: bytes) -> bytes:
        self.parts.append(data)
        return b""

    def flush(self) -> bytes:
        from zopfli import zlib

        # Without the head of two bytes and the checksum of four that zlib's format adds.
        return bytes(zlib.compress(b"".join(self.parts))[2:-4])


def pack(wheel: Path) -> None:
    """Compress a wheel again, in its place."""
    packed = wheel.with_suffix(".packed")
    by_zopfli = mock.patch("zipfile._get_compressor", side_effect=lambda *_: Compressor())
    with zipfile.ZipFile(wheel) as before, zipfile.ZipFile(packed, "w") as after, by_zopfli:
        for info in before.infolist():
            kind = zipfile.ZIP_DEFLATED if info.file_size else zipfile.ZIP_STORED
            after.writestr(info, before.read(info), kind)
    with zipfile.ZipFile(wheel) as before, zipfile.ZipFile(packed) as after:
        assert after.testzip() is None
        assert after.namelist() == before.namelist()
    print(f"{wheel.name}: {wheel.stat().st_size:,} bytes, packed {packed.stat().st_size:,}")
    packed.replace(wheel)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        pack(Path(name))
