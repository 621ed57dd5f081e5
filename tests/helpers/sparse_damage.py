"""Sparse matrices that are none, and all that takes one; a child process tries each with each.

A mistake here is a crash of the process, so `data/test_sparse_checks.py` runs this file as a
script: it prints a line of JSON before and after each case.
"""

import json
import pickle
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import trulysparse as ts

ROWS, COLUMNS = 12, 6
HUGE = 2**32  # 0 in 32 bits


def dense(rows=ROWS, columns=COLUMNS):
    """Numbers of which a third is 0, but for the last row and the last column."""
    x = np.arange(1.0, rows * columns + 1).reshape(rows, columns)
    x[:-1, :-1][x[:-1, :-1] % 3 == 0] = 0
    return x


def put(array, at, value):
    array = np.array(array, dtype=np.int64)
    array[at] = value
    return array


def compressed():
    """Changes of one attribute of CSR, CSC or BSR; each gets the matrix."""
    minor = 10**6
    return {
        "index-huge": ("indices", lambda m: put(m.indices, 3, minor)),
        "index-last": ("indices", lambda m: put(m.indices, -1, m.indices.max() + 1)),
        "index-negative": ("indices", lambda m: put(m.indices, 0, -1)),
        "index-least": ("indices", lambda m: put(m.indices, 0, -(2**63))),
        "index-wraps": ("indices", lambda m: put(m.indices, 0, HUGE)),
        "index-float": ("indices", lambda m: m.indices.astype(float)),
        "index-object": ("indices", lambda m: m.indices.astype(object)),
        "index-text": ("indices", lambda m: m.indices.astype(str)),
        "index-bool": ("indices", lambda m: m.indices.astype(bool)),
        "indices-short": ("indices", lambda m: m.indices[:-2]),
        "indices-long": ("indices", lambda m: np.r_[m.indices, 0, 0].astype(m.indices.dtype)),
        "indices-2d": ("indices", lambda m: m.indices[:, np.newaxis]),
        "indices-none": ("indices", lambda m: None),
        "indices-list-ragged": ("indices", lambda m: [[1], [2, 3]]),
        "indptr-falls": ("indptr", lambda m: put(m.indptr, 1, m.indptr[2] + 1)),
        "indptr-huge-inside": ("indptr", lambda m: put(m.indptr, 1, 10**7)),
        "indptr-negative": ("indptr", lambda m: put(m.indptr, 1, -5)),
        "indptr-starts-late": ("indptr", lambda m: put(m.indptr, 0, 1)),
        "indptr-starts-early": ("indptr", lambda m: put(m.indptr, 0, -1)),
        "indptr-ends-late": ("indptr", lambda m: put(m.indptr, -1, m.indptr[-1] + 10**5)),
        "indptr-ends-one-late": ("indptr", lambda m: put(m.indptr, -1, m.indptr[-1] + 1)),
        "indptr-ends-early": ("indptr", lambda m: put(m.indptr, -1, m.indptr[-1] - 1)),
        "indptr-wraps": ("indptr", lambda m: put(m.indptr, -1, int(m.indptr[-1]) + HUGE)),
        "indptr-short": ("indptr", lambda m: m.indptr[:-1]),
        "indptr-long": ("indptr", lambda m: np.r_[m.indptr, m.indptr[-1]]),
        "indptr-empty": ("indptr", lambda m: m.indptr[:0]),
        "indptr-float": ("indptr", lambda m: m.indptr.astype(float)),
        "indptr-2d": ("indptr", lambda m: m.indptr[np.newaxis]),
        "indptr-number": ("indptr", lambda m: 3),
        "data-short": ("data", lambda m: m.data[:-2]),
        "data-long": ("data", lambda m: np.concatenate([m.data, m.data[:2]])),
        "data-number": ("data", lambda m: np.float64(1)),
        "data-4d": ("data", lambda m: m.data.reshape(-1, 1, 1, 1)),
        "data-text": ("data", lambda m: m.data.astype(str)),
        "data-objects": ("data", lambda m: np.full(m.data.shape, None)),
        "data-complex": ("data", lambda m: m.data * 1j),
        "shape-longer": ("_shape", lambda m: (m.shape[0] * 100, m.shape[1] * 100)),
        "shape-shorter": ("_shape", lambda m: (m.shape[0] - 4, m.shape[1] - 4)),
        "shape-negative": ("_shape", lambda m: (m.shape[0], -1)),
        "shape-one": ("_shape", lambda m: (m.shape[0],)),
        "shape-none": ("_shape", lambda m: None),
    }


BLOCKS = {
    "blocks-that-do-not-fit": ("data", lambda m: np.ones((len(m.data), 5, 5))),
    "blocks-of-nothing": ("data", lambda m: np.ones((len(m.data), 0, 2))),
    "blocks-larger": ("data", lambda m: np.ones((len(m.data), 6, 6))),
    "blocks-flat": ("data", lambda m: m.data.ravel()),
}


