"""Who trains: the network itself, several workers of this process, or the ranks of an MPI job."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from trulysparse import _core, _fit, _fit_settings, _settings
from trulysparse._batches import Batches, Stream
from trulysparse._checkpoint import Checkpoint
from trulysparse._mpi.server import ServerRank
from trulysparse._mpi.session import Session, fingerprint
from trulysparse._mpi.worker import WorkerRank
from trulysparse.augmentation import ImageAugmentation
from trulysparse.callbacks import Callback
from trulysparse.history import History
from trulysparse.optim import Optimizer
from trulysparse.parallel import WASAP, WASSP, local_from, shares, steps_per_epoch
from trulysparse.pruning import ImportancePruning
from trulysparse.rules import TopologyRule
from trulysparse.topology import SET

if TYPE_CHECKING:
    from trulysparse.model import SparseMLP


@dataclass
class Job:
    """What a fit is to do, all arguments checked."""

    model: SparseMLP
    data: _core.Data | None  # None on a server without samples
    inputs: Any
    samples: int
    epochs: range
    batch_size: int
    optimizer: Optimizer
    topology: SET | TopologyRule | None
    pruning: ImportancePruning | None
    strategy: WASSP | WASAP | None
    memory: str
    stream: Stream | None = None  # instead of data
    augment: ImageAugmentation | None = None
    validated: bool = False  # with held-out samples, on the rank that leads

    def about(self) -> dict[str, Any]:
        """What makes it the same fit as another, in JSON's types."""
        strategy, counters = self.strategy, self.model._core.counters()
        about = {
            "version": _core.__version__,
            "model": self.model._config.to_dict(),
            "network": fingerprint(self.model._core),
            "counters": [counters.epochs, counters.steps, counters.evolutions],
            "epochs": [self.epochs.start, self.epochs.stop],
            "batch_size": self.batch_size,
            "optimizer": asdict(self.optimizer),
            "topology": asdict(self.topology) if isinstance(self.topology, SET) else None,
            "pruning": None if self.pruning is None else asdict(self.pruning),
            "augment": None if self.augment is None else asdict(self.augment),
            "strategy": type(strategy).__name__,
            **{
                key: getattr(strategy, key, None)
                for key in (
                    "workers",
                    "local_fraction",
                    "warmup_epochs",
                    "momentum_correction",
                    "scale_local_rate",
                    "max_staleness",
                    "sharded",
                )
            },
        }
        same: dict[str, Any] = json.loads(json.dumps(about))
        return same


@dataclass
class Start:
    """How a fit starts: its driver or, on a worker's rank, the worker."""

    steps_per_epoch: int
    samples: int  # of an epoch; steps of a stream, whose samples are not known
    driver: _fit.Driver | None = None
    worker: WorkerRank | None = None
    server: ServerRank | None = None
    checkpoint: Checkpoint | None = None


def run(
    job: Job,
    session: Session | None,
    validation: _core.Data | None,
    callbacks: list[Callback],
    *,
    progress: bool,
) -> History:
    """Do it, or what this rank has to do of it."""
    if _leads(session):
        validated = validation is not None
        names = _fit.metrics(job.model.loss, job.strategy, validated=validated)
        _fit.introduce(callbacks, job.model, {"epochs": job.epochs.stop, "metrics": names})
    started = start(job, session)
    if started.worker is not None:
        history = job.model.history = started.worker.run()
        return history
    assert started.driver is not None
    history = _fit.Run(
        model=job.model,
        trainer=started.driver,
        samples=started.samples,
        steps_per_epoch=started.steps_per_epoch,
        epochs=job.epochs,
        batch_size=job.batch_size,
        validation=validation,
        topology=job.topology,
        pruning=job.pruning,
        callbacks=callbacks,
        progress=progress,
        checkpoint=started.checkpoint,
    ).train()
    if started.server is not None:
        started.server.finish(history)
    return history


