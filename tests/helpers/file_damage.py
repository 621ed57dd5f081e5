#!/usr/bin/env python3
"""Damage model files and kill saves, and count what should not happen.

``PYTHONPATH=tests python tests/helpers/file_damage.py`` takes a few minutes and prints a line for
each promise. Exit status 1 if one is broken. `--flips`, `--cuts` and `--kills` say how often, and
`--hostile` how long the names and lists of files are that ask for much.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import trulysparse as ts

from helpers import limits, model_file

Found = dict[str, int]

_HOLE = 1 << 40  # bytes


def full_model() -> ts.SparseMLP:
    """A small model whose file has every optional part."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 8))
    x[:, 3] = 7
    activation = ["all_relu", "srelu"]
    model = ts.SparseMLP(
        [8, 20, 15, 3], density=0.4, activation=activation, standardize=True, seed=1, threads=1
    )
    model.metadata["note"] = "something"
    optimizer = ts.SGD(0.01)
    model.fit(x, np.arange(60) % 3, epochs=2, optimizer=optimizer, progress=False)
    model.prune(percentile=30)
    model.compact(inputs=True)
    return model


def adam_model() -> ts.SparseMLP:
    """A small model with the state of an optimiser."""
    model = ts.SparseMLP([5, 12, 2], density=0.5, seed=2, threads=1)
    x = np.random.default_rng(1).normal(size=(40, 5))
    model.fit(x, np.arange(40) % 2, epochs=1, optimizer=ts.Adam(), progress=False)
    return model


def large_model(seed: int = 0) -> ts.SparseMLP:
    """One whose file has some 10 MB."""
    return ts.SparseMLP([2000, 1000, 10], density=0.4, seed=seed, threads=1)


def _loads(path: Path) -> bool:
    try:
        ts.load(path, threads=1)
    except ValueError:
        return False
    return True


_STATUS = Path("/proc/self/status")


def _peak() -> int:
    """The most memory that this process had since `_forget_peak`, in KiB; 0 where none tells."""
    lines = _STATUS.read_text().splitlines() if _STATUS.exists() else []
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def _forget_peak() -> None:
    if _STATUS.exists():
        Path("/proc/self/clear_refs").write_text("5")


