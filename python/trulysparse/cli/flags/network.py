"""The flags that say what network is made."""

from __future__ import annotations

from itertools import chain
from typing import Any

from trulysparse import _check
from trulysparse.activations import HIDDEN as ACTIVATIONS
from trulysparse.cli.common import layers, number
from trulysparse.cli.presets import SLOPED, Chosen, of_preset
from trulysparse.config import ALLOCATIONS, FANS, INITS, Config
from trulysparse.estimators._scaling import SCALES, Asked
from trulysparse.estimators._scaling import asked as scaling_asked

EPSILON = (
    "how dense the layers are: one has N * (n_in + n_out) connections, or all if these are fewer"
)
HIDDEN = "neurons of each hidden layer: 1000 1000 1000 or 3x1000"
_OF_PRESETS = (
    "epsilon", "activation", "slope", "init", "fan", "input_gain", "dropout", "label_smoothing"
)  # fmt: skip
_UNUSUAL = {"input_gain": Config.input_gain, "label_smoothing": Config.label_smoothing}
_OTHERS = ("density", "allocation", "input_noise")


def add_size(parser: Any) -> None:
    """Add how large and how sparse it is."""
    of_preset(parser, "--hidden", HIDDEN, nargs="+", type=layers, metavar="N")
    of_preset(parser, "--epsilon", EPSILON, type=number, metavar="N")


def add_flags(parser: Any) -> None:
    """Add all flags but `add_size`'s and `add_standardize`'s."""
    parser.add_argument(
        "--density",
        type=number,
        metavar="FRACTION",
        help="connections per possible one, instead of --epsilon",
    )
    add_allocation(parser)
    _add_neurons(parser)
    of_preset(
        parser,
        "--init",
        f"distribution of the first weights: {_check.either(INITS)}",
        choices=INITS,
        metavar="NAME",
    )
    of_preset(
        parser,
        "--fan",
        "scale the first weights by the sizes of the layers, or by the connections that a neuron "
        "really has",
        choices=FANS,
    )
    parser.add_argument(
        "--all-features",
        action="store_true",
        help="connect all features of a table; otherwise, with 100 or more, held-out training rows "
        "decide whether only some are",
    )
    of_preset(
        parser,
        "--input-gain",
        "factor of the first layer's first weights",
        type=number,
        metavar="FACTOR",
    )
    of_preset(
        parser,
        "--label-smoothing",
        "share of each label that training spreads over all classes",
        type=number,
        metavar="FRACTION",
    )
    of_preset(
        parser,
        "--dropout",
        "hidden neurons that a step leaves out",
        type=number,
        metavar="FRACTION",
    )
    parser.add_argument(
        "--input-noise",
        type=number,
        metavar="DEVIATION",
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
    of_preset(
        parser,
        "--slope",
        f"of the negative side of {' and '.join(SLOPED)}; no other has one",
        type=number,
        metavar="N",
    )


def add_allocation(parser: Any) -> None:
    """Add how a density is spread over the layers."""
    parser.add_argument(
        "--allocation",
        choices=ALLOCATIONS,
        metavar="NAME",
        help="take --density as that of the whole network, and spread it over the layers: er or "
        "erk, which are the same here, in proportion to (n_in + n_out) / (n_in * n_out); uniform, "
        "evenly",
    )


def add_standardize(parser: Any) -> None:
    """Add whether the network standardises its inputs; the presets do."""
    parser.add_argument(
        "--scale",
        choices=[*SCALES, "none"],
        metavar="NAME",
        help="how numbers are scaled: standard, by mean and deviation; robust, by median and "
        "quartiles; none, not at all; auto, robust where a column of your own table is "
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


def check(chosen: Chosen) -> None:
    """Raise ValueError if a slope was given that no layer has."""
    if "slope" in chosen.given and not _sloped(chosen):
        names = chosen["activation"]
        got = names if isinstance(names, str) else " ".join(names)
        raise ValueError(
            f"--slope {chosen['slope']:g}: expected --activation {' or '.join(SLOPED)}, got {got}"
        )


def _sloped(chosen: Chosen) -> bool:
    names = chosen["activation"]
    return any(name in SLOPED for name in ([names] if isinstance(names, str) else names))


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
    names = [name for name in _OF_PRESETS if name != "slope" or _sloped(chosen)] + ["density"]
    shown = {name: used[name] for name in names if used[name] not in (None, _UNUSUAL.get(name))}
    return {"hidden": hidden(chosen), **shown}
