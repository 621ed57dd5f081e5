"""Numbers of one's own: in histories and files, watched, and given to trackers."""

import csv
import json
import math
import pickle

import numpy as np
import pytest
import trulysparse as ts

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4))
Y = (X[:, 0] > 0).astype(int)


class Adds(ts.Callback):
    """Put numbers into the logs of some epochs."""

    def __init__(self, numbers, epochs=range(100), name="mine"):
        self.numbers, self.epochs, self.name = numbers, epochs, name

    def on_epoch_end(self, epoch, logs):
        if epoch in self.epochs:
            logs[self.name] = self.numbers[epoch]
            logs["loss"] = -1.0  # which is not its own


class Declares(Adds):
    metrics = ("mine",)


def fit(*callbacks, epochs=4, **how):
    model = ts.SparseMLP([4, 5, 2], seed=0, threads=1)
    return model.fit(X, Y, epochs=epochs, callbacks=callbacks, progress=False, **how)


def test_they_stand_in_the_history_and_its_file(tmp_path):
    history = fit(Adds([1, np.float32(0.5), 2.0, math.nan])).history
    assert history["mine"][:3] == [1.0, 0.5, 2.0]
    assert all(type(value) is float for value in history["mine"])
    assert math.isnan(history["mine"][3])
    assert history["loss"] == fit().history["loss"]


def test_epochs_without_are_nan(tmp_path):
    history = fit(Adds([0, 1, 2, 3], epochs=[1, 3]))
    np.testing.assert_array_equal(history.history["mine"], [math.nan, 1, math.nan, 3])
    history.to_csv(tmp_path / "history.csv")
    with open(tmp_path / "history.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["mine"] for row in rows] == ["nan", "1.0", "nan", "3.0"]


def test_a_callback_that_raises_leaves_columns_of_one_length(tmp_path):
    class Raises(ts.Callback):
        def on_epoch_end(self, epoch, logs):
            if epoch == 2:
                raise KeyError("late")

    model = ts.SparseMLP([4, 5, 2], seed=0, threads=1)
    with pytest.raises(KeyError, match="late"):
        model.fit(X, Y, epochs=4, callbacks=[Adds([1, 2, 3]), Raises()], progress=False)
    assert {len(values) for values in model.history.history.values()} == {3}
    model.history.to_csv(tmp_path / "history.csv")


def test_later_callbacks_see_them_and_files_have_columns(tmp_path):
    seen = []
    fit(
        ts.MetricsLogger(lambda epoch, numbers: seen.append((epoch, "mine" in numbers))),
        Adds(np.array([5, 6, 7, 8], np.float32)),
        ts.MetricsLogger(lambda epoch, numbers: seen.append((epoch, numbers["mine"]))),
        ts.CSVLogger(tmp_path / "log.csv"),
        ts.JSONLogger(tmp_path / "log.jsonl"),
    )
    assert seen[:4] == [(0, False), (0, 5), (1, False), (1, 6)]
    with open(tmp_path / "log.csv", newline="", encoding="utf-8") as file:
        assert [float(row["mine"]) for row in csv.DictReader(file)] == [5, 6, 7, 8]
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text("utf-8").splitlines()]
    assert [line["epoch"] for line in lines] == [0, 1, 2, 3]
    assert [line["mine"] for line in lines] == [5, 6, 7, 8]
    assert lines[0].keys() >= {"loss", "accuracy", "connections", "seconds"}


def test_lines_of_json_have_no_nan_and_can_be_added_to(tmp_path):
    path = tmp_path / "log.jsonl"
    fit(Adds([math.nan, math.inf]), ts.JSONLogger(path), epochs=2)
    assert [json.loads(line)["mine"] for line in path.read_text("utf-8").splitlines()] == [None] * 2
    fit(ts.JSONLogger(path, append=True), epochs=1)
    assert len(path.read_text("utf-8").splitlines()) == 3
    fit(ts.JSONLogger(path), epochs=1)
    assert len(path.read_text("utf-8").splitlines()) == 1


def test_what_is_declared_can_be_watched():
    stopping = ts.EarlyStopping("mine", mode="max", patience=1)
    history = fit(Declares([1, 3, 2, 1, 0, 9]), stopping, epochs=6)
    assert len(history.epoch) == 3
    assert stopping.best_epoch == 1
    with pytest.raises(ValueError, match="monitor = 'mine': expected one of 'loss', "):
        fit(Adds([1, 2]), ts.EarlyStopping("mine", mode="max"))
    with pytest.raises(
        ValueError, match=r"if a callback adds it: give its class metrics = \('mine',"
    ):
        fit(Adds([1, 2]), ts.EarlyStopping("mine", mode="max"))
    with pytest.raises(ValueError, match="a callback that adds it has to come first"):
        fit(ts.EarlyStopping("mine", mode="max"), Declares([1, 2, 3, 4]))


@pytest.mark.parametrize(
    ("callback", "words"),
    [
        (Adds(["a"]), r"^logs\['mine'\] = 'a': expected a number"),
        (Adds([None]), r"^logs\['mine'\] = None: expected a number"),
        (Adds([1.0], name=3), "^logs has the key 3: expected another name"),
        (Adds([1.0], name="epoch"), "^logs has the key 'epoch': expected another name"),
    ],
)
def test_what_is_no_number_is_refused_by_its_name(callback, words):
    with pytest.raises(TypeError, match=words):
        fit(callback, epochs=1)


def test_a_tracker_must_be_called():
    with pytest.raises(TypeError, match=r"^function = 3: expected a function that is called as"):
        ts.MetricsLogger(3)


def test_callbacks_say_what_they_were_made_with():
    stopping = ts.EarlyStopping("loss", patience=3)
    assert repr(stopping) == "EarlyStopping('loss', patience=3)"
    assert repr(pickle.loads(pickle.dumps(stopping))) == repr(stopping)
    assert repr(ts.TerminateOnNaN()) == "TerminateOnNaN()"
    assert repr(Adds([1, 2], epochs=[0])) == "Adds([1, 2], epochs=[0])"
    assert repr(ts.Callback()) == "Callback()"
