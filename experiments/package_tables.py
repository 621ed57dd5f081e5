"""Tables that packages bring, through the command line: `python experiments/package_tables.py`.

Each table is written to a file as the package has it, text, missing cells and dates included; only
rows without a label are left out. Then `trulysparse train`, `evaluate` and `predict` get that file
and the name of the label, and nothing else. A file without names has the label first.
LightGBM with its defaults is fitted to the same rows, and scored on those that `train` held out.
It takes text as categories of pandas. No setting of either is tuned.

Needs scikit-learn, pandas, pyarrow and LightGBM. Tables of packages that are not installed are left
out.
"""

import argparse
import csv
import importlib
import math
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import trulysparse as ts
from rows import Rows
from scipy import sparse
from sklearn import datasets
from trulysparse.cli import make_parser
from trulysparse.cli.tables import rows, source, targets

COLUMNS = ["package", "format", "rows", "columns", "found", "score", "constant", "lightgbm"]
THREADS = 2
SHOWN = 3
LIMIT = 600  # seconds for a command


@dataclass(frozen=True)
class Source:
    """A table of a package.

    Attributes
    ----------
    package
        That brings it, as it is imported.
    load
        Gives a frame, or features and label.
    label
        Its column; several columns; none in formats without names.
    format
        One of `FORMATS`.
    """

    package: str
    load: Callable[[], Any]
    label: str | tuple[str, ...] | None
    format: str

    @property
    def labels(self) -> tuple[str, ...]:
        """The label's columns."""
        return (self.label,) if isinstance(self.label, str) else self.label or ()

    @property
    def flags(self) -> list[str]:
        """What the command line is told."""
        if self.format == "text without names":
            return ["--label", "0"]
        return [flag for name in self.labels for flag in ("--label", name)]


def _text(path: Path, frame: pd.DataFrame, **how: Any) -> None:
    frame.to_csv(path, index=False, **how)


def _npz(path: Path, table: tuple[Any, Any]) -> None:
    np.savez(path, x=table[0], y=table[1])


def _without_names(path: Path, table: tuple[Any, Any]) -> None:
    x, y = table
    np.savetxt(path, np.column_stack([y, x]), fmt="%.6g", delimiter="\t")


def _svm(path: Path, table: tuple[Any, ...]) -> None:
    x, y, *queries = table
    x.indices, x.indptr = x.indices.astype(np.int32), x.indptr.astype(np.int32)
    datasets.dump_svmlight_file(x, y, str(path), zero_based=False, query_id=(queries or [None])[0])


# How a table is written, and the end of the file's name.
FORMATS: dict[str, tuple[str, Callable[[Path, Any], None]]] = {
    "CSV": (".csv", _text),
    "semicolons, decimal comma": (".csv", lambda p, f: _text(p, f, sep=";", decimal=",")),
    "TSV, missing as NA": (".tsv", lambda p, f: _text(p, f, sep="\t", na_rep="NA")),
    "CSV, gzip": (".csv.gz", lambda p, f: _text(p, f, compression="gzip")),
    "Parquet": (".parquet", lambda p, f: f.to_parquet(p, index=False)),
    "NPZ": (".npz", _npz),
    "text without names": (".train", _without_names),
    "libsvm": (".svm", _svm),
}


def _sklearn(name: str, **how: Any) -> Callable[[], pd.DataFrame]:
    return lambda: getattr(datasets, f"load_{name}")(as_frame=True, **how).frame


def _iris() -> pd.DataFrame:
    found = datasets.load_iris(as_frame=True)
    return found.frame.assign(target=found.target_names[found.target])


def _statsmodels(name: str) -> Callable[[], pd.DataFrame]:
    """Load a data set; an index with a name, or of times or text, becomes a column."""

    def load() -> pd.DataFrame:
        frame = importlib.import_module(f"statsmodels.datasets.{name}").load_pandas().data
        return frame if isinstance(frame.index, pd.RangeIndex) else frame.reset_index()

    return load


def _statsmodels_file(path: str) -> Callable[[], pd.DataFrame]:
    """Read a table of the tests that statsmodels brings."""

    def load() -> pd.DataFrame:
        (folder,) = find_spec("statsmodels").submodule_search_locations
        return pd.read_csv(Path(folder) / path)

    return load


def _sksurv(name: str) -> Callable[[], pd.DataFrame]:
    """Load a data set with the event as the label; the time until then is left out."""

    def load() -> pd.DataFrame:
        x, y = getattr(importlib.import_module("sksurv.datasets"), f"load_{name}")()
        return x.assign(**{y.dtype.names[0]: y[y.dtype.names[0]]})

    return load


