"""The classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NoReturn

import numpy as np
import numpy.typing as npt
from scipy.sparse import issparse
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import column_or_1d

from trulysparse import _check, _hints, names
from trulysparse.callbacks import Callback
from trulysparse.data.classes import refuse_kinds
from trulysparse.data.frames import labels_of_type, refuse_missing
from trulysparse.data.numeric import refuse_held_sparse
from trulysparse.estimators import _base, _partial, _support, _words
from trulysparse.estimators._docs import documented
from trulysparse.estimators._targets import Array, Classes, Labels, Targets
from trulysparse.estimators._weighted import positive
from trulysparse.optim import Optimizer
from trulysparse.presets import BATCHES, TABLE
from trulysparse.topology import ImportancePruning, Rule


@documented
class SparseMLPClassifier(ClassifierMixin, _base.SparseEstimator):  # type: ignore[misc]
    """A sparse multilayer perceptron that tells classes, or labels, apart.

    <NOTES>

    Parameters
    ----------
    <PARAMETERS>
    class_weight
        Weights of the classes, by which those of the samples are multiplied: a dictionary from
        class to weight, ``"balanced"`` for weights inversely proportional to the numbers of
        samples, or None (default) for equal ones. With several labels per sample a list of
        dictionaries, one for each label, or ``"balanced"``; their weights are multiplied.
        `validation_scores_` weigh by them too.

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        The classes in the order of the outputs; with several labels per sample the numbers of the
        columns of `y`.
    <ATTRIBUTES>

    Raises
    ------
    ValueError, TypeError
        From `fit`, if a parameter or the data are wrong; also if training diverges, for which a
        lower `learning_rate_init` is the remedy.

    Examples
    --------
    >>> from sklearn.datasets import load_wine
    >>> from sklearn.model_selection import train_test_split
    >>> from trulysparse import SparseMLPClassifier
    >>> X, y = load_wine(return_X_y=True, as_frame=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
    >>> classifier = SparseMLPClassifier(random_state=0).fit(X_train, y_train)
    >>> classifier.score(X_test, y_test) > 0.9
    True
    >>> classifier.predict_proba(X_test).shape
    (45, 3)
    """

    _RATE = BATCHES.learning_rate
    _counts_classes = True

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
        class_weight: Mapping[Any, float]
        | Sequence[Mapping[int, float]]
        | names.ClassWeight
        | None = None,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: bool = False,
        **unknown: NoReturn,
    ) -> None:
        _words.refuse(self, "__init__", unknown)
        given = locals()
        shared = _base.SparseEstimator._get_param_names()
        super().__init__(**{name: given[name] for name in shared})
        self.class_weight = class_weight

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
    ) -> SparseMLPClassifier:
        """Train a network.

        Parameters
        ----------
        <X>
        y
            Classes, (n_samples,): numbers or text, two or more of them. Or any number of labels
            per sample: zeros and ones, (n_samples, n_labels), of which NaN, None and NA are missing
            and do not count. A SciPy sparse matrix of labels stays sparse, and so are predictions.
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
        self,
        X: Any,
        y: Any,
        classes: Any = None,
        sample_weight: Any = None,
        **unknown: NoReturn,
    ) -> SparseMLPClassifier:
        """Train for one pass over some samples, at a constant rate; the connections stay.

        The statistics by which features are standardised are those of all samples so far.
        ``self.model_.evolve(...)`` between two calls evolves the connections.

        Parameters
        ----------
        X, y
            As `fit` takes them.
        classes
            All classes that there will be; in the first call only, if `y` has not all of them.
            Several labels per sample are as many as the columns of `y`.
        <SAMPLE_FACTORS>

        Returns
        -------
        self
        """
        _words.refuse(self, "partial_fit", unknown)
        with _support.all_or_nothing(self, in_place=True):
            self._partial_fit(X, y, sample_weight, classes)
        return self

    @_hints.plain
    def predict_proba(self, X: Any, **unknown: NoReturn) -> npt.NDArray[np.float32]:
        """Give the probability of each class, in the order of `classes_`, or of each label.

        Parameters
        ----------
        X
            Samples, (n_samples, n_features).

        Returns
        -------
        float32 array of shape (n_samples, n_classes)
        """
        _words.refuse(self, "predict_proba", unknown)
        outputs: npt.NDArray[np.float32] = self._outputs(X)
        return outputs

    @_hints.plain
    def predict_log_proba(self, X: Any, **unknown: NoReturn) -> npt.NDArray[np.float32]:
        """Give the logarithm of `predict_proba`.

        Parameters
        ----------
        X
            Samples, (n_samples, n_features).

        Returns
        -------
        float32 array of shape (n_samples, n_classes)
            -inf where a probability is 0 in float32.
        """
        _words.refuse(self, "predict_log_proba", unknown)
        with np.errstate(divide="ignore"):
            logarithms: npt.NDArray[np.float32] = np.log(self._outputs(X))
        return logarithms

    @_hints.plain
    def score(self, X: Any, y: Any = None, sample_weight: Any = None, **unknown: NoReturn) -> float:
        """Give the accuracy of `predict`; of several labels, of samples with all of them right.

        Missing labels do not count.

        Parameters
        ----------
        X, y
            Samples and their classes or labels, as `fit` takes them.
        sample_weight
            Weights, (n_samples,). None (default): all the same.

        Returns
        -------
        float
        """
        _words.refuse(self, "score", unknown)
        y = self._scored(X, y)
        if _partial.is_partial(y) or self._predicts_sparse():
            return self._partial_score(X, y, sample_weight)
        return float(super().score(X, y, positive(sample_weight)))

    def _checked(self, y: Any, name: str) -> Array:
        if _partial.is_partial(y):
            found: Array = _partial.checked(name, y, indicators=True)
            return found
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if y.ndim == 1 and _are_few_integers(y):
            return np.asarray(y)
        refuse_kinds(name, y)
        check_classification_targets(y)
        if y.ndim == 1:
            return np.asarray(y)
        if type_of_target(y) != "multilabel-indicator":
            raise ValueError(
                f"{name} has several columns of classes: expected one class per sample, or "
                "columns of zeros and ones"
            )
        return np.asarray(y)

    def _learn(
        self, y: Array, weight: Array | None, classes: Any = None, *, is_batch: bool = False
    ) -> Targets:
        refuse_missing("classes", classes)
        if y.ndim == 2:
            return Labels(y.shape[1], sparse=issparse(y))
        known = np.unique(y if classes is None else _array_of(classes))
        if len(known) < 2:
            name = "y" if classes is None else "classes"
            also = ", or classes=[...], all that later batches will have" if is_batch else ""
            raise ValueError(f"{name} has one class, {known.tolist()}: expected two or more{also}")
        return Classes(known)

    def _same_classes(self, classes: Any) -> None:
        refuse_missing("classes", classes)
        if classes is not None and not np.array_equal(np.unique(_array_of(classes)), self.classes_):
            raise ValueError(
                f"classes = {list(classes)}: expected those of the first fit, "
                f"{self.classes_.tolist()}"
            )

    def _class_weights(self, y: Array, *, whole: bool) -> Array | None:
        if self.class_weight is None:
            return None
        if not whole and isinstance(self.class_weight, str):
            raise ValueError(
                f"class_weight = {self.class_weight!r}: expected a dictionary or None with "
                "partial_fit, which does not know the numbers of samples"
            )
        if not isinstance(self.class_weight, str | Mapping):
            refuse_held_sparse("class_weight", self.class_weight)
        if _partial.is_partial(y):
            return _partial.class_weights(self.class_weight, y)
        weights: Array = compute_sample_weight(self.class_weight, y)
        return weights

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what the estimator can do."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


def _array_of(classes: Any) -> Array:
    """Give the classes of `partial_fit` as an array, also those of a set."""
    expected = "a sequence of classes, such as ['no', 'yes']"
    if isinstance(classes, Mapping):
        raise TypeError(f"classes = {_check.shown(classes)}: expected {expected}")
    items = labels_of_type(classes)
    if not hasattr(items, "__array__"):
        items = _check.sequence("classes", items, expected)
    found: Array = column_or_1d(items)
    return found


def _are_few_integers(y: Array) -> bool:
    """Tell integers in a range so small that scikit-learn finds nothing to say of them."""
    if y.dtype.kind not in "iu" or len(y) == 0:
        return False
    return int(y.max()) - int(y.min()) < len(y) // _FEW


# scikit-learn says something of classes with less than two or four samples each.
_FEW = 8
