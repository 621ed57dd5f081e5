"""Names and other metadata from a file: nothing that a terminal obeys, no raw traceback."""

import json

import numpy as np
import pytest
import trulysparse as ts
from helpers.command_line import write_csv
from trulysparse import cli

OBEYED = "\x1b[2J\r\n\x9b31m\x07\u202e"


@pytest.fixture
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = ts.SparseMLP([3, 6, 2], density=1.0, seed=0)
    model.metadata["feature_names"] = json.dumps([f"a{OBEYED}", "b", "c"])
    model.metadata["class_names"] = json.dumps([f"yes{OBEYED}", "no"])
    model.metadata[f"note{OBEYED}"] = f"x{OBEYED}"
    model.save("model.safetensors")
    return model


def unsafe(text):
    return [c for c in text if not c.isprintable() and c != "\n"]


@pytest.mark.parametrize(
    "command",
    [
        ["info", "model.safetensors"],
        ["importance", "model.safetensors"],
        ["evaluate", "model.safetensors", "--data", "rows.csv"],
        ["predict", "model.safetensors", "--data", "rows.csv"],
        ["info", f"no{OBEYED}.safetensors"],
    ],
)
def test_control_characters_are_printed_as_escapes(model, command, capsys):
    write_csv("rows.csv", np.ones((2, 3)), ["yes", f"other{OBEYED[0]}"], "abcy")
    cli.main(command)
    out, err = capsys.readouterr()
    assert unsafe(out) == []
    assert unsafe(err) == []
    assert "\\x1b[2J\\r\\n\\x9b31m\\x07\\u202e" in out + err


@pytest.mark.parametrize("key", ["feature_names", "class_names", "label"])
@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[" + "1" * 10_000 + "]", "7"])
def test_deeply_nested_metadata_is_an_error_in_words(model, key, text, capsys):
    model.metadata["feature_names"] = '["a", "b", "c"]'
    model.metadata[key] = text
    model.save("model.safetensors")
    write_csv("rows.csv", np.ones((2, 3)), ["yes", "no"], "abcy")
    command = ["predict", "model.safetensors", "--data", "rows.csv"]
    assert cli.main(command) == 2
    err = capsys.readouterr().err
    assert f"the model's metadata {key!r}: expected a JSON" in err
    assert len(err) < 500
