//! What the TOML parser complains of, in words for an operator.
//!
//! In: the parser's error and the file. Out: a problem. Bare values are never repeated in a message:
//! one of them may be a secret whose quotes were forgotten.

use toml::de::Error;

use super::{
    path::Path,
    problem::{Problem, Problems},
    source::File,
};

/// How the parser begins when a value is none, and what it then takes it for.
const NO_VALUE: [&str; 3] = ["string values must be quoted", "invalid boolean", "invalid float"];

/// The parser's errors in the order of the text, one for each place.
pub(super) fn problems(mut errors: Vec<Error>, file: &File) -> Problems {
    let start = |error: &Error| error.span().map(|span| span.start);
    errors.sort_by_key(start);
    // Of two complaints about the same byte, the second follows from the first.
    errors.dedup_by_key(|error| start(error));
    errors.iter().map(|error| problem(error, file)).collect()
}

fn problem(error: &Error, file: &File) -> Problem {
    let span = error.span().unwrap_or_default();
    let (_, rest) = file.text().split_at_checked(span.start).unwrap_or_default();
    let place = span.start + file.base()..span.end + file.base();
    let problem = |message: String| Problem::error(Path::root(), message).at(place);
    let message = error.message();
    if message == "duplicate key" {
        let key = rest.get(..span.len()).unwrap_or_default();
        return problem(format!("`{key}` is defined twice"));
    }
    if !NO_VALUE.iter().any(|known| message.starts_with(known)) {
        return problem(message.to_owned());
    }
    let line = rest.lines().next().unwrap_or_default();
    if line.split('#').next().is_none_or(|value| value.trim().is_empty()) {
        problem("a value is missing here".into())
    } else {
        problem("this is not a value".into())
            .help("a string stands in quotes, `true`, `false` and numbers stand alone")
    }
}
