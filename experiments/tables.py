"""The estimators beside scikit-learn's, all with their defaults: `python experiments/tables.py`.

Needs scikit-learn; the real tables are those that it brings. Each table is halved: the defaults of
`SparseMLPClassifier` and `SparseMLPRegressor` were chosen by cross-validation within the first half
(`--part tuning`), and what is printed without that comes from samples of the second half. These are
cut into folds: each fold is the test set of estimators that were trained on everything else.
Estimators take turns in one process on one thread.
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Iterator
from itertools import islice

import numpy as np
from scipy import sparse
from sklearn import datasets
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from trulysparse import SparseMLPClassifier, SparseMLPRegressor

WORDS = 20_000


def documents(samples: int = 3000, topics: int = 5, seed: int = 0) -> tuple:
    """Counts of words, CSR of (samples, WORDS), and the topic: each has its special words."""
    rng = np.random.default_rng(seed)
    common = 1 / np.arange(1, WORDS + 1)
    common = rng.permutation(common / common.sum())
    special = [rng.choice(WORDS, 300, replace=False) for _ in range(topics)]
    y = rng.integers(topics, size=samples)
    rows, columns = [], []
    for i, topic in enumerate(y):
        words = rng.choice(WORDS, rng.poisson(100), p=common)
        # Some words of another topic as well.
        for which, count in ((topic, 12), (rng.integers(topics), 3)):
            words = np.append(words, rng.choice(special[which], rng.poisson(count)))
        rows.append(np.full(len(words), i))
        columns.append(words)
    at = np.concatenate(rows), np.concatenate(columns)
    counts = sparse.csr_array((np.ones(len(at[0])), at), shape=(samples, WORDS))
    counts.sum_duplicates()
    return counts, y


def indicators(samples: int = 3000, seed: int = 0) -> tuple:
    """One-hot columns, CSR of (samples, WORDS): 50 categories of 400 values, four of which matter.

    The target: effects of their values, and the product of two of these.
    """
    rng = np.random.default_rng(seed)
    share = 1 / np.arange(1, 401) ** 1.5
    values = rng.choice(400, (samples, 50), p=share / share.sum())
    effect = rng.normal(size=(4, 400))
    z = np.stack([effect[k][values[:, k]] for k in range(4)])
    y = z.sum(0) + z[0] * z[1] + 0.5 * rng.normal(size=samples)
    columns = (values + 400 * np.arange(50)).ravel()
    at = np.repeat(np.arange(samples), 50), columns
    return sparse.csr_array((np.ones(samples * 50), at), shape=(samples, WORDS)), y


TABLES = {
    "digits": lambda: datasets.load_digits(return_X_y=True),
    "breast_cancer": lambda: datasets.load_breast_cancer(return_X_y=True),
    "wine": lambda: datasets.load_wine(return_X_y=True),
    "diabetes": lambda: datasets.load_diabetes(return_X_y=True),
    "documents": documents,
    "indicators": indicators,
}
REGRESSION = ("diabetes", "indicators")


def estimators(regression: bool) -> dict:
    """One of each kind."""
    if regression:
        return {
            "SparseMLPRegressor": SparseMLPRegressor(),
            "MLPRegressor": MLPRegressor(),
            "Ridge": Ridge(),
        }
    return {
        "SparseMLPClassifier": SparseMLPClassifier(),
        "MLPClassifier": MLPClassifier(),
        "LogisticRegression": LogisticRegression(),
    }


def halves(y: np.ndarray, regression: bool) -> tuple[np.ndarray, np.ndarray]:
    """The samples for the choice of defaults, and those for the comparison."""
    stratify = None if regression else y
    first, second = train_test_split(
        np.arange(len(y)), test_size=0.5, random_state=0, stratify=stratify
    )
    return first, second


def folds(y: np.ndarray, regression: bool, part: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Samples to train on and samples to test with, five times."""
    first, second = halves(y, regression)
    tested = first if part == "tuning" else second
    also = first[:0] if part == "tuning" else first
    cut = (KFold if regression else StratifiedKFold)(5, shuffle=True, random_state=0)
    for train, test in cut.split(tested, y[tested]):
        yield np.concatenate([also, tested[train]]), tested[test]


def parameters(model: object) -> int:
    """Numbers that were learnt."""
    if hasattr(model, "coefs_"):
        arrays = [*model.coefs_, *model.intercepts_]
        return sum(a.nnz if sparse.issparse(a) else a.size for a in arrays)
    return np.size(model.coef_) + np.size(model.intercept_)


def measure(estimator: object, x: object, y: np.ndarray, train: np.ndarray, test: np.ndarray):
    """Score, seconds of the training, and parameters."""
    pipeline = make_pipeline(StandardScaler(with_mean=not sparse.issparse(x)), clone(estimator))
    start = time.perf_counter()
    pipeline.fit(x[train], y[train])
    seconds = time.perf_counter() - start
    return pipeline.score(x[test], y[test]), seconds, parameters(pipeline[-1])


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", default=list(TABLES), help=", ".join(TABLES))
    parser.add_argument("--part", choices=["comparison", "tuning"], default="comparison")
    parser.add_argument("--folds", type=int, default=5, help="to run, of five (default: 5)")
    parser.add_argument("--seeds", type=int, default=3, help="of the networks (default: 3)")
    options = parser.parse_args()
    # MLPs and logistic regression say that they would need more than their default of iterations.
    warnings.simplefilter("ignore")
    print("| table | estimator | accuracy or R2 | seconds | parameters |")
    print("|---|---|---|---|---|")
    for name in options.tables:
        x, y = TABLES[name]()
        regression = name in REGRESSION
        rows: dict[str, list] = {key: [] for key in estimators(regression)}
        for seed in range(options.seeds):
            for train, test in islice(folds(y, regression, options.part), options.folds):
                for key, estimator in estimators(regression).items():
                    if "random_state" in estimator.get_params():
                        estimator.set_params(random_state=seed)
                    rows[key].append(measure(estimator, x, y, train, test))
        shape = " x ".join(f"{n:,}" for n in x.shape)
        for key, measured in rows.items():
            scores, seconds, sizes = zip(*measured, strict=True)
            median = statistics.median(seconds)
            print(
                f"| {name}, {shape} | {key} | {np.mean(scores):.3f} | {median:.2f} "
                f"| {round(np.mean(sizes)):,} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
