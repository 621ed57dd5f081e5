"""The rows of selections as tables in Markdown."""

import itertools
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

Row = dict[str, str]
Cell = tuple[str, ...]
CLASSIFIERS = ("acc_svc", "acc_knn", "acc_et")
CELL = ("table", "fold", "K")


def chosen(rows: list[Row], methods: Sequence[str]) -> list[str]:
    """Give the methods that have rows; of those named, if any are."""
    found = list(dict.fromkeys(row["method"] for row in rows))
    return [name for name in found if not methods or name in methods]


def grid(head: Sequence[str], lines: list[list[str]]) -> Iterator[str]:
    """Give a table in Markdown."""
    for cells in (head, ["---"] * len(head), *lines):
        yield "| " + " | ".join(cells) + " |"


def means(
    rows: list[Row], keys: Sequence[str], columns: Sequence[str], methods: Sequence[str]
) -> Iterator[str]:
    """Give the mean of each column and its standard error, a line a method and values of `keys`."""
    groups: dict[Cell, list[Row]] = defaultdict(list)
    names = chosen(rows, methods)
    for row in rows:
        if row["method"] in names:
            groups[(*(row[key] for key in keys), row["method"])].append(row)
    lines = []
    for group in sorted(groups, key=lambda one: one[:-1]):
        cells = [*group, str(len(groups[group]))]
        for column in columns:
            values = [float(row[column]) for row in groups[group] if row[column]]
            cells.append(mean_and_error(values))
        lines.append(cells)
    yield from grid([*keys, "method", "runs", *columns], lines)


def mean_and_error(values: Sequence[float]) -> str:
    """Give a mean and its standard error as text."""
    if len(values) < 2:
        return f"{values[0]:.3f}" if values else ""
    error = statistics.stdev(values) / len(values) ** 0.5
    return f"{statistics.mean(values):.3f} ± {error:.3f}"


# --- accuracy on tables ---------------------------------------------------------------------------


def common(rows: list[Row], names: Sequence[str]) -> dict[str, dict[Cell, list[Row]]]:
    """Give each method's rows by table, fold and K, where all of these methods have some."""
    found: dict[str, dict[Cell, list[Row]]] = {name: defaultdict(list) for name in names}
    for row in rows:
        if row["method"] in found:
            found[row["method"]][tuple(row[key] for key in CELL)].append(row)
    shared = set.intersection(*(set(cells) for cells in found.values()))
    return {name: {cell: cells[cell] for cell in sorted(shared)} for name, cells in found.items()}


def averaged(cells: dict[Cell, list[Row]]) -> dict[Cell, float]:
    """Average over seeds, then over folds: accuracies in percent by table, K and classifier."""
    parts: dict[Cell, list[float]] = defaultdict(list)
    for (table, _, count), rows in cells.items():
        for column in CLASSIFIERS:
            mean = statistics.mean(float(row[column]) for row in rows)
            parts[table, count, column].append(100 * mean)
    return {cell: statistics.mean(values) for cell, values in parts.items()}


def ranks(scores: dict[str, dict[Cell, float]]) -> dict[str, float]:
    """Give each method's mean rank, 1 for the best, over tables, K and classifiers."""
    from scipy.stats import rankdata

    cells = list(next(iter(scores.values())))
    values = np.array([[scores[name][cell] for cell in cells] for name in scores])
    mean = rankdata(-values, axis=0).mean(axis=1)
    return dict(zip(scores, mean.tolist(), strict=True))


def stability(rows: list[Row], columns: list[Row], names: Sequence[str]) -> dict[str, float]:
    """Give the mean Jaccard index of the sets of two folds, by the method."""
    texts = {
        (row["method"], row["table"], row["seed"], row["fold"], row["K"]): row["columns"].split()
        for row in columns
    }
    most = max((int(row["K"]) for row in columns), default=0)
    sets: dict[Cell, dict[str, set[str]]] = defaultdict(dict)
    for row in rows:
        key = row["method"], row["table"], row["seed"], row["fold"]
        text = texts.get((*key, row["K"]), texts.get((*key, str(most)), []))
        sets[(*key[:3], row["K"])][row["fold"]] = set(text[: int(row["K"])])
    parts: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in names}
    for (method, table, *_), by_fold in sets.items():
        if method in parts:
            for one, two in itertools.combinations(by_fold.values(), 2):
                parts[method][table].append(len(one & two) / max(1, len(one | two)))
    return {
        name: statistics.mean(map(statistics.mean, tables.values())) if tables else float("nan")
        for name, tables in parts.items()
    }


def lines(
    rows: list[Row], columns: list[Row], methods: Sequence[str], tables: Sequence[str]
) -> Iterator[str]:
    """Give what tables tell: means and ranks, then each table.

    Every mean is of the folds and counts of which all these methods have rows.
    """
    rows = [row for row in rows if row["table"] in tables]
    names = chosen(rows, methods)
    cells = common(rows, names) if names else {}
    if not names or not cells[names[0]]:
        yield "no fold has rows of all these methods"
        return
    scores = {name: averaged(cells[name]) for name in names}
    rank = ranks(scores)
    used = {name: [row for group in cells[name].values() for row in group] for name in names}
    alike = stability([row for group in used.values() for row in group], columns, names)
    names.sort(key=rank.__getitem__)
    counts = sorted({cell[1] for cell in scores[names[0]]}, key=int)
    body = []
    for name in names:
        score = scores[name]
        found = [statistics.mean(score.values())]
        found += [statistics.mean(v for c, v in score.items() if c[1] == k) for k in counts]
        found += [statistics.mean(v for c, v in score.items() if c[2] == k) for k in CLASSIFIERS]
        seconds = statistics.mean(float(row["seconds"]) for row in used[name])
        body.append([name, *(f"{one:.2f}" for one in found), f"{rank[name]:.2f}"])
        body[-1] += [f"{alike[name]:.3f}", f"{seconds:.1f}"]
    shared = sorted({cell[:2] for cell in cells[names[0]]})
    yield f"{len({cell[0] for cell in shared})} tables, {len(shared)} folds"
    yield ""
    head = ["method", "mean", *(f"K = {k}" for k in counts), *CLASSIFIERS]
    yield from grid([*head, "rank", "stability", "seconds"], body)
    yield ""
    found = list(dict.fromkeys(cell[0] for cell in shared))
    found.sort(key=list(tables).index)
    body = [[name, *(_of_table(scores[name], table) for table in found)] for name in names]
    yield from grid(["method", *found], body)


def _of_table(scores: dict[Cell, float], table: str) -> str:
    mean = statistics.mean(value for cell, value in scores.items() if cell[0] == table)
    return f"{mean:.2f}"
