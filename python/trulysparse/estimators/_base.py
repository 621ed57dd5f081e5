"""What the classifier and the regressor share: parameters, training, what can be looked at."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence, Sized
from typing import TYPE_CHECKING, Any, Literal, NoReturn
from weakref import WeakKeyDictionary

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from trulysparse import _check, _files, _hints, names
from trulysparse.callbacks import Callback
from trulysparse.data import columns, seen
from trulysparse.data.blocks import Blocks
from trulysparse.data.numeric import refuse_held_sparse
from trulysparse.data.outliers import say_outliers
from trulysparse.data.spread import Columns
from trulysparse.estimators import (
    _automatic,
    _choosing,
    _explaining,
    _making,
    _many,
    _partial,
    _rows,
    _saved,
    _scaling,
    _state,
    _support,
    _tables,
    _watching,
    _words,
)
from trulysparse.estimators._learnt import Learnt
from trulysparse.estimators._looks import Looks
from trulysparse.estimators._stopping import Scorer, Tries, is_finite
from trulysparse.estimators._tables import Encoder
from trulysparse.estimators._targets import Array, Targets
from trulysparse.estimators._weighted import WeightedSamples, partial_targets_of, weights
from trulysparse.history import History
from trulysparse.model import SparseMLP
from trulysparse.optim import Optimizer
from trulysparse.presets import TABLE
from trulysparse.streams import RowBlocks
from trulysparse.streams.held import rows_of
from trulysparse.topology import ImportancePruning, Rule

# What a network's outputs are, where another thread may be about to replace both in an estimator.
_TARGET_OF: WeakKeyDictionary[SparseMLP, Targets] = WeakKeyDictionary()


class SparseEstimator(Looks, BaseEstimator, ABC):  # type: ignore[misc]
    """The base of both, which say what targets they take and how these are encoded."""

    model_: SparseMLP
    loss_curve_: list[float]
    n_retries_: int
    notes_: list[str]
    _target: Targets
    # Of estimators that 0.1.0 has pickled: features with one value, of which their networks know
    # nothing.
    _constant: _support.Mask | None = None
    _encoder: Encoder | None = None  # what makes samples of tables
    _shares: Any = None  # the means of its sparse features
    _seen: list[str] | None = None  # hashes of rows that were trained on, if they are known
    # Parameters that older pickles have not.
    scale: str | bool | None = "auto"
    clip: float | str | None = "auto"
    input_gain: float | str = "auto"
    label_smoothing: float | str = "auto"
    feature_selection: bool | str = "auto"
    n_members: int = 1
    n_snapshots: int = 1
    # The features that the network takes; None: all.
    features_used_: Any = None
    # The scale that the network was made with, and the features that are scaled by spreads.
    _scale: str | None = None
    _robust: Columns | None = None
    _held: Any = None  # the rows by which it is scored while it trains
    _takes_tables = True
    _orders_columns = True  # nothing is done with X but by what `validated` gives
    _counts_classes = False
    _RATE: float  # of learning_rate_init="auto"
    _FEWEST_SCORED = 1  # samples that have a score

    @_hints.plain
    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] | names.Auto = "auto",
        activation: names.Activation = TABLE.activation,
        *,
        slope: float = TABLE.slope,
        epsilon: float = TABLE.epsilon,
        density: float | None = None,
        dropout: float | names.Auto = "auto",
        input_noise: float = 0.0,
        input_gain: float | names.Auto = "auto",
        label_smoothing: float | names.Auto = "auto",
        batch_size: int | names.Auto = "auto",
        learning_rate: Literal["constant", "cosine"] = TABLE.schedule,
        learning_rate_init: float | names.Auto = "auto",
        momentum: float = TABLE.momentum,
        nesterovs_momentum: bool = TABLE.nesterov,
        weight_decay: float | names.Auto = "auto",
        optimizer: Optimizer | names.Optimizer | names.Auto | None = "auto",
        max_iter: int | names.Auto = "auto",
        topology: Rule | names.Topology | names.Auto | None = "auto",
        zeta: float = TABLE.zeta,
        grow_init: float = TABLE.grow_init,
        pruning: ImportancePruning | None = None,
        standardize: names.Standardize = "auto",
        scale: names.Scale | bool | None = "auto",
        clip: float | names.Auto | None = "auto",
        feature_selection: bool | names.Auto = "auto",
        n_members: int = 1,
        n_snapshots: int = 1,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        warm_start: bool = False,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: bool = False,
        **unknown: NoReturn,
    ) -> None:
        _words.refuse(self, "__init__", unknown)
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.slope, self.epsilon, self.density = slope, epsilon, density
        self.dropout, self.label_smoothing = dropout, label_smoothing
        self.input_noise, self.input_gain = input_noise, input_gain
        self.batch_size, self.max_iter = batch_size, max_iter
        self.learning_rate, self.learning_rate_init = learning_rate, learning_rate_init
        self.momentum, self.nesterovs_momentum = momentum, nesterovs_momentum
        self.weight_decay, self.optimizer = weight_decay, optimizer
        self.topology, self.pruning = topology, pruning
        self.zeta, self.grow_init = zeta, grow_init
        self.standardize, self.scale, self.clip = standardize, scale, clip
        self.feature_selection = feature_selection
        self.n_members, self.n_snapshots = n_members, n_snapshots
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change, self.tol = n_iter_no_change, tol
        self.warm_start, self.random_state = warm_start, random_state
        self.n_jobs, self.verbose = n_jobs, verbose

    # --- what differs -------------------------------------------------------------------------

    @abstractmethod
    def _checked(self, y: Array, name: str) -> Array:
        """Check the kind of targets that `name`, validated, has, as an array."""

    @abstractmethod
    def _learn(
        self, y: Array, weight: Array | None, classes: Any = None, *, is_batch: bool = False
    ) -> Targets:
        """Learn from the first targets how to encode them; `is_batch` if there may be more."""

    def _class_weights(self, y: Array, *, whole: bool) -> Array | None:
        """Give weights of samples by their targets, of all samples if `whole`."""
        return None

    def _same_classes(self, classes: Any) -> None:
        """Check the classes of a `partial_fit` that is not the first."""

    # --- training -----------------------------------------------------------------------------

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        X_val: Any,
        y_val: Any,
        callbacks: Any,
        scoring: Any,
    ) -> None:
        goes_on = _check.boolean("warm_start", self.warm_start) and hasattr(self, "model_")
        stops = _check.boolean("early_stopping", self.early_stopping)
        patience = _check.integer("n_iter_no_change", self.n_iter_no_change, 1)
        tol = _check.real("tol", self.tol, "a number of at least 0", low=0)
        _automatic.check_epochs(self.max_iter)
        random = _support.random(self.random_state)
        is_scored = stops or X_val is not None
        self._check_pruning(is_scored=is_scored)
        watching = _watching.Watching.of(self, callbacks, scoring, is_scored=is_scored)
        rows = rows_of(X, y, sample_weight)
        _many.check(self, X if rows is None else rows, stops=stops)

        if rows is not None:
            made = _rows.prepare(self, rows, X_val, y_val, stops=stops)
            watch = None
            if made.score is not None:
                watch = Scorer(made.score, patience if stops else None, tol)
            whole, learnt = self._learnt_rows(made)
            after = watching.after(self, made.target, made.held)
            self._search(whole, None, learnt, random, watch, made.validation, after=after)
            return
        samples = self._samples(X, y, sample_weight, reset=not goes_on, fewest=1 if goes_on else 2)
        target = self._target if goes_on else self._learn(samples.y, samples.weight)
        self._seen = seen.merged(self._seen if goes_on else [], seen.sketch(samples.X))
        held_out = self._held_out(X_val, y_val)
        samples = samples.with_weight(1 if goes_on else 2)
        samples = samples.times(self._class_weights(samples.y, whole=True))
        if stops and held_out is None:
            samples, held_out = samples.split(self._fraction(), target, random)
        samples = samples.of_mean_weight_one()
        encoded = target.encode(samples.y, "y")
        learnt = self._learnt(target, samples.X, goes_on=goes_on, whole=True)
        _support.warn_of_left_out(samples.X, self._constant)
        samples, held_out = self._without(samples), self._without(held_out)

        watch, validation, held = None, None, None
        if held_out is not None:
            held = _watching.of_split(self, X if X_val is None else X_val, held_out)
            validation = (held_out.X, target.encode(held_out.y, "y_val"))
            watch = Scorer(_scorer(target, held_out), patience if stops else None, tol)
        if not goes_on:
            self._say_odd(samples.X, learnt)
        after = watching.after(self, target, held)
        self._search(
            samples, encoded, learnt, random, watch, validation, after=after, goes_on=goes_on
        )
        if not goes_on:
            self._shares = _explaining.shares(samples.X, self._encoder)

    def _say_odd(self, X: Any, learnt: Learnt) -> None:
        """Warn of what is odd in the samples of a first fit; from `_fit`."""
        _support.warn_of_empty_columns(X, stacklevel=5)
        if learnt.scaling.standardize and learnt.scaling.robust is None:
            say_outliers("X", X, getattr(self, "feature_names_in_", None), stacklevel=4)

    def _learnt_rows(self, made: _rows.Prepared) -> tuple[WeightedSamples, Learnt]:
        """Give the rows of a file to train on, and what is learnt of them."""
        scaling = _scaling.of_rows(
            _scaling.of(self),
            is_sparse=made.is_sparse,
            is_csr=made.is_csr,
            loss=made.target.loss,
        )
        self._seen = None
        whole = WeightedSamples(made.rows, np.empty(0), None)  # they have their targets
        return whole, Learnt(made.target, made.is_sparse, scaling)

    def _search(
        self,
        samples: WeightedSamples,
        encoded: Any,
        learnt: Learnt,
        random: np.random.RandomState,
        watch: Scorer | None,
        validation: Any,
        *,
        after: Sequence[Callback],
        goes_on: bool = False,
    ) -> None:
        """Train at ever lower rates, until one does not explode, and keep what comes of it."""
        making = _making.of(self, samples, learnt, whole=True)
        preset = making.preset
        settings = {
            "epochs": _automatic.epochs(self.max_iter, preset),
            "validation_data": validation,
            "schedule": _check.choice("learning_rate", self.learning_rate, ("constant", "cosine")),
            "topology": making.topology(),
            "pruning": self.pruning,
            "progress": _check.boolean("verbose", self.verbose),
        }
        seed = _support.draw_seed(random)
        chosen, sharpness = None, 1.0
        if not goes_on:
            chosen, sharpness = _choosing.choose(making, samples, encoded, seed)
        else:
            chosen = self.features_used_
        if chosen is not None:
            settings["topology"] = None  # it would grow where features were left out
        rates = making.rates(retry=not goes_on)
        tries = Tries(rates, watch)
        for rate in rates:
            model = making.network(samples, seed, goes_on=goes_on, features=chosen)
            if rate == rates[0]:
                _support.say_lost(model, samples.X)
            settings["callbacks"] = [*tries.callbacks(rate), *after]
            history = making.train(model, samples, encoded, rate=rate, **settings)
            if tries.is_done(rate, history):
                break
        if not is_finite(history, keeps_best=watch is not None and watch.keeps_best):
            raise self._diverged(rate)
        _support.warn_of_trouble(history, stacklevel=5)
        _support.say_merged(model, samples.X, encoded, self)
        if sharpness != 1:
            model._core.sharpen(sharpness)
        if not goes_on:
            self.notes_ = _tables.notes(self, samples.X, encoded, learnt.target.loss)
            self.notes_ += _tables.of_left_out(self, chosen, samples.X.shape[1])
        if watch is not None and watch.keeps_best:
            history.kept_epoch = history.epoch[watch.best_epoch]
        self._keep(model, learnt, history, goes_on=goes_on)
        if not goes_on:
            self.features_used_ = chosen
        self.n_retries_ = tries.retries
        self.validation_scores_ = None if watch is None else watch.scores
        self.best_validation_score_ = None if watch is None else watch.best

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> None:
        goes_on = hasattr(self, "model_")
        _many.refuse_batches(self)
        refuse_held_sparse("classes", classes)
        if classes is not None and (not isinstance(classes, Sized) or isinstance(classes, str)):
            expected = "a sequence of classes, such as ['no', 'yes']"
            raise TypeError(f"classes = {_check.shown(classes)}: expected {expected}")
        samples = self._samples(X, y, sample_weight, reset=not goes_on)
        if not goes_on:
            target = self._learn(samples.y, samples.weight, classes, is_batch=True)
        else:
            target = self._target
            self._same_classes(classes)
        samples = samples.with_weight()
        samples = samples.times(self._class_weights(samples.y, whole=False))
        encoded = target.encode(samples.y, "y")
        _support.warn_of_left_out(samples.X, self._constant)
        samples = self._without(samples)
        seed = _support.next_seed(self.random_state, is_used=not goes_on)
        learnt = self._learnt(target, samples.X, goes_on=goes_on, whole=False)
        making = _making.of(self, samples, learnt, whole=False)
        model = making.network(samples, seed, goes_on=goes_on)
        (rate,) = making.rates(retry=False)
        _support.say_lost(model, samples.X)
        how: dict[str, Any] = {"rate": rate, "epochs": 1, "schedule": "constant"}
        model._follow(rate, samples.X, encoded, samples.weight)
        how |= {"topology": None, "progress": False}
        history = making.train(model, samples, encoded, **how)
        if not is_finite(history):
            raise self._diverged(rate)
        _support.warn_of_trouble(history)
        _support.say_merged(model, samples.X, encoded, self)
        if not goes_on:
            self.notes_ = []  # of a whole table only
        self._seen = None
        self._keep(model, learnt, history, goes_on=goes_on)

    def _check_pruning(self, *, is_scored: bool) -> None:
        tolerance = getattr(self.pruning, "tolerance", None)
        if tolerance is not None and not is_scored:
            raise ValueError(
                f"pruning with tolerance = {tolerance!r}: expected early_stopping=True, or X_val "
                "and y_val of fit, as it is measured on held-out samples"
            )

    def _samples(
        self, X: Any, y: Any, sample_weight: Any, *, reset: bool, fewest: int = 1
    ) -> WeightedSamples:
        X, y = self._validated(X, y, reset=reset, fewest=fewest)
        return _partial.with_labels(WeightedSamples(X, y, weights(sample_weight, X)), "y")

    def _validated(
        self, X: Any, y: Any, *, reset: bool, name: str = "y", fewest: int = 1
    ) -> tuple[Any, Array]:
        labels = columns.labels(y)
        y = self._targets(y, name, reset=reset)
        how: dict[str, Any] = {"name": "X" if name == "y" else "X_val", "reset": reset}
        if _partial.is_partial(y):
            X = _support.validated(self, X, fewest=fewest, **how)
            check_consistent_length(X, y)
        else:
            X, y = _support.validated(self, X, y, multi_output=True, fewest=fewest, **how)
        y = self._checked(y, name)
        if reset:
            self._target_labels = labels
        return X, y

    def _targets(self, y: Any, name: str, *, reset: bool = False) -> Any:
        """Give targets that are safe to look at, NaN where some are missing; checked no further.

        A frame's columns must be those of the first fit, unless there is one only.
        """
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is None: "
                "expected targets, or RowBlocks for X, which have theirs"
            )
        safe = partial_targets_of(name, y)
        if not reset and len(getattr(y, "columns", ())) > 1:
            columns.refuse_others(name, y, getattr(self, "_target_labels", None))
        return safe

    def _held_out(self, X_val: Any, y_val: Any) -> WeightedSamples | None:
        if (X_val is None) != (y_val is None):
            given, missing = ("X_val", "y_val") if y_val is None else ("y_val", "X_val")
            raise ValueError(f"{given} without {missing}: expected both or none")
        if X_val is None:
            return None
        fewest = self._FEWEST_SCORED
        X_val, y_val = self._validated(X_val, y_val, reset=False, name="y_val", fewest=fewest)
        samples = WeightedSamples(X_val, y_val, self._class_weights(y_val, whole=True))
        return _partial.with_labels(samples, "y_val")

    def _scored(self, X: Any, y: Any) -> Any:
        """Give the targets that a score is by: those of rows of a file, if there are no others."""
        if y is None and isinstance(X, RowBlocks):
            y = _rows.labels(X)
        return self._targets(y, "y")

    def _fraction(self) -> float:
        return _check.real(
            "validation_fraction",
            self.validation_fraction,
            "a number in (0, 1)",
            low=0,
            high=1,
            low_open=True,
            high_open=True,
        )

    def _is_sparse(self, X: Any, goes_on: bool) -> bool:
        """Tell whether the first training data were sparse: what was chosen by them stays."""
        is_sparse = issparse(X) or isinstance(X, Blocks)
        return bool(getattr(self, "_sparse", False) if goes_on else is_sparse)

    def _learnt(self, target: Targets, X: Any, *, goes_on: bool, whole: bool) -> Learnt:
        """Give what is learnt; `whole` if X are all samples that there will be."""
        wanted, is_sparse = _scaling.of(self), self._is_sparse(X, goes_on)
        if goes_on:
            scaling = _scaling.going_on(
                wanted, self.model_, self._scale, self._robust, is_sparse=is_sparse
            )
        elif whole:
            marks = {} if self._encoder is None else self._encoder.marks()
            scaling = _scaling.learnt(wanted, X, marks, is_sparse=is_sparse, loss=target.loss)
        else:
            scaling = _scaling.of_batches(wanted, is_sparse=is_sparse)
        return Learnt(target, is_sparse, scaling)

    def _without(self, samples: Any) -> Any:
        return None if samples is None else samples.without(self._constant)

    def _take_up(self, X: Any) -> None:
        """Let columns that are scaled by spreads count from now on, if they vary by now."""
        if self._robust is not None:
            self._robust = np.union1d(self._robust, _scaling.take_up(self.model_, X))

    def _diverged(self, rate: float) -> ValueError:
        if isinstance(self.optimizer, str | None):
            return _support.diverged("learning_rate_init", rate)
        return ValueError(
            f"training diverged with optimizer = {self.optimizer!r}: expected one with a lower rate"
        )

    def _keep(self, model: SparseMLP, learnt: Learnt, history: History, *, goes_on: bool) -> None:
        """Take over what was trained, once nothing can go wrong any more."""
        _TARGET_OF[model] = learnt.target
        self.model_, self._target = model, learnt.target
        self._sparse = learnt.is_sparse
        if not goes_on:
            self._scale, self._robust = learnt.scaling.name, learnt.scaling.columns
        self.n_outputs_ = learnt.target.outputs
        self.history_ = history
        losses = history.history["loss"]
        self.loss_curve_ = [*self.loss_curve_, *losses] if goes_on else losses
        self.loss_, self.best_loss_ = losses[-1], min(self.loss_curve_)
        self.n_iter_ = len(self.loss_curve_)
        for name, value in learnt.target.attributes().items():
            setattr(self, name, value)
        _support.write_names(model, self)

    # --- what was trained ---------------------------------------------------------------------

    @_hints.plain
    def save(self, path: str | os.PathLike[str], **unknown: NoReturn) -> None:
        """Save everything that predictions need to one file, which `load` opens.

        Network, classes or units of the target, what was learnt of the columns, and parameters;
        those that are objects, such as an optimiser, are at their defaults when it is loaded. A
        pickle keeps these too.

        Parameters
        ----------
        path
            The file. One that is there is replaced once the new one is complete.

        Raises
        ------
        OSError
            If it cannot be written.
        ValueError
            If it ends in what means another format, such as ``.pkl``.
        TypeError
            If the classes are neither numbers nor text nor booleans.
        """
        _words.refuse(self, "save", unknown)
        check_is_fitted(self, "model_")
        text = _saved.metadata(self)
        self.model_._core.save(_files.to_write("path", path), text, None)

    def _answer(self, X: Any) -> tuple[SparseMLP, Any]:
        """Give the outputs for samples, and the network that they are of."""
        if (answer := _support.answer_at_once(self, X)) is not None:
            return answer
        check_is_fitted(self, "model_")
        if self._held is not None and X is self._held.X:  # it is scored while it trains
            return self.model_, self._held.outputs(self.model_)
        if (rows := rows_of(X)) is not None:
            return self.model_, self.model_.predict(_rows.as_learnt(self, rows))
        X = self._as_learnt(X)
        model = self.model_
        return model, model.predict(X)

    def _as_learnt(self, X: Any) -> Any:
        """Give samples as the network takes them."""
        return _support.without(_support.validated(self, X, reset=False), self._constant)

    def _outputs(self, X: Any) -> Any:
        return self._answer(X)[1]

    def _predicts_sparse(self) -> bool:
        return bool(getattr(vars(self).get("_target"), "sparse", False))

    def _partial_score(self, X: Any, y: Any, sample_weight: Any) -> float:
        """Score by targets that are sparse, or of which some are missing."""
        check_is_fitted(self, "model_")
        X = _support.validated(self, X, reset=False)
        check_consistent_length(X, y)
        samples = WeightedSamples(X, self._checked(y, "y"), weights(sample_weight, X))
        model = self.model_
        return _partial.score(self._target, self._without(samples), model.predict)

    @_hints.plain
    def predict(self, X: Any, **unknown: NoReturn) -> Any:
        """Predict.

        Parameters
        ----------
        X
            Samples, (n_samples, n_features): an array, a frame or a SciPy sparse matrix.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_outputs)
            Classes, labels or values, in the shape of the `y` that `fit` got; a ``csr_array`` of
            zeros and ones if that was a sparse matrix of labels.
        """
        _words.refuse(self, "predict", unknown)
        if self._predicts_sparse():
            check_is_fitted(self, "model_")
            is_held = self._held is not None and X is self._held.X
            X = self._held.samples if self._held is not None and is_held else self._as_learnt(X)
            model = self.model_
            return _partial.predictions(_TARGET_OF.get(model, self._target), X, model.predict)
        model, outputs = self._answer(X)
        return _TARGET_OF.get(model, self._target).decode(outputs)

    if not TYPE_CHECKING:  # which would then take any name
        __getattr__ = _words.attribute

    def __setstate__(self, state: Any) -> None:
        """Take the state of a pickle, once it is checked."""
        _state.check(type(self), state, _state.NETWORK)
        super().__setstate__(state)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what the estimator can do."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        return tags


# The class of which errors of `__init__` are: the classifier has another one.
SparseEstimator.__init__.__qualname__ = "SparseMLPRegressor.__init__"


def _scorer(target: Targets, held_out: WeightedSamples) -> Callable[[SparseMLP], float]:
    """Make a function that scores a model on these samples."""
    if _partial.is_partial(held_out.y):
        return lambda model: _partial.score(target, held_out, model.predict)
    return lambda model: target.score(held_out.y, model.predict(held_out.X), held_out.weight)
