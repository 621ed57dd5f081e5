"""The file from which a fit that was broken off goes on."""

from __future__ import annotations

import json
import os
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from trulysparse import _check, _core, _files
from trulysparse.config import Config
from trulysparse.history import History

# Beside the user's own strings in the file.
_KEY = "trulysparse.fit"

# A setting that came later is not in older files; their models had its default.
_DEFAULTS = {field.name: field.default for field in fields(Config) if field.default is not MISSING}


class Checkpoint:
    """The model after its last epoch, with the fit's settings and its history so far.

    `past` is the history that was found, or None.
    """

    def __init__(self, path: str | os.PathLike[str], about: dict[str, Any]) -> None:
        self._path, self._about = Path(path), about
        self.past: History | None = None
        self._found: tuple[_core.Network, dict[str, str]] | None = None

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
            about["model"] = _DEFAULTS | about["model"]
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

    def write(self, core: _core.Network, metadata: dict[str, str], history: History) -> None:
        """Replace the file by one of the network as it is."""
        fit = {"about": self._about, "epoch": history.epoch, "history": history.history}
        strings = _check.strings("metadata", metadata)
        core.save(self._path, {**strings, _KEY: json.dumps(fit)})

    def remove(self) -> None:
        """Remove the file: the fit has ended."""
        self._path.unlink(missing_ok=True)
