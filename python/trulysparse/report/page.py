"""The page: what it begins with, its sections, and what it looks like."""

from __future__ import annotations

import datetime
from string import Template

import numpy as np

from trulysparse import _core
from trulysparse.report import html
from trulysparse.report.html import Section
from trulysparse.report.sections import (
    calibration,
    columns,
    connections,
    correlations,
    data,
    mistakes,
    pruning,
    scores,
    training,
)
from trulysparse.report.sections.options import Options
from trulysparse.report.sections.scores import Scored
from trulysparse.report.style import STYLE
from trulysparse.report.subject import Subject

# No scripts, and nothing that is fetched: the policy says so to the browser.
_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" \
content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="generator" content="trulysparse $version">
<link rel="icon" href="data:,">
<title>$title</title>
<style>$style</style>
</head>
<body>
<header>
<p class="kind">$kind</p>
<h1>$title</h1>
$tiles
$callouts
<nav aria-label="Sections">$links</nav>
</header>
<main>
$sections
</main>
<footer><p>Made by trulysparse $version on $date.</p></footer>
</body>
</html>
""")


def made(subject: Subject, options: Options, title: str) -> str:
    """Give the page."""
    scored = Scored(subject, options)
    sections = [
        scores.section(subject, options, scored),
        mistakes.section(subject, options),
        calibration.section(subject, options),
        columns.section(subject, options),
        correlations.section(subject, options),
        data.section(subject, options),
        training.section(subject, options),
        pruning.section(subject, options),
        connections.section(subject, options),
    ]
    return _PAGE.substitute(
        version=html.escaped(_core.__version__),
        date=datetime.date.today().isoformat(),
        title=html.escaped(title),
        kind=html.escaped(_kind(subject, title)),
        style=STYLE,
        tiles=_tiles(subject, scored),
        callouts=_callouts(subject),
        links="".join(f'<a href="#{s.anchor}">{_word(s)}</a>' for s in sections),
        sections="\n".join(map(_section, sections)),
    )


def _word(section: Section) -> str:
    """Give a section's title in one word."""
    return html.escaped(section.title.removeprefix("The ").split()[0].capitalize())


def _kind(subject: Subject, title: str) -> str:
    """Say which table it is, if the title does not, and what the model is."""
    table, what = (subject.about.get(key, "") for key in ("table", "what"))
    return what if not table or table in title else f"{table} · {what}"


def _section(section: Section) -> str:
    title = html.escaped(section.title)
    return f'<section id="{section.anchor}"><h2>{title}</h2>{section.body}</section>'


def _tiles(subject: Subject, scored: Scored) -> str:
    """Give the numbers that a reader wants first."""
    found = []
    for measure, interval in scored.main()[:2]:
        between = ""
        if not np.isnan(interval.low):
            low, high = (scores.write(measure, v) for v in (interval.low, interval.high))
            between = f"{low.removesuffix(' %')} to {high}"
        found.append((measure.name, scores.write(measure, interval.value), between))
    found.append(("Rows", f"{subject.rows:,}", _scored(subject)))
    used = int((subject.importance > 0).sum())
    found.append(("Columns", f"{len(subject.columns):,}", f"{used:,} reach an output"))
    model = subject.model
    density = html.per_cent(model.density, 2)
    found.append(("Connections", f"{model.nnz:,}", f"{density} of the possible ones"))
    return '<dl class="tiles">' + "".join(
        f"<div><dt>{html.escaped(name)}</dt><dd>{html.escaped(value)}"
        f"<small>{html.escaped(more)}</small></dd></div>"
        for name, value, more in found
    ) + "</dl>"  # fmt: skip


def _scored(subject: Subject) -> str:
    count = len(subject.scored)
    return "all scored" if count == subject.rows else f"{count:,} scored"


def _callouts(subject: Subject) -> str:
    """Say what a reader has to know before the scores."""
    found = [] if subject.y is None else [_known_rows(subject)]
    found += [("warn", sentence) for sentence in subject.remarks]
    return "".join(
        f'<div class="callout {kind}"><p>{html.escaped(said)}</p></div>' for kind, said in found
    )


def _known_rows(subject: Subject) -> tuple[str, str]:
    """Say whether the model has learnt from these rows."""
    if subject.seen is None:
        return "", (
            "It is not known whether the model was trained on rows of this table: if it was, the "
            "scores are too good."
        )
    share, is_exact = subject.seen
    if share == 0:
        return "", "The model has not been trained on rows of this table."
    about = "" if is_exact else "about "
    if share == 1:
        much = "all rows"
    elif is_exact:
        much = f"{round(share * subject.rows):,} of {subject.rows:,} rows"
    else:
        much = f"{html.per_cent(share, 0)} of the rows"
    return "warn", (
        f"The model was trained on {about}{much} of this table, or on rows with the same cells: "
        "the scores are too good. The scores of other rows, or of folds, say more."
    )
