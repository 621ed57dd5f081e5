"""The estimators of `wide.py`, all with their defaults, and what one run of one of these measures.

A run has a process for itself and one thread. What it costs is counted in seconds of the CPU, which
other work on the machine hardly changes; a run that takes more than it may ends as `TIMEOUT`.
"""

import multiprocessing
import os
import resource
import signal
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LassoCV, LogisticRegression, Ridge, RidgeCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits
from trulysparse import SparseMLPClassifier, SparseMLPRegressor

TIMEOUT, FAILED = "timeout", "failed"  # scores of runs that gave no score
LEAST = 1e-15  # probability in a log loss
BINS = 15  # of a calibration error


@dataclass(frozen=True)
class Rival:
    """An estimator with its defaults.

    Attributes
    ----------
    classifier, regressor
        Gives one with a seed; None if there is none.
    scaled
        Whether a user puts a scaler in front of it.
    random
        Whether the seed changes what it learns.
    slow
        Whether it gets the first two folds and one seed only.
    csr
        Whether it takes CSR.
    """

    classifier: Callable[[int], Any] | None
    regressor: Callable[[int], Any] | None = None
    scaled: bool = False
    random: bool = False
    slow: bool = False
    csr: bool = True

    def make(self, seed: int, regression: bool, csr: bool) -> Any:
        """Give the estimator, with its scaler in front."""
        make = self.regressor if regression else self.classifier
        if make is None:
            raise ValueError("expected a task that this estimator has")
        scaler = MaxAbsScaler() if csr else StandardScaler()
        return make_pipeline(scaler, make(seed)) if self.scaled else make(seed)


def _of(module: str, name: str, seed: str | None, **settings: Any) -> Callable[[int], Any]:
    """Import a class where it is used; `seed` is the name of its seed."""

    def make(value: int) -> Any:
        kind = getattr(__import__(module), name)
        return kind(**settings, **({seed: value} if seed else {}))

    return make


def _pytabkit(name: str) -> dict[str, Any]:
    how = {"device": "cpu", "n_threads": 1, "verbosity": 0}
    both = [
        _of("pytabkit", f"{name}_{kind}", "random_state", **how)
        for kind in ("Classifier", "Regressor")
    ]
    return {"classifier": both[0], "regressor": both[1], "random": True, "csr": False}


_CATBOOST = {"verbose": 0, "thread_count": 1, "allow_writing_files": False}
OURS = "ours"
# The cheap ones first.
RIVALS = {
    OURS: Rival(
        lambda seed: SparseMLPClassifier(random_state=seed),
        lambda seed: SparseMLPRegressor(random_state=seed),
        random=True,
    ),
    "extra trees": Rival(
        lambda seed: ExtraTreesClassifier(random_state=seed),
        lambda seed: ExtraTreesRegressor(random_state=seed),
        random=True,
    ),
    "Ridge": Rival(None, lambda _: Ridge(), scaled=True),
    "RidgeCV": Rival(None, lambda _: RidgeCV(), scaled=True),
    "LassoCV": Rival(None, lambda _: LassoCV(), scaled=True),
    "logistic regression": Rival(lambda _: LogisticRegression(max_iter=1000), scaled=True),
    "linear SVC": Rival(lambda _: LinearSVC(random_state=0), scaled=True),
    "LightGBM": Rival(
        _of("lightgbm", "LGBMClassifier", None, verbose=-1, n_jobs=1),
        _of("lightgbm", "LGBMRegressor", None, verbose=-1, n_jobs=1),
    ),
    "random forest": Rival(
        lambda seed: RandomForestClassifier(random_state=seed),
        lambda seed: RandomForestRegressor(random_state=seed),
        random=True,
    ),
    "XGBoost": Rival(
        _of("xgboost", "XGBClassifier", None, n_jobs=1),
        _of("xgboost", "XGBRegressor", None, n_jobs=1),
    ),
    "MLP": Rival(
        lambda seed: MLPClassifier(random_state=seed),
        lambda seed: MLPRegressor(random_state=seed),
        scaled=True,
        random=True,
        slow=True,
    ),
    "RealMLP": Rival(**_pytabkit("RealMLP_TD"), slow=True),
    "TabM": Rival(**_pytabkit("TabM_D"), slow=True),
    "CatBoost": Rival(
        _of("catboost", "CatBoostClassifier", "random_seed", **_CATBOOST),
        _of("catboost", "CatBoostRegressor", "random_seed", **_CATBOOST),
        random=True,
        slow=True,
    ),
}


