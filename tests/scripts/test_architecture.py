"""The arrows between the modules of the Python package, and the page that shows them.

`architecture.rs` holds the arrows of the core. An import counts wherever it stands: at the top,
under TYPE_CHECKING, in a function.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "python" / "trulysparse"
PAGE = ROOT / "docs" / "architecture.md"

# A room is a folder or a file of the package: which rooms each may import. Every room may import
# those of EVERYBODY. A room below `model` knows no model, and nothing imports `cli` or `__init__`.
EVERYBODY = {"_check", "_core", "_files", "_hints", "_html", "_progress", "_words", "names"}
_OLD = ("augmentation", "feature_selection", "pruning", "recorder", "rules", "schedules")
ALLOWED = {
    "_check": set(),
    "_core": set(),
    "_files": set(),
    "_hints": set(),
    "_html": set(),
    "names": set(),
    "_progress": set(),
    "_words": set(),
    "_moved": set(),
    "activations": set(),
    "losses": set(),
    "explosion": set(),
    "history": {"explosion"},
    "importance": set(),
    "optim": set(),
    "config": {"activations", "losses"},
    "layer": {"activations", "config", "losses"},
    "data": {"config", "losses"},
    "tables": {"data"},
    "datasets": {"data", "readers"},
    "readers": {"data"},
    "streams": {"config", "data", "losses", "readers", "tables"},
    "topology": {"config", "layer", "losses"},
    "callbacks": {"explosion", "history", "layer"},
    "export": {"activations", "config", "data", "layer"},
    "parallel": {"config", "data", "history", "optim", "topology"},
    "training": {
        "callbacks",
        "config",
        "data",
        "explosion",
        "history",
        "losses",
        "optim",
        "parallel",
        "streams",
        "topology",
    },
    "memory": {"config", "optim", "topology", "training"},
    "attribution": {"config", "data", "importance", "scoring"},
    "scoring": {"config", "data", "losses", "topology"},
    "report": {"data", "history", "losses", "plot"},
    "model": {
        "activations",
        "attribution",
        "callbacks",
        "config",
        "data",
        "export",
        "history",
        "layer",
        "memory",
        "optim",
        "parallel",
        "losses",
        "report",
        "scoring",
        "streams",
        "topology",
        "training",
    },
    "loading": {"config", "estimators", "model"},
    "plot": {"callbacks", "history", "layer"},
    "recipe": {"optim", "topology"},
    "presets": {"config", "data", "losses", "optim", "recipe", "topology"},
    "selection": {"attribution", "data", "history", "model", "optim", "presets", "topology"},
    "estimators": {
        "attribution",
        "callbacks",
        "config",
        "data",
        "explosion",
        "history",
        "losses",
        "model",
        "optim",
        "presets",
        "recipe",
        "report",
        "selection",
        "streams",
        "tables",
        "topology",
    },
    # Old places of names, for one more version.
    **{name: {"_moved"} for name in _OLD},
}
ALLOWED["__init__"] = set(ALLOWED) - {"_check", "_moved", *_OLD}
ALLOWED["cli"] = {*ALLOWED, "__init__"} - {*EVERYBODY, "_moved", *_OLD}
ALLOWED["__main__"] = {"cli"}

Graph = dict[str, set[str]]


def modules(package: Path) -> dict[str, Path]:
    """The package's modules by their dotted names, `""` for the package itself."""
    found = {}
    for path in (*package.rglob("*.py"), *package.rglob("*.pyi")):
        parts = path.relative_to(package).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def named(package: Path, name: str, path: Path) -> Iterator[str]:
    """The dotted names within the package that a module's imports may mean."""
    is_folder = path.stem == "__init__"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top, _, rest = alias.name.partition(".")
                if top == package.name:
                    yield rest
        elif isinstance(node, ast.ImportFrom):
            base = (node.module or "").split(".") if node.module else []
            if node.level:
                here = name.split(".") if name else []
                base = here[: len(here) - node.level + is_folder] + base
            elif base[0] == package.name:
                del base[0]
            else:
                continue
            for alias in node.names:
                yield ".".join([*base, alias.name])


def imports(package: Path) -> Graph:
    """For each module those that it imports; a name that is no module belongs to what holds it."""
    paths = modules(package)
    assert "" in paths, f"no package in {package}"
    graph: Graph = {name: set() for name in paths}
    for name, path in paths.items():
        for target in named(package, name, path):
            while target not in paths:
                target = target.rpartition(".")[0]
            graph[name].add(target)
        graph[name].discard(name)
    return graph


