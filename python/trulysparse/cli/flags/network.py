"""The flags that say what network is made."""

from __future__ import annotations

from itertools import chain
from typing import Any

from trulysparse.activations import HIDDEN as ACTIVATIONS
from trulysparse.cli.common import layers, number, of_preset
from trulysparse.cli.presets import Chosen
from trulysparse.config import ALLOCATIONS, FANS, INITS, Config

HIDDEN = "neurons of the hidden layers: 1000 1000 1000 or 3x1000"
_OF_PRESETS = ("epsilon", "activation", "slope", "init", "fan", "dropout")
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
        "--no-standardize",
        action="store_true",
        help="feed the features as they are, not with mean 0 and variance 1",
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
    return found | {"standardize": not chosen["no_standardize"]}


def standardize(chosen: Chosen, *, is_sparse: bool) -> bool | str:
    """Tell whether features are standardised: of sparse ones those that most samples have."""
    if chosen["no_standardize"]:
        return False
    return "auto" if is_sparse else True


def said(chosen: Chosen) -> dict[str, Any]:
    """Give what the user is told, by the names of the flags."""
    used = settings(chosen)
    names = [*_OF_PRESETS, "density"]
    shown = {name: used[name] for name in names if used[name] is not None}
    return {"hidden": hidden(chosen), **shown}
