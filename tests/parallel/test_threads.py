"""Parallel fits: one worker is the sequential fit, bits, records, and what users get wrong."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trulysparse as ts
from helpers.command_line import train
from helpers.parallel_fit import content, data, fitted, numbers
from trulysparse import cli
from trulysparse.training import progress

STRATEGIES = [ts.WASSP, ts.WASAP]


@pytest.mark.parametrize("kind", STRATEGIES)
@pytest.mark.parametrize("fraction", [0, 0.5, 1])
def test_one_worker_is_the_sequential_fit(kind: Any, fraction: float, tmp_path: Path) -> None:
    expected = fitted(None)
    found = fitted(kind(workers=1, local_fraction=fraction))
    assert content(found, tmp_path / "a") == content(expected, tmp_path / "b")
    assert numbers(found) == numbers(expected)


def test_synchronous_workers_have_the_same_bits_on_any_threads(tmp_path: Path) -> None:
    strategy = ts.WASSP(workers=3, warmup_epochs=2)
    expected = fitted(strategy, threads=1)
    for threads in (2, 3):
        found = fitted(strategy, threads=threads)
        assert content(found, tmp_path / "a") == content(expected, tmp_path / "b")
    rates = expected.history.history["learning_rate"]
    assert rates[2] > rates[0] > rates[4]  # warm-up, then phase 2 without the factor


@pytest.mark.parametrize("workers", [2, 5])
def test_an_asynchronous_fit_is_replayed_bit_for_bit(workers: int, tmp_path: Path) -> None:
    path = tmp_path / "record"
    recorded = fitted(ts.WASAP(workers=workers, record=path))
    replayed = fitted(ts.WASAP(workers=workers, replay=path))
    assert content(recorded, tmp_path / "a") == content(replayed, tmp_path / "b")
    assert numbers(recorded) == numbers(replayed)
    history = recorded.history.history
    assert len(path.read_text().splitlines()) == 1 + 4
    batches = sum(-(-len(range(k, 203, workers)) // 16) for k in range(workers))
    assert history["updates"] == [batches] * 4 + [0, 0]
    assert history["staleness"] == replayed.history.history["staleness"]
    with pytest.raises(ValueError, match=r"replay = .*: is of .*expected"):
        fitted(ts.WASAP(workers=workers + 1, replay=path))
    with pytest.raises(ValueError, match="ends too early, after 4 epochs of 6"):
        fitted(ts.WASAP(workers=workers, replay=path), epochs=9)
    path.write_text("nonsense")
    with pytest.raises(ValueError, match="expected a file that WASAP has recorded"):
        fitted(ts.WASAP(workers=workers, replay=path))


@pytest.mark.parametrize("kind", STRATEGIES)
def test_several_workers_learn_and_keep_the_number_of_connections(kind: Any) -> None:
    model = fitted(kind(workers=3), epochs=40, pruning=None)
    counts = set(model.history.history["connections"])
    assert counts == {model.nnz}
    # Not the last one: phase 2 overfits such small shares, by chance more or less.
    assert max(model.history.history["val_accuracy"]) > 0.8
    assert model.fit(*data(), epochs=1, progress=False).epoch == [0]


def test_a_limit_of_staleness_is_kept() -> None:
    model = fitted(ts.WASAP(workers=4, local_fraction=0, max_staleness=0))
    assert all(updates == 16 for updates in model.history.history["updates"])
    assert all(0 <= part < 1 for part in model.history.history["dropped"])


@pytest.mark.parametrize("kind", STRATEGIES)
def test_a_callback_can_stop_save_and_evaluate(kind: Any, tmp_path: Path) -> None:
    class Stop(ts.Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            assert self.model.evaluate(*data())["loss"] == pytest.approx(logs["val_loss"])
            self.model.save(tmp_path / "model")
            with pytest.raises(ts.ModelBusyError):
                self.model.evolve()
            self.model.stop_training = epoch == 4

    assert fitted(kind(workers=2), callbacks=[Stop()]).history.epoch == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("kind", STRATEGIES)
def test_an_exception_between_steps_ends_the_fit(
    kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tick(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(progress.EpochBar, "tick", tick)
    x, y = data()
    model = ts.SparseMLP([10, 20, 2], seed=0)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, epochs=3, strategy=kind(workers=2), progress=False)
    monkeypatch.undo()
    model.fit(x, y, epochs=2, strategy=kind(workers=2), progress=False)


def test_the_history_counts_gradients_by_staleness() -> None:
    for strategy, expected in ((None, None), (ts.WASSP(workers=2), None)):
        assert fitted(strategy).history.staleness_histogram is expected
    assert fitted(ts.WASAP(workers=2, local_fraction=1)).history.staleness_histogram == []
    assert fitted(ts.WASAP(workers=1, local_fraction=0)).history.staleness_histogram == [13 * 6]
    history = fitted(ts.WASAP(workers=3, max_staleness=1)).history
    counts = history.staleness_histogram
    assert counts is not None
    per_epoch = history.history
    assert sum(counts[:2]) == sum(per_epoch["updates"])
    assert sum(counts[2:]) == sum(per_epoch["refused"])
    pushed = np.add(per_epoch["updates"], per_epoch["refused"])
    total = np.dot(per_epoch["staleness"], pushed)
    assert np.dot(counts, range(len(counts))) == pytest.approx(total)
    assert pickle.loads(pickle.dumps(history)).staleness_histogram == counts
    older = ts.History()  # as one that was pickled before there was a histogram
    older.__dict__.pop("staleness_histogram", None)
    assert pickle.loads(pickle.dumps(older)).staleness_histogram is None


def test_an_interrupted_fit_has_the_histogram_of_its_whole_epochs() -> None:
    class Stop(ts.Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            raise KeyboardInterrupt

    x, y = data()
    model = ts.SparseMLP([10, 20, 2], seed=0)
    strategy = ts.WASAP(workers=2)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, epochs=3, strategy=strategy, callbacks=[Stop()], progress=False)
    assert sum(model.history.staleness_histogram or []) == model.history.history["updates"][0]


def test_the_bar_shows_what_the_server_did(monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:

    bar = progress.EpochBar(range(3), 100, 50, enabled=False)
    shown: list[str] = []
    monkeypatch.setattr(bar._bar, "set_postfix_str", lambda text, _: shown.append(text))
    monkeypatch.setattr(bar._bar, "disable", False)
    monkeypatch.setattr(bar, "_move", lambda _: None)
    bar.epoch_starts(0)
    logs = {"loss": 0.5, "seconds": 0.5, "updates": 2000, "staleness": 1.25, "idle": 0.25}
    bar.tick(10, logs)
    assert shown == [
        "loss 0.5000, 4,000 updates/s, staleness 1.2, idle 0.2 s, 50 connections",
    ]
    bar.tick(10, logs | {"updates": 0})  # as in phase 2
    assert shown[1] == "loss 0.5000, 50 connections"

    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")
    fitted(ts.WASAP(workers=2), progress=True)
    assert "updates/s, staleness" in capfd.readouterr().err
    fitted(ts.WASSP(workers=2), progress=True)
    assert "updates/s" not in capfd.readouterr().err


def test_wrong_arguments_are_named() -> None:
    for kind in STRATEGIES:
        for bad in (0, 1025, 1.5):
            with pytest.raises((TypeError, ValueError), match="workers"):
                kind(workers=bad)
        with pytest.raises(ValueError, match="local_fraction"):
            kind(local_fraction=1.1)
        with pytest.raises(ValueError, match="workers = 300: expected"):
            fitted(kind(workers=300))
    with pytest.raises(ValueError, match="warmup_epochs"):
        ts.WASSP(warmup_epochs=-1)
    with pytest.raises(ValueError, match="max_staleness"):
        ts.WASAP(max_staleness=-1)
    with pytest.raises(ValueError, match="record and replay"):
        ts.WASAP(record="a", replay="b")
    with pytest.raises(TypeError, match="record = 3"):
        ts.WASAP(record=3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="strategy = 'wasap'"):
        fitted("wasap")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["wassp", "wasap"])
def test_the_command_line_trains_on_several_workers(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    expected = train()
    one = train("--parallel", name, "--workers", "1")
    assert (one.predict(np.zeros((1, 64))) == expected.predict(np.zeros((1, 64)))).all()
    assert train("--parallel", name, "--workers", "2").nnz == expected.nnz
    if name == "wasap":
        assert "staleness" in next(tmp_path.rglob("*.csv")).read_text()
    expected_lines = {
        ("--workers", "3"): "3 workers: a batch of each has 42 rows, 128 divided by the workers",
        ("--workers", "200"): "200 workers: a batch of each has 1 row, 128 divided by the workers",
        (
            "--workers",
            "2",
            "--batch-size",
            "50",
        ): "2 workers: a batch of each has 50 rows, as given",
    }
    for given, line in expected_lines.items():
        sizes: list[int] = []

        def fit(self: Any, *_: Any, sizes: list[int] = sizes, **options: Any) -> None:
            sizes.append(options["batch_size"])
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(ts.SparseMLP, "fit", fit)
            train_main = ["train", "--data", "digits", "--parallel", name, "--out", "never"]
            cli.main([*train_main, *given])
        assert line in capsys.readouterr().out
        assert sizes == [int(line.split(" has ")[1].split()[0])]
    arguments = ["train", "--data", "digits", "--out", "none", "--workers", "2"]
    assert cli.main(arguments) == 2
    assert "--workers: expected --parallel as well" in capsys.readouterr().err
    assert not Path("none").exists()
