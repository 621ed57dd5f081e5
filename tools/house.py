#!/usr/bin/env python3
"""Count what makes the sources hard to change, and hold the limits.

    python tools/house.py            # the counts
    python tools/house.py --list     # with what is counted, by file and line
    python tools/house.py --check    # exit status 1 if a count is beyond its limit

What is counted:

- Circles: groups of Python modules that import each other, directly or through others. Imports in
  functions and under TYPE_CHECKING count. ``from package import name`` is an import of the
  submodule `name` if there is one, else of the package. That Python runs a package before its
  submodules is no import.
- Option tests: classes of optimisers, schedules, rules, pruning, strategies, callbacks and
  augmentation that an `isinstance`, an `issubclass`, a `match` or a comparison of ``type(...)``
  names. A union counts as its members, also if it has a name; so does a tuple.
- Lines of a function: from its first line to its last, without decorators; in Python also without
  its docstring. A function within another counts for both.
- Arguments and tuples in Rust: of functions with a name, not of closures. `self` is no argument.
  A tuple parameter has a tuple, or a reference to one, as its type, or is taken apart by a tuple
  pattern.
- Rust is read without its comments and the content of its strings; only `rust/` is.
"""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent

# The most that each count may be; the others are only shown.
LIMITS = {
    "Python: import circles": 0,
    "Python: isinstance on option objects": 3,
    "Python: longest function, lines": 60,
    "Python: files over 600 lines": 0,
    "Rust: functions over 7 arguments": 3,
    "Rust: allow(clippy::too_many_arguments)": 3,
    "Rust: tuple parameters": 4,
    "Rust: longest function, lines": 80,
    "Rust: files over 600 lines": 0,
}
ARGUMENTS = 7
FILE_LINES = 600
FILE_LINES_OF = {"python/trulysparse/model.py": 900}

# Options, by the roots of their classes; what they inherit from, and what inherits from them, is
# found in the sources.
OPTIONS = {
    *("SGD", "Adam"),
    *("Constant", "Cosine", "ExponentialDecay", "StepDecay"),
    *("SET", "GradientGrowth", "TopologyRule"),
    *("ImportancePruning", "WASSP", "WASAP", "Callback", "ImageAugmentation"),
}


class Found(NamedTuple):
    """One thing that is counted; `size` is how much it counts."""

    size: int
    what: str


class Count(NamedTuple):
    """A count, what it consists of, largest first, and whether it is the sum or the largest."""

    name: str
    found: list[Found]
    largest: bool = False

    @property
    def value(self) -> int:
        """The number that has a limit."""
        sizes = [found.size for found in self.found]
        return max(sizes, default=0) if self.largest else sum(sizes)

    @property
    def good(self) -> bool:
        """Whether the number is within its limit, if it has one."""
        return self.value <= LIMITS.get(self.name, self.value)


def sources(*patterns: str) -> list[Path]:
    """Files of the tree, sorted."""
    return sorted(path for pattern in patterns for path in ROOT.glob(pattern))


def place(path: Path, line: int | None = None) -> str:
    """Where something is, as compilers write it."""
    name = path.relative_to(ROOT).as_posix()
    return name if line is None else f"{name}:{line}"


# --- Python ---------------------------------------------------------------------------------------


def module_name(path: Path) -> str:
    """The module's dotted name."""
    parts = path.relative_to(ROOT / "python").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path, tree: ast.Module, modules: set[str]) -> set[str]:
    """The modules of ours that a module imports, anywhere in it."""
    name, found = module_name(path), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = name.split(".") + ([""] if path.stem == "__init__" else [])
                base = ".".join([*package[: -node.level], *base.split(".")]).rstrip(".")
            submodules = [f"{base}.{alias.name}" for alias in node.names]
            found |= {sub if sub in modules else base for sub in submodules}
    return found & modules - {name}


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The groups of modules that reach each other."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        open_ends = [start]
        while open_ends:
            new = graph[open_ends.pop()] - seen
            seen |= new
            open_ends += new
        return seen

    reach = {name: reached(name) for name in graph}
    groups = {frozenset(b for b in reach[a] if a in reach[b]) for a in graph}
    return sorted(sorted(group) for group in groups if group)


def names_in(node: ast.expr, unions: dict[str, ast.expr]) -> Iterator[str]:
    """The class names of ``A``, ``(A, B)``, ``A | B`` and of a name for such a union."""
    if isinstance(node, ast.Name) and node.id in unions:
        yield from names_in(unions[node.id], {})
    elif isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.Tuple):
        for element in node.elts:
            yield from names_in(element, unions)
    elif isinstance(node, ast.BinOp):
        yield from names_in(node.left, unions)
        yield from names_in(node.right, unions)


