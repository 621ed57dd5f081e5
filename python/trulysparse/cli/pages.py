"""What `--help` shows, and how mistakes in the arguments are told."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

COLUMN = "COLUMN is a name or a position, from 0, or from the end with -1; commas part several."


@dataclass(frozen=True)
class Section:
    """Some options under a title, by their names without dashes."""

    title: str
    flags: str
    about: str | None = None


READING_TEXT = Section(
    "how text is read, where it is not found out",
    "separator decimal thousands header encoding comment missing not-missing text",
)


@dataclass(frozen=True)
class Page:
    """The help of a command.

    Attributes
    ----------
    usage
        What comes after the command's name.
    sections
        All options, those that matter most first.
    examples
        Commands that run.
    """

    usage: str
    sections: Sequence[Section]
    examples: Sequence[str]


class _Formatter(argparse.HelpFormatter):
    """Writes the kind of a value, and not the option's name once more."""

    def _get_default_metavar_for_optional(self, action: argparse.Action) -> str:
        kinds = {"positive": "N", "whole": "N", "number": "X", "layers": "N"}
        return kinds.get(getattr(action.type, "__name__", ""), action.dest.upper())


class Parser(argparse.ArgumentParser):
    """A parser whose help is in sections, and whose errors are two lines."""

    page: Page | None = None

    def __init__(self, *args: Any, **settings: Any) -> None:
        """Make one, with this module's way to write options."""
        super().__init__(*args, **{"formatter_class": _Formatter, **settings})

    def show(self, page: Page) -> None:
        """Take the page of a command, once all its options are there."""
        self.page = page
        self.usage = f"{self.prog} {page.usage}"

    def format_help(self) -> str:
        """Give the page."""
        if self.page is None:
            return super().format_help()
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, [])
        formatter.add_text(self.description)
        known = {_name(action): action for action in self._actions}
        for section in self.page.sections:
            formatter.start_section(section.title)
            formatter.add_text(section.about)
            formatter.add_arguments([known.pop(flag) for flag in section.flags.split()])
            formatter.end_section()
        formatter.start_section("help")
        formatter.add_arguments(known.values())
        formatter.end_section()
        rest = [] if self.epilog is None else [self.epilog]
        rest.append("\n".join(["examples:", *(f"  {line}" for line in self.page.examples)]))
        return formatter.format_help() + "\n" + "\n\n".join(rest) + "\n"

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, what may be meant, and where all options are."""
        near = self._near(message)
        self.exit(
            2,
            f"{self.prog}: error: {message}{near and f'; did you mean {near}?'}\n"
            f"({self.prog} --help lists what there is)\n",
        )

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; an unknown option is an error of the command that it was given to."""
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            getattr(found, "parser", self).error(f"unknown: {' '.join(unknown)}")
        return found

    def _near(self, message: str) -> str:
        """Give the name that is closest to an unknown one in an error of argparse."""
        wrong = re.search(r"(?:invalid choice: '|unknown: )([^' =]+)", message)
        if wrong is None:
            return ""
        if "invalid choice" in message:
            known = re.findall(r"[\w-]+", message.partition("choose from")[2])
        else:
            known = [flag for action in self._actions for flag in action.option_strings]
        return next(iter(difflib.get_close_matches(wrong[1], known, 1, 0.7)), "")


def _name(action: argparse.Action) -> str:
    """Give the first name of an option, without dashes, or that of an argument."""
    return next(iter(action.option_strings), action.dest).lstrip("-")
