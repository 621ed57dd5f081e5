"""Progress bars: on the standard error stream if that is a terminal, or in a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeAlias

Tick: TypeAlias = Callable[[int, int], object]

_PATIENCE = 1  # second, after which something is slow


@cache
def _bars() -> tuple[type[Any], bool]:
    """The class of bars, and whether they are drawn in a notebook; importing tqdm takes a while."""
    from tqdm.asyncio import tqdm as text_bar
    from tqdm.auto import tqdm
    from tqdm.std import TqdmDefaultWriteLock

    class Bar(tqdm):  # type: ignore[misc]  # which has no types
        """A bar that Ctrl-C is not lost in.

        tqdm's `__del__` is Python code, in which Python drops a KeyboardInterrupt. It closes bars
        that nothing else has closed, and ours are closed where they are used. This one is a
        function of C.
        """

        __del__ = object.__hash__

    # tqdm's own lock is two, and Ctrl-C between them would leave the first one locked: fits in
    # other threads would wait without end. This is the second of them.
    Bar.set_lock(TqdmDefaultWriteLock.th_lock)
    return Bar, tqdm is not text_bar


class NoBar:
    """What a bar of tqdm's has, of one that draws nothing."""

    disable = True

    def set_description_str(self, *_: object, **__: object) -> None: ...
    def set_postfix_str(self, *_: object, **__: object) -> None: ...
    def close(self) -> None: ...


def bar(*, enabled: bool, **options: Any) -> Any:
    """Make a bar of tqdm's with these options, or one that draws nothing unless it is `enabled`."""
    if not enabled:
        return NoBar()
    kind, in_notebook = _bars()
    # None leaves the bar out where the stream is no terminal. A notebook's stream says that it
    # is none, and shows a bar all the same.
    disable = False if in_notebook else None
    return kind(
        disable=disable,
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
