"""Which ranks' processes are gone, as far as this machine shows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from itertools import cycle, islice
from pathlib import Path
from typing import Any, TypeAlias

Identity: TypeAlias = dict[str, Any] | None

# Processes that one look is for, as a job may have hundreds.
_AT_ONCE = 8


def own() -> Identity:
    """Tell which process this is; None where another one could not find it (only Linux can)."""
    pid = os.getpid()
    found = _state(pid)
    if found is None:
        return None
    with suppress(OSError):
        # Containers have numbers of their own.
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        machine = f"{boot} {os.readlink('/proc/self/ns/pid')}"
        return {"machine": machine, "pid": pid, "started": found[1]}
    return None


def _state(pid: int) -> tuple[str, str] | None:
    """Read a process's state and when it was started; None if there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return fields[0], fields[19]
    except (OSError, IndexError):
        return None


class Processes:
    """The processes of all ranks that are on this machine, and were there when this was made."""

    def __init__(self, identities: Sequence[Identity]) -> None:
        here = own()
        self._known: dict[int, tuple[int, str]] = {}
        for rank, identity in enumerate(identities):
            if here and identity and identity["machine"] == here["machine"]:
                known = identity["pid"], identity["started"]
                if _lives(known):
                    self._known[rank] = known
        self._turns = cycle(self._known)

    def is_one_gone(self) -> bool:
        """Tell whether one of the next few is gone."""
        few = islice(self._turns, min(_AT_ONCE, len(self._known)))
        return not all(_lives(self._known[rank]) for rank in few)

    def gone(self) -> dict[int, int]:
        """Give the numbers of the processes that are gone, by their ranks."""
        return {rank: known[0] for rank, known in self._known.items() if not _lives(known)}

    def said(self, rank: int) -> str:
        """Say what may be the matter with a rank that gives no sign of life."""
        known = self._known.get(rank)
        state = None if known is None else _state(known[0])
        if state is None:
            return "it hangs, was stopped or is cut off"
        return "its process is stopped" if state[0] in "Tt" else "its process is there, but hangs"


def _lives(known: tuple[int, str]) -> bool:
    state = _state(known[0])
    return state is not None and state[1] == known[1] and state[0] not in "ZXx"
