"""The flags that say how the topology evolves."""

from __future__ import annotations

from typing import Any

from trulysparse.cli.common import epoch_or_share, number, positive
from trulysparse.cli.presets import Chosen, of_preset
from trulysparse.topology import SCHEDULES, SET, GradientGrowth

_RANDOM = "random"
_GROWTH: dict[str, type[SET] | type[GradientGrowth]] = {_RANDOM: SET, "gradient": GradientGrowth}
_FLAGS = ("zeta", "grow_init", "grow", "zeta_schedule", "zeta_stop", "evolve_every")


def add_flags(parser: Any) -> None:
    """Add all flags but `add_no_evolve`'s."""
    of_preset(
        parser,
        "--zeta",
        "connections of each layer that are replaced each time",
        type=number,
        metavar="FRACTION",
    )
    of_preset(
        parser,
        "--zeta-schedule",
        "keep zeta, or lower it to 0 until the last time",
        choices=SCHEDULES,
    )
    of_preset(
        parser,
        "--zeta-stop",
        "the last epoch after which connections are replaced, or a share of the epochs such as "
        "0.75",
        type=epoch_or_share,
        metavar="EPOCH",
    )
    of_preset(
        parser,
        "--grow",
        "where new connections come: random, anywhere; gradient, where the gradients of a batch "
        "are largest among places that are drawn",
        choices=list(_GROWTH),
    )
    of_preset(parser, "--evolve-every", "epochs between two times", type=positive, metavar="N")
    of_preset(
        parser,
        "--grow-init",
        "scale of new weights: 1, as at the start; 0, zero",
        f"; with --grow gradient: {GradientGrowth.grow_init:g}",
        type=number,
        metavar="SCALE",
    )


def add_no_evolve(parser: Any) -> None:
    """Add the flag that keeps the first connections."""
    parser.add_argument(
        "--no-evolve", action="store_true", help="replace no connections: the first ones stay"
    )


def make(chosen: Chosen) -> SET | GradientGrowth | None:
    """Make the rule, or None if the topology is to stay."""
    if chosen["no_evolve"]:
        if any(name in chosen.given for name in _FLAGS):
            raise ValueError(
                "--no-evolve leaves nothing to do for --zeta, --zeta-schedule, --zeta-stop, "
                "--evolve-every, --grow and --grow-init"
            )
        return None
    kind = _GROWTH[chosen["grow"]]
    # What the presets have is for growth at random.
    takes_it = kind is SET or "grow_init" in chosen.given
    return kind(
        zeta=chosen["zeta"],
        grow_init=chosen["grow_init"] if takes_it else kind.grow_init,
        schedule=chosen["zeta_schedule"],
        stop=chosen["zeta_stop"],
        every=chosen["evolve_every"] or 1,
    )


def said(chosen: Chosen) -> dict[str, Any]:
    """Give what the user is told, by the names of the flags."""
    rule = make(chosen)
    if rule is None:
        return {}
    schedule, stop = rule.schedule, rule.stop
    shown: dict[str, Any] = {
        "zeta": rule.zeta,
        "zeta_schedule": schedule,
        "grow_init": rule.grow_init,
    }
    if rule.every > 1:
        shown["evolve_every"] = rule.every
    if type(rule) is not _GROWTH[_RANDOM]:
        shown["grow"] = next(name for name, kind in _GROWTH.items() if kind is type(rule))
    return shown if stop is None else {**shown, "zeta_stop": stop}
