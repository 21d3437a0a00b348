//! What several fuzz targets need.

use std::{env, fs, path::PathBuf, process};

use janua::config::{Path, Problems};

/// The words of a target's input: lines, as many as are wanted, and the rest.
pub fn lines<const N: usize>(input: &str) -> ([&str; N], &str) {
    let mut rest = input;
    let lines = std::array::from_fn(|_| {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        rest = after;
        line
    });
    (lines, rest)
}

/// A file of this process with these bytes in it; the next call writes it anew.
pub fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = env::temp_dir().join(format!("janua-fuzz-{}-{name}", process::id()));
    fs::write(&path, bytes).expect("a temporary file can be written");
    path
}

/// A file of the repository.
pub fn shipped(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(name)
}

/// What is compiled, with whatever problems; they are put into words, as an operator would see them.
pub fn compiled<T>(compile: impl FnOnce(&Path, &mut Problems) -> T) -> T {
    let mut problems = Problems::new();
    let made = compile(&Path::root(), &mut problems);
    for problem in problems.iter() {
        assert!(!problem.message.is_empty());
    }
    made
}
