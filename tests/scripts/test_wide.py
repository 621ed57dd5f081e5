"""The experiment on wide tables: what a run measures, what is planned, kept and summed up."""

import argparse
import lzma
import struct
import sys
import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.metrics import log_loss

sys.path.insert(0, str(Path(__file__).parents[2] / "experiments"))
import wide
import wide_rivals
import wide_tables
from rows import Rows

X, Y = load_iris(return_X_y=True)
X, Y = X[::3], Y[::3]
TREES = wide_rivals.RIVALS["extra trees"]


def chances(samples, classes, seed=0):
    found = np.random.default_rng(seed).random((samples, classes)) ** 3
    return found / found.sum(1, keepdims=True)


def test_the_log_loss_is_scikit_learns_and_knows_unseen_classes():
    classes, p = np.array([2, 5, 7]), chances(40, 3)
    truth = np.random.default_rng(1).choice(classes, 40)
    assert wide_rivals.log_loss(truth, classes, p) == pytest.approx(log_loss(truth, p))
    for unseen in (0, 6, 9):
        found = wide_rivals.log_loss(np.array([unseen, 5]), classes, p[:2])
        assert found == pytest.approx(-(np.log(1e-15) + np.log(p[1, 1])) / 2)


def test_the_calibration_error_is_that_of_15_bins():
    classes, p = np.array([0, 1, 4]), chances(200, 3)
    p[:3] = [[1, 0, 0], [0.2, 0.4, 0.4], [1 / 3, 1 / 3, 1 / 3]]
    truth = np.random.default_rng(1).choice(classes, 200)
    top, right = p.max(1), classes[p.argmax(1)] == truth
    naive = 0.0
    for low, high in pairwise(np.arange(16) / 15):
        inside = (top > low) & (top <= high)
        if inside.any():
            naive += inside.mean() * abs(right[inside].mean() - top[inside].mean())
    assert wide_rivals.calibration_error(truth, classes, p) == pytest.approx(naive)


def test_a_run_measures_classes_even_if_training_lacks_one():
    train, test = np.flatnonzero(Y != 1), np.arange(len(Y))
    row = wide_rivals.measure(TREES, X, Y, train, test)
    assert float(row["score"]) == pytest.approx(np.mean(Y != 1), abs=1e-6)
    assert float(row["log_loss"]) > np.mean(Y == 1) * 34  # -log(1e-15) is 34.5
    assert row["rows"] == str(len(Y))
    svc = wide_rivals.measure(wide_rivals.RIVALS["linear SVC"], X, Y, test, test)
    assert svc["log_loss"] == svc["ece"] == ""
    assert float(svc["score"]) > 0.9


def test_a_run_measures_r2():
    everything = np.arange(len(Y))
    row = wide_rivals.measure(
        wide_rivals.RIVALS["Ridge"], X, X[:, 0] * 2, everything, everything, regression=True
    )
    assert float(row["score"]) > 0.95
    assert row["ece"] == ""
    assert wide_rivals.r2(np.array([1.0, 2, 3]), np.array([2.0, 2, 2])) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_a_run_has_a_process_and_a_limit():
    def never():
        while True:
            pass

    assert wide_rivals.in_a_process(lambda: {"score": "1"}, 60) == {"score": "1"}
    assert wide_rivals.in_a_process(lambda: {}["x"], 60) == "KeyError: 'x'"
    assert wide_rivals.in_a_process(never, 1) == wide_rivals.TIMEOUT


def test_runs_are_planned():
    assert wide.plan("colon", "ours") == [(f, s) for f in range(5) for s in range(3)]
    assert wide.plan("colon", "LightGBM") == [(f, 0) for f in range(5)]
    assert wide.plan("colon", "TabM") == [(0, 0), (1, 0)]
    assert wide.plan("madelon", "random forest") == [(f, s) for f in range(2) for s in range(3)]
    assert wide.plan("documents", "RealMLP") == []
    assert wide.plan("colon", "Ridge") == wide.plan("gasoline", "linear SVC") == []
    assert {table.group for table in wide_tables.TABLES.values()} == set(wide_tables.GROUPS)


def test_made_tables_are_as_large_as_they_are_said_to_be():
    for name in ("iris", "digits", "linear", "friedman", "diabetes"):
        x, y, folds = wide.loaded(name, Path("data"))
        assert len(x) == len(y) == sum(len(test) for _, test in folds)
    with pytest.raises(wide_tables.Absent, match="needs data"):
        wide.loaded("colon", Path("data"))


def test_data_sets_of_r_are_unpacked():
    text = b"numbers" * 20
    size = struct.pack(">I", len(text))
    raw = lzma.compress(text, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "preset": 6}])
    assert wide_tables._unpacked(size + zlib.compress(text)) == text
    assert wide_tables._unpacked(size + b"Z" + raw) == text


