"""Scores of predictions, and how they are said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from trulysparse.losses import LOSSES
from trulysparse.model import SparseMLP
from trulysparse.report import measures

Array = npt.NDArray[Any]
Say = Callable[[str], None]

_SQUARE = 12
_MISTAKES = 5
_WIDEST = 20


def say_scores(
    say: Say, model: SparseMLP, x: Any, y: Array, names: Sequence[str] | None, **how: Any
) -> dict[str, float]:
    """Say the scores of samples, and what was mistaken for what; give accuracy and loss.

    Parameters
    ----------
    say
        Takes a line.
    model, x, y
        What is scored: targets as the network has them.
    names
        Of the classes, or of the numbers.
    **how
        `batch_size`; `before`, what the first line begins with; `only_first`, whether that is all.
    """
    before, only_first = how.pop("before", ""), how.pop("only_first", False)
    found = model.evaluate(x, y, **how)
    outputs = model.predict(x, **how)
    values = not LOSSES[model.loss].takes_classes and "accuracy" not in found
    if values:
        # The squared error of standardised targets says less than the RMSE.
        more = "" if model.loss == "squared_error" else f", loss {found['loss']:.4f}"
        say(before + "; ".join(_of_numbers(y, outputs, names)) + more)
        return found
    say(before + short(found))
    if only_first or not np.isfinite(outputs).all():
        return found
    if y.ndim == 1:
        say(_of_classes(y, outputs, found["loss"]))
        for line in confusion(y, outputs, names):
            say(line)
    else:
        say(_of_labels(y, outputs))
    return found


def short(found: dict[str, float]) -> str:
    """Say accuracy and loss."""
    accuracy = f"accuracy {100 * found['accuracy']:.2f} %, " if "accuracy" in found else ""
    return f"{accuracy}loss {found['loss']:.4f}"


def _of_classes(y: Array, outputs: Array, loss: float) -> str:
    """Say what accuracy and loss leave open; the loss of most networks is the log loss."""
    found = {m.name: m.whole(len(y)) for m in measures.of_classes(y, outputs)}
    parts = [f"balanced accuracy {100 * found['Balanced accuracy']:.2f} %"]
    if not np.isnan(found["AUC"]):
        parts.append(f"AUC {found['AUC']:.4f}")
    if f"{found['Log loss']:.4f}" != f"{loss:.4f}":
        parts.append(f"log loss {found['Log loss']:.4f}")
    return ", ".join(parts)


def _of_labels(y: Array, outputs: Array) -> str:
    exact, _, area, _ = (m.whole(len(y)) for m in measures.of_labels(y, outputs))
    parts = [f"all labels right {100 * exact:.2f} %"]
    return ", ".join(parts if np.isnan(area) else [*parts, f"AUC {area:.4f}"])


def _of_numbers(y: Array, outputs: Array, names: Sequence[str] | None) -> list[str]:
    """Say R2, RMSE and MAE, of several numbers for each."""
    if not np.isfinite(outputs).all():
        return ["predictions are not finite"]
    y = y.reshape(len(y), -1)
    lines = []
    for j in range(y.shape[1]):
        known = ~np.isnan(y[:, j])
        truth = y[known, j]
        if not len(truth):
            continue
        made = measures.of_numbers(truth, outputs[known, j].astype(np.float64))
        r2, root, apart = (m.whole(len(truth)) for m in made)
        parts = "" if np.isnan(r2) else f"R2 {r2:.4f}, "
        which = "" if y.shape[1] == 1 or names is None else f"{names[j]}: "
        lines.append(f"{which}{parts}RMSE {root:.6g}, MAE {apart:.6g}")
    return lines


def confusion(y: Array, outputs: Array, names: Sequence[str] | None) -> list[str]:
    """Show how often each class was taken for each; of many classes, the most frequent mistakes."""
    guess = measures.both(outputs).argmax(axis=1)
    count = max(measures.both(outputs).shape[1], int(y.max(initial=0)) + 1)
    shown = [str(i) for i in range(count)] if names is None else list(names)
    if count > _SQUARE:
        return _mistakes(y, guess, shown)
    table = np.zeros((count, count), np.int64)
    np.add.at(table, (y, guess), 1)
    cells = [[_cut(name) for name in shown], *([str(n) for n in row] for row in table)]
    wide = max(len(cell) for row in cells for cell in row)
    lines = ["confusion matrix, a row for each true class and a column for each predicted one:"]
    lines.append("  " + " " * wide + "".join(f"  {cell:>{wide}}" for cell in cells[0]))
    for name, row in zip(cells[0], cells[1:], strict=True):
        lines.append(f"  {name:<{wide}}" + "".join(f"  {cell:>{wide}}" for cell in row))
    return lines


def _mistakes(y: Array, guess: Array, names: Sequence[str]) -> list[str]:
    wrong = y != guess
    pairs, counts = np.unique(np.stack([y[wrong], guess[wrong]]), axis=1, return_counts=True)
    if not counts.size:
        return ["no class was taken for another"]
    most = np.argsort(-counts, kind="stable")[:_MISTAKES]
    lines = ["most frequent mistakes:"]
    for k in most:
        a, b = (names[i] for i in pairs[:, k])
        lines.append(f"  {a} taken for {b}: {counts[k]} times")
    return lines


def _cut(name: str) -> str:
    return name if len(name) <= _WIDEST else name[: _WIDEST - 3] + "..."
