"""``trulysparse export``: write a saved model for SciPy or PyTorch."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from trulysparse.cli.common import add_model, read_model, refuse_overwriting, say
from trulysparse.cli.parser import add_command
from trulysparse.model import SparseMLP


def _scipy(model: SparseMLP, out: Path, dense: bool) -> str:
    model.export_npz(out)
    return f"wrote {out}, see {out / 'README.txt'}"


def _torch(model: SparseMLP, out: Path, dense: bool) -> str:
    module = model.to_torch(dense=dense)
    from trulysparse.export.torch import save_state  # there is PyTorch now

    save_state(module, out)
    return f"wrote {out}"


# By the name of the format: what is written by default, and how; the first is the default.
_FORMATS: dict[str, tuple[Path, Callable[[SparseMLP, Path, bool], str]]] = {
    "scipy": (Path("trulysparse-export"), _scipy),
    "torch": (Path("model.pt"), _torch),
}


def add(commands: Any) -> None:
    """Add the command."""
    export = add_command(
        commands,
        "export",
        run,
        summary="write a saved model for SciPy or PyTorch",
        description="For SciPy: write a folder of .npz and .npy files, with a README.txt that says "
        "what to compute. For PyTorch: write the state_dict of the module that "
        "`SparseMLP.to_torch` makes, which torch.load reads without trulysparse.",
        usage="MODEL [options]",
        examples=_EXAMPLES,
    )
    options = export.add_argument_group("options")
    add_model(options)
    options.add_argument(
        "--format",
        choices=list(_FORMATS),
        default=next(iter(_FORMATS)),
        help="what reads it (default: %(default)s)",
    )
    options.add_argument(
        "--out",
        type=Path,
        metavar="PATH",
        help="the folder to write for scipy, the file for torch (default: "
        + " or ".join(str(out) for out, _ in _FORMATS.values())
        + ")",
    )
    options.add_argument(
        "--dense",
        action="store_true",
        help="for torch: weights as torch.nn.Linear has them, with inputs times outputs numbers",
    )
    export.help_in(options)


_EXAMPLES = """
    trulysparse export run --format scipy --out arrays
"""


def _written(out: Path) -> Iterable[Path]:
    """Give what may be written over: a file, or those in a folder that are of an export's kinds."""
    if not out.is_dir():
        return [out]
    return [file for file in out.iterdir() if file.suffix in {".json", ".txt", ".npz", ".npy"}]


def run(args: argparse.Namespace) -> int:
    """Write the files."""
    out, write = _FORMATS[args.format]
    if args.dense and args.format != "torch":
        raise ValueError("--dense: expected --format torch as well, as SciPy's files are sparse")
    refuse_overwriting(args, _written(out if args.out is None else args.out))
    say(write(read_model(args), args.out or out, args.dense))
    return 0
