"""Who trains: the network itself, several workers of this process, or the ranks of an MPI job."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

import numpy as np

from trulysparse import _core
from trulysparse.data.samples import given, held_out
from trulysparse.history import History
from trulysparse.parallel.driver import ParallelDriver
from trulysparse.parallel.mpi.server import ServerRank
from trulysparse.parallel.mpi.session import Session
from trulysparse.parallel.mpi.worker import WorkerRank
from trulysparse.parallel.strategies import Strategy, local_from, shares, steps_per_epoch
from trulysparse.training import settings
from trulysparse.training.checkpoint import Checkpoint
from trulysparse.training.driver import Driver
from trulysparse.training.loop import Loop, Model, introduce, metrics
from trulysparse.training.request import Request
from trulysparse.training.sequential import Sequential
from trulysparse.training.stream import Stream
from trulysparse.training.stream_driver import StreamDriver


class Fit(Protocol):
    """A fit whose memory is taken, as the model runs it."""

    @property
    def driver(self) -> Driver | None: ...
    def run(self) -> History: ...
    def end(self) -> None: ...


@dataclass
class Serving:
    """The fit of a worker's rank: gradients and local epochs, as the server asks."""

    model: Model
    worker: WorkerRank
    driver: None = None

    def run(self) -> History:
        """Do what the server asks until it ends the fit."""
        self.model.history = self.worker.run()
        return self.model.history

    def end(self) -> None:
        """Do nothing: the server has ended the fit."""


@dataclass
class Leading(Loop):
    """The loop of the server's rank, which gives the others what came of it."""

    server: ServerRank | None = None

    def end(self) -> None:
        """End the fit on all ranks, after the callbacks."""
        super().end()
        if self.server is not None:
            self.server.finish(self.model.history)


@dataclass
class Inputs:
    """What is trained on: samples in the core, or a stream of batches.

    `data` is None on a server without samples, and with a stream.
    """

    data: _core.Data | None
    arrays: Any
    samples: int
    validation: _core.Data | None
    stream: Stream | None = None


def start(fit: Request, model: Model, session: Session | None) -> Fit:
    """Check the samples, find who trains, and take the memory.

    Nothing has changed if it raises, but that a checkpoint has been taken up.
    """
    inputs = _inputs(fit, session)
    if _leads(session):
        names = metrics(
            fit.config.loss,
            validated=inputs.validation is not None,
            asynchronous=fit.strategy is not None and fit.strategy.asynchronous,
        )
        introduce(fit.callbacks, model, {"epochs": fit.epochs.stop, "metrics": names})
    if inputs.stream is not None:
        steps = inputs.stream.steps
        driver = StreamDriver(fit, inputs.stream)
        return Loop(fit, model, driver, steps, steps, inputs.validation)
    if fit.strategy is None:
        return _sequential(fit, model, inputs)
    return _parallel(fit, model, inputs, fit.strategy, session)


def _inputs(fit: Request, session: Session | None) -> Inputs:
    validation = None
    if fit.batches:
        stream = Stream(fit.core, fit.x, fit.steps_per_epoch, fit.augment)
        if fit.validation_data is not None:
            validation = held_out(fit.core, fit.validation_data)
        return Inputs(None, None, 0, validation, stream)
    if _serves(session) and np.shape(cast(Any, fit.x))[:1] == (0,):
        data, arrays = None, np.empty((0, fit.config.layer_sizes[0]), np.float32)
    else:
        data, arrays, _ = given(
            fit.core,
            fit.x,
            fit.y,
            sample_weight=fit.sample_weight,
            trains=True,
            augment=fit.augment,
        )
    if fit.validation_data is not None:
        validation = held_out(fit.core, fit.validation_data)
    return Inputs(data, arrays, arrays.shape[0], validation)


def _sequential(fit: Request, model: Model, inputs: Inputs) -> Loop:
    assert inputs.data is not None
    steps = math.ceil(inputs.samples / fit.batch_size)
    text = settings.of_trainer(
        fit.batch_size,
        fit.optimizer._core(),
        fit.epochs.stop * steps,
        candidates=fit.candidates,
        memory=fit.memory,
        growth_batch=fit.growth_batch,
    )
    trainer = _core.Trainer(fit.core, inputs.data, text)
    _standardize(fit, inputs, None)
    driver = Sequential(fit.core, trainer)
    return Loop(fit, model, driver, inputs.samples, steps, inputs.validation)


