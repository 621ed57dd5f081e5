"""Leukemia: gene expression of 18 classes, as GEO's series matrix or a .csv."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from trulysparse import _check, _hints
from trulysparse._progress import slow
from trulysparse.data.lines import Line, open_text, parse, read_lines
from trulysparse.data.readers import PathLike, encode
from trulysparse.datasets._dataset import Dataset, held_out, split
from trulysparse.datasets._tables import arrays_of

TEST_FRACTION = 1 / 3
CHARACTERISTICS = "!Sample_characteristics_ch1"
BEGIN, END = "!series_matrix_table_begin", "!series_matrix_table_end"
SUFFIXES = ("_series_matrix.txt.gz", "_series_matrix.txt")
CHUNK = 256  # lines
WANTED = (
    "GSE13159_series_matrix.txt.gz of the Gene Expression Omnibus (www.ncbi.nlm.nih.gov/geo, "
    "accession GSE13159, under Series Matrix File(s)), or a .csv with a header, a row for each "
    "sample, a column for each gene and one for the class"
)


@_hints.plain
def load_leukemia(
    data_dir: PathLike | None = None,
    *,
    label: str | None = None,
    seed: int = 0,
    **unknown: NoReturn,
) -> Dataset:
    """Load Leukemia: 54,675 probes of 2,096 bone marrows, 18 classes (GEO GSE13159, MILE study).

    A third of the samples is held out, stratified: 1,397 train and 699 test. The features take
    458 MB; reading a series matrix takes no second copy, a .csv one.

    Parameters
    ----------
    data_dir
        The series matrix (``*_series_matrix.txt.gz``, or unpacked), a ``.csv`` with the samples in
        rows, or a folder with one of them. In a series matrix the lines
        ``!Sample_characteristics_ch1`` give the class of each sample, such as
        ``leukemia class: CLL``.
    label
        Which characteristic is the class; by default the one that has "leukemia" in its name. In
        a .csv, the label's column; the last one by default.
    seed
        Decides which third is held out. Default 0.

    Raises
    ------
    FileNotFoundError
        If `data_dir` is not given, or there is no such file; the message says where to get it.
        OpenML's sets of that name are others.
    ValueError
        If the file is damaged; the message names the line.
    """
    _hints.refuse("load_leukemia", unknown)
    if data_dir is None:
        raise FileNotFoundError(
            f"leukemia needs --data-dir: a folder with {WANTED}; OpenML's leukemia is another, of "
            "72 samples"
        )
    path = _find(Path(_check.path("data_dir", data_dir)))
    if path.suffix.lower() == ".csv":
        x, codes, classes, table = arrays_of(str(path), label)
        return split("leukemia", x, codes, classes, table.names, seed=seed, fraction=TEST_FRACTION)
    return _read_matrix(path, label, seed)


def _find(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.exists():
        raise FileNotFoundError(f"no {path}: --data-dir for leukemia is {WANTED}, or their folder")
    files = sorted(p for p in path.iterdir() if p.is_file())
    for suffix in SUFFIXES:
        if path / f"GSE13159{suffix}" in files:
            return path / f"GSE13159{suffix}"
    for suffixes in (SUFFIXES, (".csv",)):
        found = [p for p in files if p.name.lower().endswith(suffixes)]
        if len(found) > 1:
            some = ", ".join(p.name for p in found[:5])
            raise ValueError(
                f"{path}: expected one file of leukemia data, got {some}: give the file itself"
            )
        if found:
            return found[0]
    raise FileNotFoundError(f"no leukemia data in {path}: expected {WANTED}")


def _read_matrix(path: Path, label: str | None, seed: int) -> Dataset:
    # Read twice: samples in rows take their place at once if the number of columns is known, and
    # no second copy is needed. A file that is cut off is found early.
    n_probes = _count(path)
    with open_text(path) as file, slow("reading", enabled=True) as tick:
        lines = read_lines(file, path)
        characteristics = _header(path, lines)
        number, text = next(lines, (0, ""))
        samples = [_unquoted(cell) for cell in text.split("\t")[1:]]
        if len(samples) < 2:
            raise ValueError(f"{path}: line {number}: expected the names of two or more samples")
        labels = _labels(path, characteristics, samples, label)
        codes, classes = encode(labels, f"{path}: characteristics")
        parts = held_out("leukemia", codes, len(classes), seed=seed, fraction=TEST_FRACTION)
        arrays = [np.empty((len(rows), n_probes), np.float32) for rows in parts]
        probes: list[str] = []
        while part := list(islice(lines, min(CHUNK, n_probes - len(probes)))):
            block = parse(
                path, [(n, text.partition("\t")[2]) for n, text in part], len(samples), "\t"
            )
            for x, rows in zip(arrays, parts, strict=True):
                x[:, len(probes) : len(probes) + len(block)] = block.T[rows]
            probes += (_unquoted(text.partition("\t")[0]) for _, text in part)
            if tick:
                tick(len(probes), n_probes)
    if len(probes) < n_probes:
        raise ValueError(f"{path}: expected {n_probes} probes as counted before, got {len(probes)}")
    twice = [name for name, count in Counter(probes).items() if count > 1]
    if twice:
        raise ValueError(f"{path}: expected different probes, {twice[0]!r} appears twice")
    (x_train, x_test), (train, test) = arrays, parts
    return Dataset("leukemia", x_train, codes[train], x_test, codes[test], tuple(probes), classes)


def _count(path: Path) -> int:
    """Count the probes, to the end, where a compressed file has its checksum."""
    begin, number = None, 0
    with open_text(path) as file:
        lines = read_lines(file, path)
        for number, text in lines:
            if text.startswith(BEGIN):
                begin = number
            elif text.startswith(END):
                break
        else:
            if begin is not None:
                raise ValueError(f"{path}: ends after line {number} without {END}: it is cut off")
        deque(lines, maxlen=0)
    if begin is None:
        raise ValueError(f"{path}: expected a series matrix of GEO, there is no line {BEGIN}")
    if number < begin + 3:
        raise ValueError(f"{path}: expected probes below line {begin + 1}, there are none")
    return number - begin - 2


def _header(path: Path, lines: Iterator[Line]) -> list[tuple[int, list[str]]]:
    """Read the characteristics, a cell for each sample, up to where the table begins."""
    found: list[tuple[int, list[str]]] = []
    for number, text in lines:
        if text.startswith(BEGIN):
            break
        name, *cells = text.split("\t")
        if name == CHARACTERISTICS:
            found.append((number, [_unquoted(cell) for cell in cells]))
    return found


def _unquoted(cell: str) -> str:
    return cell.strip().strip('"').strip()


def _labels(
    path: Path,
    characteristics: list[tuple[int, list[str]]],
    samples: Sequence[str],
    label: str | None,
) -> npt.NDArray[np.str_]:
    """Give the class of each sample; samples may have a characteristic in different lines."""
    keys: dict[str, None] = {}
    found: list[dict[str, str]] = [{} for _ in samples]
    for number, cells in characteristics:
        if len(cells) != len(samples):
            raise ValueError(
                f"{path}: line {number} has characteristics of {len(cells)} samples, the table has "
                f"{len(samples)}"
            )
        for sample, cell in zip(found, cells, strict=True):
            key, colon, value = cell.partition(":")
            if colon:
                keys[key.strip().lower()] = None
                sample[key.strip().lower()] = value.strip()
    wanted = "leukemia" if label is None else label.strip().lower()
    matching = [key for key in keys if (wanted in key if label is None else wanted == key)]
    if len(matching) != 1:
        one = "with 'leukemia' in its name" if label is None else f"{label!r}"
        raise ValueError(
            f"{path}: expected one characteristic {one}, got {len(matching)} of "
            f"{', '.join(keys) or 'none'} (label= or --label names one)"
        )
    key = matching[0]
    for name, sample in zip(samples, found, strict=True):
        if not sample.get(key):
            raise ValueError(f"{path}: sample {name!r} has no {key!r}")
    return np.array([sample[key] for sample in found])
