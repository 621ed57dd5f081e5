"""How the columns that matter most go together."""

from __future__ import annotations

import numpy as np
import scipy

from trulysparse.report import html, pictures
from trulysparse.report.effects import correlations
from trulysparse.report.html import Section
from trulysparse.report.sections.options import Options
from trulysparse.report.subject import Array, Subject

_FEWEST = 3
_ROWS = 20_000
_ALIKE = 0.9
_PAIRS = 10


def section(subject: Subject, options: Options) -> Section:
    """Show the correlations of the top columns."""
    title = "Correlations among these columns"
    top = subject.top(options.top)
    rows = options.some(np.arange(subject.rows), _ROWS)
    if len(top) < 2 or len(rows) < _FEWEST:
        few = f"Correlations take two columns that matter and {_FEWEST} rows or more."
        return Section("correlations", title, html.paragraph(few))
    features = [subject.main_feature(column) for column in top]
    names = [subject.level(feature) for feature in features]
    values = subject.values(features, rows)
    varies = values.min(axis=0) < values.max(axis=0)
    said: list[str] = []
    if not varies.all():
        some = ", ".join(name for name, v in zip(names, varies, strict=True) if not v)
        said.append(f"Without those that have one value in this table: {some}.")
        names = [name for name, v in zip(names, varies, strict=True) if v]
        values = values[:, varies]
    if len(names) < 2:
        said.append("No two columns are left that could go together.")
        return Section("correlations", title, html.paragraph(*said))
    found = correlations(values)
    order = _alike_together(found)
    found, names = found[np.ix_(order, order)], [names[k] for k in order]
    said = [_alike(names, found), "Columns that go together stand together.", *said]
    told = f"Heat map of the correlations of {len(names)} columns; the table has the numbers."
    picture = pictures.heat(told, "correlations", names, found)
    cells = [
        (html.name(name), *(html.fixed(float(v), 2) for v in row))
        for name, row in zip(names, found, strict=True)
    ]
    numbers = html.table(("", *(pictures.short(name) for name in names)), cells)
    note = "The first colour is of columns that rise together, the second of opposite ones."
    figure = html.figure(picture, "Correlations", numbers, note)
    return Section(
        "correlations", title, html.paragraph(*said) + f'<div class="square">{figure}</div>'
    )


def _alike_together(found: Array) -> list[int]:
    """Order columns such that those with high correlations, of either sign, are neighbours."""
    if len(found) < 3:
        return list(range(len(found)))
    distance = 1 - abs(found)
    np.fill_diagonal(distance, 0)
    made = scipy.cluster.hierarchy.linkage(
        scipy.spatial.distance.squareform(np.maximum((distance + distance.T) / 2, 0)), "average"
    )
    return [int(k) for k in scipy.cluster.hierarchy.leaves_list(made)]


def _alike(names: list[str], found: Array) -> str:
    pairs = [
        (abs(found[i, j]), i, j)
        for i in range(len(names))
        for j in range(i)
        if abs(found[i, j]) >= _ALIKE
    ]
    if not pairs:
        return f"No two of the {len(names)} columns have a correlation of {_ALIKE} or more."
    pairs.sort(reverse=True)
    some = "; ".join(
        f"{names[j]} and {names[i]} ({html.fixed(float(found[i, j]), 2)})"
        for _, i, j in pairs[:_PAIRS]
    )
    more = f"; and {len(pairs) - _PAIRS} pairs more" if len(pairs) > _PAIRS else ""
    return (
        f"{html.count(len(pairs), 'pair')} of the {len(names)} columns say nearly the same, and "
        f"share their importance: {some}{more}."
    )
