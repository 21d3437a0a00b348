//! One operation: a request of JSON becomes an envelope, and the envelope that comes back becomes JSON.

use std::{fmt, sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header::CONTENT_TYPE};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use super::{
    envelope::{content, is_envelope, place},
    names::{SOAP11, SOAP12},
    read::Reading,
    scalar::quote,
    schema::{Complex, Hold, Kind, Simple, Types},
    security::Headers,
    write::Writing,
    wsdl::{Root, Version},
};
use crate::{
    message::{DEPTH, Part, Violation, Violations, pairs, parse_json},
    reject::Reject,
    xml::{Bounds, Element, NotXml, Tree, Writer, XSI_NAMESPACE},
};

/// An operation, ready to be called.
pub struct Operation {
    /// Its name.
    pub id: Box<str>,
    /// How clients call it.
    pub method: Method,
    /// Where they do.
    pub path: Box<str>,
    /// Bytes of a request's body, and of an answer.
    pub max_body: u64,
    pub(super) types: Arc<Types>,
    /// How far what clients send is held to them.
    pub(super) hold: Hold,
    pub(super) version: Version,
    pub(super) action: Box<str>,
    /// The same for WS-Addressing, which is never empty.
    pub(super) addressed: Box<str>,
    /// Where the service is, by its description.
    pub(super) target: http::Uri,
    pub(super) to: Box<str>,
    pub(super) input: Option<Root>,
    pub(super) output: Option<Root>,
    pub(super) faults: Vec<Root>,
    pub(super) statuses: Arc<Map<String, Value>>,
    pub(super) headers: Arc<Headers>,
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What a client asks.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Parameters of the path, as they came.
    pub path: Vec<(String, String)>,
    /// The query.
    pub query: Option<String>,
    /// The body, empty if there is none.
    pub body: Bytes,
}

/// What a client is answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answered {
    /// The status, if it is another than the service's own.
    pub status: Option<StatusCode>,
    /// The type of the body.
    pub kind: HeaderValue,
    /// JSON.
    pub body: Bytes,
}

type Refusal = (Reject, Violations);

impl Operation {
    /// Where the service is on its server.
    pub fn target(&self) -> http::Uri {
        self.target.clone()
    }

