"""Feature selection in scikit-learn's interface."""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import numpy as np
import numpy.typing as npt
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_array, check_is_fitted

from trulysparse import _check, _hints, names
from trulysparse.data import columns, frames
from trulysparse.data.blocks import Blocks
from trulysparse.data.outliers import say_outliers
from trulysparse.data.sparse import check_sparse
from trulysparse.estimators import (
    _autoencoder,
    _discovering,
    _eliminating,
    _sampling,
    _selection,
    _state,
    _support,
    _words,
)
from trulysparse.estimators._eliminating import Found
from trulysparse.estimators._tables import Encoder
from trulysparse.estimators._targets import Targets
from trulysparse.estimators._weighted import WeightedSamples, targets_of, weights
from trulysparse.selection.ranking import Step
from trulysparse.streams import RowBlocks
from trulysparse.tables.encoder import TableEncoder
from trulysparse.tables.frame import is_table
from trulysparse.tables.parts import Part

__all__ = ["SparseFeatureSelector"]

_FEWEST = 8  # samples of which some can be held out


class SparseFeatureSelector(SelectorMixin, BaseEstimator):  # type: ignore[misc]
    """Select the columns that sparse networks hold on to while columns leave.

    With labels or other targets, ``fit(X, y)`` trains networks on them. After a number of steps the
    columns with the lowest scores leave, and their connections grow elsewhere; so on, until as many
    are left as are wanted (recursive elimination, as in Guyon et al., 2002, and NeuroFS, Atashgahi
    et al., 2023). Without, ``fit(X)`` trains a sparse denoising autoencoder as QuickSelection does
    (Atashgahi et al., *Quick and Robust Feature Selection*, Machine Learning 2022), and scores its
    weights. The columns with the highest scores are selected, the first ones among equals.

    The networks store the connections that exist and nothing of the size n_in x n_out. Of more than
    20,000 columns, those are tried first that the targets vary with most, and the others have a
    score of 0.

    Parameters
    ----------
    n_features_to_select
        How many columns to keep: a number of at least 1 (all, with a warning, if there are not as
        many), a fraction in (0, 1] of them as a float, or half of them if None (default), as in
        scikit-learn's RFE; always at least one. ``"auto"``, with `y`: the fewest whose loss on a
        quarter of the samples, which is held out for it, is within a standard error of the lowest;
        `path_` has them all. Scores are of all samples then. A warning says if the lowest is not
        below that of a constant prediction by more than its error.
    fdr
        The false discovery rate, a number in (0, 1), only with `y` and instead of
        `n_features_to_select`: of the columns that are selected, the mean share that tells nothing
        about `y` is at most this. As many are selected as keep it; none, with a warning, if none
        tells anything. None (default): a number of columns. Ten networks, or `n_members` if that is
        more, each eliminate the columns together with their shadows. Shadows are the columns with
        the rows in another order, one order for all. The rate holds if columns that tell nothing
        are independent of those that do: a column that goes with one that tells counts as telling.
        It is a mean over tables; of one table the share may be higher. The samples are copied for
        the shadows, and at a rate below 0.1 more than once.
    n_members
        Networks, whose scores are averaged in each round, at most 1000; only with `y`. Default 3.
        More of them are slower, and agree better between two draws of the samples.
    n_subsamples
        How many random halves of the samples are drawn. From each, as many columns are selected
        once more, for `selection_frequency_`; only with `y`. Default 0. Each takes the time of one
        network.
    hidden_layer_sizes
        Neurons of the hidden layers, a number for one layer. None (default) is (100,) with `y` and
        (200,) without. QuickSelection takes one of 1000.
    epsilon
        The Erdos-Renyi parameter of the connections, as in `SparseMLP`. None (default) is 7 with
        `y` and 13 without.
    importance
        ``"path"`` or ``"strength"``, see `SparseMLP.feature_importance`. None (default) is
        ``"path"`` with `y` and ``"strength"``, QuickSelection's score, without.
    task
        What `y` is: ``"classification"``, ``"regression"``, or ``"auto"`` (default): numbers that
        are not whole are values, and all else is classes or, in columns of zeros and ones, labels.
    noise
        The standard deviation of the noise on the inputs in training, at least 0. None (default) is
        0.3 with `y` and 0.2 without. It would leave no zeros, so with `y` sparse `X`, `Blocks` and
        tables with categories get none.
    activation
        Of the hidden layers, as in `SparseMLP`. None (default) is ``"relu"`` with `y` and
        QuickSelection's ``"sigmoid"`` without.
    dropout
        The probability with which a hidden unit is dropped in training. None (default) is 0.35 with
        `y` and 0 without.
    epochs
        Passes over the samples: with `y` of each round, and None (default) is as many as make 200
        steps, at least 12; without, of the training, and None is 50.
    batch_size
        Samples per step. None (default) is a fortieth of the samples, but at least 16 and at most
        128, with `y`, and 32 without.
    learning_rate
        The step size, constant. None (default) is 0.004, of Adam, with `y`, and 0.005, of SGD,
        without.
    weight_decay
        The fraction of every parameter that is taken away per step; with `y` it is multiplied by
        the learning rate. None (default) is, with `y`, 3 for two classes, 12 if there are as many
        samples as columns, and 1 for all else; without, 0.01.
    zeta
        The fraction of connections replaced after an epoch, in [0, 1). Default 0.3.
    standardize
        Standardise the features first, so that scores compare: True all, False none, ``"auto"``
        those of arrays and the columns that most samples of a sparse `X` have, as standardising
        would make the values of rare ones the largest. None (default) is ``"auto"`` with `y` and
        True without.
    random_state
        An integer, a `numpy.random.RandomState`, or None (default) for NumPy's global one: the seed
        of the networks. The same integer gives the same bits for any `n_jobs`.
    n_jobs
        Threads: None (default) is 1 outside of a joblib context, -1 all.

    Attributes
    ----------
    scores_, feature_importances_ : float64 array of shape (n_features_in_,)
        The importance of each column, at least 0; 0 for columns that were constant in `X`. Columns
        that left earlier have lower scores. Of a column of a table the root of the sum of squares
        of what it became, of each level, and that it is missing.
    path_ : list of Step, or None
        With ``n_features_to_select="auto"``, from few `columns` to many: with as many the `loss` of
        held-out samples, its standard `error`, and the `score`, which is the share that is right
        or, of numbers, R2. `trulysparse.plot.selection_path` draws it.
    q_values_ : float64 array of shape (n_features_in_,), or None
        With `fdr`: the lowest rate at which each column is selected.
    selection_frequency_ : float64 array of shape (n_features_in_,), or None
        With `n_subsamples`: the share of the halves of which each column is selected. With `fdr`
        that of the networks in which it comes as far as those that are selected.
    n_features_ : int
        The number of selected columns.
    n_features_in_ : int
        The number of columns that `fit` saw.
    feature_names_in_ : array of str, shape (n_features_in_,)
        Their names, if `X` has such names.
    classes_ : array of shape (n_classes,)
        The classes in the order of the outputs, or the numbers of the labels; only after a `fit`
        with such.
    columns_ : tuple of Part, or None
        Of a frame with text, categories, times or missing cells: what became of each column, and
        why those that are left out are. None of arrays and of frames of numbers only.
    model_ : SparseMLP
        A trained network. It takes all features as they are, and ignores those that are not
        selected. Its `metadata` have the names of features and classes.

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

    # Of selectors that 0.1.0 has pickled.
    task = "auto"
    n_members = 3
    fdr = None
    n_subsamples = 0
    path_: list[Step] | None = None
    q_values_: npt.NDArray[np.float64] | None = None
    selection_frequency_: npt.NDArray[np.float64] | None = None
    _takes_tables = True
    _encoder: Encoder | None = None  # what makes samples of tables

    @_hints.plain
    def __init__(
        self,
        n_features_to_select: float | names.Auto | None = None,
        *,
        fdr: float | None = None,
        n_members: int = 3,
        n_subsamples: int = 0,
        hidden_layer_sizes: int | Sequence[int] | None = None,
        epsilon: float | None = None,
        importance: Literal["path", "strength"] | None = None,
        task: names.Task = "auto",
        noise: float | None = None,
        activation: names.Activation | None = None,
        dropout: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        weight_decay: float | None = None,
        zeta: float = 0.3,
        standardize: names.Standardize | None = None,
        random_state: Any = None,
        n_jobs: int | None = None,
        **unknown: NoReturn,
    ) -> None:
        _words.refuse(self, "__init__", unknown)
        self.n_features_to_select = n_features_to_select
        self.fdr = fdr
        self.n_members = n_members
        self.n_subsamples = n_subsamples
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

    @_hints.plain
    def fit(
        self, X: Any, y: Any = None, sample_weight: Any = None, **unknown: NoReturn
    ) -> SparseFeatureSelector:
        """Train a network and score the features by its weights.

        Parameters
        ----------
        X
            Samples, (n_samples, n_features): an array, a SciPy sparse matrix, which stays sparse,
            `Blocks`, or a table of pandas, polars or Arrow with numbers, text, categories and
            times, as `TableEncoder` takes it; two or more samples. NaN is missing. Computed with
            in float32. Or rows of a file, which `open_table` gives (`RowBlocks`): of more than
            50,000 a random sample of as many is read, of a table with more than 5,000 columns of
            fewer, and more of classes that are rare.
        y
            Classes, (n_samples,), numbers or text; any number of labels per sample, zeros and ones
            of shape (n_samples, n_labels), which may be sparse; or numbers, (n_samples,) or
            (n_samples, n_outputs). None (default) trains an autoencoder, unless rows of a file
            bring targets.
        sample_weight
            Weights, (n_samples,), at least 0; only their proportions matter. None (default): all
            the same.

        Returns
        -------
        self
        """
        _words.refuse(self, "fit", unknown)
        with _support.all_or_nothing(self, in_place=False):
            if isinstance(X, RowBlocks):
                X, y, weight = self._sampled(X, y, sample_weight)
            elif y is None:
                X = _support.validated(self, X, fewest=2)
                weight = weights(sample_weight, X)
            else:
                y = targets_of("y", y)
                X, y = _support.validated(self, X, y, multi_output=True, fewest=2)
                weight = weights(sample_weight, X)
            fdr = _discovering.rate(self, y)
            _discovering.subsamples(self, y)
            takes = self._n_selected if y is None else self._count()
            if takes is not None and fdr is None:
                takes(self.n_features_in_)
                _say_fewer(self.n_features_to_select, self.n_features_in_)
            if self.importance is not None:
                _check.choice("importance", self.importance, ("path", "strength"))
            target = None
            if y is not None:
                target, y = _selection.target(self.task, y, weight)
            known = _selection.feature_names(self)
            _selection.refuse_extremes(X, known, standardizes=self.standardize is not False)
            samples = WeightedSamples(X, np.zeros(X.shape[0]) if y is None else y, weight)
            samples = samples.with_weight(2).of_mean_weight_one()
            constant = _support.constant_features(samples.X)
            self.__dict__.pop("classes_", None)  # of an earlier fit
            made = (
                self._encoded(samples, constant)
                if target is None
                else self._eliminated(samples, target, constant)
            )
            _say_scoreless(made.scores, made.selected, varying=made.varying)
            self.model_, self.scores_ = made.model, made.scores
            self.n_features_, self.path_ = made.selected, made.path
            self.q_values_, self.selection_frequency_ = made.q_values, made.frequency
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
        if isinstance(X, RowBlocks):
            raise TypeError(
                "X: expected samples in memory, not rows of a file; open the file with the columns "
                "of get_feature_names_out() instead"
            )
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

    def _sampled(self, rows: RowBlocks, y: Any, weight: Any) -> _sampling.Sampled:
        """Read some rows of a file, which has their targets."""
        for name, value in (("y", y), ("sample_weight", weight)):
            if value is not None:
                raise TypeError(f"{name}: expected None, as the rows have theirs")
        if len(rows) < 2:
            raise ValueError(f"X has {len(rows)} row: expected two or more")
        seed = _support.draw_seed(_support.random(self.random_state))
        found = _sampling.sampled(self, rows, np.random.default_rng([seed, 4]))
        return found._replace(weight=weights(found.weight, found.X))

    @property
    def columns_(self) -> tuple[Part, ...] | None:
        """What became of each column of the frame that `fit` saw; None if all are numbers."""
        check_is_fitted(self, "scores_")
        return self._encoder.columns_ if isinstance(self._encoder, TableEncoder) else None

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
        if issparse(X):
            return super().inverse_transform(X)
        mask = self._get_support_mask()
        X = check_array(X, dtype=None, ensure_all_finite="allow-nan", ensure_min_features=0)
        if X.shape[1] != mask.sum():
            raise ValueError(
                f"X has {X.shape[1]} columns: expected {mask.sum()}, as many as are selected"
            )
        found = np.zeros((len(X), len(mask)), X.dtype)
        found[:, mask] = X
        return found

    def _n_selected(self, n_features: int) -> int:
        value = _check.plain(self.n_features_to_select)
        if value is None:
            return max(1, n_features // 2)
        is_fraction = not isinstance(value, numbers.Integral)
        if is_fraction and not (_check.is_number(value) and value > 1 and value % 1 == 0):
            fraction = _check.real(
                "n_features_to_select",
                value,
                "None, 'auto' with y, an integer of at least 1 or a fraction in (0, 1]",
                low=0,
                high=1,
                low_open=True,
            )
            return max(1, int(n_features * fraction))
        return min(_check.integer("n_features_to_select", value, 1), n_features)

    def _count(self) -> Callable[[int], int] | None:
        """Give what tells how many of the columns are selected; None: held-out samples."""
        value = self.n_features_to_select
        return None if isinstance(value, str) and value == "auto" else self._n_selected

    def _eliminated(self, samples: WeightedSamples, target: Targets, constant: Any) -> Found:
        """Score by networks that train on targets while columns leave."""
        if "classes_" in target.attributes():
            self.classes_ = target.attributes()["classes_"]
        X = samples.X
        if self.standardize is not False:
            say_outliers("X", X, getattr(self, "feature_names_in_", None), stacklevel=3)
        count = self._count()
        if count is None and X.shape[0] < _FEWEST:
            raise ValueError(
                f"n_features_to_select = 'auto' with {X.shape[0]} samples: expected {_FEWEST} or "
                "more, as a quarter is held out"
            )
        fdr = _discovering.rate(self, samples.y)
        if fdr is None:
            made = _eliminating.found(self, samples, target, constant, count)
        else:
            made = _discovering.found(self, samples, target, constant, fdr)
        if halves := _discovering.subsamples(self, samples.y):
            shares = _discovering.frequency(self, samples, target, made.selected, halves)
            made = made._replace(frequency=shares)
        history = made.history
        if history is not None:
            if history.trouble is not None and (issparse(X) or isinstance(X, Blocks)):
                history.trouble = history.trouble.of_sparse()
            _support.warn_of_trouble(history, stacklevel=4)
        _support.say_lost(made.first, X)
        _support.say_merged(made.first, X, target.encode(samples.y, "y"), self)
        _support.write_names(made.model, self)
        return made

    def _encoded(self, samples: WeightedSamples, constant: Any) -> Found:
        """Score by an autoencoder."""
        X, selected = samples.X, self._n_selected(self.n_features_in_)
        _support.warn_of_empty_columns(X)
        fields = _autoencoder.Settings._fields
        given = {name: getattr(self, name) for name in fields}
        known = {name: value for name, value in given.items() if value is not None}
        settings = _autoencoder.Settings(**known)
        if self.standardize is not False:
            say_outliers("X", X, getattr(self, "feature_names_in_", None), stacklevel=3)
        has_levels = isinstance(X, Blocks) or (
            issparse(X) and isinstance(self._encoder, TableEncoder)
        )
        # The same for all samples: nothing to learn from, and unscaled it might be huge.
        model = _autoencoder.trained(
            self, samples.without(constant), settings, has_levels=has_levels
        )
        _support.write_names(model, self)
        scores = _autoencoder.scores(model, settings)
        scores[constant] = 0
        scores, varying = _selection.of_columns(self._encoder, model, X, scores, ~constant)
        return Found(scores, selected, varying, model, model, None, None)

    if not TYPE_CHECKING:  # which would then take any name
        __getattr__ = _words.of_selector

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


def _say_fewer(wanted: Any, n_features: int) -> None:
    """Warn if more features are to be selected than there are."""
    wanted = _check.plain(wanted)
    if wanted is not None and wanted > n_features:
        warnings.warn(
            f"n_features_to_select = {wanted}, but there are {n_features} features: all are "
            "selected",
            UserWarning,
            stacklevel=3,
        )


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
