"""The flags of the command line, in the words of the Python API, and their defaults."""

from __future__ import annotations

import argparse
import importlib.metadata
from pathlib import Path
from typing import Any

from trulysparse.datasets import NAMES

# What a preset decides; a flag given on the command line wins over it.
PRESETS: dict[str, dict[str, Any]] = {
    # Chosen on the last 10,000 of Fashion-MNIST's training images; a learning rate of 0.1 is
    # better there by half a point, but diverges on small tables at batch 32.
    "recipe": {
        "init": "lecun_uniform",
        "fan": "real",
        "learning_rate": 0.05,
        "schedule": "cosine",
        "momentum": 0.9,
        "nesterov": True,
        "weight_decay": 2e-5,
        "dropout": 0.2,
        "zeta": 0.3,
        "grow_init": 0.1,
    },
    "paper": {
        "init": "he_uniform",
        "fan": "layer",
        "learning_rate": 0.01,
        "schedule": "constant",
        "momentum": 0.9,
        "nesterov": False,
        "weight_decay": 2e-4,
        "dropout": 0.3,
        "zeta": 0.3,
        "grow_init": 1.0,
    },
}


def make_parser() -> argparse.ArgumentParser:
    """The parser: ``command`` is train, evaluate or info; what a preset decides is set if given."""
    parser = argparse.ArgumentParser(
        prog="trulysparse", description="Train and use truly sparse neural networks."
    )
    version = importlib.metadata.version("trulysparse")
    parser.add_argument("--version", action="version", version=f"trulysparse {version}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_train(commands)
    _add_evaluate(commands)
    info = commands.add_parser("info", help="describe a saved model")
    info.add_argument("model", help="a model.safetensors that `train` wrote")
    return parser


def _add_train(commands: Any) -> None:
    lines = [
        f"  {name}: " + " ".join(_flag(key, value) for key, value in preset.items())
        for name, preset in PRESETS.items()
    ]
    train = commands.add_parser(
        "train",
        help="train a network and save it",
        description="Train a sparse classifier, by default on scikit-learn's digits.",
        epilog="presets:\n" + "\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    data = train.add_argument_group("data")
    _add_data(data, default="digits")
    data.add_argument(
        "--no-standardize",
        action="store_true",
        help="feed the features as they are, not with mean 0 and variance 1",
    )

    network = train.add_argument_group("network")
    network.add_argument(
        "--hidden",
        nargs="+",
        type=_hidden,
        metavar="N",
        help="neurons of the hidden layers: 1000 1000 1000 or 3x1000 (default: by data set)",
    )
    sparsity = network.add_mutually_exclusive_group()
    sparsity.add_argument("--epsilon", type=float, help="Erdos-Renyi control (default: 20)")
    sparsity.add_argument("--density", type=float, help="fraction of connections that exist")
    activations = ["all_relu", "relu", "leaky_relu", "sigmoid", "tanh", "identity"]
    network.add_argument("--activation", choices=activations, default="all_relu")
    network.add_argument("--slope", type=float, default=0.6, help="of the negative side (0.6)")
    inits = ["he_uniform", "xavier", "lecun_uniform", "normal"]
    preset = {"default": argparse.SUPPRESS}  # so that only what was given is in the namespace
    network.add_argument("--init", choices=inits, **preset)
    network.add_argument("--fan", choices=["layer", "real"], **preset)
    network.add_argument("--dropout", type=float, **preset)

    training = train.add_argument_group("training")
    training.add_argument(
        "--preset",
        choices=list(PRESETS),
        default="recipe",
        help="settings for all flags not given, listed below (default: recipe)",
    )
    training.add_argument("--epochs", type=_positive, default=100, help="(default: 100)")
    training.add_argument("--batch-size", type=_positive, default=128, help="(default: 128)")
    training.add_argument("--learning-rate", type=float, **preset)
    training.add_argument("--schedule", choices=["constant", "cosine"], **preset)
    training.add_argument("--momentum", type=float, **preset)
    training.add_argument("--nesterov", action=argparse.BooleanOptionalAction, **preset)
    training.add_argument("--weight-decay", type=float, help="per step", **preset)
    training.add_argument(
        "--zeta", type=float, help="fraction of connections replaced after an epoch", **preset
    )
    training.add_argument(
        "--grow-init", type=float, help="scale of grown weights, 1 as at the start", **preset
    )
    training.add_argument("--no-evolve", action="store_true", help="keep the first connections")
    training.add_argument("--seed", type=int, default=0, help="(default: 0)")
    training.add_argument("--threads", type=_positive, help="(default: all cores)")

    output = train.add_argument_group("output")
    output.add_argument(
        "--out",
        type=Path,
        default=Path("trulysparse-run"),
        metavar="DIR",
        help="folder for model, history and curves, those of an earlier run are replaced "
        "(default: trulysparse-run)",
    )
    output.add_argument("--quiet", action="store_true", help="no progress bar")


def _flag(key: str, value: object) -> str:
    name = key.replace("_", "-")
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no-{name}"
    return f"--{name} {value}"


def _add_evaluate(commands: Any) -> None:
    evaluate = commands.add_parser(
        "evaluate",
        help="score a saved model",
        description="Print loss and accuracy: on the test part of data that has one, else on all "
        "rows of a .csv or .npz.",
    )
    evaluate.add_argument("model", help="a model.safetensors that `train` wrote")
    _add_data(evaluate, required=True)
    evaluate.add_argument("--batch-size", type=_positive, default=128, help="(default: 128)")
    evaluate.add_argument("--threads", type=_positive, help="(default: all cores)")


def _add_data(parser: Any, **data_options: Any) -> None:
    parser.add_argument(
        "--data",
        help=f"{', '.join(NAMES)}, or a .npz or .csv file"
        + (f" (default: {data_options['default']})" if "default" in data_options else ""),
        **data_options,
    )
    parser.add_argument("--data-dir", metavar="DIR", help="the files of fashion-mnist or madelon")
    parser.add_argument(
        "--label", metavar="COLUMN", help="the label's column in a .csv (default: the last)"
    )


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return int(text)


def _hidden(text: str) -> list[int]:
    """One layer, or COUNTxSIZE."""
    count, times, size = text.rpartition("x")
    return [_positive(size)] * (_positive(count) if times else 1)
