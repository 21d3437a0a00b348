//! Path templates of `google.api.http`, and the house's own patterns that take the same paths.
//!
//! In: `/v1/{name=shelves/*}/books:list`. Out: the pattern of a route, and for each variable the pieces of
//! the path that its value is put together from. What a pattern cannot say is refused here, by name:
//! a verb after a variable or a wildcard, and `**` before the end.

/// A template, read.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Template {
    /// The pattern of the route.
    pub(super) pattern: String,
    pub(super) variables: Vec<Variable>,
}

/// A variable: a field, and what its value is made of.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Variable {
    /// The field's path, as it is written: `book.name`.
    pub(super) field: String,
    pub(super) pieces: Vec<Piece>,
}

/// A piece of a variable's value.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Piece {
    /// This text.
    Text(String),
    /// What this parameter of the pattern took.
    Param(String),
}

impl Variable {
    /// Whether it is one segment of this pattern, whose slashes are encoded.
    pub(super) fn is_segment(&self, pattern: &str) -> bool {
        matches!(&self.pieces[..], [Piece::Param(name)] if !pattern.ends_with(&format!("{{{name}*}}")))
    }
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it, or cannot be said by a route.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let fault = |what: &str| format!("the path `{text}` {what}");
        let inner = text.strip_prefix('/').ok_or_else(|| fault("does not begin with `/`"))?;
        let (segments, verb) = split_verb(inner);
        let mut reader = Reader { pattern: String::new(), wild: 0, ended: false };
        let mut variables: Vec<Variable> = Vec::new();
        for segment in split(segments).map_err(fault)? {
            match segment.strip_prefix('{') {
                None => {
                    reader.segment(segment, None).map_err(|what| fault(&what))?;
                }
                Some(inner) => {
                    let inner = inner.strip_suffix('}').ok_or_else(|| fault("has an open `{`"))?;
                    let (field, shape) = inner.split_once('=').unwrap_or((inner, "*"));
                    if !is_field(field) {
                        return Err(fault(&format!(
                            "has a variable `{field}` that names no field"
                        )));
                    }
                    if variables.iter().any(|known| known.field == field) {
                        return Err(fault(&format!("names `{field}` twice")));
                    }
                    let pieces = reader.variable(field, shape).map_err(|what| fault(&what))?;
                    variables.push(Variable { field: field.into(), pieces });
                }
            }
        }
        if let Some(verb) = verb {
            if verb.is_empty() || !is_literal(verb) {
                return Err(fault("has a verb that is none"));
            }
            if reader.pattern.ends_with('}') {
                return Err(fault(&format!(
                    "has the verb `:{verb}` after a variable, which a route cannot tell from the value"
                )));
            }
            reader.pattern.push(':');
            reader.pattern.push_str(verb);
        }
        Ok(Self { pattern: reader.pattern, variables })
    }
}

/// Puts a pattern together.
struct Reader {
    pattern: String,
    /// Wildcards outside of variables, so far.
    wild: usize,
    /// Whether a `**` was there.
    ended: bool,
}

impl Reader {
    /// A variable's segments.
    fn variable(&mut self, field: &str, shape: &str) -> Result<Vec<Piece>, String> {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut wild = 0;
        for (index, segment) in shape.split('/').enumerate() {
            let slash = if index == 0 { "" } else { "/" };
            let mut name = field.replace('.', "-");
            if matches!(segment, "*" | "**") {
                wild += 1;
                if wild > 1 {
                    name = format!("{name}-{wild}");
                }
            }
            let piece = match self.segment(segment, Some(name))? {
                Some(name) => {
                    if !slash.is_empty() {
                        text(&mut pieces, slash);
                    }
                    pieces.push(Piece::Param(name));
                    continue;
                }
                None => format!("{slash}{segment}"),
            };
            text(&mut pieces, &piece);
        }
        Ok(pieces)
    }

    /// One segment, and the parameter that takes it, if it is a wildcard.
    fn segment(&mut self, segment: &str, name: Option<String>) -> Result<Option<String>, String> {
        if self.ended {
            return Err("goes on after `**`, which takes all that is left".into());
        }
        let wild = matches!(segment, "*" | "**");
        if !wild && !is_literal(segment) {
            return Err(match segment {
                "" => "has an empty segment".into(),
                other => format!("has `{other}`, which is neither text nor a wildcard"),
            });
        }
        self.pattern.push('/');
        if !wild {
            self.pattern.push_str(segment);
            return Ok(None);
        }
        let name = name.unwrap_or_else(|| {
            self.wild += 1;
            format!("_{}", self.wild)
        });
        self.ended = segment == "**";
        let star = if self.ended { "*" } else { "" };
        self.pattern.push_str(&format!("{{{name}{star}}}"));
        Ok(Some(name))
    }
}

