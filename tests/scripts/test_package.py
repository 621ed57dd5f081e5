"""What the package says about itself, in all the places that say it."""

import re
import sys
from pathlib import Path

import trulysparse as ts

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # comes with pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CRATE = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["package"]


def first(pattern: str, name: str) -> str:
    return re.search(pattern, (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)[1]


def test_an_index_finds_all_that_it_shows():
    needed = ("authors", "classifiers", "description", "keywords", "license", "license-files")
    assert [name for name in (*needed, "readme", "requires-python") if not PROJECT.get(name)] == []
    assert PROJECT["description"] == CRATE["description"]
    assert PROJECT["license"] == CRATE["license"]
    assert all((ROOT / name).is_file() for name in (*PROJECT["license-files"], PROJECT["readme"]))
    assert PROJECT["requires-python"] == ">=3.10"
    classifiers = PROJECT["classifiers"]
    assert classifiers == sorted(set(classifiers))
    groups = {name.split(" :: ")[0] for name in classifiers}
    assert {"Development Status", "Operating System", "Topic", "Typing"} <= groups
    for minor in range(10, 15):
        assert f"Programming Language :: Python :: 3.{minor}" in classifiers
    assert (ROOT / "python" / "trulysparse" / "py.typed").is_file()


def test_extras_that_messages_name_exist():
    named = set()
    for path in (ROOT / "python").rglob("*.py"):
        named.update(re.findall(r"trulysparse\[(\w+)\]", path.read_text(encoding="utf-8")))
    assert named
    assert named <= set(PROJECT["optional-dependencies"])


def test_every_place_has_one_version():
    version = CRATE["version"]
    assert version == ts.__version__
    assert version == first(r"^version: (\S+)$", "CITATION.cff")
    assert "version" in PROJECT["dynamic"]  # maturin takes the crate's
