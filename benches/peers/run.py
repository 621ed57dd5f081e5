"""Time ours and the peers that are installed on the same work, in turns, in one process.

See README.md beside this file for how to set up an environment and what is timed.
"""

import argparse
import gc
import importlib
import importlib.metadata
import json
import os
import platform
import statistics
import sys
from pathlib import Path

ALL = [
    "ours",
    "torch_dense",
    "torch_masked",
    "torch_csr",
    "sparselab_set",
    "sklearn_mlp",
    "scipy_numba",
]
DENSITIES = (0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005)
SWEEP_SIZE, SWEEP_BATCH = 4096, 128
MOST_DENSE_BYTES = 4 << 30
CHECK_EPOCHS = 25


def arguments() -> argparse.Namespace:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    words = lambda text: text.split(",")  # noqa: E731
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--step", action="store_true", help="a training step (the default)")
    parser.add_argument("--evolve", action="store_true", help="an evolution of all hidden layers")
    parser.add_argument("--sweep", action="store_true", help="products of a layer over densities")
    parser.add_argument("--check", action="store_true", help="that losses fall; no timing")
    parser.add_argument(
        "--shapes",
        type=words,
        default=["fashion", "cifar", "higgs", "madelon", "wide"],
        help="of fashion,cifar,higgs,madelon,wide,wide64; all but the last by default",
    )
    parser.add_argument("--peers", type=words, default=ALL, help=f"of {','.join(ALL)}")
    parser.add_argument("--densities", type=words, default=DENSITIES, help="of the sweep")
    parser.add_argument("--threads", type=int, default=cores, help="of everybody; all cores")
    parser.add_argument("--repeats", type=int, default=15, help="turns of each candidate")
    parser.add_argument("--seconds", type=float, default=0.1, help="length of a turn, at least")
    parser.add_argument("--rest", type=float, default=0.05, help="seconds between turns, at least")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all times there")
    return parser.parse_args()


OPTIONS = arguments()
# Before anything that starts threads is imported.
for _variable in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
    os.environ[f"{_variable}_NUM_THREADS"] = str(OPTIONS.threads)

import common  # noqa: E402
import numpy as np  # noqa: E402


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def load() -> dict:
    """Modules of the candidates that are installed."""
    modules = {}
    for name in ALL:
        if name in OPTIONS.peers:
            try:
                modules[name] = importlib.import_module(name)
            except ImportError as error:
                say(f"left out: {name} ({error})")
    return modules


def candidates(modules: dict, work: common.Work) -> dict[str, common.Peer]:
    """The trainers that can take this work."""
    fits = work.shape.dense_bytes < MOST_DENSE_BYTES
    return {
        name: module.Bench(work, OPTIONS.threads)
        for name, module in modules.items()
        if fits or not module.Bench.needs_dense
    }


def works(rate: float = common.TIMED_RATE):
    for name in OPTIONS.shapes:
        say(f"{name} ...")
        work = common.Work.of(common.SHAPES[name], rate)
        yield name, work
        gc.collect()


def check(modules: dict) -> int:
    """Print losses before and after some steps; 1 if one does not fall, or starts elsewhere."""
    failed = 0
    for name, work in works(common.CHECKED_RATE):
        start = None
        for who, peer in candidates(modules, work).items():
            before = peer.loss()
            for _ in range(CHECK_EPOCHS):
                peer.epoch()
            after = peer.loss()
            problems = [] if after < 0.98 * before else ["DOES NOT FALL"]
            if peer.same_start:
                start = before if start is None else start
                if not np.isclose(before, start, rtol=1e-4):
                    problems.append(f"DOES NOT START AT {start:.5f}")
            failed |= bool(problems)
            steps = CHECK_EPOCHS * common.BATCHES
            says = ", ".join(problems) or "falls"
            print(f"{name:8} {who:14} loss {before:.5f}, after {steps} steps {after:.5f}: {says}")
    return failed


def step_times(modules: dict) -> dict:
    """Shape -> who -> seconds of a step."""
    results = {}
    for name, work in works():
        peers = candidates(modules, work)
        turns = {
            who: lambda peer=peer: {"step": common.samples(peer.epoch, OPTIONS.seconds)}
            for who, peer in peers.items()
        }
        times = common.interleave(turns, OPTIONS.repeats, OPTIONS.rest)["step"]
        results[name] = {who: [t / common.BATCHES for t in times[who]] for who in times}
    return results


