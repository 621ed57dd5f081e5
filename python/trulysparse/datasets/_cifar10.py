"""CIFAR-10, in any of the forms in which it is published."""

from __future__ import annotations

import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from trulysparse import _check, _hints
from trulysparse.data import pickles
from trulysparse.data.readers import KEYS, Array, PathLike, read_npz
from trulysparse.datasets import _openml
from trulysparse.datasets._dataset import Dataset, scale_pixels
from trulysparse.datasets._images import read_images

CIFAR10_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
SHAPE = (32, 32, 3)
PIXELS = 32 * 32 * 3
ROWS = (50_000, 10_000)  # of the published parts
BATCHES = tuple(f"data_batch_{i}" for i in range(1, 6))
BATCH = re.compile(r"(?:.*/)?((?:data_batch_[1-5]|test_batch)(?:\.bin)?)")
TAR_SUFFIXES = (".tar.gz", ".tgz", ".tar")
LIMIT = 1 << 28  # bytes of a batch; eight times those of CIFAR-10
WANTED = (
    "the folder cifar-10-batches-py or cifar-10-batches-bin or its .tar.gz "
    "(www.cs.toronto.edu/~kriz/cifar.html), or a folder or .zip of images as "
    "train/CLASS/*.png and test/CLASS/*.png"
)


@_hints.plain
def load_cifar10(data_dir: PathLike | None = None, **unknown: NoReturn) -> Dataset:
    """Load CIFAR-10: 50000 training and 10000 test images of 32x32 coloured pixels, from 0 to 1.

    The 3072 features are the pixels row by row from the top, each with its red, green and blue, for
    every format: ``x.reshape(-1, 32, 32, 3)`` are the images. Labels are 0 for airplane to
    9 for truck. Train and test part together take 737 MB.

    Parameters
    ----------
    data_dir
        - the python or the binary version: the folder of the six batches, the folder above it, or
          the ``.tar.gz`` (it is not unpacked). Pickles can hold programs; nothing of them is run.
        - images, PNG or JPEG: a folder or a .zip with ``train/CLASS/FILE`` and
          ``test/CLASS/FILE`` (needs Pillow).
        - an .npz with the images as ``x_train`` and ``x_test``, uint8 (n, 32, 32, 3), and their
          labels as ``y_train`` and ``y_test``, 0 to 9.

        By default ``sklearn.datasets.fetch_openml`` is asked (data set 40927).

    Raises
    ------
    FileNotFoundError
        If there are no such files, or OpenML does not answer; the message says where they are to
        be had.
    ValueError
        If a file is damaged, or is not what its name says.
    ImportError
        If the images need Pillow, and it is not installed.
    """
    _hints.refuse("load_cifar10", unknown)
    x_train, y_train, x_test, y_test = (
        _fetch() if data_dir is None else _read(Path(_check.path("data_dir", data_dir)))
    )
    return Dataset(
        "cifar10",
        scale_pixels(x_train),
        y_train,
        scale_pixels(x_test),
        y_test,
        class_names=CIFAR10_CLASSES,
        image_shape=SHAPE,
    )


def _fetch() -> tuple[Array, ...]:
    advice = f"give --data-dir with {WANTED}"
    x, y = _openml.fetch("CIFAR-10", "650 MB", advice, shape=(sum(ROWS), PIXELS), data_id=40927)
    if len(x) != sum(ROWS) or y.min() < 0 or y.max() > 9 or x.min() < 0 or x.max() > 255:
        raise ValueError(
            f"OpenML's CIFAR-10: expected {sum(ROWS)} rows of pixels 0..255 with labels 0..9, got "
            f"{len(x)} rows of {x.min()}..{x.max()} with labels {y.min()}..{y.max()}"
        )
    n = ROWS[0]
    if (np.bincount(y[:n], minlength=10) != n // 10).any():  # as in the published parts
        raise ValueError(
            f"OpenML's CIFAR-10: expected the published parts one after the other, so {n // 10} "
            f"rows of each class among the first {n}, got {np.bincount(y[:n], minlength=10)}: "
            f"{advice}"
        )
    images = _channels_last(x.astype(np.uint8))
    return images[:n], y[:n], images[n:], y[n:]


def _channels_last(rows: Array) -> Array:
    """Reorder from that of the original files: all red values, all green ones, all blue ones."""
    return np.ascontiguousarray(rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))


def _read(path: Path) -> tuple[Array, ...]:
    """Read ``x_train``, ``y_train``, ``x_test``, ``y_test`` of bytes, channels last."""
    name = path.name.lower()
    if path.is_dir():
        return _read_folder(path)
    if not path.exists():
        raise FileNotFoundError(f"no {path}: --data-dir for cifar10 is {WANTED}")
    if name.endswith(TAR_SUFFIXES):
        return _join(path, _tar_batches(path))
    if name.endswith(".npz"):
        return _read_npz(path)
    if name.endswith(".zip"):
        return _read_images(path)
    raise ValueError(f"{path}: --data-dir for cifar10 is {WANTED}")


def _read_folder(folder: Path) -> tuple[Array, ...]:
    for place in (folder, folder / "cifar-10-batches-py", folder / "cifar-10-batches-bin"):
        if place.is_dir():
            batches = sorted(p for p in place.iterdir() if BATCH.fullmatch(p.name) and p.is_file())
            if batches:
                return _join(place, ((p.name, _bytes_of(p)) for p in batches))
    for name in ("cifar-10-python.tar.gz", "cifar-10-binary.tar.gz"):
        if (folder / name).is_file():
            return _join(folder / name, _tar_batches(folder / name))
    if (folder / "cifar10.npz").is_file():
        return _read_npz(folder / "cifar10.npz")
    if (folder / "train").is_dir():
        return _read_images(folder)
    raise FileNotFoundError(f"no CIFAR-10 in {folder}: expected {WANTED}")


