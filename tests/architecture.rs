//! The arrows between modules, held by reading the sources.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Which modules each module may import. All may import `error`, `memory`, `parallel`, `rng` and
/// `watch`.
const ALLOWED: [(&str, &[&str]); 12] = [
    ("error", &[]),
    ("memory", &["error"]),
    ("parallel", &["error"]),
    ("rng", &[]),
    ("watch", &["error"]),
    ("csr", &["error", "memory", "parallel", "rng"]),
    ("kernels", &["csr", "error", "memory", "parallel", "rng"]),
    ("topology", &["csr", "error", "memory", "parallel", "rng", "watch"]),
    ("nn", &["kernels", "topology", "csr", "error", "memory", "parallel", "rng", "watch"]),
    ("train", &["nn", "kernels", "topology", "csr", "error", "memory", "parallel", "rng"]),
    ("checkpoint", &["nn", "csr", "error", "memory", "watch"]),
    (
        "python",
        &[
            "checkpoint",
            "train",
            "nn",
            "kernels",
            "topology",
            "csr",
            "error",
            "memory",
            "parallel",
            "rng",
            "watch",
        ],
    ),
];

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// Each source's top-level module and its code without comments.
fn modules() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("rust");
    let mut paths = Vec::new();
    sources(&root, &mut paths);
    assert!(paths.len() > 20, "the sources were not found");
    paths
        .into_iter()
        .map(|path| {
            let first = path.strip_prefix(&root).unwrap().components().next().unwrap();
            let module = first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_string();
            let text = fs::read_to_string(&path).unwrap();
            let code: Vec<_> = text.lines().map(|l| l.split("//").next().unwrap()).collect();
            (module, path, code.join("\n"))
        })
        .collect()
}

#[test]
fn modules_import_only_what_they_may() {
    let allowed: BTreeMap<_, _> = ALLOWED.into_iter().collect();
    for (module, path, code) in modules() {
        if module == "lib" {
            continue;
        }
        let may =
            allowed.get(module.as_str()).unwrap_or_else(|| panic!("{module}: add it to ALLOWED"));
        for (at, _) in code.match_indices("crate::") {
            let name: String =
                code[at + 7..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            assert!(
                name == module || may.contains(&name.as_str()),
                "{} imports crate::{name}, which {module} must not know",
                path.display()
            );
        }
    }
}

/// How many inline modules (`mod tests {`) the code at position `at` is in.
fn inline_modules(code: &str, at: usize) -> usize {
    let before = &code[..at];
    before
        .match_indices("mod ")
        .filter(|(start, _)| {
            let Some(open) = before[*start..].find('{').map(|i| start + i) else { return false };
            let name = before[start + 4..open].trim();
            if !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
                return false;
            }
            let mut depth = 0;
            before[open..].chars().all(|c| {
                depth += i32::from(c == '{') - i32::from(c == '}');
                depth > 0
            })
        })
        .count()
}

/// The paths in `code` that climb with `super::` up to the crate's root, where no arrow is seen.
/// `depth`: 1 for a top-level module.
fn escapes(code: &str, depth: usize) -> Vec<usize> {
    let mut found = Vec::new();
    let mut end = 0;
    for (at, word) in code.match_indices("super::") {
        if at < end {
            continue;
        }
        let mut supers = 0;
        end = at;
        while code[end..].starts_with(word) {
            (supers, end) = (supers + 1, end + word.len());
        }
        if supers >= depth + inline_modules(code, at) {
            found.push(at);
        }
    }
    found
}

#[test]
fn no_path_climbs_out_of_a_top_level_module() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("rust");
    for (module, path, code) in modules() {
        let depth = path.strip_prefix(&root).unwrap().components().count();
        if module != "lib" {
            let found = escapes(&code, depth);
            let lines: Vec<_> = found.iter().map(|&at| code[..at].lines().count()).collect();
            assert!(found.is_empty(), "{}: write crate:: in lines {lines:?}", path.display());
        }
    }
    assert_eq!(escapes("use super::super::csr::Csr;", 2), [4]);
    assert_eq!(escapes("use super::csr::Csr;", 1), [4]);
    assert!(escapes("use super::other;", 2).is_empty());
    assert!(escapes("mod a { use x::{y, z}; }\nmod tests { use super::super::b; }", 2).is_empty());
    assert_eq!(escapes("mod tests { fn f() {} use super::super::csr; }", 1).len(), 1);
    assert_eq!(escapes("mod tests { fn f() {} }\nuse super::super::csr;", 2).len(), 1);
}

#[test]
fn python_is_named_in_one_place() {
    for (module, path, code) in modules() {
        for name in ["pyo3", "numpy"] {
            assert!(module == "python" || !code.contains(name), "{} names {name}", path.display());
        }
    }
}

#[test]
fn unsafe_code_lives_in_one_module() {
    for (_, path, code) in modules() {
        let simd = path.to_str().unwrap().replace('\\', "/").contains("kernels/simd");
        let word = |w: &str| code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|t| t == w);
        assert!(simd || !word("unsafe"), "{} has unsafe code", path.display());
    }
}

#[test]
fn the_library_root_has_no_logic() {
    let (_, _, code) = modules().into_iter().find(|(m, _, _)| m == "lib").unwrap();
    assert!(
        !code.contains("fn ") && !code.contains("struct "),
        "rust/lib.rs is for docs and modules"
    );
}