def _numbers(samples: int = 7000, features: int = 28) -> tuple[np.ndarray, np.ndarray]:
    """Draw a table as LightGBM's `binary.train`: the label, then numbers without names."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(samples, features))
    z = x[:, 0] * x[:, 1] + np.abs(x[:, 2]) + x[:, 3:8] @ rng.normal(size=5) / 2
    return x, (z + rng.normal(size=samples) > np.median(z)).astype(int)


def _ranked(queries: int = 200) -> tuple[sparse.csr_array, np.ndarray, np.ndarray]:
    """Draw a table as LightGBM's `rank.train`: relevance from 0 to 4 of documents of queries."""
    rng = np.random.default_rng(1)
    query = np.repeat(np.arange(queries), rng.integers(5, 26, queries))
    x = sparse.random_array((len(query), 300), density=0.3, rng=rng, format="csr")
    score = x[:, :10] @ rng.normal(size=10) + 0.3 * rng.normal(size=len(query))
    cuts = np.quantile(score, [0.5, 0.75, 0.9, 0.97])
    return x, np.searchsorted(cuts, score), query


def _mushrooms(samples: int = 6500) -> tuple[sparse.csr_array, np.ndarray]:
    """Draw a table as XGBoost's `agaricus.txt.train`: 22 properties as 126 columns of ones."""
    rng = np.random.default_rng(2)
    levels = np.array([6, 4, 10, 2, 9, 4, 3, 2, 12, 2, 7, 4, 4, 9, 9, 2, 4, 3, 8, 9, 6, 7])
    codes = np.column_stack([rng.integers(n, size=samples) for n in levels])
    first = np.concatenate([[0], np.cumsum(levels)[:-1]])
    at = np.repeat(np.arange(samples), len(levels)), (codes + first).ravel()
    x = sparse.csr_array((np.ones(codes.size), at), shape=(samples, levels.sum()))
    eaten = ((codes[:, 4] < 4) & (codes[:, 19] != 2)) | ((codes[:, 7] == 1) & (codes[:, 8] > 8))
    return x, eaten.astype(int)


# Of the data sets of statsmodels those with 30 rows or more.
TABLES = {
    "iris": Source("sklearn", _iris, "target", "CSV"),
    "wine": Source("sklearn", _sklearn("wine"), "target", "semicolons, decimal comma"),
    "breast_cancer": Source("sklearn", _sklearn("breast_cancer"), "target", "TSV, missing as NA"),
    "diabetes": Source("sklearn", _sklearn("diabetes", scaled=False), "target", "CSV, gzip"),
    "digits": Source("sklearn", lambda: datasets.load_digits(return_X_y=True), "y", "NPZ"),
    "linnerud": Source("sklearn", _sklearn("linnerud"), ("Weight", "Waist", "Pulse"), "CSV"),
    **{
        name: Source("statsmodels", _statsmodels(name), label, how)
        for name, label, how in [
            ("anes96", "vote", "CSV"),
            ("cancer", "cancer", "TSV, missing as NA"),
            ("ccard", "AVGEXP", "semicolons, decimal comma"),
            ("co2", "co2", "CSV"),
            ("danish_data", "lrm", "CSV"),
            ("elec_equip", "STS.M.I7.W.TOVT.NS0016.4.000", "Parquet"),
            ("elnino", "DEC", "semicolons, decimal comma"),
            ("engel", "foodexp", "CSV"),
            ("fair", "affairs", "Parquet"),
            ("fertility", "2010", "CSV"),
            ("grunfeld", "invest", "semicolons, decimal comma"),
            ("heart", "survival", "CSV"),
            ("interest_inflation", "R", "CSV, gzip"),
            ("macrodata", "infl", "TSV, missing as NA"),
            ("modechoice", "choice", "CSV, gzip"),
            ("nile", "volume", "CSV"),
            ("randhie", "mdvis", "CSV, gzip"),
            ("scotland", "YES", "CSV"),
            ("spector", "GRADE", "semicolons, decimal comma"),
            ("star98", "NABOVE", "Parquet"),
            ("statecrime", "murder", "TSV, missing as NA"),
            ("strikes", "duration", "CSV"),
            ("sunspots", "SUNACTIVITY", "CSV"),
        ]
    },
    **{
        Path(path).name: Source("statsmodels", _statsmodels_file(f"{path}.csv"), label, how)
        for path, label, how in [
            ("gam/tests/results/autos", "price", "semicolons, decimal comma"),
            ("treatment/tests/results/cataneo2", "bweight", "CSV, gzip"),
            ("regression/tests/results/dietox", "Weight", "TSV, missing as NA"),
            ("genmod/tests/results/epil", "y", "CSV"),
            ("stats/tests/results/framing", "cong_mesg", "CSV"),
            ("miscmodels/tests/results/ologit_ucla", "apply", "Parquet"),
        ]
    },
    **{
        name if name != "breast_cancer" else "breast_cancer (genes)": Source(
            "sksurv", _sksurv(name), label, how
        )
        for name, label, how in [
            ("aids", "censor", "CSV"),
            ("bmt", "status", "CSV"),
            ("breast_cancer", "e.tdm", "CSV, gzip"),
            ("cgvhd", "status", "TSV, missing as NA"),
            ("flchain", "death", "Parquet"),
            ("gbsg2", "cens", "semicolons, decimal comma"),
            ("veterans_lung_cancer", "Status", "CSV"),
            ("whas500", "fstat", "TSV, missing as NA"),
        ]
    },
    "like binary.train": Source("lightgbm", _numbers, None, "text without names"),
    "like rank.train": Source("lightgbm", _ranked, None, "libsvm"),
    "like agaricus": Source("xgboost", _mushrooms, None, "libsvm"),
}


