//! Problems as an operator reads them: the line, a caret, what to do. Or as JSON, for programs.
//!
//! In: problems, and the texts they are about. Out: text in the manner of a compiler's errors, in
//! colour only on a terminal. Secrets in the lines shown are blacked out.

use std::{
    fmt,
    io::{self, IsTerminal, Write},
    path::{Path as FsPath, PathBuf},
    sync::Arc,
};

use annotate_snippets::{
    Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet, normalize_untrusted_str,
};
use serde_json::{Value, json};

use super::{
    path::Path,
    problem::{Problem, Problems, Severity},
    rest::Rest,
    source::{Location, Sources, Span},
};

/// Problems and the files they are in.
#[derive(Clone, Debug)]
pub struct Report {
    sources: Arc<Sources>,
    problems: Problems,
    rest: Option<Box<Rest>>,
}

impl Report {
    /// Problems in the order of the places they are about; those about no place come first.
    pub(super) fn new(sources: Arc<Sources>, problems: Problems) -> Self {
        let mut problems: Vec<_> = problems.into_iter().collect();
        problems.sort_by_key(|problem| place(&sources, problem).map(|span| span.start));
        Self { sources, problems: problems.into_iter().collect(), rest: None }
    }

    /// Problems that are in no file.
    pub fn of_no_file(problems: Problems) -> Self {
        Self::new(Arc::default(), problems)
    }

    /// The same, of form, beside what has the right one.
    pub(super) fn beside(self, rest: Option<Rest>) -> Self {
        Self { rest: rest.map(Box::new), ..self }
    }

    /// What is left where only the form of something is wrong: what that means can be wrong as well.
    pub fn rest(&self) -> Option<&Rest> {
        self.rest.as_deref()
    }

    /// The same with what is wrong with the meaning of the rest.
    #[must_use]
    pub fn and(self, problems: Problems) -> Self {
        Self::new(self.sources, self.problems.into_iter().chain(problems).collect())
    }

    /// What is wrong.
    pub const fn problems(&self) -> &Problems {
        &self.problems
    }

    /// Whether the configuration cannot be used.
    pub fn has_errors(&self) -> bool {
        self.problems.has_errors()
    }

    /// What a watcher has to look at: a correction of any of these is worth another try. Files that
    /// are not there are among them.
    pub fn watched(&self) -> impl Iterator<Item = &FsPath> {
        self.sources.asked().iter().map(PathBuf::as_path)
    }

    /// Writes the text to standard error, say: in colour if that is a terminal and `NO_COLOR` is not set.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write_to(&self, out: &mut (impl Write + IsTerminal)) -> io::Result<()> {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colour = out.is_terminal() && !plain;
        out.write_all(self.text(colour).as_bytes())
    }

    /// The text, in colour or without.
    pub fn text(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let show = |problem: &Problem| renderer.render(&[self.group(problem)]) + "\n";
        self.problems.iter().map(show).collect::<Vec<_>>().join("\n")
    }

    /// A list of objects with `file`, `line`, `column`, `path`, `message`, `help`, `severity`;
    /// what is not known is null.
    pub fn json(&self) -> Value {
        self.problems.iter().map(|problem| self.object(problem)).collect()
    }

    fn object(&self, problem: &Problem) -> Value {
        let span = place(&self.sources, problem);
        let at = span.as_ref().and_then(|span| self.sources.locate(span));
        json!({
            "file": at.as_ref().map(|at| &at.file.name),
            "line": at.as_ref().map(|at| at.line),
            "column": at.as_ref().map(|at| at.column),
            "path": problem.path.to_string(),
            "message": problem.message,
            "help": problem.help,
            "severity": problem.severity.as_str(),
        })
    }

    fn group(&self, problem: &Problem) -> Group<'_> {
        let level = match problem.severity {
            Severity::Error => Level::ERROR,
            Severity::Finding => Level::WARNING.with_name(Severity::Finding.as_str()),
        };
        let mut group = Group::with_title(level.primary_title(problem.message.clone()));
        let span = place(&self.sources, problem);
        if let Some(at) = span.as_ref().and_then(|span| self.sources.locate(span)) {
            let mut snippet = self.snippet(&at).annotation(mark(AnnotationKind::Primary, &at));
            let mut elsewhere = Vec::new();
            for also in &problem.also {
                let span = span_of(&self.sources, also.span.as_ref(), &also.path);
                let Some(other) = span.and_then(|span| self.sources.locate(&span)) else {
                    continue;
                };
                let label = normalize_untrusted_str(&also.label);
                let mark = mark(AnnotationKind::Context, &other).label(label);
                if std::ptr::eq(other.file, at.file) {
                    snippet = snippet.annotation(mark);
                } else {
                    elsewhere.push(self.snippet(&other).annotation(mark));
                }
            }
            group = group.element(snippet).elements(elsewhere);
        } else if let [only] = self.sources.files() {
            group = group.element(Origin::path(only.name.as_str()));
        }
        match &problem.help {
            Some(help) => group.element(Level::HELP.message(normalize_untrusted_str(help))),
            None => group,
        }
    }

    fn snippet<'a>(&self, at: &Location<'a>) -> Snippet<'a, Annotation<'a>> {
        Snippet::source(self.sources.shown(at.file)).path(at.file.name.as_str())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(false).trim_end())
    }
}

impl std::error::Error for Report {}

fn mark<'a>(kind: AnnotationKind, at: &Location<'_>) -> Annotation<'a> {
    kind.span(at.range.clone())
}

fn place(sources: &Sources, problem: &Problem) -> Option<Span> {
    span_of(sources, problem.span.as_ref(), &problem.path)
}

fn span_of(sources: &Sources, span: Option<&Span>, path: &Path) -> Option<Span> {
    span.cloned().or_else(|| sources.find(path))
}