def evolve_times(modules: dict) -> dict:
    """Shape -> who -> seconds of an evolution, each after an epoch of training."""
    results = {}
    for name, work in works():
        peers = {w: p for w, p in candidates(modules, work).items() if hasattr(p, "evolve")}

        def turn(peer) -> dict[str, list[float]]:
            # Not warmed by a run that is not counted: an evolution comes once in an epoch.
            peer.epoch()
            return {"evolve": common.samples(peer.evolve, 0.0, warm=False)}

        turns = {who: lambda peer=peer: turn(peer) for who, peer in peers.items()}
        results[name] = common.interleave(turns, OPTIONS.repeats, OPTIONS.rest)["evolve"]
    return results


def sweep_times(modules: dict) -> dict:
    """Density and product -> who -> seconds."""
    results = {}
    n, batch = SWEEP_SIZE, SWEEP_BATCH
    for density in map(float, OPTIONS.densities):
        say(f"{n} x {n}, density {density} ...")
        rng = np.random.default_rng(0)
        weight = common.random_csr(rng, n, n, density)
        x, dy = (rng.standard_normal((batch, n), dtype=np.float32) for _ in range(2))
        turns = {}
        for who, module in modules.items():
            if who == "ours":
                try:
                    turns[who] = module.products(n, n, density, batch, OPTIONS.threads)
                except AttributeError as error:
                    say(f"left out: ours ({error})")
            elif hasattr(module, "products"):
                products = module.products(weight, x, dy, OPTIONS.threads)
                turns[who] = lambda products=products: {
                    what: common.samples(run, OPTIONS.seconds) for what, run in products.items()
                }
        for what, times in common.interleave(turns, OPTIONS.repeats, OPTIONS.rest).items():
            results[f"{density:g} {what}"] = times
    return results


def table(title: str, results: dict, modules: dict) -> None:
    """Medians in milliseconds, their ratios to ours, and whether required ratios are met."""
    names = [who for who in modules if any(who in times for times in results.values())]
    rows = [["", *(modules[who].Bench.label for who in names)]]
    rows.append([":--", *("--:" for _ in names)])
    for what, times in results.items():
        medians = {who: 1e3 * statistics.median(times[who]) for who in times}
        row = [what]
        for who in names:
            if who not in medians:
                row.append("")
                continue
            cell = f"{medians[who]:.3g}" if medians[who] < 100 else f"{medians[who]:.0f}"
            if who != "ours" and "ours" in medians:
                ratio = medians[who] / medians["ours"]
                cell += f" = {ratio:.1f}x"
                shape = common.SHAPES.get(what)
                goal = shape.goal(who) if title.startswith("A training step") and shape else None
                if goal:
                    cell += f" ({goal:g}x {'met' if ratio >= goal else 'MISSED'})"
            row.append(cell)
        rows.append(row)
    widths = [max(len(row[i]) for row in rows) for i in range(len(names) + 1)]
    print(f"\n{title}\n")
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        cells[0] = row[0].ljust(widths[0])
        print(f"| {' | '.join(cells)} |")


def machine() -> dict:
    """What a reader has to know beside the numbers."""
    model = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), model)
    versions = {}
    for package in ["trulysparse", "torch", "sparselab", "scikit-learn", "scipy", "numba", "numpy"]:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {"processor": model, "python": platform.python_version(), "versions": versions}


def main() -> int:
    if OPTIONS.step + OPTIONS.evolve + OPTIONS.sweep == 0:
        OPTIONS.step = True
    modules = load()
    facts = machine() | {"threads": OPTIONS.threads, "instruction set": None}
    if "ours" in modules:
        facts["instruction set"] = modules["ours"]._core.isa
    if OPTIONS.check:
        return check(modules)
    print(", ".join(f"{k} {v}" for k, v in facts["versions"].items()))
    print(f"{facts['processor']}, {OPTIONS.threads} threads; ours uses {facts['instruction set']}")
    for module in modules.values():
        print(f"- {module.Bench.label}: {module.Bench.note}")
    raw: dict = {"machine": facts}
    for name, wanted, measure, title in (
        ("step", OPTIONS.step, step_times, "A training step"),
        ("evolve", OPTIONS.evolve, evolve_times, "An evolution of all hidden layers"),
        ("sweep", OPTIONS.sweep, sweep_times, f"A {SWEEP_SIZE} x {SWEEP_SIZE} layer"),
    ):
        if wanted:
            raw[name] = measure(modules)
            table(f"{title}: medians in ms, and as multiples of ours", raw[name], modules)
            if OPTIONS.json:
                OPTIONS.json.write_text(json.dumps(raw))
    return 0


if __name__ == "__main__":
    sys.exit(main())