def circles(graph: Graph) -> list[list[str]]:
    """The groups of modules that import each other, directly or through others."""
    reached: Graph = {}
    for start in graph:
        seen, waiting = set(), list(graph[start])
        while waiting:
            module = waiting.pop()
            if module not in seen:
                seen.add(module)
                waiting += graph[module]
        reached[start] = seen
    groups = {frozenset(b for b in reached[a] if a in reached[b]) for a in graph if a in reached[a]}
    return sorted(sorted(group) for group in groups)


def room(module: str) -> str:
    return module.split(".")[0] or "__init__"


def forbidden(graph: Graph, allowed: Graph) -> list[str]:
    return sorted(
        f"{source or '__init__'} imports {target or '__init__'}"
        for source, targets in graph.items()
        for target in targets
        if room(source) != room(target)
        and room(target) not in allowed.get(room(source), set()) | EVERYBODY
    )


def test_no_modules_import_each_other():
    assert circles(imports(PACKAGE)) == []


def test_every_room_is_in_the_table():
    assert sorted({room(module) for module in modules(PACKAGE)}) == sorted(ALLOWED)


def test_rooms_import_what_the_table_allows():
    assert forbidden(imports(PACKAGE), ALLOWED) == []


def test_the_table_has_no_circle():
    assert circles(ALLOWED) == []


def arrows(heading: str) -> Graph:
    """The table of the page under a heading: what each room may import."""
    text = PAGE.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = {}
    for line in text.splitlines():
        if line.startswith("| `"):
            _, rooms, may, *_ = line.split("|")
            for name in re.findall(r"`(\w+)`", rooms):
                found[name] = set(re.findall(r"`(\w+)`", may))
    return found


def test_the_page_shows_the_table():
    in_words = {"__init__", "__main__", "cli"}
    table = {name: may for name, may in ALLOWED.items() if name not in in_words}
    assert arrows("Rooms of the Python package") == table


def test_the_page_shows_the_table_of_the_core():
    text = (ROOT / "tests" / "architecture.rs").read_text(encoding="utf-8")
    table = text.split("const ALLOWED")[1].split(" = [", 1)[1].split("\n];")[0]
    rows = re.findall(r'\(\s*"(\w+)",\s*&\[([^\]]*)\]', table)
    assert arrows("Rooms of the Rust crate") == {
        name: set(re.findall(r"\w+", may)) for name, may in rows
    }


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_the_files_that_the_pages_name_are_there(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    names = set(re.findall(r"[\w./-]+\.(?:md|pyi?|rs)\b", text))
    places = (ROOT, PACKAGE, ROOT / "rust", (ROOT / page).parent)
    absent = {n for n in names if not any((place / n).exists() for place in places)}
    assert {n for n in absent if not re.search("NAME|OBJECT|COMMAND", n)} == set()


SOURCES = {
    "__init__.py": "from .a import A\nfrom . import rooms",
    "a.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .rooms.inner import I",
    "b.py": "import os.path\nimport numpy as np\nfrom os import path\nimport pack.a",
    "rooms/__init__.py": "from .inner import I",
    "rooms/inner.py": "def f():\n    from ..b import x\nfrom pack import rooms\nfrom . import J",
    "stub.pyi": "from .a import A as A",
}


@pytest.fixture
def package(tmp_path):
    for name, text in SOURCES.items():
        path = tmp_path / "pack" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "pack"


def test_imports_count_wherever_they_stand(package):
    assert imports(package) == {
        "": {"a", "rooms"},
        "a": {"rooms.inner"},
        "b": {"a"},
        "rooms": {"rooms.inner"},
        "rooms.inner": {"b", "rooms"},
        "stub": {"a"},
    }


def test_circles_are_found(package):
    graph = imports(package)
    assert circles(graph) == [["a", "b", "rooms", "rooms.inner"]]
    graph["a"].clear()
    assert circles(graph) == [["rooms", "rooms.inner"]]


def test_what_the_table_forbids_is_found(package):
    allowed = {"__init__": {"a", "rooms"}, "a": {"rooms"}, "rooms": {"b"}, "stub": {"a"}}
    assert forbidden(imports(package), allowed) == ["b imports a"]
