"""The flags of the optimiser: its learning rate, its schedule and its decay."""

from __future__ import annotations

import argparse
from dataclasses import fields
from typing import Any

from trulysparse import _check
from trulysparse.cli.common import number
from trulysparse.cli.presets import Chosen, defaults, of_preset
from trulysparse.optim import SGD, Optimizer, schedules
from trulysparse.optim.optimizers import BY_NAME, LAYER_RATES, OPTIMIZERS
from trulysparse.presets import rates

_SGD = SGD._name

_OTHERS = {name: kind for name, kind in BY_NAME.items() if kind is not SGD}
# Those of a preset are its optimiser's; the schedule is for all.
_OF_PRESETS = ("learning_rate", "momentum", "nesterov", "weight_decay", "schedule_decay")


def add_flags(parser: Any) -> None:
    """Add all flags."""
    of_preset(
        parser,
        "--learning-rate",
        "size of the first steps",
        _of_others("learning_rate"),
        type=number,
        metavar="RATE",
    )
    of_preset(
        parser,
        "--schedule",
        "constant, keep the learning rate; step, divide it by 10 twice; exponential, let it fall "
        "evenly to a hundredth; cosine, lower it to 0 along a cosine",
        choices=list(schedules.BY_NAME),
        metavar="NAME",
    )
    parser.add_argument(
        "--warmup",
        type=number,
        default=schedules.Constant.warmup,
        metavar="FRACTION",
        help="share of the steps, from the start, over which the learning rate rises (default: "
        "%(default)g)",
    )
    add_optimizer(parser, default=argparse.SUPPRESS)
    parser.add_argument(
        "--l1",
        type=number,
        metavar="FACTOR",
        default=SGD.l1,
        help="take this times the learning rate from every weight per step, down to exactly 0 "
        "(default: %(default)g)",
    )
    parser.add_argument(
        "--layer-rates",
        choices=LAYER_RATES,
        default=SGD.layer_rates,
        help="learn equally fast in all layers, or slower where neurons have more connections "
        "(default: %(default)s)",
    )
    _add_momentum_and_decay(parser)


def add_optimizer(parser: Any, default: str = _SGD) -> None:
    """Add which optimiser it is; the preset decides if it is not named."""
    usual = defaults("optimizer") if default is argparse.SUPPRESS else default
    parser.add_argument(
        "--optimizer",
        choices=list(BY_NAME),
        default=default,
        help=f"{'; or '.join(kind._summary for kind in OPTIMIZERS)} (default: {usual})",
    )


def _add_momentum_and_decay(parser: Any) -> None:
    of_preset(
        parser,
        "--momentum",
        "for sgd: share of the last step that goes on, from 0 to below 1",
        type=number,
        metavar="FRACTION",
    )
    of_preset(
        parser,
        "--nesterov",
        "for sgd: Nesterov's momentum or the plain one",
        action=argparse.BooleanOptionalAction,
    )
    of_preset(
        parser,
        "--weight-decay",
        f"fraction of every parameter taken away per step; with --optimizer "
        f"{_check.either(list(_OTHERS))} times the learning rate",
        _of_others("weight_decay"),
        type=number,
        metavar="FRACTION",
    )
    of_preset(
        parser,
        "--schedule-decay",
        "for sgd: let the decay fall with the schedule's rate, or keep it",
        action=argparse.BooleanOptionalAction,
    )


def _of_others(setting: str) -> str:
    """Give the defaults of the optimisers that a preset is not for."""
    said = (f"{name} {getattr(kind, setting):g}" for name, kind in _OTHERS.items())
    return f"; with another --optimizer than the preset's: {', '.join(said)}"


def _has(kind: type[Optimizer], setting: str) -> bool:
    return any(field.name == setting for field in fields(kind))


def make(chosen: Chosen) -> Optimizer:
    """Make the optimiser; ValueError if it does not take what was given."""
    kind = BY_NAME[chosen["optimizer"]]
    schedule: Any = chosen["schedule"]
    if chosen["warmup"]:
        schedule = schedules.BY_NAME[schedule](warmup=chosen["warmup"])
    settings = {"schedule": schedule, "l1": chosen["l1"], "layer_rates": chosen["layer_rates"]}
    for name in _OF_PRESETS:
        if not _has(kind, name):
            if name in chosen.given:
                able = " or ".join(word for word, other in BY_NAME.items() if _has(other, name))
                raise ValueError(f"--{name.replace('_', '-')}: expected --optimizer {able}")
        elif name in chosen.given or kind._name == chosen.preset.optimizer:
            settings[name] = chosen[name]
    return kind(**settings)


def needs_sgd(chosen: Chosen) -> bool:
    """Tell whether a flag was given that only SGD takes, or SReLU."""
    if chosen["optimizer"] == _SGD:
        return True
    of_sgd = [name for name in _OF_PRESETS if not all(_has(k, name) for k in _OTHERS.values())]
    activations = chosen["activation"]
    srelu = "srelu" in ([activations] if isinstance(activations, str) else activations)
    named = "optimizer" in chosen.given
    return not named and (srelu or any(name in chosen.given for name in of_sgd))


def tries(chosen: Chosen) -> list[float]:
    """Give the learning rates to try one after the other: only the one that was given."""
    retries = 0 if "learning_rate" in chosen.given else chosen.preset.retries
    return rates(make(chosen).learning_rate, retries)


def usual_rate(chosen: Chosen) -> float:
    """Give the learning rate where none was given."""
    kind = BY_NAME[chosen["optimizer"]]
    if kind._name == chosen.preset.optimizer:
        return chosen.preset.learning_rate
    return kind.learning_rate


def said(chosen: Chosen) -> dict[str, Any]:
    """Give what the user is told, by the names of the flags."""
    optimizer = make(chosen)
    shown = {name: getattr(optimizer, name) for name in _OF_PRESETS if hasattr(optimizer, name)}
    unusual = {"optimizer": _SGD, "l1": SGD.l1, "warmup": schedules.Constant.warmup}
    given = {name: chosen[name] for name, value in unusual.items() if chosen[name] != value}
    return {**shown, "schedule": chosen["schedule"], **given}
