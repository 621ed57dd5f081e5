"""`explain` beside SHAP's permutation explainer: `python experiments/explanations.py`.

Needs scikit-learn, pandas and shap. Each table is halved: estimators with their defaults are fitted
to the first half, and rows of the second half are explained. Both count contributions from the mean
of the first half: `explain` from the mean row, SHAP from the mean output over some rows of it. What
is explained are log-odds of the class that is predicted, or predicted numbers.

Printed are Spearman's rank correlations between the contributions of a row, the mean over the rows;
that of the mean sizes of the columns; what contributions miss of the difference of outputs at most;
and the CPU time of a row on one thread.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import shap
from scipy.stats import spearmanr
from sklearn import datasets
from trulysparse import SparseMLPClassifier, SparseMLPRegressor

Table = tuple[pd.DataFrame, np.ndarray, Any]


def linear(seed: int = 0) -> Table:
    """Numbers with a linear truth, some of them correlated, and a little noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(2000, 12))
    x[:, 1] += 0.5 * x[:, 0]
    truth = np.geomspace(3, 0.02, 12) * rng.choice([-1, 1], 12)
    y = x @ truth + 0.1 * rng.normal(size=len(x))
    return pd.DataFrame(x, columns=[f"x{i}" for i in range(12)]), y, SparseMLPRegressor


def mixed(seed: int = 0) -> Table:
    """Numbers, some of them missing, and categories; the label has an interaction."""
    rng = np.random.default_rng(seed)
    rows = 2000
    frame = pd.DataFrame(rng.normal(size=(rows, 4)), columns=["a", "b", "c", "d"])
    frame["port"] = rng.choice(["S", "C", "Q"], rows, p=[0.6, 0.3, 0.1])
    frame["deck"] = rng.choice(list("ABCDEF"), rows)
    score = frame["a"] + frame["port"].map({"S": 0, "C": 1.5, "Q": -1}) * (1 + frame["b"])
    frame.loc[rng.random(rows) < 0.2, "c"] = np.nan
    y = score + frame["c"].fillna(1) + rng.logistic(size=rows) * 0.5 > 0.5
    return frame, np.where(y, "yes", "no"), SparseMLPClassifier


def of_sklearn(name: str, kind: Any) -> Table:
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True, as_frame=True)
    return x, y.to_numpy(), kind


TABLES: dict[str, Callable[[], Table]] = {
    "linear": linear,
    "breast_cancer": lambda: of_sklearn("breast_cancer", SparseMLPClassifier),
    "wine": lambda: of_sklearn("wine", SparseMLPClassifier),
    "diabetes": lambda: of_sklearn("diabetes", SparseMLPRegressor),
    "mixed": mixed,
}


def coded(frame: pd.DataFrame) -> tuple[np.ndarray, Callable[[np.ndarray], pd.DataFrame]]:
    """Numbers for the cells, which SHAP's maskers need, and what makes a frame of them again."""
    levels = {c: pd.unique(frame[c]) for c in frame if frame[c].dtype.kind not in "fiu"}
    codes = frame.copy()
    for column, known in levels.items():
        codes[column] = pd.Categorical(frame[column], known).codes
    array = codes.to_numpy(np.float64)

    def back(rows: np.ndarray) -> pd.DataFrame:
        made = pd.DataFrame(rows, columns=frame.columns)
        for column, known in levels.items():
            made[column] = known[made[column].astype(int)]
        return made

    return array, back


def beside(name: str, rows: int, background: int, seed: int) -> None:
    x, y, kind = TABLES[name]()
    order = np.random.default_rng(seed).permutation(len(x))
    train, test = order[: len(x) // 2], order[len(x) // 2 :][:rows]
    fitted = kind(random_state=seed, n_jobs=1).fit(x.iloc[train], y[train])
    codes, back = coded(x)
    is_class = kind is SparseMLPClassifier

    shown = x.iloc[test]
    fitted.explain(shown)  # once before it is timed
    start = time.process_time()
    found = fitted.explain(shown, of="log_odds")
    own_time = (time.process_time() - start) / len(shown)
    which = fitted.predict_proba(shown).argmax(axis=1) if is_class else np.zeros(len(shown), int)
    at = np.arange(len(shown))
    values = found.values[at, :, which] if is_class else found.values
    outputs, base = ((e[at, which] if is_class else e) for e in (found.outputs, found.base_values))
    gap = np.abs(values.sum(axis=1) - (outputs - base)) / np.abs(outputs - base)

    def function(class_: int) -> Callable[[np.ndarray], np.ndarray]:
        def log_odds(rows: np.ndarray) -> np.ndarray:
            p = fitted.predict_proba(back(rows)).astype(np.float64)[:, class_].clip(1e-7, 1 - 1e-7)
            return np.log(p / (1 - p))

        return log_odds if is_class else lambda rows: fitted.predict(back(rows))

    masker = shap.maskers.Independent(codes[train], max_samples=background)
    others = np.empty_like(values)
    start = time.process_time()
    for class_ in np.unique(which):
        own = which == class_
        explainer = shap.PermutationExplainer(function(class_), masker, seed=seed)
        others[own] = explainer(codes[test][own], silent=True).values
    shap_time = (time.process_time() - start) / len(shown)
    ranks = [spearmanr(a, b).statistic for a, b in zip(values, others, strict=True)]
    columns = spearmanr(np.abs(values).mean(axis=0), np.abs(others).mean(axis=0)).statistic
    print(
        f"{name:<14}{x.shape[1]:>8}{np.mean(ranks):>10.3f}{columns:>10.3f}{gap.max():>10.1e}"
        f"{own_time * 1e3:>12.2f}{shap_time * 1e3:>12.0f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("tables", nargs="*", default=list(TABLES), help=", ".join(TABLES))
    parser.add_argument("--rows", type=int, default=50, help="rows to explain")
    parser.add_argument("--background", type=int, default=100, help="rows of SHAP's background")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    heads = ["columns", "by row", "by column", "gap", "ms a row", "SHAP's"]
    print(f"{'table':<14}{heads[0]:>8}" + "".join(f"{h:>10}" for h in heads[1:4]), end="")
    print("".join(f"{h:>12}" for h in heads[4:]))
    for name in args.tables:
        beside(name, args.rows, args.background, args.seed)


if __name__ == "__main__":
    main()