def cpu_seconds() -> float:
    """Give the CPU seconds of this process and of the children that it waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def log_loss(truth: np.ndarray, classes: np.ndarray, chances: np.ndarray) -> float:
    """Give the mean negative logarithm of the probability of the true class.

    `chances`, (samples, classes), has a column for each of `classes`; any other class has `LEAST`.
    """
    at = np.searchsorted(classes, truth)
    known = np.isin(truth, classes)
    found = np.full(len(truth), LEAST)
    found[known] = chances[np.flatnonzero(known), at[known]]
    return float(-np.log(np.clip(found, LEAST, 1)).mean())


def calibration_error(truth: np.ndarray, classes: np.ndarray, chances: np.ndarray) -> float:
    """Give how far the probability of the likeliest class is from how often that is right.

    The samples are put into `BINS` bins of equal width by that probability; what is given is the
    mean difference of the bins, weighted by their samples.
    """
    top = chances.max(axis=1)
    right = classes[chances.argmax(axis=1)] == truth
    which = np.clip(np.ceil(top * BINS).astype(int) - 1, 0, BINS - 1)
    sums = np.bincount(which, weights=right - top, minlength=BINS)
    return float(np.abs(sums).sum() / len(truth))


def r2(truth: np.ndarray, guess: np.ndarray) -> float:
    """Give R2."""
    return float(1 - ((truth - guess) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())


def measure(
    rival: Rival, x: Any, y: np.ndarray, train: np.ndarray, test: np.ndarray,
    seed: int = 0, regression: bool = False,
) -> dict[str, str]:  # fmt: skip
    """Fit to some samples and score others; give the columns of a row.

    Classes are counted from 0 for all, without those that no training sample has.
    """
    model = rival.make(seed, regression, sparse.issparse(x))
    classes, wanted = np.unique(y[train], return_inverse=True)
    wanted = y[train] if regression else wanted
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start = cpu_seconds()
        model.fit(x[train], wanted)
        seconds = cpu_seconds() - start
        guess = np.asarray(model.predict(x[test])).ravel()
        chances = None
        if not regression and hasattr(model, "predict_proba"):
            chances = np.asarray(model.predict_proba(x[test]), np.float64)
    row = {"log_loss": "", "ece": "", "seconds": f"{seconds:.3f}", "rows": str(len(test))}
    if regression:
        return {"score": f"{r2(y[test], guess):.6f}", **row}
    if chances is not None:
        row["log_loss"] = f"{log_loss(y[test], classes, chances):.6f}"
        row["ece"] = f"{calibration_error(y[test], classes, chances):.6f}"
    return {"score": f"{np.mean(classes[guess.astype(int)] == y[test]):.6f}", **row}


def _child(pipe: Any, limit: int, job: Callable[[], dict[str, str]]) -> None:
    """Do a job within a limit of CPU seconds, and send what it gave."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Compiled code does not see an exception of Python: the kernel ends the process.
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
    # What libraries print belongs to no table.
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    try:
        with threadpool_limits(1):
            pipe.send(job())
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {error}")


def in_a_process(job: Callable[[], dict[str, str]], limit: int) -> dict[str, str] | str:
    """Give what a job gives in a process for itself; what went wrong, or `TIMEOUT`, as text."""
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(send, limit, job))
    child.start()
    send.close()
    try:
        found: dict[str, str] | str = receive.recv()
    except EOFError:
        found = ""
    child.join()
    if found:
        return found
    code = -(child.exitcode or 0)
    # The kernel ends it so at the limit; at its hard limit, or without memory, by SIGKILL.
    return TIMEOUT if code == signal.SIGXCPU else f"ended by signal {code}"
