//! How the files that a configuration names are read.

use std::{fs, io, path::Path};

/// What a file holds.
///
/// # Errors
/// That it cannot be read, and why, in a sentence.
pub fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| unreadable(path, &error))
}

/// The text that a file holds.
///
/// # Errors
/// As [`read_file`]; also if it is no text.
pub fn read_text_file(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("cannot read `{}`: {error}", path.display())
}
