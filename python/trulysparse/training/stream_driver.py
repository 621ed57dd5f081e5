"""The driver of a fit on the batches of an iterator."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from trulysparse import _core
from trulysparse.optim import Optimizer
from trulysparse.topology import Rule
from trulysparse.training import settings
from trulysparse.training.driver import Tick
from trulysparse.training.request import Request
from trulysparse.training.stream import Stream

T = TypeVar("T")

# As often as the core asks between two steps.
_TICK = 0.1


class StreamDriver:
    """The network as it is, on the batches of a stream; every step takes new buffers."""

    def __init__(self, request: Request, stream: Stream) -> None:
        self._request, self._stream = request, stream
        self._core = request.core
        self.prune = self._core.prune
        self._total = request.epochs.stop * stream.steps
        # That of an epoch's last batch, by whose gradients connections may grow.
        self._last: _core.Trainer | None = None
        self._counted = False  # whether the statistics have the next batch already
        if request.epochs:
            first, samples = stream.peek()
            self._trainer(first, samples)  # an error if memory does not suffice
            self._counted = self._core.standardize_on(first)
            stream.say_indistinct()
        nothing = np.zeros((1, request.config.layer_sizes[0]), np.float32)
        # Knows the schedule, and has buffers for one sample.
        self._schedule = self._trainer(_core.Data(self._core, nothing), 1)
        self.multiply_adds = 0  # of all steps so far
        self.limited = 0  # of them, those in which weights of samples were limited
        # Of the targets of the last epoch, and of its last batch.
        self._constants: list[_core.Constant] = []

    def constants(self) -> list[_core.Constant]:
        return self._constants

    def measure(self, most: int | None) -> _core.Measured:
        assert self._last is not None
        return self._last.measure(most)

    @property
    def learning_rate_before_schedule(self) -> float:
        """The learning rate before the schedule's factor; can be set."""
        return self._schedule.base_rate

    @learning_rate_before_schedule.setter
    def learning_rate_before_schedule(self, rate: float) -> None:
        self._schedule.set_base_rate(rate)

    def _trainer(
        self, data: _core.Data, samples: int, optimizer: Optimizer | None = None
    ) -> _core.Trainer:
        text = settings.of_trainer(
            samples,
            (optimizer or self._request.optimizer)._core(),
            self._total,
            candidates=self._request.candidates,
            memory=self._request.memory,
            growth_batch=self._request.growth_batch,
        )
        return _core.Trainer(self._core, data, text)

    def evolve(self, rule: Rule) -> object:
        return rule._apply(self._core, self._last)

    def epoch(self, epoch: int, first_step: int, tick: Tick) -> _core.Scores:
        """Take the steps of an epoch; `tick` gets how many of them are done."""
        loss, accuracy, counted, due = 0.0, 0.0, 0.0, time.monotonic() + _TICK
        self._last = None
        self._constants = []
        for done in range(1, self._stream.steps + 1):
            # Without a name for the batch, so that it is gone before the next one is drawn.
            scores = self._step(
                *self._stream.next(), first_step + done - 1, done == self._stream.steps
            )
            count = scores.counted
            loss, accuracy = loss + count * scores.loss, accuracy + count * scores.accuracy
            counted += count
            if done == self._stream.steps or time.monotonic() >= due:
                tick(done, loss / counted, accuracy / counted)
                due = time.monotonic() + _TICK
        return _core.Scores(loss / counted, accuracy / counted)

    def _step(self, data: _core.Data, samples: int, step: int, last: bool) -> _core.Scores:
        optimizer = self._request.optimizer._at(
            self.learning_rate(0, step), self.learning_rate_before_schedule
        )
        trainer = self._trainer(data, samples, optimizer)
        if self._counted:
            self._counted = False
        else:
            self._core.follow(data, optimizer.learning_rate)
        if last:
            self._last = trainer
        # At the end an epoch of one step, so that the core counts one.
        scores = trainer.epoch(step) if last else trainer.step()
        self.multiply_adds += trainer.multiply_adds
        self.limited += trainer.limited
        batch = self._core.constant(data)
        whole = self._constants[0].join(batch) if self._constants else batch
        self._constants = [whole, batch]
        return scores

    def learning_rate(self, epoch: int, step: int) -> float:
        return self._schedule.learning_rate(step)

    def evaluate(self, data: _core.Data, batch_size: int) -> _core.Scores:
        return self._core.evaluate(data, batch_size)

    def aside(self, work: Callable[[], T]) -> T:
        return work()

    def numbers(self) -> dict[str, float]:
        return {}

    def workers(self) -> list[_core.Network]:
        return []

    def resume(self, workers: list[_core.Network]) -> None:
        pass

    def staleness_histogram(self) -> None:
        return None