def written(name: str, folder: Path) -> Path:
    """Write a table to a file, as the package has it but for rows without a label."""
    table = TABLES[name]
    end, write = FORMATS[table.format]
    found = table.load()
    if isinstance(found, pd.DataFrame):
        found = found.dropna(subset=list(table.labels))
    path = folder / (re.sub(r"\W+", "_", name) + end)
    write(path, found)
    return path


def run(command: str, *flags: Any) -> list[str]:
    """Run a command of trulysparse in a new process, and give the lines that it printed.

    Raises
    ------
    RuntimeError
        With what it said, if its exit code is not 0.
    """
    python = [sys.executable, "-m", "trulysparse", command, *map(str, flags)]
    done = subprocess.run(python, capture_output=True, text=True, check=False, timeout=LIMIT)
    if done.returncode:
        raise RuntimeError(f"{command}, exit code {done.returncode}: {done.stderr.strip()[-600:]}")
    return done.stdout.splitlines()


def said_score(lines: list[str]) -> float:
    """Give the held-out accuracy or R2 that `train` printed, of several numbers their mean."""
    line = next(one for one in reversed(lines) if one.startswith("test: "))
    accuracy = re.search(r"accuracy ([\d.]+) %", line)
    if accuracy:
        return float(accuracy[1]) / 100
    return float(np.mean([float(one) for one in re.findall(r"R2 (-?[\d.]+)", line)]))


def score(truth: np.ndarray, guess: np.ndarray) -> float:
    """Give the accuracy of classes, or R2 of columns of numbers, their mean."""
    if truth.ndim == 1:
        return float(np.mean(truth == guess))
    errors = ((truth - guess) ** 2).sum(axis=0)
    return float(np.mean(1 - errors / ((truth - truth.mean(axis=0)) ** 2).sum(axis=0)))


def predictions(path: Path, learnt: Any) -> np.ndarray:
    """Read what `predict` wrote, as codes of the classes or numbers."""
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    if len(lines) != len(learnt.y):
        raise RuntimeError(f"predict wrote {len(lines)} lines for {len(learnt.y)} rows")
    if learnt.class_names is not None:
        codes = {name: code for code, name in enumerate(learnt.class_names)}
        return np.array([codes[line["class"]] for line in lines])
    return np.array([[float(line[name]) for name in learnt.names] for line in lines])


def frame_of(x: Any) -> Any:
    """Give features as LightGBM takes them: text as categories, times as seconds."""
    if not hasattr(x, "get_columns"):
        return sparse.csr_matrix(x) if sparse.issparse(x) else x
    found = {}
    for k, column in enumerate(x.get_columns()):
        values = pd.Series(column.to_list())
        if column.dtype.is_temporal():
            values = pd.to_datetime(values).astype("int64") / 1e9
        elif values.dtype == object and not column.dtype.is_numeric():
            values = values.astype("category")
        found[f"c{k}"] = values if values.dtype == "category" else values.astype(float)
    return pd.DataFrame(found)


def lightgbm_score(x: Any, learnt: Any, train: np.ndarray, test: np.ndarray) -> float:
    """Fit LightGBM with its defaults to some rows, and score it on others."""
    import lightgbm

    features, y = frame_of(x), learnt.y
    features = features.iloc if isinstance(features, pd.DataFrame) else features
    kind = lightgbm.LGBMRegressor if y.ndim == 2 else lightgbm.LGBMClassifier
    guesses = [
        kind(verbose=-1, n_jobs=THREADS).fit(features[train], one[train]).predict(features[test])
        for one in y.reshape(len(y), -1).T
    ]
    guess = np.column_stack(guesses) if y.ndim == 2 else guesses[0]
    return score(y[test], guess)


def _some(what: str, names: list[str]) -> list[str]:
    """Give a sentence that names the first of some columns, if there are any."""
    if not names:
        return []
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return [what + ", ".join(names[:SHOWN]) + more]


