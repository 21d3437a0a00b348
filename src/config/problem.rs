//! What is wrong with a configuration, one problem at a time, and all of them together.
//!
//! In: a place and a sentence. Out: a [`Problem`] to collect in [`Problems`]; a [`super::Report`] shows them
//! with the lines they are about. A problem knows no file: features find it in plain values and
//! give the value's [`Path`]; only the loader, which reads text, points at bytes.

use super::{nearest::nearest, path::Path, source::Span};

/// How bad a problem is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can be used, and somebody should look at this.
    Finding,
}

impl Severity {
    /// The word for it, as text and JSON show it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Finding => "finding",
        }
    }
}

/// Something wrong at a place in the configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// The value it is about.
    pub path: Path,
    /// What is wrong, in one line that starts small and ends without a full stop.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// Where it stands, when that is not where `path`'s value stands.
    pub(super) span: Option<Span>,
    /// Other places that have to do with it.
    pub(super) also: Vec<Also>,
}

/// Another place that has to do with a problem.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Also {
    pub(super) path: Path,
    pub(super) span: Option<Span>,
    pub(super) label: String,
}

impl Problem {
    /// Something that makes the configuration useless.
    #[must_use]
    pub fn error(path: Path, message: impl Into<String>) -> Self {
        Self::new(path, message.into(), Severity::Error)
    }

    /// Something to look at.
    #[must_use]
    pub fn finding(path: Path, message: impl Into<String>) -> Self {
        Self::new(path, message.into(), Severity::Finding)
    }

    /// Says what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says what to do about it, if anybody knows.
    #[must_use]
    pub fn help_if(self, help: Option<impl Into<String>>) -> Self {
        match help {
            Some(help) => self.help(help),
            None => self,
        }
    }

    /// Says which of these a word was meant to be, or what else to do.
    #[must_use]
    pub fn help_meant<'k>(
        self,
        word: &str,
        known: impl IntoIterator<Item = &'k str>,
        or: impl FnOnce() -> String,
    ) -> Self {
        self.help(nearest(word, known).map_or_else(or, |near| format!("did you mean `{near}`?")))
    }

    /// Shows another place that has to do with it: the first of two equal names, say.
    #[must_use]
    pub fn also(mut self, path: Path, label: impl Into<String>) -> Self {
        self.also.push(Also { path, span: None, label: label.into() });
        self
    }

    /// Points at bytes instead of the path's value.
    pub(super) fn at(mut self, span: Span) -> Self {
        self.span = Some(span);
        self
    }

    /// Shows other bytes that have to do with it.
    pub(super) fn also_at(mut self, span: Span, label: impl Into<String>) -> Self {
        self.also.push(Also { path: Path::root(), span: Some(span), label: label.into() });
        self
    }

    const fn new(path: Path, message: String, severity: Severity) -> Self {
        Self { path, message, help: None, severity, span: None, also: Vec::new() }
    }
}

/// All that is wrong, in the order it was found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Nothing wrong so far.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// One more; the same once more is not. What is wrong with a route that stands for many is wrong with each.
    pub fn push(&mut self, problem: Problem) {
        let same = |known: &Problem| known.path == problem.path && known.message == problem.message;
        if !self.0.iter().any(same) {
            self.0.push(problem);
        }
    }

    /// The value, or one more problem: for a feature's `compile` among others.
    pub fn keep<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.push(problem)).ok()
    }

    /// Whether there is nothing, not even a finding.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them makes the configuration useless.
    pub fn has_errors(&self) -> bool {
        self.iter().any(|problem| problem.severity == Severity::Error)
    }

    /// Each problem.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl FromIterator<Problem> for Problems {
    fn from_iter<I: IntoIterator<Item = Problem>>(problems: I) -> Self {
        Self(problems.into_iter().collect())
    }
}

impl Extend<Problem> for Problems {
    fn extend<I: IntoIterator<Item = Problem>>(&mut self, problems: I) {
        problems.into_iter().for_each(|problem| self.push(problem));
    }
}

impl IntoIterator for Problems {
    type IntoIter = std::vec::IntoIter<Problem>;
    type Item = Problem;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type IntoIter = std::slice::Iter<'a, Problem>;
    type Item = &'a Problem;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
