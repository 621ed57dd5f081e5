"""The regressor."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from scipy.sparse import issparse
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import column_or_1d

from trulysparse import _hints
from trulysparse.callbacks import Callback
from trulysparse.data.numeric import numeric
from trulysparse.data.precision import blurred_integers
from trulysparse.estimators import _base, _partial, _support, _words
from trulysparse.estimators._docs import documented
from trulysparse.estimators._learnt import Learnt
from trulysparse.estimators._targets import Array, Numbers, Targets
from trulysparse.estimators._weighted import positive, refuse_huge
from trulysparse.history import History
from trulysparse.model import SparseMLP

# How much of a standard deviation nine in ten targets must span.
_ALIKE = 0.02


@documented
class SparseMLPRegressor(RegressorMixin, MultiOutputMixin, _base.SparseEstimator):  # type: ignore[misc]
    """A sparse multilayer perceptron for one number per sample, or several.

    The network learns targets in units of their own deviations from their mean, and predicts in
    those of the user, in float64.

    <NOTES>

    Parameters
    ----------
    <PARAMETERS>

    Attributes
    ----------
    y_mean_, y_scale_ : float64 array of shape (n_outputs_,)
        The means and standard deviations of the targets, in which `loss_curve_` is measured:
        `model_` learns ``(y - y_mean_) / y_scale_``.
    <ATTRIBUTES>

    Raises
    ------
    ValueError, TypeError
        From `fit`, if a parameter or the data are wrong; also if training diverges, for which a
        lower `learning_rate_init` is the remedy.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import train_test_split
    >>> from trulysparse import SparseMLPRegressor
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> regressor = SparseMLPRegressor(random_state=0).fit(X_train, y_train)
    >>> regressor.predict(X_test).shape
    (111,)
    """

    _RATE = 0.02
    _FEWEST_SCORED = 2

    @_hints.plain
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        callbacks: Sequence[Callback] | None = None,
        scoring: Any = None,
        **unknown: NoReturn,
    ) -> SparseMLPRegressor:
        """Train a network.

        Parameters
        ----------
        <X>
        y
            Numbers, (n_samples,) or (n_samples, n_outputs), also as a SciPy sparse matrix, which
            stays sparse. Of several outputs NaN, None and NA are missing and do not count.
        <SAMPLE_WEIGHT>
        <HELD_OUT>
        <WATCHING>

        Returns
        -------
        self
        """
        _words.refuse(self, "fit", unknown)
        with _support.all_or_nothing(self, in_place=self.warm_start is not False):
            self._fit(X, y, sample_weight, X_val, y_val, callbacks, scoring)
        return self

    @_hints.plain
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, **unknown: NoReturn
    ) -> SparseMLPRegressor:
        """Train for one pass over some samples, at a constant rate; the connections stay.

        The statistics by which features and targets are standardised are those of all samples so
        far. ``self.model_.evolve(...)`` between two calls evolves the
        connections.

        Parameters
        ----------
        X, y
            As `fit` takes them.
        <SAMPLE_FACTORS>

        Returns
        -------
        self
        """
        _words.refuse(self, "partial_fit", unknown)
        with _support.all_or_nothing(self, in_place=True):
            self._partial_fit(X, y, sample_weight)
        return self

    @_hints.plain
    def score(self, X: Any, y: Any = None, sample_weight: Any = None, **unknown: NoReturn) -> float:
        """Give the coefficient of determination, R2, of `predict`; of several outputs the mean.

        Missing numbers do not count.

        Parameters
        ----------
        X, y
            Samples and their numbers, as `fit` takes them.
        sample_weight
            Weights, (n_samples,). None (default): all the same.

        Returns
        -------
        float
        """
        _words.refuse(self, "score", unknown)
        y = self._scored(X, y)
        if _partial.is_partial(y):
            return self._partial_score(X, y, sample_weight)
        return float(super().score(X, y, positive(sample_weight)))

    def _checked(self, y: Any, name: str) -> Array:
        if _partial.is_partial(y):
            found: Array = _partial.checked(name, y, indicators=False)
            return found
        if y.dtype == object:
            y = numeric(name, y)
        if y.dtype.kind not in "biuf":
            raise ValueError(f"{name} has dtype {y.dtype}: expected numbers")
        if (problem := blurred_integers(name, y)) is not None:
            raise ValueError(problem)
        refuse_huge(name, y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return np.asarray(y, np.float64)

    def _learn(
        self, y: Array, weight: Array | None, classes: Any = None, *, is_batch: bool = False
    ) -> Targets:
        _say_outliers(y if weight is None else y[weight > 0])
        return Numbers.of(y)

    def _keep(self, model: SparseMLP, learnt: Learnt, history: History, **how: Any) -> None:
        super()._keep(model, learnt, history, **how)
        units = model._core.target_statistics()
        if units is not None:  # 0.1.0's estimators have them already
            self.y_mean_ = units.mean
            self.y_scale_ = 1 / np.where(units.scale > 0, units.scale, 1.0)
            for copy in (self.y_mean_, self.y_scale_):
                copy.flags.writeable = False  # what is written there would reach no network


def _say_outliers(y: Array) -> None:
    """Warn of targets beside which all others look alike."""
    if issparse(y):
        return
    table = y.reshape(len(y), -1)
    some = table[:, ~np.isnan(table).all(axis=0)]
    if some.shape != table.shape:
        return _say_outliers(some)
    deviation = np.nanstd(table, axis=0)
    low, high = np.nanpercentile(table, [5, 95], axis=0)
    for k in np.flatnonzero((deviation > 0) & (high - low < _ALIKE * deviation)):
        if low[k] < high[k]:
            far = table[np.nanargmax(np.abs(table[:, k] - low[k])), k]
            where = "y" if y.ndim == 1 else f"column {k} of y"
            warnings.warn(
                f"{where} has outliers: nine in ten targets lie between {low[k]:.6g} and "
                f"{high[k]:.6g}, and the farthest is {far:.6g}; beside it they look alike. Leave "
                "it out, or fit to the logarithm",
                RuntimeWarning,
                stacklevel=4,
            )