/// Adds text to a value's pieces.
fn text(pieces: &mut Vec<Piece>, more: &str) {
    match pieces.last_mut() {
        Some(Piece::Text(text)) => text.push_str(more),
        _ => pieces.push(Piece::Text(more.into())),
    }
}

/// The segments, and the verb behind the last of them.
fn split_verb(inner: &str) -> (&str, Option<&str>) {
    let last = inner.rfind(['/', '}']).map_or(0, |at| at + 1);
    match inner[last..].find(':') {
        Some(at) => (&inner[..last + at], Some(&inner[last + at + 1..])),
        None => (inner, None),
    }
}

/// Segments: slashes within a variable are the variable's.
fn split(inner: &str) -> Result<Vec<&str>, &'static str> {
    let (mut segments, mut start, mut open) = (Vec::new(), 0, false);
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            b'{' if open => return Err("has a variable within a variable"),
            b'{' => open = true,
            b'}' if !open => return Err("closes a variable that is not open"),
            b'}' => open = false,
            b'/' if !open => {
                segments.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    segments.push(&inner[start..]);
    Ok(segments)
}

fn is_literal(segment: &str) -> bool {
    !segment.is_empty() && !segment.contains(['{', '}', '*', '=', '?', '#', '/'])
}

fn is_field(path: &str) -> bool {
    let is_name = |name: &str| {
        name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    path.split('.').all(is_name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(template: &Template) -> String {
        let pieces = |variable: &Variable| -> String {
            let piece = |piece: &Piece| match piece {
                Piece::Text(text) => text.clone(),
                Piece::Param(name) => format!("<{name}>"),
            };
            variable.pieces.iter().map(piece).collect()
        };
        let each = |variable: &Variable| format!(" {}={}", variable.field, pieces(variable));
        let variables: String = template.variables.iter().map(each).collect();
        format!("{}{variables}", template.pattern)
    }

    #[test]
    fn a_template_is_a_routes_pattern_and_what_its_variables_are_made_of() {
        for (text, expected) in [
            ("/v1/greet", "/v1/greet"),
            ("/v1/greet/{name}", "/v1/greet/{name} name=<name>"),
            ("/v1/{book.id}", "/v1/{book-id} book.id=<book-id>"),
            ("/v1/{name=*}", "/v1/{name} name=<name>"),
            ("/v1/{name=shelves/*}", "/v1/shelves/{name} name=shelves/<name>"),
            (
                "/v1/{name=shelves/*/books/*}",
                "/v1/shelves/{name}/books/{name-2} name=shelves/<name>/books/<name-2>",
            ),
            ("/v1/{a=x/*}/{b=y/*}", "/v1/x/{a}/y/{b} a=x/<a> b=y/<b>"),
            ("/v1/{name=files/**}", "/v1/files/{name*} name=files/<name>"),
            ("/v1/{name=**}", "/v1/{name*} name=<name>"),
            ("/v1/*/x/*", "/v1/{_1}/x/{_2}"),
            ("/v1/**", "/v1/{_1*}"),
            ("/v1/{name=fixed}", "/v1/fixed name=fixed"),
            ("/v1/{name}/books:list", "/v1/{name}/books:list name=<name>"),
            ("/v1:batch", "/v1:batch"),
        ] {
            assert_eq!(shown(&Template::parse(text).expect(text)), expected, "{text}");
        }
    }

    #[test]
    fn what_a_route_cannot_say_is_refused_by_name() {
        for (text, says) in [
            ("", "does not begin with `/`"),
            ("v1", "does not begin with `/`"),
            ("/", "has an empty segment"),
            ("/v1//x", "has an empty segment"),
            ("/v1/{name}:cancel", "the verb `:cancel` after a variable"),
            ("/v1/{name=shelves/*}:cancel", "the verb `:cancel` after a variable"),
            ("/v1/*:cancel", "the verb `:cancel` after a variable"),
            ("/v1/x:", "a verb that is none"),
            ("/v1/{name=**}/x", "goes on after `**`"),
            ("/v1/{name=**/x}", "goes on after `**`"),
            ("/v1/{a}/{a}", "names `a` twice"),
            ("/v1/{", "has an open `{`"),
            ("/v1/{a", "has an open `{`"),
            ("/v1/a}", "closes a variable that is not open"),
            ("/v1/{a={b}}", "a variable within a variable"),
            ("/v1/{a-b}", "`a-b` that names no field"),
            ("/v1/{}", "`` that names no field"),
            ("/v1/x{a}", "neither text nor a wildcard"),
            ("/v1/a*", "neither text nor a wildcard"),
            ("/v1/x?y", "neither text nor a wildcard"),
        ] {
            let what = Template::parse(text).expect_err(text);
            assert!(what.contains(says), "{text}: {what}");
        }
    }

    proptest! {
        #[test]
        fn no_template_panics(text in "\\PC*|[/{}*:=a.]*") {
            let _ = Template::parse(&text);
        }
    }
}
