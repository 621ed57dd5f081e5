"""The flags that say what network is made."""

from __future__ import annotations

from itertools import chain
from typing import Any

from trulysparse.activations import HIDDEN as ACTIVATIONS
from trulysparse.cli.common import layers, number, of_preset
from trulysparse.cli.presets import Chosen
from trulysparse.config import ALLOCATIONS, FANS, INITS, Config
from trulysparse.estimators._scaling import SCALES, Asked
from trulysparse.estimators._scaling import asked as scaling_asked

HIDDEN = "neurons of the hidden layers: 1000 1000 1000 or 3x1000"
_OF_PRESETS = (
    "epsilon", "activation", "slope", "init", "fan", "input_gain", "dropout", "label_smoothing"
)  # fmt: skip
_UNUSUAL = {"input_gain": Config.input_gain, "label_smoothing": Config.label_smoothing}
_OTHERS = ("density", "allocation", "input_noise")


def add_flags(parser: Any) -> None:
    """Add all flags but `add_standardize`'s."""
    of_preset(parser, "--hidden", HIDDEN, nargs="+", type=layers, metavar="N")
    sparsity = parser.add_mutually_exclusive_group()
    of_preset(sparsity, "--epsilon", "Erdos-Renyi control", type=number)
    sparsity.add_argument("--density", type=number, help="fraction of connections that exist")
    add_allocation(parser)
    _add_neurons(parser)
    of_preset(parser, "--init", "distribution of the first weights", choices=INITS)
    of_preset(
        parser,
        "--fan",
        "scale the first weights by the layers' sizes or by the connections that a neuron has",
        choices=FANS,
    )
    parser.add_argument(
        "--all-features",
        action="store_true",
        help="connect all features of a table, also if held-out training rows are predicted better "
        "with some (of 100 or more)",
    )
    of_preset(parser, "--input-gain", "factor of the first layer's first weights", type=number)
    of_preset(
        parser,
        "--label-smoothing",
        "share of each label that training spreads over all classes",
        type=number,
    )
    of_preset(parser, "--dropout", "fraction of hidden neurons left out of a step", type=number)
    parser.add_argument(
        "--input-noise",
        type=number,
        default=Config.input_noise,
        help="standard deviation of noise added to the features while training (default: "
        "%(default)g)",
    )


def _add_neurons(parser: Any) -> None:
    of_preset(
        parser,
        "--activation",
        "of the hidden layers, one for all or one for each: " + ", ".join(ACTIVATIONS),
        nargs="+",
        choices=ACTIVATIONS,
        metavar="NAME",
    )
    of_preset(parser, "--slope", "of the negative side of all_relu and leaky_relu", type=number)


def add_allocation(parser: Any) -> None:
    """Add how a density is spread over the layers."""
    parser.add_argument(
        "--allocation",
        choices=ALLOCATIONS,
        help="take --density as that of the whole network and spread it over the layers: in "
        "proportion to (n_in + n_out) / (n_in * n_out), which er and erk both are here, or evenly",
    )


def add_standardize(parser: Any) -> None:
    """Add whether the network standardises its inputs; the presets do."""
    parser.add_argument(
        "--scale",
        choices=[*SCALES, "none"],
        help="of numbers: standard, less the mean and divided by the deviation; robust, by median "
        "and quartiles; none, as they are; auto, robust where a column of your own table is "
        "heavy-tailed, and else standard (default: auto)",
    )
    parser.add_argument(
        "--no-standardize", action="store_true", help="the older name of --scale none"
    )
    parser.add_argument(
        "--clip",
        type=number,
        metavar="LIMIT",
        help="clip scaled numbers smoothly below this (default: 3 if a column is heavy-tailed or "
        "--scale robust was given, else none)",
    )


def hidden(chosen: Chosen) -> list[int]:
    """Give the neurons of the hidden layers."""
    if "hidden" in chosen.given:
        return list(chain.from_iterable(chosen["hidden"]))
    return list(chosen["hidden"])


def settings(chosen: Chosen) -> dict[str, Any]:
    """Give keyword arguments of `SparseMLP`."""
    found = {name: chosen[name] for name in (*_OF_PRESETS, *_OTHERS)}
    if found["density"] is not None:
        found["epsilon"] = None
    if len(chosen.given.get("activation", ())) == 1:
        (found["activation"],) = chosen["activation"]
    return found


def asked(chosen: Chosen) -> Asked:
    """Give how numbers are scaled and clipped, checked."""
    scale = chosen["scale"]
    if chosen["no_standardize"]:
        if scale not in (None, "none"):
            raise ValueError(f"--no-standardize and --scale {scale}: expected one of the two")
        scale = "none"
    clip = "auto" if chosen["clip"] is None else chosen["clip"]
    return scaling_asked(None if scale == "none" else scale or "auto", "auto", clip)


def said(chosen: Chosen) -> dict[str, Any]:
    """Give what the user is told, by the names of the flags."""
    used = settings(chosen)
    names = [*_OF_PRESETS, "density"]
    shown = {name: used[name] for name in names if used[name] not in (None, _UNUSUAL.get(name))}
    return {"hidden": hidden(chosen), **shown}
