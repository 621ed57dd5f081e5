"""What a long call says of itself, on the standard error stream.

A bar on a terminal. In a notebook too, where one line stays of it, as a saved notebook has no bars.
Elsewhere, in a log, a line now and then, and none of what is done in a few seconds.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeAlias

Tick: TypeAlias = Callable[[int, int], object]

_PATIENCE = 1  # second, after which something is slow
_EVERY, _AT_MOST = 5.0, 60.0  # seconds between two lines of a log, of short calls and of long ones
_SHARE = 0.05  # of the time that a call has taken, until its next line


@cache
def _bars() -> tuple[type[Any], bool]:
    """The class of bars, and whether they are drawn in a notebook; importing tqdm takes a while."""
    from tqdm.asyncio import tqdm as text_bar
    from tqdm.auto import tqdm
    from tqdm.std import TqdmDefaultWriteLock

    in_notebook = tqdm is not text_bar

    class Bar(tqdm):  # type: ignore[misc]  # which has no types
        """A bar that Ctrl-C is not lost in.

        tqdm's `__del__` is Python code, in which Python drops a KeyboardInterrupt. It closes bars
        that nothing else has closed, and ours are closed where they are used. This one is a
        function of C.
        """

        __del__ = object.__hash__

        def columns(self) -> int | None:
            """Give the width that the bar and its texts share; None if there is no limit."""
            return None if in_notebook else shutil.get_terminal_size().columns

        def close(self) -> None:
            """End the bar; in a notebook a line stays of it."""
            if in_notebook and not self.disable and self.n and self.desc:
                print(f"{self.desc.rstrip(': ')}: {self.postfix}" if self.postfix else self.desc)
            super().close()

    # tqdm's own lock is two, and Ctrl-C between them would leave the first one locked: fits in
    # other threads would wait without end. This is the second of them.
    Bar.set_lock(TqdmDefaultWriteLock.th_lock)
    return Bar, in_notebook


class NoBar:
    """What a bar of tqdm's has, of one that draws nothing."""

    disable = True

    def columns(self) -> int | None:
        """Give the width that the bar and its texts share; None if there is no limit."""
        return None

    def set_description_str(self, *_: object, **__: object) -> None: ...
    def set_postfix_str(self, *_: object, **__: object) -> None: ...
    def close(self) -> None: ...


class Lines:
    """What a bar of tqdm's has, of one that writes lines into a log.

    The first comes after some seconds, others ever less often, and the last at the end.
    """

    disable = False
    midway = False  # whether more is known soon

    def __init__(self, total: float = 0, desc: str = "", **_: object) -> None:
        self.total, self.n = total, 0.0
        self._what, self._more = desc, ""
        self._start = self._said_at = time.monotonic()
        self._said: float | None = None  # the place of the last line

    def columns(self) -> int | None:
        """Give no limit."""
        return None

    def set_description_str(self, text: str, *_: object, **__: object) -> None:
        self._what = text

    def set_postfix_str(self, text: str, *_: object, **__: object) -> None:
        self._more = text

    def update(self, more: float) -> None:
        self.n += more
        self.refresh()

    def refresh(self) -> None:
        """Write a line if the last one was long ago, rather not in the middle of an epoch."""
        now = time.monotonic()
        wait = min(max(_EVERY, _SHARE * (now - self._start)), _AT_MOST)
        wait *= 2 if self.midway else 1
        if now - self._said_at >= wait:
            self._say(now)

    def close(self) -> None:
        """Write the last line, if there were others."""
        if self._said is not None and self._said != self.n:
            self._say(time.monotonic())

    def _say(self, now: float) -> None:
        self._said_at, self._said = now, self.n
        share = f"{self.n / self.total:4.0%} " if self.total else ""
        more = f", {self._more}" if self._more else ""
        print(f"{share}after {now - self._start:,.0f} s: {self._what}{more}", file=sys.stderr)
        sys.stderr.flush()


def bar(*, enabled: bool, **options: Any) -> Any:
    """Make a bar of tqdm's with these options, or what stands for one; see above."""
    if not enabled:
        return NoBar()
    if sys.stderr is None:  # programs without a console have none
        return NoBar()
    kind, in_notebook = _bars()
    if not in_notebook and not sys.stderr.isatty():
        return Lines(**options)
    return kind(
        leave=not in_notebook,
        bar_format="{desc}|{bar}| {percentage:3.0f}% [{elapsed}<{remaining}{postfix}]",
        dynamic_ncols=True,
        **options,
    )


@contextmanager
def slow(what: str, *, enabled: bool) -> Iterator[Tick | None]:
    """A bar for one call, as the function that it is to call with what is done and with the whole.

    It appears after a second, so quick calls show none. No function if it is not `enabled`.
    """
    if not enabled:
        yield None
        return
    shown = None

    def tick(done: int, total: int) -> None:
        nonlocal shown
        if shown is None:
            shown = bar(enabled=True, desc=what, total=total, delay=_PATIENCE, miniters=1)
        shown.update(done - shown.n)

    try:
        yield tick
        if shown is not None:
            tick(shown.total, shown.total)
    finally:
        if shown is not None:
            shown.close()