@pytest.fixture
def options(tmp_path):
    return argparse.Namespace(
        data=tmp_path, tables=["iris", "colon"], only=["linear SVC", "Ridge"],
        hours=np.inf, limit=60,
    )  # fmt: skip


def kept_in(folder):
    return Rows("wide", wide.KEYS, wide.COLUMNS, folder)


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_runs_are_kept_and_tables_that_are_not_here_left_out(tmp_path, options, capsys):
    options.hours = -1
    wide.run_all(kept_in(tmp_path), options)
    assert not kept_in(tmp_path).rows
    options.hours = np.inf
    wide.run_all(kept_in(tmp_path), options)
    assert "colon, linear SVC: needs" in capsys.readouterr().err
    kept = kept_in(tmp_path)
    assert [(row["table"], row["fold"]) for row in kept.rows] == [("iris", f) for f in "01234"]
    wide.run_all(kept, options)
    assert len(kept.rows) == 5
    assert "linear SVC | 10 | 5 |" in "\n".join(wide.plan_lines(wide.by_run(kept.rows), options))
    assert kept.drop(table="iris", rival="Ridge") == 0
    assert kept.drop(table="iris", rival="linear SVC", fold=3) == 1
    assert [row["fold"] for row in kept_in(tmp_path).rows] == ["0", "1", "2", "4"]


def test_after_a_time_out_the_other_runs_are_not_tried(tmp_path, options, monkeypatch):
    tried = []

    def late(job, limit):
        tried.append(limit)
        return wide_rivals.TIMEOUT

    monkeypatch.setattr(wide, "in_a_process", late)
    options.tables = ["iris"]
    wide.run_all(kept := kept_in(tmp_path), options)
    assert [(row["score"], row["seconds"]) for row in kept.rows] == (
        [("timeout", "60")] + [("timeout", "")] * 4
    )
    assert tried == [60]


def made_rows(scores):
    """Rows of a table in two folds: of the networks with three seeds, of others with one."""
    for (table, rival), values in scores.items():
        for (fold, seed), value in zip(wide.plan(table, rival), values, strict=False):
            yield {
                "table": table, "rival": rival, "fold": str(fold), "seed": str(seed),
                "score": str(value), "log_loss": "" if value == "timeout" else "0.5", "ece": "",
                "seconds": "2", "rows": "9",
            }  # fmt: skip


def test_the_summary_ranks_what_is_complete():
    rows = made_rows({
        ("madelon", "ours"): [0.7, 0.5, 0.6, 0.8, 0.8, 0.8],
        ("madelon", "LightGBM"): [0.6, 0.8],
        ("madelon", "linear SVC"): ["timeout", "timeout"],
        ("madelon", "XGBoost"): [0.9],
    })  # fmt: skip
    done = wide.by_run(list(rows))
    rivals = ["ours", "LightGBM", "linear SVC", "XGBoost", "Ridge"]
    summary = wide.Summary(done, ["madelon"], rivals, wide.FEW)
    assert summary.rivals == rivals[:3]
    assert summary.missing == {"XGBoost": 1}
    np.testing.assert_allclose(summary.means(), [[0.7, 0.7, -np.inf]])
    np.testing.assert_allclose(summary.ranks_of_runs(), [1.5, 1.5, 3])
    lines = list(wide.rank_lines(summary, False))
    assert lines[2] == "| ours | 1.50 | 1.50 | 0.700 | 0.500 | - | 2.00 | 1 of 1 |"
    assert lines[-1] == "| linear SVC | 3.00 | 3.00 | - | - | - | 2.00 | 0 of 1 |"
    options = argparse.Namespace(tables=["madelon", "colon"], only=rivals)
    text = "\n".join(wide.table_lines(done, options))
    assert "| madelon | 0.700 | 0.700 | no score |" in text
    assert "Not complete: XGBoost (1 runs)." in text
    assert "Without a row: colon." in text


def test_the_summary_says_what_csr_changes():
    names = [("BASEHOCK", 0.8), ("BASEHOCK (CSR)", 0.7), ("PCMAC", 0.5), ("PCMAC (CSR)", 0.75)]
    rows = made_rows({(name, "LightGBM"): [value] * 2 for name, value in names})
    options = argparse.Namespace(tables=[name for name, _ in names], only=["LightGBM", "ours"])
    lines = list(wide.table_lines(wide.by_run(list(rows)), options))
    assert lines[-1] == "| LightGBM | -0.1000 | +0.2500 |"
    assert lines.count("### CSR, two folds") == 1