def option_classes(trees: dict[Path, ast.Module]) -> tuple[set[str], dict[str, ast.expr]]:
    """The options with their bases and heirs, and the named unions of classes."""
    bases: dict[str, set[str]] = {}
    unions: dict[str, ast.expr] = {}
    for tree in trees.values():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                bases[node.name] = {name for base in node.bases for name in names_in(base, {})}
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp | ast.Tuple):
                unions |= {t.id: node.value for t in node.targets if isinstance(t, ast.Name)}
    options = OPTIONS & set(bases)
    before: set[str] = set()
    while before != options:  # what they inherit from
        before = set(options)
        options |= {base for name in before for base in bases[name] if base in bases}
    before = set()
    while before != options:  # what inherits from them
        before = set(options)
        options |= {name for name, inherits in bases.items() if inherits & before}
    return options, unions


def option_tests(
    path: Path, tree: ast.Module, options: set[str], unions: dict[str, ast.expr]
) -> list[Found]:
    """Where a module asks what kind of option an object is."""
    found = []
    for node in ast.walk(tree):
        classes: list[ast.expr] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in ("isinstance", "issubclass") and len(node.args) == 2:
                classes = [node.args[1]]
        elif isinstance(node, ast.MatchClass):
            classes = [node.cls]
        elif isinstance(node, ast.Compare) and "type(" in ast.unparse(node.left):
            classes = node.comparators
        tested = [name for c in classes for name in names_in(c, unions) if name in options]
        if tested:
            line = getattr(node, "lineno", 0)
            found.append(Found(len(tested), f"{place(path, line)} {', '.join(tested)}"))
    return found


def python_functions(path: Path, tree: ast.Module) -> list[Found]:
    """The functions of a module with their lines."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            if ast.get_docstring(node) is not None:
                text = node.body[0]
                lines -= (text.end_lineno or 0) - text.lineno + 1
            found.append(Found(lines, f"{place(path, node.lineno)} {node.name}"))
    return found


def python_counts() -> list[Count]:
    """The counts of the package."""
    paths = sources("python/**/*.py", "python/**/*.pyi")
    trees = {path: ast.parse(path.read_text(), str(path)) for path in paths}
    modules = {module_name(path) for path in paths}
    graph = {module_name(path): imported(path, tree, modules) for path, tree in trees.items()}
    groups = circles(graph)
    options, unions = option_classes(trees)
    tests = [
        found for path, tree in trees.items() for found in option_tests(path, tree, options, unions)
    ]
    functions = [found for path, tree in trees.items() for found in python_functions(path, tree)]
    return [
        Count("Python: import circles", [Found(1, ", ".join(group)) for group in groups]),
        Count(
            "Python: modules in circles",
            [
                Found(1, f"{name} imports {', '.join(sorted(graph[name] & set(group)))}")
                for group in groups
                for name in group
            ],
        ),
        Count("Python: isinstance on option objects", tests),
        Count("Python: longest function, lines", functions, largest=True),
        *long_files("Python", "python/**/*.py"),
    ]


# --- Rust -----------------------------------------------------------------------------------------

# Comments, strings, raw strings and characters; a lifetime is no character.
SKIPPED = re.compile(
    r"""//[^\n]* | /\*.*?\*/ | \bb?r(?P<hashes>\#*)".*?"(?P=hashes) | b?"(?:\\.|[^"\\])*"
        | b?'(?:\\(?:u\{\w+\}|x\w\w|.)|[^\\'\n])'""",
    re.DOTALL | re.VERBOSE,
)
FUNCTION = re.compile(r"\bfn\s+\$?(\w+)\s*")
SELF = re.compile(r"(?:&\s*(?:'\w+\s+)?)?(?:mut\s+)?self\b")
REFERENCE = re.compile(r"(?:&\s*(?:'\w+\s+)?(?:mut\s+)?)*")


def bare(text: str) -> str:
    """Rust's code with blanks for comments and literals; lines stay where they are."""
    return SKIPPED.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)


def closing(code: str, start: int) -> int:
    """Where the bracket at `start` is closed. ``->`` and ``=>`` close nothing."""
    pairs = {"(": ")", "[": "]", "{": "}", "<": ">"}
    opened, closed = code[start], pairs[code[start]]
    depth = 0
    for i in range(start, len(code)):
        if code[i] == opened:
            depth += 1
        elif code[i] == closed and not (closed == ">" and code[i - 1] in "-="):
            depth -= 1
            if depth == 0:
                return i
    raise ValueError(f"nothing closes the bracket before {code[start : start + 60]!r}")


def split(parameters: str) -> list[str]:
    """Parameters apart, at the commas that no bracket holds; without their attributes."""
    parts, depth = [""], 0
    for i, character in enumerate(parameters):
        if character in "([{<":
            depth += 1
        elif character in ")]}" or (character == ">" and parameters[i - 1] not in "-="):
            depth -= 1
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    parts = [re.sub(r"#\s*\[[^\]]*\]", "", part).strip() for part in parts]
    return [part for part in parts if part]


