"""What was chosen on the command line: a preset, and the flags that were given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

from trulysparse import presets, schedules
from trulysparse.optim import SGD, Adam, Optimizer
from trulysparse.parallel import WASAP, WASSP
from trulysparse.presets import Preset
from trulysparse.topology import SET, GradientGrowth


def combined(preset: Preset, given: Mapping[str, Any]) -> dict[str, Any]:
    """The preset's settings and those that were given; what goes by samples as for one sample."""
    chosen = {**preset._for(1)._flags(), **given}
    if given["density"] is not None:
        del chosen["epsilon"]
    if "hidden" in given:
        chosen["hidden"] = list(chain.from_iterable(given["hidden"]))
    if len(given.get("activation", ())) == 1:
        (chosen["activation"],) = given["activation"]
    return chosen


def make_optimizer(chosen: dict[str, Any], given: Mapping[str, Any]) -> Optimizer:
    """The optimiser; what it does not take or has another default for changes in `chosen`."""
    schedule = chosen["schedule"]
    if given["warmup"]:
        schedule = schedules.BY_NAME[schedule](warmup=given["warmup"])
    shared = {"schedule": schedule, "l1": given["l1"], "layer_rates": given["layer_rates"]}
    own = ["learning_rate", "weight_decay", "momentum", "nesterov", "schedule_decay"]
    if given["optimizer"] == "sgd":
        return SGD(**{key: chosen[key] for key in own}, **shared)
    for key in own[2:]:
        if key in given:
            raise ValueError(f"--{key.replace('_', '-')}: expected --optimizer sgd")
        del chosen[key]
    for key in own[:2]:  # the presets' are for SGD
        chosen[key] = given.get(key, getattr(Adam, key))
    return Adam(chosen["learning_rate"], weight_decay=chosen["weight_decay"], **shared)


def by_samples(
    preset: Preset,
    chosen: dict[str, Any],
    given: Mapping[str, Any],
    optimizer: Optimizer,
    samples: int,
    strategy: WASSP | WASAP | None = None,
) -> Optimizer:
    """Fill into `chosen` what goes by the number of samples, and give the optimiser with it.

    With a strategy `chosen["batch_size"]` is that of a worker.
    """
    size = given.get("batch_size")
    chosen["batch_size"] = preset._for(samples, size).batch_size
    of_step = chosen["batch_size"]
    if strategy is not None:
        if size is None:
            chosen["batch_size"] = max(of_step // strategy.workers, 1)
        of_step = chosen["batch_size"] * (strategy.workers if isinstance(strategy, WASSP) else 1)
    preset = preset._for(samples, of_step)
    if isinstance(optimizer, Adam) or "weight_decay" in given:
        return optimizer
    chosen["weight_decay"] = preset.weight_decay
    return replace(optimizer, weight_decay=chosen["weight_decay"])


def rates(preset: Preset, chosen: Mapping[str, Any], given: Mapping[str, Any]) -> list[float]:
    """The learning rates to try one after the other: only the one that was given."""
    retries = 0 if "learning_rate" in given else preset.retries
    return presets.rates(chosen["learning_rate"], retries)


def make_topology(chosen: dict[str, Any], given: Mapping[str, Any]) -> SET:
    kind = SET
    if given.get("grow") == "gradient":
        kind = GradientGrowth
        # What the presets have is for growth at random.
        chosen["grow_init"] = given.get("grow_init", GradientGrowth.grow_init)
    return kind(
        zeta=chosen["zeta"],
        grow_init=chosen["grow_init"],
        schedule=chosen["zeta_schedule"],
        stop=chosen["zeta_stop"],
    )
