"""What the commands share: how they speak, and the flags of several of them."""

from __future__ import annotations

import argparse
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trulysparse import _core, _files
from trulysparse.cli import kinds
from trulysparse.cli.parser import Parser
from trulysparse.config import MEMORY
from trulysparse.data.numeric import is_number_text
from trulysparse.loading import network as load_network
from trulysparse.model import SparseMLP

# The rows held out do not depend on --seed: runs with different seeds are comparable, and
# `evaluate` scores the rows that training has not seen.
SPLIT_SEED = 0


def say(line: str) -> None:
    """Print at once, also into a pipe; a reader that has left is no error.

    Names that came with a file may have control characters, which no terminal shall obey.
    """
    try:
        print(_files.plain(line), flush=True)
    except BrokenPipeError:  # `| head`: the files are what matters
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def note(line: str) -> None:
    """Print a note to the error stream: the other may be a table for a program."""
    print(f"trulysparse: note: {_files.plain(line)}", file=sys.stderr)


def default(of: Callable[..., Any], name: str) -> Any:
    """Give the default of a parameter: flags have those of the Python API."""
    return inspect.signature(of).parameters[name].default


_MEMORY = default(SparseMLP.fit, "memory")

MODEL = "model.safetensors"
"""The file of the model in the folder of a training."""

# --- what flags take -------------------------------------------------------------------------


def positive(text: str) -> int:
    """Read a whole number above 0."""
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return int(text)


def whole(text: str) -> int:
    """Read a whole number, as cells have them: Python's int() also takes 1_000."""
    if re.fullmatch(r"[+-]?[0-9]{1,4000}", text) is None:
        raise argparse.ArgumentTypeError(f"expected a whole number, got {text!r}")
    return int(text)


def number(text: str) -> float:
    """Read a number, as cells have them: Python's float() also takes 1_000."""
    if not is_number_text(text):
        raise argparse.ArgumentTypeError(f"expected a number, got {text!r}")
    return float(text)


def layers(text: str) -> list[int]:
    """Read the neurons of one layer, or of several: COUNTxSIZE."""
    count, times, size = text.rpartition("x")
    try:
        return [positive(size)] * (positive(count) if times else 1)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f"expected N or COUNTxN, such as 1000 or 3x1000, got {text!r}"
        ) from None


def epoch_or_share(text: str) -> int | float:
    """Read an epoch, or a share of the epochs below 1."""
    try:
        value: int | float = whole(text) if text.isdecimal() else number(text)
    except argparse.ArgumentTypeError:
        value = 0
    if not (value >= 1 if isinstance(value, int) else 0 < value < 1):
        raise argparse.ArgumentTypeError(
            f"expected a whole number above 0 or a share between 0 and 1, got {text!r}"
        )
    return value


# --- flags of several commands ---------------------------------------------------------------


def add_model(parser: Any) -> None:
    """Add the saved model that a command is about."""
    parser.add_argument(
        "model",
        metavar="MODEL",
        help="the folder that `train` wrote, its model.safetensors, or a file of `estimator.save`",
    )


def add_batch_size(parser: Any, size: int, kind: Callable[[str], int] = positive) -> None:
    """Add the batch size, by default `size`."""
    parser.add_argument(
        "--batch-size",
        type=kind,
        default=size,
        metavar="N",
        help="rows that are computed at once (default: %(default)s)",
    )


def add_threads(parser: Any) -> None:
    """Add the number of threads."""
    parser.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help="threads that compute; the results are the same for any number (default: "
        f"{_core.available_threads()}, the cores that this process may use; 1 for a rank of an "
        "MPI job)",
    )


def add_computing(parser: Parser, batch_size: int, kind: Callable[[str], int] = positive) -> None:
    """Add how much is computed at once, and the help: the last group of a page."""
    others = parser.add_argument_group("other options")
    add_batch_size(others, batch_size, kind)
    add_threads(others)
    parser.help_in(others)


def add_memory(parser: Any) -> None:
    """Add what memory a training spends."""
    parser.add_argument(
        "--memory",
        choices=MEMORY,
        default=_MEMORY,
        help="what memory to spend: lean does without an index of the transposed weights, least "
        "also without most activations, which are computed twice; the results are the same "
        "(default: %(default)s)",
    )


# --- models and files ------------------------------------------------------------------------


def read_model(args: argparse.Namespace) -> SparseMLP:
    """Load the saved model, with the threads that were given."""
    path = Path(args.model)
    if path.is_dir():  # the folder of a training
        if not (path / MODEL).exists():
            raise ValueError(f"MODEL: no {MODEL} in the folder {args.model!r}")
        args.model = str(path / MODEL)
    try:
        model = load_network(args.model, progress=True)
    except ValueError as error:
        kind = kinds.of_file(args.model)
        if kind is None:
            raise
        raise ValueError(f"MODEL: {args.model} is no model, but {kind}") from error
    if getattr(args, "threads", None) is not None:
        model.threads = args.threads
    return model


def sizes(layer_sizes: Sequence[int]) -> str:
    """Write the neurons of all layers as one word."""
    return "-".join(map(str, layer_sizes))


def left(model: SparseMLP) -> str:
    """Count the hidden neurons that have connections, and those that were pruned for good."""
    hidden = model.layers[:-1]
    connected = sum(int((np.diff(layer.weight.indptr) > 0).sum()) for layer in hidden)
    closed = sum(int(layer.pruned.sum()) for layer in hidden)
    return (
        f"{connected:,} of {sum(layer.n_out for layer in hidden):,} hidden neurons have incoming "
        f"connections" + (f", {closed:,} were closed by pruning" if closed else "")
    )


def refuse_overwriting(
    args: argparse.Namespace,
    outputs: Iterable[Path],
    inputs: Sequence[str] = ("model", "data", "data_dir", "labels_from"),
) -> None:
    """Fail before anything is read if a file to be written is one of the `inputs`, or a link to it.

    A folder of images is no place for outputs either: they would be its images the next time.
    """
    from trulysparse.datasets import NAMES  # which takes a while

    for out in outputs:
        for name in inputs:
            source = getattr(args, name, None)
            if source is None or source in NAMES or not os.path.exists(source):
                continue
            what = source if name == "model" else f"--{name.replace('_', '-')} {source}"
            if out.exists() and os.path.samefile(source, out):
                raise ValueError(
                    f"{out} would be written over {what}, which is read: expected another name"
                )
            within = os.path.isdir(source) and Path(source).resolve() in out.resolve().parents
            if name == "data" and within:
                raise ValueError(
                    f"{out} would be written into {what}, a folder that is read: expected a place "
                    "outside"
                )


def check_folder(out: Path) -> None:
    """Fail before anything is computed if ``out`` cannot be written; creates nothing."""
    place = out
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir():
        raise ValueError(f"--out {out}: expected a folder, {place} is a file")
    if not os.access(place, os.W_OK | os.X_OK):
        raise ValueError(f"--out {out}: {place} is not writable")
