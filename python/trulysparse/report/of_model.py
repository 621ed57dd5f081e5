"""The report of a network without an estimator."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy

from trulysparse import _core
from trulysparse.data.blocks import BlockArrays, Blocks, CsrArrays
from trulysparse.data.classes import counted
from trulysparse.data.columns import Columns
from trulysparse.data.samples import given, inputs_of
from trulysparse.history import History
from trulysparse.losses import LOSSES
from trulysparse.report.bootstrap import RESAMPLES
from trulysparse.report.making import TOP, asked, made
from trulysparse.report.subject import CLASSES, LABELS, NUMBERS, Array, Subject

_CURVES = ("loss", "val_loss", "accuracy", "val_accuracy")


class Reported:
    """What a report makes of a `SparseMLP`."""

    metadata: dict[str, str]
    history: History
    _core: _core.Network

    def report(
        self,
        x: Any,
        y: Any = None,
        path: str | os.PathLike[str] | None = None,
        *,
        title: str | None = None,
        name: str = "the table",
        top: int = TOP,
        resamples: int = RESAMPLES,
        seed: int = 0,
        batch_size: int = 128,
    ) -> str:
        """Make a page of HTML that shows the model and how it does on some samples.

        The page stands alone: no scripts, and nothing is fetched. The guide's `report.md` says what
        is on it. What cannot be computed, such as a score without targets, is said there.

        Parameters
        ----------
        x, y
            Samples, (n_samples, n_0), and targets, as `evaluate` takes them; y may be None
            (default).
        path
            The file to write, or None (default).
        title, name
            The page's title, by default made of `name`, which is what the table is called.
        top
            Columns that are shown, from 1 to 200. Default 20.
        resamples
            Resamples of the rows for intervals, from 100 to 10,000. Default 1000.
        seed
            Of what is drawn: the same seed gives the same page on the same day. Default 0.
        batch_size
            Samples that are predicted together. Default 128.

        Returns
        -------
        str
            The page.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        OSError
            If the file cannot be written.
        ValueError, TypeError
            If an argument is wrong, or the samples are not the model's.
        """
        wanted = asked(path, title=title, name=name, top=top, resamples=resamples, seed=seed,
                       batch_size=batch_size)  # fmt: skip
        return made(of_network(self, x, y, batch_size=wanted.options.batch_size), wanted)


def of_network(
    model: Any,
    x: Any,
    y: Any,
    *,
    batch_size: int = 128,
    classes: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
) -> Subject:
    """Give what a report of a network is about.

    Parameters
    ----------
    model
        The `SparseMLP`.
    x, y, batch_size
        As `SparseMLP.report` takes them.
    classes, outputs
        Names of the classes, or of outputs that are none; by default those that it knows.
    """
    known = Columns(model)
    table, x = x, known.ordered("x", x)
    if y is None:
        samples, targets = _samples(inputs_of(model._core, "x", x)), None
    else:
        found = given(model._core, x, counted(model, y))
        samples, targets = _samples(found.inputs), found.targets
    made = np.asarray(model.predict(x, batch_size=batch_size), np.float64)
    kind = kind_of(model, targets)
    width = model.layer_sizes[0]
    columns = known.known or [f"x{i}" for i in range(width)]
    return Subject(
        model=model,
        kind=kind,
        x=samples,
        y=None if targets is None else targets_of(targets, kind),
        outputs=made,
        names=names_of(model, kind, classes, outputs),
        columns=columns,
        places=None,
        importance=model.feature_importance(),
        table=table,
        kinds={"number": width},
        about={"what": described(model)},
        history=curves(model.history),
    )


def kind_of(model: Any, targets: Any) -> str:
    """Tell what a network predicts."""
    loss, outputs = model.loss, model.layer_sizes[-1]
    if LOSSES[loss].takes_classes:
        return CLASSES
    if LOSSES[loss].output == "identity":
        return NUMBERS
    if loss == "binary_cross_entropy":
        return CLASSES if outputs == 1 else LABELS
    values = None if targets is None else np.asarray(_dense(targets), np.float64)
    is_binary = values is None or bool(np.isin(values[~np.isnan(values)], (0, 1)).all())
    return LABELS if is_binary else NUMBERS


def targets_of(targets: Any, kind: str) -> Array:
    """Give targets as a report has them."""
    y = np.asarray(_dense(targets))
    if kind != CLASSES:
        return y.astype(np.float64).reshape(len(y), -1)
    if y.ndim == 1:
        return y.astype(np.int64)
    codes = (y[:, 0] > 0.5) if y.shape[1] == 1 else y.argmax(axis=1)
    return np.where(np.isnan(y).any(axis=1), -1, codes).astype(np.int64)


def names_of(
    model: Any,
    kind: str,
    classes: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
) -> list[str]:
    """Give the names of classes or outputs."""
    count = model.layer_sizes[-1]
    if kind == CLASSES:
        count = max(count, 2)
        known = list(classes or listed(model, "class_names"))
        return known if len(known) == count else [str(i) for i in range(count)]
    known = list(outputs or listed(model, "label"))
    word = "label" if kind == LABELS else "output"
    if len(known) == count:
        return known
    return ["the target"] if count == 1 else [f"{word}_{i}" for i in range(count)]


def described(model: Any) -> str:
    """Say what a network is, in a line."""
    sizes = " → ".join(f"{size:,}" for size in model.layer_sizes)
    return f"sparse network of {sizes} neurons"


def curves(history: History) -> dict[str, list[float]]:
    """Give what a report shows of a history."""
    return {key: list(history.history[key]) for key in _CURVES if history.history.get(key)}


def listed(model: Any, key: str) -> list[str]:
    """Read names from the metadata, which may be a user's own notes."""
    try:
        found = json.loads(model.metadata.get(key, "[]"))
    except (ValueError, RecursionError):
        return []
    found = [found] if isinstance(found, str) else found
    are_names = isinstance(found, list) and all(isinstance(name, str) for name in found)
    return found if are_names else []


def _samples(inputs: Any) -> Any:
    if isinstance(inputs, CsrArrays):
        return _matrix(inputs)
    if isinstance(inputs, BlockArrays):
        return Blocks(inputs.dense, _matrix(inputs.sparse))
    return inputs


def _matrix(arrays: CsrArrays) -> scipy.sparse.csr_array:
    values = arrays.data if arrays.exact is None else arrays.exact
    parts = (values, arrays.indices.astype(np.int64), arrays.indptr)
    return scipy.sparse.csr_array(parts, shape=arrays.shape)


def _dense(targets: Any) -> Array:
    return _matrix(targets).toarray() if isinstance(targets, CsrArrays) else np.asarray(targets)
