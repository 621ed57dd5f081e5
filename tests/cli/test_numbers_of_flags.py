"""Flags take the numbers that cells of a table have, and no others that Python takes."""

import argparse
from pathlib import Path

import pytest
from trulysparse import cli
from trulysparse.cli import common
from trulysparse.readers.places import Typed

WORDS = ["1_0", "0.1_5", "\u0661", "0x10", "", "x"]  # \u0661 is a digit for Python


def typed():
    """Each flag of each command that converts what it is given, without files and lists."""
    parser = cli.make_parser()
    (commands,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    for name, command in commands.choices.items():
        for action in command._actions:
            if action.type not in (None, Path, Typed):
                yield pytest.param(action.type, id=f"{name}{action.option_strings[0]}")


@pytest.mark.parametrize("convert", list(typed()))
def test_only_plain_numbers(convert):
    for word in WORDS:
        with pytest.raises(argparse.ArgumentTypeError):
            convert(word)


def test_there_are_such_flags():
    assert len(list(typed())) > 20


@pytest.mark.parametrize(
    "flag", ["--learning-rate", "--seed", "--momentum", "--density", "--zeta-stop", "--dropout"]
)
def test_said_by_name(flag, capsys):
    with pytest.raises(SystemExit) as found:
        cli.main(["train", flag, "1_000"])
    assert found.value.code == 2
    assert f"argument {flag}: expected a" in capsys.readouterr().err


def test_numbers():
    assert common.number("-1.5e-3") == -0.0015
    assert common.whole("-12") == -12
    assert common.epoch_or_share("0.25") == 0.25
    assert common.epoch_or_share("40") == 40
