"""The flags that name data, and how the data are read."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterable
from typing import Any

from trulysparse import datasets
from trulysparse.cli.common import SPLIT_SEED, note
from trulysparse.datasets import NAMES, Dataset

_LABELS = {"label", "labels", "class", "classes", "target", "targets"}


def add_flags(parser: Any, **options: Any) -> None:
    """Add the flags; `options` are those of ``--data``, a default or that it is required."""
    chosen = options.get("default")
    parser.add_argument(
        "--data",
        help=f"{', '.join(NAMES)}, synthetic:FEATURES, a .npz or .csv file, or a folder or .zip of "
        "images, one folder for each class" + (f" (default: {chosen})" if chosen else ""),
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
        metavar="COLUMN",
        help="the label's column in a .csv (default: "
        + ("the last" if chosen else "the one that the model was trained on, or the last")
        + "); for leukemia the characteristic that is the class",
    )


def read(
    args: argparse.Namespace, label: str | None, *, hold_out: bool = True, silent: bool = False
) -> Dataset:
    """Read the data, always with the same rows in the test part; `silent` ranks warn of nothing."""
    with warnings.catch_warnings():
        if silent:
            warnings.simplefilter("ignore")
        found = datasets.resolve(args.data, args.data_dir, label, SPLIT_SEED, hold_out=hold_out)
    if not silent and label is None and found.label_name is not None:
        other = like_label(found.feature_names or ())
        if other is not None and like_label([found.label_name]) is None:
            note(
                f"the label is the last column, {found.label_name!r}, and {other!r} is a feature: "
                f"--label {other} if it is the label"
            )
    return found


def like_label(names: Iterable[str]) -> str | None:
    """Find a column that is named as labels are."""
    return next((name for name in names if name.lower() in _LABELS), None)
