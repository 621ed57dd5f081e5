"""What is asked of a report, and the page that is made and written."""

from __future__ import annotations

import os
from typing import NamedTuple

from trulysparse import _check, _files
from trulysparse.report import pictures
from trulysparse.report.bootstrap import LEAST, RESAMPLES
from trulysparse.report.sections.options import Options
from trulysparse.report.subject import Subject

TOP = 20
FOLDS = 5
"""Of a table, if networks are trained again."""

_MOST = 10_000  # resamples


class Asked(NamedTuple):
    """What a caller asks for, checked."""

    path: str | None
    title: str | None
    name: str
    folds: int
    options: Options


def asked(
    path: str | os.PathLike[str] | None = None,
    *,
    title: str | None = None,
    name: str = "the table",
    top: int = TOP,
    folds: int = 0,
    resamples: int = RESAMPLES,
    seed: int = 0,
    batch_size: int = 128,
) -> Asked:
    """Check the arguments of a report, before anything is computed.

    Raises
    ------
    ValueError, TypeError
        If one is wrong; the message names it.
    ImportError
        If matplotlib is not installed.
    OSError
        If there is no folder for the file.
    """
    given = None if path is None else os.fspath(_check.path("path", path))
    if given == "":
        raise ValueError("path = '': expected the name of a file")
    if title is not None:
        _check.instance("title", title, str, "a string or None")
    _check.instance("name", name, str, "a string")
    options = Options(
        _check.integer("top", top, 1, 200),
        _check.integer("resamples", resamples, LEAST, _MOST),
        _check.integer("seed", seed, 0),
        _check.integer("batch_size", batch_size, 1),
    )
    folds = _check.integer("folds", folds, 0)
    if folds == 1:
        raise ValueError("folds = 1: expected 0 for none, or 2 and more")
    pictures.require()
    if given is not None:
        folder = os.path.dirname(given) or "."
        if not os.path.isdir(folder):
            raise FileNotFoundError(f"path = {given!r}: there is no folder {folder!r}")
        if os.path.isdir(given):
            raise IsADirectoryError(f"path = {given!r} is a folder: expected a file")
    return Asked(given, title, name, folds, options)


def made(subject: Subject, wanted: Asked) -> str:
    """Give the page of a subject, and write it if a file was asked for."""
    from trulysparse.report import page  # which takes a while

    label = subject.about.get("label")
    title = wanted.title or (
        f"Predicting {label}" if label else f"A sparse network on {wanted.name}"
    )
    subject.about = {**subject.about, "table": wanted.name}
    text = page.made(subject, wanted.options, title)
    if wanted.path is not None:
        with _files.writing(wanted.path), open(wanted.path, "w", encoding="utf-8") as file:
            file.write(text)
    return text
