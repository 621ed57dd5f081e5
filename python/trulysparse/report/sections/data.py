"""The table: rows, columns, missing cells, targets."""

from __future__ import annotations

import numpy as np

from trulysparse.report import html, pictures
from trulysparse.report.html import Section
from trulysparse.report.sections.options import Options
from trulysparse.report.subject import CLASSES, LABELS, Subject

_SHOWN = 20
_FEW = 10
_BINS = 30


def section(subject: Subject, options: Options) -> Section:
    """Describe the table."""
    parts = [_columns(subject), _targets(subject)]
    if subject.notes:
        parts += ["<h3>What was found while training</h3>", html.items(subject.notes)]
    return Section("data", "The table", "".join(parts))


def _columns(subject: Subject) -> str:
    rows = [(kind, f"{count:,}") for kind, count in subject.kinds.items()]
    missing = subject.missing
    cells = sum(missing.values())
    features = subject.x.shape[1]
    said = [f"The table has {html.count(subject.rows, 'row')} and "
            f"{html.count(len(subject.columns), 'column')} that the model takes."]  # fmt: skip
    if features != len(subject.columns):
        said.append(f"They are {html.count(features, 'feature')} of the network.")
    if subject.table is None:
        said.append("Whether cells were missing is not known: the table was given as samples.")
    elif not cells:
        said.append("No cell is missing.")
    else:
        share = cells / max(subject.rows * len(subject.columns), 1)
        said.append(
            f"{html.count(cells, 'cell')} are missing ({html.per_cent(share, 2)}), in "
            f"{html.count(len(missing), 'column')}."
        )
    if set(subject.kinds) == {"number"}:
        said.insert(1, "All of them are numbers.")
    tables = [html.table(("Kind of column", "Columns"), rows)] if len(rows) > 1 else []
    if cells:
        most = sorted(missing.items(), key=lambda item: -item[1])[:_FEW]
        tables.append(
            html.table(
                ("Column with missing cells", "Cells", "Share"),
                [(html.name(n), f"{c:,}", html.per_cent(c / subject.rows)) for n, c in most],
            )
        )
    return html.paragraph(*said) + html.side_by_side(*tables)


def _targets(subject: Subject) -> str:
    title = "<h3>What is predicted</h3>"
    if subject.y is None:
        return title + html.paragraph("The table has no labels, so nothing can be scored.")
    if subject.kind == CLASSES:
        return title + _classes(subject)
    if subject.kind == LABELS:
        return title + _labels(subject)
    return title + _numbers(subject)


def _classes(subject: Subject) -> str:
    assert subject.y is not None
    known = subject.y[subject.y >= 0]
    counts = np.bincount(known, minlength=len(subject.names))
    order = np.argsort(-counts, kind="stable")[:_SHOWN]
    rows = [
        (html.name(subject.names[c]), f"{counts[c]:,}",
         html.bar(counts[c] / max(counts.max(), 1), html.per_cent(counts[c] / max(len(known), 1))))
        for c in order
    ]  # fmt: skip
    said = [f"One of {html.count(len(subject.names), 'class', 'classes')}{_of(subject)}."]
    if len(counts) > _SHOWN:
        said.append(f"The {_SHOWN} most frequent ones are shown.")
    absent = int((counts == 0).sum())
    if absent:
        said.append(f"The table has no row of {html.count(absent, 'class', 'classes')}.")
    said += _unlabelled(subject.rows - len(known))
    return html.paragraph(*said) + html.table(("Class", "Rows", "Share"), rows)


def _of(subject: Subject) -> str:
    label = subject.about.get("label")
    return f", {label}" if label else ""


def _unlabelled(rows: int) -> list[str]:
    if not rows:
        return []
    return [f"{html.count(rows, 'row has', 'rows have')} no label, and cannot be scored."]


def _labels(subject: Subject) -> str:
    assert subject.y is not None
    known = ~np.isnan(subject.y)
    counts, ones = known.sum(axis=0), (subject.y == 1).sum(axis=0)
    order = np.argsort(-ones, kind="stable")[:_SHOWN]
    rows = [
        (html.name(subject.names[j]), f"{counts[j]:,}", f"{ones[j]:,}",
         html.per_cent(ones[j] / max(counts[j], 1)))
        for j in order
    ]  # fmt: skip
    said = [f"{html.count(len(subject.names), 'label')}, each of which is 0 or 1."]
    if len(counts) > _SHOWN:
        said.append(f"The {_SHOWN} with the most ones are shown.")
    lacking = int((~known).sum())
    if lacking:
        said.append(f"{html.count(lacking, 'label is', 'labels are')} missing, and do not count.")
    return html.paragraph(*said) + html.table(("Label", "Known", "Ones", "Share of ones"), rows)


def _numbers(subject: Subject) -> str:
    assert subject.y is not None
    rows, figures = [], []
    for j, name in enumerate(subject.names[:_SHOWN]):
        y = subject.y[:, j]
        y = y[~np.isnan(y)]
        if not len(y):
            rows.append((html.name(name), "0", *[html.NONE] * 5))
            continue
        low, first, middle, third, high = np.percentile(y, [0, 25, 50, 75, 100])
        spread = map(html.number, (low, first, middle, third, high))
        rows.append((html.name(name), f"{len(y):,}", *spread))
        if j == 0 and len(y) > 1:
            figures.append(_distribution(name, y))
    said = [f"{html.count(len(subject.names), 'number')}{_of(subject)}."]
    if len(subject.names) > _SHOWN:
        said.append(f"The first {_SHOWN} are shown.")
    said += _unlabelled(int(np.isnan(subject.y).all(axis=1).sum()))
    head = ("Target", "Known", "Smallest", "Lower quartile", "Median", "Upper quartile", "Largest")
    return html.paragraph(*said) + html.table(head, rows) + html.side_by_side(*figures)


def _distribution(name: str, y: pictures.Array) -> str:
    counts, edges = np.histogram(y, min(_BINS, max(5, int(len(y) ** 0.5))))
    told = f"Histogram of the target, from {html.number(y.min())} to {html.number(y.max())}."
    picture = pictures.histogram(told, "target", edges, counts, (pictures.short(name, 40), "Rows"))
    return html.figure(picture, "Distribution of the target", histogram_table(edges, counts))


def histogram_table(edges: pictures.Array, counts: pictures.Array) -> str:
    """Give the numbers of a histogram."""
    rows = [
        (html.number(a), html.number(b), f"{int(c):,}")
        for a, b, c in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    return html.table(("From", "To", "Rows"), rows, left=())
