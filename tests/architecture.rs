//! The arrows between modules, held by reading the sources.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Which modules each module may import. `error`, `memory`, `parallel` and `rng` are everybody's.
const ALLOWED: [(&str, &[&str]); 11] = [
    ("error", &[]),
    ("memory", &["error"]),
    ("parallel", &["error"]),
    ("rng", &[]),
    ("csr", &["error", "memory", "parallel", "rng"]),
    ("kernels", &["csr", "error", "memory", "parallel", "rng"]),
    ("topology", &["csr", "error", "memory", "parallel", "rng"]),
    ("nn", &["kernels", "topology", "csr", "error", "memory", "parallel", "rng"]),
    ("train", &["nn", "kernels", "topology", "csr", "error", "memory", "parallel", "rng"]),
    ("checkpoint", &["nn", "csr", "error", "memory"]),
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
