"""Small things that all estimators need, the selector too."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import effective_n_jobs
from scipy.sparse import csr_array, csr_matrix, issparse
from sklearn.utils import check_random_state
from sklearn.utils.sparsefuncs import min_max_axis
from sklearn.utils.validation import validate_data

from trulysparse import _check, _core
from trulysparse.config import MOST_NEURONS
from trulysparse.data import columns, digits, frames
from trulysparse.data.blocks import Blocks
from trulysparse.data.digits import Names, say_rounded, say_sparse
from trulysparse.data.precision import say_blurred
from trulysparse.data.samples import remedy, say_indistinct
from trulysparse.data.sparse import check_sparse
from trulysparse.data.tensors import as_numpy
from trulysparse.estimators import _tables
from trulysparse.explosion import ExplosionWarning
from trulysparse.history import History
from trulysparse.model import SparseMLP
from trulysparse.streams import RowBlocks
from trulysparse.tables.encoder import TableEncoder

_AS_IN_FIT = "expected numbers, as in fit (pandas.to_numeric converts a column)"
Mask = npt.NDArray[np.bool_]
_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))
# Columns without a value that take long.
_MANY_EMPTY = 10_000
# Threads that joblib may be asked for, or told to leave.
_MOST_JOBS = 2**31 - 1


def threads(n_jobs: int | None) -> int:
    """Give the threads that joblib's rules make of `n_jobs`: 1 for None, all for -1."""
    if n_jobs is not None:
        n_jobs = _check.integer("n_jobs", n_jobs, -_MOST_JOBS, _MOST_JOBS)
    return int(effective_n_jobs(n_jobs))


def next_seed(random_state: Any, *, is_used: bool) -> int:
    """Draw the seed of a network; from a number only if it `is_used`, as nothing else changes."""
    if not is_used and type(random_state) is int and 0 <= random_state < 2**32:
        return 0
    return draw_seed(random(random_state))


def random(random_state: Any) -> np.random.RandomState:
    """Give scikit-learn's generator of a `random_state`, which may be one of NumPy's numbers."""
    if _check.is_number(random_state):
        random_state = _check.integer("random_state", random_state, 0, 2**32 - 1)
    try:
        generator: np.random.RandomState = check_random_state(random_state)
    except (ValueError, TypeError, RecursionError):
        expected = "None, an integer from 0 to 4294967295, or a numpy.random.RandomState"
        raise ValueError(
            f"random_state = {_check.shown(random_state)}: expected {expected}"
        ) from None
    return generator


def draw_seed(random: np.random.RandomState) -> int:
    """Draw the seed of a network."""
    return int(random.randint(2**31 - 1))


def hidden_sizes(value: Any) -> list[int]:
    """Give the sizes of hidden layers as a list, also of a number for one layer."""
    name, expected = "hidden_layer_sizes", "an integer or a sequence of integers"
    if _check.is_number(value):
        return [_check.integer(name, value, 1, MOST_NEURONS)]
    sizes = _check.sequence(name, value, expected)
    return [_check.integer(f"{name}[{i}]", size, 1, MOST_NEURONS) for i, size in enumerate(sizes)]


