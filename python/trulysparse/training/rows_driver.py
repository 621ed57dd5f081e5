"""The driver of a fit on rows of a file, of which a buffer is in memory."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import closing
from typing import TypeVar

import numpy as np

from trulysparse import _core
from trulysparse.data.samples import Given, given, say_indistinct
from trulysparse.streams.reader import Buffer, Reader, Rows
from trulysparse.streams.rows import RowBlocks
from trulysparse.topology import Rule
from trulysparse.training import settings
from trulysparse.training.driver import Tick
from trulysparse.training.request import Request

T = TypeVar("T")


class RowsDriver:
    """The network as it is, on one buffer of rows after the other."""

    def __init__(self, request: Request, rows: RowBlocks) -> None:
        self._request, self._rows, self._core = request, rows, request.core
        wide = request.augment is None and self._core.takes_float64()
        self._reader: Reader = rows._reader(request.batch_size, wide=wide)
        self.samples = self._reader.rows
        self.steps = math.ceil(self.samples / request.batch_size)
        self.prune = self._core.prune
        # That of an epoch's last buffer, by whose gradients connections may grow.
        self._last: _core.Trainer | None = None
        self._rate: float | None = None
        self.multiply_adds = 0  # of all steps so far
        self.limited = 0  # of them, those in which weights of samples were limited
        # Of the targets of the last epoch, and of its last buffer.
        self._constants: list[_core.Constant] = []
        nothing = np.zeros((1, request.config.layer_sizes[0]), np.float32)
        # Knows the schedule, and has buffers for one sample.
        self._schedule = self._trainer(_core.Data(self._core, nothing))
        self.is_sparse = False
        if request.epochs:
            self._survey()

    def _given(self, rows: Rows, *, begins: bool = False) -> Given:
        return given(
            self._core,
            rows.x,
            rows.y,
            sample_weight=rows.weight,
            trains=True,
            begins=begins,
            augment=self._request.augment,
        )

    def _survey(self) -> None:
        """Look at all rows before the first step, and take statistics where there are none."""
        config = self._request.config
        statistics = self._core.input_statistics()
        misses = statistics is None or not statistics.scale.all()
        inputs = bool(config.standardize) and misses
        units = config.standardize_targets and self._core.target_statistics() is None
        survey = _core.Survey(self._core, self._rows._most()) if inputs or units else None
        first: Given | None = None
        for again in (False, True) if survey is not None else (False,):
            with closing(self._reader.in_order()) as pieces:
                for rows in pieces:
                    part = self._given(rows, begins=first is None)
                    if first is None:
                        first = part
                        self._trainer(part.data)  # an error if memory does not suffice
                        self.is_sparse = not isinstance(part.inputs, np.ndarray)
                    if survey is None:
                        break
                    survey.take(part.data)
            if survey is not None and not again:
                survey.turn()
        if survey is not None:
            self._core.standardize_by(*survey.moments())
        assert first is not None
        columns = self._request.columns.known
        say_indistinct(self._core, first.inputs, first.targets, columns, whole=False)

    def _trainer(self, data: _core.Data) -> _core.Trainer:
        request = self._request
        text = settings.of_trainer(
            request.batch_size,
            request.optimizer._core(),
            request.epochs.stop * self.steps,
            candidates=request.candidates,
            memory=request.memory,
            growth_batch=request.growth_batch,
        )
        trainer = _core.Trainer(self._core, data, text)
        if self._rate is not None:
            trainer.set_base_rate(self._rate)
        return trainer

    @property
    def learning_rate_before_schedule(self) -> float:
        """The learning rate before the schedule's factor; can be set."""
        return self._schedule.base_rate

    @learning_rate_before_schedule.setter
    def learning_rate_before_schedule(self, rate: float) -> None:
        self._schedule.set_base_rate(rate)
        self._rate = rate

    def epoch(self, epoch: int, first_step: int, tick: Tick) -> _core.Scores:
        """Take the steps of an epoch; `tick` gets how many of its samples are done."""
        self._last, self._constants = None, []
        loss, accuracy, done = 0.0, 0.0, 0
        seed, number = self._request.config.seed, self._core.counters().epochs
        with closing(self._reader.epoch(seed, number)) as buffers:
            for buffer in buffers:
                before = (done, loss, accuracy)
                step = first_step + done // self._request.batch_size
                scores, count = self._buffer(buffer, step, _merged(tick, *before))
                loss, accuracy = loss + count * scores.loss, accuracy + count * scores.accuracy
                done += count
                del buffer  # before the next one is taken
        return _core.Scores(loss / done, accuracy / done)

    def _buffer(self, buffer: Buffer, step: int, tick: Tick) -> tuple[_core.Scores, int]:
        data = self._given(buffer.rows).data
        trainer = self._trainer(data)
        scores = trainer.epoch(step, tick=tick, part=buffer.number, is_last=buffer.is_last)
        self.multiply_adds += trainer.multiply_adds
        self.limited += trainer.limited
        part = self._core.constant(data)
        whole = self._constants[0].join(part) if self._constants else part
        self._constants = [whole, part]
        if buffer.is_last:
            self._last = trainer
        return scores, len(buffer.rows)

    def constants(self) -> list[_core.Constant]:
        return self._constants

    def measure(self, most: int | None) -> _core.Measured:
        assert self._last is not None
        return self._last.measure(most)

    def evolve(self, rule: Rule) -> object:
        return rule._apply(self._core, self._last)

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


def _merged(tick: Tick, done: int, loss: float, accuracy: float) -> Tick:
    """Give what tells `tick` of a buffer that comes after others."""

    def told(samples: int, mean: float, right: float) -> None:
        count = done + samples
        tick(count, (loss + samples * mean) / count, (accuracy + samples * right) / count)

    return told
