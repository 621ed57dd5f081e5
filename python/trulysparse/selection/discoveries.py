"""How sure a selection is: columns beside shadows of columns, which tell nothing.

Every member of an ensemble eliminates columns and shadows alike. Had a column nothing to tell, its
place among the others would be that of a shadow; so shadows ahead of the k-th column count the
false discoveries among k, as decoys do in proteomics (Elias and Gygi, 2007), shuffled columns in
Boruta (Kursa and Rudnicki, 2010), and knockoffs (Barber and Candes, 2015).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from trulysparse.selection import ranking
from trulysparse.selection.elimination import Settings, Task, eliminate
from trulysparse.selection.features import Floats, Indices
from trulysparse.selection.shadows import shadowed

# Fewer columns leave at once only where the order no longer matters.
_LEAST = 10


class Order(NamedTuple):
    """The order in which a member holds on to columns.

    Attributes
    ----------
    ranks
        Of each column, (n_columns,), from 0; a column that it never had comes behind the others.
    ahead
        How many shadows are ahead of the first column, the second and so on, (n_columns,).
    """

    ranks: Indices
    ahead: Indices


class Sure(NamedTuple):
    """What members say together.

    Attributes
    ----------
    scores
        Of columns, (n_columns,): the geometric mean of 1 / (1 + rank); 0 if no member had it.
    q_values
        Of columns, (n_columns,): the lowest false discovery rate at which it is selected, up to 1.
    """

    scores: Floats
    q_values: Floats


def orders(
    task: Task,
    features: Indices,
    *,
    columns: int,
    seeds: Sequence[int],
    copies: int,
    threads: int,
    settings: Settings,
    groups: Indices | None = None,
) -> Iterator[Order]:
    """Give the orders of members, each with shadows that others do not have.

    Parameters
    ----------
    task
        What is learnt.
    features
        Those that have more than one value, ascending.
    columns
        How many there are.
    seeds
        A member for each.
    copies
        Shadows of each feature.
    threads, settings
        As in `eliminate`.
    groups
        For each feature the number of its column; None if features are columns.
    """
    at = np.arange(columns) if groups is None else groups
    for seed in seeds:
        random = np.random.default_rng([seed, 1])  # a member itself draws from the seed alone
        given = [random.permutation(task.X.shape[0]) for _ in range(copies)]
        both = shadowed(task, features, given)
        places = both.copies * columns + at[both.features]
        rounds = list(
            eliminate(
                task._replace(X=both.X),
                np.arange(len(places)),
                least=min(_LEAST, len(np.unique(places))),
                seeds=[seed],
                threads=threads,
                settings=settings,
                groups=places,
            )
        )
        scores = ranking.scores(rounds, (copies + 1) * columns, places)
        yield order(scores, np.unique(places), columns, copies)


def order(scores: Floats, places: Indices, columns: int, copies: int) -> Order:
    """Give the order of columns among shadows.

    Parameters
    ----------
    scores
        Of shadows, copy by copy, and then of columns, ((copies + 1) * columns,).
    places
        Which of these a member had, ascending.
    columns, copies
        How many columns there are, and shadows of each.
    """
    # Among equals shadows come first, as they have the lower numbers.
    by_score = places[np.argsort(-scores[places], kind="stable")]
    is_column = by_score >= copies * columns
    found = by_score[is_column] - copies * columns
    ranks = np.full(columns, columns)
    ranks[found] = np.arange(len(found))
    ahead = np.full(columns, copies * columns)
    ahead[: len(found)] = np.cumsum(~is_column)[is_column]
    return Order(ranks, ahead)


def sure(given: Sequence[Order], copies: int) -> Sure:
    """Tell how sure members with `copies` shadows of each column are of the columns.

    With all members' shadows put together, (1 + shadows ahead) / (shadows of a column) is the
    expected number of columns that tell nothing and are ahead all the same; the 1 keeps the rate
    where few are ahead (Barber and Candes, 2015).
    """
    columns = len(given[0].ranks)
    shadows = len(given) * copies
    logarithms = np.mean([np.log1p(one.ranks) for one in given], axis=0)
    known = np.min([one.ranks for one in given], axis=0) < columns
    by_rank = np.argsort(logarithms, kind="stable")
    ahead = np.sum([one.ahead for one in given], axis=0)
    rates = (1 + ahead) / (shadows * np.arange(1, columns + 1))
    # A column belongs to every longer list, also to one that has a lower rate.
    lowest = np.minimum.accumulate(rates[::-1])[::-1]
    q_values = np.empty(columns)
    q_values[by_rank] = np.minimum(lowest, 1)
    q_values[~known] = 1
    return Sure(np.where(known, np.exp(-logarithms), 0.0), q_values)
