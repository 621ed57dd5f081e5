"""The flags of the command line that augment images."""

from __future__ import annotations

import argparse
import math
from typing import Any

from trulysparse.augmentation import ImageAugmentation

SHAPES = {"cifar10": (32, 32, 3), "fashion-mnist": (28, 28, 1)}
"""Data sets of images: height, width and channels."""


def add_augmentation(parser: Any) -> None:
    """Add the flags to a parser or a group of one."""
    parser.add_argument(
        "--augment",
        action="store_true",
        help="turn images by up to 10 degrees, move them by up to a tenth, and mirror half of "
        "them, anew in each step; for " + ", ".join(SHAPES) + ", or with --augment-shape",
    )
    parser.add_argument(
        "--augment-shape",
        type=int,
        nargs=3,
        metavar=("H", "W", "C"),
        help="for --augment: height, width and channels of the images that the rows of other data "
        "are, pixel by pixel",
    )


def augmentation(args: argparse.Namespace, features: int) -> ImageAugmentation | None:
    """What the flags ask for, for samples of so many features.

    Raises
    ------
    ValueError
        If the data are no images of that shape.
    """
    if not args.augment:
        if args.augment_shape is not None:
            raise ValueError("--augment-shape: expected --augment as well")
        return None
    shape = args.augment_shape or SHAPES.get(args.data)
    if shape is None:
        raise ValueError(
            f"--augment with --data {args.data}: expected {' or '.join(SHAPES)}, or "
            "--augment-shape with the height, width and channels of the images"
        )
    if math.prod(shape) != features:
        given = " ".join(map(str, shape))
        raise ValueError(f"--augment-shape {given}: expected a product of {features}, the features")
    return ImageAugmentation(shape)
