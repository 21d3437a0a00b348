//! JSON for clients of an origin that speaks XML, or the other way round.
//!
//! Clients may speak either: what a request's body is says its `Content-Type`, and what the answer is to be, its
//! `Accept`. Where both sides speak the same, messages pass as they are.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue,
    header::{ACCEPT, CONTENT_TYPE, VARY},
};

use super::{
    media::{Kind, kind, preferred},
    soap::Called,
};
use crate::{
    config::{Format, Path, Problems, TranslateRules},
    message::{DEPTH, Json, Violation, Violations, ask_whole, remade},
    reject::Reject,
    xml::Mapping,
};

/// How the two sides are brought together.
#[derive(Debug)]
pub struct Formats {
    origin: Format,
    mapping: Mapping,
    /// Bytes of a body.
    pub max_body: u64,
}

/// What a client speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Spoken {
    /// Whether the request's body is translated.
    pub body: bool,
    /// Whether the answer is.
    pub answer: bool,
    /// What is called, of those operations that clients call by SOAP.
    pub operation: Option<Called>,
}

impl Formats {
    /// Compiles what a route says.
    pub fn compile(rules: &TranslateRules, at: &Path, problems: &mut Problems) -> Self {
        let mapping = Mapping::compile(rules, at, problems);
        Self { origin: rules.origin, mapping, max_body: rules.max_body.0 }
    }

    /// What the origin speaks.
    pub fn origin(&self) -> &'static str {
        word(self.origin)
    }

    const fn client(&self) -> Format {
        match self.origin {
            Format::Json => Format::Xml,
            Format::Xml => Format::Json,
        }
    }

    /// What a client speaks, by the header of its request.
    ///
    /// # Errors
    /// Neither of the two.
    pub fn spoken(&self, headers: &HeaderMap, has_body: bool) -> Result<Spoken, Reject> {
        let body = match kind(headers) {
            Kind::Of(format) => Some(format),
            Kind::Unsaid if !has_body => None,
            Kind::Unsaid | Kind::Other if has_body => return Err(Reject::BodyType),
            Kind::Unsaid | Kind::Other => None,
        };
        let answer = preferred(headers, body.unwrap_or_else(|| self.client()));
        let answer = answer.ok_or(Reject::NotAcceptable)?;
        let body = has_body && body == Some(self.client());
        Ok(Spoken { body, answer: answer == self.client(), operation: None })
    }

    /// Makes a request's header say what the origin gets.
    pub fn ask(&self, spoken: Spoken, headers: &mut HeaderMap) {
        if spoken.answer {
            headers.insert(ACCEPT, HeaderValue::from_static(accepts(self.origin)));
            ask_whole(headers);
        }
        if spoken.body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(media(self.origin)));
        }
    }

    /// A request's body as the origin speaks.
    ///
    /// # Errors
    /// It is not what it says it is, or has no place in what the origin speaks.
    pub fn request(&self, body: &[u8]) -> Result<Bytes, (Reject, Violations)> {
        let translated = self.translate(self.client(), body);
        translated.map_err(|(says, violation)| match says {
            Wrong::Syntax => (Reject::BodySyntax, violation.into()),
            Wrong::Misfit => (Reject::TranslateRequest, violation.into()),
        })
    }

    /// Whether an answer's body is to be translated; if it is not, it passes as it is.
    ///
    /// # Errors
    /// It is what the origin speaks, but in a coding or an encoding that is not read here.
    pub fn reads(&self, headers: &HeaderMap) -> Result<bool, Reject> {
        match kind(headers) {
            Kind::Of(format) => Ok(format == self.origin),
            Kind::Unsaid => Ok(false),
            Kind::Other => {
                let mut plain = headers.clone();
                plain.remove(http::header::CONTENT_ENCODING);
                let coded = kind(&plain) == Kind::Of(self.origin);
                if coded { Err(Reject::TranslateAnswer) } else { Ok(false) }
            }
        }
    }

    /// An answer's body as the client speaks.
    ///
    /// # Errors
    /// It is not what it says it is, or has no place in what the client speaks.
    pub fn answer(&self, body: &[u8]) -> Result<Bytes, Violation> {
        self.translate(self.origin, body).map_err(|(_, violation)| violation)
    }

    /// Makes an answer's header say what the client gets.
    pub fn tell(&self, headers: &mut HeaderMap) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media(self.client())));
        remade(headers);
    }

    /// Makes every answer say that it depends on `Accept`.
    pub fn vary(headers: &mut HeaderMap) {
        let mut fields = headers.get_all(VARY).iter().filter_map(|value| value.to_str().ok());
        let says = fields.any(|value| {
            value
                .split(',')
                .map(str::trim)
                .any(|name| name == "*" || name.eq_ignore_ascii_case("accept"))
        });
        if !says {
            headers.append(VARY, HeaderValue::from_static("accept"));
        }
    }

    fn translate(&self, from: Format, body: &[u8]) -> Result<Bytes, (Wrong, Violation)> {
        let syntax = |says: String| (Wrong::Syntax, Violation::body("", says));
        match from {
            Format::Json => {
                let json = Json::parse(body, DEPTH).map_err(|error| syntax(error.to_string()))?;
                let xml = self.mapping.to_xml(&json);
                xml.map(Bytes::from).map_err(|violation| (Wrong::Misfit, violation))
            }
            Format::Xml => {
                let json = self.mapping.to_json(body).map_err(|error| syntax(error.to_string()))?;
                Ok(Bytes::from(json.to_string()))
            }
        }
    }
}

/// What is wrong with a body.
enum Wrong {
    Syntax,
    Misfit,
}

const fn word(format: Format) -> &'static str {
    match format {
        Format::Json => "JSON",
        Format::Xml => "XML",
    }
}

const fn media(format: Format) -> &'static str {
    match format {
        Format::Json => "application/json",
        Format::Xml => "application/xml",
    }
}

const fn accepts(format: Format) -> &'static str {
    match format {
        Format::Json => "application/json",
        Format::Xml => "application/xml, text/xml;q=0.9",
    }
}
