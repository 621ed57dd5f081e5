"""One step and one evolution, outside of a fit."""

from __future__ import annotations

import warnings
from typing import Any

from trulysparse import _core
from trulysparse.config import Config
from trulysparse.data.samples import Given, given, say_indistinct
from trulysparse.optim import Optimizer
from trulysparse.topology import Rule
from trulysparse.training import settings
from trulysparse.training.request import NO_SRELU, PAPER_SGD, StepRequest, check


def step(core: _core.Network, batch: Given, optimizer: Optimizer, memory: str) -> _core.Scores:
    """Take one training step on all samples; give their scores before it."""
    check(StepRequest(Config.of(core), optimizer), [NO_SRELU])
    text = settings.of_trainer(batch.samples, optimizer._core(), 1, memory=memory)
    trainer = _core.Trainer(core, batch.data, text)
    begins = core.counters().steps == 0
    core.follow(batch.data, optimizer.learning_rate)
    found = trainer.step()
    say_indistinct(core, batch.inputs, batch.targets, whole=begins)
    return found


def say_without_schedule(optimizer: Optimizer) -> bool:
    """Warn the caller's caller of a schedule, which one step does not have; tell whether it did."""
    if optimizer.has_constant_rate:
        return False
    warnings.warn(
        f"train_on_batch takes no step of a schedule: each has learning_rate = "
        f"{optimizer.learning_rate:g}, and schedule = {optimizer.schedule!r} is for fit; give each "
        f"step a trulysparse.{type(optimizer).__name__}(learning_rate=...)",
        UserWarning,
        stacklevel=3,
    )
    return True


def evolution(
    core: _core.Network, rule: Rule, x: Any, y: Any, *, batch_size: int, memory: str
) -> list[_core.LayerTurnover]:
    """Evolve once; by gradients on samples if the rule takes some."""
    trainer, fresh = None, False
    if x is not None and y is not None:
        data = given(core, x, y, trains=rule._takes_samples).data
        if rule._takes_samples:
            text = settings.of_trainer(
                batch_size,
                PAPER_SGD._core(),
                1,
                candidates=rule._candidates,
                memory=memory,
                growth_batch=rule._growth_batch,
            )
            trainer = _core.Trainer(core, data, text)
            fresh = core.input_statistics() is None and core.target_statistics() is None
    elif x is not None or y is not None or rule._needs_samples:
        missing = "x" if x is None else "y"
        raise ValueError(f"{missing} = None: expected samples x and their targets y")
    before = core.counters().evolutions
    try:
        if trainer is not None:
            core.standardize_on(data)
        return rule._apply(core, trainer)
    except BaseException:
        # Ctrl-C may also come just after the evolution, which then is complete.
        if fresh and core.counters().evolutions == before:
            core.forget_statistics()
        raise
