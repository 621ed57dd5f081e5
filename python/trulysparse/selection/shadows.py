"""Shadow columns: columns of a table with the rows in another order, so that they tell nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from trulysparse.data.blocks import Blocks
from trulysparse.selection.elimination import Task
from trulysparse.selection.features import Indices, some
from trulysparse.selection.screening import MOST, in_common


class Shadowed(NamedTuple):
    """Samples with shadows of their features.

    Attributes
    ----------
    X
        An array, a CSR matrix or blocks, (n_samples, n_kept); in a block shadows come first.
    features
        Of which feature each is, (n_kept,).
    copies
        Which shadow of it, (n_kept,), from 0; the feature itself has the highest number.
    """

    X: Any
    features: Indices
    copies: Indices


def shadowed(
    task: Task, features: Indices, orders: Sequence[Indices], most: int = MOST
) -> Shadowed:
    """Put shadows beside features.

    Parameters
    ----------
    task
        What is learnt, and from what.
    features
        Those that get shadows, ascending.
    orders
        For each shadow an order of the rows, the same for all features: what is between two
        features is between their shadows.
    most
        If there were more in all, those stay that the targets vary with most, shadows or not.
    """
    given = [*orders, None]
    kept = [features] * len(given)
    if len(features) * len(given) > most:
        common = np.concatenate([in_common(task, order)[features] for order in given])
        chosen = np.sort(np.argsort(-common, kind="stable")[:most])
        copy, place = np.divmod(chosen, len(features))
        kept = [features[place[copy == number]] for number in range(len(given))]
    count = _dense(task.X)
    parts, found = [], []
    for is_sparse in (False, True):
        halves = [part[(part >= count) == is_sparse] for part in kept]
        if not sum(map(len, halves)):
            continue
        pairs = zip(halves, given, strict=True)
        columns = [_ordered(task.X, half, order) for half, order in pairs if len(half)]
        parts.append(sparse.hstack(columns, format="csr") if is_sparse else np.hstack(columns))
        found += list(enumerate(halves))
    numbers = np.concatenate([half for _, half in found])
    copies = np.concatenate([np.full(len(half), number) for number, half in found])
    return Shadowed(Blocks(*parts) if len(parts) == 2 else parts[0], numbers, copies)


def _dense(X: Any) -> int:
    """Give how many of the features, the first ones, are dense."""
    if isinstance(X, Blocks):
        return int(X.dense.shape[1])
    return 0 if sparse.issparse(X) else int(X.shape[1])


def _ordered(X: Any, features: Indices, order: Indices | None) -> Any:
    found = some(X, features)
    return found if order is None else found[order]
