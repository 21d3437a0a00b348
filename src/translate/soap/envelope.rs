//! Envelopes: what is in them, whoever sends them.

use http::{HeaderMap, header::CONTENT_TYPE};

use super::{
    names::{SOAP11, SOAP12},
    wsdl::Version,
};
use crate::xml::{Element, Tree};

/// The version of SOAP that an envelope is of.
pub(super) fn version(tree: &Tree<'_>) -> Option<Version> {
    let is = |(soap, _): &(&str, Version)| tree.root.name.is(soap, "Envelope");
    let all = [(SOAP11, Version::Soap11), (SOAP12, Version::Soap12)];
    all.into_iter().find(is).map(|(_, version)| version)
}

/// The content of an envelope's body.
pub(super) fn content<'t, 'a>(tree: &'t Tree<'a>) -> Result<Option<&'t Element<'a>>, &'static str> {
    let envelope = &tree.root;
    let soap = match version(tree).ok_or("it is no envelope")? {
        Version::Soap11 => SOAP11,
        Version::Soap12 => SOAP12,
    };
    let body = envelope.element(soap, "Body").ok_or("the envelope has no body")?;
    let header = envelope.element(soap, "Header");
    let must = |part: &Element<'_>| {
        let must = part.attribute_in(soap, "mustUnderstand");
        must.is_some_and(|must| matches!(must.trim(), "1" | "true"))
            && !part.name.namespace.contains("wss")
            && !part.name.namespace.contains("addressing")
    };
    if header.into_iter().flat_map(Element::elements).any(must) {
        return Err("a header has to be understood and is not");
    }
    let mut contents = body.elements();
    match (contents.next(), contents.next()) {
        (content, None) => Ok(content),
        (_, Some(_)) => Err("the body has more than one content"),
    }
}

/// Whether a message's body is an envelope, by what its header says.
pub(super) fn is_envelope(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let name = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(&*name, "text/xml" | "application/xml" | "application/soap+xml")
        && !headers.contains_key(http::header::CONTENT_ENCODING)
}

/// What is wrong, with its place in a document.
pub(super) fn place(tree: &Tree<'_>, at: usize, what: &str) -> String {
    let (line, column) = tree.place(at);
    format!("{what}, in line {line}, column {column}")
}
