"""Who trains: the network itself, several workers of this process, or the ranks of an MPI job."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

import numpy as np

from trulysparse import _core
from trulysparse.callbacks.base import Model
from trulysparse.data.arrays import refuse_weightless
from trulysparse.data.columns import labels, refuse_others
from trulysparse.data.outliers import say_outliers, say_outlying_targets, that_count
from trulysparse.data.precision import refuse_tiny
from trulysparse.data.samples import given, held_out, say_indistinct
from trulysparse.history import History
from trulysparse.parallel.driver import Judged, ParallelDriver
from trulysparse.parallel.mpi.server import ServerRank
from trulysparse.parallel.mpi.session import Session
from trulysparse.parallel.mpi.worker import WorkerRank
from trulysparse.parallel.strategies import Strategy, local_from, shares, steps_per_epoch
from trulysparse.streams.held import HeldRows, by_classes, rows_of, write_classes
from trulysparse.streams.rows import RowBlocks
from trulysparse.training import settings
from trulysparse.training.checkpoint import DATA, Checkpoint, fingerprint
from trulysparse.training.driver import Driver
from trulysparse.training.loop import Loop, introduce, metrics
from trulysparse.training.request import Request
from trulysparse.training.rows_driver import RowsDriver
from trulysparse.training.sequential import Sequential
from trulysparse.training.stream import Stream
from trulysparse.training.stream_driver import StreamDriver
from trulysparse.training.together import Together, TogetherLoop

# The frames from `_say_outliers` to the caller of `SparseMLP.fit`.
_TO_CALLER = 4


class RunningFit(Protocol):
    """A fit that is started, as the model runs it."""

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

    frames = Loop.frames + 1

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
    validation: _core.Data | HeldRows | None
    stream: Stream | None = None
    targets: Any = None


def start(
    request: Request,
    model: Model,
    session: Session | None,
    members: Sequence[_core.Network] = (),
) -> RunningFit:
    """Check the samples, find who trains, and take the memory.

    With `members` these train, and the model becomes their mean. Nothing has changed if it raises,
    but that a checkpoint has been taken up.
    """
    if isinstance(request.x, RowBlocks):
        request.columns.take("x", request.x.feature_names)
        request.x = _by_classes(request, model, "x", request.x)
    inputs = _inputs(request, model, session)
    if _leads(session):
        _say_outliers(request, inputs)
    if _leads(session):
        names = metrics(
            request.config.loss,
            validated=inputs.validation is not None,
            asynchronous=request.strategy is not None and request.strategy.asynchronous,
        )
        names += [name for one in request.callbacks for name in one.metrics if name not in names]
        introduce(request.callbacks, model, {"epochs": request.epochs.stop, "metrics": names})
    if isinstance(request.x, RowBlocks):
        rows = RowsDriver(request, request.x)
        write_classes(model.metadata, request.x)
        held, is_sparse = inputs.validation, rows.is_sparse
        return Loop(request, model, rows, rows.samples, rows.steps, held, streams_sparse=is_sparse)
    if inputs.stream is not None:
        steps = inputs.stream.steps
        driver = StreamDriver(request, inputs.stream)
        is_sparse = inputs.stream.is_sparse
        return Loop(
            request, model, driver, steps, steps, inputs.validation, streams_sparse=is_sparse
        )
    if request.strategy is None:
        return _sequential(request, model, inputs, members)
    return _parallel(request, model, inputs, request.strategy, session)


def _inputs(request: Request, model: Model, session: Session | None) -> Inputs:
    if isinstance(request.x, RowBlocks):
        return Inputs(None, None, 0, _validation(request, model))
    if request.batches:
        stream = Stream(request)
        return Inputs(None, None, 0, _validation(request, model), stream)
    if _serves(session) and np.shape(cast(Any, request.x))[:1] == (0,):
        data, arrays = None, np.empty((0, request.config.layer_sizes[0]), np.float32)
        targets = None
    else:
        data, arrays, _, targets = given(
            request.core,
            request.x,
            request.y,
            sample_weight=request.sample_weight,
            trains=True,
            begins=True,
            whole=session is None or not session.sharded,
            augment=request.augment,
        )
        if not (session is not None and session.sharded):
            refuse_weightless(request.sample_weight)
        takes_statistics = request.config.standardize and request.core.input_statistics() is None
        if takes_statistics and isinstance(arrays, np.ndarray) and arrays.dtype == np.float64:
            refuse_tiny("x", arrays)
    validation = _validation(request, model)
    if validation is not None and not isinstance(validation, HeldRows):
        y = request.validation_data[1]
        if len(getattr(y, "columns", ())) > 1:
            refuse_others("validation_data[1] (y)", y, labels(request.y))
    return Inputs(data, arrays, arrays.shape[0], validation, targets=targets)


def _validation(request: Request, model: Model) -> _core.Data | HeldRows | None:
    given, name = request.validation_data, "validation_data"
    if given is None:
        return None
    is_pair = isinstance(given, tuple | list) and len(given) == 2
    rows = rows_of(*given) if is_pair else rows_of(given)
    if rows is None:
        return held_out(request.core, given)
    request.columns.compare(name, rows.feature_names)
    return HeldRows(request.core, name, _by_classes(request, model, name, rows))


def _by_classes(request: Request, model: Model, name: str, rows: RowBlocks) -> RowBlocks:
    """Give rows whose labels are places in the classes of those that are trained on."""
    classes = None
    if isinstance(request.x, RowBlocks):
        trained = request.x
        classes = trained._encodes_by or (trained.classes if trained._labels_are_names() else None)
    return by_classes(request.core, model.metadata, name, rows, classes)


def _sequential(
    request: Request, model: Model, inputs: Inputs, members: Sequence[_core.Network]
) -> Loop:
    assert inputs.data is not None
    steps = math.ceil(inputs.samples / request.batch_size)
    text = settings.of_trainer(
        request.batch_size,
        request.optimizer._core(),
        request.epochs.stop * steps,
        candidates=request.candidates,
        memory=request.memory,
        growth_batch=request.growth_batch,
    )
    if members:
        return _together(request, model, inputs, members, text)
    trainer = _core.Trainer(request.core, inputs.data, text)
    _standardize(request, inputs, None)
    driver = Sequential(request.core, trainer, inputs.data)
    return Loop(
        request, model, driver, inputs.samples, steps, inputs.validation, arrays=inputs.arrays
    )


def _together(
    request: Request, model: Model, inputs: Inputs, members: Sequence[_core.Network], text: str
) -> Loop:
    assert inputs.data is not None
    driver = Together(request.core, members, inputs.data, text, request)
    _standardize(request, inputs, None)
    if request.epochs:
        for member in members:
            member.standardize_on(inputs.data)
    steps = math.ceil(inputs.samples / request.batch_size)
    held = inputs.validation
    return TogetherLoop(request, model, driver, inputs.samples, steps, held, arrays=inputs.arrays)


# --- several workers ----------------------------------------------------------------------------


def _parallel(
    request: Request, model: Model, inputs: Inputs, strategy: Strategy, session: Session | None
) -> RunningFit:
    if session is not None and not session.sharded and strategy.workers > inputs.samples:
        # As the core says it, but on all ranks.
        raise ValueError(
            f"workers = {strategy.workers}: expected no more than the {inputs.samples} samples"
        )
    about = request.about() if strategy.checkpoint is not None or session is not None else {}
    checkpoint = None
    if strategy.checkpoint is not None and _leads(session):
        # The history that goes on has numbers of all epochs or of none.
        validated = inputs.validation is not None
        whole = about | {"samples": inputs.samples, "validation_data": validated}
        whole[DATA] = fingerprint(inputs.arrays, request.y, request.sample_weight)
        checkpoint = Checkpoint(strategy.checkpoint, whole)
        checkpoint.find(request.core.threads)
    if session is None:
        _resume(checkpoint, request, model)
        loop = _on_threads(request, model, inputs, strategy)
        _standardize(request, inputs, session)
        return replace(loop, checkpoint=checkpoint)
    session.greet(about, inputs.samples)
    _resume(checkpoint, request, model)
    session.share_network(request.core, checkpoint is not None and checkpoint.past is not None)
    _standardize(request, inputs, session)
    return _on_ranks(request, model, inputs, strategy, session, checkpoint)


def _resume(checkpoint: Checkpoint | None, request: Request, model: Model) -> None:
    metadata = None if checkpoint is None else checkpoint.resume(request.core)
    if metadata is not None:
        model.metadata = metadata


def _standardize(request: Request, inputs: Inputs, session: Session | None) -> None:
    if request.epochs and session is not None and session.sharded:
        session.standardize(request.core, inputs.data)
    elif request.epochs and inputs.data is not None:
        request.core.standardize_on(inputs.data)
        if session is not None:  # otherwise before the first step
            request.core.take_up_constants(inputs.data)
    if (
        request.epochs
        and inputs.samples
        and (session is None or session.sharded or _leads(session))
    ):
        columns = request.columns.known
        say_indistinct(request.core, inputs.arrays, inputs.targets, columns)


def _say_outliers(request: Request, inputs: Inputs) -> None:
    """Warn of them where statistics are to be taken from these samples, or errors to be squared."""
    if not request.epochs or request.streams:
        return
    config, core = request.config, request.core
    if config.standardize and core.input_statistics() is None:
        x = that_count(inputs.arrays, request.sample_weight)
        say_outliers("x", x, request.columns.known, stacklevel=_TO_CALLER)
    if config.loss == "squared_error" and core.target_statistics() is None:
        y = that_count(request.y, request.sample_weight)
        say_outlying_targets("y", y, stacklevel=_TO_CALLER)


def _serves(session: Session | None) -> bool:
    """Tell whether this rank needs no samples, as it is the server of others that have them."""
    return session is not None and session.sharded and session.is_server


def _leads(session: Session | None) -> bool:
    return session is None or session.is_server


def _on_threads(request: Request, model: Model, inputs: Inputs, strategy: Strategy) -> Loop:
    parts = shares(strategy, inputs.samples)
    steps = steps_per_epoch(parts, request.batch_size)
    assert inputs.data is not None
    text = settings.of_workers(
        request.batch_size,
        request.optimizer._core(),
        request.epochs.stop * steps,
        strategy=strategy._core(),
        workers=strategy.workers,
        local_from=local_from(strategy, request.epochs.stop),
    )
    trainer = _core.ParallelTrainer(request.core, inputs.data, text)
    driver = _driver(request, inputs, strategy, trainer)
    return Loop(
        request, model, driver, inputs.samples, steps, inputs.validation, arrays=inputs.arrays
    )


def _on_ranks(
    request: Request,
    model: Model,
    inputs: Inputs,
    strategy: Strategy,
    session: Session,
    checkpoint: Checkpoint | None,
) -> RunningFit:
    link = session.link
    parts = session.shares if session.sharded else shares(strategy, inputs.samples)
    batch_size = min(request.batch_size, sum(parts))
    steps = steps_per_epoch(parts, batch_size)
    optimizer, total = request.optimizer._core(), request.epochs.stop * steps
    if not session.is_server:
        assert inputs.data is not None
        text = settings.of_steps(batch_size, optimizer, total)
        worker = WorkerRank(
            link, request.core, inputs.data, batch_size, text, sharded=session.sharded
        )
        return Serving(model, worker)
    local = local_from(strategy, request.epochs.stop)
    text = settings.of_workers(
        batch_size,
        optimizer,
        total,
        strategy=strategy._core(),
        workers=len(parts),
        local_from=local,
    )
    server = ServerRank(
        link,
        request.core,
        strategy,
        parts,
        text,
        local,
        keeps_networks=strategy.checkpoint is not None,
    )
    driver = _driver(request, inputs, strategy, server)
    return Leading(
        request, model, driver, sum(parts), steps, inputs.validation, checkpoint, server=server
    )


def _driver(request: Request, inputs: Inputs, strategy: Strategy, trainer: Any) -> ParallelDriver:
    about = {
        "workers": strategy.workers,
        "samples": inputs.samples,
        "batch_size": request.batch_size,
    }
    local, epochs = local_from(strategy, request.epochs.stop), request.epochs
    # Callbacks may have ended the recorded fit, and end this one.
    least = 0 if request.callbacks else min(local, epochs.stop) - epochs.start
    judged = Judged(request.core, inputs.data, request.batch_size)
    return ParallelDriver(request.core, trainer, strategy, about, local, judged, least=least)
