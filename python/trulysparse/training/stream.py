"""Batches that an iterator gives: only one of them is in memory at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

from trulysparse import _check, _core
from trulysparse.data.blocks import CsrArrays
from trulysparse.data.samples import Given, given, say_indistinct
from trulysparse.training.request import Request

_EXPECTED = "expected tuples (x, y) or (x, y, sample_weight)"


def gives_batches(x: Any) -> bool:
    """Tell whether this is an iterable and nothing that is an array or could become one."""
    arrays = ("__array__", "__array_interface__", "__dlpack__", "shape", "__dataframe__")
    return isinstance(x, Iterable) and not (
        isinstance(x, Sequence | Mapping | Set) or any(hasattr(x, name) for name in arrays)
    )


class Stream:
    """Batches, checked as they come.

    An iterator goes on from epoch to epoch. An iterable that starts anew, such as PyTorch's
    DataLoader, does so whenever it has ended.
    """

    def __init__(self, request: Request) -> None:
        self._core, self._x, self._augment = request.core, request.x, request.augment
        self._columns = request.columns
        self.steps = _steps(request.x, request.steps_per_epoch)
        self._iterator: Iterator[Any] | None = None
        self._peeked: Given | None = None
        self._taken = 0
        self.is_sparse = False

    def peek(self) -> tuple[_core.Data, int]:
        """Draw the first batch, which `next` will return once more."""
        self._peeked = self._next()
        return self._peeked.data, self._peeked.samples

    def say_indistinct(self) -> None:
        """Warn of columns of the batch that `peek` drew, as `samples.say_indistinct` does."""
        if self._peeked is not None:
            _, inputs, _, targets = self._peeked
            say_indistinct(self._core, inputs, targets, self._columns.known)

    def next(self) -> tuple[_core.Data, int]:
        """Draw the next batch, and give its number of samples."""
        batch = self._next()
        return batch.data, batch.samples

    def _next(self) -> Given:
        if self._peeked is not None:
            batch, self._peeked = self._peeked, None
            return batch
        place = f"batch {self._taken + 1} of x"
        batch = self._checked(self._draw(), place)
        self._taken += 1
        return batch

    def _draw(self) -> Any:
        if self._iterator is None:
            self._iterator = iter(self._x)
        try:
            return next(self._iterator)
        except StopIteration:
            pass
        if self._iterator is not self._x:
            self._iterator = iter(self._x)
            for batch in self._iterator:
                return batch
        raise ValueError(
            f"x ended after {self._taken} batches: expected steps_per_epoch = {self.steps} of them "
            f"in every epoch, and epoch {self._taken // self.steps + 1} got "
            f"{self._taken % self.steps}"
        )

    def _checked(self, drawn: Any, place: str) -> Given:
        if not isinstance(drawn, tuple | list):
            raise TypeError(f"{place} is a {type(drawn).__name__}: {_EXPECTED}")
        if len(drawn) not in (2, 3):
            raise ValueError(f"{place} has {len(drawn)} items: {_EXPECTED}")
        x, y, weights = (*drawn, None)[:3]
        names = (f"{place}: x", f"{place}: y")
        try:
            batch = given(
                self._core,
                self._columns.learn(names[0], x),
                y,
                names,
                sample_weight=weights,
                trains=True,
                begins=self._taken == 0,
                augment=self._augment,
            )
        except (ValueError, TypeError) as error:
            if str(error).startswith("sample_weight"):
                raise type(error)(f"{place}: {error}") from None
            raise
        self.is_sparse = isinstance(batch.inputs, CsrArrays)
        if self._taken > 0:  # the fit has begun
            self._columns.keep()
        return batch


def _steps(x: Any, steps_per_epoch: Any) -> int:
    if steps_per_epoch is None:
        try:
            steps_per_epoch = len(x)
        except TypeError:
            raise ValueError(
                "steps_per_epoch is missing: expected the number of batches in an epoch, as the "
                f"{type(x).__name__} x has no length"
            ) from None
    return _check.integer("steps_per_epoch", steps_per_epoch, 1, 2**31)
