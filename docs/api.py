"""Write the API reference, HTML pages made from the docstrings of the installed package.

Needs the extra ``docs``: ``python docs/api.py [FOLDER]``, by default target/api.
"""

import sys
from importlib import import_module
from pathlib import Path

import pdoc

MODULES = ["", ".estimators", ".feature_selection", ".plot", ".datasets"]


def gather(kind):
    """Make what a public class has from private ones its own, so that it is on the page."""
    for base in kind.__mro__[1:]:
        if base.__module__.startswith("trulysparse."):
            for name, member in vars(base).items():
                if not name.startswith("_") and name not in vars(kind):
                    setattr(kind, name, member)


def main(folder):
    """Write the pages."""
    names = [f"trulysparse{module}" for module in MODULES]
    for module in map(import_module, names):
        for name in module.__all__:
            if isinstance(getattr(module, name), type):
                gather(getattr(module, name))
    pdoc.render.configure(docformat="numpy")
    pdoc.pdoc(*names, output_directory=folder)
    print(f"wrote {folder / 'index.html'}")


if __name__ == "__main__":
    root = Path(__file__).parents[1]
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else root / "target" / "api")
