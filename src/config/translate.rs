//! `translate` of a route: the origin speaks XML and clients JSON, or the other way round.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::value::{ByteSize, OneOrMany};

/// What a route's origin speaks, where clients may speak something else.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Translate {
    /// `"xml"`, `"json"`.
    Origin(Format),
    /// The same, with how one becomes the other.
    Rules(TranslateRules),
    /// `"grpc-web"`: browsers, in bytes or base64; the origin speaks gRPC.
    Web(GrpcWeb),
}

/// The protocol by which browsers call services of gRPC.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GrpcWeb {
    /// It.
    GrpcWeb,
}

impl Translate {
    /// What it comes to between JSON and XML, with every default.
    pub fn rules(&self) -> Option<TranslateRules> {
        match self {
            Self::Origin(origin) => Some(TranslateRules::of(*origin)),
            Self::Rules(rules) => Some(rules.clone()),
            Self::Web(_) => None,
        }
    }

    /// Whether clients speak gRPC-Web.
    pub fn is_grpc_web(&self) -> bool {
        matches!(self, Self::Web(_))
    }
}

/// A way to write data.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// JSON.
    Json,
    /// XML.
    Xml,
}

/// How JSON becomes XML, and XML becomes JSON. Members of an object are elements; those whose name begins with `attributes` are attributes; a list is an element that is there several times; an element with nothing but text is a string. What has no place in the other is refused with the place: a list in a list, a name that is none in XML, a control character. The order of elements of different names is the only thing that is lost where they take turns, and that of text between elements.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TranslateRules {
    /// What the origin speaks: `"xml"`, `"json"`. Clients speak either, as their `Content-Type` and `Accept` say.
    #[schemars(example = &"xml")]
    pub origin: Format,
    /// The document element, which JSON then has no member for. By default JSON is an object with one member, which is the document element.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"order")]
    pub root: Option<String>,
    /// A namespace for the whole document that is written. In JSON nothing says so: of what is read, its declaration is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"urn:example:orders")]
    pub namespace: Option<String>,
    /// What names of attributes begin with in JSON.
    #[serde(default = "attributes")]
    pub attributes: String,
    /// The member for an element's text beside attributes or elements.
    #[serde(default = "text")]
    pub text: String,
    /// Elements that are lists even where there is one only: by name, or by path from the document element: `"order/items/item"`. What is there several times is a list anyway.
    #[serde(default, skip_serializing_if = "OneOrMany::is_empty")]
    #[schemars(example = ["item"])]
    pub arrays: OneOrMany<String>,
    /// Text that could be a number or a boolean: `"text"`: it is text. `"infer"`: it becomes one if it is written just as JSON would write it; a string `"5"` then comes back as the number.
    #[serde(default)]
    pub numbers: XmlNumbers,
    /// Prefixes of names: `"keep"`: they are part of names, and declarations are attributes. `"strip"`: JSON knows nothing of namespaces.
    #[serde(default)]
    pub namespaces: XmlNamespaces,
    /// What `null` is: `"xsi"`: an empty element with `xsi:nil="true"`. `"empty"`: an empty element. `"omit"`: nothing. An element with `xsi:nil="true"` is `null` anyway.
    #[serde(default)]
    pub nil: XmlNil,
    /// The largest body that is translated, of requests and of answers.
    #[serde(default = "max_body")]
    pub max_body: ByteSize,
}

impl TranslateRules {
    /// The rules that hold if nothing is said.
    pub fn of(origin: Format) -> Self {
        Self {
            origin,
            root: None,
            namespace: None,
            attributes: attributes(),
            text: text(),
            arrays: OneOrMany::default(),
            numbers: XmlNumbers::Text,
            namespaces: XmlNamespaces::Keep,
            nil: XmlNil::Xsi,
            max_body: max_body(),
        }
    }
}

fn attributes() -> String {
    "@".into()
}

fn text() -> String {
    "#text".into()
}

fn max_body() -> ByteSize {
    ByteSize::kib(1 << 10)
}

/// Text that could be a number or a boolean.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum XmlNumbers {
    /// It is text.
    #[default]
    Text,
    /// It becomes one if it is written as JSON would write it.
    Infer,
}

/// Prefixes of names.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum XmlNamespaces {
    /// They are part of names.
    #[default]
    Keep,
    /// JSON knows nothing of them.
    Strip,
}

/// What `null` is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum XmlNil {
    /// An empty element with `xsi:nil="true"`.
    #[default]
    Xsi,
    /// An empty element.
    Empty,
    /// Nothing.
    Omit,
}
