"""The loop over epochs: what happens between two runs of the core."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from trulysparse import _core
from trulysparse.callbacks.base import Callback, Model
from trulysparse.data.blocks import CsrArrays
from trulysparse.explosion import ExplosionWarning
from trulysparse.history import LOSSES_OF_AN_EPOCH, History, numbers_of
from trulysparse.losses import LOSSES, scores
from trulysparse.streams.held import HeldRows
from trulysparse.topology._rule import evolution_times, last_evolution
from trulysparse.topology.pruning import ImportancePruning, reported
from trulysparse.topology.tolerance import Tolerance, furthest
from trulysparse.training import peak_memory
from trulysparse.training.causes import with_causes
from trulysparse.training.checkpoint import Checkpoint
from trulysparse.training.driver import Driver
from trulysparse.training.going_on import lacking
from trulysparse.training.progress import EpochBar
from trulysparse.training.request import Request
from trulysparse.training.verdict import baseline, verdict

CUT_OFF = (
    "no path from the inputs to the outputs is left, so all predictions are the same: prune less, "
    "or end the evolution earlier"
)

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

# The frames from a method that `Loop.run` calls to the caller of `SparseMLP.fit`.
_TO_CALLER = 3


def metrics(loss: str, *, validated: bool, asynchronous: bool) -> list[str]:
    """Give the names in the logs of an epoch, in their order."""
    names = ["loss", "accuracy"] if LOSSES[loss].has_accuracy else ["loss"]
    validation = [f"val_{name}" for name in names] if validated else []
    always = ["connections", "neurons", "learning_rate", "seconds", *COSTS]
    of_server = ["updates", "refused", "staleness", "dropped", "idle"] if asynchronous else []
    return [*names, *validation, *always, *of_server]


def introduce(callbacks: Sequence[Callback], model: Any, params: Mapping[str, Any]) -> None:
    """Tell callbacks what they are going to see; one that misses something says so now."""
    for callback in callbacks:
        callback.set_model(model)
    for callback in callbacks:
        callback.set_params(params)


@dataclass
class Loop:
    """The epochs of one request, whose memory is taken.

    `samples` are those of an epoch; steps of a stream, whose samples are not known.
    """

    request: Request
    model: Model
    driver: Driver
    samples: int
    steps_per_epoch: int
    validation: _core.Data | HeldRows | None
    checkpoint: Checkpoint | None = None
    # The samples; None of a stream, and where other ranks have them.
    arrays: Any = None
    # Whether a stream's batches are sparse.
    streams_sparse: bool = False
    # The frames from `_judge` to the caller of `SparseMLP.fit`.
    frames: ClassVar[int] = 4

    def run(self) -> History:
        """Run the epochs."""
        request, model = self.request, self.model
        self._warn_of_late_pruning()
        self._warn_of_no_evolution()
        self._warn_of_what_is_lacking()
        if self.checkpoint is not None and self.checkpoint.workers:
            self.driver.resume(self.checkpoint.workers)
            self.checkpoint.workers = []
        history = model.history = self._past()
        self._epochs_before = request.core.counters().epochs
        self._multiply_adds = int(history.history.get("multiply_adds", [0])[-1])
        self._pruning_seconds = self._evolution_seconds = 0.0
        self._limited = 0
        remaining = request.epochs[len(history.epoch) :]
        had_paths = request.pruning is not None and request.core.path_strength().any()
        model.stop_training = False
        history.baseline = baseline(self.driver) if remaining else None
        self._was_finite = history.is_finite()
        for callback in request.callbacks:
            callback.on_train_begin({})
        self.logs: dict[str, float] = {}
        with EpochBar(
            request.epochs, self.samples, self._connections(), enabled=request.progress
        ) as bar:
            if history.epoch:
                bar.epoch_done(history.epoch[-1], {"connections": self._connections()})
                self._change_topology(history.epoch[-1], bar)
            elif self._owes_an_evolution():
                self._change_topology(request.epochs.start - 1, bar)
            for epoch in remaining:
                self._epoch_with_callbacks(epoch, bar)
                if model.stop_training or epoch == request.epochs[-1]:
                    break
                if self.checkpoint is not None:
                    self.driver.aside(partial(self._write, self.checkpoint))
                self._change_topology(epoch, bar)
        if self.checkpoint is not None:
            self.checkpoint.remove()
        # Pruning cuts no output off, but the evolution moves what it has left.
        if had_paths and not request.core.path_strength().any():
            warnings.warn(CUT_OFF, RuntimeWarning, stacklevel=_TO_CALLER)
        return history

    def end(self) -> None:
        """Tell callbacks of the end, at which they may restore a network."""
        for callback in self.request.callbacks:
            callback.on_train_end(dict(self.logs))
        if self.logs:
            self._judge()

    def _judge(self) -> None:
        """Say what is wrong with the network as it is now."""
        history = self.model.history
        found = verdict(self.request.core, self.driver, history, self.steps_per_epoch)
        if found is not None:
            found = with_causes(found, self.request, self.arrays, history)
        if found is not None and (self.streams_sparse or isinstance(self.arrays, CsrArrays)):
            found = found.of_sparse()
        history.trouble = found
        was_said = not history.is_finite()
        if found is not None and not (found.kind == "not finite" and was_said):
            warnings.warn(found.message, ExplosionWarning, stacklevel=self.frames)

    def _warn_of_late_pruning(self) -> None:
        epochs, rule = self.request.epochs, self.request.pruning
        start = None if rule is None else rule.start
        if start is not None and epochs and start >= epochs.stop:
            message = f"pruning starts after epoch {start}, and this fit ends before"
            warnings.warn(message, RuntimeWarning, stacklevel=_TO_CALLER + 1)

    def _warn_of_no_evolution(self) -> None:
        """Warn of a rule that is due after no epoch, unless one epoch is all that there is."""
        epochs, rule = self.request.epochs, self.request.topology
        if rule is None or not epochs or (rule.start == epochs.stop == 1):
            return
        start, stop, every = evolution_times(rule.start, rule.stop, rule.every)
        if last_evolution(start, stop, every, epochs.stop) >= start:
            return
        message = f"the topology evolves from epoch {start} on, and this fit ends before"
        if start < epochs.stop:
            message = (
                f"the topology never evolves: stop = {stop} of {epochs.stop} epochs is before "
                f"start = {start}"
            )
        elif start == epochs.stop:
            message = (
                f"the topology evolves from epoch {start} on, the last of this fit, after which "
                "nothing changes"
            )
        warnings.warn(message, RuntimeWarning, stacklevel=_TO_CALLER + 1)

    def _warn_of_what_is_lacking(self) -> None:
        taken_up = self.checkpoint is not None and self.checkpoint.past is not None
        missing = lacking(self.request, taken_up=taken_up)
        epochs = self.request.epochs
        if epochs.start > epochs.stop:
            message = f"no epoch is left: initial_epoch = {epochs.start} and epochs = {epochs.stop}"
            warnings.warn(message, RuntimeWarning, stacklevel=_TO_CALLER + 1)
        if missing:
            what = "; and without ".join(missing)
            message = (
                f"the fit goes on where another ended, but without {what}: the result is another "
                "than that of one whole fit"
            )
            warnings.warn(message, RuntimeWarning, stacklevel=_TO_CALLER + 1)

    def _owes_an_evolution(self) -> bool:
        """Tell whether the network is as it was before the changes that precede the first epoch.

        A fit ends before it evolves, and callbacks save models before that. What cannot be told, or
        not be made up for, is said.
        """
        request = self.request
        start, stop, counters = request.epochs.start, request.epochs.stop, request.core.counters()
        topology, pruning = request.topology, request.pruning
        if start == 0 or not request.epochs or counters.epochs < start:
            return False
        due = [
            topology is not None and topology.at(epoch, stop) is not None
            for epoch in range(1, start + 1)
        ]
        evolves, prunes = due[-1], pruning is not None and pruning.is_due(start)
        if counters.changed_after is None:  # a model of a file of version 1
            is_known = counters.epochs == start and evolves
            owes = is_known and counters.evolutions == sum(due) - 1
            made = is_known and counters.evolutions == sum(due)
        else:
            made = counters.changed_after == counters.epochs
            owes = not made
        scores = prunes and pruning is not None and pruning.tolerance is not None
        samples = request.streams and topology is not None and topology._takes_samples
        if (evolves or prunes) and owes and not scores and not samples:
            return True
        if (evolves or prunes) and not made:
            what = " and ".join(
                name for name, is_due in (("pruning", prunes), ("evolution", evolves)) if is_due
            )
            warnings.warn(
                f"{what} is due after epoch {start}, before this fit begins, and is left out: "
                "whether it was made cannot be told, or it needs the fit before; SparseMLP.prune "
                "and SparseMLP.evolve make up for it",
                RuntimeWarning,
                stacklevel=_TO_CALLER + 1,
            )
        return False

    def _past(self) -> History:
        """Give the history of a fit that was broken off; its network is in the model."""
        past = None if self.checkpoint is None else self.checkpoint.past
        return History() if past is None else past

    def _write(self, checkpoint: Checkpoint) -> None:
        model = self.model
        workers = self.driver.workers()
        checkpoint.write(self.request.core, model.metadata, model.history, workers)

    def _connections(self) -> int:
        return sum(self.request.core.nnz())

    def _neurons(self) -> int:
        return sum(self.request.core.connected_neurons()[:-1])

    # --- an epoch -----------------------------------------------------------------------------

    def _epoch_with_callbacks(self, epoch: int, bar: EpochBar) -> None:
        history, callbacks = self.model.history, self.request.callbacks
        for callback in callbacks:
            callback.on_epoch_begin(epoch, {})
        logs = self.logs = self._epoch(epoch, bar)
        history.append(epoch, logs)
        history.staleness_histogram = self.driver.staleness_histogram()
        history.limited_steps += self.driver.limited - self._limited
        self._limited = self.driver.limited
        history.baseline = baseline(self.driver)
        is_finite = all(math.isfinite(logs[key]) for key in LOSSES_OF_AN_EPOCH if key in logs)
        if self._was_finite and not is_finite:
            self._was_finite = False
            warnings.warn(DIVERGED, ExplosionWarning, stacklevel=_TO_CALLER + 1)
        bar.epoch_done(epoch, {**logs, "limited": history.limited_steps})
        own: dict[str, float] = {}
        for callback in callbacks:
            given = {**logs, **own}
            callback.on_epoch_end(epoch, given)
            own |= numbers_of({name: given[name] for name in given if name not in logs})
        history.add(own)

    def _epoch(self, epoch: int, bar: EpochBar) -> dict[str, float]:
        """Train and validate; give the numbers of the epoch."""
        driver, loss = self.driver, self.request.config.loss
        first_step = epoch * self.steps_per_epoch
        bar.epoch_starts(epoch)
        started = time.perf_counter()

        def tick(samples: int, loss: float, accuracy: float) -> None:
            passed = {"seconds": time.perf_counter() - started, **driver.numbers()}
            bar.tick(samples, {"loss": loss, "accuracy": accuracy, **passed})

        counted = self.request.core.counters()
        try:
            trained = driver.epoch(epoch, first_step, tick)
        except Exception as error:
            self._say_completed(error, counted.steps)
            raise
        logs = scores(loss, trained)
        seconds = time.perf_counter() - started
        validation_seconds = 0.0
        if self.validation is not None:
            bar.does("validating", epoch)
            validating = time.perf_counter()
            found = scores(loss, self._validated(self.validation))
            validation_seconds = time.perf_counter() - validating
            logs |= {f"val_{name}": value for name, value in found.items()}
        logs["connections"] = self._connections()
        logs["neurons"] = self._neurons()
        logs["learning_rate"] = driver.learning_rate(epoch, first_step + self.steps_per_epoch - 1)
        logs["seconds"] = seconds
        logs["validation_seconds"] = validation_seconds
        # Of the changes that made the topology that this epoch has trained.
        logs["pruning_seconds"] = self._pruning_seconds
        logs["evolution_seconds"] = self._evolution_seconds
        logs["multiply_adds"] = self._multiply_adds + driver.multiply_adds
        logs["peak_memory"] = peak_memory.memory()
        return logs | driver.numbers()

    def _validated(self, held_out: _core.Data | HeldRows) -> _core.Scores:
        batch_size = self.request.batch_size
        if isinstance(held_out, HeldRows):
            return self.driver.aside(lambda: held_out.evaluate(batch_size))
        return self.driver.evaluate(held_out, batch_size)

    def _say_completed(self, error: Exception, steps_before: int) -> None:
        """Add to an error in an epoch which steps the model keeps, if there are some."""
        now = self.request.core.counters()
        epochs, steps = now.epochs - self._epochs_before, now.steps - steps_before
        if epochs == steps == 0:
            return
        kept = f"the model keeps the {epochs} epochs and {steps} steps that were completed"
        if type(error) in (ValueError, TypeError):
            error.args = (f"{error}; {kept}",)
        elif hasattr(error, "add_note"):  # from Python 3.11 on
            error.add_note(f"trulysparse: {kept}")

    # --- between epochs -----------------------------------------------------------------------

    def _change_topology(self, epoch: int, bar: EpochBar) -> None:
        """Prune and evolve after an epoch."""
        self._pruning_seconds = self._evolution_seconds = 0.0
        rule, topology = self.request.pruning, self.request.topology
        if rule is not None and rule.is_due(epoch + 1):
            bar.does("pruning", epoch)
            started = time.perf_counter()
            self._prune(rule)
            self._pruning_seconds = time.perf_counter() - started
        evolution = None if topology is None else topology.at(epoch + 1, self.request.epochs.stop)
        if evolution is not None:
            bar.does("evolving", epoch)
            started = time.perf_counter()
            self.driver.evolve(evolution)
            self._evolution_seconds = time.perf_counter() - started

    def _prune(self, rule: ImportancePruning) -> None:
        percentiles = None
        if rule.tolerance is not None:
            percentiles = self._tolerable(rule)
            if percentiles is None:
                return
        how = rule._core(percentiles)
        reported(self.driver.prune(how), stacklevel=_TO_CALLER + 3)

    def _tolerable(self, rule: ImportancePruning) -> list[float] | None:
        """Give the percentile of each layer's connected neurons that can go, or None."""
        assert isinstance(self.validation, _core.Data)
        assert rule.tolerance is not None
        assert isinstance(rule.start, int)
        assert isinstance(rule.every, int)
        history = self.model.history.history
        has_accuracy = LOSSES[self.request.config.loss].has_accuracy
        tolerance = Tolerance(rule.tolerance, has_accuracy=has_accuracy)
        losses = history["val_loss"]
        scores = list(map(tolerance.of, losses, history.get("val_accuracy", losses)))
        before = self.model.history.epoch[0]  # of a fit that goes on
        start = rule.start - before
        while start < 1:
            start += rule.every
        left = tolerance.remaining(scores, start, rule.every)
        if left < 0:
            return None
        core, data, batch = self.request.core, self.validation, self.request.batch_size
        return self.driver.aside(lambda: furthest(core, data, batch, tolerance, left))