def validated(
    estimator: Any,
    X: Any,
    y: Any = "no_validation",
    *,
    name: str = "X",
    fewest: int = 1,
    **how: Any,
) -> Any:
    """Do what `validate_data` does, and name the row and column of what is no number."""
    X = as_numpy(name, X)
    frames.refuse_no_table(name, X)
    _core.check_mapped(name, X)
    if not how.get("reset", True) and frames.is_frame(X):
        X = _in_order(estimator, name, X)
    if not how.get("reset", True) and _is_plain(estimator, X, y, fewest):
        return X if isinstance(y, str) else (X, y)
    reset = how.get("reset", True)
    if (made := _made(estimator, name, X, y, fewest, reset=reset)) is not None:
        return made
    X = check_sparse(name, X)
    frames.refuse(name, X, None if how.get("reset", True) else _AS_IN_FIT)
    if _is_text(X) or how.get("reset", True):
        columns.refuse_alike(name, X)
    X = frames.dense_columns(X)
    _check_count(name, X, fewest)
    if not reset:
        _check_width(estimator, name, X)
    if how.get("reset", True) or not isinstance(y, str):  # it is trained on
        say_integers_of(name, X)
    if getattr(getattr(X, "dtype", None), "kind", None) == "c":
        # In words that scikit-learn's checks look for; its own message has all of X.
        raise ValueError(f"{name} has dtype {X.dtype}: Complex data not supported: expected reals")
    if np.isscalar(X):
        raise ValueError(
            f"{name} = {_check.shown(X)}: expected a 2D array, (n_samples, n_features)"
        )
    try:
        with np.errstate(invalid="ignore"):  # inf beside -inf, which is an error below
            found = validate_data(
                estimator, X, y, accept_sparse="csr", dtype=[np.float64, np.float32], **how
            )
    except OverflowError:
        raise ValueError(f"{name} has integers beyond float64: expected smaller numbers") from None
    except (ValueError, TypeError) as error:
        frames.explain(name, X, error)
        raise
    _check_count(name, found[0] if isinstance(found, tuple) else found, fewest)
    if how.get("reset", True):
        estimator._column_labels = _labels_of(X)
    else:
        refuse_other_columns(estimator, name, X)
    return found


def _made(estimator: Any, name: str, X: Any, y: Any, fewest: int, *, reset: bool) -> Any:
    """Do as `validated` with tables that are more than numbers, and with two blocks; else None."""
    encoder, made = _tables.encoder(estimator, name, X, reset=reset)
    if reset:
        estimator._encoder = encoder
    if encoder is not None:
        if frames.is_frame(X) and (reset or not isinstance(y, str)):  # it is trained on
            say_integers_of(name, X)
        samples, y = _tables.encoded(estimator, encoder, name, X, y, made, reset=reset)
    elif isinstance(X, Blocks):
        samples, y = _tables.blocks(estimator, name, X, y, reset=reset)
    else:
        return None
    _check_count(name, samples, fewest)
    return samples if isinstance(y, str) else (samples, y)


def _is_plain(estimator: Any, X: Any, y: Any, fewest: int) -> bool:
    """Tell whether `validate_data` gives back what it gets, which takes it longer than a step."""
    if type(X) is not np.ndarray or X.ndim != 2 or X.dtype not in _FLOATS or len(X) < fewest:
        return False
    state = vars(estimator)
    if state.get("_encoder") is not None:
        return False
    if X.shape[1] != state.get("n_features_in_") or "feature_names_in_" in state:
        return False
    is_one_each = type(y) is np.ndarray and y.dtype.kind in "biu" and y.shape == (len(X),)
    return bool((is_one_each or isinstance(y, str)) and np.isfinite(X).all())


def answer_at_once(estimator: Any, X: Any) -> tuple[SparseMLP, Any] | None:
    """Give the network of an estimator and its outputs for a few plain samples, or a frame of them.

    None if something is to be converted or said, or the columns are not those of `fit`: what
    `validated` is for.
    """
    state = vars(estimator)
    model, names = state.get("model_"), state.get("feature_names_in_")
    if model is None or estimator._constant is not None or state.get("_encoder") is not None:
        return None
    if type(X) not in (np.ndarray, csr_array, csr_matrix):
        X, names = frames.plain_rows(X, names), None
    if X is None or names is not None:
        return None
    outputs = model._core.predict_at_once(X)
    # A matrix has a shape that can be looked at if the core has taken it.
    if outputs is None or X.shape[1] != state.get("n_features_in_"):
        return None
    return model, outputs


def _in_order(estimator: Any, name: str, X: Any) -> Any:
    """Give a frame with its columns in the order of `fit`, if they are the same ones.

    scikit-learn refuses another order; what encodes tables matches names itself.
    """
    if not getattr(estimator, "_orders_columns", False):
        return X
    state = vars(estimator)
    names, known = state.get("feature_names_in_"), state.get("_column_labels")
    known = known if names is None else names.tolist()
    if known is None or isinstance(state.get("_encoder"), TableEncoder):
        return X
    found = columns.labels(X)
    if found == known or found is None:
        return X
    columns.refuse_alike(name, X)
    if sorted(found) != sorted(known) or (names is not None) != _is_text(X):
        return X
    places = {label: place for place, label in enumerate(found)}
    order = [places[label] for label in known]
    return X.iloc[:, order] if hasattr(X, "iloc") else X[:, order]


