//! A door for clients that speak SOAP, before an origin that speaks JSON.
//!
//! In: an envelope. Out: the call of the origin that its operation is, by method, path, query and body; and an
//! envelope made of what the origin answers, by the types of the description. The description itself is given
//! to whoever asks for it, with this door as its address.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header::CONTENT_TYPE};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{
    call::Operation,
    envelope::{content, is_envelope, place, version},
    files::Source,
    names::{SOAP11, SOAP12, WSDL, WSDL_SOAP11, WSDL_SOAP12, XML_SCHEMA},
    openapi::takes_body,
    read::Reading,
    schema::{Complex, Hold, Member},
    write::Writing,
    wsdl::Version,
};
use crate::{
    message::{DEPTH, is_json, parse_json},
    reject::Reject,
    xml::{Bounds, Element, Event, NotXml, Reader, Tree, Writer, XSI_NAMESPACE, is_text},
};

/// What goes into a path or a query as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A door.
pub struct Door {
    operations: Vec<Arc<Operation>>,
    /// The names of those that are not to be called, nor to be known.
    off: Vec<Box<str>>,
    base: Box<str>,
    sources: Vec<Source>,
    /// Bytes of an envelope, and of an answer.
    pub max_body: u64,
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").finish_non_exhaustive()
    }
}

/// What a client calls, and in which version of SOAP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Called {
    operation: usize,
    version: Version,
}

/// An envelope that is no call of this door.
#[derive(Debug)]
pub struct NoCall {
    /// Why, as log and metrics have it.
    pub reject: Reject,
    /// What is wrong.
    pub what: String,
}

impl NoCall {
    fn new(reject: Reject, what: impl Into<String>) -> Self {
        Self { reject, what: what.into() }
    }
}

/// What the origin is asked.
#[derive(Debug)]
pub struct Call {
    /// The operation.
    pub operation: Called,
    /// The method.
    pub method: Method,
    /// Path and query.
    pub target: Uri,
    /// JSON, if there is a body.
    pub body: Option<Bytes>,
}

/// An envelope for a client.
#[derive(Debug)]
pub struct Envelope {
    /// The status.
    pub status: StatusCode,
    /// The type.
    pub kind: HeaderValue,
    /// The envelope.
    pub body: Bytes,
}

/// Whose fault something is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Whose {
    /// The client's.
    Sender,
    /// Ours, or the origin's.
    Receiver,
}

impl Door {
    pub(super) fn new(
        (operations, off): (Vec<Arc<Operation>>, Vec<Box<str>>),
        base: &str,
        sources: Vec<Source>,
        max_body: u64,
    ) -> Self {
        Self { operations, off, base: base.trim_end_matches('/').into(), sources, max_body }
    }

    /// What the origin is asked by an envelope.
    ///
    /// # Errors
    /// It is none, or none that this door takes.
    pub fn call(&self, headers: &HeaderMap, body: &[u8]) -> Result<Call, NoCall> {
        if !is_envelope(headers) {
            return Err(NoCall::new(Reject::BodyType, "the request is no envelope"));
        }
        let broken = |what: String| NoCall::new(Reject::BodySyntax, what);
        let tree = Tree::read(body, Bounds::default()).map_err(|what| broken(what.to_string()))?;
        let content = content(&tree).map_err(|what| broken(what.into()))?;
        let version = version(&tree).ok_or_else(|| broken("it is no envelope".into()))?;
        let misfit = |what: String| NoCall::new(Reject::ContractBody, what);
        let is = |operation: &Arc<Operation>| match (&operation.input, content) {
            (Some(root), Some(content)) => content.name.is(&root.namespace, &root.local),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        let found = self.operations.iter().position(is);
        let index = found.ok_or_else(|| misfit("there is no such operation".into()))?;
        let operation = &self.operations[index];
        let (target, rest) = self.target(operation, content, &tree).map_err(misfit)?;
        let mut body = None;
        if let (Some(root), Some(content)) = (&operation.input, content) {
            let mut reading = Reading::held(&operation.types);
            let read = reading.without(root, content, &rest);
            read.map_err(|(at, what)| misfit(place(&tree, at, &what)))?;
            body = takes_body(operation).then(|| reading.json.into());
        }
        let called = Called { operation: index, version };
        Ok(Call { operation: called, method: operation.method.clone(), target, body })
    }

    /// Path and query of a call, and the members that they have.
    fn target<'o>(
        &self,
        operation: &'o Operation,
        content: Option<&Element<'_>>,
        tree: &Tree<'_>,
    ) -> Result<(Uri, Vec<&'o str>), String> {
        let mut path = format!("{}{}", self.base, operation.path);
        let mut query = String::new();
        let mut taken = Vec::new();
        let members = operation.takes().map_or(&[][..], |complex: &Complex| &complex.members);
        for member in members {
            let placeholder = format!("{{{}}}", member.key);
            let in_path = path.contains(&placeholder);
            if !in_path && takes_body(operation) {
                continue;
            }
            taken.push(&*member.key);
            let texts = texts(operation, member, content, tree)?;
            if in_path {
                let text = texts.first().filter(|text| !text.is_empty());
                let text = text.ok_or_else(|| format!("`{}` is missing", member.key))?;
                // A segment of dots would be a way up.
                if matches!(&**text, "." | "..") {
                    return Err(format!("`{}` is not allowed", member.key));
                }
                path = path.replace(&placeholder, &utf8_percent_encode(text, PLAIN).to_string());
                continue;
            }
            for text in texts {
                let sign = if query.is_empty() { '?' } else { '&' };
                let text = utf8_percent_encode(&text, PLAIN);
                query.push_str(&format!("{sign}{}={text}", member.key));
            }
        }
        let target = (path + &query).parse().map_err(|_| "the values make no path")?;
        Ok((target, taken))
    }

