"""Ctrl-C at chosen moments, and whether Python raised it.

`rust/python/interrupt.rs` says how an interrupt can be lost.
"""

from __future__ import annotations

import _thread
import gc
import inspect
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from types import FrameType
from typing import Any

from helpers import limits


@contextmanager
def heard() -> Iterator[None]:
    """Python as it is outside of tests: no interrupt is lost in what the tests add to it.

    Hypothesis counts the time of garbage collection in Python code, in which an interrupt is
    dropped. What is dropped elsewhere fails the test.
    """
    callbacks, hook, dropped = gc.callbacks[:], sys.unraisablehook, []

    def unraisable(args: Any) -> None:
        dropped.append((args.exc_type, args.err_msg, args.object))

    gc.callbacks.clear()
    sys.unraisablehook = unraisable
    try:
        yield
    finally:
        gc.callbacks[:] = callbacks
        sys.unraisablehook = hook
    assert not dropped


def await_interrupt() -> None:
    """Wait for an interrupt that is on its way, and for no other."""
    until = time.monotonic() + limits.CHILD
    try:
        while time.monotonic() < until:
            time.sleep(0.001)
    except KeyboardInterrupt:
        return
    raise AssertionError("the interrupt was lost")


def interrupted(call: Callable[[], Any], delay: float, send: Callable[[], object]) -> bool:
    """Interrupt a call after a delay; whether it was during the call, or else just after it.

    Either way there was one KeyboardInterrupt.
    """
    sent = _thread.allocate_lock()

    def run() -> None:
        time.sleep(delay)
        send()
        sent.release()

    within = True
    with heard():
        sent.acquire()
        try:
            # Not a `Thread`, which Python code looks after when it is freed.
            _thread.start_new_thread(run, ())
            call()
            within = False
            await_interrupt()
        except KeyboardInterrupt:
            pass
        assert sent.acquire(timeout=limits.CHILD)
        for _ in range(100):  # a second one would come here
            time.sleep(0)
    return within


def moments(call: Callable[[], Any], step: int = 1) -> Iterator[bool]:
    """Interrupt a call at one moment after the other, every `step`-th of all.

    The moments are those at which Python looks at signals: the beginnings of functions and the
    ends of calls. Says of each whether there was exactly one KeyboardInterrupt.
    """
    with heard():
        for at in count(step=step):
            seen, raised = 0, 0

            def look(frame: FrameType, event: str, arg: object, at: int = at) -> None:
                nonlocal seen
                # Python does not look when it closes a generator, which looks like a call.
                generator = frame.f_code.co_flags & inspect.CO_GENERATOR
                if event == "c_return" or (event == "call" and not generator):
                    seen += 1
                    if seen == at + 1:
                        signal.raise_signal(signal.SIGINT)

            sys.setprofile(look)
            try:
                call()
            except KeyboardInterrupt:
                raised += 1
            finally:
                sys.setprofile(None)
            if seen <= at:
                return
            yield raised == 1
