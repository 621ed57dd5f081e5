"""Predictions of one row, beside scikit-learn and onnxruntime: `python benches/one_row.py`.

Two networks: 30 features and a hidden layer of 100; 5,000 features and three layers of 500, beside
dense networks of these shapes. The candidates take turns; printed are medians in microseconds, and
the median of the turns' ratios to what is named. Frames need pandas, the dense network
``pip install onnx onnxruntime``. ``--before FOLDER`` also times the package that is there.
"""

import argparse
import importlib.util
import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse
import trulysparse as ts
from sklearn.neural_network import MLPClassifier

SHAPES = {"small": (30, (100,)), "large": (5_000, (500, 500, 500))}
CLASSES, SAMPLES = 2, 400

Calls = dict[str, Callable[[], object]]


def processor() -> str:
    """Say which processor this is."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def has(module: str, what: str) -> bool:
    """Tell whether a module is there, and say what is left out without it."""
    if importlib.util.find_spec(module) is not None:
        return True
    print(f"without {what}: pip install {module}", flush=True)
    return False


def dense_network(sizes: list[int], row: np.ndarray) -> Callable[[], object]:
    """Make a call of onnxruntime's on a dense network with ReLU and random weights."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    nodes, weights = [], []
    for layer, (rows, columns) in enumerate(pairwise(sizes)):
        values = rng.standard_normal((rows, columns), dtype=np.float32) / np.sqrt(rows)
        weights.append(numpy_helper.from_array(values.astype(np.float32), f"w{layer}"))
        weights.append(numpy_helper.from_array(np.zeros(columns, np.float32), f"b{layer}"))
        names = [f"y{layer}", f"w{layer}", f"b{layer}"]
        nodes.append(helper.make_node("Gemm", names, [f"z{layer}"]))
        kind = "Softmax" if layer == len(sizes) - 2 else "Relu"
        nodes.append(helper.make_node(kind, [f"z{layer}"], [f"y{layer + 1}"]))
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, size])
        for name, size in (("y0", sizes[0]), (f"y{len(sizes) - 1}", sizes[-1]))
    ]
    graph = helper.make_graph(nodes, "dense", ends[:1], ends[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    row = row.astype(np.float32)
    return lambda: session.run(None, {"y0": row})


def own_calls(features: int, hidden: tuple[int, ...], *, frames: bool) -> Calls:
    """Make the calls of this package, by their names."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((SAMPLES, features))
    y = rng.integers(0, CLASSES, SAMPLES)
    model = ts.SparseMLP([features, *hidden, CLASSES], standardize=True, seed=0)
    model.train_on_batch(x, y)
    row = x[:1].copy()
    narrow, sparse = row.astype(np.float32), scipy.sparse.csr_array(row * (row > 1))
    classifier = ts.SparseMLPClassifier(hidden, max_iter=1, random_state=0).fit(x, y)
    calls: Calls = {
        "SparseMLP, float32": lambda: model.predict(narrow),
        "SparseMLP, float64": lambda: model.predict(row),
        "SparseMLP, CSR": lambda: model.predict(sparse),
        "classifier": lambda: classifier.predict(row),
    }
    if frames:
        import pandas

        table = pandas.DataFrame(x, columns=[f"feature {i}" for i in range(features)])
        named = ts.SparseMLPClassifier(hidden, max_iter=1, random_state=0).fit(table, y)
        first = table.iloc[:1]
        calls["classifier, pandas"] = lambda: named.predict(first)
    return calls


def peers(features: int, hidden: tuple[int, ...], *, onnx: bool) -> Calls:
    """Make the calls of the others."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((SAMPLES, features))
    other = MLPClassifier(hidden, max_iter=1).fit(x, rng.integers(0, CLASSES, SAMPLES))
    calls: Calls = {"scikit-learn": lambda: other.predict(x[:1])}
    if onnx:
        calls["onnxruntime"] = dense_network([features, *hidden, CLASSES], x[:1])
    return calls


def timed(call: Callable[[], object], seconds: float) -> float:
    """Give the microseconds of a call, of as many as fit into some seconds."""
    calls, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < seconds:
        for _ in range(10):
            call()
        calls += 10
    return 1e6 * passed / calls


class Before:
    """The package of another folder, which another process times when it is asked to."""

    def __init__(self, folder: str, options: argparse.Namespace) -> None:
        how = [sys.executable, __file__, "--serve", "--seconds", str(options.seconds)]
        self._process = subprocess.Popen(
            how,
            env={"PYTHONPATH": folder},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def time(self, shape: str, name: str) -> float:
        """Give the microseconds of a call there."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(f"{shape}:{name}", file=self._process.stdin, flush=True)
        return float(self._process.stdout.readline())


def serve(options: argparse.Namespace) -> None:
    """Time what is asked for, line by line."""
    frames = importlib.util.find_spec("pandas") is not None
    calls = {shape: own_calls(*SHAPES[shape], frames=frames) for shape in SHAPES}
    for line in sys.stdin:
        shape, _, name = line.rstrip("\n").partition(":")
        print(timed(calls[shape][name], options.seconds), flush=True)


def compare(shape: str, options: argparse.Namespace, before: Before | None) -> None:
    """Print the table of a shape."""
    features, hidden = SHAPES[shape]
    own = own_calls(features, hidden, frames=options.frames)
    others = peers(features, hidden, onnx=options.onnx)
    times: dict[str, list[float]] = {}
    for turn in range(options.repeats + 1):
        for name, call in {**own, **others}.items():
            found = timed(call, options.seconds)
            if turn:  # the first one warms up
                times.setdefault(name, []).append(found)
        for name in own if before is not None else ():
            found = before.time(shape, name)  # type: ignore[union-attr]
            if turn:
                times.setdefault(f"{name}, before", []).append(found)
    print(f"\n{features:,} features, hidden layers of {hidden}")
    for name, values in times.items():
        ratios = []
        for other in ("onnxruntime", "scikit-learn", f"{name}, before"):
            if name in own and other in times:
                pairs = zip(values, times[other], strict=True)
                ratios.append(f"{statistics.median(a / b for a, b in pairs):.3f} of {other}")
        print(f"{name:>26} {statistics.median(values):>10.1f} us   {', '.join(ratios)}", flush=True)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--repeats", type=int, default=25)
    parser.add_argument("--seconds", type=float, default=0.05, help="of a call in a turn")
    parser.add_argument("--before", metavar="FOLDER", help="a package to compare with")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options: Any = parser.parse_args()
    warnings.simplefilter("ignore")  # of networks that have hardly learnt anything
    if options.serve:
        serve(options)
        return
    options.frames = has("pandas", "frames")
    options.onnx = has("onnx", "onnxruntime") and has("onnxruntime", "onnxruntime")
    print(f"{processor()}; trulysparse {ts.__version__}, medians of {options.repeats} turns")
    before = Before(options.before, options) if options.before else None
    for shape in options.shapes:
        compare(shape, options, before)


if __name__ == "__main__":
    main()
