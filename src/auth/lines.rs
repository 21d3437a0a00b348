//! Files of keys and of users: one in a line.
//!
//! In: a file, and who takes its lines. Out: a problem for each line that is wrong, by its number.

use std::path::Path as FilePath;

use crate::config::{Path, Problem, Problems, read_text_file};

/// What is wrong with a key or a user, and what may help.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) help: Option<&'static str>,
}

impl From<String> for Wrong {
    fn from(message: String) -> Self {
        Self { message, help: None }
    }
}

impl Wrong {
    /// The same as a problem at `at`.
    pub(super) fn problem(self, at: Path) -> Problem {
        self.help.into_iter().fold(Problem::error(at, self.message), Problem::help)
    }
}

/// Has each line of a file taken; `at` is where the file is named. None if it cannot be read: then
/// `help` says how to make one.
pub(super) fn take_lines(
    file: &FilePath,
    help: &str,
    at: &Path,
    problems: &mut Problems,
    mut take: impl FnMut(&str) -> Result<(), Wrong>,
) -> Option<()> {
    let text = read_text_file(file);
    let text = text.map_err(|message| Problem::error(at.clone(), message).help(help));
    for (number, line) in (1..).zip(problems.keep(text)?.lines()) {
        problems.keep(take(line).map_err(|Wrong { message, help }| {
            let message = format!("{}:{number}: {message}", file.display());
            Wrong { message, help }.problem(at.clone())
        }));
    }
    Some(())
}