def _bytes_of(path: Path) -> bytes:
    with open(path, "rb") as file:
        raw = file.read(LIMIT + 1)
    if len(raw) > LIMIT:
        raise ValueError(f"{path}: expected a batch of CIFAR-10, got more than {LIMIT} bytes")
    return raw


def _tar_batches(path: Path) -> Iterator[tuple[str, bytes]]:
    """Read name and bytes of each batch in an archive, once and from the front."""
    try:
        with tarfile.open(path, "r|*") as archive:
            for member in archive:
                match = BATCH.fullmatch(member.name)
                if match is None or not member.isreg():
                    continue
                if member.size > LIMIT:
                    raise ValueError(
                        f"{path}: {member.name}: expected a batch of CIFAR-10, got {member.size} "
                        "bytes"
                    )
                file = archive.extractfile(member)
                assert file is not None  # as it is a regular file
                yield match[1], file.read()
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # of the disk, not the contents
            raise
        raise ValueError(f"{path}: damaged archive ({error})") from error


def _join(source: Path, batches: Iterator[tuple[str, bytes]]) -> tuple[Array, ...]:
    found: dict[str, tuple[Array, Array]] = {}
    for name, raw in batches:
        what = f"{source}: {name}"
        key, _, suffix = name.partition(".")
        if key in found:
            raise ValueError(f"{what}: expected one {key}, there are two")
        rows, labels = _binary(raw, what) if suffix else _python(raw, what)
        if len(labels) and not 0 <= labels.min() <= labels.max() <= 9:
            wrong = labels[(labels < 0) | (labels > 9)][0]
            raise ValueError(f"{what}: expected labels in 0..9, got {wrong}")
        found[key] = _channels_last(rows), labels
    missing = [key for key in (*BATCHES, "test_batch") if key not in found]
    if missing:
        hint = "" if source.is_dir() else " (is the file whole?)"
        raise FileNotFoundError(f"no {', '.join(missing)} in {source}{hint}: expected {WANTED}")
    train = [found.pop(key) for key in BATCHES]
    x_train, y_train = (np.concatenate(parts) for parts in zip(*train, strict=True))
    return x_train, y_train, *found["test_batch"]


def _binary(raw: bytes, what: str) -> tuple[Array, Array]:
    """Read one byte for the label and 3072 for the pixels, for each image."""
    if not raw or len(raw) % (1 + PIXELS):
        raise ValueError(
            f"{what}: expected images of {1 + PIXELS} bytes each, got {len(raw)} bytes"
        )
    rows = np.frombuffer(raw, dtype=np.uint8).reshape(-1, 1 + PIXELS)
    return rows[:, 1:], rows[:, 0].astype(np.int64)


def _python(raw: bytes, what: str) -> tuple[Array, Array]:
    """Read a pickled dict with the keys ``data`` and ``labels``."""
    batch: Any = pickles.load(raw, what)
    # Python 3 may have written the keys as bytes.
    batch = {
        key.decode("latin1") if isinstance(key, bytes) else key: value
        for key, value in (batch.items() if isinstance(batch, dict) else ())
    }
    for key in ("data", "labels"):
        if key not in batch:
            raise ValueError(f"{what}: expected a dict with the keys data and labels, no {key}")
    rows = pickles.array(batch["data"], f"{what}: data")
    labels = pickles.array(batch["labels"], f"{what}: labels")
    if rows.dtype != np.uint8 or rows.ndim != 2 or rows.shape[1] != PIXELS or not len(rows):
        raise ValueError(
            f"{what}: expected data of type uint8 and shape (n, {PIXELS}), got {rows.dtype} "
            f"{rows.shape}"
        )
    if labels.shape != rows.shape[:1]:
        raise ValueError(
            f"{what}: expected {len(rows)} labels, one per image, got {labels.shape[0:1]}"
        )
    return rows, labels.astype(np.int64)


def _read_npz(path: Path) -> tuple[Array, ...]:
    arrays = read_npz(path)
    for key in KEYS:
        if key not in arrays:
            raise ValueError(f"{path}: expected the keys {', '.join(KEYS)}, {key} is missing")
    parts = []
    for part in ("train", "test"):
        x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
        if x.dtype != np.uint8 or x.shape[1:] != SHAPE or not len(x):
            raise ValueError(
                f"{path}: expected x_{part} of type uint8 and shape (n, 32, 32, 3), got {x.dtype} "
                f"{x.shape}"
            )
        if y.shape not in ((len(x),), (len(x), 1)) or y.dtype.kind not in "iu":
            raise ValueError(
                f"{path}: expected y_{part} to be {len(x)} whole numbers, got {y.dtype} {y.shape}"
            )
        if y.min() < 0 or y.max() > 9:
            raise ValueError(f"{path}: expected y_{part} in 0..9, got {y.min()}..{y.max()}")
        parts += [x, y.reshape(-1).astype(np.int64)]
    return tuple(parts)


def _read_images(path: Path) -> tuple[Array, ...]:
    images = read_images(path, classes=CIFAR10_CLASSES)
    if not images.has_parts:
        raise ValueError(f"{path}: expected train/CLASS and test/CLASS, got CLASS only")
    if images.pixels.shape[1:] != SHAPE:
        raise ValueError(
            f"{path}: expected images of 32x32 pixels in colour, got {images.pixels.shape[1:]}"
        )
    pixels, labels = images.pixels, images.labels
    n = int(np.count_nonzero(~images.is_test))  # the training part comes first
    return pixels[:n], labels[:n], pixels[n:], labels[n:]
