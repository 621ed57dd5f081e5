"""The flags of the command line, in the words of the Python API, and their defaults."""

from __future__ import annotations

import argparse
import importlib.metadata
from pathlib import Path
from typing import Any

from trulysparse import _cli_pruning, schedules
from trulysparse._image_flags import add_augmentation
from trulysparse._preset_help import epilog
from trulysparse.config import ACTIVATIONS, ALLOCATIONS, MEMORY
from trulysparse.datasets import NAMES
from trulysparse.presets import PRESETS


def make_parser() -> argparse.ArgumentParser:
    """The parser: ``command`` names one; what a preset decides is set only if given."""
    parser = argparse.ArgumentParser(
        prog="trulysparse", description="Train and use truly sparse neural networks."
    )
    version = importlib.metadata.version("trulysparse")
    parser.add_argument("--version", action="version", version=f"trulysparse {version}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_train(commands)
    _add_plan(commands)
    _add_evaluate(commands)
    _add_predict(commands)
    _add_importance(commands)
    _cli_pruning.add_command(commands, _add_data, _add_threads)
    _add_export(commands)
    info = commands.add_parser("info", help="describe a saved model")
    info.add_argument("model", help="a model.safetensors that `train` wrote")
    return parser


def _add_train(commands: Any) -> None:
    train = commands.add_parser(
        "train",
        help="train a network and save it",
        description="Train a sparse classifier, by default on scikit-learn's digits.",
        epilog=epilog(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    data = train.add_argument_group("data")
    _add_data(data, default="digits")
    data.add_argument(
        "--no-standardize",
        action="store_true",
        help="feed the features as they are, not with mean 0 and variance 1",
    )

    preset = {"default": argparse.SUPPRESS}  # so that only what was given is in the namespace
    network = train.add_argument_group("network")
    network.add_argument(
        "--hidden",
        nargs="+",
        type=_hidden,
        metavar="N",
        help="neurons of the hidden layers: 1000 1000 1000 or 3x1000 (default: preset)",
        **preset,
    )
    sparsity = network.add_mutually_exclusive_group()
    sparsity.add_argument(
        "--epsilon", type=float, help="Erdos-Renyi control (default: preset)", **preset
    )
    sparsity.add_argument("--density", type=float, help="fraction of connections that exist")
    _add_allocation(network)
    network.add_argument(
        "--activation",
        nargs="+",
        choices=ACTIVATIONS,
        metavar="NAME",
        help="of the hidden layers, one for all or one for each: "
        + ", ".join(ACTIVATIONS)
        + " (default: preset)",
        **preset,
    )
    network.add_argument(
        "--slope",
        type=float,
        help="of the negative side of all_relu and leaky_relu (default: preset)",
        **preset,
    )
    inits = ["he_uniform", "xavier", "lecun_uniform", "normal"]
    network.add_argument(
        "--init",
        choices=inits,
        help="distribution of the first weights (default: preset)",
        **preset,
    )
    network.add_argument(
        "--fan",
        choices=["layer", "real"],
        help="scale the first weights by the layers' sizes or by the connections that a neuron has "
        "(default: preset)",
        **preset,
    )
    network.add_argument(
        "--dropout",
        type=float,
        help="fraction of hidden neurons left out of a step (default: preset)",
        **preset,
    )
    network.add_argument(
        "--input-noise",
        type=float,
        default=0.0,
        help="standard deviation of noise added to the features while training (default: 0)",
    )

    training = train.add_argument_group("training")
    training.add_argument(
        "--preset",
        choices=list(PRESETS),
        help="settings for all flags not given, listed below (default: table for your own files, "
        "higgs and leukemia, recipe for other data)",
    )
    training.add_argument(
        "--epochs",
        type=_positive,
        help="passes over the data (default: preset; 100, and 500 of paper)",
        **preset,
    )
    training.add_argument(
        "--batch-size",
        type=_positive,
        help="rows per step, with --parallel those of each worker (default: preset; with "
        "--parallel divided by the workers)",
        **preset,
    )
    training.add_argument(
        "--learning-rate",
        type=float,
        help="at the start (default: preset; 0.001 with --optimizer adam)",
        **preset,
    )
    training.add_argument(
        "--schedule",
        choices=list(schedules.BY_NAME),
        help="keep the learning rate, divide it by 10 twice, let it fall to a hundredth evenly, or "
        "lower it to 0 along a cosine over the training (default: preset)",
        **preset,
    )
    training.add_argument(
        "--warmup",
        type=float,
        default=0.0,
        metavar="FRACTION",
        help="of the training's steps over which the learning rate rises at first (default: 0)",
    )
    _add_optimizer(training)
    training.add_argument(
        "--l1",
        type=float,
        default=0.0,
        help="take this times the learning rate from every weight per step, down to exactly 0 "
        "(default: 0)",
    )
    training.add_argument(
        "--layer-rates",
        choices=["equal", "fan_in"],
        default="equal",
        help="learn equally fast in all layers, or slower where neurons have more connections "
        "(default: equal)",
    )
    training.add_argument(
        "--momentum", type=float, help="from 0 to below 1 (default: preset)", **preset
    )
    training.add_argument(
        "--nesterov",
        action=argparse.BooleanOptionalAction,
        help="Nesterov's momentum or the plain one (default: preset)",
        **preset,
    )
    training.add_argument(
        "--weight-decay",
        type=float,
        help="fraction of every parameter taken away per step; with --optimizer adam times the "
        "learning rate (default: preset; 0 with --optimizer adam)",
        **preset,
    )
    training.add_argument(
        "--schedule-decay",
        action=argparse.BooleanOptionalAction,
        help="let the decay fall with the schedule's rate, or keep it (default: preset)",
        **preset,
    )
    training.add_argument(
        "--zeta",
        type=float,
        help="fraction of connections replaced after an epoch (default: preset)",
        **preset,
    )
    training.add_argument(
        "--zeta-schedule",
        choices=["constant", "cosine"],
        help="keep zeta, or lower it to 0 until the last evolution (default: preset)",
        **preset,
    )
    training.add_argument(
        "--zeta-stop",
        type=_cli_pruning.time,
        metavar="N",
        help="the last epoch after which connections are replaced, or a share of the epochs such "
        "as 0.75 (default: preset)",
        **preset,
    )
    training.add_argument(
        "--grow",
        choices=["random", "gradient"],
        help="new connections anywhere, or where the gradients of a batch are largest among "
        "places drawn at random; their weights start at 0 then, unless --grow-init says otherwise "
        "(default: random)",
        **preset,
    )
    training.add_argument(
        "--grow-init",
        type=float,
        help="scale of grown weights, 1 as at the start (default: preset)",
        **preset,
    )
    _cli_pruning.add_flags(training)
    training.add_argument("--no-evolve", action="store_true", help="keep the first connections")
    add_augmentation(training)
    _add_memory(training)
    training.add_argument(
        "--parallel",
        choices=["wassp", "wasap"],
        help="train on several workers, synchronously or asynchronously (default: on one batch at "
        "a time)",
    )
    training.add_argument(
        "--workers",
        type=_positive,
        metavar="N",
        help="for --parallel (default: 4; in an MPI job its ranks but one)",
    )
    training.add_argument(
        "--timeout",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="in an MPI job: a rank without a sign of life for so long has failed (default: 60)",
    )
    training.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")
    _add_threads(training)

    output = train.add_argument_group("output")
    output.add_argument(
        "--out",
        type=Path,
        default=Path("trulysparse-run"),
        metavar="DIR",
        help="folder for model, history and curves, those of an earlier run are replaced "
        "(default: trulysparse-run)",
    )
    output.add_argument(
        "--compact",
        action="store_true",
        help="remove hidden neurons that cannot matter from the trained model",
    )
    output.add_argument("--quiet", action="store_true", help="no progress bar")


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
    _add_threads(evaluate)


def _add_predict(commands: Any) -> None:
    predict = commands.add_parser(
        "predict",
        help="write what a saved model says of new rows",
        description="Write a .csv with the class and the probability of each class for every row.",
    )
    predict.add_argument("model", help="a model.safetensors that `train` wrote")
    predict.add_argument(
        "--data",
        required=True,
        metavar="FILE",
        help="a .csv that has the columns the model was trained on, in any order and among others, "
        "or a .npz with x, x_test or x_train",
    )
    predict.add_argument(
        "--out",
        type=Path,
        default=Path("predictions.csv"),
        metavar="FILE",
        help="the .csv to write (default: predictions.csv)",
    )
    predict.add_argument("--batch-size", type=_positive, default=128, help="(default: 128)")
    _add_threads(predict)


def _add_importance(commands: Any) -> None:
    importance = commands.add_parser(
        "importance",
        help="rank the features or neurons of a saved model",
        description="Print the features with the highest scores, or the neurons of a layer. Scores "
        "of features can be compared if the model standardises them, which is `train`'s default.",
    )
    importance.add_argument("model", help="a model.safetensors that `train` wrote")
    importance.add_argument(
        "--top", type=_positive, default=20, metavar="N", help="rows to print (default: 20)"
    )
    importance.add_argument(
        "--kind",
        choices=["path", "strength"],
        help="score features by all paths to the outputs, or by their own weights (default: path)",
    )
    importance.add_argument(
        "--layer",
        type=int,
        metavar="N",
        help="rank the neurons of a layer by their incoming weights instead: 1 is the first hidden "
        "layer",
    )
    importance.add_argument(
        "--csv", type=Path, metavar="FILE", help="also write all ranks to this .csv"
    )


def _add_export(commands: Any) -> None:
    export = commands.add_parser(
        "export",
        help="write a saved model for SciPy or PyTorch",
        description="Write a folder of .npz and .npy files with a README.txt that says what to "
        "compute, or the state_dict of PyTorch's module that `SparseMLP.to_torch` makes, which "
        "torch.load reads without trulysparse.",
    )
    export.add_argument("model", help="a model.safetensors that `train` wrote")
    export.add_argument(
        "--format", choices=["scipy", "torch"], default="scipy", help="(default: scipy)"
    )
    export.add_argument(
        "--out",
        type=Path,
        metavar="PATH",
        help="the folder to write for scipy, the file for torch (default: trulysparse-export or "
        "model.pt)",
    )
    export.add_argument(
        "--dense",
        action="store_true",
        help="for torch: weights as torch.nn.Linear has them, with inputs times outputs numbers",
    )


def _add_plan(commands: Any) -> None:
    plan = commands.add_parser(
        "plan",
        help="say what a network would take in memory",
        description="Print the bytes of a network and its training, part by part, and what the "
        "machine has. Nothing is allocated.",
    )
    plan.add_argument("--features", type=_positive, required=True, help="of the data")
    plan.add_argument("--classes", type=_positive, default=2, help="of the data (default: 2)")
    plan.add_argument(
        "--hidden",
        type=_hidden,
        nargs="+",
        required=True,
        metavar="N",
        help="neurons of the hidden layers: 1000 1000 1000 or 3x1000",
    )
    sparsity = plan.add_mutually_exclusive_group()
    sparsity.add_argument("--epsilon", type=float, help="(default: 20)")
    sparsity.add_argument("--density", type=float, help="connections per possible one")
    _add_allocation(plan)
    plan.add_argument("--batch-size", type=_positive, default=128, help="(default: 128)")
    plan.add_argument(
        "--dropout",
        type=float,
        default=PRESETS["recipe"][None].dropout,
        help="(default: %(default)s)",
    )
    plan.add_argument("--no-evolve", action="store_true", help="keep the first connections")
    _add_optimizer(plan)
    _add_memory(plan)


def _add_allocation(parser: Any) -> None:
    parser.add_argument(
        "--allocation",
        choices=ALLOCATIONS,
        help="take --density as that of the whole network and spread it over the layers: in "
        "proportion to (n_in + n_out) / (n_in * n_out), which er and erk both are here, or evenly",
    )


def _add_optimizer(parser: Any) -> None:
    parser.add_argument(
        "--optimizer",
        choices=["sgd", "adam"],
        default="sgd",
        help="momentum SGD, or Adam, which takes 4 bytes a connection more (default: sgd)",
    )


def _add_memory(parser: Any) -> None:
    parser.add_argument(
        "--memory",
        choices=MEMORY,
        default="fast",
        help="what to spend: lean does without an index of the transposed weights, least without "
        "most activations, which are computed twice; the results are the same (default: fast)",
    )


def _add_threads(parser: Any) -> None:
    parser.add_argument(
        "--threads", type=_positive, help="(default: all cores; one for a rank of an MPI job)"
    )


def _add_data(parser: Any, **data_options: Any) -> None:
    parser.add_argument(
        "--data",
        help=f"{', '.join(NAMES)}, synthetic:FEATURES, a .npz or .csv file, or a folder or .zip of "
        "images, one folder for each class"
        + (f" (default: {data_options['default']})" if "default" in data_options else ""),
        **data_options,
    )
    parser.add_argument(
        "--data-dir",
        metavar="PATH",
        help=f"folder or file with the data of {', '.join(NAMES[1:])}, in the formats that they "
        "are published in (default: ask OpenML, but for leukemia)",
    )
    parser.add_argument(
        "--label",
        metavar="COLUMN",
        help="the label's column in a .csv (default: "
        + ("the last" if "default" in data_options else "the one that the model was trained on")
        + "); for leukemia the characteristic that is the class",
    )


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return int(text)


def _hidden(text: str) -> list[int]:
    """One layer, or COUNTxSIZE."""
    count, times, size = text.rpartition("x")
    try:
        return [_positive(size)] * (_positive(count) if times else 1)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"expected N or COUNTxN, such as 1000 or 3x1000, got {text!r}"
        ) from None
