"""How training went."""

from __future__ import annotations

import math
from collections.abc import Sequence

from trulysparse.report import html, pictures
from trulysparse.report.html import Section
from trulysparse.report.sections.options import Options
from trulysparse.report.subject import Subject

_ROWS = 25  # of the table beside a curve


def section(subject: Subject, options: Options) -> Section:
    """Show the losses and scores by epoch."""
    model, history = subject.model, subject.history
    said = [
        f"The network has been trained for {html.count(model.epochs_trained, 'epoch')}, "
        f"{html.count(model.steps_trained, 'step')}, and its connections have evolved "
        f"{html.count(model.evolutions, 'time')}."
    ]
    figures = []
    losses = _pair(history, "loss")
    if not losses:
        said.append("Losses by epoch are not known: they are not in the model's file.")
    else:
        figures.append(_curves(losses, "Loss", "The loss by epoch", share=False))
    accuracies = _pair(history, "accuracy")
    if accuracies:
        figures.append(_curves(accuracies, "Accuracy", "The accuracy by epoch", share=True))
    scores = [v for v in history.get("validation_score", ()) if math.isfinite(v)]
    if scores:
        curve = {"held out": scores}
        figures.append(_curves(curve, "Score", "The score of held-out rows by epoch", share=False))
    if losses and not any("held out" in curves for curves in (losses, accuracies)) and not scores:
        said.append("No rows were held out of training, or their scores are not known.")
    return Section("training", "Training", html.paragraph(*said) + html.side_by_side(*figures))


def _pair(history: object, key: str) -> dict[str, list[float]]:
    """Give the curves of training and held-out rows, as far as they are there."""
    names = {"training": key, "held out": f"val_{key}"}
    found = {name: list(getattr(history, "get")(k, ())) for name, k in names.items()}  # noqa: B009
    return {name: values for name, values in found.items() if values}


def _curves(curves: dict[str, list[float]], label: str, title: str, *, share: bool) -> str:
    write = html.per_cent if share else html.number
    colours = {"training": pictures.MUTED, "held out": pictures.ACCENT}
    lines = [
        (name, range(1, len(values) + 1), values, colours[name]) for name, values in curves.items()
    ]
    told = f"{title}: " + "; ".join(
        f"{name} from {write(values[0])} to {write(values[-1])}" for name, values in curves.items()
    )
    picture = pictures.curves(told, title, lines, ("Epoch", label), share=share, whole=True)
    longest = max(map(len, curves.values()))
    rows = [
        (f"{k + 1:,}", *(write(v[k]) if k < len(v) else html.NONE for v in curves.values()))
        for k in _spread(longest)
    ]
    return html.figure(picture, title, html.table(("Epoch", *curves), rows, left=()))


def _spread(count: int) -> Sequence[int]:
    if count <= _ROWS:
        return range(count)
    return sorted({round(k * (count - 1) / (_ROWS - 1)) for k in range(_ROWS)})
