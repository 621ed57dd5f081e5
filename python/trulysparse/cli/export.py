"""``trulysparse export``: write a saved model for SciPy or PyTorch."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from trulysparse.cli.common import add_model, read_model, refuse_overwriting, say
from trulysparse.cli.pages import Page, Section
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


PAGE = Page(
    "MODEL [options]",
    [Section("what to write", "model format out dense")],
    ["trulysparse export run --out exported"],
)


def add(commands: Any) -> Any:
    """Add the command."""
    export = commands.add_parser(
        "export",
        help="write a saved model for SciPy or PyTorch",
        description="Write a folder of .npz and .npy files with a README.txt that says what to "
        "compute, or the state_dict of PyTorch's module that `SparseMLP.to_torch` makes, which "
        "torch.load reads without trulysparse.",
    )
    export.set_defaults(run=run)
    add_model(export)
    export.add_argument(
        "--format",
        choices=list(_FORMATS),
        default=next(iter(_FORMATS)),
        help="(default: %(default)s)",
    )
    export.add_argument(
        "--out",
        type=Path,
        metavar="PATH",
        help="the folder to write for scipy, the file for torch (default: "
        + " or ".join(str(out) for out, _ in _FORMATS.values())
        + ")",
    )
    export.add_argument(
        "--dense",
        action="store_true",
        help="for torch: weights as torch.nn.Linear has them, with inputs times outputs numbers",
    )
    return export


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
