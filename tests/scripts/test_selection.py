"""The comparison of selections: its ways, its drawn tables, and what its summary says."""

import argparse
import json
import operator
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "experiments"))
import selection
import selection_drawn
import selection_fdr
import selection_scale
import selection_summary
import selection_ways
from selection_work import Asked, Kept, carry_out

COUNTS = (2, 4, 7)


def table(rows=60, columns=30, true=(4, 17)):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, columns)).astype(np.float32)
    x[:, 3] = 1  # a constant
    z = x[:, list(true)].sum(axis=1)
    return x * np.linspace(0.01, 100, columns, dtype=np.float32), (z > 0).astype(int)


# --- ways -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", selection_ways.RIVALS)
def test_a_rival_gives_as_many_columns_as_asked_and_the_true_ones_first(name, monkeypatch):
    monkeypatch.setattr(selection_ways, "TREES", 30)
    x, y = table(rows=200)
    found = selection_ways.RIVALS[name].choose(x, y, COUNTS, 0)
    assert list(found) == list(COUNTS)
    for count, columns in found.items():
        assert len(set(columns.tolist())) == len(columns) == count
        if name != "random":
            assert set(columns[:2].tolist()) == {4, 17}


def test_the_elimination_takes_all_columns_if_all_are_asked_for():
    x, y = table()
    found = selection_ways.eliminated(x, y, [2, x.shape[1]], 0)
    assert sorted(found[30].tolist()) == list(range(30))
    assert found[30][:2].tolist() == found[2].tolist()


def test_l1_fills_up_with_the_best_by_f():
    x, y = table(rows=12)
    found = selection_ways.l1(x, y, [2, 29], 0)
    assert len(set(found[29].tolist())) == 29
    assert 3 not in found[29]  # the constant is last


DEFINED = """
import numpy as np

FITS = []


class Means:
    def __init__(self, count=1):
        self.count = count

    def fit(self, x, y):
        FITS.append(1)
        one, two = (np.asarray(x[y == k].mean(axis=0)).ravel() for k in (0, 1))
        self.scores_ = np.abs(one - two)
        return self

    def get_support(self, indices):
        return np.sort(np.argsort(-self.scores_, kind="stable")[: self.count])
"""


@pytest.mark.parametrize(
    ("expression", "fits"),
    [
        ("Means()", 1),
        ("Means(K)", 3),
        ("lambda x, y: abs(x[y == 0].mean(0) - x[y == 1].mean(0))", 0),
    ],
)
def test_an_expression_is_asked_once_or_for_each_count(expression, fits, tmp_path):
    define = tmp_path / "define.py"
    define.write_text(DEFINED)
    x, y = table()
    work = Asked(ours=(f"tried={expression}",), define=str(define))
    found = selection_ways.ways(work)["tried"].choose(x, y, COUNTS, 0)
    best = np.argsort(-np.abs(x[y == 0].mean(0) - x[y == 1].mean(0)), kind="stable")
    assert {count: columns.tolist() for count, columns in found.items()} == {
        count: best[:count].tolist() for count in COUNTS
    }
    assert len(selection_ways.defined(str(define))["FITS"]) == fits


@pytest.mark.parametrize("wrong", ["no expression", "=ts"])
def test_ours_without_a_name_is_refused(wrong):
    with pytest.raises(ValueError, match="expected NAME=EXPRESSION"):
        selection_ways.ways(Asked(ours=(wrong,)))


# --- rows and summary -----------------------------------------------------------------------------


def test_rows_are_read_from_the_repository_and_written_elsewhere(tmp_path, monkeypatch):
    import selection_work

    monkeypatch.setattr(selection_work, "RESULTS", tmp_path / "kept")
    first = Kept("a", ["method"], ["share"], tmp_path / "kept")
    first.add(method="theirs", share=0.5)
    second = Kept("a", ["method"], ["share"], tmp_path / "tried")
    assert second.has(method="theirs")
    second.add(method="ours", share=0.6)
    assert [row["method"] for row in second.rows] == ["theirs", "ours"]
    assert (tmp_path / "kept" / "a.csv").read_text() == "method,share\ntheirs,0.5\n"
    assert (tmp_path / "tried" / "a.csv").read_text() == "method,share\nours,0.6\n"


@pytest.mark.parametrize("jobs", [1, 2])
def test_tasks_give_their_results_in_order(jobs):
    tasks = [(str(k), partial(operator.mul, 2, k)) for k in range(3)]
    assert list(carry_out(tasks, jobs)) == [("0", 0), ("1", 2), ("2", 4)]


def row(method, fold, count, accuracy, seed=0):
    same = {"acc_svc": accuracy, "acc_knn": accuracy, "acc_et": accuracy}
    key = {"method": method, "table": "t", "fold": fold, "seed": seed, "K": count}
    return {name: str(value) for name, value in (key | same | {"seconds": 1}).items()}


