"""Whether probabilities and predicted numbers can be taken at their word."""

from __future__ import annotations

import numpy as np

from trulysparse.report import html, measures, pictures
from trulysparse.report.html import Section
from trulysparse.report.sections.data import histogram_table
from trulysparse.report.sections.options import Options
from trulysparse.report.subject import CLASSES, LABELS, Subject

_BINS = 10
_FEWEST = 20
_PER_BIN = 10
_POINTS = 2000


def section(subject: Subject, options: Options) -> Section:
    """Compare what is said with what is found."""
    rows = subject.scored
    if len(rows) < _FEWEST:
        said = f"Calibration takes {_FEWEST} scored rows or more, and there are {len(rows)}."
        return Section("calibration", "Calibration", html.paragraph(said))
    assert subject.y is not None
    y, outputs = subject.y[rows], subject.outputs[rows]
    if subject.kind == CLASSES:
        body = _classes(subject, y, outputs)
    elif subject.kind == LABELS:
        known = ~np.isnan(y)
        what = "Probability of a label"
        body = _probabilities(outputs[known], y[known] > 0.5, what, "Ones among the labels")
    else:
        body = _numbers(subject, y[:, 0], outputs[:, 0], options)
    return Section("calibration", "Calibration", body)


def _classes(subject: Subject, y: measures.Array, outputs: measures.Array) -> str:
    p = measures.both(outputs)
    if p.shape[1] == 2:
        name = pictures.short(subject.names[1], 30)
        return _probabilities(p[:, 1], y == 1, f"Probability of {name}", "Rows of the class")
    guess = p.argmax(axis=1)
    sure = p[np.arange(len(y)), guess]
    return _probabilities(sure, guess == y, "Probability of the predicted class", "Rows right")


def bins(said: measures.Array, count: int = _BINS) -> measures.Array:
    """Give a bin for each row, such that bins have about as many rows and ties stay together."""
    wanted = min(count, max(2, len(said) // _PER_BIN))
    edges = np.unique(np.quantile(said, np.linspace(0, 1, wanted + 1)[1:-1]))
    return np.searchsorted(edges, said, side="right")


def _means(said: measures.Array, found: measures.Array) -> list[measures.Array]:
    place = bins(said)
    counts = np.bincount(place).astype(np.float64)
    there = counts > 0
    sums = [np.bincount(place, weights=w)[there] / counts[there] for w in (said, found)]
    return [*sums, counts[there]]


def _probabilities(said: measures.Array, is_so: measures.Array, x: str, y: str) -> str:
    said = np.clip(said.astype(np.float64), 0, 1)
    likely, share, counts = _means(said, is_so.astype(np.float64))
    error = float((counts * abs(likely - share)).sum() / counts.sum())
    brier = float(((said - is_so) ** 2).mean())
    told = f"{y} against the probability: " + "; ".join(
        f"{html.per_cent(a)} said, {html.per_cent(b)} found"
        for a, b in zip(likely, share, strict=True)
    )
    picture = pictures.reliability(told, "calibration", likely, share, counts, (x, y))
    rows = [
        (html.per_cent(a), html.per_cent(b), f"{int(c):,}")
        for a, b, c in zip(likely, share, counts, strict=True)
    ]
    numbers = html.table(("Said", "Found", "Rows"), rows, left=())
    sizes = "Larger points have more rows." if counts.max() > 1.5 * counts.min() else ""
    parts, edges = np.histogram(said, 20, (0, 1))
    told = f"Histogram of the {x[0].lower()}{x[1:]}, by twentieths; the table has the numbers."
    shape = pictures.histogram(told, "said", edges, parts, (x, "Rows"))
    text = html.paragraph(
        "Points on the dashed line are right: of 100 rows with a probability of 80 %, 80 are so.",
        f"They are off by {html.per_cent(error)} on average. The mean squared error of the "
        f"probabilities (the Brier score) is {html.fixed(brier)}.",
    )
    return text + html.side_by_side(
        html.figure(picture, "Said and found", numbers, sizes),
        html.figure(shape, "How often it is said", histogram_table(edges, parts)),
    )


def _numbers(subject: Subject, y: measures.Array, guess: measures.Array, options: Options) -> str:
    known = ~np.isnan(y)
    y, guess = y[known], guess[known]
    if len(y) < _FEWEST:
        return html.paragraph(f"Calibration takes {_FEWEST} known targets or more.")
    said, found, counts = _means(guess, y)
    bias = float((guess - y).mean())
    name = pictures.short(subject.names[0], 30)
    told = "Means of the target against means of the predictions, by tenths of the predictions."
    ends = [float(said.min()), float(said.max())]
    lines = [
        ("right", ends, ends, pictures.MUTED),
        ("found", said.tolist(), found.tolist(), pictures.ACCENT),
    ]
    labels = (f"Mean prediction of {name}", "Mean target")
    picture = pictures.curves(told, "calibration", lines, labels)
    rows = [
        (html.number(a), html.number(b), f"{int(c):,}")
        for a, b, c in zip(said, found, counts, strict=True)
    ]
    numbers = html.table(("Mean prediction", "Mean target", "Rows"), rows, left=())
    above = "above" if bias > 0 else "below"
    text = html.paragraph(
        "Rows are put together by what is predicted for them; on the dashed line the mean target "
        "is what was predicted.",
        f"Predictions are {html.number(abs(bias))} {above} the targets on average.",
    )
    some = options.some(np.arange(len(y)), _POINTS)
    told = "Residuals against predictions; the section on residuals has their numbers."
    labels = ("Prediction", "Target less prediction")
    apart = pictures.points(told, "against", guess[some], (y - guess)[some], labels, diagonal=False)
    return text + html.side_by_side(
        html.figure(picture, "Said and found", numbers),
        html.figure(
            apart, "Residuals by prediction", note="A wedge or a bend is not what it should be."
        ),
    )
