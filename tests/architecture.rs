//! The rules that keep the house in order, held against the source itself.
//!
//! Imports go to strictly lower ranks: so there are no circles, and features do not know each other.
//! Textual, so it also counts on nothing being exported again from the root.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, as it should")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Modules by rank; the crate's page in `src/lib.rs` says what they are.
const RANKS: &[(u8, &[&str])] = &[
    (8, &["app"]),
    (7, &["server", "admin"]),
    (6, &["chain"]),
    (5, &["snapshot"]),
    (
        4,
        &[
            "access",
            "auth",
            "cache",
            "contract",
            "cors",
            "graphql",
            "grpc",
            "limit",
            "portal",
            "rewrite",
            "route",
            "split",
            "tls",
            "transform",
            "translate",
            "upstream",
        ],
    ),
    (3, &["balance", "discovery", "health", "key", "overload", "store", "xml"]),
    (2, &["dial", "message"]),
    (1, &["metrics", "stream", "telemetry"]),
    (0, &["config", "reject", "state", "worker"]),
];

/// Lines of code in a file, tests aside.
const LONGEST_FILE: usize = 400;

/// Names that say nothing.
const BANNED: &[&str] = &["util", "utils", "common", "helpers", "manager", "core", "types", "misc"];

fn rank(module: &str) -> Option<u8> {
    RANKS.iter().find(|(_, modules)| modules.contains(&module)).map(|(rank, _)| *rank)
}

fn sources() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), &mut found);
    assert!(found.len() > 50, "the sources were not found");
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The top-level module that a file belongs to; none for the crate's own two files.
fn module(path: &Path) -> Option<String> {
    let first = path.strip_prefix(root()).unwrap().iter().next().unwrap();
    let name = first.to_str().unwrap().trim_end_matches(".rs");
    (!["lib", "main"].contains(&name)).then(|| name.to_owned())
}

/// A file's lines without its tests and comments.
fn code(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let is_test = path.iter().any(|part| part == "tests" || part == "tests.rs");
    let lines = text.lines().take_while(|line| !is_test && *line != "#[cfg(test)]");
    lines.filter(|line| !line.trim_start().starts_with("//")).map(String::from).collect()
}

/// The top-level modules that some code names: `crate::a`, `crate::{a::.., b}`.
fn imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => found.push(word(rest)),
            Some(group) => {
                let mut depth = 0;
                let mut fresh = true;
                for (at, sign) in group.char_indices() {
                    match sign {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' => fresh = true,
                        sign if depth == 0 && fresh && sign.is_ascii_lowercase() => {
                            found.push(word(&group[at..]));
                            fresh = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found
}

fn word(text: &str) -> String {
    text.chars().take_while(|sign| sign.is_ascii_alphanumeric() || *sign == '_').collect()
}

#[test]
fn imports_go_to_strictly_lower_ranks() {
    let mut wrong = Vec::new();
    for path in sources() {
        let Some(module) = module(&path) else { continue };
        let own = rank(&module).unwrap_or_else(|| panic!("`{module}` has no rank"));
        for import in imports(&code(&path).join("\n")) {
            let Some(other) = rank(&import) else { continue };
            if import != module && other >= own {
                wrong.push(format!("{}: `{module}` imports `{import}`", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_imports_sees_them_all() {
    let code = "use crate::{\n    a::B,\n    c::{D, e::F},\n    g,\n};\nlet x = crate::h::I;";
    assert_eq!(imports(code), ["a", "c", "g", "h"]);
}

#[test]
fn a_file_holds_one_idea_and_says_which() {
    let mut wrong = Vec::new();
    for path in sources() {
        let text = fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if BANNED.contains(&name) {
            wrong.push(format!("{}: a name that says nothing", path.display()));
        }
        if !text.starts_with("//!") {
            wrong.push(format!("{}: does not say what it is", path.display()));
        }
        let lines = code(&path).len();
        if lines > LONGEST_FILE {
            wrong.push(format!("{}: {lines} lines of code", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
