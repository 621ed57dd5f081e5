"""How long what a test waits for may take: no test waits without an end.

pytest's own limit for a test is in pyproject.toml; these end sooner, and so say what hung.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

CHILD = 240  # seconds for a process or a thread of a test; generous, as machines are busy


@contextmanager
def child(command: list[str], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A process that is waited for at the end of the block, and killed after `CHILD` seconds."""
    with subprocess.Popen(command, **options) as process:
        timer = threading.Timer(CHILD, process.kill)
        timer.daemon = True
        timer.start()
        try:
            yield process
            process.wait()
        except BaseException:
            process.kill()
            raise
        finally:
            timer.cancel()
