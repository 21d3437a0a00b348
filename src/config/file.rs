//! How the files that a configuration names are read.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

/// What a file holds.
///
/// # Errors
/// That it cannot be read, and why, in a sentence.
pub fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| unreadable(path, &error))
}

/// What a file holds, if that is not more than some bytes.
///
/// # Errors
/// As [`read_file`]; also if it is more.
pub fn read_file_up_to(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path);
    let read = file.and_then(|file| file.take(most.saturating_add(1)).read_to_end(&mut bytes));
    match read.map_err(|error| unreadable(path, &error))? {
        read if read as u64 > most => {
            Err(format!("`{}` has more than {most} bytes", path.display()))
        }
        _ => Ok(bytes),
    }
}

/// The same of a file of text.
///
/// # Errors
/// As [`read_file_up_to`]; also if it is no text.
pub fn read_text_file_up_to(path: &Path, most: u64) -> Result<String, String> {
    let text = String::from_utf8(read_file_up_to(path, most)?);
    text.map_err(|_| format!("`{}` is not UTF-8", path.display()))
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
