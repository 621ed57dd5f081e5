"""`trulysparse train` and `evaluate` on small stand-ins of the public data sets."""

import json

import numpy as np
import pytest
import trulysparse as ts
from helpers.command_line import accuracy_in
from helpers.stand_ins import (
    cifar_batches,
    higgs_rows,
    higgs_text,
    image_files,
    images,
    series_matrix,
    write_folder,
    write_gz,
    write_tar,
    write_zip,
)
from trulysparse import cli
from trulysparse.loading import network

MODEL = "trulysparse-run/model.safetensors"
RNG = np.random.default_rng(3)


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    """So that the default --out is a fresh folder too."""
    monkeypatch.chdir(tmp_path)


def run(capsys, *data, hidden=()):
    """Train one epoch, evaluate on the same data, and load the model."""
    quick = ["--epochs", "1", "--batch-size", "16", *hidden]
    assert cli.main(["train", *data, *quick]) == 0
    trained = accuracy_in(capsys.readouterr().out)
    assert cli.main(["evaluate", MODEL, *data]) == 0
    out = capsys.readouterr().out
    assert "note:" not in out  # the part that was held out, not all rows
    assert accuracy_in(out) == trained
    return network(MODEL)


def test_cifar10(tmp_path, capsys, monkeypatch):
    pixels, labels = images(60)
    write_tar(tmp_path / "c.tar.gz", cifar_batches(pixels, labels))
    slow = ["--learning-rate", "0.001"]  # the preset's is too high for 50 images
    augmented: list[object] = []
    fit = ts.SparseMLP.fit

    def spied(self, *args, augment, **options):
        augmented.append(augment)
        return fit(self, *args, augment=augment, **options)

    monkeypatch.setattr(ts.SparseMLP, "fit", spied)
    model = run(capsys, "--data", "cifar10", "--data-dir", "c.tar.gz", hidden=slow)
    assert augmented == [ts.ImageAugmentation((32, 32, 3))]
    assert model.layer_sizes == [3072, 4000, 1000, 4000, 10]
    assert json.loads(model.metadata["class_names"])[9] == "truck"
    assert json.loads(model.metadata["dataset"]) == "cifar10"


def test_cifar10_evaluated_in_another_format(tmp_path, capsys):
    pytest.importorskip("PIL")
    pixels, labels = images(60)
    write_folder(tmp_path / "bin", cifar_batches(pixels, labels, "binary"))
    write_zip(tmp_path / "c.zip", image_files(pixels, labels, 50))
    train = ["--hidden", "20", "--epochs", "1", "--learning-rate", "0.001"]
    assert cli.main(["train", "--data", "cifar10", "--data-dir", "bin", *train]) == 0
    scores = []
    for place in ("bin", "c.zip"):
        capsys.readouterr()
        assert cli.main(["evaluate", MODEL, "--data", "cifar10", "--data-dir", place]) == 0
        scores.append(capsys.readouterr().out)
    assert scores[0] == scores[1]


def test_higgs(tmp_path, capsys):
    y, x = higgs_rows(60)
    (tmp_path / "binary.train").write_text(higgs_text(y[:40], x[:40], "\t"))
    (tmp_path / "binary.test").write_text(higgs_text(y[40:], x[40:], "\t"))
    model = run(capsys, "--data", "higgs", "--data-dir", str(tmp_path))
    assert model.layer_sizes == [28, 100, 2]
    assert json.loads(model.metadata["class_names"]) == ["background", "signal"]


def test_leukemia(tmp_path, capsys):
    codes = np.arange(36) % 3
    x = (RNG.normal(size=(36, 40)) + codes[:, None]).astype(np.float32)
    write_gz(tmp_path / "a_series_matrix.txt.gz", series_matrix(x, [f"type {c}" for c in codes]))
    data = ["--data", "leukemia", "--data-dir", str(tmp_path)]
    model = run(capsys, *data, hidden=["--hidden", "2x50"])
    assert model.layer_sizes == [40, 50, 50, 3]
    model = run(capsys, *data, "--label", "Leukemia class", hidden=["--hidden", "2x50"])
    assert json.loads(model.metadata["class_names"]) == ["type 0", "type 1", "type 2"]
    model.metadata["label"] = '"absent kind"'  # `evaluate` takes the one that is remembered
    model.save("other.safetensors")
    assert cli.main(["evaluate", "other.safetensors", *data]) == 2
    assert "absent kind" in capsys.readouterr().err


def test_a_zip_of_images(tmp_path, capsys):
    pytest.importorskip("PIL")
    pixels, labels = images(40)
    write_zip(tmp_path / "photos.zip", image_files(pixels, labels, 30))
    model = run(capsys, "--data", "photos.zip", hidden=["--hidden", "20"])
    assert model.layer_sizes == [3072, 20, 10]


def test_a_folder_of_images_without_a_test_part(tmp_path, capsys):
    pytest.importorskip("PIL")
    pixels, labels = images(40)
    files = {name.partition("/")[2]: raw for name, raw in image_files(pixels, labels, 30).items()}
    write_folder(tmp_path / "photos", files)
    assert cli.main(["train", "--data", "photos", "--hidden", "20", "--epochs", "1"]) == 0
    assert "32 training and 8 test samples, 3072 features, 10 classes" in capsys.readouterr().out
    assert cli.main(["evaluate", MODEL, "--data", "photos"]) == 0
    assert "note: this file has no test part" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "cifar10"], "toronto.edu"),
        (["--data", "cifar10", "--data-dir", "absent"], "toronto.edu"),
        (["--data", "higgs"], "archive.ics.uci.edu"),
        (["--data", "higgs", "--data-dir", "."], "archive.ics.uci.edu"),
        (["--data", "madelon"], "archive.ics.uci.edu"),
        (["--data", "leukemia"], "GSE13159"),
        (["--data", "leukemia", "--data-dir", "."], "GSE13159"),
        (["--data", ".", "--out", "../elsewhere"], "there are no images"),
        (["--data", "absent.zip"], "absent.zip"),
        (["--data", "digits", "--data-dir", "."], "is for fashion-mnist, cifar10"),
        (["--data", "cifar10", "--data-dir", "evil"], "asks for os.system"),
    ],
)
def test_what_is_not_there_is_said_in_words(tmp_path, capsys, arguments, message):
    write_folder(tmp_path / "evil", {"data_batch_1": b"cos\nsystem\n(S'touch called'\ntR."})
    assert cli.main(["train", *arguments, "--epochs", "1"]) == 2
    err = capsys.readouterr().err
    last = err.strip().splitlines()[-1]
    assert last.startswith("trulysparse: error: ")
    assert message in last
    assert "Traceback" not in err
    assert not (tmp_path / "called").exists()
    assert not (tmp_path / "trulysparse-run").exists()
