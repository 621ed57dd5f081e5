"""Images in a folder or a .zip, one folder for each class."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

import numpy as np

from trulysparse import _check, _hints
from trulysparse._progress import slow
from trulysparse.data.readers import Array, PathLike
from trulysparse.datasets._dataset import Dataset, scale_pixels, split

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm", ".tif", ".tiff", ".webp")
PARTS = ("train", "test")
LAYOUT = (
    "train/CLASS/FILE and test/CLASS/FILE, or CLASS/FILE, of "
    "PNG, JPEG, BMP, PPM, PGM, TIFF or WebP files"
)
FILE_LIMIT = 1 << 26  # bytes of one image, as a file
CHUNK = 256  # images that a thread decodes at a time


@dataclass(frozen=True, eq=False)
class Images:
    """Decoded images, the training part first, each part by class and file name.

    ``pixels`` uint8 (n, height, width, channels), ``labels`` int64 (n,), ``is_test`` bool (n,).
    ``has_parts`` is False if the files are in folders of classes only.
    """

    pixels: Array
    labels: Array
    is_test: Array
    classes: tuple[str, ...]
    has_parts: bool


@_hints.plain
def load_images(
    path: PathLike, *, seed: int = 0, hold_out: bool = True, **unknown: NoReturn
) -> Dataset:
    """Load images of one size from a folder or a .zip, in one folder for each class.

    The features are the pixels row by row from the top, each with its red, green and blue (or its
    grey, if all images are grey), scaled to 0..1. The classes are the folders' names, in numeric or
    else alphabetic order. Needs Pillow; all cores decode.

    Parameters
    ----------
    path
        A folder or a .zip with ``train/CLASS/FILE`` and ``test/CLASS/FILE``, or with
        ``CLASS/FILE``, perhaps in folders that hold all of it. Files that are no images by their
        names (.png, .jpg, .jpeg, .bmp, .ppm, .pgm, .tif, .tiff, .webp) are skipped. Nothing is
        unpacked to the disk.
    seed
        Decides which fifth is held out if there is no test part. Default 0.
    hold_out
        False: without a test part, all images become the test part. Default True.

    Raises
    ------
    FileNotFoundError
        If there is no such folder or file.
    ValueError
        If there are no images, they differ in size, an image is damaged or not where it should be.
    ImportError
        If Pillow is not installed.
    """
    _hints.refuse("load_images", unknown)
    images = read_images(Path(_check.path("path", path)))
    x = scale_pixels(images.pixels)
    height, width, channels = images.pixels.shape[1:]
    shape = (height, width, channels)
    place = Path(path).resolve()
    name = place.name if place.is_dir() else place.stem
    if not images.has_parts:
        classes, labels = images.classes, images.labels
        options: dict[str, Any] = {"seed": seed, "hold_out": hold_out, "image_shape": shape}
        return split(name, x, labels, classes, None, **options)
    n = int(np.count_nonzero(~images.is_test))
    y = images.labels
    return Dataset(name, x[:n], y[:n], x[n:], y[n:], None, images.classes, shape)


def read_images(path: Path, classes: Sequence[str] | None = None) -> Images:
    """Read all images of a folder or a .zip, as `load_images` describes them.

    With ``classes`` these are all classes that there may be, in the order of their labels.
    """
    _pillow()
    with _open(path) as (names, read):
        places = _places(path, names)
        has_parts = places[0][0] != ""
        found = sorted({place[1] for place in places}, key=_class_order)
        if classes is None:
            classes = found
        unknown = [name for name in found if name not in classes]
        if unknown:
            raise ValueError(
                f"{path}: expected the classes {', '.join(classes)}, got {unknown[0]!r}"
            )
        codes = {name: code for code, name in enumerate(classes)}
        places.sort(key=lambda place: (place[0] == "test", codes[place[1]], place[2]))
        pixels = _decode(path, [place[2] for place in places], read)
    return Images(
        pixels,
        np.array([codes[place[1]] for place in places], dtype=np.int64),
        np.array([place[0] == "test" for place in places]),
        tuple(classes),
        has_parts,
    )


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "images need Pillow: pip install pillow, or pip install 'trulysparse[images]'"
        ) from error
    return Image


def _class_order(name: str) -> tuple[int, str]:
    return (int(name) if name.isdecimal() else -1, name)


@contextmanager
def _open(path: Path) -> Iterator[tuple[list[str], Callable[[str], bytes]]]:
    """Give the images' names below a folder or in a .zip, with slashes, and a reader of one."""
    if path.is_dir():
        yield list(_walk(path)), lambda name: _read_file(path / name)
        return
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, EOFError) as error:
        raise ValueError(f"{path}: expected a folder or a .zip of images ({error})") from error
    with archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}

        def read(name: str) -> bytes:
            if sizes[name] > FILE_LIMIT:
                raise ValueError(f"it is of {sizes[name]} bytes, more than {FILE_LIMIT}")
            return archive.read(name)

        yield [name for name in sizes if _is_image(name)], read


