"""Fits on batches that an iterator gives: only one of them is in memory at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from trulysparse import _check, _core, _evolution, _fit, _fit_settings, _settings, schedules
from trulysparse.optim import SGD

if TYPE_CHECKING:
    from trulysparse._drivers import Job
    from trulysparse.augmentation import ImageAugmentation
    from trulysparse.model import SparseMLP
    from trulysparse.rules import TopologyRule
    from trulysparse.topology import SET

T = TypeVar("T")

# As often as the core asks between two steps.
_TICK = 0.1
_CONSTANT = schedules.Constant()._core()

_EXPECTED = "expected tuples (x, y) or (x, y, sample_weight)"


def stream(
    model: SparseMLP,
    x: Any,
    y: Any,
    steps_per_epoch: Any,
    strategy: Any,
    augment: ImageAugmentation | None,
) -> Stream | None:
    """The batches of a fit if `x` gives such, or None if `x` and `y` are arrays.

    Raises
    ------
    ValueError, TypeError
        If arguments do not belong together.
    """
    if not _gives_batches(x):
        if steps_per_epoch is not None:
            raise ValueError(
                f"steps_per_epoch = {steps_per_epoch!r}: expected None with arrays, as it is for "
                "iterators of batches"
            )
        if y is None:
            raise TypeError(
                f"y is missing: expected targets beside x, or an iterator of batches instead of "
                f"the {type(x).__name__} x"
            )
        return None
    if strategy is not None:
        raise ValueError(
            "strategy: expected None with an iterator of batches, which one network trains on"
        )
    if y is not None:
        raise TypeError("y: expected None, as the iterator x gives the targets in its batches")
    if steps_per_epoch is None:
        try:
            steps_per_epoch = len(x)
        except TypeError:
            raise ValueError(
                "steps_per_epoch is missing: expected the number of batches in an epoch, as the "
                f"{type(x).__name__} x has no length"
            ) from None
    steps = _check.integer("steps_per_epoch", steps_per_epoch, 1, 2**31)
    return Stream(model, x, steps, augment)


def _gives_batches(x: Any) -> bool:
    """Whether this is an iterable and nothing that is an array or could become one."""
    arrays = ("__array__", "__array_interface__", "__dlpack__", "shape", "__dataframe__")
    return isinstance(x, Iterable) and not (
        isinstance(x, Sequence | Mapping | Set) or any(hasattr(x, name) for name in arrays)
    )


class Stream:
    """Batches, checked as they come.

    An iterator goes on from epoch to epoch. An iterable that starts anew, such as PyTorch's
    DataLoader, does so whenever it has ended.
    """

    def __init__(
        self, model: SparseMLP, x: Any, steps: int, augment: ImageAugmentation | None
    ) -> None:
        self._model, self._x, self.steps, self._augment = model, x, steps, augment
        self._iterator: Iterator[Any] | None = None
        self._peeked: tuple[_core.Data, int] | None = None
        self._taken = 0

    def peek(self) -> tuple[_core.Data, int]:
        """The first batch, which `next` will return once more."""
        self._peeked = self.next()
        return self._peeked

    def next(self) -> tuple[_core.Data, int]:
        """The next batch, and its number of samples."""
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

    def _checked(self, batch: Any, place: str) -> tuple[_core.Data, int]:
        if not isinstance(batch, tuple | list):
            raise TypeError(f"{place} is a {type(batch).__name__}: {_EXPECTED}")
        if len(batch) not in (2, 3):
            raise ValueError(f"{place} has {len(batch)} items: {_EXPECTED}")
        x, y, weights = (*batch, None)[:3]
        names = (f"{place}: x", f"{place}: y")
        try:
            given = self._model._data(
                x, y, names, sample_weight=weights, trains=True, augment=self._augment
            )
        except (ValueError, TypeError) as error:
            if str(error).startswith("sample_weight"):
                raise type(error)(f"{place}: {error}") from None
            raise
        return given.data, given.samples


class Batches:
    """The network as it is, on the batches of a stream; every step takes buffers of its own."""

    def __init__(self, job: Job, stream: Stream) -> None:
        self._job, self._stream = job, stream
        self._core = job.model._core
        self.prune: _fit.Prune = self._core.prune
        self._total = job.epochs.stop * stream.steps
        # That of an epoch's last batch, by whose gradients connections may grow.
        self._last: _core.Trainer | None = None
        if job.epochs:
            first, samples = stream.peek()
            self._trainer(first, samples)  # an error if memory does not suffice
            self._core.standardize_on(first)
        nothing = np.zeros((1, job.model.layer_sizes[0]), np.float32)
        # Knows the schedule, and has buffers for one sample.
        self._schedule = self._trainer(_core.Data(self._core, nothing), 1)
        self.set_base_rate = self._schedule.set_base_rate
        self.multiply_adds = 0  # of all steps so far

    @property
    def base_rate(self) -> float:
        """The learning rate before the schedule."""
        return self._schedule.base_rate

    def _trainer(
        self, data: _core.Data, samples: int, settings: dict[str, Any] | None = None
    ) -> _core.Trainer:
        topology = self._job.topology
        text = _fit_settings.of_trainer(
            samples,
            self._job.optimizer._core() | (settings or {}),
            self._total,
            candidates=_settings.candidates(topology) if len(self._job.epochs) > 1 else None,
            memory=self._job.memory,
            growth_batch=_settings.growth_batch(topology),
        )
        return _core.Trainer(self._core, data, text)

    def evolve(self, rule: SET | TopologyRule) -> object:
        return _evolution.evolve(rule, self._job.model, self._last)

    def epoch(self, epoch: int, first_step: int, tick: _fit.Tick) -> _core.Scores:
        """Take the steps of an epoch; `tick` gets how many of them are done."""
        loss, accuracy, samples, due = 0.0, 0.0, 0, time.monotonic() + _TICK
        self._last = None
        for done in range(1, self._stream.steps + 1):
            # Without a name for the batch, so that it is gone before the next one is drawn.
            scores, count = self._step(
                *self._stream.next(), first_step + done - 1, done == self._stream.steps
            )
            loss, accuracy = loss + count * scores.loss, accuracy + count * scores.accuracy
            samples += count
            if done == self._stream.steps or time.monotonic() >= due:
                tick(done, loss / samples, accuracy / samples)
                due = time.monotonic() + _TICK
        return _core.Scores(loss / samples, accuracy / samples)

    def _step(
        self, data: _core.Data, samples: int, step: int, last: bool
    ) -> tuple[_core.Scores, int]:
        rate, optimizer = self.learning_rate(0, step), self._job.optimizer
        # A schedule may end at 0, where the smallest rate does as much.
        settings = {
            "learning_rate": max(rate, np.finfo(np.float64).tiny),
            "schedule": _CONSTANT,
        }
        if isinstance(optimizer, SGD) and optimizer.schedule_decay:
            settings["weight_decay"] = rate / self.base_rate * optimizer.weight_decay
        trainer = self._trainer(data, samples, settings)
        if last:
            self._last = trainer
        # At the end an epoch of one step, so that the core counts one.
        scores = trainer.epoch(step) if last else trainer.step()
        self.multiply_adds += trainer.multiply_adds
        return scores, samples

    def learning_rate(self, epoch: int, step: int) -> float:
        return self._schedule.learning_rate(step)

    def evaluate(self, data: _core.Data, batch_size: int) -> _core.Scores:
        return self._core.evaluate(data, batch_size)

    def aside(self, work: Callable[[], T]) -> T:
        return work()

    def numbers(self) -> dict[str, float]:
        return {}

    def staleness_histogram(self) -> None:
        return None