def coordinates(axis):
    """Changes of a COO's rows or columns."""

    def change(what):
        def changed(m):
            pair = [m.row, m.col]
            pair[axis] = what(np.array(pair[axis], dtype=np.int64))
            return tuple(pair)

        return ("coords", changed)

    return {
        f"axis{axis}-huge": change(lambda a: put(a, 2, 10**6)),
        f"axis{axis}-last": change(lambda a: put(a, 0, a.max() + 1)),
        f"axis{axis}-negative": change(lambda a: put(a, 0, -1)),
        f"axis{axis}-wraps": change(lambda a: put(a, 0, HUGE)),
        f"axis{axis}-short": change(lambda a: a[:-1]),
        f"axis{axis}-long": change(lambda a: np.r_[a, 0]),
        f"axis{axis}-float": change(lambda a: a.astype(float)),
        f"axis{axis}-object": change(lambda a: a.astype(object)),
        f"axis{axis}-2d": change(lambda a: a[np.newaxis]),
        f"axis{axis}-none": change(lambda a: None),
    }


COO = coordinates(0) | coordinates(1) | {
    "one-axis": ("coords", lambda m: (m.col,)),
    "three-axes": ("coords", lambda m: (m.row, m.row, m.col)),
    "no-axes": ("coords", lambda m: None),
    "data-short": ("data", lambda m: m.data[:-1]),
    "data-2d": ("data", lambda m: m.data[np.newaxis]),
    "data-text": ("data", lambda m: m.data.astype(str)),
    "shape-smaller": ("_shape", lambda m: (m.shape[0] - 4, m.shape[1] - 4)),
}  # fmt: skip


def first(lists, row):
    lists = lists.copy()
    lists[0] = row
    return lists


LIL = {
    "column-negative": ("rows", lambda m: first(m.rows, [-1, *m.rows[0][1:]])),
    "column-huge": ("rows", lambda m: first(m.rows, [10**6, *m.rows[0][1:]])),
    "column-beyond-64-bits": ("rows", lambda m: first(m.rows, [2**70, *m.rows[0][1:]])),
    "column-float": ("rows", lambda m: first(m.rows, [0.5, *m.rows[0][1:]])),
    "column-text": ("rows", lambda m: first(m.rows, ["1", *m.rows[0][1:]])),
    "column-none": ("rows", lambda m: first(m.rows, [None, *m.rows[0][1:]])),
    "row-longer": ("rows", lambda m: first(m.rows, [*m.rows[0], 0, 0, 0])),
    "row-shorter": ("rows", lambda m: first(m.rows, m.rows[0][1:])),
    "row-none": ("rows", lambda m: first(m.rows, None)),
    "row-number": ("rows", lambda m: first(m.rows, 3)),
    "row-text": ("rows", lambda m: first(m.rows, "12")),
    "row-missing": ("rows", lambda m: m.rows[:-1]),
    "row-more": ("rows", lambda m: np.append(m.rows, m.rows)),
    "rows-of-numbers": ("rows", lambda m: np.arange(len(m.rows))),
    "rows-list": ("rows", lambda m: list(m.rows)),
    "data-longer": ("data", lambda m: first(m.data, [*m.data[0], 1.0])),
    "data-missing": ("data", lambda m: m.data[:-1]),
    "data-text": ("data", lambda m: first(m.data, ["1"] * len(m.data[0]))),
    "data-nested": ("data", lambda m: first(m.data, [[1.0]] * len(m.data[0]))),
    "data-complex": ("data", lambda m: first(m.data, [1j] * len(m.data[0]))),
    "data-none": ("data", lambda m: None),
    "shape-longer": ("_shape", lambda m: (m.shape[0] * 9, m.shape[1])),
}
DIA = {
    "offset-twice": ("offsets", lambda m: put(m.offsets, 0, m.offsets[1])),
    "offsets-short": ("offsets", lambda m: m.offsets[:-1]),
    "offsets-float": ("offsets", lambda m: m.offsets + 0.5),
    "offsets-2d": ("offsets", lambda m: m.offsets[np.newaxis]),
    "offsets-none": ("offsets", lambda m: None),
    "data-short": ("data", lambda m: m.data[:-1]),
    "data-flat": ("data", lambda m: m.data.ravel()),
    "data-3d": ("data", lambda m: m.data[np.newaxis]),
    "data-text": ("data", lambda m: m.data.astype(str)),
}


def items(*pairs):
    return ("items", lambda m: pairs)


