"""Ways to grow on the command line."""

import pytest
import trulysparse as ts
from helpers.command_line import train
from trulysparse import cli, datasets


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def fitted(topology):
    data = datasets.resolve("digits")
    model = ts.SparseMLP(
        [64, 20, 20, 10],
        init="lecun_uniform",
        fan="real",
        dropout=0.2,
        standardize=True,
        seed=0,
    )
    sgd = ts.preset("recipe", "digits").fit["optimizer"]
    model.fit(
        data.x_train, data.y_train, epochs=4, optimizer=sgd, topology=topology, progress=False
    )
    return model


ENDS = {"schedule": "cosine", "stop": 0.75}  # of the recipe
FLAGS = [
    ((), ts.SET(0.3, grow_init=0.1, **ENDS)),
    (("--grow", "random", "--zeta-schedule", "constant"), ts.SET(0.3, 0.1, stop=0.75)),
    (("--zeta-stop", 2), ts.SET(0.3, 0.1, schedule="cosine", stop=2)),
    (("--grow", "gradient"), ts.GradientGrowth(0.3, **ENDS)),
    (
        ("--grow", "gradient", "--zeta", 0.2, "--zeta-stop", 0.5, "--grow-init", 0.5),
        ts.GradientGrowth(0.2, grow_init=0.5, schedule="cosine", stop=0.5),
    ),
]


@pytest.mark.parametrize(("given", "topology"), FLAGS)
def test_flags_are_the_apis_rules(capsys, given, topology):
    model, expected = train("--epochs", 4, *given), fitted(topology)
    for layer, other in zip(model.layers, expected.layers, strict=True):
        assert layer.weight.data.tobytes() == other.weight.data.tobytes()
        assert layer.weight.indices.tobytes() == other.weight.indices.tobytes()
    out = " ".join(capsys.readouterr().out.split())
    assert f"--zeta {topology.zeta} --zeta-schedule {topology.schedule} --zeta-stop" in out
    assert f"--zeta-stop {topology.stop} --grow-init {topology.grow_init}" in out


@pytest.mark.parametrize(
    "given", [("--grow", "gradient"), ("--zeta-schedule", "cosine"), ("--zeta", "0.2")]
)
def test_without_evolution_there_is_nothing_to_choose(capsys, given):
    assert cli.main(["train", "--no-evolve", *given]) == 2
    assert "--no-evolve leaves nothing to do" in capsys.readouterr().err


def test_several_workers_grow_at_random(capsys):
    assert cli.main(["train", "--parallel", "wassp", "--grow", "gradient"]) == 2
    assert "expected a trulysparse.SET with a strategy" in capsys.readouterr().err