# --- several workers ----------------------------------------------------------------------------


def _parallel(
    fit: Request, model: Model, inputs: Inputs, strategy: Strategy, session: Session | None
) -> Fit:
    if session is not None and not session.sharded and strategy.workers > inputs.samples:
        # As the core says it, but on all ranks.
        raise ValueError(
            f"workers = {strategy.workers}: expected no more than the {inputs.samples} samples"
        )
    about = fit.about() if strategy.checkpoint is not None or session is not None else {}
    checkpoint = None
    if strategy.checkpoint is not None and _leads(session):
        # The history that goes on has numbers of all epochs or of none.
        validated = inputs.validation is not None
        whole = about | {"samples": inputs.samples, "validation_data": validated}
        checkpoint = Checkpoint(strategy.checkpoint, whole)
        checkpoint.find(fit.core.threads)
    if session is None:
        _resume(checkpoint, fit, model)
        loop = _on_threads(fit, model, inputs, strategy)
        _standardize(fit, inputs, session)
        return replace(loop, checkpoint=checkpoint)
    session.greet(about, inputs.samples)
    _resume(checkpoint, fit, model)
    session.share_network(fit.core, checkpoint is not None and checkpoint.past is not None)
    _standardize(fit, inputs, session)
    return _on_ranks(fit, model, inputs, strategy, session, checkpoint)


def _resume(checkpoint: Checkpoint | None, fit: Request, model: Model) -> None:
    metadata = None if checkpoint is None else checkpoint.resume(fit.core)
    if metadata is not None:
        model.metadata = metadata


def _standardize(fit: Request, inputs: Inputs, session: Session | None) -> None:
    if fit.epochs and session is not None and session.sharded:
        session.standardize(fit.core, inputs.arrays)
    elif fit.epochs and inputs.data is not None:
        fit.core.standardize_on(inputs.data)


def _serves(session: Session | None) -> bool:
    """Tell whether this rank needs no samples, as it is the server of others that have them."""
    return session is not None and session.sharded and session.is_server


def _leads(session: Session | None) -> bool:
    return session is None or session.is_server


def _on_threads(fit: Request, model: Model, inputs: Inputs, strategy: Strategy) -> Loop:
    parts = shares(strategy, inputs.samples)
    steps = steps_per_epoch(parts, fit.batch_size)
    assert inputs.data is not None
    text = settings.of_workers(
        fit.batch_size,
        fit.optimizer._core(),
        fit.epochs.stop * steps,
        strategy=strategy._core(),
        workers=strategy.workers,
        local_from=local_from(strategy, fit.epochs.stop),
    )
    trainer = _core.ParallelTrainer(fit.core, inputs.data, text)
    driver = _driver(fit, inputs, strategy, trainer)
    return Loop(fit, model, driver, inputs.samples, steps, inputs.validation)


def _on_ranks(
    fit: Request,
    model: Model,
    inputs: Inputs,
    strategy: Strategy,
    session: Session,
    checkpoint: Checkpoint | None,
) -> Fit:
    link = session.link
    parts = session.shares if session.sharded else shares(strategy, inputs.samples)
    batch_size = min(fit.batch_size, sum(parts))
    steps = steps_per_epoch(parts, batch_size)
    optimizer, total = fit.optimizer._core(), fit.epochs.stop * steps
    if not session.is_server:
        assert inputs.data is not None
        text = settings.of_steps(batch_size, optimizer, total)
        worker = WorkerRank(link, fit.core, inputs.data, batch_size, text, sharded=session.sharded)
        return Serving(model, worker)
    local = local_from(strategy, fit.epochs.stop)
    text = settings.of_workers(
        batch_size,
        optimizer,
        total,
        strategy=strategy._core(),
        workers=len(parts),
        local_from=local,
    )
    server = ServerRank(link, fit.core, strategy, parts, text, local)
    driver = _driver(fit, inputs, strategy, server)
    return Leading(
        fit, model, driver, sum(parts), steps, inputs.validation, checkpoint, server=server
    )


def _driver(fit: Request, inputs: Inputs, strategy: Strategy, trainer: Any) -> ParallelDriver:
    about = {
        "workers": strategy.workers,
        "samples": inputs.samples,
        "batch_size": fit.batch_size,
    }
    return ParallelDriver(fit.core, trainer, strategy, about, local_from(strategy, fit.epochs.stop))
