"""The columns that matter most, and what they speak for."""

from __future__ import annotations

import numpy as np

from trulysparse.report import html
from trulysparse.report.effects import Effect, Probe
from trulysparse.report.html import Section
from trulysparse.report.sections.options import Options
from trulysparse.report.subject import CLASSES, LABELS, Subject

_STRONG = 0.0005  # of a probability: below, a column speaks for nothing
_UP, _DOWN = (
    f'<span class=arrow role="img" aria-label="{word}">{mark}</span>'
    for mark, word in (("↑", "more for"), ("↓", "less for"))
)


def section(subject: Subject, options: Options) -> Section:
    """Rank the columns."""
    title = "Columns that matter most"
    top = subject.top(options.top)
    if not top:
        said = "No column has a connection to an output, so none matters."
        return Section("columns", title, html.paragraph(said))
    probe = Probe(subject, options)
    rows = [_row(subject, probe, place, column) for place, column in enumerate(top)]
    used = int((subject.importance > 0).sum())
    shown = "" if used == len(top) else f"; the {len(top)} that matter most are shown"
    said = f"{html.count(used, 'column')} of {len(subject.columns):,} reach an output{shown}."
    terms = [
        "Importance is the strength of all paths from a column to the outputs, as a share of the "
        "largest.",
        *_on_effects(probe),
    ]
    head = ["", "Column", "Importance", "Speaks for", "Effect", "Correlation"]
    stability = _stability(subject, top, options.top)
    if stability is not None:
        terms.append(stability[0])
        head.append("Stability")
        rows = [(*row, cell) for row, cell in zip(rows, stability[1], strict=True)]
    table = html.table(head, rows, left=(1, 3))
    body = html.paragraph(said) + table + f'<div class="note">{html.paragraph(*terms)}</div>'
    return Section("columns", title, body)


def _on_effects(probe: Probe) -> list[str]:
    """Say what effects are."""
    if not len(probe.rows):
        return ["Effects are not given: the table is too wide, or has no row to change."]
    return [
        f"The effect is what happens to the output of {html.count(len(probe.rows), 'row')} on "
        "average when the column goes from its lower to its upper quartile, and the others stay; "
        "of a category, from the lowest level to the highest. Of many levels some are far apart by "
        "chance: a category with many has a larger importance and effect than it deserves.",
        "An arrow says whether larger values, or a level, speak for that or against it.",
        "Correlation is that of the column with the same output.",
    ]


def _row(subject: Subject, probe: Probe, place: int, column: int) -> tuple[object, ...]:
    features = subject.places_of(column)
    names = [_of_level(subject.level(f), subject.columns[column]) for f in features]
    effect = probe.of(features, names, is_number=subject.is_number(column))
    share = subject.importance[column] / subject.importance.max()
    name = html.name(subject.columns[column])
    speaks, change, correlation = _said(subject, effect)
    return (
        place + 1, name, html.bar(float(share), html.fixed(float(share), 2)), speaks, change,
        correlation,
    )  # fmt: skip


def _said(subject: Subject, effect: Effect | None) -> tuple[object, str, str]:
    """Say what a column speaks for, how much it changes, and its correlation."""
    if effect is None:
        return html.NONE, html.NONE, html.NONE
    change, found = effect.change, effect.correlation
    is_share = subject.kind in (CLASSES, LABELS)
    written = f"{_signed(100 * change, 1)} points" if is_share else _signed(change)
    if effect.highest:
        high, low = html.name(effect.highest), html.name(effect.lowest)
        of = f" <span class=muted>of</span> {_output(subject, effect.output)}"
        return html.Raw(f"{_UP} {high}, {_DOWN} {low}{of if is_share else ''}"), written, html.NONE
    if is_share and abs(change) < _STRONG:
        return html.Raw("<span class=muted>hardly any</span>"), written, _signed(found, None)
    if subject.kind == CLASSES and len(subject.names) == 2:
        name = html.name(subject.names[1 if change > 0 else 0])
        return (
            html.Raw(f"{_UP} {name}"),
            f"{_signed(100 * abs(change), 1)} points",
            _signed(found if change > 0 else -found, None),
        )
    name = _output(subject, effect.output)
    return html.Raw(f"{_UP if change > 0 else _DOWN} {name}"), written, _signed(found, None)


def _of_level(feature: str, column: str) -> str:
    """Give the name of a level without that of its column."""
    for sign in (" = ", ": ", " is "):
        if feature.startswith(column + sign):
            return feature[len(column + sign) :]
    return feature


def _output(subject: Subject, output: int) -> html.Raw:
    if subject.kind == CLASSES and len(subject.names) == 2:
        return html.name(subject.names[1])
    return html.name(subject.names[output])


def _signed(value: float, places: int | None = -1) -> str:
    """Write a number with its sign: a correlation if there are no `places`."""
    if not np.isfinite(value):
        return html.NONE
    size = abs(value)
    if places is None:
        text = html.fixed(size, 2)
    else:
        text = html.number(size, 3) if places < 0 else html.fixed(size, places)
    if not any(c in "123456789" for c in text):
        return text
    return ("+" if value > 0 else html.MINUS) + text


def _stability(subject: Subject, top: list[int], most: int) -> tuple[str, list[str]] | None:
    """Say how often each of the columns was chosen, and what that means; None if unknown."""
    if subject.frequency is not None:
        frequency = subject.frequency
        said = "Stability is how often a column was selected."
        return said, [html.per_cent(float(frequency[c]), 0) for c in top]
    folds = [fold for fold in subject.folds if fold.importance is not None]
    if not folds:
        return None
    most = max(1, min(most, int((subject.importance > 0).sum()) // 2))  # of all, each is among them
    counts = np.zeros(len(subject.columns), np.int64)
    for fold in folds:
        assert fold.importance is not None
        order = np.argsort(-fold.importance, kind="stable")[:most]
        counts[order[fold.importance[order] > 0]] += 1
    best = "matters" if most == 1 else f"is among the {most} that matter"
    said = f"Stability is in how many of the folds a column {best} most."
    return said, [f"{counts[c]} of {len(folds)}" for c in top]
