"""Print the Python tests of the quick lane: those that guard results, and those of changed files.

Changed are the files that differ from the last commit or, if none does, those of that commit. The
tests of the package's FOLDER, and of the core's, are in `tests/FOLDER`; those of `datasets` are in
`tests/data`.
"""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]

ALWAYS = [
    "tests/compatibility/test_compatibility.py",
    "tests/model/test_model.py",
    "tests/model/test_storage.py",
    "tests/parallel/test_threads.py",
    "tests/scripts/test_architecture.py",
    "tests/topology/test_properties.py",
    "tests/training/test_bits.py",
    "tests/training/test_determinism.py",
    "tests/training/test_golden_fits.py",
    "tests/training/test_steps.py",
]


def git(*arguments: str) -> list[str]:
    done = subprocess.run(
        ["git", *arguments, "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [name for name in done.stdout.split("\0") if name]


def changed() -> list[str]:
    now = git("diff", "--name-only", "HEAD") + git("ls-files", "--others", "--exclude-standard")
    return now or git("diff-tree", "-r", "--root", "--no-commit-id", "--name-only", "HEAD")


def concerned(names: Iterable[str], root: Path) -> list[str]:
    """The tests of the files with these names; a folder stands for its files."""
    found = set()
    for name in names:
        match name.split("/"):
            case ["tests", "helpers", file] if not file.startswith("test_"):
                word = re.compile(rf"^from helpers.*\b{Path(file).stem}\b", re.MULTILINE)
                tests = root.glob("tests/*/test_*.py")
                found |= {str(t.relative_to(root)) for t in tests if word.search(t.read_text())}
            case ["tests", _, file] if file.startswith("test_") and (root / name).is_file():
                found.add(name)
            case ["python", "trulysparse", "datasets", *_]:
                found.add("tests/data")
            case ["python", "trulysparse", room, *_] | ["rust", room, *_]:
                tests = root / "tests" / room.removesuffix(".py").strip("_")
                if tests.is_dir():
                    found.add(str(tests.relative_to(root)))
    return sorted(name for name in found if not found & {str(p) for p in Path(name).parents})


if __name__ == "__main__":
    print("\n".join(concerned([*ALWAYS, *changed()], ROOT)))
