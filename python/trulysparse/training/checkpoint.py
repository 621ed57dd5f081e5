"""The file from which a fit that was broken off goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import numpy as np

from trulysparse import _check, _core, _files
from trulysparse.config import Config
from trulysparse.history import History

# Beside the user's own strings in the file.
_KEY = "trulysparse.fit"

# A setting that came later is not in older files; their models had its default.
_DEFAULTS = {field.name: field.default for field in fields(Config) if field.default is not MISSING}


DATA = "a hash of samples, targets and weights"
# Of arrays with more bytes only some rows are hashed.
_HASHED = 1 << 28


def fingerprint(*arrays: Any) -> str:
    """Hash arrays, sparse matrices, tuples of arrays and None; of large ones some rows."""
    from hashlib import blake2b  # with OpenSSL, which takes a while

    digest = blake2b(digest_size=8)
    for value in arrays:
        parts = value if isinstance(value, tuple) else (value,)
        if callable(getattr(value, "tocsr", None)):
            csr = value.tocsr()
            parts = (csr.indptr, csr.indices, csr.data)
        for part in parts:
            array = np.asarray(part)
            step = max(1, array.nbytes // _HASHED) if array.ndim else 1
            some = np.ascontiguousarray(array[::step] if step > 1 else array)
            digest.update(f"{array.dtype} {array.shape}".encode())
            if array.dtype == object:
                digest.update(repr(some.tolist()).encode())
            else:
                digest.update(some.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


class Checkpoint:
    """The model after its last epoch, with the fit's settings and its history so far.

    In a fit's local phase the network of each worker is in a file beside it. Those are written
    first, under the number of the epoch: the model's file names files that are complete.

    Attributes
    ----------
    past
        The history that was found, or None.
    workers
        The networks that workers had, if the fit was in its local phase.
    """

    def __init__(self, path: str | os.PathLike[str], about: dict[str, Any]) -> None:
        self._path, self._about = Path(path), about
        self.past: History | None = None
        self.workers: list[_core.Network] = []
        self._found: tuple[_core.Network, dict[str, str]] | None = None
        self._written: list[Path] = []  # of workers

    def find(self, threads: int) -> None:
        """Look whether there is a file of the same fit.

        Raises
        ------
        ValueError
            If there is another file.
        FileNotFoundError
            If its folder does not exist.
        """
        if not self._path.absolute().parent.is_dir():
            raise FileNotFoundError(f"checkpoint = {str(self._path)!r}: there is no folder for it")
        if not self._path.exists():
            return
        core, metadata = _files.model(self._path, threads)
        try:
            fit = _files.parsed(metadata.pop(_KEY))
            about, epoch, history = fit["about"], fit["epoch"], fit["history"]
            workers = range(fit.get("workers", 0))
            about["model"] = _DEFAULTS | about["model"]
            about.setdefault(DATA, self._about.get(DATA))  # of 0.1.0, which did not look at it
        except (KeyError, ValueError, TypeError) as error:
            raise ValueError(
                f"checkpoint = {str(self._path)!r}: is no checkpoint of a fit; remove it, or name "
                "another file"
            ) from error
        different = _check.first_difference(about, self._about)
        if different is not None:
            key, theirs, ours = different
            raise ValueError(
                f"checkpoint = {str(self._path)!r}: is of a fit with {key} = {theirs!r}, not "
                f"{ours!r}; remove it to start anew"
            )
        self._written = [self._of_worker(epoch[-1], worker) for worker in workers]
        sizes = Config.of(core).layer_sizes
        self.workers = [self._worker(path, sizes) for path in self._written]
        self._found = core, metadata
        self.past = History()
        self.past.epoch, self.past.history = epoch, history

    def resume(self, core: _core.Network) -> dict[str, str] | None:
        """Bring the network to where the fit was, if a file was found; give the user's metadata."""
        if self._found is None:
            return None
        (found, metadata), self._found = self._found, None
        core.become(found)
        return metadata

    def write(
        self,
        core: _core.Network,
        metadata: dict[str, str],
        history: History,
        workers: Sequence[_core.Network],
    ) -> None:
        """Replace the files by those of the network and of workers as they are."""
        paths = [self._of_worker(history.epoch[-1], worker) for worker in range(len(workers))]
        for path, worker in zip(paths, workers, strict=True):
            worker.save(path, {})
        fit: dict[str, Any] = {"about": self._about}
        fit |= {"epoch": history.epoch, "history": history.history}
        if workers:
            fit["workers"] = len(workers)
        strings = _check.strings("metadata", metadata)
        core.save(self._path, {**strings, _KEY: json.dumps(fit)})
        self._remove(set(self._written) - set(paths))
        self._written = paths

    def remove(self) -> None:
        """Remove the files: the fit has ended."""
        self._remove([self._path, *self._written])

    def _of_worker(self, epoch: int, worker: int) -> Path:
        return self._path.with_name(f"{self._path.name}.epoch-{epoch}.worker-{worker}")

    def _worker(self, path: Path, sizes: list[int]) -> _core.Network:
        """Load a worker's network, which has layers of the model's sizes."""
        remedy = "remove the checkpoint to start anew"
        try:
            worker = _core.Network.load(path, 1).network
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"checkpoint = {str(self._path)!r}: needs {str(path)!r}, which is missing; {remedy}"
            ) from error
        if Config.of(worker).layer_sizes != sizes:
            raise ValueError(
                f"checkpoint = {str(self._path)!r}: {str(path)!r} is of another fit; {remedy}"
            )
        return worker

    @staticmethod
    def _remove(paths: Iterable[Path]) -> None:
        for path in paths:
            path.unlink(missing_ok=True)
