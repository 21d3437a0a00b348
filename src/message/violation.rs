//! What a message violates, said to its sender: where, and what should be there.
//!
//! All of it at once, up to a bound; never the values themselves, which may be secrets.

use std::fmt::{self, Write as _};

/// The most that a sender is told of.
const MOST: usize = 64;

/// The part of a message that is wrong.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Part {
    /// A parameter in the path.
    Path,
    /// A parameter in the query.
    Query,
    /// A header field.
    Header,
    /// A cookie.
    Cookie,
    /// The body.
    Body,
}

impl Part {
    /// Its word, OpenAPI's.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
            Self::Cookie => "cookie",
            Self::Body => "body",
        }
    }
}

/// Goes on to a member of what a JSON pointer leads to (RFC 6901).
pub fn descend(pointer: &mut String, name: &str) {
    pointer.push('/');
    match name.contains(['~', '/']) {
        true => pointer.push_str(&name.replace('~', "~0").replace('/', "~1")),
        false => pointer.push_str(name),
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Violation {
    /// Where it is.
    pub part: Part,
    /// Which of it: the parameter's name, or nothing for the body.
    pub name: String,
    /// The place within: a JSON pointer (RFC 6901), empty for the whole.
    pub pointer: String,
    /// What should be there, as a sentence without its full stop.
    pub says: String,
    /// Line and column, both from 1, within a text at this place.
    pub at: Option<(u32, u32)>,
}

impl Violation {
    /// Something wrong in the body.
    pub fn body(pointer: impl Into<String>, says: impl Into<String>) -> Self {
        let (pointer, says) = (pointer.into(), says.into());
        Self { part: Part::Body, name: String::new(), pointer, says, at: None }
    }

    /// Something wrong with a parameter.
    pub fn parameter(part: Part, name: &str, says: impl Into<String>) -> Self {
        Self { part, name: name.into(), pointer: String::new(), says: says.into(), at: None }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.part.name())?;
        for place in [&self.name, &self.pointer] {
            if !place.is_empty() {
                write!(f, " {place}")?;
            }
        }
        write!(f, ": {}", self.says)?;
        match self.at {
            Some((line, column)) => write!(f, " (line {line}, column {column})"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong with a message.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Violations {
    list: Vec<Violation>,
    more: usize,
}

impl Violations {
    /// Adds one; beyond the bound it is only counted.
    pub fn push(&mut self, violation: Violation) {
        if self.list.len() < MOST { self.list.push(violation) } else { self.more += 1 }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Those that are told.
    pub fn iter(&self) -> impl Iterator<Item = &Violation> {
        self.list.iter()
    }

    /// Whether there are any in this part.
    pub fn has(&self, part: Part) -> bool {
        self.list.iter().any(|violation| violation.part == part)
    }

    /// In a line, for people, each behind a semicolon.
    pub fn listed(&self) -> String {
        self.list.iter().fold(String::new(), |line, violation| line + &format!("; {violation}"))
    }

    /// As JSON: a list of objects with `in`, `name`, `pointer`, `detail`.
    pub fn to_json(&self) -> String {
        let mut json = String::from("[");
        for (index, violation) in self.list.iter().enumerate() {
            if index > 0 {
                json.push(',');
            }
            let _ = write!(json, "{{\"in\":\"{}\"", violation.part.name());
            let places = [("name", &violation.name), ("pointer", &violation.pointer)];
            for (key, value) in places {
                if !value.is_empty() || (key == "pointer" && violation.part == Part::Body) {
                    let _ = write!(json, ",\"{key}\":{}", serde_json::Value::from(&**value));
                }
            }
            if let Some((line, column)) = violation.at {
                let _ = write!(json, ",\"line\":{line},\"column\":{column}");
            }
            let _ = write!(json, ",\"detail\":{}}}", serde_json::Value::from(&*violation.says));
        }
        if self.more > 0 {
            let _ = write!(json, ",{{\"detail\":\"and {} more\"}}", self.more);
        }
        json.push(']');
        json
    }
}

impl From<Violation> for Violations {
    fn from(violation: Violation) -> Self {
        Self { list: vec![violation], more: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_told_as_json_that_nothing_breaks_out_of() {
        let mut wrong = Violations::from(Violation::body("/a\"b/0", "is not a \"number\""));
        wrong.push(Violation::parameter(Part::Query, "limit", "is missing"));
        wrong.push(Violation::body("", "is missing"));
        assert_eq!(
            wrong.to_json(),
            r#"[{"in":"body","pointer":"/a\"b/0","detail":"is not a \"number\""},{"in":"query","name":"limit","detail":"is missing"},{"in":"body","pointer":"","detail":"is missing"}]"#
        );
        assert!(wrong.has(Part::Query) && !wrong.has(Part::Header));
    }

    #[test]
    fn nobody_is_told_of_more_than_the_bound() {
        let mut wrong = Violations::default();
        for _ in 0..MOST + 3 {
            wrong.push(Violation::body("/a", "is no number"));
        }
        let told: Vec<serde_json::Value> = serde_json::from_str(&wrong.to_json()).unwrap();
        assert_eq!(told.len(), MOST + 1);
        assert_eq!(told[MOST]["detail"], "and 3 more");
    }
}
