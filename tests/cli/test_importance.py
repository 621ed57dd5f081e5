"""`trulysparse importance`."""

import csv
import json

import numpy as np
import pytest
import trulysparse as ts
from helpers.command_line import RNG, train, write_csv
from trulysparse import cli


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def table(capsys, *arguments, model="out/model.safetensors"):
    assert cli.main(["importance", model, *map(str, arguments)]) == 0
    return [line.split() for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("kind", [None, "path", "strength"])
def test_ranks_features_by_name(flowers, capsys, kind):
    model = train("--data", flowers)
    capsys.readouterr()
    rows = table(capsys, *([] if kind is None else ["--kind", kind]))
    assert rows[0] == ["rank", "feature", "score"]
    scores = model.feature_importance(kind or "path")
    order = np.argsort(-scores)
    assert [row[:2] for row in rows[1:]] == [[str(r + 1), "abc"[i]] for r, i in enumerate(order)]
    np.testing.assert_allclose([float(row[2]) for row in rows[1:]], scores[order], rtol=1e-5)


def test_the_feature_that_decides_comes_first(capsys):
    x = RNG.normal(size=(300, 8))
    write_csv("data.csv", x, np.where(x[:, 5] > 0, "yes", "no"), [*"abcde", "the one", *"gh", "y"])
    train("--data", "data.csv", "--epochs", 30, "--batch-size", 16)
    capsys.readouterr()
    rows = table(capsys, "--top", 1)
    assert rows[1][:3] == ["1", "the", "one"]
    assert len(rows) == 2


@pytest.mark.parametrize("kind", ["path", "strength"])
def test_constant_columns_count_for_nothing(capsys, kind):
    x = np.hstack([np.full((120, 1), 6.5), RNG.normal(size=(120, 2)), np.zeros((120, 1))])
    write_csv(
        "data.csv", x, np.where(x[:, 2] > 0, "u", "v"), ["same", "noise", "sign", "none", "y"]
    )
    model = train("--data", "data.csv", "--epochs", 5, "--batch-size", 16)
    capsys.readouterr()
    rows = {name: score for _, name, score in table(capsys, "--kind", kind)[1:]}
    assert rows["same"] == rows["none"] == "0"
    assert float(rows["noise"]) > 0
    assert model.feature_importance(kind)[[0, 3]].tolist() == [0, 0]
    model.compact(inputs=True)
    model.save("compacted.safetensors")
    again = {name: score for _, name, score in table(capsys, model="compacted.safetensors")[1:]}
    assert again.get("same", "0") == again.get("none", "0") == "0"


def test_writes_all_ranks_as_csv(capsys):
    model = train()
    capsys.readouterr()
    rows = table(capsys, "--top", "3", "--csv", "ranks.csv")
    assert len(rows) == 5
    assert rows[-1] == ["wrote", "ranks.csv,", "64", "rows"]
    with open("ranks.csv", newline="") as file:
        ranks = list(csv.DictReader(file))
    scores = model.feature_importance()
    assert [row["rank"] for row in ranks] == [str(i) for i in range(1, 65)]
    # Every bit of a score is written, and ties keep their order.
    names = json.loads(model.metadata["feature_names"])
    order = np.argsort(-scores, kind="stable")
    assert [row["feature"] for row in ranks] == [names[i] for i in order]
    assert [float(row["score"]) for row in ranks] == sorted(scores, reverse=True)


def test_neurons_of_a_layer(capsys):
    model = train()
    capsys.readouterr()
    rows = table(capsys, "--layer", 2, "--top", 4)
    assert rows[0] == ["rank", "neuron", "score"]
    assert [int(row[1]) for row in rows[1:]] == np.argsort(-model.importance(2))[:4].tolist()


def test_features_keep_their_names_when_others_are_compacted_away(capsys):
    import scipy.sparse as sp

    weights = [sp.csc_array(np.array([[0, 0], [2, 0], [0, 0], [0, 3.0]])), np.eye(2)]
    model = ts.SparseMLP.from_scipy([weights[0], sp.csc_array(weights[1])], seed=0)
    model.metadata["feature_names"] = json.dumps(list("abcd"))
    model.compact(inputs=True)
    model.save("m.safetensors")
    assert table(capsys, model="m.safetensors")[1:] == [["1", "d", "3"], ["2", "b", "2"]]
    assert [row[1] for row in table(capsys, "--layer", 1, model="m.safetensors")[1:]] == ["1", "0"]
    del model.metadata["feature_names"]
    model.save("m.safetensors")
    assert [row[1] for row in table(capsys, model="m.safetensors")[1:]] == ["3", "1"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.safetensors"], "absent.safetensors"),
        (["out/model.safetensors", "--layer", "4"], "--layer 4"),
        (["out/model.safetensors", "--layer", "0"], "--layer 0"),
        (["out/model.safetensors", "--layer", "1", "--kind", "path"], "--kind is for features"),
        (["out/model.safetensors", "--csv", "absent/ranks.csv"], "absent/ranks.csv"),
    ],
)
def test_mistakes(capsys, arguments, message):
    train()
    assert cli.main(["importance", *arguments]) == 2
    err = capsys.readouterr().err
    assert err.startswith("trulysparse: error: ")
    assert message in err


def test_damaged_names(flowers, capsys):
    model = train("--data", flowers)
    for damage, message in [("[1]", "a JSON list of names"), ('["a", "b"]', "expected 3 names")]:
        model.metadata["feature_names"] = damage
        model.save("damaged.safetensors")
        assert cli.main(["importance", "damaged.safetensors"]) == 2
        assert message in capsys.readouterr().err
