"""The rows of a text in blocks that end with a row, of a file or of bytes in memory.

A large file is read block by block, the next one on a thread, so that it is never held whole.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, TypeVar

from trulysparse.readers.packed import is_packed

T = TypeVar("T")

SIZE = 1 << 24
"""Bytes of a block; larger ones take new memory each time."""
_WIDE = 1 << 14  # bytes of a block for each column, as each column of a block costs some time
_SMALL = 4 << 20  # bytes of a text that is read row by row in no time
_TAIL = 1 << 20  # before the end of a block its last row ends, unless quotes deceive


class Block(NamedTuple):
    """Some rows; `doubtful` if quotes do not show where the last one ends."""

    data: bytes
    end: bytes
    """The line end behind the last row."""
    last: bool
    doubtful: bool


class Blocks:
    """A text from its first row on, which can be gone through several times."""

    def __init__(self, start: int, end: int, read: Callable[[int, int], bytes]) -> None:
        self.start, self.end, self._read = start, end, read
        self._size = 0  # of a block; 0 is the usual one
        self._several = False

    def make_smaller(self) -> bool:
        """Make several blocks of one that was odd; False if it is small, or one of several."""
        total = self.end - self.start
        if self._several or total < _SMALL:
            return False
        self._size = total // 8
        return True

    def at(self, start: int, size: int) -> bytes:
        """Give bytes of the text."""
        return self._read(start, min(size, self.end - start))

    def whole(self) -> bytes:
        """Give all of it."""
        return self._read(self.start, self.end - self.start)

    def each(self, width: int, quote: str | None) -> Iterator[Block]:
        """Give all rows; `width` is the number of columns."""
        size = self._size or max(SIZE, width * _WIDE)
        self._several = self.end - self.start >= 2 * size
        if not self._several:
            size = self.end - self.start
        at = self.start
        while at < self.end:
            data = self.at(at, size)
            if not data:
                raise OSError(f"the file ends at byte {at}, expected {self.end} bytes")
            if at + len(data) >= self.end:
                yield Block(data, b"", last=True, doubtful=False)
                return
            cut, doubtful = _cut(data, None if quote is None else quote.encode())
            if not cut:
                size *= 2
                continue
            at += cut
            end = b"\r\n" if data[cut - 2 : cut] == b"\r\n" else b"\n"
            yield Block(data[: cut - len(end)], end, last=False, doubtful=doubtful)


def in_memory(body: bytes, start: int) -> Blocks:
    """Give the blocks of a text in memory, without the line ends behind its last row."""
    end = len(body)
    while end > start and body[end - 1] in b"\r\n":
        end -= 1
    return Blocks(start, end, lambda at, size: body[at : at + size])


def is_large(path: str) -> bool:
    """Tell whether a file is one of several blocks, and not packed."""
    file = Path(path)
    if path == "-" or not file.is_file() or file.stat().st_size < 2 * SIZE:
        return False
    with open(path, "rb") as opened:
        return not is_packed(opened.read(16))


class File:
    """A large file of text, and its first bytes."""

    def __init__(self, path: str, head: int) -> None:
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115
        self._state = self._now()
        self.size = self._state[0]
        self.head = self.read(0, head)
        self.head = self.head[: self.head.rfind(b"\n") + 1]

    def _now(self) -> tuple[int, int]:
        state = os.fstat(self._file.fileno())
        return state.st_size, state.st_mtime_ns

    def __enter__(self) -> File:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, at: int, size: int) -> bytes:
        """Read bytes; fewer only at the end of the file."""
        self._file.seek(at)
        data = self._file.read(size)
        while len(data) < size:
            more = self._file.read(size - len(data))
            if not more:
                break
            data += more
        return data

    def has_changed(self) -> bool:
        """Tell whether someone has written since it was opened."""
        return self._now() != self._state

    def blocks(self, start: int) -> Blocks:
        """Give the blocks from a byte on, without the line ends behind the last row."""
        end = self.size
        tail = self.read(max(start, end - _TAIL), _TAIL)
        return Blocks(start, end - len(tail) + len(tail.rstrip(b"\r\n")), self.read)


def _cut(data: bytes, quote: bytes | None) -> tuple[int, bool]:
    """Give the byte behind the last row that ends in a block, and whether that is doubtful."""
    end = data.rfind(b"\n") + 1
    if quote is None or quote not in data:
        return end, False
    odd, at = data.count(quote, 0, end) % 2, end
    while odd and at:
        before = data.rfind(b"\n", 0, at - 1) + 1
        odd ^= data.count(quote, before, at) % 2
        at = before
        if end - at > _TAIL:
            break
    return (end, True) if odd or not at else (at, False)


def ahead(items: Iterator[T]) -> Iterator[T]:
    """Give what an iterator gives, of which a thread makes the next one meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item
