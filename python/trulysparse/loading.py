"""`load`, which opens every file that the package saves."""

from __future__ import annotations

import os
from typing import Any, NoReturn

from trulysparse import _check, _files, _hints, _progress
from trulysparse.config import threads as threads_of
from trulysparse.model import SparseMLP, of_core

_ESTIMATOR = "estimator"  # of the metadata, as `estimators` writes them


@_hints.plain
def load(
    path: str | os.PathLike[str],
    *,
    threads: int | None = None,
    progress: bool = False,
    **unknown: NoReturn,
) -> Any:
    """Load a model that `SparseMLP.save` or an estimator's `save` wrote.

    Training goes on as if it had not been saved.

    Parameters
    ----------
    path
        The file.
    threads, progress
        As in `SparseMLP`. An estimator has those of its `n_jobs`.

    Returns
    -------
    SparseMLP, SparseMLPClassifier or SparseMLPRegressor
        What was saved.

    Raises
    ------
    OSError
        If the file cannot be read; a FileNotFoundError if there is none.
    ValueError
        If it is no model file, or damaged.
    MemoryError
        If the model does not fit into memory.

    Warns
    -----
    RuntimeWarning
        If training had diverged.
    """
    _hints.refuse("load", unknown)
    loaded = network(path, threads=threads, progress=progress, stacklevel=5)
    if _ESTIMATOR not in loaded.metadata:
        return loaded
    from trulysparse import estimators  # which imports scikit-learn

    return estimators.restored(loaded)


def network(
    path: str | os.PathLike[str],
    *,
    threads: int | None = None,
    progress: bool = False,
    stacklevel: int = 4,
) -> SparseMLP:
    """Load the network of a file, also of an estimator's."""
    path, threads = _check.path("path", path), threads_of(threads)
    with _progress.slow("loading", enabled=_check.boolean("progress", progress)) as tick:
        return of_core(*_files.model(path, threads, tick, stacklevel))
