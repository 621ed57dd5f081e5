"""Ways to select columns of a table by its classes: `SparseFeatureSelector` and its rivals.

A way takes ``(x, y, counts, seed)`` and gives, for each count, that many columns, the best first.
Its rivals standardise the columns where their scores depend on the scale.
"""

import re
import runpy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from zlib import crc32

import numpy as np
import trulysparse as ts
from selection_work import Asked
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_selection import f_classif, mutual_info_classif
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

Array = np.ndarray
Found = dict[int, Array]
Choose = Callable[[Array, Array, Sequence[int], int], Found]

TREES = 500
KEPT = 0.8  # of the columns in a round of the elimination
PATH = 10.0 ** np.arange(-3, 1.1, 0.25)  # C of the L1 classifier, until enough columns have weight

# What `SparseFeatureSelector` gives by the order of its scores, and if it is asked for each count.
OURS = {
    "ours": "ts.SparseFeatureSelector(random_state=seed)",
    "ours, asked": "ts.SparseFeatureSelector(K, random_state=seed)",
}


@dataclass(frozen=True)
class Way:
    """A way to select columns.

    Attributes
    ----------
    choose
        Gives the columns for each count.
    is_drawn
        Whether a seed matters, so that several are worth their time.
    """

    choose: Choose
    is_drawn: bool = False


def order(scores: Array) -> Array:
    """Give all columns, the highest score first, the first one among equals."""
    return np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")


def ranked(score: Callable[[Array, Array, int], Array]) -> Choose:
    """Make a way of scores, which are computed once for all counts."""

    def choose(x: Array, y: Array, counts: Sequence[int], seed: int) -> Found:
        found = order(score(x, y, seed))
        return {count: found[:count] for count in counts}

    return choose


def standard(x: Array) -> Array:
    """Give the columns with mean 0 and standard deviation 1, in float64."""
    return StandardScaler().fit_transform(x.astype(np.float64))


def strength(coefficients: Array) -> Array:
    """Sum the squares of each column's weights over the classes."""
    return (np.atleast_2d(coefficients) ** 2).sum(axis=0)


def logistic(z: Array, y: Array) -> Array:
    """Give the weights of logistic regression with scikit-learn's default penalty, squared."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return strength(LogisticRegression(max_iter=300).fit(z, y).coef_)


def eliminated(x: Array, y: Array, counts: Sequence[int], seed: int) -> Found:
    """Take away a fifth of the columns by a logistic regression, again and again.

    One elimination serves all counts, as it stops at each.
    """
    z, kept, gone = standard(x), np.arange(x.shape[1]), np.empty(0, np.intp)
    while True:
        kept = kept[order(logistic(z[:, kept], y))]
        fewer = [count for count in counts if count < len(kept)]
        if not fewer:
            break
        goal = max(int(KEPT * len(kept)), max(fewer))
        kept, gone = kept[:goal], np.concatenate([kept[goal:], gone])
    found = np.concatenate([kept, gone])
    return {count: found[:count] for count in counts}


def l1(x: Array, y: Array, counts: Sequence[int], seed: int) -> Found:
    """Take the largest weights of a linear support vector classifier with an L1 penalty.

    For each count the strongest penalty that leaves as many columns a weight. Where there is none,
    the rest are the best by their F statistic.
    """
    z, found = standard(x), {}
    last = order(f_statistic(x, y, seed))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for penalty in PATH:
            machine = LinearSVC(penalty="l1", dual=False, C=penalty, random_state=0)
            weights = strength(machine.fit(z, y).coef_)
            best = last[np.argsort(-weights[last], kind="stable")]
            for count in counts:
                if (weights > 0).sum() >= count:
                    found.setdefault(count, best[:count])
            if len(found) == len(counts):
                break
    return {count: found.get(count, best[:count]) for count in counts}


def f_statistic(x: Array, y: Array, seed: int) -> Array:
    """Give the F statistic of each column; of a constant one -inf."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return np.nan_to_num(f_classif(x.astype(np.float64), y)[0], nan=-np.inf)


def _forest(kind: Any) -> Choose:
    return ranked(
        lambda x, y, seed: kind(TREES, random_state=seed, n_jobs=1).fit(x, y).feature_importances_
    )


def at_random(x: Array, y: Array, seed: int) -> Array:
    """Draw scores, other ones for each training fold."""
    return np.random.default_rng([seed, crc32(y.tobytes())]).permutation(x.shape[1])


RIVALS = {
    "RFE": Way(eliminated),
    "random forest": Way(_forest(RandomForestClassifier), True),
    "extra trees": Way(_forest(ExtraTreesClassifier), True),
    "L1": Way(l1),
    "mutual information": Way(
        ranked(lambda x, y, seed: mutual_info_classif(x, y, random_state=seed))
    ),
    "f_classif": Way(ranked(f_statistic)),
    "logistic": Way(ranked(lambda x, y, seed: logistic(standard(x), y))),
    "random": Way(ranked(at_random), True),
}


# --- ours, and what is tried ----------------------------------------------------------------------


@lru_cache
def defined(path: str | None) -> dict[str, Any]:
    """Give the names that a Python file defines, for expressions."""
    return runpy.run_path(path) if path else {}


def made(expression: str, define: str | None, **names: Any) -> Any:
    """Evaluate an expression for a selector, or for a function of (x, y) that gives scores."""
    return eval(expression, {"np": np, "ts": ts, **defined(define), **names})


def of_expression(expression: str, define: str | None = None) -> Way:
    """Make a way of a Python expression.

    Parameters
    ----------
    expression
        Gives a selector with ``fit``, or a function of (x, y) that gives scores. It may name
        ``ts``, ``np``, ``seed``, and what the file `define` does. If it names ``K``, the count,
        it is fitted for each count, and what it supports is taken; if not, it is fitted once, and
        the highest of its ``scores_`` are taken.
    define
        A Python file.
    """

    def score(x: Array, y: Array, seed: int) -> Array:
        one = made(expression, define, seed=seed)
        return np.asarray(one.fit(x, y).scores_ if hasattr(one, "fit") else one(x, y))

    def asked(x: Array, y: Array, counts: Sequence[int], seed: int) -> Found:
        found = {}
        for count in counts:
            one = made(expression, define, seed=seed, K=count).fit(x, y)
            support = one.get_support(indices=True)
            found[count] = support[order(one.scores_[support])]
        return found

    return Way(asked if re.search(r"\bK\b", expression) else ranked(score), True)


def ways(asked: Asked) -> dict[str, Way]:
    """Give the rivals and ours, by their names."""
    tried = OURS | asked.tried
    return RIVALS | {name: of_expression(code, asked.define) for name, code in tried.items()}
