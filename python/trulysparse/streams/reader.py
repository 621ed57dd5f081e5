"""Blocks of rows in a new order every epoch, mixed in buffers and read ahead on a thread."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt
import scipy

from trulysparse import _core
from trulysparse.data.blocks import Blocks
from trulysparse.streams.source import Array

T = TypeVar("T")


@dataclass(frozen=True)
class Rows:
    """Samples with their targets, and perhaps weights."""

    x: Any
    y: Any
    weight: Array | None

    def __len__(self) -> int:
        """Count the rows."""
        return int(self.x.shape[0])

    def part(self, rows: slice) -> Rows:
        """Give some of them."""
        weight = None if self.weight is None else self.weight[rows]
        return Rows(self.x[rows], self.y[rows], weight)


class Buffer(NamedTuple):
    """A part of an epoch."""

    number: int
    is_last: bool
    rows: Rows


Read = Callable[[int, int], Rows]


def ahead(calls: Iterable[Callable[[], T]]) -> Generator[T, None, None]:
    """Make calls on a thread, one ahead of who takes the results."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="trulysparse-reader")
    try:
        waiting: Future[T] | None = None
        for call in calls:
            # In a list, so that nothing but the taker holds a result.
            found: list[T] = [] if waiting is None else [waiting.result()]
            waiting = pool.submit(call)
            if found:
                yield found.pop()
        if waiting is not None:
            found, waiting = [waiting.result()], None
            yield found.pop()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def blocks(start: int, stop: int, size: int, step: int) -> list[tuple[int, int]]:
    """Cut rows into blocks of `size`, or whole steps of a file where these are no longer."""
    size = max(1, size)
    if 1 < step <= size:
        size -= size % step
    first = start + size - start % size
    edges = [start, *range(first, stop, size), stop]
    return [(a, b) for a, b in pairwise(edges) if a < b]


def groups(sizes: npt.NDArray[np.int64], most: int, least: int) -> list[slice]:
    """Share out blocks of these sizes, in this order, to buffers of about `most` rows each.

    All but the last have `least` rows or more.
    """
    total = int(sizes.sum())
    wanted = max(total / -(-total // most), least)
    edges, rows = [0], 0
    for place, size in enumerate(sizes.tolist(), 1):
        rows += size
        if rows >= wanted:
            edges.append(place)
            rows = 0
    if edges[-1] < len(sizes):
        edges.append(len(sizes))
    return [slice(a, b) for a, b in pairwise(edges)]


class Reader:
    """Reads what an epoch trains on.

    Parameters
    ----------
    read
        Reads the rows from a place to another, as samples.
    blocks, spans
        Where blocks begin and end, in the order of the file, and where larger pieces do that are
        read in that order.
    buffer_rows
        The rows of a buffer, at least as many as a batch.
    batch_size
        Buffers but the last have a multiple of it.
    """

    def __init__(
        self,
        read: Read,
        blocks: list[tuple[int, int]],
        spans: list[tuple[int, int]],
        buffer_rows: int,
        batch_size: int,
    ) -> None:
        self._read, self._blocks, self._spans = read, blocks, spans
        self._buffer_rows = max(buffer_rows, batch_size)
        self._batch_size = batch_size
        self.rows = sum(stop - start for start, stop in blocks)

    def in_order(self) -> Generator[Rows, None, None]:
        """Read all rows in the order of the file, ahead."""
        return ahead(_bound(self._read, start, stop) for start, stop in self._spans)

    def epoch(self, seed: int, epoch: int) -> Generator[Buffer, None, None]:
        """Read the buffers of an epoch, ahead."""
        order = _core.block_order(seed, epoch, len(self._blocks))
        sizes = np.array([stop - start for start, stop in self._blocks], np.int64)[order]
        shared = groups(sizes, self._buffer_rows, self._batch_size)
        left: list[Rows] = []

        def fill(number: int, group: slice) -> Buffer:
            is_last = number == len(shared) - 1
            chosen = [self._blocks[i] for i in np.sort(order[group])]
            mixed = self._joined(left, chosen)
            count = len(mixed)
            whole = count if is_last else count - count % self._batch_size
            left[:] = [mixed.part(slice(whole, count))] if whole < count else []
            left[:] = [_copied(rows) for rows in left]
            if whole < count:
                mixed = mixed.part(slice(whole))
            return Buffer(number, is_last, mixed)

        return ahead(_bound(fill, number, group) for number, group in enumerate(shared))

    def _joined(self, left: list[Rows], chosen: list[tuple[int, int]]) -> Rows:
        """Read blocks behind rows that are left over; dense ones into one array."""
        parts = list(left)
        count = sum(map(len, left)) + sum(stop - start for start, stop in chosen)
        array, done = None, 0
        for start, stop in chosen:
            read = self._read(start, stop)
            if not isinstance(read.x, np.ndarray):
                parts.append(read)
                continue
            if array is None:
                array = np.empty((count, read.x.shape[1]), read.x.dtype)
                for rows in left:
                    array[done : done + len(rows)] = rows.x
                    done += len(rows)
            array[done : done + len(read)] = read.x
            done += len(read)
            parts.append(replace(read, x=read.x[:0]))
        y = np.concatenate([rows.y for rows in parts])
        weights = [rows.weight for rows in parts if rows.weight is not None]
        weight = np.concatenate(weights) if weights else None
        x = array if array is not None else _stacked([rows.x for rows in parts])
        return Rows(x, y, weight)


def _bound(call: Callable[..., T], *arguments: Any) -> Callable[[], T]:
    return lambda: call(*arguments)


def _copied(rows: Rows) -> Rows:
    """Give rows that hold nothing of the buffer which they are a part of."""
    x = rows.x.copy() if isinstance(rows.x, np.ndarray) else rows.x
    if isinstance(x, Blocks):
        x = Blocks(x.dense.copy(), x.sparse)
    return Rows(x, rows.y.copy(), None if rows.weight is None else rows.weight.copy())


def _stacked(parts: list[Any]) -> Any:
    if len(parts) == 1:
        return parts[0]
    if isinstance(parts[0], Blocks):
        dense = np.concatenate([part.dense for part in parts])
        return Blocks(dense, scipy.sparse.vstack([part.sparse for part in parts], format="csr"))
    return scipy.sparse.vstack(parts, format="csr")