    /// An envelope of what the origin answers.
    pub fn answer(
        &self,
        Called { operation, version }: Called,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Envelope {
        let operation = &self.operations[operation];
        if !status.is_success() {
            let whose = if status.is_client_error() { Whose::Sender } else { Whose::Receiver };
            let said = parse_json(body, DEPTH).ok().filter(|_| is_json(headers));
            let said =
                said.as_ref().and_then(|said| said.get("detail").or_else(|| said.get("title")));
            let text = said.and_then(Value::as_str).or_else(|| status.canonical_reason());
            return fault(version, whose, text.unwrap_or("The call failed."));
        }
        let failed = || fault(version, Whose::Receiver, "The service gave an invalid answer.");
        let json = match body.is_empty() {
            true => Some(Value::Object(serde_json::Map::new())),
            false => parse_json(body, DEPTH).ok().filter(|_| is_json(headers)),
        };
        let Some(json) = json else { return failed() };
        let mut writer = Writer::document();
        if operation.begin(&mut writer, version).is_err() {
            return failed();
        }
        let mut writing = Writing::new(&operation.types, writer, Hold::Form);
        if let Some(root) = &operation.output {
            writing.element(&root.written, root.of, root.nillable, &json);
        }
        if !writing.wrong.is_empty() {
            tracing::debug!(what = writing.wrong.to_json(), "an answer cannot be translated");
            return failed();
        }
        let body = writing.writer.finish().into();
        Envelope { status: StatusCode::OK, kind: kind(version), body }
    }

    /// A fault in the version of SOAP that a client speaks.
    pub fn fault(&self, headers: &HeaderMap, whose: Whose, text: &str) -> Envelope {
        let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
        let soap12 = kind.to_ascii_lowercase().starts_with(b"application/soap+xml");
        fault(if soap12 { Version::Soap12 } else { Version::Soap11 }, whose, text)
    }

    /// A fault of an operation that could not be called.
    pub fn refuse(&self, called: Called, text: &str) -> Envelope {
        fault(called.version, Whose::Receiver, text)
    }

    /// A file of the description, the first or one that it imports, where the door is at `address`.
    pub fn description(&self, query: &str, address: &str) -> Option<Bytes> {
        let index = match query.split_once('=') {
            None if query.eq_ignore_ascii_case("wsdl") => 0,
            Some(("file", number)) => number.parse().ok()?,
            _ => return None,
        };
        let source = self.sources.get(index)?;
        copy(source, &self.off, address).ok().map(Bytes::from)
    }
}

/// The file with other addresses, without operations that are off.
fn copy(source: &Source, off: &[Box<str>], address: &str) -> Result<Vec<u8>, NotXml> {
    let broken = |_| NotXml::Place;
    let mut reader = Reader::new(source.bytes(), super::files::BOUNDS).map_err(broken)?;
    let mut writer = Writer::document();
    // How deep in what is left out.
    let mut without = 0_usize;
    loop {
        let event = reader.next().map_err(broken)?;
        match event {
            Event::Start(name)
                if without > 0 || (name.is(WSDL, "operation") && is_named(&reader, off)) =>
            {
                without += 1;
            }
            Event::Text(_) if without > 0 => {}
            Event::End if without > 0 => without -= 1,
            Event::Start(name) => {
                writer.start(name.written)?;
                for (prefix, namespace) in reader.declarations() {
                    let colon = if prefix.is_empty() { "" } else { ":" };
                    writer.attribute(&format!("xmlns{colon}{prefix}"), namespace)?;
                }
                let moves = name.is(WSDL_SOAP11, "address") || name.is(WSDL_SOAP12, "address");
                let imports = name.is(WSDL, "import")
                    || name.is(XML_SCHEMA, "import")
                    || name.is(XML_SCHEMA, "include");
                for (attribute, value) in reader.attributes() {
                    let is_place = matches!(attribute.local, "location" | "schemaLocation");
                    let place = match (is_place, moves, imports) {
                        (true, true, _) => Some(address.to_owned()),
                        (true, _, true) => {
                            source.imported(value).map(|index| format!("{address}?file={index}"))
                        }
                        _ => None,
                    };
                    writer.attribute(attribute.written, place.as_deref().unwrap_or(value))?;
                }
            }
            Event::Text(text) => writer.text(&text)?,
            Event::End => writer.end()?,
            Event::Eof => return Ok(writer.finish()),
        }
    }
}

/// Whether what just began has one of these names.
fn is_named(reader: &Reader<'_>, names: &[Box<str>]) -> bool {
    let mut attributes = reader.attributes().iter();
    let name = attributes.find(|(attribute, _)| attribute.written == "name");
    name.is_some_and(|(_, name)| names.iter().any(|known| **known == **name))
}

/// What a member has in an envelope, as text.
fn texts(
    operation: &Operation,
    member: &Member,
    content: Option<&Element<'_>>,
    tree: &Tree<'_>,
) -> Result<Vec<String>, String> {
    let Some((simple, _)) = operation.parameter(&member.key) else { return Ok(Vec::new()) };
    let is = |child: &&Element<'_>| child.name.is(&member.namespace, &member.key);
    let children = content.into_iter().flat_map(Element::elements).filter(is);
    let nil = |child: &&Element<'_>| child.attribute_in(XSI_NAMESPACE, "nil").is_none();
    let text = |child: &Element<'_>| {
        let mut json = String::new();
        simple
            .read(&child.text(), &mut json, Hold::Form)
            .map_err(|what| place(tree, child.at, what))?;
        Ok(serde_json::from_str::<String>(&json).unwrap_or(json))
    };
    children.filter(nil).map(text).collect()
}