def found_out(learnt: Any, model: Path, lines: list[str]) -> str:
    """Say in short what `train` found out of a table."""
    classes = learnt.class_names
    parts = [f"{len(classes)} classes" if classes else "regression"]
    parts[0] += f" of {len(learnt.names)} numbers" if len(learnt.names) > 1 else ""
    columns = getattr(ts.load(model), "columns_", None) or []
    kinds = Counter(part.kind for part in columns)
    plural = {"number": "numbers", "category": "categories", "time": "times"}
    said = [f"{kinds[k]} {plural[k] if kinds[k] > 1 else k}" for k in plural if kinds[k]]
    parts += [", ".join(said)] if said else []
    missing = sum(1 for part in columns if getattr(part, "missing", 0))
    parts += [f"missing cells in {missing}"] if missing else []
    parts += _some("left out: ", [part.name for part in columns if part.kind == "left out"])
    told = (re.search(r"column '(.*)' predicts the label by itself", line) for line in lines)
    parts += _some("tells the label: ", [one[1] for one in told if one])
    return "; ".join(parts)


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Take a table through the commands and through LightGBM, and give its row."""
    table, path, out = TABLES[name], written(name, folder), folder / "out"
    model, predicted = out / "model.safetensors", folder / "predictions.csv"
    threads = ("--threads", THREADS)
    lines = run("train", "--data", path, *table.flags, "--out", out, *threads)
    run("evaluate", model, "--data", path, *threads)
    run("predict", model, "--data", path, "--out", predicted, *threads)

    args = make_parser(["train"]).parse_args(["train", "--data", str(path), *table.flags])
    read = source.read(args, source.labels(args.label))
    learnt = targets.learn(read, None, str(path))
    train, test = rows.at_random(str(path), learnt)
    ours = score(learnt.y[test], predictions(predicted, learnt)[test])
    said = said_score(lines)
    if not math.isclose(ours, said, abs_tol=1e-4, rel_tol=1e-3):
        raise RuntimeError(f"train said {said} of the held-out rows, predictions have {ours}")
    common = (
        np.bincount(learnt.y[train]).argmax() if learnt.y.ndim == 1 else learnt.y[train].mean(0)
    )
    return {
        "package": table.package,
        "format": table.format,
        "rows": len(learnt.y),
        "columns": read.x.shape[1],
        "found": found_out(learnt, model, lines),
        "score": f"{ours:.4f}",
        "constant": f"{score(learnt.y[test], np.broadcast_to(common, learnt.y[test].shape)):.4f}",
        "lightgbm": f"{lightgbm_score(read.x, learnt, train, test):.4f}",
    }


def better(found: list[dict[str, str]]) -> tuple[int, int, int]:
    """Count tables where the network, LightGBM and neither is better, by rounded scores."""
    ours, theirs = ([round(float(row[key]), 3) for row in found] for key in ("score", "lightgbm"))
    pairs = list(zip(ours, theirs, strict=True))
    first, second = sum(a > b for a, b in pairs), sum(b > a for a, b in pairs)
    return first, second, len(pairs) - first - second


def table_lines(found: list[dict[str, str]]) -> Iterator[str]:
    """Give the table as Markdown."""
    yield "| table | package | file | rows x columns | found out | score | constant | LightGBM |"
    yield "|---|---|---|---|---|---|---|---|"
    for row in found:
        size = f"{int(row['rows']):,} x {int(row['columns']):,}"
        scores = " | ".join(
            f"{round(float(row[key]), 3) + 0:.3f}" for key in ("score", "constant", "lightgbm")
        )
        yield (
            f"| {row['table']} | {row['package']} | {row['format']} | {size} | {row['found']} "
            f"| {scores} |"
        )
    first, second, same = better(found)
    yield ""
    yield f"Better on {first} of {len(found)}; LightGBM better on {second}, equal on {same}."


def main() -> int:
    """Take the tables through the commands, or print what the results hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tables", nargs="*", default=list(TABLES), help=", ".join(TABLES))
    parser.add_argument("--table", action="store_true", help="only print what results/ holds")
    options = parser.parse_args()
    kept = Rows("package_tables", ["table"], COLUMNS)
    troubles = 0
    for name in [] if options.table else options.tables:
        if kept.find(table=name) or not find_spec(TABLES[name].package):
            continue
        with tempfile.TemporaryDirectory() as folder:
            try:
                row = kept.add(table=name, **measure(name, Path(folder)))
            except (RuntimeError, ValueError, subprocess.TimeoutExpired) as error:
                troubles += 1
                print(f"{name}: {error}", file=sys.stderr, flush=True)
                continue
        print(name, row["found"], row["score"], row["lightgbm"], sep=" | ", flush=True)
    done = [row for name in options.tables if (row := kept.find(table=name))]
    print(*table_lines(done), sep="\n")
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
