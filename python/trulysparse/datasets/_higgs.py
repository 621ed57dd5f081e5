"""HIGGS: collisions of particles, from UCI's file or LightGBM's."""

from __future__ import annotations

from itertools import chain, islice
from pathlib import Path
from typing import NoReturn

import numpy as np

from trulysparse import _check, _hints
from trulysparse.data.lines import is_finite, open_text, parse, read_lines
from trulysparse.data.readers import KEYS, Array, PathLike, check_arrays, check_features, read_npz
from trulysparse.datasets import _openml
from trulysparse.datasets._dataset import Dataset

TRAIN_ROWS, TEST_ROWS = 105_000, 50_000
HIGGS_FEATURES = (
    *("lepton_pT", "lepton_eta", "lepton_phi", "missing_energy_magnitude", "missing_energy_phi"),
    *(f"jet_{i}_{what}" for i in (1, 2, 3, 4) for what in ("pt", "eta", "phi", "b-tag")),
    *("m_jj", "m_jjj", "m_lv", "m_jlv", "m_bb", "m_wbb", "m_wwbb"),
)
HIGGS_CLASSES = ("background", "signal")
WANTED = (
    "UCI's HIGGS.csv.gz (archive.ics.uci.edu, data set HIGGS; also as .csv or in UCI's .zip), "
    "LightGBM's binary.train and binary.test, or higgs.npz with x_train, y_train, x_test, y_test"
)
CHUNK = 8192  # lines


@_hints.plain
def load_higgs(
    data_dir: PathLike | None = None,
    *,
    train_rows: int | None = None,
    test_rows: int | None = None,
    **unknown: NoReturn,
) -> Dataset:
    """Load HIGGS: 28 features of a collision, and whether it was a Higgs boson's (1) or not (0).

    Parameters
    ----------
    data_dir
        - UCI's ``HIGGS.csv.gz``, also unpacked or in UCI's .zip: the label, then 28 numbers in
          each line. The test rows follow the training rows; nothing after them is read, so that
          the eleven million rows take no time.
        - LightGBM's ``binary.train`` with ``binary.test`` beside it: the same with tabs.
        - an .npz in the layout of `load_npz` with a test part.
        - a folder with one of these.

        By default ``sklearn.datasets.fetch_openml`` is asked (data set 42769, a million rows of
        UCI's).
    train_rows, test_rows
        How many to take, the first ones. By default 105,000 and 50,000 of a single table, and all
        of files that have two parts.

    Raises
    ------
    FileNotFoundError
        If there are no such files, or OpenML does not answer; the message says where they are to
        be had.
    ValueError
        If there are fewer rows, or a line is not as expected; the message names it.
    """
    _hints.refuse("load_higgs", unknown)
    if train_rows is not None:
        train_rows = _check.integer("train_rows", train_rows, 1)
    if test_rows is not None:
        test_rows = _check.integer("test_rows", test_rows, 1)
    rows = {"train_rows": train_rows, "test_rows": test_rows}
    single = (train_rows or TRAIN_ROWS, test_rows or TEST_ROWS)
    if data_dir is None:
        return _fetch(*single)
    path = _find(Path(_check.path("data_dir", data_dir)))
    if path.suffix.lower() == ".npz":
        parts = _read_npz(path)
    elif path.suffix.lower() in (".train", ".test"):
        parts = []
        for suffix, count in ((".train", train_rows), (".test", test_rows)):
            file = path.with_suffix(suffix)
            if not file.is_file():
                raise FileNotFoundError(f"no {file} beside {path.name}: expected {WANTED}")
            parts += _read_table(file, count, "\t")
    else:
        x, y = _read_table(path, sum(single), ",")
        return _cut(x, y, single[0])
    for i, (name, value) in enumerate(rows.items()):
        found = len(parts[2 * i + 1])
        if value is not None and found < value:
            raise ValueError(f"{path}: expected {name}={value}, got {found}")
    x_train, y_train, x_test, y_test = parts
    return _dataset(
        x_train[:train_rows], y_train[:train_rows], x_test[:test_rows], y_test[:test_rows]
    )