def test_means_are_of_folds_that_all_methods_have():
    rows = [row("a", 0, 2, 0.5), row("a", 0, 2, 0.7, seed=1), row("a", 1, 2, 0.0)]
    rows += [row("b", 0, 2, 0.5)]
    columns = [{"method": "a", "table": "t", "fold": "0", "seed": "0", "K": "2", "columns": "3 4"}]
    lines = list(selection_summary.lines(rows, columns, [], ["t"]))
    assert lines[0] == "1 tables, 1 folds"
    assert lines[4].startswith("| a | 60.00 | 60.00 | 60.00 | 60.00 | 60.00 | 1.00 |")
    assert lines[5].startswith("| b | 50.00 |")
    assert lines[9:] == ["| a | 60.00 |", "| b | 50.00 |"]
    assert next(selection_summary.lines(rows, columns, ["c"], ["t"])).startswith("no fold")


def test_stability_is_the_mean_jaccard_index_of_folds():
    rows = [row("a", fold, count, 0.5) for fold in (0, 1) for count in (2, 4)]
    found = {0: {4: "1 2 3 4"}, 1: {2: "2 9", 4: "1 3 5 7"}}  # only the largest: it begins so
    columns = [
        {"method": "a", "table": "t", "fold": str(fold), "seed": "0", "K": str(k), "columns": text}
        for fold, texts in found.items()
        for k, text in texts.items()
    ]
    expected = (1 / 3 + 2 / 6) / 2
    assert selection_summary.stability(rows, columns, ["a"]) == {"a": pytest.approx(expected)}


def test_columns_that_begin_the_largest_set_are_not_written():
    found = {2: np.array([5, 1]), 3: np.array([1, 5, 9]), 4: np.array([5, 1, 7, 9])}
    assert selection.written(found) == {3: "1 5 9", 4: "5 1 7 9"}


# --- tables ---------------------------------------------------------------------------------------


def options(tmp_path, **more):
    asked = {"ours": [], "define": None, "methods": ["f_classif", "random"], "seeds": 2}
    asked |= {"results": tmp_path / "results", "jobs": 1, "data": tmp_path}
    return argparse.Namespace(**asked, **more)


def few_trees(classifier):
    """A forest that is fitted soon; others as they are."""
    if "n_estimators" in classifier.get_params():
        classifier.set_params(n_estimators=5)
    return classifier


def test_tables_are_scored_once(tmp_path, capsys, monkeypatch):
    x, y = table(rows=200, columns=120)
    (tmp_path / "wide").mkdir()
    np.savez(tmp_path / "wide" / "colon.npz", x=x, y=y)
    monkeypatch.setattr("selection_work.RESULTS", tmp_path / "results")
    small = {
        name: lambda make=make: few_trees(make()) for name, make in selection.CLASSIFIERS.items()
    }
    monkeypatch.setattr(selection, "CLASSIFIERS", small)
    selection.load.cache_clear()
    for _ in range(2):
        selection.tables(options(tmp_path, tables=["colon"], folds=2))
    said = capsys.readouterr().out
    assert said.count("f_classif | colon | 0 | 0 |") == 1
    assert "1 tables, 2 folds" in said
    kept = (tmp_path / "results" / "selection.csv").read_text().splitlines()
    assert len(kept) == 1 + 2 * 3 * (1 + 2)  # folds, counts, seeds
    columns = (tmp_path / "results" / "selection-columns.csv").read_text().splitlines()
    assert len(columns) == 1 + 2 * (1 + 2)
    assert len(columns[1].split(",")[-1].split()) == 100
    assert set(columns[1].split(",")[-1].split()[:2]) == {"4", "17"}


def signal(rng, columns, directions=5):
    mixed = rng.normal(size=(300, directions)) @ rng.normal(size=(directions, columns))
    x = rng.normal(size=(300, 60))
    at = rng.choice(60, columns, replace=False)
    x[:, at] = mixed + 0.01 * rng.normal(size=mixed.shape)
    return x, np.sort(at)


def test_columns_with_signal_are_those_that_correlate():
    rng = np.random.default_rng(0)
    x, at = signal(rng, 20)
    np.testing.assert_array_equal(selection.with_signal(x), at)
    for wrong in (signal(rng, 12), signal(rng, 20, directions=10)):
        with pytest.raises(ValueError, match="expected 20 columns"):
            selection.with_signal(wrong[0])


# --- drawn tables ---------------------------------------------------------------------------------

DRAWN = selection_drawn.KINDS | {f"fdr, {k}": draw for k, draw in selection_fdr.KINDS.items()}


