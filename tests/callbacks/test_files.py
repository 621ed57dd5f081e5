"""ModelCheckpoint and CSVLogger."""

import csv
import pickle

import numpy as np
import pytest
import trulysparse as ts
from helpers.small_model import NOISY, OVERFITTING, Log, X, Y, fit, make_model, noisy
from trulysparse.callbacks import CSVLogger, ModelCheckpoint

OTHERS = noisy(40)


def test_every_epoch_is_saved_under_its_name(state_of, tmp_path):
    states = []

    class Note(ts.Callback):
        def on_epoch_end(self, epoch, logs):
            states.append(state_of(self.model))

    path = tmp_path / "runs" / "{epoch:02d}-{val_loss:.3f}-{connections:d}.safetensors"
    checkpoint = ModelCheckpoint(path)
    model = make_model()
    history = fit(model, 3, validation_data=OTHERS, callbacks=[Note(), checkpoint])
    expected = [
        f"{epoch + 1:02d}-{loss:.3f}-{connections:d}.safetensors"
        for epoch, loss, connections in zip(
            history.epoch, history.history["val_loss"], history.history["connections"], strict=True
        )
    ]
    assert sorted(p.name for p in (tmp_path / "runs").iterdir()) == expected
    assert checkpoint.last_path == str(tmp_path / "runs" / expected[-1])
    for name, state in zip(expected, states, strict=True):
        assert state_of(ts.load(tmp_path / "runs" / name)) == state


def test_only_the_best_epoch_is_saved(tmp_path):
    path = tmp_path / "best.safetensors"
    checkpoint = ModelCheckpoint(str(path), save_best_only=True)
    for _ in range(2):  # every fit starts anew
        path.unlink(missing_ok=True)
        model = make_model()
        history = fit(
            model, 40, NOISY, validation_data=OTHERS, optimizer=OVERFITTING, callbacks=[checkpoint]
        )
        losses = history.history["val_loss"]
        assert checkpoint.best == min(losses) < losses[-1]
        best = ts.load(path)
        assert best.epochs_trained == np.argmin(losses) + 1
        assert best.evaluate(*OTHERS)["loss"] == min(losses)
    accuracy = ModelCheckpoint(path, "val_accuracy", save_best_only=True)
    history = fit(
        make_model(), 20, NOISY, validation_data=OTHERS, optimizer=OVERFITTING, callbacks=[accuracy]
    )
    accuracies = history.history["val_accuracy"]
    assert ts.load(path).epochs_trained == np.argmax(accuracies) + 1
    assert pickle.loads(pickle.dumps(accuracy)).best == max(accuracies)


def test_bad_checkpoints_are_told_before_anything_is_changed(state_of, tmp_path):
    model = make_model(standardize=True)
    before = state_of(model)
    for options, match in [
        ({"filepath": "{val_loss}"}, "filepath = '{val_loss}'.*{epoch}, {loss}"),
        ({"filepath": "{epoch:x.y}"}, "filepath"),
        ({"filepath": "{"}, "filepath"),
        ({"filepath": "{}"}, "filepath"),
        ({"filepath": "m", "save_best_only": True}, "monitor = 'val_loss'.*validation_data"),
    ]:
        options["filepath"] = f"{tmp_path}/{options['filepath']}"
        with pytest.raises(
            ValueError, match=match.replace("filepath = '", f"filepath = '{tmp_path}/")
        ):
            fit(model, callbacks=[ModelCheckpoint(**options)])
    assert state_of(model) == before
    assert list(tmp_path.iterdir()) == []
    for options, error in [
        ({"filepath": 1}, TypeError),
        ({"filepath": "m", "monitor": 1}, TypeError),
        ({"filepath": "m", "save_best_only": 2}, TypeError),
        ({"filepath": "m", "mode": "more"}, ValueError),
        ({"filepath": "m", "monitor": "seconds", "save_best_only": True}, ValueError),
    ]:
        with pytest.raises(error, match=list(options)[-1] if len(options) < 3 else "mode"):
            ModelCheckpoint(**options)


def test_a_checkpoint_that_cannot_be_written_ends_the_fit_with_a_usable_model(tmp_path):
    (tmp_path / "file").write_text("")
    model = make_model()
    with pytest.raises(OSError, match="file"):
        fit(model, 3, callbacks=[ModelCheckpoint(tmp_path / "file" / "model")])
    assert model.epochs_trained == 1
    fit(model, 1)


def rows(path, separator=","):
    with open(path, newline="") as file:
        return list(csv.reader(file, delimiter=separator))


def test_the_log_is_that_of_the_history(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("of another run")
    history = fit(make_model(), 3, validation_data=OTHERS, callbacks=[CSVLogger(path)])
    history.to_csv(tmp_path / "history.csv")
    assert path.read_text() == (tmp_path / "history.csv").read_text()
    history = fit(make_model(), 2, callbacks=[CSVLogger(str(path), separator="\t")])
    header, *lines = rows(path, "\t")
    assert header == ["epoch", *history.history]
    assert [line[0] for line in lines] == ["0", "1"]


def test_a_log_can_be_continued(tmp_path):
    path, model = tmp_path / "log.csv", make_model()
    for initial_epoch in (0, 2):
        fit(
            model, initial_epoch + 2, initial_epoch=initial_epoch,
            callbacks=[CSVLogger(path, append=True)],
        )  # fmt: skip
    _, *lines = rows(path)
    assert [line[0] for line in lines] == ["0", "1", "2", "3"]
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"append=True: expected a file with the header 'epoch,lo"):
        fit(model, validation_data=(X, Y), callbacks=[CSVLogger(path, append=True)])
    with pytest.raises(ValueError, match="append=True"):
        fit(model, callbacks=[CSVLogger(path, ";", append=True)])
    assert path.read_bytes() == before
    assert model.epochs_trained == 4


def test_what_a_broken_fit_did_is_in_the_log(tmp_path):
    def fail(model):
        raise ZeroDivisionError

    log = Log(("epoch_begin", 2), fail)
    with pytest.raises(ZeroDivisionError):
        fit(make_model(), 5, callbacks=[CSVLogger(tmp_path / "log.csv"), log])
    assert [line[0] for line in rows(tmp_path / "log.csv")] == ["epoch", "0", "1"]


def test_bad_arguments_of_the_log_are_named(tmp_path):
    for options, error in [
        ({"filename": 1}, TypeError),
        ({"filename": "f", "separator": 1}, TypeError),
        ({"filename": "f", "separator": ""}, ValueError),
        ({"filename": "f", "separator": "ab"}, ValueError),
        ({"filename": "f", "separator": "\n"}, ValueError),
        ({"filename": "f", "append": 2}, TypeError),
    ]:
        with pytest.raises(error, match=list(options)[-1]):
            CSVLogger(**options)
    with pytest.raises(FileNotFoundError):
        fit(make_model(), callbacks=[CSVLogger(tmp_path / "no" / "log.csv")])
