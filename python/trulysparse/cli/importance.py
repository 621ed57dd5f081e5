"""``trulysparse importance``: rank the features or neurons of a saved model."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trulysparse import _files
from trulysparse.cli import metadata
from trulysparse.cli.common import (
    add_model,
    default,
    positive,
    refuse_overwriting,
    say,
    whole,
)
from trulysparse.cli.parser import add_command
from trulysparse.cli.tables.saved import Saved
from trulysparse.estimators import _importances
from trulysparse.importance import KINDS
from trulysparse.model import SparseMLP

_KIND = default(SparseMLP.feature_importance, "kind")
_Row = tuple[str, str, float]
Scores = npt.NDArray[np.float64]


def add(commands: Any) -> None:
    """Add the command."""
    importance = add_command(
        commands,
        "importance",
        run,
        summary="rank the columns or neurons of a saved model",
        description="Print the columns with the highest scores, or the neurons of a layer. Scores "
        "of columns can be compared if the model standardises them, which is `train`'s default.",
        usage="MODEL [options]",
        examples=_EXAMPLES,
    )
    options = importance.add_argument_group("options")
    add_model(options)
    options.add_argument(
        "--top", type=positive, default=20, metavar="N", help="rows to print (default: %(default)s)"
    )
    options.add_argument(
        "--kind",
        choices=list(KINDS),
        help="path, score by all paths to the outputs; strength, by the first weights alone "
        f"(default: {_KIND})",
    )
    options.add_argument(
        "--layer",
        type=whole,
        metavar="N",
        help="rank the neurons of a layer by their incoming weights instead: 1 is the first hidden "
        "layer",
    )
    options.add_argument(
        "--levels",
        action="store_true",
        help="rank what the columns of a table became, such as the levels of a category, rather "
        "than the columns",
    )
    options.add_argument(
        "--csv", type=Path, metavar="FILE", help="also write all ranks to this .csv"
    )
    importance.help_in(options)


_EXAMPLES = """
    trulysparse importance run --top 5
    trulysparse importance run --levels --csv ranks.csv
    trulysparse importance run --layer 1
"""


def run(args: argparse.Namespace) -> int:
    """Print the highest ranks, and write all of them if asked to."""
    if args.csv is not None:
        refuse_overwriting(args, [args.csv])
    saved = Saved.read(args)
    model = saved.model
    if args.levels and args.layer is not None:
        raise ValueError("--levels is for features: expected no --layer")
    if args.layer is None:
        what, layer = "feature", 0
        kind = args.kind or _KIND
        scores = model.feature_importance(kind)
        names = metadata.names(model, "feature_names")
        if _merges(saved):
            scores = _importances.of_features(saved.estimator, kind)[model.units(0)]
            if not args.levels:
                columns = [part.name for part in saved.encoder.columns_]
                scores = _importances.of_columns(saved.estimator, kind)
                return _shown(args, "column", columns, scores)
    elif args.kind is not None:
        raise ValueError("--kind is for features: --layer ranks neurons by their incoming weights")
    else:
        what, layer, names = "neuron", args.layer, None
        scores = model.importance(layer).astype(np.float64)
    units = model.units(layer)  # what compaction left of them
    if names is not None and len(names) <= units[-1]:
        raise ValueError(
            f"the model's metadata 'feature_names': expected {units[-1] + 1} names or more"
        )
    return _shown(
        args, what, [str(unit) if names is None else names[unit] for unit in units], scores
    )


def _merges(saved: Saved) -> bool:
    """Tell whether columns of the table became other features than themselves."""
    if saved.encoder is None:
        return False
    return bool(saved.encoder.feature_names_ != [part.name for part in saved.encoder.columns_])


def _shown(args: argparse.Namespace, what: str, names: Sequence[str], scores: Scores) -> int:
    """Print the highest ranks, and write all of them if asked to."""
    rows = [
        (str(rank), names[place], scores[place])
        for rank, place in enumerate(np.argsort(-scores, kind="stable"), start=1)
    ]
    _print(rows[: args.top], what)
    if args.csv is not None:
        _write(args.csv, what, rows)
        say(f"wrote {args.csv}, {len(rows)} rows")
    return 0


def _write(path: Path, what: str, rows: Sequence[_Row]) -> None:
    with _files.writing(path), open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["rank", what, "score"])
        writer.writerows((rank, name, repr(float(score))) for rank, name, score in rows)


def _print(rows: Sequence[_Row], what: str) -> None:
    rows = [(rank, _files.plain(name), score) for rank, name, score in rows]
    widths = [
        max(map(len, column))
        for column in (["rank", *(row[0] for row in rows)], [what, *(row[1] for row in rows)])
    ]
    say(f"{'rank':>{widths[0]}}  {what:<{widths[1]}}  score")
    for rank, name, score in rows:
        say(f"{rank:>{widths[0]}}  {name:<{widths[1]}}  {score:.6g}")