def _dataset(x_train: Array, y_train: Array, x_test: Array, y_test: Array) -> Dataset:
    return Dataset("higgs", x_train, y_train, x_test, y_test, HIGGS_FEATURES, HIGGS_CLASSES)


def _cut(x: Array, y: Array, n: int) -> Dataset:
    return _dataset(x[:n], y[:n], x[n:], y[n:])


def _fetch(train_rows: int, test_rows: int) -> Dataset:
    advice = f"give --data-dir: {WANTED}"
    n = train_rows + test_rows
    shape = (n, len(HIGGS_FEATURES))
    x, y = _openml.fetch("HIGGS", "some 200 MB", advice, shape=shape, data_id=42769)
    x, y = check_features("OpenML's HIGGS", "the data", x[:n]).astype(np.float32), y[:n]
    if not np.isin(y, (0, 1)).all():
        raise ValueError(f"OpenML's HIGGS: expected labels 0 and 1, got {np.unique(y)[:5]}")
    return _cut(x, y, train_rows)


def _find(path: Path) -> Path:
    """Find the file that ``path`` is or holds."""
    if path.is_file():
        return path
    if not path.exists():
        raise FileNotFoundError(f"no {path}: --data-dir for higgs is {WANTED}, or their folder")
    names = {p.name.lower(): p for p in path.iterdir() if p.is_file()}
    for name in ("higgs.csv.gz", "higgs.csv", "higgs.zip", "higgs.npz"):
        if name in names:
            return names[name]
    for name in ("binary.train", "higgs.train"):
        if name in names:
            return names[name]
    raise FileNotFoundError(f"no HIGGS in {path}: expected {WANTED}")


def _read_npz(path: Path) -> list[Array]:
    arrays = read_npz(path)
    if "x_test" not in arrays:
        raise ValueError(f"{path}: expected the keys {', '.join(KEYS)}, x_test is missing")
    checked = check_arrays(path, arrays)
    for part in ("train", "test"):
        x, y = checked[f"x_{part}"], checked[f"y_{part}"]
        if x.shape[1] != len(HIGGS_FEATURES):
            raise ValueError(
                f"{path}: expected {len(HIGGS_FEATURES)} features, got {x.shape[1]} in x_{part}"
            )
        if y.dtype.kind not in "fiub" or not np.isin(y, (0, 1)).all():
            raise ValueError(f"{path}: expected y_{part} to hold 0 and 1 only")
        checked[f"y_{part}"] = y.astype(np.int64)
    return [checked[key] for key in KEYS]


def _read_table(path: Path, count: int | None, delimiter: str) -> tuple[Array, Array]:
    """Read the first ``count`` rows of a table, or all of them; a row begins with its label."""
    columns = 1 + len(HIGGS_FEATURES)
    blocks: list[Array] = []
    found = 0
    with open_text(path, (".csv", ".csv.gz")) as file:
        lines = (line for line in read_lines(file, path) if line[1].strip())
        first = next(lines, None)
        # A header is no row.
        rows = (
            iter([first]) if first and any(map(is_finite, first[1].split(delimiter))) else iter(())
        )
        rows = chain(rows, lines)
        while part := list(islice(rows, CHUNK if count is None else min(CHUNK, count - found))):
            block = parse(path, part, columns, delimiter)
            wrong = np.flatnonzero((block[:, 0] != 0) & (block[:, 0] != 1))
            if len(wrong):
                number, label = part[wrong[0]][0], block[wrong[0], 0]
                raise ValueError(
                    f"{path}: line {number}: expected a label of 0 or 1, got {label:g}"
                )
            blocks.append(block)
            found += len(block)
    if not found or (count is not None and found < count):
        wanted = "rows" if count is None else f"{count} rows"
        raise ValueError(
            f"{path}: expected {wanted}, got {found} (load_higgs takes train_rows and test_rows)"
        )
    table = np.concatenate(blocks)
    return np.ascontiguousarray(table[:, 1:]), table[:, 0].astype(np.int64)
