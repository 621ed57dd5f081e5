"""The loop over epochs: what happens between two runs of the core."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

from trulysparse import _core, _evolution, _peak, _progress
from trulysparse._tolerance import Tolerance, furthest
from trulysparse.callbacks import Callback
from trulysparse.history import History
from trulysparse.parallel import WASAP, WASSP, Record, read_record
from trulysparse.pruning import ImportancePruning, core_rule
from trulysparse.rules import TopologyRule
from trulysparse.topology import SET

if TYPE_CHECKING:
    from trulysparse._checkpoint import Checkpoint
    from trulysparse._mpi.server import ServerRank
    from trulysparse.model import SparseMLP

T = TypeVar("T")

CUT_OFF = (
    "no path from the inputs to the outputs is left, so all predictions are the same: prune less, "
    "or end the evolution earlier"
)

Tick: TypeAlias = Callable[[int, float, float], object]
Prune: TypeAlias = Callable[[dict[str, Any]], list[tuple[int, int, str | None]]]

# Without numbers, so that filters know it again and Python shows it once per place.
DIVERGED = (
    "training has diverged: the loss is not finite; try a lower learning rate, or smaller targets "
    "with a squared error"
)


COSTS = (
    "validation_seconds",
    "pruning_seconds",
    "evolution_seconds",
    "multiply_adds",
    "peak_memory",
)


def metrics(loss: str, strategy: WASSP | WASAP | None, *, validated: bool) -> list[str]:
    """The names in the logs of an epoch, in their order."""
    scores = ["loss"] if loss == "squared_error" else ["loss", "accuracy"]
    validation = [f"val_{name}" for name in scores] if validated else []
    always = ["connections", "neurons", "learning_rate", "seconds", *COSTS]
    asynchronous = ["updates", "refused", "staleness", "dropped", "idle"]
    return [*scores, *validation, *always, *(asynchronous if isinstance(strategy, WASAP) else [])]


def introduce(callbacks: list[Callback], model: SparseMLP, params: Mapping[str, Any]) -> None:
    """Tell callbacks what they are going to see; one that misses something says so now."""
    for callback in callbacks:
        callback.set_model(model)
    for callback in callbacks:
        callback.set_params(params)


class Driver(Protocol):
    """What trains, evolves and prunes in a fit."""

    def epoch(self, epoch: int, first_step: int, tick: Tick) -> _core.Scores: ...
    def learning_rate(self, epoch: int, step: int) -> float: ...
    def numbers(self) -> dict[str, float]: ...
    def staleness_histogram(self) -> list[int] | None: ...
    def evolve(self, rule: SET | TopologyRule) -> object: ...
    @property
    def multiply_adds(self) -> int: ...
    @property
    def prune(self) -> Prune: ...
    def evaluate(self, data: _core.Data, batch_size: int) -> _core.Scores: ...
    def aside(self, work: Callable[[], T]) -> T: ...


class Sequential:
    """The network as it is, on all of its threads."""

    def __init__(self, model: SparseMLP, trainer: _core.Trainer) -> None:
        self._model = model
        self._trainer = trainer
        self.prune: Prune = model._core.prune
        self.set_base_rate = trainer.set_base_rate

    @property
    def base_rate(self) -> float:
        """The learning rate before the schedule."""
        return self._trainer.base_rate

    @property
    def multiply_adds(self) -> int:
        """Of all epochs of the fit so far."""
        return self._trainer.multiply_adds

    def epoch(self, epoch: int, first_step: int, tick: Tick) -> _core.Scores:
        return self._trainer.epoch(first_step, tick=tick)

    def learning_rate(self, epoch: int, step: int) -> float:
        return self._trainer.learning_rate(step)

    def evolve(self, rule: SET | TopologyRule) -> object:
        return _evolution.evolve(rule, self._model, self._trainer)

    def evaluate(self, data: _core.Data, batch_size: int) -> _core.Scores:
        return self._trainer.evaluate(data)

    def aside(self, work: Callable[[], T]) -> T:
        return work()

    def numbers(self) -> dict[str, float]:
        return {}

    def staleness_histogram(self) -> None:
        return None


class Parallel:
    """Several workers."""

    def __init__(
        self,
        core: _core.Network,
        trainer: _core.ParallelTrainer | ServerRank,
        strategy: WASSP | WASAP,
        about: dict[str, int],
    ) -> None:
        self._core = core
        self._trainer = trainer
        self._counts = isinstance(strategy, WASAP)
        self.prune: Prune = trainer.prune
        self.learning_rate = trainer.learning_rate
        self._aside = getattr(trainer, "aside", None)
        record = strategy.record if isinstance(strategy, WASAP) else None
        replay = strategy.replay if isinstance(strategy, WASAP) else None
        self._local_from = about.pop("local_from")
        self._replay = None if replay is None else read_record(replay, about)
        self._record = None if record is None else Record(record, about)
        self._epochs = 0
        self._before = trainer.tally()

    @property
    def multiply_adds(self) -> int:
        """Of all workers and epochs of the fit so far."""
        return self._trainer.multiply_adds

    def epoch(self, epoch: int, first_step: int, tick: Tick) -> _core.Scores:
        replay = None
        local = epoch >= self._local_from
        if self._replay is not None and not local:
            # A record that ends too early is refused by the core.
            replay = self._replay[self._epochs] if self._epochs < len(self._replay) else []
        self._before = self._trainer.tally()
        scores = self._trainer.epoch(epoch, first_step, tick, replay)  # type: ignore[arg-type]
        self._epochs += 1
        if self._record is not None and not local:
            self._record.append(self._trainer.events())
        return scores

    def evolve(self, rule: SET | TopologyRule) -> object:
        assert isinstance(rule, SET)
        return self._trainer.evolve(rule.zeta, rule.grow_init)

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

    def staleness_histogram(self) -> list[int] | None:
        return self._trainer.tally().histogram if self._counts else None


@dataclass
class Run:
    """One fit, all of its arguments checked and its memory taken."""

    model: SparseMLP
    trainer: Driver
    samples: int
    steps_per_epoch: int
    epochs: range
    batch_size: int
    validation: _core.Data | None
    topology: SET | TopologyRule | None
    pruning: ImportancePruning | None
    callbacks: list[Callback]
    progress: bool
    checkpoint: Checkpoint | None = None

    def train(self) -> History:
        """Run the epochs."""
        start = None if self.pruning is None else self.pruning.start
        if start is not None and self.epochs and start >= self.epochs.stop:
            message = f"pruning starts after epoch {start}, and this fit ends before"
            warnings.warn(message, RuntimeWarning, stacklevel=4)
        history = self.model.history = self._past()
        self._multiply_adds = int(history.history.get("multiply_adds", [0])[-1])
        self._pruning_seconds = self._evolution_seconds = 0.0
        remaining = self.epochs[len(history.epoch) :]
        diverged = False
        had_paths = self.pruning is not None and self.model._core.path_strength().any()
        self.model.stop_training = False
        if hasattr(self.trainer, "set_base_rate"):
            self.model._driver = self.trainer
        for callback in self.callbacks:
            callback.on_train_begin({})
        logs: dict[str, float] = {}
        with _Bar(self.epochs, self.samples, self.model.nnz, enabled=self.progress) as bar:
            if history.epoch:
                bar.epoch_done(history.epoch[-1], {"connections": self.model.nnz})
                self._change_topology(history.epoch[-1], bar)
            for epoch in remaining:
                for callback in self.callbacks:
                    callback.on_epoch_begin(epoch, {})
                logs = self._epoch(epoch, bar)
                history.append(epoch, logs)
                history.staleness_histogram = self.trainer.staleness_histogram()
                if not diverged and not history.is_finite():
                    diverged = True
                    warnings.warn(DIVERGED, RuntimeWarning, stacklevel=4)
                bar.epoch_done(epoch, logs)
                for callback in self.callbacks:
                    callback.on_epoch_end(epoch, dict(logs))
                if self.model.stop_training or epoch == self.epochs[-1]:
                    break
                if self.checkpoint is not None:
                    model = self.model
                    write = self.checkpoint.write
                    self.trainer.aside(partial(write, model._core, model.metadata, history))
                self._change_topology(epoch, bar)
        if self.checkpoint is not None:
            self.checkpoint.remove()
        # Pruning cuts no output off, but the evolution moves what it has left.
        if had_paths and not self.model._core.path_strength().any():
            warnings.warn(CUT_OFF, RuntimeWarning, stacklevel=4)
        for callback in self.callbacks:
            callback.on_train_end(dict(logs))
        return history

    def _past(self) -> History:
        """What a fit that was broken off has done already; its network is in the model."""
        past = None if self.checkpoint is None else self.checkpoint.past
        return History() if past is None else past

    def _change_topology(self, epoch: int, bar: _Bar) -> None:
        """Prune and evolve after an epoch."""
        self._pruning_seconds = self._evolution_seconds = 0.0
        rule = self.pruning
        if rule is not None and rule.is_due(epoch + 1):
            bar.does("pruning", epoch)
            started = time.perf_counter()
            self._prune(rule)
            self._pruning_seconds = time.perf_counter() - started
        topology = self.topology
        evolution = None if topology is None else topology.at(epoch + 1, self.epochs.stop)
        if evolution is not None:
            bar.does("evolving", epoch)
            started = time.perf_counter()
            self.trainer.evolve(evolution)
            self._evolution_seconds = time.perf_counter() - started

    def _prune(self, rule: ImportancePruning) -> None:
        percentile: float | list[float] | None = rule.percentile
        over = rule.over
        if rule.tolerance is not None:
            percentile, over = self._tolerable(rule), "connected"
            if percentile is None:
                return
        how = core_rule(
            percentile=percentile, threshold=rule.threshold, over=over, regrow=rule.regrow
        )
        self.model._prune(how, stacklevel=7, by=self.trainer.prune)

    def _tolerable(self, rule: ImportancePruning) -> list[float] | None:
        """The percentile of each layer's connected neurons that can go, or None."""
        assert self.validation is not None
        assert rule.tolerance is not None
        assert isinstance(rule.start, int)
        assert isinstance(rule.every, int)
        history = self.model.history.history
        tolerance = Tolerance(rule.tolerance, has_accuracy="val_accuracy" in history)
        losses = history["val_loss"]
        scores = list(map(tolerance.of, losses, history.get("val_accuracy", losses)))
        before = self.model.history.epoch[0]  # of a fit that goes on
        start = rule.start - before
        while start < 1:
            start += rule.every
        left = tolerance.remaining(scores, start, rule.every)
        if left < 0:
            return None
        core, data = self.model._core, self.validation
        return self.trainer.aside(lambda: furthest(core, data, self.batch_size, tolerance, left))

    def _epoch(self, epoch: int, bar: _Bar) -> dict[str, float]:
        first_step = epoch * self.steps_per_epoch
        bar.epoch_starts(epoch)
        started = time.perf_counter()

        def tick(samples: int, loss: float, accuracy: float) -> None:
            passed = {"seconds": time.perf_counter() - started, **self.trainer.numbers()}
            bar.tick(samples, {"loss": loss, "accuracy": accuracy, **passed})

        scores = self.trainer.epoch(epoch, first_step, tick)
        seconds = time.perf_counter() - started
        logs = self.model._scores(scores)
        validation_seconds = 0.0
        if self.validation is not None:
            bar.does("validating", epoch)
            validating = time.perf_counter()
            scores = self.trainer.evaluate(self.validation, self.batch_size)
            validation_seconds = time.perf_counter() - validating
            validation = self.model._scores(scores)
            logs |= {f"val_{name}": value for name, value in validation.items()}
        logs["connections"] = self.model.nnz
        logs["neurons"] = sum(self.model._core.connected_neurons()[:-1])
        logs["learning_rate"] = self.trainer.learning_rate(
            epoch, first_step + self.steps_per_epoch - 1
        )
        logs["seconds"] = seconds
        logs["validation_seconds"] = validation_seconds
        # Of the changes that made the topology that this epoch has trained.
        logs["pruning_seconds"] = self._pruning_seconds
        logs["evolution_seconds"] = self._evolution_seconds
        logs["multiply_adds"] = self._multiply_adds + self.trainer.multiply_adds
        logs["peak_memory"] = _peak.memory()
        logs |= self.trainer.numbers()
        return logs


