"""The counts of tools/house.py: what it finds in small sources, and the limits on ours."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import limits

SCRIPT = next(p for p in Path(__file__).parents if (p / "tools").is_dir()) / "tools" / "house.py"

spec = importlib.util.spec_from_file_location("house", SCRIPT)
house = importlib.util.module_from_spec(spec)
spec.loader.exec_module(house)

RUST = """
// fn in_a_comment(a: (u8, u8)) {}
/* fn in_another(a: (u8, u8)) {} */
impl<'a> Thing<'a> {
    fn method<F: Fn(u32, (u8, u8)) -> (u8, u8)>(&mut self, f: F, name: &'static str) -> [u8; 2] {
        let brace = "}}} \\" fn in_a_string(a: u8) {";
        let raw = r#"} " fn in_a_raw_string(a: u8) {"#;
        match name.chars().next() { Some('}') | Some('\\'') => f(1, (2, 3)), _ => [0, 0] }
    }
    fn nothing_to_see(self, unit: (), one: (u8), part: Option<(u8, u8)>, n: [(u8, u8); 2]);
}
multiversion! {
    pub fn tuples((a, b): (u8, u8), c: &mut (u8, Vec<u8>), &(d, e): &Pair, #[why(1, 2)] f: u8)
        => body
}
pub unsafe fn eight(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: Map<u8, u8>,) where u8: Ok {
}
"""


def test_functions_of_rust():
    code = house.bare(RUST)
    assert code.count("\n") == RUST.count("\n")
    found = list(house.rust_functions(house.ROOT / "a.rs", code))
    assert [(f.where.split()[1], len(f.parameters), f.lines) for f in found] == [
        ("method", 2, 5),
        ("nothing_to_see", 4, 1),
        ("tuples", 4, 2),
        ("eight", 8, 2),
    ]
    assert [p for f in found for p in f.parameters if house.has_tuple(p)] == [
        "(a, b): (u8, u8)",
        "c: &mut (u8, Vec<u8>)",
        "&(d, e): &Pair",
    ]


@pytest.mark.parametrize(
    ("source", "modules"),
    [
        ("import p.a\nimport sys", {"p.a"}),
        ("from p import a, other", {"p.a", "p"}),
        ("from p.a import b", {"p.a"}),
        ("from . import a\nfrom .a import b\nfrom ..q import c", {"p.a"}),
        ("from . import other", {"p"}),
        ("if TYPE_CHECKING:\n    from p import a", {"p.a"}),
        ("def f():\n    import p.a", {"p.a"}),
    ],
)
def test_imports(source, modules):
    path = house.ROOT / "python" / "p" / "me.py"
    assert house.imported(path, ast.parse(source), {"p", "p.a", "p.me"}) == modules


def test_circles():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "e": {"f"}, "f": {"e"}}
    assert house.circles(graph) == [["b", "c"], ["e", "f"]]


def test_option_tests():
    source = """
class Base: ...
class SGD(Base): ...
class Lion(SGD): ...
class Other: ...
Either = SGD | Other
isinstance(x, Base)
isinstance(x, (optim.Lion, Other))
isinstance(x, Either | Lion)
type(x) is SGD
match x:
    case Lion(): ...
isinstance(x, Other)
"""
    path, tree = house.ROOT / "a.py", ast.parse(source)
    options, unions = house.option_classes({path: tree})
    assert options == {"Base", "SGD", "Lion"}
    assert sorted(
        f.what.split(" ", 1)[1] for f in house.option_tests(path, tree, options, unions)
    ) == [
        "Base",
        "Lion",
        "Lion",
        "SGD",
        "SGD, Lion",
    ]


def test_the_limits_hold():
    run = subprocess.run(
        [sys.executable, SCRIPT, "--check"],
        capture_output=True,
        text=True,
        check=False,
        timeout=limits.CHILD,
    )
    assert run.returncode == 0, run.stdout + run.stderr
