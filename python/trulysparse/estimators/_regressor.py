"""The regressor."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import column_or_1d

from trulysparse.data.numeric import numeric
from trulysparse.estimators import _base
from trulysparse.estimators._docs import documented
from trulysparse.estimators._targets import Array, Targets, Values


@documented
class SparseMLPRegressor(RegressorMixin, MultiOutputMixin, _base.SparseEstimator):  # type: ignore[misc]
    """A sparse multilayer perceptron for one number per sample, or several.

    The network learns targets that were scaled to a mean of 0 and a variance of 1; predictions
    are scaled back.

    <NOTES>

    Parameters
    ----------
    <PARAMETERS>

    Attributes
    ----------
    y_mean_, y_scale_ : float64 array of shape (n_outputs_,)
        The means and standard deviations of the targets; those of `model_` are
        ``(y - y_mean_) / y_scale_``. Also in ``model_.metadata``, as JSON.
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

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, X_val: Any = None, y_val: Any = None
    ) -> SparseMLPRegressor:
        """Train a network.

        Parameters
        ----------
        <X>
        y
            Numbers, (n_samples,) or (n_samples, n_outputs), also as a SciPy sparse matrix.
        <SAMPLE_WEIGHT>
        <HELD_OUT>

        Returns
        -------
        self
        """
        self._fit(X, y, sample_weight, X_val, y_val)
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> SparseMLPRegressor:
        """Train for one pass over some samples, at a constant rate; the connections stay.

        The statistics by which features and targets are standardised are those of the first call,
        so give it enough samples. ``self.model_.evolve(...)`` between two calls evolves the
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
        self._partial_fit(X, y, sample_weight)
        return self

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Give the coefficient of determination, R2, of `predict`.

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
        if sample_weight is not None:
            numeric("sample_weight", sample_weight)
        return float(super().score(X, self._targets(y, "y"), sample_weight))

    def _checked(self, y: Any, name: str) -> Array:
        if y.dtype == object:
            y = y.astype(np.float64)
        if y.dtype.kind not in "biuf":
            raise ValueError(f"{name} has dtype {y.dtype}: expected numbers")
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return np.asarray(y, np.float64)

    def _learn(self, y: Array, weight: Array | None, classes: Any = None) -> Targets:
        return Values.of(y, weight)