def flips(folder: Path, count: int) -> Found:
    """Flip one bit at a time, half of them in headers."""
    drawn, accepted = random.Random(0), 0
    for number, model in enumerate((full_model(), adam_model())):
        path = folder / f"flip{number}.safetensors"
        model.save(path)
        raw = path.read_bytes()
        head = 8 + int.from_bytes(raw[:8], "little")
        with path.open("r+b", buffering=0) as file:
            for k in range(count // 2):
                low, high = (0, head) if k % 2 else (head, len(raw))
                at = drawn.randrange(low, high)
                os.pwrite(file.fileno(), bytes([raw[at] ^ 1 << drawn.randrange(8)]), at)
                accepted += _loads(path)
                os.pwrite(file.fileno(), raw[at : at + 1], at)
        assert _loads(path)
    return {"tried": count // 2 * 2, "accepted": accepted}


def cuts(folder: Path, count: int) -> Found:
    """Cut a small file off at every length, and a large one at `count` lengths."""
    drawn, accepted, tried = random.Random(0), 0, 0
    small, large = folder / "small.safetensors", folder / "large.safetensors"
    full_model().save(small)
    large_model().save(large)
    assert _loads(large)
    _forget_peak()
    before, size = _peak(), large.stat().st_size
    chosen = sorted(drawn.sample(range(size), min(count, size)), reverse=True)
    for path, lengths in ((small, range(small.stat().st_size - 1, -1, -1)), (large, chosen)):
        for length in lengths:
            os.truncate(path, length)
            accepted += _loads(path)
            tried += 1
    return {"tried": tried, "accepted": accepted, "more_memory_kib": _peak() - before}


def kills(folder: Path, count: int) -> Found:
    """Kill a process that saves again and again; then load, and save once more."""
    path, drawn = folder / "killed" / "model.safetensors", random.Random(0)
    path.parent.mkdir()
    models = [large_model(0), large_model(1)]
    seeds = {model.seed for model in models}
    models[0].save(path)
    lost = left = interrupted = 0
    for _ in range(count):
        child = os.fork()
        if child == 0:
            signal.alarm(limits.CHILD)
            while True:
                for model in models:
                    model.save(path)
        time.sleep(drawn.uniform(0.01, 0.1))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        interrupted += len(os.listdir(path.parent)) > 1
        lost += not _loads(path) or ts.load(path, threads=1).seed not in seeds
        models[0].save(path)
        left += len(os.listdir(path.parent)) - 1
    return {"tried": count, "in_a_save": interrupted, "lost": lost, "files_left": left}


def _claims(about: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What a header may claim that its file does not hold."""
    huge = (2**32 - 2, 2**32 - 1, 2**63, 2**64 - 1, 10**30, -1, 1e300, None, "1", [], {})
    valid = {"seed": 2**64, "input_noise": 1e38}  # up to here
    for value in huge:
        for sizes in ([value, 3], [8, value], [value] * 2, [8, value, 3], [value]):
            yield about | {"config": about["config"] | {"layer_sizes": sizes}}
        yield about | {"original_layer_sizes": [value] * 3}
        yield about | {"original_layer_sizes": value or 0}
        yield about | {"state": {"rule": "adam", "since": value}}
        yield about | {"version": value}
        for name in about["counters"]:
            counts = isinstance(value, int) and 0 <= value < 2**63
            # It may be unknown, but not after the last epoch.
            if not (counts if name != "changed_after" else value is None):
                yield about | {"counters": about["counters"] | {name: value}}
        for name in about["config"]:
            if not (isinstance(value, int) and 0 <= value < valid.get(name, 0)):
                yield about | {"config": about["config"] | {name: value}}


def _hostile(path: Path, long: int) -> Iterator[bytes]:
    """Files with headers that claim, nest or name more than any model."""
    metadata, tensors = model_file.tensors_of(path)
    assert metadata is not None
    about = json.loads(metadata["trulysparse"])
    texts = [json.dumps(claim) for claim in _claims(about)]
    texts.append(json.dumps(about | {"config": about["config"] | {"layer_sizes": [8] * long}}))
    texts += [opening * depth for opening in ("[", '{"a":') for depth in (100, long)]
    texts += [json.dumps(about | {"n" * long: 1}), "", "null", "7", '"' + "\x1b" * long]
    for text in texts:
        model_file.write_tensors(path, {"trulysparse": text}, tensors)
        yield path.read_bytes()
    many = {f"t{k}": ["U32", [0], b""] for k in range(long // 5)}
    model_file.write_tensors(path, metadata, tensors | many)
    yield path.read_bytes()
    nested = (b"[" * long, b'{"a":' * long, bytes(50 * long), b'"' * 9)
    for text in nested:
        for length in (len(text), 2**64 - 1, 2**63, 10**8, 10**8 + 1, 2**32):
            yield length.to_bytes(8, "little") + text
    for shape in ([2**62], [2**32, 2**32], [2**63, 2], [0, 2**64 - 1], [-1], [1e300]):
        info = {"dtype": "F32", "shape": shape, "data_offsets": [0, 16]}
        yield model_file.joined({"layers.0.data": info, "__metadata__": metadata}, bytes(16))
    # Files with holes, which take no room on a disk.
    model_file.write_tensors(path, metadata, tensors)
    model_file.as_version_1(path)
    first, _ = model_file.tensors_of(path)
    for name, text in (("layers.0.data", first), ("t", metadata), ("checksums", metadata)):
        info = {"dtype": "F32", "shape": [_HOLE // 4], "data_offsets": [0, _HOLE]}
        yield model_file.joined({name: info, "__metadata__": text}, b"")


def hostile(folder: Path, long: int) -> Found:
    """Load files that were made to ask for much; what is long in them has a length of `long`."""
    path, tried = folder / "hostile.safetensors", folder / "tried.safetensors"
    full_model().save(path)
    found = {"tried": 0, "accepted": 0, "largest_file_kib": 0, "more_memory_kib": 0}
    longest = 0
    for content in _hostile(path, long):
        tried.write_bytes(content)
        found["largest_file_kib"] = max(found["largest_file_kib"], len(content) >> 10)
        if str(_HOLE).encode() in content:
            os.truncate(tried, len(content) + _HOLE)
        del content
        _forget_peak()
        before = _peak()
        try:
            ts.load(tried, threads=1)
            found["accepted"] += 1
        except (ValueError, MemoryError) as error:
            longest = max(longest, len(str(error)))
        found["more_memory_kib"] = max(found["more_memory_kib"], _peak() - before)
        found["tried"] += 1
    return found | {"longest_message": longest}


JOBS: dict[str, Callable[[Path, int], Found]] = {
    "flips": flips,
    "cuts": cuts,
    "kills": kills,
    "hostile": hostile,
}


def run(job: str, count: int) -> dict[str, Any]:
    """A job's figures, from another process, and whether that crashed."""
    command = [sys.executable, "-W", "ignore", __file__, "--job", job, "--count", str(count)]
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    result = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=False, env=environment
    )
    if result.returncode:
        return {"crashed": 1, "status": result.returncode}
    found: dict[str, Any] = json.loads(result.stdout)
    return {"crashed": 0} | found


def broken(found: dict[str, Any]) -> bool:
    """Whether the figures break a promise.

    64 MiB are allowed for all that Python does, and four times a file for what is parsed of it.
    """
    bad = ("crashed", "accepted", "lost", "files_left")
    allowed = (64 << 10) + 4 * found.get("largest_file_kib", 0)
    return any(found.get(key, 0) for key in bad) or found.get("more_memory_kib", 0) > allowed


def main() -> int:
    """Run the jobs and print their figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--flips", type=int, default=10_000, help="bits (default: %(default)s)")
    parser.add_argument("--cuts", type=int, default=1_000, help="lengths (default: %(default)s)")
    parser.add_argument("--kills", type=int, default=100, help="saves (default: %(default)s)")
    parser.add_argument(
        "--hostile",
        type=int,
        default=1_000_000,
        help="length of what is long (default: %(default)s)",
    )
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.job is not None:
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(JOBS[args.job](Path(folder), args.count)))
        return 0
    worst = 0
    for job in JOBS:
        start = time.monotonic()
        found = run(job, getattr(args, job))
        words = ", ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in found.items())
        print(f"{job}: {words} ({time.monotonic() - start:.0f} s)", flush=True)
        worst |= broken(found)
    return worst


if __name__ == "__main__":
    sys.exit(main())
