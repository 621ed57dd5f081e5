"""What a fit says of itself: a bar on terminals, lines in logs, one line in notebooks."""

import io
import re
import sys

import numpy as np
import pytest
import tqdm.auto
import tqdm.std
import trulysparse as ts
from trulysparse import _progress
from trulysparse.training.progress import EpochBar

X = np.random.default_rng(0).normal(size=(60, 5))
Y = (X[:, 0] > 0).astype(int)


class Clock:
    """A time that tests set."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(_progress.time, "monotonic", lambda: self.now)


def fit(**how):
    model = ts.SparseMLP([5, 6, 2], seed=0, threads=1)
    return model.fit(X, Y, validation_data=(X, Y), **{"epochs": 4, **how})


def test_a_short_fit_leaves_no_line_in_a_log(capfd):
    fit()
    assert capfd.readouterr() == ("", "")


def test_a_long_fit_leaves_lines_with_held_out_scores_first(capfd, monkeypatch):
    clock = Clock(monkeypatch)

    class Slow(ts.Callback):
        def on_epoch_begin(self, epoch, logs):
            clock.now += 6

    fit(callbacks=[Slow()])
    out, err = capfd.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert len(lines) == 4
    assert re.match(r" 25% after 6 s: epoch 1/4, val_acc 0\.\d{4}, val_loss 0\.\d+, acc ", lines[0])
    assert lines[3].startswith("100% after 24 s: epoch 4/4, ")
    assert lines[3].endswith(" connections")


def test_the_last_epoch_has_a_line_if_others_had(capfd, monkeypatch):
    clock = Clock(monkeypatch)

    class Slow(ts.Callback):
        def on_epoch_begin(self, epoch, logs):
            clock.now += 6 if epoch == 0 else 1

    fit(callbacks=[Slow()])
    lines = capfd.readouterr().err.splitlines()
    assert [line[:4] for line in lines] == [" 25%", "100%"]


def test_lines_become_rarer(capfd, monkeypatch):
    clock = Clock(monkeypatch)
    lines = _progress.Lines(total=10_000)
    lines.set_description_str("so long")
    for done in range(10_000):
        clock.now += 1
        lines.n = done + 1
        lines.refresh()
    lines.close()
    said = capfd.readouterr().err.splitlines()
    at = [int(re.search(r"after ([\d,]+) s", line)[1].replace(",", "")) for line in said]
    waits = np.diff(at[:-1])
    assert waits[0] == 5
    assert waits[-1] == 60
    assert (np.diff(waits) >= 0).all()
    assert at[-1] == 10_000


@pytest.mark.parametrize("width", [40, 80, 120, 300])
def test_a_bar_has_room_and_shows_the_held_out_accuracy(width, monkeypatch):
    stream = io.StringIO()
    stream.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("LINES", "24")
    fit()
    last = [part for part in stream.getvalue().split("\r") if "val_acc" in part][-1].rstrip()
    assert re.search(r"epoch 4/4.*val_acc 0\.\d{4}", last)
    assert ("connections" in last) == (width > 100)


def test_without_a_stream_nothing_is_said(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert fit().history["loss"]


def test_a_notebook_keeps_a_line_of_the_last_epoch(monkeypatch, capsys):
    class Widget:
        """What tqdm's bar for notebooks has of it."""

        disable = False
        desc, postfix = "epoch 3/3: ", "val_acc 0.9000"

        def __init__(self, **options):
            assert options["leave"] is False
            self.n = options["total"]

        def close(self):
            pass

    _progress._bars.cache_clear()
    monkeypatch.setattr(tqdm.auto, "tqdm", Widget)
    monkeypatch.setattr(Widget, "set_lock", lambda lock: None, raising=False)
    try:
        bar = _progress.bar(enabled=True, total=3)
        assert bar.columns() is None
        bar.close()
    finally:
        _progress._bars.cache_clear()
    assert capsys.readouterr().out == "epoch 3/3: val_acc 0.9000\n"


SEVERAL = [{}, {"early_stopping": True}, {"n_members": 2}, {"n_snapshots": 2}]


@pytest.mark.parametrize("options", [*SEVERAL, {"feature_selection": True}])
def test_so_does_an_estimator(options, monkeypatch, capsys):
    class Widget(tqdm.std.tqdm):
        def __init__(self, **options):
            super().__init__(file=io.StringIO(), **options)

    _progress._bars.cache_clear()
    monkeypatch.setattr(tqdm.auto, "tqdm", Widget)
    made = ts.SparseMLPClassifier((6,), max_iter=3, random_state=0, verbose=True, **options)
    try:
        made.fit(X, Y)
    finally:
        _progress._bars.cache_clear()
    (line,) = capsys.readouterr().out.splitlines()
    assert re.match(r"epoch 3/3: (val_acc .*, )?(val_loss .*, )?acc .*, loss .*connections$", line)


def test_scores_that_are_no_numbers_are_left_out():
    bar = EpochBar(range(2), 10, 7, enabled=True)
    shown = []
    bar._bar.set_postfix_str = lambda text, *_: shown.append(text)
    bar.epoch_starts(0)
    bar.tick(5, {"loss": 0.5, "accuracy": float("nan")})
    assert shown == ["loss 0.5000, 7 connections"]
