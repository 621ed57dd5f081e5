"""The flags that name data, and how the data are read."""

from __future__ import annotations

import argparse
import warnings
from typing import Any

from trulysparse import datasets
from trulysparse.cli.common import SPLIT_SEED
from trulysparse.datasets import NAMES, Dataset
from trulysparse.readers.places import Typed


def add_flags(parser: Any, **options: Any) -> None:
    """Add the flags; `options` are those of ``--data``, a default or that it is required."""
    chosen = options.get("default")
    parser.add_argument(
        "--data",
        metavar="FILE",
        help="a table: .csv and other text, .parquet, .npz, .svm, each also as .gz or .zst, or - "
        "for standard input; a folder or .zip of images, one folder for each class; or "
        f"{', '.join(NAMES)}, synthetic:FEATURES" + (f" (default: {chosen})" if chosen else ""),
        **options,
    )
    parser.add_argument(
        "--data-dir",
        metavar="PATH",
        help=f"folder or file with the data of {', '.join(NAMES[1:])}, in the formats that they "
        "are published in (default: ask OpenML, but for leukemia)",
    )
    parser.add_argument(
        "--label",
        action="append",
        type=Typed,
        default=[],
        metavar="COLUMN",
        help="the label's column, by name or position; several for several labels (default: "
        + ("" if chosen else "the one that the model was trained on, or ")
        + "the one named label, class, target or y, or the last); for leukemia the characteristic "
        "that is the class",
    )


def read(
    args: argparse.Namespace, label: str | None, *, hold_out: bool = True, silent: bool = False
) -> Dataset:
    """Read the data, always with the same rows in the test part; `silent` ranks warn of nothing."""
    with warnings.catch_warnings():
        if silent:
            warnings.simplefilter("ignore")
        found = datasets.resolve(args.data, args.data_dir, label, SPLIT_SEED, hold_out=hold_out)
    return found
