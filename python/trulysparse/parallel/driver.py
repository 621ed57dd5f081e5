"""Several workers as the loop over epochs drives them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from trulysparse import _core
from trulysparse.parallel.record import Record, read_record
from trulysparse.parallel.strategies import Strategy
from trulysparse.topology import Rule

T = TypeVar("T")


@dataclass(frozen=True)
class Judged:
    """What the network is judged on at the end: None if only the workers have samples."""

    core: _core.Network
    data: _core.Data | None
    batch_size: int

    def constants(self, trainer: Any) -> list[_core.Constant]:
        """Give the best constant prediction."""
        if self.data is None:
            return [trainer.constant()]
        return [self.core.constant(self.data)]

    def measure(self, trainer: Any, most: int | None) -> _core.Measured:
        """Measure the loss of the training samples, or of at most `most` of them."""
        if self.data is None:
            measured: _core.Measured = trainer.measure(self.batch_size, most)
            return measured
        return self.core.measure(self.data, self.batch_size, most)


class ParallelDriver:
    """Several workers, of this process or of an MPI job, as the loop over epochs drives them."""

    def __init__(
        self,
        core: _core.Network,
        trainer: Any,
        strategy: Strategy,
        about: dict[str, int],
        local_from: int,
        judged: Judged,
        *,
        least: int,
    ) -> None:
        """Take all that drives; `least`: the epochs that a record has for a replay at least."""
        self._core = core
        self._trainer = trainer
        self._counts = strategy.asynchronous
        self.prune = trainer.prune
        self.learning_rate = trainer.learning_rate
        self._aside = getattr(trainer, "aside", None)
        record, replay = strategy.record, strategy.replay
        self._local_from = local_from
        self._replay = None
        if replay is not None:
            self._replay = read_record(replay, about, strategy.max_staleness, least)
        self._record = None if record is None else Record(record, about)
        self._epochs = 0
        self._before = trainer.tally()
        self._judged = judged
        self._constants: list[_core.Constant] | None = None

    @property
    def limited(self) -> int:
        return int(self._trainer.limited)

    def constants(self) -> list[_core.Constant]:
        if self._constants is None:
            self._constants = self.aside(lambda: self._judged.constants(self._trainer))
        return self._constants

    def measure(self, most: int | None) -> _core.Measured:
        return self.aside(lambda: self._judged.measure(self._trainer, most))

    @property
    def multiply_adds(self) -> int:
        """Of all workers and epochs of the fit so far."""
        return int(self._trainer.multiply_adds)

    def epoch(self, epoch: int, first_step: int, tick: Any) -> _core.Scores:
        replay = None
        local = epoch >= self._local_from
        if self._epochs == 0 and self._judged.data is not None:
            self._core.take_up_constants(self._judged.data)
        if self._replay is not None and not local:
            # A record that ends too early is refused by the core.
            replay = self._replay[self._epochs] if self._epochs < len(self._replay) else []
        self._before = self._trainer.tally()
        scores: _core.Scores = self._trainer.epoch(epoch, first_step, tick, replay)
        self._epochs += 1
        if self._record is not None and not local:
            self._record.append(self._trainer.events())
        return scores

    def evolve(self, rule: Rule) -> object:
        return self._trainer.evolve(rule._core())

    def evaluate(self, data: _core.Data, batch_size: int) -> _core.Scores:
        return self.aside(lambda: self._core.evaluate(data, batch_size))

    def aside(self, work: Callable[[], T]) -> T:
        """Do long work that is not the trainer's, which may have others to keep informed."""
        done: T = work() if self._aside is None else self._aside(work)
        return done

    def numbers(self) -> dict[str, float]:
        if not self._counts:
            return {}
        now, before = self._trainer.tally(), self._before
        updates, refused = now.updates - before.updates, now.refused - before.refused
        applied, dropped = now.applied - before.applied, now.dropped - before.dropped
        return {
            "updates": updates,
            "refused": refused,
            "staleness": (now.staleness - before.staleness) / max(updates + refused, 1),
            "dropped": dropped / max(applied + dropped, 1),
            "idle": now.idle - before.idle,
        }

    def workers(self) -> list[_core.Network]:
        """Give the networks that workers train on their own, in the local phase."""
        networks: list[_core.Network] = self._trainer.workers()
        return networks

    def resume(self, workers: list[_core.Network]) -> None:
        """Go on in the local phase with the networks that workers had."""
        self._trainer.resume(workers)

    def staleness_histogram(self) -> list[int] | None:
        return self._trainer.tally().histogram if self._counts else None