DOK = {
    "row-huge": items(((10**6, 0), 1.0)),
    "row-negative": items(((-1, 0), 1.0)),
    "column-huge": items(((0, 10**6), 1.0)),
    "column-negative": items(((0, -1), 1.0)),
    "beyond-64-bits": items(((2**70, 0), 1.0)),
    "key-float": items(((0.5, 0), 1.0)),
    "key-text": items((("0", 0), 1.0)),
    "key-number": items((3, 1.0)),
    "key-of-three": items(((0, 0, 0), 1.0)),
    "value-text": items(((0, 0), "1")),
    "value-none": items(((0, 0), None)),
    "value-complex": items(((0, 0), 1j)),
}
DAMAGE = {
    "csr": compressed(),
    "csc": compressed(),
    "bsr": compressed() | BLOCKS,
    "coo": COO,
    "lil": LIL,
    "dia": DIA,
    "dok": DOK,
}


def kinds(name):
    """SciPy's matrix and array of a format, and a subclass."""
    array = getattr(sp, f"{name}_array")
    return {
        "matrix": getattr(sp, f"{name}_matrix"),
        "array": array,
        "subclass": type(f"own_{name}", (array,), {}),
    }


def whole(kind, x):
    """A matrix of this kind that is one; BSR with blocks of 2 x 2."""
    if "bsr" in kind.__name__:
        return kind(sp.csr_array(x), blocksize=(2, 2))
    return kind(sp.csr_array(x))


def damaged(kind, x, attribute, change):
    matrix = whole(kind, x)
    new = change(matrix)
    if attribute == "items":
        stored = getattr(matrix, "_dict", matrix)  # older SciPy's DOK is a dict
        for key, value in new:
            dict.__setitem__(stored, key, value)
    elif attribute == "coords" and not hasattr(matrix, "coords"):
        matrix.row, matrix.col = new
    else:
        setattr(matrix, attribute, new)
    return matrix


def cases(formats=tuple(DAMAGE), number=0, every=1):
    """(name, kind, attribute, change) of every damage of every format.

    Of SciPy's matrix and array and a subclass one in `every`, and with the next number others.
    """
    for name in formats:
        each = list(kinds(name).items())
        for at, (damage, (attribute, change)) in enumerate(DAMAGE[name].items(), number):
            for label, kind in each[at % every :: every]:
                yield f"{name}-{label}-{damage}", kind, attribute, change


X = dense()
Y = np.arange(ROWS) % 2
QUIET = {"epochs": 1, "progress": False}


def model_entries():
    model = ts.SparseMLP([COLUMNS, 8, 2], density=0.9, standardize=True, seed=0, threads=1)
    model.fit(X, Y, **QUIET)

    entries = {
        "predict": lambda m: model.predict(m),
        "evaluate": lambda m: model.evaluate(m, Y),
        "test_on_batch": lambda m: model.test_on_batch(m, Y),
        "train_on_batch": lambda m: model.train_on_batch(m, Y),
        "fit": lambda m: model.fit(m, Y, **QUIET),
        "fit-validation": lambda m: model.fit(X, Y, **QUIET, validation_data=(m, Y)),
        "pruning_curve": lambda m: model.pruning_curve(m, Y),
        "gradient_norms": lambda m: model.gradient_norms(m, Y),
        "evolve": lambda m: model.evolve(ts.GradientGrowth(), m, Y),
        "iterator": lambda m: model.fit(iter([(m, Y)] * 9), steps_per_epoch=1, **QUIET),
        "y": lambda m: model.fit(X, m, **QUIET),
        "sample_weight": lambda m: model.fit(X, Y, **QUIET, sample_weight=m),
        "y-list": lambda m: model.fit(X, [m] * ROWS, **QUIET),
        "x-list": lambda m: model.fit([m] * ROWS, Y, **QUIET),
        "biases": lambda m: ts.SparseMLP.from_scipy([sp.csr_array(X)], [m]),
    }
    return entries, lambda: pickle.dumps(model)