def refuse_other_columns(estimator: Any, name: str, X: Any) -> None:
    """Raise ValueError for a frame whose columns have other labels than in `fit`.

    scikit-learn does so where labels are text, and takes all others by position.
    """
    known = getattr(estimator, "_column_labels", None)
    if _is_text(X) or hasattr(estimator, "feature_names_in_"):
        return
    columns.refuse_others(name, X, known)


def _labels_of(X: Any) -> list[str] | None:
    return None if _is_text(X) else columns.labels(X)


def _is_text(X: Any) -> bool:
    return frames.is_frame(X) and any(isinstance(label, str) for label in X.columns)


def _check_count(name: str, X: Any, fewest: int) -> None:
    shape: tuple[int, ...] = getattr(X, "shape", ())
    if len(shape) == 2 and shape[0] < fewest:
        samples = "1 sample" if shape[0] == 1 else f"{shape[0]} samples"
        raise ValueError(f"{name} has {samples}: expected at least {fewest}")
    if len(shape) == 2 and not shape[1] and frames.is_frame(X):
        raise ValueError(f"{name} has no columns: expected at least one")


def _check_width(estimator: Any, name: str, X: Any) -> None:
    """Count features before values are looked at, of which a view can repeat any number."""
    expected = getattr(estimator, "n_features_in_", None)
    if isinstance(X, np.ndarray) and X.ndim == 2 and expected not in (None, X.shape[1]):
        raise ValueError(
            f"{name} has {X.shape[1]} features, but {type(estimator).__name__} is expecting "
            f"{expected} features as input"
        )


def constant_features(X: Any) -> Mask:
    """Tell which columns of an array or a CSR matrix have one value only, bool (n_features,)."""
    if isinstance(X, Blocks):
        return np.concatenate([constant_features(X.dense), constant_features(X.sparse)])
    if issparse(X):
        low, high = min_max_axis(X, axis=0)
    else:
        low, high = X.min(axis=0), X.max(axis=0)
    constant: Mask = np.asarray(low == high)
    return constant


def leaving_constants_out(X: Any) -> _core.Statistics | None:
    """Give statistics that leave the features with one value out, and the others as they are."""
    constant = constant_features(X)
    if not constant.any():
        return None
    # Their values, by which a later batch tells that they vary.
    if isinstance(X, Blocks):
        first = np.concatenate([X.dense[0], X.sparse[:1].toarray()[0]])
    else:
        first = X[:1].toarray()[0] if issparse(X) else X[0]
    mean = np.where(constant, first, 0.0).astype(np.float64)
    return _core.Statistics(mean, np.where(constant, 0.0, 1.0), 0.0)


def without(X: Any, features: Mask | None) -> Any:
    """Give X with zeros in these columns; a copy only where there is something else in them."""
    if features is None:
        return X
    if isinstance(X, Blocks):
        count = X.dense.shape[1]
        return Blocks(without(X.dense, features[:count]), without(X.sparse, features[count:]))
    if issparse(X):
        kept = ~features[X.indices]
        if kept.all():
            return X
        X = X.copy()
        X.data *= kept
        X.eliminate_zeros()
        return X
    if not X[:, features].any():
        return X
    return np.where(features, X.dtype.type(0), X)


