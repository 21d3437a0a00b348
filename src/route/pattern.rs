//! Path patterns: `/orders/{id}`, `/files/{rest*}`.
//!
//! In: a pattern from a file. Out: its shape, which says what it takes and how specific it is, and
//! the names of its parameters, which say nothing of either. How shapes are searched is `tree`'s.

use crate::message::path::{self, Dots};

/// Most parameters in a pattern: a match keeps their places in an array of this size.
pub(super) const MAX_PARAMS: usize = 16;

/// Most segments in a pattern: the search goes this deep.
const MAX_SEGMENTS: usize = 64;

/// What one piece of a pattern takes; the most specific sorts first.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Segment {
    /// The segment of this text, in normal form.
    Literal(Box<str>),
    /// Any one segment that is not empty.
    Param,
    /// All that is left, be it nothing or many segments; only at the end.
    Rest,
}

/// A path pattern.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// What it takes. Of two shapes that take one path the smaller is the more specific.
    pub(super) shape: Vec<Segment>,
    /// The names of its parameters, from left to right.
    pub(super) names: Box<[Box<str>]>,
    /// As it was written.
    pub(super) text: Box<str>,
}

/// What is wrong with a pattern, and what to write instead.
type Fault = (String, Option<String>);

impl Pattern {
    /// The pattern of a route without `path`.
    pub(super) fn any() -> Self {
        Self { shape: vec![Segment::Rest], names: Box::default(), text: "*".into() }
    }

    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong, and what to write instead.
    pub(super) fn parse(text: &str) -> Result<Self, Fault> {
        let fault = |what: &str, help: String| Err((format!("`{text}` {what}"), Some(help)));
        let Some(inner) = text.strip_prefix('/') else {
            return fault("does not begin with `/`", format!("write \"/{text}\""));
        };
        if text.contains(['?', '#']) {
            return fault("is more than a path", "put conditions on the query into `query`".into());
        }
        if path::dots(text) != Dots::None {
            return fault("has a `.` or `..` segment", "no request gets here with one".into());
        }
        if text.contains("//") {
            let help = "write one `/`: many of them in a request's path count as one".into();
            return fault("has an empty segment", help);
        }
        let (mut shape, mut names) = (Vec::new(), Vec::<Box<str>>::new());
        for segment in inner.split('/') {
            if shape.last() == Some(&Segment::Rest) {
                return fault("goes on after the rest", "`{name*}` has to come last".into());
            }
            let (segment, name) =
                read(segment).map_err(|(what, help)| (format!("`{text}`: {what}"), help))?;
            if let Some(name) = name {
                if names.contains(&name) {
                    return fault(
                        "names a parameter twice",
                        format!("give one `{name}` another name"),
                    );
                }
                names.push(name);
            }
            shape.push(segment);
        }
        if names.len() > MAX_PARAMS || shape.len() > MAX_SEGMENTS {
            let most = format!("at most {MAX_PARAMS} parameters and {MAX_SEGMENTS} segments");
            return fault("is too long", most);
        }
        Ok(Self { shape, names: names.into(), text: text.into() })
    }
}

/// Reads one segment, and the parameter's name if it is one.
fn read(segment: &str) -> Result<(Segment, Option<Box<str>>), Fault> {
    let fault = |what: String, help: String| Err((what, Some(help)));
    if let Some(inner) = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let (name, segment) = match inner.strip_suffix('*') {
            Some(name) => (name, Segment::Rest),
            None => (inner, Segment::Param),
        };
        if is_name(name) {
            return Ok((segment, Some(name.into())));
        }
        if !inner.contains(['{', '}']) {
            let what = format!("`{{{inner}}}` is not a parameter");
            return fault(what, "write it like `{id}`, or `{rest*}` for the rest".into());
        }
    }
    if segment.contains(['{', '}']) {
        let what = format!("a parameter takes a whole segment, and `{segment}` has more");
        return fault(
            what,
            "take the segment with `{name}` and look at its value in the origin".into(),
        );
    }
    if let Some(name) = segment.strip_prefix(':').filter(|name| is_name(name)) {
        let what = format!("`{segment}` is not a parameter here");
        return fault(what, format!("write `{{{name}}}`, or `%3A{name}` for a real colon"));
    }
    if matches!(segment, "*" | "**") {
        let what = format!("`{segment}` is not a wildcard here");
        return fault(
            what,
            "write `{name}` for a segment, `{rest*}` for the rest, `%2A` for a real star".into(),
        );
    }
    Ok((Segment::Literal(path::normalise(segment).into()), None))
}

/// A letter or `_`, then letters, digits, `_` and `-`.
fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn literal(text: &str) -> Segment {
        Segment::Literal(text.into())
    }

    #[test]
    fn patterns_read_as_they_are_written() {
        for (text, shape, names) in [
            ("/", vec![literal("")], &[] as &[&str]),
            ("/a/b", vec![literal("a"), literal("b")], &[]),
            ("/a/", vec![literal("a"), literal("")], &[]),
            ("/orders/{id}", vec![literal("orders"), Segment::Param], &["id"]),
            ("/{rest*}", vec![Segment::Rest], &["rest"]),
            (
                "/{a}/{b-1}/{_c*}",
                vec![Segment::Param, Segment::Param, Segment::Rest],
                &["a", "b-1", "_c"],
            ),
            ("/caf\u{e9}/%61/%2a", vec![literal("caf%C3%A9"), literal("a"), literal("*")], &[]),
        ] {
            let pattern = Pattern::parse(text).expect(text);
            assert_eq!(pattern.shape, shape, "{text}");
            assert!(pattern.names.iter().map(|name| &**name).eq(names.iter().copied()), "{text}");
        }
    }

    #[test]
    fn a_bad_pattern_says_what_to_write() {
        let long = "/{a}".repeat(17);
        for (text, says) in [
            ("", "write \"/\""),
            ("orders", "write \"/orders\""),
            ("/a?b=c", "into `query`"),
            ("/a/../b", "no request"),
            ("/%2e", "no request"),
            ("/a/..%2fb", "no request"),
            ("//a", "write one `/`"),
            ("/a//{rest*}", "write one `/`"),
            ("/{rest*}/x", "come last"),
            ("/{a}/{a}", "another name"),
            ("/{a}.json", "whole segment"),
            ("/v{a}", "whole segment"),
            ("/{a}{b}", "whole segment"),
            ("/{", "whole segment"),
            ("/{}", "write it like"),
            ("/{*}", "write it like"),
            ("/{1}", "write it like"),
            ("/users/:id", "write `{id}`"),
            ("/files/*", "`{rest*}`"),
            (&long, "another name"),
        ] {
            let (what, help) = Pattern::parse(text).expect_err(text);
            let all = format!("{what} {}", help.unwrap_or_default());
            assert!(all.contains(says), "{text}: {all}");
        }
        let many: String = (0..17).map(|n| format!("/{{p{n}}}")).collect();
        assert!(Pattern::parse(&many).is_err());
        assert!(Pattern::parse(&"/a".repeat(65)).is_err());
    }

    proptest! {
        #[test]
        fn no_pattern_panics(text in "\\PC*|[/{}*:a-b%]*") {
            let _ = Pattern::parse(&text);
        }
    }
}
