"""Loaders for the data sets that the command line knows, and for a user's own files.

A loader returns a `Dataset`: a table with a training and a test part, features and int64
labels in ``0..n_classes-1``. Files are not trusted. What is wrong with one raises a ``ValueError``
that names the file and what was expected in it; a missing file raises ``FileNotFoundError``.
Nothing that a file holds is run, and no archive is unpacked to the disk.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from trulysparse import _check, _hints
from trulysparse.data.readers import PathLike
from trulysparse.datasets._cifar10 import load_cifar10
from trulysparse.datasets._dataset import Dataset
from trulysparse.datasets._fashion_mnist import FASHION_MNIST_CLASSES as FASHION_MNIST_CLASSES
from trulysparse.datasets._fashion_mnist import FASHION_MNIST_FOLDER as FASHION_MNIST_FOLDER
from trulysparse.datasets._fashion_mnist import load_fashion_mnist
from trulysparse.datasets._higgs import load_higgs
from trulysparse.datasets._images import load_images
from trulysparse.datasets._leukemia import load_leukemia
from trulysparse.datasets._madelon import load_madelon
from trulysparse.datasets._synthetic import load_synthetic, parse
from trulysparse.datasets._tables import load_csv, load_digits, load_npz

__all__ = [
    "Dataset",
    "load_cifar10",
    "load_csv",
    "load_digits",
    "load_fashion_mnist",
    "load_higgs",
    "load_images",
    "load_leukemia",
    "load_madelon",
    "load_npz",
    "load_synthetic",
    "resolve",
]

if not TYPE_CHECKING:  # which would then take any name
    __getattr__ = _hints.of_module(__name__, __all__)

# Data sets of which a loader needs to know the place only.
_PLACED = {
    "fashion-mnist": load_fashion_mnist,
    "cifar10": load_cifar10,
    "higgs": load_higgs,
    "madelon": load_madelon,
}
NAMES = ("digits", *_PLACED, "leukemia")


@_hints.plain
def resolve(
    spec: PathLike,
    data_dir: PathLike | None = None,
    label: str | None = None,
    seed: int = 0,
    *,
    hold_out: bool = True,
    **unknown: NoReturn,
) -> Dataset:
    """Load what ``spec`` names.

    Parameters
    ----------
    spec
        ``"digits"``, ``"fashion-mnist"``, ``"cifar10"``, ``"higgs"``, ``"madelon"``,
        ``"leukemia"``, ``"synthetic:FEATURES"`` or ``"synthetic:FEATURES:SAMPLES"``, a path ending
        in .npz or .csv, or a folder or .zip of images.
    data_dir
        Folder or file with the data of one of these names but digits; the ``load_`` functions say
        what it should hold.
    label
        The label's column in a .csv; the last one by default. For leukemia the characteristic
        that is the class.
    seed
        Decides which rows are held out if the data have no test part. Default 0.
    hold_out
        False puts every row of a user's files without a test part into the test part and leaves
        the training part empty, to score all of it. Default True.

    Raises
    ------
    ValueError
        For an unknown `spec`, an option that `spec` has no use for, or bad contents.
    FileNotFoundError
        If the data are not there; the message says how to get them.
    """
    _hints.refuse("resolve", unknown)
    text = _check.path("spec", spec)
    suffix = Path(text).suffix.lower()
    _check_options(text, suffix, data_dir, label)
    if text == "digits":
        return load_digits(seed)
    if text == "leukemia":
        return load_leukemia(data_dir, label=label, seed=seed)
    if text in _PLACED:
        return _PLACED[text](data_dir)
    if text.startswith("synthetic:"):
        return load_synthetic(*parse(text), seed=seed)
    if suffix == ".npz":
        return load_npz(text, seed=seed, hold_out=hold_out)
    if suffix == ".csv":
        return load_csv(text, label, seed=seed, hold_out=hold_out)
    if suffix == ".zip" or (text and Path(text).is_dir()):
        return load_images(text, seed=seed, hold_out=hold_out)
    raise ValueError(
        f"unknown data {text!r}: expected one of {', '.join(NAMES)}, synthetic:FEATURES, the path "
        "of a .npz or .csv file, or a folder or .zip of images"
    )


def _check_options(text: str, suffix: str, data_dir: PathLike | None, label: str | None) -> None:
    """Check that the data `text` has a use for the options that were given."""
    if label is not None and suffix != ".csv" and text != "leukemia":
        raise ValueError(
            f"label={_check.shown(label)} names a column of a .csv or of leukemia, but the data is "
            f"{text!r}"
        )
    if data_dir is not None and text not in NAMES[1:]:
        place = _check.path("data_dir", data_dir)
        raise ValueError(
            f"data_dir={place!r} is for {', '.join(NAMES[1:])}, but the data is {text!r}"
        )
