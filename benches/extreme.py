"""Networks from 10^5 neurons to the largest that the machine holds: `python benches/extreme.py`.

Each has 65536 artificial features, ten hidden layers of equal size and two outputs with
epsilon = 1, about two connections a neuron, as the largest of arXiv 2102.01732. In a new process
it is created, trained for some steps, evolves, predicts the samples, is saved and loaded again.
`--activation NAME`: the paper's All-ReLU by default. `--picture FILE` draws the numbers.
`--epoch SAMPLES` trains the first of the networks for a whole epoch instead, evolves and saves it,
and lets a new process go on from the file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import process
import trulysparse as ts
from trulysparse import _core
from trulysparse.config import threads as all_threads
from trulysparse.data.samples import given
from trulysparse.datasets import load_synthetic
from trulysparse.training.settings import of_trainer

FEATURES = 65536
# Signal passes ten layers of two connections a neuron only if the fan-ins are the real ones, and a
# rate that moves those layers is too much for the outputs, which have millions of connections.
NETWORK: dict[str, Any] = {
    "epsilon": 1, "init": "lecun_uniform", "fan": "real", "dropout": 0, "standardize": False,
    "seed": 0,
}  # fmt: skip
SGD = ts.SGD(0.3, layer_rates="fan_in", weight_decay=0)
SET = ts.SET(grow_init=0.1)
SIZES = ("1e5", "1e6", "1e7", "2e7", "5e7", "1e8")


def timed(run: Any) -> tuple[float, Any]:
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def measure(
    neurons: int, activation: str, batch: int, steps: int, memory_mode: str | None
) -> dict[str, Any]:
    """Create, train, evolve, ask, save and load one network."""
    sizes = [FEATURES, *[neurons // 10] * 10, 2]
    data = load_synthetic(FEATURES, batch * steps)
    x, y = data.x_train, data.y_train
    threads = all_threads(None)
    before = process.memory("VmRSS")
    planned = ts.plan(
        sizes, epsilon=1, batch_size=batch, activation=activation, dropout=0, **mode(memory_mode)
    )
    creation, model = timed(lambda: ts.SparseMLP(sizes, activation=activation, **NETWORK))
    fit = {"batch_size": batch, "optimizer": SGD, "progress": False, **mode(memory_mode)}
    # The trainer of a fit, so that an epoch can be timed whose buffers have been touched before.
    data = given(model._core, x, y).data
    options = {"candidates": 0, "memory": memory_mode or "fast"}
    trainer = _core.Trainer(model._core, data, of_trainer(batch, SGD._core(), 100, **options))
    losses = [trainer.epoch(0).loss]
    # Steps and random rows of the same size in turns, so that both meet the same neighbours. The
    # rows' memory is not the training's: it does not count for the peak.
    peak, count = process.memory("VmHWM"), min(20_000_000, 4 * sizes[1])
    times, rates = [], []
    for _ in range(5):
        rates.append(_core.kernels.gather_rate(sizes[1], batch, count, threads, 1))
        seconds, scores = timed(lambda: trainer.epoch(0))
        times.append(seconds / steps)
        losses.append(scores.loss)
    process.forget_peak()
    best, rate = float(np.median(times)), float(np.median(rates))
    trainer = None
    evolution, indices = evolve(model, x[:batch], y[:batch], memory_mode)
    # As an epoch with an evolution has it: beside the buffers of the steps.
    history = model.fit(x, y, epochs=2, topology=SET, **fit)
    peak = max(peak, process.memory("VmHWM")) - before
    model.predict(x[:batch], batch_size=batch)
    answers = [timed(lambda: model.predict(x, batch_size=batch))[0] / steps for _ in range(5)]
    result = {
        "neurons": sum(sizes),
        "connections": model.nnz,
        "batch": batch,
        "create": creation,
        "step": best,
        "predict": float(np.median(answers)),
        "evolve": evolution,
        "indices": indices,
        "peak": peak,
        "plan": planned.total,
        "losses": [*losses, *history.history["loss"]],
        "accuracy": history.history["accuracy"][-1],
    }
    # Random rows that a step gathers: one a connection for the outputs, the deltas of the inputs
    # and the gradient; the first layer passes no deltas back.
    rows = 3 * model.nnz - model.layers[0].nnz
    result["gather"] = rows / best / rate
    with tempfile.TemporaryDirectory(dir=".") as folder:
        path = Path(folder) / "model.safetensors"
        result["save"], _ = timed(lambda: model.save(path))
        result["file"] = path.stat().st_size
        model = None
        result["load"], _ = timed(lambda: ts.load(path))
    return result


def evolve(
    model: ts.SparseMLP, x: np.ndarray, y: np.ndarray, memory_mode: str | None
) -> tuple[float, float]:
    """Seconds of an evolution, and of the transpose indices that the step after it makes."""
    data = given(model._core, x, y).data
    options = {"candidates": 0, "memory": memory_mode or "fast"}
    trainer = _core.Trainer(model._core, data, of_trainer(len(x), SGD._core(), 100, **options))
    evolutions, differences = [], []
    for _ in range(3):
        evolutions.append(timed(lambda: model.evolve(SET))[0])
        first, plain = (timed(lambda: trainer.epoch(0))[0] for _ in range(2))
        differences.append(first - plain)
    return float(np.median(evolutions)), max(float(np.median(differences)), 0.0)


def go_on(model: ts.SparseMLP, batch: int, options: dict[str, Any]) -> str:
    """Two more steps; what they make of the weights, as a digest."""
    data = load_synthetic(FEATURES, 2 * batch)
    x, y = data.x_train, data.y_train
    history = model.fit(
        x, y, epochs=1, batch_size=batch, optimizer=SGD, progress=False, topology=None, **options
    )
    digest = hashlib.blake2b(repr(history.history["loss"]).encode())
    for layer in model.layers:
        digest.update(layer.weight.data)
        digest.update(layer.bias)
    return digest.hexdigest()[:16]


def whole_epoch(
    neurons: int,
    activation: str,
    batch: int,
    samples: int,
    memory_mode: str | None,
    folder: Path,
) -> None:
    """Train an epoch and evolve; then save, and go on here and in another process."""
    data = load_synthetic(FEATURES, samples)
    x, y = data.x_train, data.y_train
    before = process.memory("VmRSS")
    model = ts.SparseMLP([FEATURES, *[neurons // 10] * 10, 2], activation=activation, **NETWORK)
    planned = model.plan(batch, **mode(memory_mode))
    print(planned, flush=True)
    options = {"batch_size": batch, "optimizer": SGD, "topology": SET, **mode(memory_mode)}
    # In tenths of the samples, so that the loss can be seen to fall.
    for part in range(10):
        rows = slice(part * samples // 10, (part + 1) * samples // 10)
        seconds, history = timed(
            lambda rows=rows: model.fit(x[rows], y[rows], epochs=1, progress=False, **options)
        )
        loss, accuracy = history.history["loss"][0], history.history["accuracy"][0]
        print(
            f"{rows.stop:,} samples: loss {loss:.4f}, accuracy {accuracy:.3f}, {seconds:.0f} s",
            flush=True,
        )
    seconds, _ = timed(lambda: model.evolve(SET))
    finite = all(np.isfinite(layer.weight.data).all() for layer in model.layers)
    peak = process.memory("VmHWM") - before
    print(f"evolved in {seconds:.1f} s; weights are finite: {finite}")
    print(f"peak {peak / 1e9:.2f} GB without the samples, {peak / planned.total:.3f} of the plan")
    model.save(folder / "model.safetensors")
    print(f"went on here: {go_on(model, batch, mode(memory_mode))}", flush=True)


def mode(name: str | None) -> dict[str, Any]:
    return {} if name is None else {"memory": name}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("neurons", nargs="*", type=float, default=[float(n) for n in SIZES])
    parser.add_argument("--activation", default="all_relu", help="as SparseMLP takes")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--memory", help="as SparseMLP.fit takes")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--epoch", type=int, metavar="SAMPLES")
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.load:
        model = ts.load(args.load)
        print(f"went on in another process: {go_on(model, args.batch_size, mode(args.memory))}")
        return
    if args.epoch:
        with tempfile.TemporaryDirectory(dir=".") as folder:
            whole_epoch(
                int(args.neurons[0]),
                args.activation,
                args.batch_size,
                args.epoch,
                args.memory,
                Path(folder),
            )
            command = [sys.executable, __file__, "--load", f"{folder}/model.safetensors"]
            command += ["--batch-size", str(args.batch_size)]
            subprocess.run([*command, *(["--memory", args.memory] if args.memory else [])])
        return
    if args.child:
        neurons = int(args.neurons[0])
        numbers = measure(neurons, args.activation, args.batch_size, args.steps, args.memory)
        print(json.dumps(numbers))
        return
    print(
        "| neurons | connections | created | step | rows of memory's rate | predicted "
        "| evolved, in steps | saved | loaded | peak | of plan | bytes a connection | loss |\n"
        + "|---" * 13
        + "|"
    )
    results = []
    for neurons in args.neurons:
        command = [sys.executable, __file__, str(neurons), "--child"]
        command += ["--activation", args.activation]
        command += ["--batch-size", str(args.batch_size), "--steps", str(args.steps)]
        command += ["--memory", args.memory] if args.memory else []
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            print(f"| {neurons:,.0f} | failed with status {done.returncode} |")
            continue
        r = json.loads(done.stdout)
        results.append(r)
        print(
            f"| {r['neurons']:,} | {r['connections']:,} | {r['create']:.2f} s | {r['step']:.3f} s "
            f"| {r['gather']:.0%} | {r['predict']:.3f} s "
            f"| {r['evolve']:.2f} + {r['indices']:.2f} s, "
            f"{(r['evolve'] + r['indices']) / r['step']:.1f} "
            f"| {r['save']:.1f} s | {r['load']:.1f} s | {r['peak'] / 1e9:.2f} GB "
            f"| {r['peak'] / r['plan']:.3f} | {r['peak'] / r['connections']:.0f} "
            f"| {r['losses'][0]:.3f} to {r['losses'][-1]:.3f} |",
            flush=True,
        )
    if args.picture and results:
        draw(results, args.picture)


def draw(results: list[dict[str, Any]], path: Path) -> None:
    """Draw seconds and bytes over neurons, both on logarithmic axes."""
    import matplotlib.pyplot as plt
    from matplotlib.ticker import FuncFormatter, NullFormatter
    from trulysparse.plot import _style

    neurons, batch = [r["neurons"] for r in results], results[0]["batch"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    names = {
        "create": "create", "step": f"a step of {batch}", "evolve": "evolve", "save": "save",
        "load": "load", "predict": f"predict {batch}",
    }  # fmt: skip
    for (name, label), colour in zip(names.items(), _style.CURVES, strict=False):
        # A time that is given as 0 is not known.
        points = [(n, r[name]) for n, r in zip(neurons, results, strict=True) if r[name] > 0]
        left.loglog(*zip(*points, strict=True), marker="o", markersize=4, color=colour, label=label)
    grey = {"color": _style.GREY, "linestyle": _style.DASHES[1]}
    right.loglog(neurons, [r["plan"] / 1e9 for r in results], label="the plan", **grey)
    peaks = [r["peak"] / 1e9 for r in results]
    right.loglog(
        neurons, peaks, "o", markersize=6, color=_style.BLUE, label="the most that it took"
    )
    for axes, title, unit in ((left, "Time", "s"), (right, "Memory", "GB")):
        axes.set_xlabel("Neurons")
        axes.yaxis.set_major_formatter(
            FuncFormatter(lambda value, _, unit=unit: f"{value:g} {unit}")
        )
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1e6:,g} million"))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_minor_formatter(NullFormatter())
        _style.title(axes, title)
        _style.tidy(axes, "both")
        _style.legend(axes)
    figure.savefig(path, dpi=140)


if __name__ == "__main__":
    main()
