"""What was taken for what, and how far predictions are off."""

from __future__ import annotations

import numpy as np

from trulysparse.report import html, measures, pictures
from trulysparse.report.html import Section
from trulysparse.report.sections.data import histogram_table
from trulysparse.report.sections.options import Options
from trulysparse.report.subject import CLASSES, LABELS, Subject

_SQUARE = 12
_SHOWN = 20
_POINTS = 2000
_BINS = 30


def section(subject: Subject, options: Options) -> Section:
    """Show the confusion matrix, or residuals."""
    title = "Mistakes" if subject.kind in (CLASSES, LABELS) else "Residuals"
    rows = subject.scored
    if not len(rows):
        said = "No row can be scored, so no mistakes can be shown."
        return Section("mistakes", title, html.paragraph(said))
    assert subject.y is not None
    y, outputs = subject.y[rows], subject.outputs[rows]
    if subject.kind == CLASSES:
        body = _classes(subject, y, measures.both(outputs).argmax(axis=1))
    elif subject.kind == LABELS:
        body = _labels(subject, y, outputs)
    else:
        body = _numbers(subject, y[:, 0], outputs[:, 0], options)
    return Section("mistakes", title, body)


def _classes(subject: Subject, y: measures.Array, guess: measures.Array) -> str:
    count = len(subject.names)
    wrong = int((y != guess).sum())
    said = [f"{html.count(wrong, 'row')} of {len(y):,} are taken for another class."]
    if count <= _SQUARE:
        table = np.zeros((count, count), np.int64)
        np.add.at(table, (y, guess), 1)
        said.append("A row of the matrix is a true class, a column a predicted one.")
        body = html.paragraph(*said) + _matrix(subject, table)
    else:
        body = html.paragraph(*said) + _pairs(subject, y, guess)
    return body + _by_class(subject, y, guess)


def _matrix(subject: Subject, table: measures.Array) -> str:
    names = [html.name(pictures.short(name, 24)) for name in subject.names]
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    rows = []
    for i, name in enumerate(names):
        cells = [
            html.Raw(
                f'<span class="cell{" right" if i == j else ""}" '
                f'style="--share:{100 * shares[i, j]:.0f}%">{table[i, j]:,}</span>'
            )
            for j in range(len(names))
        ]
        rows.append((name, *cells))
    square = html.table(("True class", *names), rows)
    return f'<div class="matrix">{square}</div>'


def _pairs(subject: Subject, y: measures.Array, guess: measures.Array) -> str:
    wrong = y != guess
    if not wrong.any():
        return ""
    pairs, counts = np.unique(np.stack([y[wrong], guess[wrong]]), axis=1, return_counts=True)
    most = np.argsort(-counts, kind="stable")[:_SHOWN]
    of = np.bincount(y, minlength=len(subject.names))
    rows = [
        (html.name(subject.names[pairs[0, k]]), html.name(subject.names[pairs[1, k]]),
         f"{counts[k]:,}", html.per_cent(counts[k] / of[pairs[0, k]]))
        for k in most
    ]  # fmt: skip
    head = ("True class", "Taken for", "Rows", "Share of the class")
    return html.table(head, rows, left=(0, 1), caption="The most frequent mistakes")


def _by_class(subject: Subject, y: measures.Array, guess: measures.Array) -> str:
    count = len(subject.names)
    here, said = np.bincount(y, minlength=count), np.bincount(guess, minlength=count)
    right = np.bincount(y[y == guess], minlength=count)
    order = np.arange(count) if count <= _SHOWN else np.argsort(-here, kind="stable")[:_SHOWN]

    def share(above: int, below: int) -> str:
        return html.per_cent(above / below) if below else html.NONE

    rows = [
        (html.name(subject.names[c]), f"{here[c]:,}", f"{said[c]:,}",
         share(right[c], here[c]), share(right[c], said[c]))
        for c in order
    ]  # fmt: skip
    head = ("Class", "Rows", "Predicted", "Found (recall)", "Right (precision)")
    more = f", the {_SHOWN} most frequent" if count > _SHOWN else ""
    return html.table(head, rows, caption=f"By class{more}")


def _labels(subject: Subject, y: measures.Array, outputs: measures.Array) -> str:
    known = ~np.isnan(y)
    guess, truth = outputs > 0.5, y > 0.5
    counts = {
        "hits": (guess & truth & known).sum(axis=0),
        "false": (guess & ~truth & known).sum(axis=0),
        "missed": (~guess & truth & known).sum(axis=0),
    }
    bad = counts["false"] + counts["missed"]
    order = np.argsort(-bad, kind="stable")[:_SHOWN]
    rows = []
    for j in order:
        some = known[:, j]
        area = float("nan")
        if some.any() and 0 < truth[some, j].sum() < some.sum():
            found = measures.area(truth[some, j], outputs[some, j])
            area = float(found(np.ones((1, int(some.sum()))))[0])
        rows.append(
            (html.name(subject.names[j]), f"{int(some.sum()):,}", f"{counts['hits'][j]:,}",
             f"{counts['missed'][j]:,}", f"{counts['false'][j]:,}", html.fixed(area))
        )  # fmt: skip
    head = ("Label", "Known", "Found", "Missed", "Wrongly given", "AUC")
    said = [f"{html.count(int(bad.sum()), 'label is', 'labels are')} wrong."]
    if len(bad) > _SHOWN:
        said.append(f"The {_SHOWN} labels with the most mistakes are shown.")
    return html.paragraph(*said) + html.table(head, rows)


def _numbers(subject: Subject, y: measures.Array, guess: measures.Array, options: Options) -> str:
    known = np.flatnonzero(~np.isnan(y))
    if not len(known):
        return html.paragraph("No target of the table is known.")
    y, guess = y[known], guess[known]
    error = y - guess
    name = pictures.short(subject.names[0], 30)
    said = ["A residual is the target less the prediction."]
    if len(subject.names) > 1:
        said.append(f"Those of the first target, {subject.names[0]}, are shown.")
    parts = [5, 25, 50, 75, 95]
    rows = [(f"{p} % lie below", html.number(v)) for p, v in
            zip(parts, np.percentile(error, parts), strict=True)]  # fmt: skip
    table = html.table(("Residuals", ""), rows)
    if len(y) < 2:
        return html.paragraph(*said) + table
    some = options.some(np.arange(len(y)), _POINTS)
    more = f"{len(some):,} rows of {len(y):,}, drawn at random." if len(some) < len(y) else ""
    told = f"Predictions against targets of {html.count(len(some), 'row')}; the table has numbers."
    labels = ("Prediction", name[:1].upper() + name[1:])
    picture = pictures.points(told, "predicted", guess[some], y[some], labels, diagonal=True)
    counts, edges = np.histogram(error, min(_BINS, max(5, int(len(y) ** 0.5))))
    told = f"Histogram of the residuals, half of which lie between {rows[1][1]} and {rows[3][1]}."
    spread = pictures.histogram(told, "residuals", edges, counts, ("Residual", "Rows"))
    return html.paragraph(*said) + html.side_by_side(
        html.figure(picture, "Target and prediction", table, more),
        html.figure(spread, "Residuals", histogram_table(edges, counts)),
    )
