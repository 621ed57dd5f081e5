"""The command ``trulysparse``: train, evaluate, use, rank and describe sparse networks.

A command is a module here, with its flags in `add` and what it does in `run`. Flags that set one
object, such as an optimiser, are a module of `flags`.

Exit codes: 0 done, 1 training failed or came to nothing, or a plan does not fit, 2 a mistake in the
arguments or the data, 130 interrupted with Ctrl-C.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from trulysparse import _core, _files
from trulysparse.cli.parser import Parser, by_flags
from trulysparse.parallel.mpi.link import PeerError

__all__ = ["main", "make_parser", "run"]

# In the order of the help. A module is imported when its command is asked for, or the help.
_COMMANDS = (
    "train", "plan", "evaluate", "predict", "explain", "importance", "report", "prune", "export",
    "info",
)  # fmt: skip

_DESCRIPTION = "Train and use truly sparse neural networks."
_EXAMPLES = """\
`trulysparse COMMAND --help` explains a command and has examples of it.

examples:
  trulysparse train --data table.csv --label churn --out run
  trulysparse evaluate run --data new.csv
  trulysparse predict run --data new.csv --out predictions.csv"""


def run() -> None:
    """Run the command line and exit: the entry point of the installed script."""
    sys.exit(main())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv
        The arguments after the program's name; ``sys.argv[1:]`` by default.

    Returns
    -------
    The exit code.

    Raises
    ------
    SystemExit
        From argparse, on ``--help``, ``--version`` and unknown flags.
    """
    argv = sys.argv[1:] if argv is None else argv
    asked = argv[:1] if argv and argv[0] in _COMMANDS else _COMMANDS
    args = make_parser(asked).parse_args(argv)
    _note_threads(args)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show
            # The commands match classes by their names.
            warnings.filterwarnings("ignore", "y has integers, which count the outputs")
            code: int = args.run(args)
    except KeyboardInterrupt:
        print("trulysparse: interrupted", file=sys.stderr)
        return 130
    except (ValueError, TypeError, ImportError, OSError, MemoryError, PeerError) as error:
        text = _files.plain(_said(error, args)) or "not enough memory"
        print(f"trulysparse: error: {text}", file=sys.stderr)
        return 2
    return code


def _said(error: Exception, args: argparse.Namespace) -> str:
    """Give the text of an error, with the flag or the file that it is about."""
    if not isinstance(error, OSError) or error.filename is None or error.strerror is None:
        return by_flags(str(error), args)
    file = os.fsdecode(error.filename)
    names = {"model": "MODEL", "data": "--data", "labels_from": "--labels-from"}
    where = [name for key, name in names.items() if getattr(args, key, None) == file]
    before = f"{where[0]}: " if where else ""
    if isinstance(error, FileNotFoundError):
        return f"{before}no file {file!r}"
    return f"{before}{file}: {error.strerror}"


def _note_threads(args: argparse.Namespace) -> None:
    """Say that more threads than cores are of no use; they are as legal as in Python."""
    wanted, there = getattr(args, "threads", None), _core.available_threads()
    if wanted is not None and wanted > there:
        cores = "1 core" if there == 1 else f"{there} cores"
        text = f"--threads {wanted}: this process may use {cores}, and more threads are no faster"
        print(f"trulysparse: note: {text}", file=sys.stderr)


def _show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
    """Show a warning without the place in the sources that gave it."""
    text = "\n".join(map(_files.plain, str(message).split("\n")))
    print(f"trulysparse: warning: {text}", file=sys.stderr)


def make_parser(of: Sequence[str] = _COMMANDS) -> argparse.ArgumentParser:
    """Make the parser of some commands, by default of all.

    ``run`` is the command's; what a preset decides is there only if given.
    """
    parser = Parser(
        prog="trulysparse",
        usage="trulysparse COMMAND [options]",
        epilog=_EXAMPLES,
    )
    commands = parser.add_subparsers(
        dest="command",
        required=True,
        metavar="COMMAND",
        prog="trulysparse",
        help=argparse.SUPPRESS,
    )
    for command in of:
        import_module(f"trulysparse.cli.{command}").add(commands)
    wide = max(map(len, of))
    list_of_all = (f"  {name:<{wide}}  {one.summary}" for name, one in commands.choices.items())
    parser.description = "\n".join([_DESCRIPTION, "", "commands:", *list_of_all])
    others = parser.add_argument_group("other options")
    others.add_argument(
        "--version", action="version", version=f"trulysparse {_core.__version__}", help="show it"
    )
    parser.help_in(others)
    return parser
