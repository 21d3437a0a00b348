//! Text with variables.
//!
//! In: `"/items/{path.id}?from={request.host}"`, once; then what is known of a request. Out: bytes
//! that are safe for what the template is for. `{{` and `}}` are braces.

use bytes::Bytes;
use percent_encoding::percent_encode;

use super::{
    form::{self, Form},
    variable::{Variable, Variables},
};

/// What is wrong with a template.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TemplateProblem {
    /// Where in its text, in bytes.
    pub at: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

#[derive(Clone, Debug)]
enum Part {
    Literal(Box<str>),
    /// And what its value is for.
    Variable(Variable, Form),
}

impl Part {
    /// Whether what stands behind it in a URI is in the query.
    fn begins_query(&self) -> bool {
        match self {
            Self::Literal(text) => text.contains('?'),
            Self::Variable(variable, _) => matches!(variable, Variable::Uri | Variable::Query),
        }
    }
}

/// Text with variables, compiled.
///
/// The variables are the fields of [`Variables`]: `{request.method}`, `{request.scheme}`,
/// `{request.host}`, `{request.path}`, `{request.query}`, `{request.uri}`, `{request.id}`,
/// `{request.header.NAME}`, `{client.ip}`, `{identity.NAME}`, `{path.NAME}` and `{route}`.
#[derive(Clone, Debug)]
pub struct Template {
    form: Form,
    /// Never two literals in a row.
    parts: Box<[Part]>,
    /// The whole, if it has no variables.
    fixed: Option<Bytes>,
}

impl Template {
    /// Compiles a template; `params` are the parameters that the route's path has.
    ///
    /// # Errors
    /// The first thing that is wrong: a brace, a variable, or a character that the form cannot have.
    pub fn compile(
        text: &str,
        form: Form,
        params: &[impl AsRef<str>],
    ) -> Result<Self, TemplateProblem> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(brace) = rest.find(['{', '}']) {
            let at = text.len() - rest.len() + brace;
            let (before, from) = rest.split_at(brace);
            literal.push_str(before);
            if from.starts_with("{{") || from.starts_with("}}") {
                literal.push_str(&from[..1]);
                rest = &from[2..];
                continue;
            }
            let problem = |message: &str, help: &str| TemplateProblem {
                at,
                message: message.into(),
                help: Some(help.into()),
            };
            let Some(inner) = from.strip_prefix('{') else {
                return Err(problem("a `}` closes nothing", "for a brace write `}}`"));
            };
            let Some((name, after)) = inner.split_once('}') else {
                return Err(problem("a `{` is not closed", "for a brace write `{{`"));
            };
            let variable = Variable::parse(name, params)
                .map_err(|(message, help)| TemplateProblem { at, message, help })?;
            push(&mut parts, &mut literal, form);
            // There it is the value of a parameter, and no other begins in it; but for the query itself.
            let in_query = form == Form::Uri && parts.iter().any(Part::begins_query);
            let is_value = in_query && !matches!(variable, Variable::Query);
            parts.push(Part::Variable(variable, if is_value { Form::Query } else { form }));
            rest = after;
        }
        literal.push_str(rest);
        push(&mut parts, &mut literal, form);
        check(text, form)?;
        let fixed = match &*parts {
            [] => Some(Bytes::new()),
            [Part::Literal(text)] => Some(Bytes::copy_from_slice(text.as_bytes())),
            _ => None,
        };
        Ok(Self { form, parts: parts.into(), fixed })
    }

    /// The result, if it is the same for every request.
    pub fn fixed(&self) -> Option<&Bytes> {
        self.fixed.as_ref()
    }

    /// The result for a request; it is shared, not copied, if it is the same for all.
    pub fn render(&self, variables: &Variables<'_>) -> Bytes {
        self.fixed.clone().unwrap_or_else(|| {
            let mut out = Vec::with_capacity(128);
            self.write(variables, &mut out);
            out.into()
        })
    }

    /// Whether the result depends on more than the URL that was asked for.
    pub(super) fn is_beyond_url(&self) -> bool {
        let is_beyond =
            |part: &Part| matches!(part, Part::Variable(variable, _) if variable.is_beyond_url());
        self.parts.iter().any(is_beyond)
    }

    /// Whether the result says something of who makes the request.
    pub(super) fn is_of_identity(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Variable(Variable::Claim(_), _)))
    }

    /// Whether a `//` at the front of the result would be a variable's doing.
    pub(super) fn is_relative(&self) -> bool {
        self.form == Form::Uri
            && !matches!(self.parts.first(), Some(Part::Literal(text)) if text.starts_with("//"))
    }

    /// Writes the result for a request.
    pub fn write(&self, variables: &Variables<'_>, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Part::Variable(variable, form) => variable.write(*form, variables, out),
            }
        }
    }
}

/// Ends a literal. In a URI what may not stand there is encoded, so that `"/café"` can be written;
/// a `#` is left, since a redirect may have one.
fn push(parts: &mut Vec<Part>, literal: &mut String, form: Form) {
    if literal.is_empty() {
        return;
    }
    let text = std::mem::take(literal);
    parts.push(Part::Literal(match form {
        Form::Uri => {
            let pieces: Vec<String> = text.split('#').map(form::uri).collect();
            pieces.join("#").into()
        }
        Form::Query => percent_encode(text.as_bytes(), form::TEXT).to_string().into(),
        Form::Header | Form::Html | Form::Text => text.into(),
    }));
}

/// A header's text cannot have control characters, and nobody means to write one into a URI.
fn check(text: &str, form: Form) -> Result<(), TemplateProblem> {
    let at = match form {
        Form::Header | Form::Query | Form::Uri => {
            text.bytes().position(|byte| !form::is_field_byte(byte))
        }
        Form::Html | Form::Text => None,
    };
    at.map_or(Ok(()), |at| {
        let message = "there is a control character in it".into();
        Err(TemplateProblem { at, message, help: Some("take it out".into()) })
    })
}
