"""Scores of the table, with intervals, and of networks that were trained again."""

from __future__ import annotations

import numpy as np

from trulysparse.report import bootstrap, html, measures
from trulysparse.report.bootstrap import Interval
from trulysparse.report.html import Section
from trulysparse.report.measures import Measure
from trulysparse.report.sections.options import Options
from trulysparse.report.subject import CLASSES, LABELS, Subject

_TARGETS = 10
_SHARES = {"Accuracy", "Balanced accuracy", "All labels right", "Labels right"}


def of(subject: Subject) -> tuple[list[tuple[str, list[Measure]]], int]:
    """Give the scores by the name of the target, "" for one, and the rows that have them."""
    rows = subject.scored
    if subject.y is None or not len(rows):
        return [], 0
    y, outputs = subject.y[rows], subject.outputs[rows]
    if subject.kind == CLASSES:
        return [("", measures.of_classes(y, outputs))], len(rows)
    if subject.kind == LABELS:
        return [("", measures.of_labels(y, outputs))], len(rows)
    found = []
    for j, name in enumerate(subject.names[:_TARGETS]):
        known = ~np.isnan(y[:, j])
        if known.any():
            made = measures.of_numbers(y[known, j], outputs[known, j])
            found.append((name, [_of_some(m, known) for m in made]))
    return found, len(rows)


def _of_some(measure: Measure, known: measures.Array) -> Measure:
    """Make a score take the weights of all rows, of which some are known."""
    if known.all():
        return measure
    return measure._replace(of=lambda w: measure.of(w[:, known]))


class Scored:
    """The scores of a subject, with their intervals, computed once."""

    def __init__(self, subject: Subject, options: Options) -> None:
        self.groups, self.rows = of(subject)
        self.intervals: list[list[Interval]] = []
        self.resamples, self.asked = options.resamples, options.resamples
        everything = [m for _, found in self.groups for m in found]
        if not everything:
            return
        found, self.resamples = bootstrap.intervals(
            everything, self.rows, options.resamples, options.seed
        )
        for _, group in self.groups:
            self.intervals.append(found[: len(group)])
            found = found[len(group) :]

    def main(self) -> list[tuple[Measure, Interval]]:
        """Give the scores of the first target."""
        if not self.groups:
            return []
        return list(zip(self.groups[0][1], self.intervals[0], strict=True))


def section(subject: Subject, options: Options, scored: Scored) -> Section:
    """Show the scores."""
    title = "Scores"
    if not scored.groups:
        return Section("scores", title, html.paragraph(_why_none(subject)) + _folds(subject))
    said = [f"{html.count(scored.rows, 'row')} of the table are scored."]
    if scored.rows > 1:
        said.append(
            "The interval has 95 % of the scores of "
            f"{html.count(scored.resamples, 'resample')} of the rows."
        )
    else:
        said[0] = "One row of the table is scored, so there are no intervals."
    if scored.resamples < scored.asked:
        said.append(f"That is fewer than {scored.asked:,}, as the table is large.")
    said.append("The last column has the best constant prediction, which looks at no column.")
    left = int((~subject.finite).sum())
    if left:
        said.append(f"The network gives no finite numbers for {html.count(left, 'row')}.")
    one = len(scored.groups) == 1
    rows = [
        ((f"{m.name}" if one else f"{name}: {m.name}"), *_written(m, i))
        for (name, found), kept in zip(scored.groups, scored.intervals, strict=True)
        for m, i in zip(found, kept, strict=True)
    ]
    head = ("Score", "Value", "95 % from", "to", "", "Constant")
    lacking = [m.name for m, i in scored.main() if np.isnan(i.value)]
    if lacking:
        said.append(f"These rows have no {' and no '.join(lacking)}: {_reason(subject)}.")
    if len(subject.names) > _TARGETS and subject.kind not in (CLASSES, LABELS):
        said.append(f"The first {_TARGETS} of {len(subject.names):,} targets are shown.")
    body = html.paragraph(*said) + html.table(head, rows, left=(0, 4)) + _folds(subject)
    return Section("scores", title, body)


def _why_none(subject: Subject) -> str:
    if subject.y is None:
        return "The table has no labels, so nothing can be scored."
    if not subject.finite.any():
        return "The network gives no finite numbers, so nothing can be scored."
    return "No row of the table has a label, so nothing can be scored."


def _reason(subject: Subject) -> str:
    if subject.kind in (CLASSES, LABELS):
        return "they are all of one class"
    return "their targets have one value"


def write(measure: Measure, value: float) -> str:
    """Write a value of a score."""
    return _as(measure.name, value)


def _as(name: str, value: float) -> str:
    """Write a value of the score with that name."""
    if name in _SHARES:
        return html.per_cent(value)
    return html.fixed(value) if name.startswith(("AUC", "R2", "Log")) else html.number(value)


def _written(measure: Measure, found: Interval) -> tuple[object, ...]:
    constant = html.NONE if measure.constant is None else write(measure, measure.constant)
    low, high = write(measure, found.low), write(measure, found.high)
    return write(measure, found.value), low, high, _whisker(measure, found), constant


def _whisker(measure: Measure, found: Interval) -> object:
    """Draw the interval on a line from 0 to 1, for scores that lie there."""
    between = measure.name in _SHARES or measure.name.startswith(("AUC", "R2"))
    if not between or np.isnan(found.low) or found.low < 0:
        return ""
    low, high, value = (100 * min(max(v, 0.0), 1.0) for v in (found.low, found.high, found.value))
    mark = ""
    if measure.constant is not None and 0 < measure.constant < 1:
        mark = f'<u style="left:{100 * measure.constant:.1f}%"></u>'
    return html.Raw(
        f'<span class=whisker>{mark}<i style="left:{low:.1f}%;width:{max(high - low, 0.5):.1f}%">'
        f'</i><b style="left:{value:.1f}%"></b></span>'
    )


def _folds(subject: Subject) -> str:
    """Show the scores of networks that were trained again."""
    folds = subject.folds
    if not folds:
        return ""
    names = list(dict.fromkeys(name for fold in folds for name in fold.scores))
    rows = []
    for name in names:
        values = [fold.scores.get(name, np.nan) for fold in folds]
        there = [v for v in values if np.isfinite(v)]
        spread = float(np.std(there, ddof=1)) if len(there) > 1 else np.nan
        average = float(np.mean(there)) if there else np.nan
        rows.append((name, *(_as(name, v) for v in (average, spread, *values))))
    head = ("Score", "Mean", "Deviation", *(f"Fold {k + 1}" for k in range(len(folds))))
    said = (
        f"The same estimator was trained {len(folds)} times, each time without one part of the "
        f"rows, {folds[0].test:,} or so, which it was then scored on."
    )
    return "<h3>Trained again on folds</h3>" + html.paragraph(said) + html.table(head, rows)
