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


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


PROJECT = tomllib.loads(text("pyproject.toml"))["project"]
CRATE = tomllib.loads(text("Cargo.toml"))["package"]


def first(pattern: str, name: str) -> str:
    return re.search(pattern, text(name), re.MULTILINE)[1]


# Versions and their dates, the newest first.
RELEASES = re.findall(
    r"^## (\d+\.\d+\.\d+) - (\d{4}-\d\d-\d\d)$", text("CHANGELOG.md"), re.MULTILINE
)


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
    assert f'name = "trulysparse"\nversion = "{version}"\n' in text("Cargo.lock")
    assert "version" in PROJECT["dynamic"]  # maturin takes the crate's
    # A section that is called Unreleased may come first.
    assert (version, first(r"^date-released: (\S+)$", "CITATION.cff")) == RELEASES[0]


def test_the_changelog_has_the_form_that_its_head_says():
    changelog = text("CHANGELOG.md")
    assert sorted(RELEASES, key=lambda release: release[1], reverse=True) == RELEASES
    titles = re.findall(r"^## (.*)$", changelog, re.MULTILINE)
    assert titles[-len(RELEASES) :] == [" - ".join(release) for release in RELEASES]
    assert titles[: -len(RELEASES)] in ([], ["Unreleased"])
    order = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
    for section in changelog.split("\n## ")[1:]:
        found = re.findall(r"^### (.*)$", section, re.MULTILINE)
        assert found == [name for name in order if name in found]
        assert section.split("\n\n")[1].startswith("### ")  # no line is without a category
    lines = re.findall(r"^- .*(?:\n  .*)*", changelog, re.MULTILINE)
    assert len(lines) == len(set(lines)), "a line that is there twice"