def warn_of_empty_columns(X: Any, stacklevel: int = 4) -> None:
    """Warn if most columns of a sparse matrix store nothing; from a method that a user's calls."""
    matrix = X.sparse if isinstance(X, Blocks) else X
    if not issparse(matrix) or matrix.shape[1] < _MANY_EMPTY:
        return
    columns = matrix.shape[1]
    used = int(np.count_nonzero(np.bincount(matrix.indices, minlength=columns)))
    if columns - used >= max(_MANY_EMPTY, columns // 2):
        fewer = max(2 * used - 1, 1).bit_length()
        warnings.warn(
            f"X: {columns - used:,} of {columns:,} columns are zero in all rows, and get "
            "connections as the others do, which takes time and memory: leave them out, or make "
            f"fewer (TfidfVectorizer, or HashingVectorizer(n_features=2**{fewer}))",
            UserWarning,
            stacklevel=stacklevel,
        )


def warn_of_left_out(X: Any, features: Mask | None) -> None:
    """Warn of columns that a network of version 0.1.0 knows nothing of, if they vary by now."""
    if features is None:
        return
    varying = np.flatnonzero(features & ~constant_features(X))
    if len(varying):
        warnings.warn(
            f"columns {', '.join(map(str, varying[:5]))} of X vary, but had one value when version "
            f"0.1.0 fitted the estimator: {len(varying)} columns stay out; fit a new one",
            RuntimeWarning,
            stacklevel=4,
        )


def names_of(estimator: Any) -> Any:
    """Give the names of the features of an estimator's network, if they have some."""
    encoder = getattr(estimator, "_encoder", None)
    if encoder is not None:
        return encoder.feature_names_
    return getattr(estimator, "feature_names_in_", None)


def write_names(model: SparseMLP, estimator: Any) -> None:
    """Write an estimator's names of features and classes where the command line looks for them."""
    found = {
        "feature_names": names_of(estimator),
        "class_names": getattr(estimator, "classes_", None),
    }
    for key, names in found.items():
        if names is not None:
            model.metadata[key] = json.dumps(list(map(str, names)))


@contextmanager
def all_or_nothing(estimator: Any, *, in_place: bool) -> Iterator[None]:
    """Leave an estimator as it was if what it does inside fails or is interrupted.

    `in_place`: whether it may go on with the network that it has.
    """
    before = dict(vars(estimator))
    model: SparseMLP | None = before.get("model_") if in_place else None
    if model is not None:
        core, metadata = model._core.copy(), dict(model.metadata)
        history, threads = model.history, model.threads
    try:
        yield
    except BaseException:
        if model is not None:
            model._core.become(core)
            model.metadata, model.history, model.threads = metadata, history, threads
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


@contextmanager
def silent_divergence() -> Iterator[None]:
    """Train without the warnings of what has exploded, which are said of the last try only, and of
    what is lost or far out, which `say_lost`, `say_merged` and `say_outliers` say once.
    """
    says = digits.SAYS.get()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExplosionWarning)
        # Estimators give the places of classes, and not their names.
        warnings.filterwarnings("ignore", "y has integers, which count the outputs")
        warnings.filterwarnings("ignore", ".* lies between .* values are lost", RuntimeWarning)
        warnings.filterwarnings("ignore", r"\w+ gives no finite", RuntimeWarning)
        try:
            digits.SAYS.set(False)
            yield
        finally:
            digits.SAYS.set(says)


def say_lost(model: SparseMLP, X: Any) -> None:
    """Warn of samples that a network does not tell apart."""
    if not model._core.takes_float64() and not isinstance(X, Blocks | RowBlocks):
        say_blurred("X", X, remedy(model._core))


def say_merged(model: SparseMLP, X: Any, y: Any, estimator: Any) -> None:
    """Warn of columns of which a network that is trained does not tell the values apart.

    From a method that a user's calls.
    """
    if isinstance(X, RowBlocks):
        return
    names = names_of(estimator)
    standardizes = model._core.takes_float64()
    if isinstance(X, Blocks):
        pass
    elif issparse(X):
        say_sparse(Names("X", names), X, standardize=standardizes)
    elif not standardizes:
        say_rounded(Names("X", names), X)
    say_indistinct(model._core, X, y, names, names=("X", "y"))


def say_integers_of(name: str, X: Any) -> None:
    """Warn of integers in columns that scikit-learn makes float64 of, if that merges some."""
    if frames.is_frame(X):
        frames.say_integers(name, X)
    elif issparse(X) or isinstance(X, np.ndarray | list):
        array = X if issparse(X) else np.asarray(X)
        digits.say_integers(Names(name), array)


def warn_of_trouble(history: History, stacklevel: int = 4) -> None:
    """Warn of what is wrong with a network that is kept; from the method that a user's calls."""
    if history.trouble is not None:
        warnings.warn(history.trouble.message, ExplosionWarning, stacklevel=stacklevel)


def diverged(argument: str, rate: object) -> ValueError:
    """Make the error of a training that diverged."""
    return ValueError(f"training diverged: expected a {argument} lower than {rate}")
