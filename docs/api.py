"""Write the API reference, HTML pages made from the docstrings of the installed package.

Needs the extra ``docs``: ``python docs/api.py [FOLDER]``, by default target/api.
"""

import sys
from pathlib import Path

import pdoc

MODULES = [f"trulysparse{module}" for module in ("", ".estimators", ".plot", ".datasets")]


def main(folder):
    """Write the pages."""
    pdoc.render.configure(docformat="numpy", template_directory=Path(__file__).parent / "pdoc")
    pdoc.pdoc(*MODULES, output_directory=folder)
    print(f"wrote {folder / 'index.html'}")


if __name__ == "__main__":
    root = Path(__file__).parents[1]
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else root / "target" / "api")
