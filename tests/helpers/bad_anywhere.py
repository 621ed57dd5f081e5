"""Values of all kinds as each argument of each public call; run as a script, in parts.

It prints a line of JSON before and after each trial, so that a crash names its own, and the numbers
at the end. A value may be taken; if it is not, the error is one of those that users expect, and
nothing has changed. Exit status 1 if that was otherwise.

    python -m helpers.bad_anywhere PART PARTS [EVERY]

EVERY takes a sample: each argument meets one in EVERY kinds, and the next argument others.
"""

import faulthandler
import os
import pickle
import sys
import tempfile
import warnings
from collections import Counter
from typing import Any
from unittest import mock

import matplotlib
import matplotlib.pyplot
import numpy as np

from helpers import bad_values, entrances
from helpers.broken_anywhere import state
from helpers.entrances import Call
from helpers.sparse_damage import say

matplotlib.use("Agg")
# What users expect; and what they raise themselves.
EXPECTED = (ValueError, TypeError, OSError, MemoryError, ImportError, bad_values.Own)


# Large numbers of these are legal, and never end.
COUNTS = {"epochs", "max_iter", "steps_per_epoch", "size", "samples"}


def is_endless(parameter: str, value: Any) -> bool:
    is_number = isinstance(value, int | float | np.number)
    return parameter in COUNTS and is_number and not abs(value) < 1000


def attempt(call: Call, parameter: str, value: Any) -> dict[str, Any]:
    before = state(call)
    try:
        call.make(**call.given(parameter, value))
    except Exception as error:
        try:
            text = f"{type(error).__name__}: {error}"[:300]
        except bad_values.Own:
            text = f"{type(error).__name__}: (unprintable)"
        raw = not isinstance(error, EXPECTED)
        harmed = before != state(call)
        restore(call, before)
        return {"taken": False, "raw": raw, "text": text, "harmed": harmed}
    restore(call, before)
    return {"taken": True, "raw": False, "text": "", "harmed": False}


def restore(call: Call, before: Any) -> None:
    """Let the next trial begin where this one did."""
    if before is None:
        return
    fresh = pickle.loads(before)
    if hasattr(call.owner, "layers"):
        call.owner.restore(fresh.snapshot())
    else:
        vars(call.owner).clear()
        vars(call.owner).update(vars(fresh))


def main(part: int, parts: int, every: int = 1) -> int:
    faulthandler.enable()
    os.chdir(tempfile.mkdtemp())  # text and paths may be files to write
    with mock.patch("trulysparse.datasets._openml.fetch", side_effect=OSError("offline")):
        found = attempts(part, parts, every)
    say(**found)
    return int(found["raw"] + found["harmed"] > 0)


def attempts(part: int, parts: int, every: int) -> Counter[str]:
    warnings.simplefilter("ignore")
    kinds = bad_values.KINDS | bad_values.frames()
    say(kinds=len(kinds))
    found = Counter(tried=0, taken=0, raw=0, harmed=0)
    arguments = [(c, p) for c in entrances.calls() for p in c.parameters]
    for number, (call, parameter) in enumerate(arguments):
        if number % parts != part:
            continue
        for name in list(kinds)[(number // parts) % every :: every]:
            value = kinds[name]()
            if not is_endless(parameter, value):
                say(case=f"{call.name}({parameter}): {name}")
                outcome = attempt(call, parameter, value)
                say(**outcome)
                found["tried"] += 1
                found.update({key: int(outcome[key]) for key in ("taken", "raw", "harmed")})
            matplotlib.pyplot.close("all")
    return found


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
