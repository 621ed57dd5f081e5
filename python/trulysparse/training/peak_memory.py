"""The most memory that this process has had."""

from __future__ import annotations

import sys
from contextlib import suppress

from trulysparse import _core

_STATUS, _PEAK, _MOST = "/proc/self/status", b"\nVmHWM:", 1 << 16
_seen = 0
_usage_then = 0


def memory() -> int:
    """Return the process's largest resident memory so far, in bytes.

    Where the system does not record it (Windows), the largest that calls of this have met.
    """
    global _seen, _usage_then
    usage = _usage()
    # A peak that is not below this number grows with it: a read file takes a small fit's epoch.
    if usage is None or usage != _usage_then or _seen < usage:
        # What Linux says of the same moment differs by some pages from call to call.
        _seen = max(_seen, _recorded(usage) or _core.resident_memory() or 0)
        _usage_then = usage or 0
    return _seen


def _usage() -> int | None:
    """Give the largest of this process and, on Linux, of the one that started it."""
    if sys.platform == "win32":
        return None
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most


def _recorded(usage: int | None) -> int | None:
    if sys.platform != "linux":
        return usage
    with suppress(OSError), open(_STATUS, "rb", buffering=0) as status:
        lines = status.read(_MOST)
        at = lines.find(_PEAK)
        if at >= 0:
            return 1024 * int(lines[at + len(_PEAK) :].split(maxsplit=1)[0])
    return None
