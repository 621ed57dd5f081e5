"""A sparse matrix that is none, for each argument of each public call; run as a script.

A mistake here is a crash of the process, so `data/test_broken_anywhere.py` runs this in a child: it
prints a line of JSON before and after each case. Compiled code of SciPy and scikit-learn is
watched: it may not get an index array of the broken matrix, even where it would survive it.

    python -m helpers.broken_anywhere PART PARTS [EVERY]

EVERY takes a sample: each argument meets one in EVERY matrices, and the next argument others.
"""

import itertools
import pickle
import sys
import types
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import matplotlib
import numpy as np
import scipy.sparse as sp
import sklearn.utils.sparsefuncs

from helpers import entrances, sparse_damage
from helpers.entrances import Call, Y
from helpers.sparse_damage import DAMAGE, damaged, dense, kinds, say

matplotlib.use("Agg")
X = dense(entrances.ROWS, entrances.COLUMNS)
INDICES = ("indptr", "indices", "row", "col", "offsets")

CSR = [
    "index-huge", "index-object", "indices-short", "indptr-huge-inside", "indptr-wraps",
    "data-short", "shape-longer",
]  # fmt: skip
OTHERS = {"csc": "index-huge", "bsr": "indptr-ends-late", "coo": "axis0-huge", "dia": "data-short",
          "lil": "column-huge", "dok": "row-huge"}  # fmt: skip
# Where else a matrix may be: in what an argument holds.
NESTED: dict[str, Callable[[Any], Any]] = {
    "first of two": lambda m: (m, Y),
    "second of two": lambda m: (entrances.X, m),
    "list": lambda m: [m],
    "rows": lambda m: [m] * entrances.ROWS,
    "iterator": lambda m: iter([(m, Y)] * 4),
    "dictionary": lambda m: {0: m, 1: m},
    "objects": lambda m: np.fromiter([m] * entrances.ROWS, object),
}


def csr(name: str) -> Any:
    return damaged(kinds("csr")["array"], X, *DAMAGE["csr"][name])


def other(kind: str) -> Any:
    return damaged(kinds(kind)["matrix"], X, *DAMAGE[kind][OTHERS[kind]])


# What makes a broken matrix, alone or in something that holds it.
MATRICES: dict[str, Callable[[], Any]] = {
    **{f"csr {name}": partial(csr, name) for name in CSR},
    **{f"{kind} {name}": partial(other, kind) for kind, name in OTHERS.items()},
    **{
        f"csr in {place}": lambda put=put: put(csr("index-huge"))  # type: ignore[misc]
        for place, put in NESTED.items()
    },
}


class Watch:
    """Notes when compiled code gets an index array of a matrix that is watched."""

    def __init__(self) -> None:
        self.arrays: list[Any] = []
        self.seen: list[str] = []
        self.watched: set[str] = set()
        modules = [m for name, m in sys.modules.items() if name.startswith("scipy.sparse.")]
        for module in (*modules, sklearn.utils.sparsefuncs):
            for name, function in list(vars(module).items()):
                if self._is_compiled(function):
                    self.watched.add(name)
                    setattr(module, name, self._watched(name, function))

    @staticmethod
    def _is_compiled(function: Any) -> bool:
        if "cython" in type(function).__name__:
            return "sparsefuncs_fast" in str(getattr(function, "__module__", ""))
        return isinstance(function, types.BuiltinFunctionType) and (
            "sparsetools" in str(function.__module__)
        )

    def _watched(self, name: str, function: Any) -> Any:
        def watched(*given: Any, **named: Any) -> Any:
            for value in (*given, *named.values()):
                parts = [value, *(getattr(value, part, None) for part in INDICES)]
                for part, own in itertools.product(parts, self.arrays):
                    if isinstance(part, np.ndarray) and np.may_share_memory(part, own):
                        self.seen.append(name)
            return function(*given, **named)

        return watched

    def on(self, matrix: Any) -> None:
        """Watch a matrix, or those that something holds."""
        self.seen, self.arrays = [], []
        waiting = [matrix]
        while waiting:
            value = waiting.pop()
            if sp.issparse(value):
                found = [vars(value).get(part) for part in INDICES]
                found += list(vars(value).get("coords") or ())
                self.arrays += [a for a in found if isinstance(a, np.ndarray)]
            elif isinstance(value, list | tuple | dict):
                waiting += value.values() if isinstance(value, dict) else value
            elif isinstance(value, np.ndarray) and value.dtype == object:
                waiting += list(value)


def state(call: Call) -> Any:
    """What may not change in a call that is refused; nothing if there is no such object."""
    owner = call.owner
    return pickle.dumps(owner) if hasattr(owner, "layers") or hasattr(owner, "fit") else None


def attempt(call: Call, parameter: str, value: Any) -> dict[str, Any]:
    before = state(call)
    try:
        call.make(**call.given(parameter, value))
    except Exception as error:
        text = f"{type(error).__module__}.{type(error).__name__}: {error}"[:300]
        refused = isinstance(error, ValueError | TypeError | OSError)
        return {"refused": refused, "text": text, "harmed": before != state(call)}
    return {"refused": None, "text": "", "harmed": False}


def main(part: int, parts: int, every: int = 1) -> None:
    warnings.simplefilter("ignore")
    watch = Watch()
    say(watched=sorted(watch.watched))
    arguments = [(c, p) for c in entrances.calls() for p in c.parameters]
    for number, (call, parameter) in enumerate(arguments[part::parts]):
        for damage in list(MATRICES)[number % every :: every]:
            value = MATRICES[damage]()
            say(case=f"{call.name}({parameter}): {damage}")
            watch.on(value)
            outcome = attempt(call, parameter, value)
            say(**outcome, touched=sorted(set(watch.seen)))
            matplotlib.pyplot.close("all")


if __name__ == "__main__":
    import matplotlib.pyplot

    assert sparse_damage.ROWS == entrances.ROWS
    main(*map(int, sys.argv[1:]))
