"""What the classifier and the regressor share: parameters, training, what can be looked at."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csc_array, issparse

from trulysparse import _check, _recipes, _sklearn, _sparse
from trulysparse._numeric import refuse_sparse
from trulysparse._sklearn import (
    BaseEstimator,
    check_is_fitted,
    check_random_state,
    check_sample_weight,
    train_test_split,
    validate_data,
)
from trulysparse.estimators._targets import Array, Floats, Targets
from trulysparse.estimators._watch import Diverged, Watch
from trulysparse.history import History
from trulysparse.model import SparseMLP
from trulysparse.optim import SGD, Adam, Optimizer
from trulysparse.topology import SET, GradientGrowth, ImportancePruning, Rule


class SparseEstimator(BaseEstimator, ABC):  # type: ignore[misc]
    """The base of both, which say what targets they take and how these are encoded."""

    model_: SparseMLP
    loss_curve_: list[float]
    _target: Targets
    _constant: _sklearn.Mask | None
    _RATE: float  # of learning_rate_init="auto"
    _SPARSE_TARGETS = False  # whether it takes such

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = _recipes.HIDDEN,
        activation: str = _recipes.ACTIVATION,
        *,
        slope: float = _recipes.SLOPE,
        epsilon: float = _recipes.EPSILON,
        density: float | None = None,
        dropout: float = _recipes.DROPOUT,
        input_noise: float = 0.0,
        batch_size: int | str = "auto",
        learning_rate: str = _recipes.SCHEDULE,
        learning_rate_init: float | str = "auto",
        momentum: float = _recipes.MOMENTUM,
        nesterovs_momentum: bool = _recipes.NESTEROV,
        weight_decay: float | str = "auto",
        optimizer: Optimizer | str | None = "auto",
        max_iter: int = _recipes.EPOCHS,
        topology: Rule | str | None = "auto",
        zeta: float = _recipes.ZETA,
        grow_init: float = _recipes.GROW_INIT,
        pruning: ImportancePruning | None = None,
        standardize: bool | str = "auto",
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        warm_start: bool = False,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: bool = False,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.slope = slope
        self.epsilon = epsilon
        self.density = density
        self.dropout = dropout
        self.input_noise = input_noise
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.weight_decay = weight_decay
        self.optimizer = optimizer
        self.max_iter = max_iter
        self.topology = topology
        self.zeta = zeta
        self.grow_init = grow_init
        self.pruning = pruning
        self.standardize = standardize
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    # --- what differs -------------------------------------------------------------------------

    @abstractmethod
    def _checked(self, y: Array, name: str) -> Array:
        """Check the kind of targets that `name`, validated, has, as an array."""

    @abstractmethod
    def _learn(self, y: Array, weight: Array | None, classes: Any = None) -> Targets:
        """Learn from the first targets how to encode them."""

    def _class_weights(self, y: Array, *, whole: bool) -> Array | None:
        """Give the weights that samples have by their targets; `whole`: all samples are there."""
        return None

    def _same_classes(self, classes: Any) -> None:
        """Check the classes of a `partial_fit` that is not the first."""

    # --- training -----------------------------------------------------------------------------

    def _fit(self, X: Any, y: Any, sample_weight: Any, X_val: Any, y_val: Any) -> None:
        goes_on = _check.boolean("warm_start", self.warm_start) and hasattr(self, "model_")
        stops = _check.boolean("early_stopping", self.early_stopping)
        patience = _check.integer("n_iter_no_change", self.n_iter_no_change, 1)
        tol = _check.real("tol", self.tol, "a number of at least 0", low=0)
        epochs = _check.integer("max_iter", self.max_iter, 1)
        random = check_random_state(self.random_state)
        tolerance = getattr(self.pruning, "tolerance", None)
        if tolerance is not None and not stops and X_val is None:
            raise ValueError(
                f"pruning with tolerance = {tolerance!r}: expected early_stopping=True, or X_val "
                "and y_val of fit, as it is measured on held-out samples"
            )

        X, y = self._validated(X, y, reset=not goes_on)
        weight = _weights(sample_weight, X)
        target = self._target if goes_on else self._learn(y, weight)
        held_out = self._held_out(X_val, y_val)
        X, y, weight = _weighted_only(X, y, weight)
        weight = _product(weight, self._class_weights(y, whole=True))
        if stops and held_out is None:
            X, y, weight, *held_out = self._split(X, y, weight, target, random)
        if weight is not None:
            weight = weight / weight.mean()
        encoded = target.encode(y, "y")
        constant = self._constant if goes_on else _sklearn.constant_features(X)
        X = _sklearn.without(X, constant)
        sparse = self._is_sparse(X, goes_on)

        watch, validation = None, None
        if held_out is not None:
            X_held, y_held, weight_held = held_out
            X_held = _sklearn.without(X_held, constant)
            validation = (X_held, target.encode(y_held, "y_val"))
            watch = Watch(
                lambda model: target.score(y_held, model.predict(X_held), weight_held),
                patience if stops else None,
                tol,
            )
        settings = {
            "epochs": epochs,
            "validation_data": validation,
            "schedule": _check.choice("learning_rate", self.learning_rate, ("constant", "cosine")),
            "topology": self._topology(sparse),
            "pruning": self.pruning,
            "callbacks": [Diverged()] if watch is None else [Diverged(), watch],
            "progress": _check.boolean("verbose", self.verbose),
        }
        seed = _sklearn.draw_seed(random)
        before = self.model_._core.copy() if goes_on else None
        for rate in self._rates(sparse, retry=not goes_on):
            model = self._network(X.shape[1], target, seed, goes_on, sparse)
            history = self._train(model, X, encoded, weight, rate=rate, sparse=sparse, **settings)
            if watch is not None:
                watch.restore()
            if _is_finite(model, history):
                break
        else:
            if before is not None:
                self.model_._core = before
            raise self._diverged(rate)
        self._keep(model, target, constant, history, goes_on=goes_on, sparse=sparse)
        self.validation_scores_ = None if watch is None else watch.scores
        self.best_validation_score_ = None if watch is None else watch.best

    def _partial_fit(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> None:
        goes_on = hasattr(self, "model_")
        refuse_sparse("classes", classes)
        X, y = self._validated(X, y, reset=not goes_on)
        weight = _weights(sample_weight, X)
        if not goes_on:
            target = self._learn(y, weight, classes)
        else:
            target = self._target
            self._same_classes(classes)
        X, y, weight = _weighted_only(X, y, weight)
        weight = _product(weight, self._class_weights(y, whole=False))
        encoded = target.encode(y, "y")
        # What is constant in these samples may vary in the next ones.
        constant = self._constant if goes_on else None
        X = _sklearn.without(X, constant)
        seed = _sklearn.draw_seed(check_random_state(self.random_state))
        sparse = self._is_sparse(X, goes_on)
        model = self._network(X.shape[1], target, seed, goes_on, sparse)
        (rate,) = self._rates(sparse, retry=False)
        history = self._train(
            model,
            X,
            encoded,
            weight,
            rate=rate,
            sparse=sparse,
            epochs=1,
            schedule="constant",
            topology=None,
            progress=False,
        )
        if not _is_finite(model, history):
            raise self._diverged(rate)
        self._keep(model, target, constant, history, goes_on=goes_on, sparse=sparse)

    def _validated(self, X: Any, y: Any, *, reset: bool, name: str = "y") -> tuple[Any, Array]:
        X = _sparse.checked("X" if name == "y" else "X_val", X)
        X, y = validate_data(
            self,
            X,
            self._targets(y, name),
            reset=reset,
            accept_sparse="csr",
            dtype=np.float32,
            multi_output=True,
            ensure_min_samples=2 if reset else 1,
        )
        return X, self._checked(y, name)

    def _targets(self, y: Any, name: str) -> Any:
        """Give targets that are safe to look at; they are checked no further."""
        if not self._SPARSE_TARGETS:
            refuse_sparse(name, y)
        return _sparse.checked(name, y)

    def _held_out(self, X_val: Any, y_val: Any) -> list[Any] | None:
        if (X_val is None) != (y_val is None):
            given, missing = ("X_val", "y_val") if y_val is None else ("y_val", "X_val")
            raise ValueError(f"{given} without {missing}: expected both or none")
        if X_val is None:
            return None
        X_val, y_val = self._validated(X_val, y_val, reset=False, name="y_val")
        return [X_val, y_val, self._class_weights(y_val, whole=True)]

    def _split(
        self,
        X: Any,
        y: Array,
        weight: Array | None,
        target: Targets,
        random: np.random.RandomState,
    ) -> list[Any]:
        """Give X, y and weights of the samples to train on, then of those to validate on."""
        fraction = _check.real(
            "validation_fraction",
            self.validation_fraction,
            "a number in (0, 1)",
            low=0,
            high=1,
            low_open=True,
            high_open=True,
        )
        # Fewer than two cannot be scored, nor fewer than the classes be stratified.
        stratified = target.loss == "cross_entropy"
        count = math.ceil(fraction * X.shape[0])
        parts = train_test_split(
            *([X, y] if weight is None else [X, y, weight]),
            test_size=max(count, target.outputs if stratified else 2),
            random_state=random,
            stratify=y if stratified else None,
        )
        train, held = parts[::2], parts[1::2]
        nothing = [None] if weight is None else []
        return [*train, *nothing, *held, *nothing]

    def _network(
        self, features: int, target: Targets, seed: int, goes_on: bool, sparse: bool
    ) -> SparseMLP:
        sizes = self.hidden_layer_sizes
        hidden = [sizes] if isinstance(sizes, int) else _sklearn.hidden_sizes(sizes)
        layer_sizes = [features, *hidden, target.outputs]
        threads = _sklearn.threads(self.n_jobs)
        if not goes_on:
            return SparseMLP(
                layer_sizes,
                epsilon=self.epsilon if self.density is None else None,
                density=self.density,
                activation=self.activation,
                slope=self.slope,
                loss=target.loss,
                init=_recipes.INIT,
                fan=_recipes.FAN,
                dropout=self.dropout,
                input_noise=self.input_noise,
                standardize=self._standardize(sparse),
                seed=seed,
                threads=threads,
            )
        if self.model_.original_layer_sizes != layer_sizes:
            raise ValueError(
                f"hidden_layer_sizes = {sizes!r}, but the network to go on with has the layers "
                f"{self.model_.original_layer_sizes}: expected those, or warm_start=False"
            )
        self.model_.threads = threads
        return self.model_

    def _train(
        self,
        model: SparseMLP,
        X: Any,
        y: Array,
        weight: Array | None,
        *,
        rate: float,
        schedule: str,
        sparse: bool,
        **settings: Any,
    ) -> History:
        samples, size = X.shape[0], self.batch_size
        if size == "auto":
            size = _recipes.batch_size(samples)
        size = min(_check.integer("batch_size", size, 1), samples)
        auto_decay = _recipes.weight_decay(samples, size)
        optimizer = self._optimizer(sparse, rate, schedule, auto_decay)
        with _sklearn.silent_divergence():
            return model.fit(
                X, y, sample_weight=weight, batch_size=size, optimizer=optimizer, **settings
            )

    # --- what "auto" stands for ---------------------------------------------------------------

    def _is_sparse(self, X: Any, goes_on: bool) -> bool:
        """Whether the first training data were sparse: what was chosen by them stays."""
        return bool(getattr(self, "_sparse", False) if goes_on else issparse(X))

    def _rates(self, sparse: bool, *, retry: bool) -> list[float]:
        """Give the learning rates to try, each if training diverged with that before."""
        solver, rate = self._solver(sparse), self.learning_rate_init
        if isinstance(rate, str):
            _check.choice("learning_rate_init", rate, ("auto",))
            first = _recipes.ADAM_RATE if solver == "adam" else self._RATE
            return _recipes.rates(first, _recipes.RETRIES if retry and solver else 0)
        expected = "'auto' or a positive finite number"
        return [_check.real("learning_rate_init", rate, expected, low=0, low_open=True)]

    def _diverged(self, rate: float) -> ValueError:
        if self._solver(sparse=False):
            return _sklearn.diverged("learning_rate_init", rate)
        return ValueError(
            f"training diverged with optimizer = {self.optimizer!r}: expected one with a lower rate"
        )

    def _solver(self, sparse: bool) -> str:
        """Give the name of the optimiser, or nothing if it was given as an object."""
        name = "auto" if self.optimizer is None else self.optimizer
        if not isinstance(name, str):
            return ""
        _named("optimizer", name, ("auto", "sgd", "adam"), "a trulysparse.SGD or Adam")
        if name != "auto":
            return name
        # A step of Adam is as long for a feature that few samples have; SReLU is SGD's.
        activation = self.activation
        srelu = "srelu" in ([activation] if isinstance(activation, str) else activation)
        return "adam" if sparse and not srelu else "sgd"

    def _optimizer(self, sparse: bool, rate: float, schedule: str, auto_decay: float) -> Any:
        solver, decay = self._solver(sparse), self.weight_decay
        if not solver:
            return self.optimizer
        if isinstance(decay, str):
            _check.choice("weight_decay", decay, ("auto",))
            decay = auto_decay if solver == "sgd" else 0.0
        nesterov = _check.boolean("nesterovs_momentum", self.nesterovs_momentum)
        if solver == "adam":
            momentum = _check.real(
                "momentum", self.momentum, "a number in [0, 1)", low=0, high=1, high_open=True
            )
            return Adam(rate, beta_1=momentum, weight_decay=decay, schedule=schedule)
        return SGD(
            rate,
            momentum=self.momentum,
            nesterov=nesterov,
            weight_decay=decay,
            schedule=schedule,
        )

    def _topology(self, sparse: bool) -> Any:
        name = self.topology
        if not isinstance(name, str):
            return name
        _named("topology", name, ("auto", "set", "gradient"), "a rule, or None")
        # Most places in columns that few samples have would be taken in vain.
        if name == "gradient" or (name == "auto" and sparse):
            return GradientGrowth(self.zeta)
        return SET(self.zeta, grow_init=self.grow_init)

    def _standardize(self, sparse: bool) -> bool:
        if isinstance(self.standardize, str):
            _named("standardize", self.standardize, ("auto",), "True or False")
            return not sparse  # their zeros, which would no longer be, say something
        return _check.boolean("standardize", self.standardize)

    def _keep(
        self,
        model: SparseMLP,
        target: Targets,
        constant: _sklearn.Mask | None,
        history: History,
        *,
        goes_on: bool,
        sparse: bool,
    ) -> None:
        """Take over what was trained, once nothing can go wrong any more."""
        self.model_, self._target, self._constant = model, target, constant
        self._sparse = sparse
        self.n_outputs_ = target.outputs
        self.history_ = history
        losses = history.history["loss"]
        self.loss_curve_ = [*self.loss_curve_, *losses] if goes_on else losses
        self.loss_, self.best_loss_ = losses[-1], min(self.loss_curve_)
        self.n_iter_ = len(self.loss_curve_)
        for name, value in target.attributes().items():
            setattr(self, name, value)
            if name != "classes_":
                model.metadata[name.strip("_")] = json.dumps(value.tolist())
        _sklearn.name(model, self)

    # --- what was trained ---------------------------------------------------------------------

    def _outputs(self, X: Any) -> Floats:
        check_is_fitted(self, "model_")
        X = _sparse.checked("X", X)
        X = validate_data(self, X, reset=False, accept_sparse="csr", dtype=np.float32)
        return self.model_.predict(_sklearn.without(X, self._constant))

    def predict(self, X: Any) -> Array:
        """Predict.

        Parameters
        ----------
        X
            Samples, (n_samples, n_features): an array, a frame or a SciPy sparse matrix.

        Returns
        -------
        array of shape (n_samples,) or (n_samples, n_outputs)
            Classes, labels or values, in the shape of the `y` that `fit` got.
        """
        outputs = self._outputs(X)
        return self._target.decode(outputs)

    @property
    def coefs_(self) -> list[csc_array]:
        """The weights of each layer, (n_in, n_out)."""
        check_is_fitted(self, "model_")
        return [layer.weight for layer in self.model_.layers]

    @property
    def intercepts_(self) -> list[npt.NDArray[np.float32]]:
        """The biases of each layer."""
        check_is_fitted(self, "model_")
        return [layer.bias for layer in self.model_.layers]

    @property
    def feature_importances_(self) -> npt.NDArray[np.float64]:
        """What each feature is worth, by the name that scikit-learn's tools look for."""
        check_is_fitted(self, "model_")
        scores = np.zeros(self.n_features_in_)
        scores[self.model_.units(0)] = self.model_.feature_importance()
        if self._constant is not None:
            scores[self._constant] = 0
        return scores

    @property
    def neuron_importances_(self) -> list[npt.NDArray[np.float32]]:
        """What the neurons of each hidden layer are worth."""
        check_is_fitted(self, "model_")
        return [self.model_.importance(i) for i in range(1, len(self.model_.layer_sizes) - 1)]

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what the estimator can do."""
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _is_finite(model: SparseMLP, history: History) -> bool:
    """Tell whether training has led to numbers; with early stopping perhaps before it diverged."""
    return bool(
        np.isfinite(history.history["loss"][0])
        and all(
            np.isfinite(layer.weight.data).all() and np.isfinite(layer.bias).all()
            for layer in model.layers
        )
    )


def _weights(sample_weight: Any, X: Any) -> Array | None:
    if sample_weight is None:
        return None
    refuse_sparse("sample_weight", sample_weight)
    weight: Array = check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True
    )
    if not weight.any():
        raise ValueError("sample_weight is zero for all samples: expected a weight above zero")
    return weight


def _weighted_only(X: Any, y: Array, weight: Array | None) -> tuple[Any, Array, Array | None]:
    """Leave out the samples of weight 0, of which nothing should be seen."""
    if weight is None or weight.all():
        return X, y, weight
    some = weight > 0
    return X[some], y[some], weight[some]


def _product(weight: Array | None, other: Array | None) -> Array | None:
    if weight is None or other is None:
        return weight if other is None else other
    return weight * other


def _named(argument: str, value: str, names: Sequence[str], others: str) -> None:
    """Check a name of something that may also be given otherwise."""
    if value not in names:
        listed = ", ".join(repr(name) for name in names)
        raise ValueError(f"{argument} = {value!r}: expected {listed} or {others}")
