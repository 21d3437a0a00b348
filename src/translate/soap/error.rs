//! What is wrong with a service's description, and where.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// A problem in a file of a service's description.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LoadError {
    /// The file.
    pub file: PathBuf,
    /// Line and column, from 1; none for the file as a whole.
    pub place: Option<(usize, usize)>,
    /// What is wrong.
    pub what: String,
}

impl LoadError {
    /// Something wrong with a file as a whole.
    pub(super) fn file(file: &Path, what: impl Into<String>) -> Self {
        Self { file: file.into(), place: None, what: what.into() }
    }

    /// Something wrong at a place.
    pub(super) fn at(file: &Path, place: (usize, usize), what: impl Into<String>) -> Self {
        Self { file: file.into(), place: Some(place), what: what.into() }
    }

    /// The same place, with what is wrong there.
    pub(super) fn says(mut self, what: &str) -> Self {
        self.what = what.into();
        self
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.what)
    }
}
