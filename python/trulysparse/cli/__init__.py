"""The command ``trulysparse``: train, evaluate, use, rank and describe sparse networks.

A command is a module here, with its flags in `add` and what it does in `run`. Flags that set one
object, such as an optimiser, are a module of `flags`.

Exit codes: 0 done, 1 training failed or came to nothing, or a plan does not fit, 2 a mistake in the
arguments or the data, 130 interrupted with Ctrl-C.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from trulysparse import _core, _files
from trulysparse.cli.pages import Parser
from trulysparse.parallel.mpi.link import PeerError

__all__ = ["main", "make_parser", "run"]

# In the order of the help. A module is imported when its command is asked for, or the help.
_COMMANDS = (
    "train", "plan", "evaluate", "predict", "explain", "importance", "report", "prune", "export",
    "info",
)  # fmt: skip


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
        From argparse, on ``--help``, ``--version``, unknown flags and without a command.
    """
    argv = sys.argv[1:] if argv is None else argv
    if not argv:
        make_parser().print_help(sys.stderr)
        sys.exit(2)
    asked = argv[:1] if argv and argv[0] in _COMMANDS else _COMMANDS
    args = make_parser(asked).parse_args(argv)
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
        text = _files.plain(str(error)) or "not enough memory"
        print(f"trulysparse: error: {text}", file=sys.stderr)
        return 2
    return code


def _show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
    """Show a warning without the place in the sources that gave it."""
    text = "\n".join(map(_files.plain, str(message).split("\n")))
    print(f"trulysparse: warning: {text}", file=sys.stderr)


def make_parser(of: Sequence[str] = _COMMANDS) -> Parser:
    """Make the parser of some commands, by default of all.

    ``run`` is the command's; what a preset decides is there only if given.
    """
    parser = Parser(
        prog="trulysparse",
        description="Train and use truly sparse neural networks.",
        epilog="trulysparse COMMAND --help has the options of a command, and examples.",
    )
    parser.add_argument("--version", action="version", version=f"trulysparse {_core.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in of:
        module = import_module(f"trulysparse.cli.{command}")
        made = module.add(commands)
        made.show(module.PAGE)
        made.set_defaults(parser=made)
    return parser
