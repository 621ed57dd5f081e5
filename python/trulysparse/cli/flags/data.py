"""The flags that name data, and how the data are read."""

from __future__ import annotations

import argparse
import warnings
from typing import Any

from trulysparse import datasets
from trulysparse.cli.common import SPLIT_SEED
from trulysparse.datasets import NAMES, Dataset
from trulysparse.readers.places import Typed


def add_data(parser: Any, default: str | None = None) -> None:
    """Add the flag of the data, which is required if there is no default."""
    parser.add_argument(
        "--data",
        metavar="FILE",
        default=default,
        required=default is None,
        help="a table: .csv and other text, .parquet, .npz, .svm, each also as .gz or .zst, or - "
        "for standard input; a folder or .zip of images, one folder for each class; or a name: "
        f"{', '.join(NAMES)}, synthetic:FEATURES" + (f" (default: {default})" if default else ""),
    )


def add_folder(parser: Any) -> None:
    """Add where the data of a name are."""
    parser.add_argument(
        "--data-dir",
        metavar="PATH",
        help=f"folder or file with the data of {', '.join(NAMES[1:])}, in the formats that they "
        "are published in (default: OpenML; none for leukemia)",
    )


def add_label(parser: Any, *, trains: bool) -> None:
    """Add the column of the label."""
    parser.add_argument(
        "--label",
        action="append",
        type=Typed,
        default=[],
        metavar="COLUMN",
        help="the column to predict, by name or position; once for each of several (default: "
        + ("" if trains else "the one that the model was trained on, or ")
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
