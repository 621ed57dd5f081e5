"""What a report of an estimator is about, and networks that are trained again on folds."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_is_fitted

from trulysparse.data import frames, seen
from trulysparse.data.blocks import Blocks
from trulysparse.data.numeric import refuse_held_sparse
from trulysparse.estimators import _support
from trulysparse.estimators._targets import Array, Classes, Labels
from trulysparse.explosion import ExplosionWarning
from trulysparse.report.making import Asked
from trulysparse.report.of_model import curves, described, listed, names_of
from trulysparse.report.sections import scores
from trulysparse.report.subject import CLASSES, LABELS, MOST_CELLS, NUMBERS, Fold, Subject
from trulysparse.streams.held import rows_of


def of_tables(estimator: Any, X: Any, y: Any, wanted: Asked) -> Subject:
    """Give what a report of an estimator and a table is about, with its folds.

    Raises
    ------
    ValueError, TypeError
        If the table is not one of the estimator's.
    """
    check_is_fitted(estimator, "model_")
    if rows_of(X) is not None:
        raise TypeError("X are rows of a file: expected a table in memory, such as some of them")
    made = subject(estimator, X, y, wanted)
    add_folds(made, estimator, X, y, wanted)
    return made


def add_folds(made: Subject, estimator: Any, X: Any, y: Any, wanted: Asked) -> None:
    """Train again, if it is asked for, on parts of a table and its targets."""
    if wanted.folds:
        made.folds, more = _folds(estimator, X, y, wanted, made.columns)
        made.remarks += more


def subject(estimator: Any, X: Any, y: Any, wanted: Asked) -> Subject:
    """Give the subject of a table, with its labels if there are some."""
    samples = _support.validated(estimator, X, reset=False)
    rows, outputs = samples.shape[0], estimator._target.outputs
    remarks: list[str] = []
    y = estimator._targets(y, "y") if issparse(y) else y
    if issparse(y) and rows == y.shape[0] and rows * outputs > MOST_CELLS:
        some, remarks = _fewer(rows, outputs, wanted)  # before labels become dense
        samples, y, X = samples[some], y[some], None
    codes = None if y is None else encoded(estimator, y, samples.shape[0])
    samples = _support.without(samples, estimator._constant)
    made = of_samples(estimator, samples, codes, wanted, table=X)
    made.remarks += remarks
    return made


def _fewer(rows: int, outputs: int, wanted: Asked) -> tuple[Array, list[str]]:
    """Give some rows of a table with many outputs, and say that it is some."""
    most = max(1, MOST_CELLS // outputs)
    return wanted.options.some(np.arange(rows), most), [
        f"The table has {rows:,} rows; {most:,} of them, drawn at random, are looked at, as there "
        "are many outputs."
    ]


def of_samples(
    estimator: Any, samples: Any, y: Array | None, wanted: Asked, *, table: Any
) -> Subject:
    """Give the subject of samples that are made already.

    Parameters
    ----------
    estimator
        Which is fitted.
    samples
        As its network takes them.
    y
        As `Subject` has them, or None.
    wanted
        What is asked for.
    table
        What the samples were made of.
    """
    model, target = estimator.model_, estimator._target
    remarks: list[str] = []
    if samples.shape[0] * target.outputs > MOST_CELLS:
        some, remarks = _fewer(samples.shape[0], target.outputs, wanted)
        samples, y, table = samples[some], None if y is None else y[some], None
    is_whole = samples.shape[1] == model.original_layer_sizes[0]
    known = seen.share(getattr(estimator, "_seen", None), samples) if is_whole else None
    outputs = model.predict(samples, batch_size=wanted.options.batch_size)
    kind = _kind(target)
    columns, places, features, numbers, kinds = _columns(estimator)
    names = [str(c) for c in target.classes.tolist()] if isinstance(target, Classes) else None
    history = curves(estimator.history_) or {"loss": list(estimator.loss_curve_)}
    of_epochs = getattr(estimator, "validation_scores_", None)
    if of_epochs and "val_accuracy" not in history:
        history["validation_score"] = list(of_epochs)
    about = {"what": f"{type(estimator).__name__}, {described(model)}"}
    label = getattr(estimator, "_target_labels", None) or listed(model, "label")
    if len(label) == 1:
        about["label"] = label[0]
    return Subject(
        model=model,
        kind=kind,
        x=samples,
        y=y,
        outputs=np.asarray(outputs, np.float64),
        names=names_of(model, kind, names, getattr(estimator, "_target_labels", None)),
        columns=columns,
        places=places,
        features=features,
        numbers=numbers,
        importance=np.asarray(estimator.feature_importances_, np.float64),
        table=table,
        kinds=kinds,
        about=about,
        notes=list(getattr(estimator, "notes_", [])),
        seen=known,
        history=history,
        frequency=_frequency(estimator, len(columns)),
        remarks=remarks,
    )


def _kind(target: Any) -> str:
    if isinstance(target, Classes):
        return CLASSES
    return LABELS if isinstance(target, Labels) else NUMBERS


def _columns(estimator: Any) -> tuple[Any, ...]:
    """Give names and features of the columns, those that are numbers, and counts of kinds."""
    encoder, model = estimator._encoder, estimator.model_
    units = model.units(0).tolist()
    names = getattr(estimator, "feature_names_in_", None)
    if encoder is None:
        wide = model.original_layer_sizes[0]
        columns = [f"x{i}" for i in range(wide)] if names is None else list(map(str, names))
        if len(units) == wide:
            return columns, None, None, None, {"number": wide}
        now = {unit: place for place, unit in enumerate(units)}
        places = [[now[i]] if i in now else [] for i in range(wide)]
        return columns, places, [columns[i] for i in units], None, {"number": wide}
    parts = encoder.columns_
    columns = [part.name for part in parts] if names is None else list(map(str, names))
    now = {unit: place for place, unit in enumerate(units)}
    places = [[now[i] for i in at if i in now] for at in encoder.places()]
    features = encoder.feature_names_
    numbers = frozenset(
        k for k, part in enumerate(parts) if part.numbers() and encoder.places()[k][0] in now
    )
    kinds = Counter(part.kind for part in parts)
    return columns, places, [features[i] for i in units], numbers, dict(kinds)


def _frequency(estimator: Any, columns: int) -> Array | None:
    """Give how often each column was selected, if the estimator knows it."""
    found = getattr(estimator, "selection_frequency_", None)
    return None if found is None or len(found) != columns else np.asarray(found, np.float64)


# --- targets --------------------------------------------------------------------------------------


def encoded(estimator: Any, y: Any, rows: int) -> Array:
    """Give targets as `Subject` has them: numbers of classes, -1 where missing, or float64.

    Raises
    ------
    ValueError
        If there are not as many as rows, or a class is none of the fit's.
    """
    target = estimator._target
    if issparse(y):
        y = estimator._checked(estimator._targets(y, "y"), "y")
        return np.asarray(target.encode(y, "y").toarray(), np.float64)
    refuse_held_sparse("y", y)
    missing = _missing(y)
    if len(missing) != rows:
        raise ValueError(f"y has {len(missing)} labels: expected {rows}, as many as X has rows")
    known = np.flatnonzero(~missing)
    is_one = isinstance(target, Classes)
    found = np.full(rows, -1) if is_one else np.full((rows, target.outputs), np.nan)
    if len(known):
        some = y if len(known) == rows else _safe_indexing(y, known)
        values = estimator._checked(np.asarray(estimator._targets(some, "y")), "y")
        found[known] = target.encode(values, "y")
    return found


def _missing(y: Any) -> Array:
    """Tell which rows have no label at all; of several, those without any."""
    values = np.asarray(y)
    if values.dtype.kind == "f":
        gone = np.isnan(values)
    elif values.dtype.kind == "O":
        flat = [frames.is_missing(one) for one in values.ravel().tolist()]
        gone = np.array(flat, np.bool_).reshape(values.shape)
    else:
        gone = np.zeros(values.shape, np.bool_)
    return np.asarray(gone if gone.ndim == 1 else gone.reshape(len(gone), -1).all(axis=1))


# --- folds ----------------------------------------------------------------------------------------


def _folds(
    estimator: Any, X: Any, y: Any, wanted: Asked, columns: Sequence[str]
) -> tuple[Sequence[Fold], list[str]]:
    """Train copies of an estimator, each without a part of the rows, and score them on it.

    `columns` are those of the estimator, whose order the table may not have.
    """
    if y is None:
        return [], ["Nothing was trained again: the table has no labels."]
    rows = X.shape[0] if hasattr(X, "shape") else len(X)
    known = np.arange(rows) if issparse(y) else np.flatnonzero(~_missing(y))
    if len(known) < 2 * wanted.folds:
        return [], [
            f"Nothing was trained again: {wanted.folds} folds take {2 * wanted.folds} rows with a "
            f"label, and there are {len(known)}."
        ]
    found, remarks = [], []
    for place, (train, test) in enumerate(_parts(estimator, y, known, wanted), start=1):
        copy = clone(estimator)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            try:
                copy.fit(_some(X, known[train]), _some(y, known[train]))
                made = subject(copy, _some(X, known[test]), _some(y, known[test]), wanted)
            except ValueError as error:
                remarks.append(f"Fold {place} was not trained: {error}")
                continue
        failed = [one.message for one in said if isinstance(one.message, ExplosionWarning)]
        remarks += [f"Fold {place}: {message}." for message in failed]
        importance = _in_order(made, columns)
        found.append(Fold(len(train), len(test), _values(made), importance))
    return found, remarks


def _in_order(made: Subject, columns: Sequence[str]) -> Array:
    """Give the importance of columns by their names: copies have the order of their table."""
    found = dict(zip(made.columns, made.importance, strict=True))
    return np.array([found.get(column, 0.0) for column in columns], np.float64)


def _parts(estimator: Any, y: Any, known: Array, wanted: Asked) -> Any:
    how: dict[str, Any] = {"shuffle": True, "random_state": wanted.options.seed}
    if isinstance(estimator._target, Classes):
        codes = encoded(estimator, _some(y, known), len(known))
        if np.bincount(codes)[np.unique(codes)].min() >= wanted.folds:
            return StratifiedKFold(wanted.folds, **how).split(codes, codes)
    return KFold(wanted.folds, **how).split(known)


def _some(table: Any, rows: Array) -> Any:
    """Give some rows of a table of any kind."""
    return table[rows] if isinstance(table, Blocks) else _safe_indexing(table, rows)


def _values(made: Subject) -> dict[str, float]:
    """Give the scores by name, of several targets their means."""
    groups, rows = scores.of(made)
    values: dict[str, list[float]] = {}
    for _, measures in groups:
        for measure in measures:
            values.setdefault(measure.name, []).append(measure.whole(rows))
    return {name: float(np.mean(some)) for name, some in values.items()}