@pytest.mark.parametrize("kind", DRAWN)
def test_a_drawn_table_has_two_classes_that_its_true_columns_tell(kind):
    drawn = DRAWN[kind](np.random.default_rng(0), 4000, 100)
    assert drawn.x.shape == (4000, 100)
    assert 0.45 < drawn.y.mean() < 0.55
    again = DRAWN[kind](np.random.default_rng(0), 4000, 100)
    np.testing.assert_array_equal(drawn.x, again.x)
    z = (drawn.x - drawn.x.mean(0)) / drawn.x.std(0)
    told = np.abs(z.T @ (drawn.y - drawn.y.mean())) / len(z)  # as correlations are, but for scale
    square = np.abs((z**2 - 1).T @ (drawn.y - drawn.y.mean())) / len(z)
    columns = drawn.is_true(np.arange(100))
    best = np.maximum(told, square)
    if kind == "fdr, none":
        assert not columns.any()
    elif kind.endswith("mixed"):
        assert columns.sum() == 9
        assert (best[columns] > best[~columns].max()).sum() == 6  # products have no such mark
    elif kind == "fdr, correlated":
        assert columns.sum() == 100  # ten blocks are all there are
        assert np.corrcoef(z.T)[drawn.blocks[:, None] == drawn.blocks].min() > 0.6
    else:
        assert best[columns].mean() > 1.5 * best[~columns].max()


def test_discoveries_are_counted_by_blocks():
    blocks = np.array([0, 0, 1, 1, 2, 2])
    drawn = selection_drawn.Drawn(np.zeros((2, 6)), np.array([0, 1]), blocks, np.array([0, 2]))
    found = selection_fdr.counted(drawn, np.array([0, 1, 3]))
    assert found == {"selected": 3, "false": 1, "fdp": "0.3333", "power": "0.5000"}
    nothing = selection_fdr.counted(drawn, np.empty(0, np.intp))
    assert nothing == {"selected": 0, "false": 0, "fdp": "0.0000", "power": "0.0000"}


def test_knockoffs_have_the_covariance_of_their_columns():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(50_000, 4))
    z[:, 1] = 0.6 * z[:, 0] + 0.8 * z[:, 1]
    z = (z - z.mean(0)) / z.std(0)
    copies = selection_fdr.knockoff_copies(z, rng)
    own, both = np.cov(z.T), np.cov(np.hstack([z, copies]).T)
    s = 0.99 * min(1, 2 * np.linalg.eigvalsh(own)[0])
    np.testing.assert_allclose(both[4:, 4:], own, atol=0.02)
    np.testing.assert_allclose(both[:4, 4:], own - s * np.eye(4), atol=0.02)


def test_the_threshold_of_knockoffs_is_the_least_that_keeps_the_rate():
    statistics = np.array([5.0, 4, 3, 2.5, -2, 1.5, -1, 0])
    expected = next(
        t
        for t in sorted(abs(statistics[statistics != 0]))
        if (1 + sum(s <= -t for s in statistics)) / max(1, sum(s >= t for s in statistics)) <= 0.25
    )
    assert selection_fdr.knockoff_threshold(statistics, 0.25) == expected == 2.5
    assert selection_fdr.knockoff_threshold(statistics, 0.1) == np.inf


@pytest.mark.parametrize("name", ["Benjamini-Hochberg", "Boruta"])
def test_true_columns_are_discovered(name, monkeypatch):
    monkeypatch.setattr(selection_fdr, "TREES", 30)
    x, y = table(rows=200)
    x = np.delete(x, 3, axis=1)
    found = selection_fdr.RIVALS[name](x, y, 0)
    assert {3, 16} <= set(found.tolist())
    assert len(found) < 10


def test_knockoffs_keep_the_rate_where_many_columns_are_true():
    false, power = [], []
    for draw in range(8):
        rng = np.random.default_rng([9, draw])
        x = rng.normal(size=(500, 60))
        y = (x[:, :20].sum(axis=1) > 0).astype(int)
        found = selection_fdr.by_knockoffs(x, y, draw)
        false.append(np.mean(found >= 20))
        power.append(np.sum(found < 20) / 20)
    assert np.mean(false) < 0.16  # 0.08 over 60 draws; the standard error of eight is 0.027
    assert np.mean(power) > 0.9
    assert len(selection_fdr.by_knockoffs(x, rng.permutation(y), 0)) == 0


# --- large tables ---------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc")
@pytest.mark.parametrize("kind", selection_scale.KINDS)
def test_a_table_is_written_and_selected_from(kind, tmp_path):
    if kind == "sparse":
        from scipy import sparse

        x, y, true = selection_scale.draw_sparse(200, 3000)
        assert x.nnz < 4 * 200 + 200 * 20
        sparse.save_npz(tmp_path / "x.npz", x)
    else:
        y, true = selection_scale.write_dense(tmp_path / "x.npy", 200, 3000)
    np.save(tmp_path / "y.npy", y)
    define = tmp_path / "define.py"
    define.write_text(DEFINED)
    job = {"kind": kind, "code": "Means()", "define": str(define), "seed": 0}
    found = selection_scale.select(job | {"folder": str(tmp_path), "true": true.tolist()})
    assert found["found"] >= 15
    assert json.dumps(found)
    assert set(found) == set(selection_scale.FOUND)