def _walk(folder: Path) -> Iterator[str]:
    for place, _, files in os.walk(folder):
        for file in files:
            name = (Path(place) / file).relative_to(folder).as_posix()
            if _is_image(name):
                yield name


def _read_file(path: Path) -> bytes:
    with open(path, "rb") as file:
        raw = file.read(FILE_LIMIT + 1)
    if len(raw) > FILE_LIMIT:
        raise ValueError(f"it is of more than {FILE_LIMIT} bytes")
    return raw


def _is_image(name: str) -> bool:
    """Tell by the name; files that systems add to folders and archives are no images."""
    parts = PurePosixPath(name).parts
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return not hidden and name.lower().endswith(SUFFIXES)


def _places(path: Path, names: list[str]) -> list[tuple[str, str, str]]:
    """Give part ("train", "test" or ""), class and name of each image."""
    if not names:
        raise ValueError(f"{path}: expected {LAYOUT}, there are no images")
    places: list[tuple[str, str, str]] = []
    above: dict[tuple[bool, tuple[str, ...]], str] = {}
    for name in names:
        *outer, label, _ = ("", *PurePosixPath(name).parts)
        part = outer.pop().lower() if outer and outer[-1].lower() in PARTS else ""
        if not label or (not part and label.lower() in PARTS):
            raise ValueError(f"{path}: expected {LAYOUT}, got {name}")
        places.append((part, label, name))
        above.setdefault((bool(part), tuple(outer)), name)
    if len(above) > 1:
        one, other, *_ = above.values()
        raise ValueError(f"{path}: expected {LAYOUT}, got both {one} and {other}")
    parts = {place[0] for place in places}
    if parts in ({"train"}, {"test"}):
        raise ValueError(f"{path}: expected train/ and test/, got {parts.pop()}/ only")
    return places


def _decode(path: Path, names: list[str], read: Callable[[str], bytes]) -> Array:
    """Decode to uint8 (n, height, width, 3), or (n, height, width, 1) if all of them are grey."""
    size = _image(path, names[0], read, None)[0].shape[:2]
    pixels = np.empty((len(names), *size, 3), dtype=np.uint8)
    grey = np.empty(len(names), dtype=bool)

    def decode(start: int) -> None:
        for i in range(start, min(start + CHUNK, len(names))):
            pixels[i], grey[i] = _image(path, names[i], read, size)

    # Pillow decodes without Python's lock.
    with slow("decoding", enabled=True) as tick, ThreadPoolExecutor() as pool:
        for chunk, _ in enumerate(pool.map(decode, range(0, len(names), CHUNK))):
            if tick:
                tick(min((chunk + 1) * CHUNK, len(names)), len(names))
    return np.ascontiguousarray(pixels[..., :1]) if grey.all() else pixels


def _image(
    path: Path, name: str, read: Callable[[str], bytes], size: tuple[int, ...] | None
) -> tuple[Array, bool]:
    """Decode one image as (height, width, 3), and tell whether it is grey."""
    try:
        with _pillow().open(io.BytesIO(read(name))) as image:
            if size is not None and (image.height, image.width) != size:
                raise ValueError(
                    f"it is of {image.width}x{image.height} pixels, others of {size[1]}x{size[0]}"
                )
            if image.mode.startswith(("I", "F")):
                raise ValueError(f"it has more than 8 bits for a pixel (mode {image.mode})")
            return np.asarray(image.convert("RGB")), image.mode in ("1", "L", "LA")
    except MemoryError:
        raise
    except Exception as error:  # damaged ones raise errors of any kind
        raise ValueError(f"{path}: {name}: expected an image ({error})") from error