const fn kind(version: Version) -> HeaderValue {
    HeaderValue::from_static(match version {
        Version::Soap11 => "text/xml; charset=utf-8",
        Version::Soap12 => "application/soap+xml; charset=utf-8",
    })
}

fn fault(version: Version, whose: Whose, text: &str) -> Envelope {
    let text = if is_text(text) { text } else { "The call failed." };
    let body = write_fault(version, whose, text).unwrap_or_default();
    let status = match (version, whose) {
        (Version::Soap12, Whose::Sender) => StatusCode::BAD_REQUEST,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Envelope { status, kind: kind(version), body: body.into() }
}

fn write_fault(version: Version, whose: Whose, text: &str) -> Result<Vec<u8>, NotXml> {
    let mut writer = Writer::document();
    writer.start("soap:Envelope")?;
    writer.attribute("xmlns:soap", if version == Version::Soap11 { SOAP11 } else { SOAP12 })?;
    writer.start("soap:Body")?;
    writer.start("soap:Fault")?;
    let mut put = |names: &[&str], text: &str| -> Result<(), NotXml> {
        for name in names {
            writer.start(name)?;
        }
        if names.last() == Some(&"soap:Text") {
            writer.attribute("xml:lang", "en")?;
        }
        writer.text(text)?;
        names.iter().try_for_each(|_| writer.end())
    };
    match version {
        Version::Soap11 => {
            let code = if whose == Whose::Sender { "soap:Client" } else { "soap:Server" };
            put(&["faultcode"], code)?;
            put(&["faultstring"], text)?;
        }
        Version::Soap12 => {
            let code = if whose == Whose::Sender { "soap:Sender" } else { "soap:Receiver" };
            put(&["soap:Code", "soap:Value"], code)?;
            put(&["soap:Reason", "soap:Text"], text)?;
        }
    }
    Ok(writer.finish())
}