class _Bar:
    """A progress bar over epochs that moves within them."""

    def __init__(self, epochs: range, samples: int, connections: int, *, enabled: bool) -> None:
        self._epochs = epochs
        self._samples = samples
        self._connections = connections
        self._scores: dict[str, float] = {}
        self._bar = _progress.bar(enabled=enabled and len(epochs) > 0, total=len(epochs))

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def epoch_starts(self, epoch: int) -> None:
        self._done = epoch - self._epochs.start
        self._bar.set_description_str(f"epoch {epoch + 1}/{self._epochs.stop}", refresh=False)

    def does(self, what: str, epoch: int) -> None:
        """Say what takes its time after the steps of an epoch."""
        self._bar.set_description_str(f"epoch {epoch + 1}/{self._epochs.stop}, {what}")

    def tick(self, samples: int, logs: dict[str, float]) -> None:
        self._show(logs)
        self._move(self._done + samples / self._samples)

    def epoch_done(self, epoch: int, logs: dict[str, float]) -> None:
        self._connections = int(logs["connections"])
        self._show(logs)
        self._move(epoch + 1 - self._epochs.start)

    def _show(self, logs: dict[str, float]) -> None:
        # Validation scores stay in sight until the next ones; a squared error has no accuracy.
        names = {
            "loss": "loss",
            "accuracy": "acc",
            "val_loss": "val_loss",
            "val_accuracy": "val_acc",
        }
        shown = {k: v for k, v in logs.items() if k in names and (math.isfinite(v) or "loss" in k)}
        self._scores = {**self._scores, **shown}
        parts = [f"{names[k]} {v:.4f}" for k, v in self._scores.items()]
        if logs.get("updates"):  # of an asynchronous server, in this epoch
            parts.append(f"{logs['updates'] / logs['seconds']:,.0f} updates/s")
            parts.append(f"staleness {logs['staleness']:.1f}, idle {logs['idle']:.1f} s")
        self._bar.set_postfix_str(", ".join([*parts, f"{self._connections:,} connections"]), False)

    def _move(self, position: float) -> None:
        if not self._bar.disable:
            self._bar.n = round(position, 3)
            self._bar.refresh()
