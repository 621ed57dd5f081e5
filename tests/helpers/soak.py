#!/usr/bin/env python3
"""Random legal and illegal operations on random small models, with all that must hold after each.

``PYTHONPATH=tests python tests/helpers/soak.py --minutes 20`` goes from life to life: a random
model, up to 40 operations on it and on its twin, which has other threads. After each operation the
structure is checked against SciPy, the outputs against the float64 oracle, and the twin has to be
the same bytes; after one that was refused the model has to be what it was.

A failure is shortened, and printed with the command that repeats it. Exit status 1 then.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from helpers.soak_operations import ILLEGAL, LEGAL
from helpers.soak_world import World, check, content, some

LENGTH = 40
REFUSED = (ValueError, TypeError)


class Failure(Exception):
    """What went wrong in a life, and in which of its operations."""

    def __init__(self, at: int, name: str, cause: BaseException) -> None:
        super().__init__(f"operation {at}, {name}: {type(cause).__name__}: {cause}")
        self.at, self.name, self.cause = at, name, cause


def attempt(action: Any, model: Any) -> tuple[str, Any]:
    """What an operation gives: its result, or the text of what refused it."""
    try:
        return "done", action(model)
    except REFUSED as error:
        return "refused", f"{type(error).__name__}: {error}"


def live(seed: int, life: int, only: Sequence[int] | None, tally: Counter[str]) -> None:
    """One model from its start to its end; `only`: the numbers of the operations to do.

    Each operation draws from its own numbers, so that those that are left do the same without the
    others.
    """
    world = World.drawn(np.random.default_rng([seed, life]))
    name = "the new model"
    try:
        check(world)
    except Exception as cause:
        raise Failure(-1, name, cause) from cause
    for at in range(LENGTH) if only is None else only:
        rng = np.random.default_rng([seed, life, at])
        table = some(rng, [LEGAL, LEGAL, ILLEGAL])
        name = some(rng, list(table))
        try:
            step(world, table[name](world, rng), name, tally, is_legal=table is LEGAL)
        except Exception as cause:
            raise Failure(at, name, cause) from cause


def step(world: World, action: Any, name: str, tally: Counter[str], *, is_legal: bool) -> None:
    before = content(world.model)
    how, found = attempt(action, world.model)
    tally[f"{name} {how}"] += 1
    if how == "refused":
        assert content(world.model) == before, f"refused, but it changed the model: {found}"
    else:
        assert is_legal, f"taken, but illegal: {found!r}"
    same = attempt(action, world.twin)
    assert _text(same) == _text((how, found)), f"the twin: {same!r}, the model: {(how, found)!r}"
    check(world)


def _text(outcome: Any) -> str:
    return repr(outcome)


def shortened(seed: int, life: int, failure: Failure) -> tuple[list[int], Failure]:
    """As few operations as fail in the same way: each is left out that does not matter."""
    kept = list(range(failure.at + 1))
    for at in reversed(range(failure.at)):
        tried = [n for n in kept if n != at]
        try:
            live(seed, life, tried, Counter())
        except Failure as again:
            if type(again.cause) is type(failure.cause) and again.name == failure.name:
                kept, failure = tried, again
    return kept, failure


def report(seed: int, life: int, failure: Failure) -> str:
    kept, failure = shortened(seed, life, failure)
    command = f"PYTHONPATH=tests python tests/helpers/soak.py --seed {seed} --life {life}"
    only = " ".join(map(str, kept))
    trace = "".join(traceback.format_exception(failure.cause))
    return f"{trace}\n{failure}\nTo repeat it: {command} --only {only}"


def soak(seed: int, lives: range, seconds: float) -> tuple[str | None, Counter[str]]:
    """Live until a failure, the end of the lives or of the time; the failure's report if any."""
    tally: Counter[str] = Counter()
    end = time.monotonic() + seconds
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for life in lives:
            if time.monotonic() > end:
                break
            tally["lives"] += 1
            try:
                live(seed, life, None, tally)
            except Failure as failure:
                return report(seed, life, failure), tally
    return None, tally


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="default: the time")
    parser.add_argument("--life", type=int, help="this one only")
    parser.add_argument("--only", type=int, nargs="*", help="these operations of it only")
    given = parser.parse_args()
    if given.life is not None:
        warnings.simplefilter("ignore")
        live(given.seed, given.life, given.only, Counter())
        print("it held")
        return 0
    start = time.monotonic()
    problem, tally = soak(given.seed, range(2**31), 60 * given.minutes)
    lives = tally.pop("lives")
    for name, count in sorted(tally.items()):
        print(f"{count:8d}  {name}")
    seconds = time.monotonic() - start
    print(f"seed {given.seed}: {tally.total()} operations, {lives} lives, {seconds:.0f} seconds")
    print(problem or "all held")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