def start(job: Job, session: Session | None) -> Start:
    """Find the driver of a fit, and take its memory."""
    strategy, model = job.strategy, job.model
    if job.stream is not None:
        steps = job.stream.steps
        return Start(steps, steps, Batches(job, job.stream))
    if strategy is None:
        assert job.data is not None
        steps = math.ceil(job.samples / job.batch_size)
        settings = _fit_settings.of_trainer(
            job.batch_size,
            job.optimizer._core(),
            job.epochs.stop * steps,
            candidates=_settings.candidates(job.topology) if len(job.epochs) > 1 else None,
            memory=job.memory,
            growth_batch=_settings.growth_batch(job.topology),
        )
        trainer = _core.Trainer(model._core, job.data, settings)
        started = Start(steps, job.samples, _fit.Sequential(model, trainer))
        _standardize(job, session)
        return started
    if session is not None and not session.sharded and strategy.workers > job.samples:
        # As the core says it, but on all ranks.
        raise ValueError(
            f"workers = {strategy.workers}: expected no more than the {job.samples} samples"
        )
    about = job.about() if strategy.checkpoint is not None or session is not None else {}
    checkpoint = None
    if strategy.checkpoint is not None and _leads(session):
        # The history that goes on has numbers of all epochs or of none.
        whole = about | {"samples": job.samples, "validation_data": job.validated}
        checkpoint = Checkpoint(strategy.checkpoint, whole)
        checkpoint.find(model.threads)
    if session is not None:
        session.greet(about, job.samples)
        _resume(checkpoint, model)
        session.share_network(model._core, checkpoint is not None and checkpoint.past is not None)
        _standardize(job, session)
        started = _on_ranks(job, session)
    else:
        _resume(checkpoint, model)
        started = _on_threads(job, strategy)
        _standardize(job, session)
    started.checkpoint = checkpoint
    return started


def _resume(checkpoint: Checkpoint | None, model: SparseMLP) -> None:
    metadata = None if checkpoint is None else checkpoint.resume(model._core)
    if metadata is not None:
        model.metadata = metadata


def _standardize(job: Job, session: Session | None) -> None:
    if job.epochs and session is not None and session.sharded:
        session.standardize(job.model._core, job.inputs)
    elif job.epochs and job.data is not None:
        job.model._core.standardize_on(job.data)


def serves(session: Session | None) -> bool:
    """Whether this rank needs no samples, as it is the server of others that have them."""
    return session is not None and session.sharded and session.is_server


def _leads(session: Session | None) -> bool:
    return session is None or session.is_server


def _on_threads(job: Job, strategy: WASSP | WASAP) -> Start:
    parts = shares(strategy, job.samples)
    steps = steps_per_epoch(parts, job.batch_size)
    local = local_from(strategy, job.epochs.stop)
    assert job.data is not None
    settings = _fit_settings.of_workers(
        job.batch_size,
        job.optimizer._core(),
        job.epochs.stop * steps,
        strategy=strategy._core(),
        workers=strategy.workers,
        local_from=local,
    )
    trainer = _core.ParallelTrainer(job.model._core, job.data, settings)
    driver = _fit.Parallel(job.model._core, trainer, strategy, _about_record(job, strategy, local))
    return Start(steps, job.samples, driver)


def _on_ranks(job: Job, session: Session) -> Start:
    strategy, link = job.strategy, session.link
    assert strategy is not None
    parts = session.shares if session.sharded else shares(strategy, job.samples)
    batch_size = min(job.batch_size, sum(parts))
    steps = steps_per_epoch(parts, batch_size)
    optimizer, total = job.optimizer._core(), job.epochs.stop * steps
    if not session.is_server:
        assert job.data is not None
        settings = _fit_settings.of_steps(batch_size, optimizer, total)
        worker = WorkerRank(
            link, job.model._core, job.data, batch_size, settings, sharded=session.sharded
        )
        return Start(steps, sum(parts), worker=worker)
    local = local_from(strategy, job.epochs.stop)
    settings = _fit_settings.of_workers(
        batch_size,
        optimizer,
        total,
        strategy=strategy._core(),
        workers=len(parts),
        local_from=local,
    )
    server = ServerRank(link, job.model._core, strategy, parts, settings, local)
    driver = _fit.Parallel(job.model._core, server, strategy, _about_record(job, strategy, local))
    return Start(steps, sum(parts), driver, server=server)


def _about_record(job: Job, strategy: WASSP | WASAP, local: int) -> dict[str, int]:
    return {
        "workers": strategy.workers,
        "samples": job.samples,
        "batch_size": job.batch_size,
        "local_from": local,
    }
