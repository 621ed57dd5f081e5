"""Feature selection in scikit-learn's interface (extra ``sklearn``)."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_is_fitted

from trulysparse import _check
from trulysparse.data import columns, frames
from trulysparse.data.blocks import Blocks
from trulysparse.data.outliers import say_outliers
from trulysparse.data.sparse import check_sparse
from trulysparse.estimators import _selection, _state, _support
from trulysparse.estimators._stopping import is_finite
from trulysparse.estimators._tables import Encoder
from trulysparse.estimators._targets import Targets
from trulysparse.estimators._weighted import WeightedSamples, targets_of, weights
from trulysparse.model import SparseMLP
from trulysparse.optim import SGD
from trulysparse.recipe import RECIPE
from trulysparse.tables.encoder import TableEncoder
from trulysparse.tables.frame import is_table
from trulysparse.topology import SET

__all__ = ["SparseFeatureSelector"]

# Of the parameters that are None: for classes and labels, for numbers, and without targets. Chosen
# on synthetic tables (linear, XOR, make_classification, make_friedman1; correlated blocks), where
# the recipe for accuracy finds far less.
_DEFAULTS: dict[str, tuple[Any, Any, Any]] = {
    "importance": ("path", "path", "strength"),
    "activation": ("all_relu", "all_relu", "sigmoid"),
    "dropout": (0.3, 0.3, 0.0),
    "learning_rate": (0.05, 0.005, 0.005),
    "weight_decay": (0.001, 0.002, 0.01),
}


class SparseFeatureSelector(SelectorMixin, BaseEstimator):  # type: ignore[misc]
    """Select the features that a sparse network, while its connections evolve, holds on to.

    With labels or other targets, ``fit(X, y)`` trains a sparse network on them. Without, ``fit(X)``
    trains a sparse denoising autoencoder as QuickSelection does (Atashgahi et al., *Quick and
    Robust Feature Selection*, Machine Learning 2022): outputs without an activation, the squared
    error against the inputs without their noise. SET takes connections from the features that the
    network has little use for and weight decay shrinks the rest, so the weights tell what a feature
    is worth; the features with the highest scores are selected, the first ones among equals.

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
        Neurons of the hidden layers, a number for one layer. Default (200,). QuickSelection takes
        one of 1000.
    epsilon
        The Erdos-Renyi parameter of the connections, as in `SparseMLP`. Default 13.
    importance
        ``"path"`` or ``"strength"``, see `SparseMLP.feature_importance`. None (default) is
        ``"path"`` with `y` and ``"strength"``, QuickSelection's own score, without.
    task
        What `y` is: ``"classification"``, ``"regression"``, or ``"auto"`` (default): numbers that
        are not whole are values, and all else is classes or, in columns of zeros and ones, labels.
    noise
        The standard deviation of the noise on the inputs in training, at least 0. Default 0.2. It
        leaves no zeros, so every batch of a sparse `X` becomes dense for it; with 0 and `y` none
        does. Of tables with categories, and of `Blocks`, only the numbers get noise.
    activation
        Of the hidden layers, as in `SparseMLP`. None (default) is ``"all_relu"`` with `y` and
        QuickSelection's ``"sigmoid"`` without.
    dropout
        The probability with which a hidden unit is dropped in training. None (default) is 0.3 with
        `y` and 0 without.
    epochs
        Passes over the samples. Default 50.
    batch_size
        Samples per step. Default 32.
    learning_rate
        The step size, constant: at the end of a falling one the decay would win over the
        gradient. None (default) is 0.05 with classes or labels and 0.005 otherwise.
    weight_decay
        The fraction of every parameter taken away per step. None (default) is 0.001 with
        classes or labels, 0.002 with numbers and 0.01 without `y`, far more than for accuracy: in
        proportion to `learning_rate`, more of it separates features better until the network learns
        nothing.
    zeta
        The fraction of connections replaced after an epoch, in [0, 1). Default 0.3.
    standardize
        Standardise the features first. Default True: scores compare weights, which only features
        of one scale allow. For sparse `X` use False: standardising would make its rarest values the
        largest. If its columns differ in scale, use scikit-learn's MaxAbsScaler before.
    random_state
        An integer, a `numpy.random.RandomState`, or None (default) for NumPy's global one: the seed
        of the network. The same integer gives the same bits for any `n_jobs`.
    n_jobs
        Threads: None (default) is 1 outside of a joblib context, -1 all.

    Attributes
    ----------
    scores_, feature_importances_ : float64 array of shape (n_features_in_,)
        The importance of each feature, at least 0; 0 for features that were constant in `X`. Of a
        column of a table the root of the sum of squares of what it became: of each level, and that
        it is missing, with the standard deviation as a factor.
    n_features_ : int
        The number of selected features.
    n_features_in_ : int
        The number of features that `fit` saw.
    feature_names_in_ : array of str, shape (n_features_in_,)
        Their names, if `X` has such names.
    classes_ : array of shape (n_classes,)
        The classes in the order of the outputs, or the numbers of the labels; only after a `fit`
        with such.
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

    task = "auto"  # of selectors that 0.1.0 has pickled
    _takes_tables = True
    _encoder: Encoder | None = None  # what makes samples of tables

    def __init__(
        self,
        n_features_to_select: float | None = None,
        *,
        hidden_layer_sizes: int | Sequence[int] = (200,),
        epsilon: float = 13,
        importance: str | None = None,
        task: str = "auto",
        noise: float = 0.2,
        activation: str | None = None,
        dropout: float | None = None,
        epochs: int = 50,
        batch_size: int = 32,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        zeta: float = 0.3,
        standardize: bool | str = True,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_features_to_select = n_features_to_select
        self.hidden_layer_sizes = hidden_layer_sizes
        self.epsilon = epsilon
        self.importance = importance
        self.task = task
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

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> SparseFeatureSelector:
        """Train a network and score the features by its weights.

        Parameters
        ----------
        X
            Samples, (n_samples, n_features): an array, a SciPy sparse matrix, which stays sparse,
            `Blocks`, or a table of pandas, polars or Arrow with numbers, text, categories and
            times, as `TableEncoder` takes it; two or more samples. NaN is missing. Computed with
            in float32.
        y
            Classes, (n_samples,), numbers or text; any number of labels per sample, zeros and ones
            of shape (n_samples, n_labels), which may be sparse; or numbers, (n_samples,) or
            (n_samples, n_outputs). None (default) trains an autoencoder.
        sample_weight
            Weights, (n_samples,), at least 0; only their proportions matter. None (default): all
            the same.

        Returns
        -------
        self
        """
        with _support.all_or_nothing(self, in_place=False):
            if y is None:
                X = _support.validated(self, X, fewest=2)
            else:
                y = targets_of("y", y)
                X, y = _support.validated(self, X, y, multi_output=True, fewest=2)
            weight = weights(sample_weight, X)
            n_selected = self._n_selected(self.n_features_in_)
            if self.importance is not None:
                _check.choice("importance", self.importance, ("path", "strength"))
            target = None
            if y is not None:
                target, y = _selection.target(self.task, y)
            samples = WeightedSamples(X, np.zeros(X.shape[0]) if y is None else y, weight)
            samples = samples.with_weight().of_mean_weight_one()
            constant = _support.constant_features(samples.X)
            # The same for all samples: nothing to learn from, and unscaled it might be huge.
            model = self._train(samples.without(constant), target)
            with _support.silent_divergence():
                scores = model.feature_importance(self._setting("importance", target))
            if not np.isfinite(scores).all():
                rate = self._setting("learning_rate", target)
                raise _support.diverged("learning_rate", rate)
            scores[constant] = 0
            scores, varying = _selection.of_columns(
                self._encoder, model, samples.X, scores, ~constant
            )
            _say_scoreless(scores, n_selected, varying=varying)
            self.model_, self.scores_, self.n_features_ = model, scores, n_selected
        return self

    def transform(self, X: Any) -> Any:
        """Reduce X to the selected features.

        Parameters
        ----------
        X
            Samples, (n_samples, n_features): what `fit` takes.

        Returns
        -------
        array of shape (n_samples, n_features_)
            Or a sparse matrix, or blocks, as `X` is; blocks of which one has no column left are
            the other. Of a frame a frame of the same library, with the cells as they are.
        """
        check_is_fitted(self, "scores_")
        mask = self._get_support_mask()
        if isinstance(self._encoder, TableEncoder) and is_table(X):
            self._encoder._check_labels("X", X)
            return _selection.of_table(X, mask, self._labels())
        X = check_sparse("X", X)
        _support.validated(self, X, reset=False)  # a number of each value, as in `fit`
        if isinstance(X, Blocks):
            return _selection.of_blocks(X, mask)
        if frames.is_frame(X):
            return _selection.of_table(X, mask, self._labels())
        return super().transform(X)

    def _labels(self) -> list[str] | None:
        """Give the names of all columns as text, if there are such."""
        if isinstance(self._encoder, TableEncoder):
            return [part.name for part in self._encoder.columns_]
        known = getattr(self, "feature_names_in_", None)
        return None if known is None else list(map(str, known))

    def inverse_transform(self, X: Any) -> Any:
        """Put zeros where `transform` left features out.

        Parameters
        ----------
        X
            Samples, (n_samples, n_features_): an array, a frame with the columns of `transform`, or
            a SciPy sparse matrix.

        Returns
        -------
        array of shape (n_samples, n_features)
        """
        check_is_fitted(self, "scores_")
        if isinstance(self._encoder, TableEncoder) or isinstance(X, Blocks):
            raise TypeError(
                "inverse_transform puts zeros where columns are not selected: expected a selector "
                "of one array of numbers, or of one sparse matrix"
            )
        X = check_sparse("X", X)
        frames.refuse("X", X)
        known = getattr(self, "feature_names_in_", None)
        if known is not None:
            columns.refuse_others("X", X, list(map(str, known[self.get_support()])))
        return super().inverse_transform(X)

    def _n_selected(self, n_features: int) -> int:
        value = _check.plain(self.n_features_to_select)
        if value is None:
            return max(1, n_features // 2)
        is_fraction = not isinstance(value, numbers.Integral)
        if is_fraction and not (_check.is_number(value) and value > 1 and value % 1 == 0):
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

    def _noise(self) -> float:
        return _check.real("noise", self.noise, "a number of at least 0", low=0)

    def _setting(self, name: str, target: Targets | None) -> Any:
        value = getattr(self, name)
        kind = 2 if target is None else 1 if target.loss == "squared_error" else 0
        return _DEFAULTS[name][kind] if value is None else value

    def _train(self, samples: WeightedSamples, target: Targets | None) -> SparseMLP:
        self.__dict__.pop("classes_", None)  # of an earlier fit
        model = self._network(samples.X, target)
        _support.say_lost(model, samples.X)
        if target is not None and "classes_" in target.attributes():
            self.classes_ = target.attributes()["classes_"]
        optimizer = SGD(
            self._setting("learning_rate", target),
            nesterov=RECIPE.optimizer.nesterov,
            weight_decay=self._setting("weight_decay", target),
        )
        y = None if target is None else target.encode(samples.y, "y")
        given: dict[str, Any] = {"batch_size": self.batch_size}
        is_sparse = issparse(samples.X) or isinstance(samples.X, Blocks)
        if is_sparse and (y is None or self._noise() > 0):
            noise = self._noise() if isinstance(samples.X, Blocks) else 0.0
            given["x"] = _selection.Batches(model, samples, y, self.batch_size, noise)
        else:
            y = samples.X if y is None else y
            given.update(x=samples.X, y=y, sample_weight=samples.weight)
        if self.standardize:
            names = getattr(self, "feature_names_in_", None)
            say_outliers("X", samples.X, names, stacklevel=3)
        with _support.silent_divergence():
            history = model.fit(
                **given,
                epochs=_check.integer("epochs", self.epochs, 1),
                optimizer=optimizer,
                topology=SET(self.zeta, grow_init=RECIPE.topology.grow_init),
                progress=False,
            )
        if is_sparse and history.trouble is not None:
            history.trouble = history.trouble.of_sparse()
        if is_finite(history):  # else the scores are not, which is an error
            _support.warn_of_trouble(history)
            _support.say_merged(model, samples.X, None if target is None else y, self)
        _support.write_names(model, self)
        return model

    def _network(self, X: Any, target: Targets | None) -> SparseMLP:
        hidden = _support.hidden_sizes(self.hidden_layer_sizes)
        has_levels = isinstance(X, Blocks) or (
            issparse(X) and isinstance(self._encoder, TableEncoder)
        )
        standardizes = _selection.standardizes(
            self.standardize, is_sparse=issparse(X), has_levels=has_levels
        )
        return SparseMLP(
            [X.shape[1], *hidden, X.shape[1] if target is None else target.outputs],
            epsilon=self.epsilon,
            activation=self._setting("activation", target),
            loss="squared_error" if target is None else target.loss,
            init=RECIPE.init,
            fan=RECIPE.fan,
            dropout=self._setting("dropout", target),
            input_noise=0.0 if has_levels else self._noise(),
            standardize=standardizes,
            standardize_targets=standardizes is not False
            if target is None
            else target.loss == "squared_error",
            seed=_support.draw_seed(_support.random(self.random_state)),
            threads=_support.threads(self.n_jobs),
        )

    def __setstate__(self, state: Any) -> None:
        """Take the state of a pickle, once it is checked."""
        _state.check(type(self), state, _state.SELECTOR)
        super().__setstate__(state)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what the selector can do."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags

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


def _say_scoreless(scores: npt.NDArray[np.float64], selected: int, *, varying: int) -> None:
    """Warn if features are selected that have no score, such as those with one value."""
    scored = int(np.count_nonzero(scores))
    if scored < selected:
        warnings.warn(
            f"{selected} features are selected, but {scored} of {len(scores)} have a score above "
            f"0, and {varying} vary in X: the others are taken from the left",
            UserWarning,
            stacklevel=3,
        )
