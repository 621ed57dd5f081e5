"""What became of a table's columns, in a few lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from trulysparse.cli.tables.problem import Problem, rows_of
from trulysparse.estimators._scaling import Scaling
from trulysparse.tables.parts import NumberPart, Part

SHOWN = 20
"""Columns of which it is said what became of them, unless all are asked for."""

_NAMES = 5
_WIDEST = 40


def data(problem: Problem) -> str:
    """Say how much there is."""
    text = (
        f"data: {problem.name}, {rows_of(problem.x_train)} training and "
        f"{rows_of(problem.x_test)} test samples, "
    )
    columns = 0 if problem.encoder is None else len(problem.encoder.columns_)
    if columns and columns != problem.n_features:
        text += f"{columns} columns as "
    text += f"{problem.n_features} features"
    if problem.has_classes:
        return f"{text}, {problem.n_classes} classes"
    count = problem.n_outputs
    if problem.loss == "squared_error":
        return f"{text}, {count} number{'s' * (count > 1)} to predict"
    return f"{text}, {count} labels"


def columns(parts: Sequence[Part], *, most: int | None = SHOWN) -> list[str]:
    """Give a line for each column that is more than a number, `most` of them, and for the rest."""
    told = [part for part in parts if not _is_plain(part)]
    numbers = [part for part in parts if _is_plain(part)]
    lines = []
    if numbers:
        lines.append(f"{_some([part.name for part in numbers])}: {_count(len(numbers))}")
    shown = told if most is None else told[:most]
    wide = min(max((len(part.name) for part in shown), default=0), _WIDEST)
    lines += [f"{part.name:<{wide}}  {part.said()}" for part in shown]
    if len(told) > len(shown):
        kinds = Counter(part.kind for part in told[len(shown) :])
        some = ", ".join(f"{kind}: {count:,}" for kind, count in kinds.items())
        lines.append(
            f"and {len(told) - len(shown):,} more ({some}), which "
            "`trulysparse info MODEL --columns` shows"
        )
    return lines


def say(problem: Problem, scaling: Scaling, tell: Callable[[str], None]) -> None:
    """Say what was found out of the file, what is learnt, and what became of the columns."""
    for sentence in problem.notes:
        tell(f"note: {sentence}")
    tell(data(problem))
    if problem.learnt is not None:
        tell(problem.learnt.said)
    lines = columns(() if problem.encoder is None else problem.encoder.columns_)
    if lines:
        tell("columns:")
    for line in lines:
        tell(f"  {line}")
    robust = scaling.columns
    if robust is not None and problem.feature_names is not None:
        names = _some([problem.feature_names[i] for i in robust.tolist()])
        why = "heavy-tailed, and so " if scaling.name == "auto" else ""
        clip = "" if scaling.clip is None else f"; all numbers are clipped at {scaling.clip:g}"
        tell(f"note: {why}scaled by median and quartiles: {names}{clip}")
    for sentence in problem.telling:
        tell(f"note: {sentence}")


def _is_plain(part: Part) -> bool:
    return isinstance(part, NumberPart) and part.said() == "a number"


def _count(numbers: int) -> str:
    return "a number" if numbers == 1 else f"{numbers:,} numbers"


def _some(names: Sequence[str]) -> str:
    if len(names) <= _NAMES:
        return ", ".join(names)
    return ", ".join(names[: _NAMES - 1]) + f", ..., {names[-1]}"
