"""Which Python tests the quick lane runs after a change."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LANE = runpy.run_path(str(ROOT / "tests" / "lanes" / "concerned.py"))


@pytest.fixture
def tree(tmp_path):
    for name, text in {
        "tests/helpers/oracle.py": "",
        "tests/helpers/test_oracle.py": "from helpers.oracle import support_of",
        "tests/model/test_files.py": "from helpers import limits, oracle as o",
        "tests/cli/test_train.py": "from helpers import limits",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tests/cli/test_train.py", ["tests/cli/test_train.py"]),
        ("tests/cli/test_gone.py", []),
        ("tests/helpers/oracle.py", ["tests/helpers/test_oracle.py", "tests/model/test_files.py"]),
        ("tests/helpers/limits.py", ["tests/cli/test_train.py", "tests/model/test_files.py"]),
        ("python/trulysparse/cli/train.py", ["tests/cli"]),
        ("python/trulysparse/model.py", ["tests/model"]),
        ("python/trulysparse/_check.py", []),
        ("rust/model/dense.rs", ["tests/model"]),
        ("tests/kernels.rs", []),
        ("README.md", []),
    ],
)
def test_a_change_concerns(tree, name, expected):
    assert LANE["concerned"]([name], tree) == expected


def test_a_folder_stands_for_its_files(tree):
    names = ["tests/cli/test_train.py", "python/trulysparse/cli.py"]
    assert LANE["concerned"](names, tree) == ["tests/cli"]


def test_what_is_always_run_is_there():
    assert [name for name in LANE["ALWAYS"] if not (ROOT / name).is_file()] == []
