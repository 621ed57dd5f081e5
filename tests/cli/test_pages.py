"""What `--help` shows, and how mistakes in the arguments are told."""

import re
import shlex

import pytest
from helpers.command_line import RNG
from trulysparse import cli, presets
from trulysparse.cli import common

PARSERS = next(a for a in cli.make_parser()._actions if isinstance(a.choices, dict)).choices
EXAMPLES = [(name, line) for name, made in PARSERS.items() for line in made.page.examples]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "90")


def helped(capsys, *command):
    with pytest.raises(SystemExit) as ended:
        cli.main([*command, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("name", PARSERS)
def test_every_option_has_a_place_and_a_default_by_value(name, capsys):
    made = PARSERS[name]
    listed = [flag for section in made.page.sections for flag in section.flags.split()]
    assert len(listed) == len(set(listed))
    text = helped(capsys, name)
    everything = {o for action in made._actions for o in action.option_strings}
    for option in everything:
        assert len(re.findall(rf"^  .*{option}\b", text, re.MULTILINE)) >= 1, option
    (last,) = text.partition("\nhelp:\n")[2].split("\n\n")[0].splitlines()
    assert last.split() == ["-h,", "--help", *["show", "this", "help", "message", "and", "exit"]]
    assert "default: preset" not in text
    assert max(map(len, text.splitlines())) <= 90
    assert len(text.partition("\n\n")[0].splitlines()) == 1
    assert text.endswith(made.page.examples[-1] + "\n")
    for action in made._actions:
        metavar = action.metavar if isinstance(action.metavar, str) else ""
        assert "_" not in metavar


def test_the_first_ten_of_train_are_ten(capsys):
    assert len(PARSERS["train"].page.sections[0].flags.split()) == 10


def test_defaults_are_those_of_the_presets():
    assert common.usual_of("zeta") == f"{presets.TABLE.zeta:g}"
    assert common.usual_of("nesterov") == "yes"
    assert common.usual_of("activation") == "relu; recipe: all_relu"
    assert common.usual_of("dropout") == "0.5; recipe: by data, see below"
    assert common.usual_of("hidden").startswith("100, and 300 from 1,000 rows on")
    assert presets.hidden(presets.MANY - 1) == (100,)
    assert presets.hidden(presets.MANY) == (300,)


def test_the_examples_run_one_after_the_other(capsys):
    rows = [
        f"{a:.2f},{b:.2f},{'setosa' if a + b > 0 else 'virginica'}"
        for a, b in RNG.normal(size=(90, 2))
    ]
    with open("table.csv", "w") as file:
        file.write("\n".join(["length,width,species", *rows]) + "\n")
    order = ["train", *(name for name in PARSERS if name != "train")]
    for name, line in sorted(EXAMPLES, key=lambda example: order.index(example[0])):
        words = shlex.split(line.partition("   #")[0])
        assert words[:2] == ["trulysparse", name]
        code = cli.main(words[1:])
        fits = name == "plan" and "5000000" in line  # or the machine has less memory
        assert code == 0 or fits, (line, capsys.readouterr())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--epoks", "3"], "unknown: --epoks 3; did you mean --epochs?"),
        (["train", "--qqqqq"], "unknown: --qqqqq"),
        (["trian"], "did you mean train?"),
        (["train", "--activation", "rleu"], "did you mean relu?"),
        (["train", "--preset", "tabel"], "did you mean table?"),
        (["train", "--epochs", "-1"], "expected a whole number above 0, got '-1'"),
        (["evaluate", "run", "--data", "x.csv", "--batchsize", "3"], "did you mean --batch-size?"),
        (["predict"], "required: model, --data"),
    ],
)
def test_a_mistake_is_two_lines(capsys, arguments, message):
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert said[0].endswith(message)
    assert "--help lists what there is" in said[1]


def test_without_a_command_the_help_comes(capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main([])
    assert ended.value.code == 2
    assert "train a network and save it" in capsys.readouterr().err


def test_quiet_prints_the_scores_only(capsys):
    settings = ["train", "--data", "digits", "--hidden", "20", "--epochs", "2"]
    assert cli.main([*settings, "--quiet"]) == 0
    quiet = capsys.readouterr()
    assert re.fullmatch(r"test: .*accuracy .*\n", quiet.out, re.DOTALL)
    assert "wrote" not in quiet.out + quiet.err
    assert cli.main([*settings, "--no-progress"]) == 0
    usual = capsys.readouterr()
    assert usual.out.endswith(quiet.out)
    assert "wrote" in usual.out
