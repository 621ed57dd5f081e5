"""The network: layers, connections, memory."""

from __future__ import annotations

import numpy as np

from trulysparse.report import html, pictures
from trulysparse.report.html import Section
from trulysparse.report.sections.options import Options
from trulysparse.report.subject import Array, Subject

_DENSE = 4  # bytes of a weight


def section(subject: Subject, options: Options) -> Section:
    """Describe the layers."""
    model = subject.model
    rows, total, figures = [], 0, []
    for place, layer in enumerate(model.layers, start=1):
        weight = layer.weight
        stored = sum(
            np.asarray(part).nbytes for part in (weight.data, weight.indices, weight.indptr)
        )
        total += stored + layer.bias.nbytes
        into = np.diff(weight.indptr)
        out = np.bincount(weight.indices, minlength=layer.n_in)
        rows.append(
            (place, f"{layer.n_in:,} → {layer.n_out:,}", layer.activation, f"{layer.nnz:,}",
             html.per_cent(layer.density, 2), html.size(stored), _degrees(into), _degrees(out))
        )  # fmt: skip
        if place == 1:
            figures.append(_picture(out))
    possible = sum(layer.n_in * layer.n_out for layer in model.layers)
    said = (
        f"{html.count(model.nnz, 'connection')} of {possible:,} possible ones "
        f"({html.per_cent(model.nnz / possible, 2)}), which take {html.size(total)} in memory; "
        f"as dense matrices, the weights would take {html.size(_DENSE * possible)}."
    )
    lines = [said]
    if model.original_layer_sizes != model.layer_sizes:
        before = "-".join(map(str, model.original_layer_sizes))
        lines.append(f"It was compacted from {before} neurons.")
    head = ("Layer", "Neurons", "Activation", "Connections", "Density", "Memory",
            "Into a neuron", "Out of a neuron")  # fmt: skip
    note = "Connections of a neuron: the mean, and the most in brackets."
    body = html.table(head, rows, left=(1, 2)) + f"<p class=note>{note}</p>"
    body += html.side_by_side(*filter(None, figures))
    return Section("connections", "Connections", html.paragraph(*lines) + body)


def _degrees(counts: Array) -> str:
    if not len(counts):
        return html.NONE
    return f"{html.number(float(counts.mean()), 3)} ({int(counts.max()):,})"


def _picture(out: Array) -> str:
    """Draw how many connections the inputs have."""
    if len(out) < 2 or out.min() == out.max():
        return ""
    most = int(out.max())
    edges = np.unique(np.linspace(0, most + 1, min(most + 1, 24) + 1).round()) - 0.5
    counts, edges = np.histogram(out, edges)
    idle = int((out == 0).sum())
    told = (
        f"Histogram of the connections of {len(out):,} inputs: {idle:,} have none, the most have "
        f"{most:,}."
    )
    labels = ("Connections of an input", "Inputs")
    picture = pictures.histogram(told, "inputs", edges, counts, labels)
    rows = [
        (f"{int(np.ceil(a)):,} to {int(np.floor(b)):,}", f"{int(c):,}")
        for a, b, c in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    numbers = html.table(("Connections", "Inputs"), rows, left=())
    note = f"{html.count(idle, 'input has', 'inputs have')} none." if idle else "All have some."
    return html.figure(picture, "Connections of the inputs", numbers, note)
