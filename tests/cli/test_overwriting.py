"""No command writes over a file that it reads, whatever name leads there."""

import os
from pathlib import Path

import numpy as np
import pytest
import trulysparse as ts
from trulysparse import cli
from trulysparse.loading import network

TABLE = "u,v,kind\n" + "".join(f"{i % 7},{i % 5},{i % 2}\n" for i in range(40))
LINKS = {"same": None, "symbolic": os.symlink, "hard": os.link}
QUICK = ["--epochs", "1", "--hidden", "4"]


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("in.csv").write_text(TABLE)
    Path("folder").mkdir()
    model = ts.SparseMLP([2, 4, 2], seed=0)
    model.save("m.safetensors")
    model.save("m.png")  # a poor name, but a name


def refuses(capsys, read, *arguments):
    before = Path(read).read_bytes()
    assert cli.main(list(map(str, arguments))) == 2
    assert "which is read: expected another name" in capsys.readouterr().err
    assert Path(read).read_bytes() == before


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize(
    ("read", "out", "arguments"),
    [
        ("in.csv", "o.csv", ["predict", "m.safetensors", "--data", "in.csv", "--out", "o.csv"]),
        ("m.safetensors", "o", ["predict", "m.safetensors", "--data", "in.csv", "--out", "o"]),
        ("m.safetensors", "o.csv", ["importance", "m.safetensors", "--csv", "o.csv"]),
        (
            "in.csv",
            "o",
            ["prune", "m.safetensors", "--data", "in.csv", "--percentile", 9, "--out", "o"],
        ),
        ("in.csv", "folder/history.csv", ["train", "--data", "in.csv", "--out", "folder", *QUICK]),
        ("in.csv", "folder/curves.png", ["train", "--data", "in.csv", "--out", "folder", *QUICK]),
        (
            "m.safetensors",
            "o.pt",
            ["export", "m.safetensors", "--format", "torch", "--out", "o.pt"],
        ),
        ("m.safetensors", "folder/weight_0.npz", ["export", "m.safetensors", "--out", "folder"]),
    ],
)
def test_inputs_stay(capsys, link, read, out, arguments):
    if LINKS[link] is None:
        arguments = [out if word == read else word for word in arguments]
        os.rename(read, out)
        read = out
    else:
        LINKS[link](os.path.abspath(read), out)
    refuses(capsys, read, *arguments)


def test_the_other_spelling_of_a_path_is_the_same(capsys):
    same = Path("folder/../in.csv")
    refuses(capsys, "in.csv", "predict", "m.safetensors", "--data", "in.csv", "--out", same)
    absolute = Path("in.csv").resolve()
    refuses(capsys, "in.csv", "predict", "m.safetensors", "--data", "in.csv", "--out", absolute)


def test_the_picture_of_prune_is_an_output(capsys):
    how = ["--data", "in.csv", "--percentile", "9", "--out", "m.safetensors"]
    refuses(capsys, "m.png", "prune", "m.png", *how)


def test_prune_may_replace_the_model(capsys):
    before = Path("m.safetensors").read_bytes()
    how = ["--data", "in.csv", "--percentile", "40", "--out", "m.safetensors"]
    assert cli.main(["prune", "m.safetensors", *how]) == 0
    assert Path("m.safetensors").read_bytes() != before
    assert network("m.safetensors").layers[0].pruned.any()


def test_outputs_in_a_folder_of_images_would_be_images(capsys):
    from PIL import Image

    for kind in "ab":
        Path("images", kind).mkdir(parents=True)
        for i in range(4):
            pixels = np.full((2, 2), 60 * i, np.uint8)
            Image.fromarray(pixels).save(f"images/{kind}/{i}.png")
    os.symlink("images", "pictures")
    for out in ("images", "images/run", "pictures/a"):
        assert cli.main(["train", "--data", "images", "--out", out, *QUICK]) == 2
        assert "a folder that is read: expected a place outside" in capsys.readouterr().err
    assert not list(Path("images").rglob("*.safetensors"))
    assert cli.main(["train", "--data", "images", "--out", "run", *QUICK]) in (0, 1)


def test_a_folder_named_as_a_data_set_is_not_read():
    Path("digits").mkdir()
    assert cli.main(["train", "--data", "digits", "--out", "digits/run", *QUICK]) == 0
