"""How much of the network is needed."""

from __future__ import annotations

import numpy as np

from trulysparse.report import html, pictures
from trulysparse.report.html import Section
from trulysparse.report.sections.options import Options
from trulysparse.report.subject import CLASSES, NUMBERS, Array, Subject

_ROWS = 5000
_PERCENTILES = (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95)
_COSTS = 0.01


def section(subject: Subject, options: Options) -> Section:
    """Show the score of copies of the network that are pruned."""
    title = "Pruning"
    if not len(subject.scored):
        return Section("pruning", title, html.paragraph("No row can be scored."))
    if len(subject.model.layer_sizes) < 3:
        said = "The network has no hidden neurons that could be pruned."
        return Section("pruning", title, html.paragraph(said))
    rows = options.some(subject.scored, _ROWS)
    curve = subject.model.pruning_curve(
        subject.x[rows], _targets(subject, rows), _PERCENTILES, batch_size=options.batch_size
    )
    key = "loss" if subject.kind == NUMBERS else "accuracy"
    if key not in curve or not np.isfinite(curve["loss"]).all():
        said = "The network gives no finite loss for these rows."
        return Section("pruning", title, html.paragraph(said))
    hidden = sum(subject.model.layer_sizes[1:-1])
    gone = 1 - curve["neurons"] / max(hidden, 1)
    return Section("pruning", title, _shown(subject, curve, key, gone, len(rows)))


def _shown(subject: Subject, curve: dict[str, Array], key: str, gone: Array, rows: int) -> str:
    is_share = key == "accuracy"
    write = html.per_cent if is_share else html.number
    name = {"loss": "Loss"}.get(key, "Accuracy" if subject.kind == CLASSES else "Labels right")
    values = [float(v) for v in curve[key]]
    said = [
        "Copies of the network are pruned: the hidden neurons with the weakest incoming "
        f"connections go. They are scored on {html.count(rows, 'row')} of this table.",
        _sentence(values, gone, curve["connections"], is_share=is_share),
    ]
    told = f"{name} against the share of hidden neurons that are pruned: " + "; ".join(
        f"{html.per_cent(float(g), 0)}: {write(v)}" for g, v in zip(gone, values, strict=True)
    )
    line = [(name, [float(g) for g in gone], values, pictures.ACCENT)]
    labels = ("Hidden neurons that are gone", name)
    picture = pictures.curves(told, "pruning", line, labels, share=is_share, part=True)
    table = html.table(
        ("Neurons gone", "Connections left", name),
        [
            (html.per_cent(float(g), 0), f"{int(c):,}", write(v))
            for g, c, v in zip(gone, curve["connections"], values, strict=True)
        ],
        left=(),
    )
    return html.paragraph(*said) + html.side_by_side(
        html.figure(picture, f"{name} of pruned copies", table)
    )


def _sentence(values: list[float], gone: Array, left: Array, *, is_share: bool) -> str:
    """Say how far pruning costs next to nothing."""
    if is_share:
        fine = [v >= values[0] - _COSTS for v in values]
        cost = "one point"
    else:
        fine = [v <= values[0] * (1 + _COSTS) for v in values]
        cost = "1 % more loss"
    last = next((k for k, good in enumerate(fine) if not good), len(fine)) - 1
    if last <= 0 or gone[last] <= gone[0]:
        return f"Any of these steps costs more than {cost}."
    share = 1 - int(left[last]) / max(int(left[0]), 1)
    return (
        f"{html.per_cent(float(gone[last]), 0)} of the hidden neurons, and "
        f"{html.per_cent(share, 0)} of the connections, can go for at most {cost}."
    )


def _targets(subject: Subject, rows: Array) -> Array:
    """Give the targets as the network takes them."""
    assert subject.y is not None
    y = subject.y[rows]
    if subject.kind == CLASSES and subject.model.layer_sizes[-1] == 1:
        return y.astype(np.float32)[:, None]
    return y
