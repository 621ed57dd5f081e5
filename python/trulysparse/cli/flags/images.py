"""The flags of the command line that augment images."""

from __future__ import annotations

import argparse
import math
from typing import Any

from trulysparse.cli.common import whole
from trulysparse.cli.tables.problem import Problem
from trulysparse.data.augmentation import ImageAugmentation

NAMES = ("cifar10", "fashion-mnist")
"""Data sets of images that may be mirrored."""


def add_flags(parser: Any) -> None:
    """Add all flags."""
    parser.add_argument(
        "--augment",
        action=argparse.BooleanOptionalAction,
        help="turn images by up to 10 degrees, move them by up to a tenth, and mirror half of "
        "them, anew in each step; for " + ", ".join(NAMES) + ", folders of images, or with "
        "--augment-shape (default: recipe and paper do it for cifar10)",
    )
    parser.add_argument(
        "--augment-shape",
        type=whole,
        nargs=3,
        metavar=("H", "W", "C"),
        help="for --augment: height, width and channels of the images that the rows of other data "
        "are, pixel by pixel",
    )


def augmentation(
    args: argparse.Namespace, data: Problem, preset: ImageAugmentation | None
) -> ImageAugmentation | None:
    """Make what the flags ask for, or the preset where they are silent.

    Raises
    ------
    ValueError
        If the data are no images of that shape.
    """
    if not args.augment:
        if args.augment_shape is not None:
            raise ValueError("--augment-shape: expected --augment as well")
        fits = preset is not None and preset.shape == data.image_shape
        return preset if args.augment is None and fits else None
    shape = args.augment_shape
    if shape is None and args.data != "digits":  # mirrored, they are no digits
        shape = data.image_shape
    if shape is None:
        raise ValueError(
            f"--augment with --data {args.data}: expected {' or '.join(NAMES)}, a folder of "
            "images, or --augment-shape with the height, width and channels of the images"
        )
    if math.prod(shape) != data.n_features:
        given = " ".join(map(str, shape))
        raise ValueError(
            f"--augment-shape {given}: expected a product of {data.n_features}, the features"
        )
    return ImageAugmentation(tuple(shape))
