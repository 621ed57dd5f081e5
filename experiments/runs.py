"""One training that survives a break: saved every few epochs, and gone on with the same bits."""

import csv
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import trulysparse as ts

UNFINISHED = Path(__file__).parent / "unfinished"
CURVES = Path(__file__).parent / "results" / "curves"
SECONDS = ["seconds", "validation_seconds", "pruning_seconds", "evolution_seconds"]
COLUMNS = ["accuracy", "best", "connections_start", "connections_end", *SECONDS, "multiply_adds"]
_CURVE = ["epoch", "loss", "val_accuracy", "connections"]


class _Keep(ts.Callback):
    """Save the model at the beginning of an epoch, after the topology has changed."""

    def __init__(self, path: Path, past: dict[str, list[float]], every: int) -> None:
        super().__init__()
        self._path, self._past, self._every = path, past, every

    def on_epoch_begin(self, epoch: int, logs: dict[str, float]) -> None:
        if epoch and epoch % self._every == 0 and self.model.history.epoch:
            history = joined(self._past, self.model.history.history)
            self.model.metadata["history"] = json.dumps(history)
            self.model.save(self._path)


def joined(past: dict[str, list[float]], now: dict[str, list[float]]) -> dict[str, list[float]]:
    """The histories of two parts of a fit, one after the other."""
    return {key: [*past.get(key, []), *values] for key, values in now.items()}


def total(counts: list[float]) -> float:
    """The end of a count that starts anew in every part of a fit."""
    starts = (before for before, now in itertools.pairwise(counts) if now < before)
    return sum(starts) + counts[-1]


def train(
    name: str,
    make: Any,
    data: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    *,
    epochs: int,
    every: int = 20,
    thin: int = 5,
    **options: Any,
) -> dict[str, Any]:
    """Train, or go on with a training that was broken off, and give the columns of its row.

    Parameters
    ----------
    name
        Of the run: of its unfinished model, and of its curve in ``results/curves``.
    make
        Makes the model, without arguments.
    data
        Training samples and labels, and those that every epoch is scored on.
    epochs
        Of the whole training.
    every
        Epochs from one saving to the next.
    thin
        Epochs from one line of the curve to the next.
    options
        Of `SparseMLP.fit`. A strategy keeps its own checkpoint, after every epoch.
    """
    UNFINISHED.mkdir(exist_ok=True)
    path = UNFINISHED / f"{name}.safetensors"
    past: dict[str, list[float]] = {}
    if path.exists():
        model = ts.load(path, threads=options.get("threads"))
        past = json.loads(model.metadata.pop("history"))
    else:
        model = make()
    done = len(past.get("loss", []))
    callbacks = list(options.pop("callbacks", []))
    if options.get("strategy") is None:
        callbacks.append(_Keep(path, past, every))
    x, y, x_held, y_held = data
    model.fit(
        x, y, epochs=epochs, initial_epoch=done, validation_data=(x_held, y_held),
        callbacks=callbacks, progress=False, **options,
    )  # fmt: skip
    history = joined(past, model.history.history)
    _write(CURVES / f"{name}.csv", history, thin)
    path.unlink(missing_ok=True)
    accuracies = history["val_accuracy"]
    return {
        "accuracy": f"{100 * accuracies[-1]:.2f}",
        "best": f"{100 * max(accuracies):.2f}",
        "connections_start": int(history["connections"][0]),
        "connections_end": model.nnz,
        **{key: f"{sum(history[key]):.1f}" for key in SECONDS},
        "multiply_adds": f"{total(history['multiply_adds']):.4g}",
    }


def _write(path: Path, history: dict[str, list[float]], thin: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_CURVE)
        for i, loss in enumerate(history["loss"]):
            if (i + 1) % thin == 0 or i == 0:
                accuracy, connections = history["val_accuracy"][i], history["connections"][i]
                writer.writerow([i + 1, f"{loss:.4f}", f"{accuracy:.4f}", int(connections)])
