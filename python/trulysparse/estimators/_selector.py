"""Feature selection in scikit-learn's interface (extra ``sklearn``)."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from trulysparse import _check
from trulysparse.data.numeric import refuse_sparse
from trulysparse.data.sparse import check_sparse
from trulysparse.estimators import _support
from trulysparse.model import SparseMLP
from trulysparse.optim import SGD
from trulysparse.recipe import RECIPE
from trulysparse.topology import SET

__all__ = ["SparseFeatureSelector"]

# Of the parameters that are None: with and without labels. Chosen on synthetic tables (linear, XOR,
# make_classification; correlated blocks), on which the recipe for accuracy finds far less.
_DEFAULTS: dict[str, tuple[Any, Any]] = {
    "importance": ("path", "strength"),
    "activation": ("all_relu", "sigmoid"),
    "dropout": (0.3, 0.0),
    "learning_rate": (0.05, 0.005),
    "weight_decay": (0.001, 0.01),
}


class SparseFeatureSelector(SelectorMixin, BaseEstimator):  # type: ignore[misc]
    """Select the features that a sparse network, while its connections evolve, holds on to.

    With labels, ``fit(X, y)`` trains a sparse classifier. Without, ``fit(X)`` trains a sparse
    denoising autoencoder as QuickSelection does (Atashgahi et al., *Quick and Robust Feature
    Selection*, Machine Learning 2022): outputs without an activation, the squared error against
    the inputs without their noise. SET takes connections from the features that the network has
    little use for and weight decay shrinks the rest, so the weights tell what a feature is worth;
    the features with the highest scores are selected, the first ones among equals.

    The network stores the connections that exist and nothing of the size n_in x n_out, so 50,000
    features are no problem. Scores are those of one training: with few samples average several
    with different values of `random_state`.

    Parameters
    ----------
    n_features_to_select
        How many features to keep: a number of at least 1 (all, with a warning, if there are not as
        many), a fraction in (0, 1] of them as a float, or half of them if None (default), as in
        scikit-learn's RFE; always at least one.
    hidden_layer_sizes
        Neurons of the hidden layers. Default (200,). QuickSelection takes one of 1000.
    epsilon
        The Erdos-Renyi parameter of the connections, as in `SparseMLP`. Default 13.
    importance
        ``"path"`` or ``"strength"``, see `SparseMLP.feature_importance`. None (default) is
        ``"path"`` with labels and ``"strength"``, QuickSelection's own score, without.
    noise
        The standard deviation of the noise on the inputs in training, at least 0. Default 0.2.
    activation
        Of the hidden layers, as in `SparseMLP`. None (default) is ``"all_relu"`` with labels and
        QuickSelection's ``"sigmoid"`` without.
    dropout
        The probability with which a hidden unit is dropped in training. None (default) is 0.3 with
        labels and 0 without.
    epochs
        Passes over the samples. Default 50.
    batch_size
        Samples per step. Default 32.
    learning_rate
        The step size, constant: at the end of a falling one the decay would win over the
        gradient. None (default) is 0.05 with labels and 0.005 without.
    weight_decay
        The fraction of every parameter taken away per step. None (default) is 0.001 with labels
        and 0.01 without, far more than for accuracy: in proportion to `learning_rate`, more of it
        separates features better until the network learns nothing.
    zeta
        The fraction of connections replaced after an epoch, in [0, 1). Default 0.3.
    standardize
        Standardise the features first. Default True: scores compare weights, which only features
        of one scale allow.
    random_state
        An integer, a `numpy.random.RandomState`, or None (default) for NumPy's global one: the seed
        of the network. The same integer gives the same bits for any `n_jobs`.
    n_jobs
        Threads: None (default) is 1 outside of a joblib context, -1 all.

    Attributes
    ----------
    scores_, feature_importances_ : float64 array of shape (n_features_in_,)
        The importance of each feature, at least 0; 0 for features that were constant in `X`.
    n_features_ : int
        The number of selected features.
    n_features_in_ : int
        The number of features that `fit` saw.
    feature_names_in_ : array of str, shape (n_features_in_,)
        Their names, if `X` has such names.
    classes_ : array of shape (n_classes,)
        The labels in the order of the outputs; after a `fit` with labels only.
    model_ : SparseMLP
        The trained network; it takes all features as they are, those that were constant as 0. Its
        `metadata` have the names of features and classes.

    Raises
    ------
    ValueError, TypeError
        From `fit`, if a parameter or the data are wrong; also if training diverges, for which a
        lower `learning_rate` is the remedy.

    Examples
    --------
    >>> import numpy as np
    >>> from trulysparse import SparseFeatureSelector
    >>> x = np.random.default_rng(0).normal(size=(500, 100))
    >>> y = np.where(x[:, 3] * x[:, 7] > 0, "same", "other")
    >>> selector = SparseFeatureSelector(n_features_to_select=2, random_state=0).fit(x, y)
    >>> selector.get_support(indices=True).tolist()
    [3, 7]
    >>> selector.transform(x).shape
    (500, 2)
    """

    def __init__(
        self,
        n_features_to_select: float | None = None,
        *,
        hidden_layer_sizes: Sequence[int] = (200,),
        epsilon: float = 13,
        importance: str | None = None,
        noise: float = 0.2,
        activation: str | None = None,
        dropout: float | None = None,
        epochs: int = 50,
        batch_size: int = 32,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        zeta: float = 0.3,
        standardize: bool = True,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_features_to_select = n_features_to_select
        self.hidden_layer_sizes = hidden_layer_sizes
        self.epsilon = epsilon
        self.importance = importance
        self.noise = noise
        self.activation = activation
        self.dropout = dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.zeta = zeta
        self.standardize = standardize
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None) -> SparseFeatureSelector:
        """Train a network and score the features by its weights.

        Parameters
        ----------
        X
            Samples, (n_samples, n_features): numbers, dense, an array or a frame; two or more
            samples. Computed with in float32.
        y
            Class labels, (n_samples,): numbers or text, two or more classes. None (default) trains
            an autoencoder.

        Returns
        -------
        self
        """
        X = check_sparse("X", X)
        if y is None:
            X = validate_data(self, X, dtype=np.float32, ensure_min_samples=2)
        else:
            refuse_sparse("y", y)
            X, y = validate_data(self, X, y, dtype=np.float32, ensure_min_samples=2)
        n_selected = self._n_selected(X.shape[1])
        if self.importance is not None:
            _check.choice("importance", self.importance, ("path", "strength"))
        constant = _support.constant_features(X)
        # The same for all samples: nothing to learn from, and unscaled it might be huge.
        X = _support.without(X, constant)
        model = self._train(X, y)
        with _support.silent_divergence():
            scores = model.feature_importance(self._setting("importance", y is not None))
        if not np.isfinite(scores).all():
            rate = self._setting("learning_rate", y is not None)
            raise _support.diverged("learning_rate", rate)
        scores[constant] = 0
        self.model_, self.scores_, self.n_features_ = model, scores, n_selected
        return self

    def transform(self, X: Any) -> Any:
        """Reduce X to the selected features.

        Parameters
        ----------
        X
            Samples, (n_samples, n_features): an array, a frame or a SciPy sparse matrix.

        Returns
        -------
        array of shape (n_samples, n_features_)
        """
        return super().transform(check_sparse("X", X))

    def inverse_transform(self, X: Any) -> Any:
        """Put zeros where `transform` left features out.

        Parameters
        ----------
        X
            Samples, (n_samples, n_features_): an array or a SciPy sparse matrix.

        Returns
        -------
        array of shape (n_samples, n_features)
        """
        return super().inverse_transform(check_sparse("X", X))

    def _n_selected(self, n_features: int) -> int:
        value = self.n_features_to_select
        if value is None:
            return max(1, n_features // 2)
        if not isinstance(value, numbers.Integral):
            fraction = _check.real(
                "n_features_to_select",
                value,
                "None, an integer of at least 1 or a fraction in (0, 1]",
                low=0,
                high=1,
                low_open=True,
            )
            return max(1, int(n_features * fraction))
        count = _check.integer("n_features_to_select", value, 1)
        if count > n_features:
            warnings.warn(
                f"n_features_to_select = {count}, but there are {n_features} features: all are "
                "selected",
                UserWarning,
                stacklevel=3,
            )
        return min(count, n_features)

    def _setting(self, name: str, has_labels: bool) -> Any:
        value = getattr(self, name)
        return _DEFAULTS[name][0 if has_labels else 1] if value is None else value

    def _train(self, X: npt.NDArray[np.float32], y: Any) -> SparseMLP:
        has_labels = y is not None
        self.__dict__.pop("classes_", None)  # of an earlier fit
        if has_labels:
            targets: npt.NDArray[Any] = self._encode(y)
            outputs = len(self.classes_)
        else:
            targets = _standardized(X) if _check.boolean("standardize", self.standardize) else X
            outputs = X.shape[1]
        hidden = _support.hidden_sizes(self.hidden_layer_sizes)
        model = SparseMLP(
            [X.shape[1], *hidden, outputs],
            epsilon=self.epsilon,
            activation=self._setting("activation", has_labels),
            loss="cross_entropy" if has_labels else "squared_error",
            init=RECIPE.init,
            fan=RECIPE.fan,
            dropout=self._setting("dropout", has_labels),
            input_noise=_check.real("noise", self.noise, "a number of at least 0", low=0),
            standardize=self.standardize,
            seed=_support.draw_seed(check_random_state(self.random_state)),
            threads=_support.threads(self.n_jobs),
        )
        optimizer = SGD(
            self._setting("learning_rate", has_labels),
            nesterov=RECIPE.optimizer.nesterov,
            weight_decay=self._setting("weight_decay", has_labels),
        )
        with _support.silent_divergence():  # the scores tell as well
            model.fit(
                X,
                targets,
                epochs=_check.integer("epochs", self.epochs, 1),
                batch_size=self.batch_size,
                optimizer=optimizer,
                topology=SET(self.zeta, grow_init=RECIPE.topology.grow_init),
                progress=False,
            )
        _support.write_names(model, self)
        return model

    def _encode(self, y: Any) -> npt.NDArray[np.int64]:
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        classes, codes = np.unique(y, return_inverse=True)
        if len(classes) < 2:
            raise ValueError("y has one class: expected two or more, or no y")
        self.classes_ = classes
        return codes

    @property
    def feature_importances_(self) -> npt.NDArray[np.float64]:
        """The scores, by the name that scikit-learn's tools look for."""
        check_is_fitted(self, "scores_")
        scores: npt.NDArray[np.float64] = self.scores_
        return scores

    def _get_support_mask(self) -> npt.NDArray[np.bool_]:
        check_is_fitted(self, "scores_")
        mask = np.zeros(len(self.scores_), dtype=np.bool_)
        mask[np.argsort(-self.scores_, kind="stable")[: self.n_features_]] = True
        return mask


def _standardized(X: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Standardise as the core does: mean 0 and variance 1; constant features become 0."""
    mean = X.mean(axis=0, dtype=np.float64)
    deviation = X.std(axis=0, dtype=np.float64)
    deviation[deviation == 0] = 1
    targets = np.empty_like(X)
    # Computed in float64 and rounded as it is stored, without an array in float64.
    np.subtract(X, mean, out=targets, casting="same_kind")
    np.divide(targets, deviation, out=targets, casting="same_kind")
    return targets
