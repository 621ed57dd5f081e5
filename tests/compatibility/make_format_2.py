"""Made the files in format_2: the models of 0.1.0 that are beside this, in version 2 of the format.

They are what the first release with version 2 writes. Run it anew while that version is not
released, after every change of its names; never after.
"""

from __future__ import annotations

from pathlib import Path

import trulysparse as ts

HERE = Path(__file__).parent


def main() -> None:
    """Load each model and save it."""
    folder = HERE / "format_2"
    folder.mkdir(exist_ok=True)
    for path in HERE.glob("*.safetensors"):
        ts.load(path).save(folder / path.name)


if __name__ == "__main__":
    main()