    /// Header fields that the service asks for.
    pub fn fields(&self) -> Vec<(HeaderName, HeaderValue)> {
        let (kind, action) = match self.version {
            Version::Soap11 => {
                let action = HeaderName::from_static("soapaction");
                (
                    "text/xml; charset=utf-8".to_owned(),
                    Some((action, format!("\"{}\"", self.action))),
                )
            }
            Version::Soap12 => {
                let action = if self.action.is_empty() {
                    String::new()
                } else {
                    format!("; action=\"{}\"", self.action)
                };
                (format!("application/soap+xml; charset=utf-8{action}"), None)
            }
        };
        let all = std::iter::once((CONTENT_TYPE, kind)).chain(action);
        all.filter_map(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?))).collect()
    }

    /// Makes an envelope of what a client asks.
    ///
    /// # Errors
    /// It is no JSON, or not what the operation takes.
    pub fn request(&self, asked: &Asked, now: SystemTime) -> Result<Bytes, Refusal> {
        let json = self.gather(asked)?;
        let mut writer = Writer::document();
        let begun = self.open(&mut writer, self.version).and_then(|()| {
            self.headers.write(&mut writer, self.version, (&self.addressed, &self.to), now)?;
            writer.start("soap:Body")
        });
        begun.map_err(|_| (Reject::Internal, Violations::default()))?;
        let mut writing = Writing::new(&self.types, writer, self.hold);
        if let Some(root) = &self.input {
            writing.element(&root.written, root.of, root.nillable, &json);
        }
        match writing.wrong.is_empty() {
            true => Ok(writing.writer.finish().into()),
            false => Err((Reject::TranslateRequest, writing.wrong)),
        }
    }

    /// Begins an envelope that has nothing in its header.
    pub(super) fn begin(&self, writer: &mut Writer, version: Version) -> Result<(), NotXml> {
        self.open(writer, version)?;
        writer.start("soap:Body")
    }

    fn open(&self, writer: &mut Writer, version: Version) -> Result<(), NotXml> {
        writer.start("soap:Envelope")?;
        let soap = if version == Version::Soap11 { SOAP11 } else { SOAP12 };
        writer.attribute("xmlns:soap", soap)?;
        writer.attribute("xmlns:xsi", XSI_NAMESPACE)?;
        for (index, namespace) in self.types.namespaces.iter().enumerate() {
            writer.attribute(&format!("xmlns:n{index}"), namespace)?;
        }
        Ok(())
    }

    /// Body, query and path as one value.
    fn gather(&self, asked: &Asked) -> Result<Value, Refusal> {
        let mut json = match asked.body.is_empty() {
            true => Value::Object(Map::new()),
            false => parse_json(&asked.body, DEPTH).map_err(|error| {
                (Reject::BodySyntax, Violation::body("", error.to_string()).into())
            })?,
        };
        let query = asked.query.as_deref().unwrap_or_default();
        let takes_query = self.method == Method::GET || self.method == Method::DELETE;
        let query = if takes_query { query } else { "" };
        let pairs = pairs(query).map(|(name, value)| (Part::Query, decode(name), decode(value)));
        let path = asked.path.iter();
        let path = path.map(|(name, value)| (Part::Path, name.clone(), unescaped(value)));
        let mut wrong = Violations::default();
        for (part, name, value) in pairs.chain(path) {
            let Some((of, list)) = self.parameter(&name) else {
                // Whether there may be such, the contract has said.
                continue;
            };
            let (Some(value), Some(object)) = (of.json(&value), json.as_object_mut()) else {
                wrong.push(Violation::parameter(part, &name, "is not of its type"));
                continue;
            };
            let slot = object.entry(name.clone()).or_insert(Value::Null);
            match (slot, list) {
                (Value::Array(values), true) => values.push(value),
                (slot @ Value::Null, true) => *slot = Value::Array(vec![value]),
                (slot @ Value::Null, false) => *slot = value,
                (_, _) => wrong.push(Violation::parameter(part, &name, "is there more than once")),
            }
        }
        if wrong.is_empty() { Ok(json) } else { Err((Reject::ContractParameter, wrong)) }
    }

    /// The type of a member that can be a parameter, and whether it is a list.
    pub(super) fn parameter(&self, name: &str) -> Option<(&Simple, bool)> {
        let complex = self.takes()?;
        let member = complex.members.iter().find(|member| *member.key == *name)?;
        match &self.types.list[member.of].kind {
            Kind::Simple(simple) => Some((simple, member.list)),
            Kind::Complex(_) | Kind::Any => None,
        }
    }

    /// The type of what it takes, if that has members.
    pub(super) fn takes(&self) -> Option<&Complex> {
        match &self.types.list[self.input.as_ref()?.of].kind {
            Kind::Complex(complex) => Some(complex),
            Kind::Simple(_) | Kind::Any => None,
        }
    }

    /// Makes JSON of what the service answers.
    ///
    /// # Errors
    /// It is no envelope, or not one of this operation; it is said what is wrong.
    pub fn answer(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Answered, String> {
        if body.iter().all(u8::is_ascii_whitespace) {
            let empty = status.is_success() && self.output.is_none();
            let answered = Answered { status: None, kind: JSON, body: Bytes::new() };
            return if empty { Ok(answered) } else { Err("there is no envelope".into()) };
        }
        if !is_envelope(headers) {
            return Err("it is no XML".into());
        }
        let tree = Tree::read(body, Bounds::default()).map_err(|error| error.to_string())?;
        let content = content(&tree).map_err(str::to_owned)?;
        if let Some(fault) = content.filter(|content| {
            content.name.local == "Fault" && content.name.namespace == tree.root.name.namespace
        }) {
            return self.fault(fault, &tree);
        }
        if !status.is_success() {
            return Err("it is a failure without a fault".into());
        }
        let (root, content) = match (&self.output, content) {
            (None, None) => return Ok(Answered { status: None, kind: JSON, body: "{}".into() }),
            (None, Some(_)) => return Err("it has a content where none is expected".into()),
            (Some(_), None) => return Err("its body is empty".into()),
            (Some(root), Some(content)) => (root, content),
        };
        let is_root = match root.rpc {
            true => content.name.local == &*root.local,
            false => content.name.is(&root.namespace, &root.local),
        };
        if !is_root {
            return Err("its content is another element than the one expected".into());
        }
        let mut reading = Reading::new(&self.types);
        let read = reading.element(root.of, content);
        read.map_err(|(at, what)| place(&tree, at, &what))?;
        Ok(Answered { status: None, kind: JSON, body: reading.json.into() })
    }

    fn fault(&self, fault: &Element<'_>, tree: &Tree<'_>) -> Result<Answered, String> {
        let said = Fault::of(fault);
        let mut reading = Reading::new(&self.types);
        if let Some(detail) = said.detail {
            let known = |element: &Element<'_>| {
                self.faults.iter().find(|root| element.name.is(&root.namespace, &root.local))
            };
            reading.json.push('{');
            let read =
                reading.each(detail.elements(), true, |reading, element| match known(element) {
                    Some(root) => reading.element(root.of, element),
                    None => reading.anything(element),
                });
            read.map_err(|(at, what)| place(tree, at, &what))?;
            reading.json.push('}');
        }
        let status = self.status(&said);
        let title = status.canonical_reason().unwrap_or("Error");
        let mut json = format!(
            "{{\"type\":\"about:blank\",\"title\":\"{title}\",\"status\":{}",
            status.as_u16()
        );
        for (key, value) in
            [("detail", &*said.text), ("reason", "soap.fault"), ("code", &*said.code)]
        {
            json.push_str(&format!(",\"{key}\":"));
            quote(value, &mut json);
        }
        if reading.json.len() > 2 {
            json.push_str(",\"fault\":");
            json.push_str(&reading.json);
        }
        json.push('}');
        let kind = HeaderValue::from_static("application/problem+json");
        Ok(Answered { status: Some(status), kind, body: json.into() })
    }

    /// The status of a fault: what the operator says of it, or whose it is. A request has kept to the
    /// service's types before it got there, so what the client did wrong is in what it means. Who calls is for the
    /// gateway to say, whoever the service holds responsible.
    fn status(&self, fault: &Fault<'_, '_>) -> StatusCode {
        let details = fault.detail.into_iter().flat_map(Element::elements);
        let mut names = details.map(|element| element.name.local).chain(fault.code.rsplit('.'));
        let said = names.find_map(|name| self.statuses.get(name)).and_then(Value::as_u64);
        let said = said.and_then(|status| StatusCode::from_u16(u16::try_from(status).ok()?).ok());
        let ours = fault.code.split('.').any(|code| SECURITY.contains(&code));
        let theirs = !ours && matches!(fault.code.split('.').next(), Some("Client" | "Sender"));
        said.unwrap_or(if theirs {
            StatusCode::UNPROCESSABLE_ENTITY
        } else {
            StatusCode::BAD_GATEWAY
        })
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Codes of faults about who calls: WS-Security's (1.1, section 12), and npm's `soap`'s.
const SECURITY: [&str; 9] = [
    "AuthenticationFailure",
    "FailedAuthentication",
    "FailedCheck",
    "InvalidSecurity",
    "InvalidSecurityToken",
    "MessageExpired",
    "SecurityTokenUnavailable",
    "UnsupportedAlgorithm",
    "UnsupportedSecurityToken",
];

/// What a fault says.
struct Fault<'e, 'a> {
    /// Codes without prefixes, with points between them.
    code: String,
    text: String,
    detail: Option<&'e Element<'a>>,
}

impl<'e, 'a> Fault<'e, 'a> {
    fn of(fault: &'e Element<'a>) -> Self {
        let child = |name: &str| fault.elements().find(|child| child.name.local == name);
        let local = |code: &str| code.trim().rsplit(':').next().unwrap_or_default().to_owned();
        if let Some(code) = child("faultcode") {
            let text = child("faultstring").map(|text| text.text().trim().to_owned());
            let code = local(&code.text());
            return Self { code, text: text.unwrap_or_default(), detail: child("detail") };
        }
        let mut code = String::new();
        let mut next = child("Code");
        // Codes are within each other as deep as the document may be.
        while let Some(inner) = next {
            let value = inner.elements().find(|child| child.name.local == "Value");
            let value = value.map(|value| local(&value.text())).unwrap_or_default();
            code = if code.is_empty() { value } else { format!("{code}.{value}") };
            next = inner.elements().find(|child| child.name.local == "Subcode");
        }
        let reason = child("Reason").and_then(|reason| reason.elements().next());
        let text = reason.map(|text| text.text().trim().to_owned()).unwrap_or_default();
        Self { code, text, detail: child("Detail") }
    }
}

/// The text of a query, where a plus is a space.
fn decode(text: &str) -> String {
    unescaped(&text.replace('+', " "))
}

/// The text of a path.
fn unescaped(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
