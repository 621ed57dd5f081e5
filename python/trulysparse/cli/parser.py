"""How the command line explains itself: help in groups, and mistakes in two lines."""

from __future__ import annotations

import argparse
import difflib
import re
import shutil
import textwrap
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from trulysparse import _files

_WIDEST = 100  # columns of a help page; longer lines are hard to read
_TEXT_FROM = 28  # the column where the explanations of options begin
_ALIKE = 0.65  # from 0 to 1: how similar a word has to be to be suggested
_CHOICE = re.compile(r"argument (.+?): invalid choice: (.+) \(choose from (.+)\)", re.DOTALL)


def width() -> int:
    """Give the columns of a help page."""
    return min(shutil.get_terminal_size().columns, _WIDEST) - 2


class Help(argparse.RawDescriptionHelpFormatter):
    """Explanations beside their options; descriptions and examples stay as they are."""

    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, **{"max_help_position": _TEXT_FROM, "width": width(), **options})


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong, what may have been meant, and where more is said."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"formatter_class": Help, "add_help": False, **options})
        self._exclusive: list[Sequence[str]] = []
        self._words: Sequence[str] = ()
        self.summary = ""  # what the list of all commands says

    def help_in(self, group: Any) -> None:
        """Add ``--help`` to a group."""
        group.add_argument("-h", "--help", action="help", help="show this page")

    def exclude(self, *flags: str) -> None:
        """Let one of these flags be given at most; they may be in different groups of the help."""
        self._exclusive.append(flags)

    def parse_known_args(  # type: ignore[override]  # which has types for each kind of namespace
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse, and refuse what is not known here, where the command's options are."""
        self._words = () if args is None else args
        found, others = super().parse_known_args(args, namespace)
        if others:
            self.error(self._unknown(others))
        for flags in self._exclusive:
            given = [flag for flag in flags if _is_given(found, flag)]
            if len(given) > 1:
                self.error(f"argument {given[1]}: not allowed with argument {given[0]}")
        return found, others

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in two lines, and exit with 2."""
        choice = _CHOICE.fullmatch(message)
        if choice is not None:
            message = _not_one_of(*choice.groups())
        elif message.startswith("the following arguments are required"):
            strange = [word for word in self._words if self._is_strange(word)]
            message = self._unknown(strange) if strange else message
        self.exit(2, f"{self.prog}: error: {_files.plain(message)}\nsee {self.prog} --help\n")

    def _options(self) -> list[str]:
        return [option for action in self._actions for option in action.option_strings]

    def _is_strange(self, word: str) -> bool:
        """Tell whether a word looks like an option, and is none, nor the beginning of one."""
        name = word.partition("=")[0]
        return name.startswith("--") and not any(one.startswith(name) for one in self._options())

    def _unknown(self, words: Sequence[str]) -> str:
        name = next((word for word in words if word.startswith("-")), None)
        if name is None:
            return f"unexpected {words[0]!r}"
        name = name.partition("=")[0]
        return f"unknown option {name}{meant(name, self._options())}"


def _is_given(found: Any, flag: str) -> bool:
    return getattr(found, flag.lstrip("-").replace("-", "_"), None) is not None


def _not_one_of(name: str, given: str, text: str) -> str:
    """Put argparse's sentence about a choice into our words."""
    known = [one.strip("'") for one in text.split(", ")]
    shown = (one if one.replace("_", "").isalnum() else repr(one) for one in known)
    expected = f"expected one of {', '.join(shown)}, got {given}"
    return f"argument {name}: {expected}{meant(given.strip(chr(39)), known)}"


def meant(word: str, known: Sequence[str]) -> str:
    """Ask whether the most similar of the known words was meant, or say nothing."""
    plain = {one.lstrip("-"): one for one in known}  # dashes make all options similar
    close = difflib.get_close_matches(word.lstrip("-"), plain, n=1, cutoff=_ALIKE)
    return f"; did you mean {plain[close[0]]}?" if close else ""


def by_flags(text: str, args: argparse.Namespace) -> str:
    """Name the flag in an error that names a parameter of Python."""
    found = re.match(r"([a-z][a-z_0-9]*) = ", text)
    if found is None or found[1] not in vars(args):
        return text
    return f"--{found[1].replace('_', '-')} {text[found.end() :]}"


def add_command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], int],
    *,
    summary: str,
    description: str,
    usage: str,
    examples: str,
    more: str = "",
) -> Parser:
    """Add a command.

    Parameters
    ----------
    commands
        What `argparse.ArgumentParser.add_subparsers` gave.
    name, run
        Of the command, and what it does.
    summary
        What the list of all commands says of it.
    description, usage
        At the top of its page: what it does, and what comes after its name.
    examples
        At the end of its page: command lines that run one after the other.
    more
        What is said before the examples.
    """
    made: Parser = commands.add_parser(
        name,
        description=textwrap.fill(description, width()),
        usage=f"trulysparse {name} {usage}",
        epilog=f"{more}examples:\n{textwrap.indent(textwrap.dedent(examples).strip(), '  ')}",
    )
    made.set_defaults(run=run)
    made.summary = summary
    return made