def estimator_entries():
    options = {"max_iter": 1, "random_state": 0}
    new = lambda: ts.SparseMLPClassifier((5,), **options)  # noqa: E731
    number = lambda: ts.SparseMLPRegressor((5,), **options)  # noqa: E731
    classifier, regressor = new().fit(X, Y), number().fit(X, Y)
    labels = new().fit(X, X > 3)
    entries = {
        "fit": lambda m: new().fit(m, Y),
        "fit-again": lambda m: classifier.fit(m, Y),
        "partial_fit": lambda m: classifier.partial_fit(m, Y),
        "X_val": lambda m: new().fit(X, Y, X_val=m, y_val=Y),
        "predict": lambda m: classifier.predict(m),
        "predict_proba": lambda m: classifier.predict_proba(m),
        "predict_log_proba": lambda m: classifier.predict_log_proba(m),
        "score": lambda m: classifier.score(m, Y),
        "regressor-fit": lambda m: number().fit(m, Y),
        "regressor-partial_fit": lambda m: number().partial_fit(m, Y),
        "regressor-predict": lambda m: regressor.predict(m),
        "regressor-score": lambda m: regressor.score(m, Y),
        "y": lambda m: new().fit(X, m),
        "y-score": lambda m: labels.score(X, m),
        "y_val": lambda m: new().fit(X, X > 3, X_val=X, y_val=m),
        "y-regressor": lambda m: regressor.fit(X, m),
        "y-regressor-score": lambda m: regressor.score(X, m),
        "sample_weight": lambda m: classifier.fit(X, Y, sample_weight=m),
        "sample_weight-score": lambda m: classifier.score(X, Y, sample_weight=m),
        "classes": lambda m: new().partial_fit(X, Y, classes=m),
    }
    return entries, lambda: pickle.dumps([classifier, regressor, labels])


def selector_entries():
    new = lambda: ts.SparseFeatureSelector(2, random_state=0, epochs=1)  # noqa: E731
    selector = new().fit(X, Y)
    every = ts.SparseFeatureSelector(COLUMNS, random_state=0, epochs=1).fit(X, Y)
    entries = {
        "fit": lambda m: new().fit(m, Y),
        "fit-alone": lambda m: new().fit(m),
        "fit-y": lambda m: new().fit(X, m),
        "fit_transform": lambda m: new().fit_transform(m, Y),
        "transform": lambda m: selector.transform(m),
        "inverse_transform": lambda m: every.inverse_transform(m),
    }
    return entries, lambda: pickle.dumps([selector, every])


def weight_entries():
    good = sp.csc_array(np.ones((COLUMNS, 3)))
    return {
        "first": lambda m: ts.SparseMLP.from_scipy([m, good]),
        "last": lambda m: ts.SparseMLP.from_scipy([sp.csc_array(np.ones((4, ROWS))), m]),
    }, lambda: None


def file_entries():
    folder = Path(tempfile.mkdtemp())
    ts.SparseMLP.from_scipy([sp.csr_array(X)]).export_npz(folder)
    parts = ("indptr", "indices", "data", "row", "col", "offsets")

    def read(m):
        # As SciPy's save_npz writes them; it would refuse some.
        axes = (m.coords or ()) if hasattr(m, "coords") else (0, 0)
        if len(axes) == 2:
            stored = {key: getattr(m, key) for key in parts if hasattr(m, key)}
        else:
            stored = {"data": m.data, "coords": np.array(axes)}
        stored = {key: array for key, array in stored.items() if isinstance(array, np.ndarray)}
        np.savez(folder / "weight_0.npz", format=m.format.encode(), shape=m._shape, **stored)
        return ts.SparseMLP.from_npz(folder)

    return {"from_npz": read}, lambda: None


# What errors name where it is not the entry's first part.
NAMES = {
    "fit-validation": "validation_data",
    "iterator": "batch 1 of x: x",
    "biases": "biases[0]",
    "X_val": "X_val",
    "fit-y": "y",
    "first": "weights[0]",
    "last": "weights[1]",
    "from_npz": "weight_0.npz",
}


def argument(group, entry):
    """The name of the argument, or of its part, that an error of this entry has to name."""
    start = entry.split("-")[0]
    start = start if start in ("y", "x", "y_val", "sample_weight", "classes") else ""
    return NAMES.get(entry) or start or ("x" if group == "model" else "X")


GROUPS = {
    "model": (model_entries, tuple(DAMAGE)),
    "estimators": (estimator_entries, tuple(DAMAGE)),
    "selector": (selector_entries, tuple(DAMAGE)),
    "weights": (weight_entries, tuple(DAMAGE)),
    "files": (file_entries, ("csr", "csc", "bsr", "coo", "dia")),
}


def say(**what):
    print(json.dumps(what), flush=True)


def main(every=1):
    """Try the groups; those of many entries try each damage at every other entry of a sample."""
    warnings.simplefilter("ignore")  # SciPy's of index types
    for group, (make, formats) in GROUPS.items():
        entries, state = make()
        before = state()
        sample = 2 * every if every > 1 and len(entries) > 5 else every
        for number, (entry, call) in enumerate(entries.items()):
            for name, kind, attribute, change in cases(formats, number, sample):
                say(case=[group, entry, name])
                try:
                    matrix = damaged(kind, X, attribute, change)
                    call(matrix)
                except Exception as error:
                    say(error=type(error).__name__, text=str(error))
                else:
                    say(error=None, text="")
            say(case=[group, entry, "state"])
            say(error="unchanged" if state() == before else "changed", text="")


if __name__ == "__main__":
    main(int(sys.argv[1]))