def is_tuple(text: str) -> bool:
    """Whether a pattern or a type is a tuple or a reference to one; ``()`` and ``(T)`` are none."""
    text = text.strip()
    text = text[REFERENCE.match(text).end() :]  # type: ignore[union-attr]  # matches always
    if not text.startswith("("):
        return False
    end = closing(text, 0)
    return not text[end + 1 :].strip() and "," in text[1:end]


def has_tuple(parameter: str) -> bool:
    """Whether a parameter's type is a tuple, or its pattern takes one apart."""
    if parameter.startswith(("(", "&(")):
        return True
    return is_tuple(parameter.split(":", 1)[1])


class Function(NamedTuple):
    """A Rust function: where it is, its parameters without `self`, and its lines."""

    where: str
    parameters: list[str]
    lines: int


def rust_functions(path: Path, code: str) -> Iterator[Function]:
    """The functions of a file, in macros too, those without a body too."""
    for match in FUNCTION.finditer(code):
        start = match.end()
        if code[start] == "<":
            start = closing(code, start) + 1
        start = code.index("(", start)
        end = closing(code, start)
        parameters = [p for p in split(code[start + 1 : end]) if ":" in p and not SELF.match(p)]
        depth, i = 0, end + 1
        while depth or not (code[i] in "{};" or code.startswith("=>", i)):
            depth += (code[i] in "([") - (code[i] in ")]")
            i += 1
        last = closing(code, i) if code[i] == "{" else i
        first_line = code.count("\n", 0, match.start()) + 1
        lines = code.count("\n", match.start(), last) + 1
        yield Function(f"{place(path, first_line)} {match[1]}", parameters, lines)


def occurrences(name: str, pattern: str, codes: dict[Path, str]) -> Count:
    """How often something is written, by file."""
    found = [Found(len(re.findall(pattern, code)), place(path)) for path, code in codes.items()]
    return Count(name, [f for f in found if f.size])


def rust_counts() -> list[Count]:
    """The counts of the crate."""
    codes = {path: bare(path.read_text()) for path in sources("rust/**/*.rs")}
    functions = [f for path, code in codes.items() for f in rust_functions(path, code)]
    over = [f for f in functions if len(f.parameters) > ARGUMENTS]
    tuples = [
        Found(1, f"{f.where}: {' '.join(parameter.split())}")
        for f in functions
        for parameter in f.parameters
        if has_tuple(parameter)
    ]
    return [
        Count(
            "Rust: functions over 7 arguments",
            [Found(1, f"{f.where} ({len(f.parameters)})") for f in over],
        ),
        occurrences(
            "Rust: allow(clippy::too_many_arguments)",
            r"(?:allow|expect)\([^)]*\bclippy::too_many_arguments\b",
            codes,
        ),
        Count("Rust: tuple parameters", tuples),
        Count("Rust: longest function, lines", [Found(f.lines, f.where) for f in functions], True),
        *long_files("Rust", "rust/**/*.rs"),
        occurrences("Rust: stride: usize", r"\bstride:\s*usize\b", codes),
        occurrences("Rust: split_at_mut", r"\bsplit_at_mut\b", codes),
    ]


# --- all ------------------------------------------------------------------------------------------


def long_files(what: str, *patterns: str) -> list[Count]:
    """Files that are too long, and the longest."""
    sizes = [(path, len(path.read_text().splitlines())) for path in sources(*patterns)]
    found = [Found(lines, place(path)) for path, lines in sizes]
    over = [f for f in found if f.size > FILE_LINES_OF.get(f.what, FILE_LINES)]
    named = [Found(1, f"{f.what} ({f.size})") for f in over]
    return [
        Count(f"{what}: files over {FILE_LINES} lines", named),
        Count(f"{what}: longest file, lines", found, largest=True),
    ]


def counts() -> list[Count]:
    """All counts of the tree."""
    tests = long_files("Tests", "tests/**/*.py", "tests/**/*.rs")
    return [*python_counts(), *rust_counts(), *tests]


def main() -> int:
    """Print the counts."""
    parser = argparse.ArgumentParser(description="Count what makes the sources hard to change.")
    parser.add_argument("--list", action="store_true", help="print what is counted as well")
    parser.add_argument("--check", action="store_true", help="fail if a count is beyond its limit")
    arguments = parser.parse_args()
    all_counts = counts()
    print(f"{'count':42} {'now':>5} {'limit':>5}")
    for count in all_counts:
        mark = "" if count.good else "  too many"
        print(f"{count.name:42} {count.value:5} {LIMITS.get(count.name, '-'):>5}{mark}")
        if count.largest and not arguments.list:
            print(f"    {max(count.found).what}")
        if arguments.list:
            shown = sorted(count.found, key=lambda found: -found.size)
            for found in shown[:10] if count.largest else shown:
                print(f"    {found.size:5}  {found.what}")
    return int(arguments.check and not all(count.good for count in all_counts))


if __name__ == "__main__":
    raise SystemExit(main())
