//! An operation: one way to call a method by HTTP and JSON.
//!
//! In: a method and its rule, at load; then requests' parameters and bodies, and the origin's answers. Out:
//! messages for the origin, and JSON for the client. Pure: it sends nothing and waits for nothing.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, uri::PathAndQuery};
use percent_encoding::percent_decode_str;
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, MessageDescriptor, MethodDescriptor,
    SerializeOptions,
};
use serde_json::Value as Json;

use super::{
    Options, frame,
    query::{self, FieldPath},
    read::Reader,
    rule::Rule,
    status::Status,
    template::{Piece, Template},
};
use crate::{
    message::{Part, Violation, Violations, parse_json},
    reject::Reject,
};

/// A method that can be called.
#[derive(Debug)]
pub(super) struct Rpc {
    pub(super) path: PathAndQuery,
    pub(super) method: MethodDescriptor,
    pub(super) input: MessageDescriptor,
    pub(super) output: MessageDescriptor,
    pub(super) options: Options,
}

/// What of a message is the body.
#[derive(Clone, Debug)]
pub(super) enum Payload {
    /// Nothing: there is no body.
    None,
    /// All of it.
    Whole,
    /// This field.
    Field(FieldDescriptor),
}

/// A variable of the path.
#[derive(Debug)]
struct Variable {
    name: String,
    field: FieldPath,
    pieces: Vec<Piece>,
    /// It takes one segment, whose slashes are encoded.
    segment: bool,
}

/// One way to call a method by HTTP.
#[derive(Debug)]
pub struct Operation {
    /// The method's full name, `package.Service.Method`, which is what a configuration calls it by; all
    /// ways to one method have it.
    pub id: Arc<str>,
    /// The method of the requests that it takes.
    pub method: Method,
    /// The pattern of the paths that it takes.
    pub pattern: String,
    pub(super) body: Payload,
    pub(super) answer: Payload,
    variables: Vec<Variable>,
    pub(super) rpc: Arc<Rpc>,
}

/// Why a request cannot be translated.
#[derive(Debug)]
pub struct Refused {
    /// How it ends.
    pub reject: Reject,
    /// What is wrong with it.
    pub violations: Violations,
}

/// The answer to a client.
#[derive(Debug, Eq, PartialEq)]
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// The type of its body.
    pub content_type: &'static str,
    /// Its body.
    pub body: Bytes,
}

impl Operation {
    /// Compiles a rule.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn compile(rpc: &Arc<Rpc>, id: &Arc<str>, rule: Rule) -> Result<Self, String> {
        let template = Template::parse(&rule.path)?;
        let mut variables = Vec::new();
        for variable in template.variables {
            let field = query::resolve(&rpc.input, &variable.field)
                .map_err(|what| format!("the path `{}`: {what}", rule.path))?;
            if field.last().is_some_and(FieldDescriptor::is_list) {
                let what = format!("`{}` is a list, which no path can say", variable.field);
                return Err(format!("the path `{}`: {what}", rule.path));
            }
            let segment = variable.is_segment(&template.pattern);
            let (name, pieces) = (variable.field, variable.pieces);
            variables.push(Variable { name, field, pieces, segment });
        }
        let body = payload(&rpc.input, &rule.body, "body")?;
        let answer = match payload(&rpc.output, &rule.response_body, "response_body")? {
            Payload::None => Payload::Whole,
            other => other,
        };
        let (id, rpc) = (id.clone(), rpc.clone());
        Ok(Self {
            id,
            method: rule.method,
            pattern: template.pattern,
            body,
            answer,
            variables,
            rpc,
        })
    }

    /// Where the origin has the method: the path of the request to it, which is always a POST.
    pub fn path(&self) -> &PathAndQuery {
        &self.rpc.path
    }

    /// Whether the origin answers with a stream of messages.
    pub fn streams(&self) -> bool {
        self.rpc.method.is_server_streaming()
    }

    /// Whether requests have a body.
    pub fn has_body(&self) -> bool {
        !matches!(self.body, Payload::None)
    }

    /// Bytes of an answer with one message.
    pub fn most(&self) -> u64 {
        self.rpc.options.most.saturating_add(frame::HEAD) as u64
    }

    pub(super) fn pool(&self) -> &DescriptorPool {
        self.rpc.input.parent_pool()
    }

    /// The names of fields that the path says.
    pub(super) fn in_path(&self) -> impl Iterator<Item = (&str, &FieldPath)> {
        self.variables.iter().map(|variable| (&*variable.name, &variable.field))
    }

    /// The pieces that a path's variables are made of, for documents.
    pub(super) fn params(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().flat_map(|variable| &variable.pieces).filter_map(
            |piece| match piece {
                Piece::Param(name) => Some(&**name),
                Piece::Text(_) => None,
            },
        )
    }

    /// The body for the origin: what a request's path, query and body say, as a message in a frame.
    ///
    /// `param` gives the route's parameters, as they are in the path.
    ///
    /// # Errors
    /// All that does not fit the method's types.
    pub fn request<'p>(
        &self,
        param: impl Fn(&str) -> Option<&'p str>,
        query: Option<&str>,
        body: &[u8],
    ) -> Result<Bytes, Box<Refused>> {
        let mut wrong = Violations::default();
        let mut message = self.body(body, &mut wrong)?;
        for variable in &self.variables {
            let fault = |what: &str| Violation::parameter(Part::Path, &variable.name, what);
            let Some(text) = variable.text(&param) else {
                wrong.push(fault("is not UTF-8"));
                continue;
            };
            // What the path says counts before what the body says.
            clear(&mut message, &variable.field);
            if let Err(what) = query::set(&mut message, &variable.field, &text) {
                wrong.push(fault(&what));
            }
        }
        if let Some(query) = query {
            let taken = |path: &FieldPath| self.is_taken(path);
            query::apply(&mut message, query, taken, self.rpc.options.lenient_query, &mut wrong);
        }
        if !wrong.is_empty() {
            let body_alone = wrong.iter().all(|violation| violation.part == Part::Body);
            let reject = if body_alone { Reject::ContractBody } else { Reject::ContractParameter };
            return Err(Box::new(Refused { reject, violations: wrong }));
        }
        Ok(framed(&message))
    }

    /// The message that the body says.
    fn body(&self, body: &[u8], wrong: &mut Violations) -> Result<DynamicMessage, Box<Refused>> {
        let input = &self.rpc.input;
        let options = &self.rpc.options;
        let none = || DynamicMessage::new(input.clone());
        if body.is_empty() {
            return Ok(none());
        }
        if matches!(self.body, Payload::None) {
            wrong.push(Violation::body("", "is not taken here"));
            return Ok(none());
        }
        let json = parse_json(body, options.depth).map_err(|error| {
            let violations = Violation::body("", error.to_string()).into();
            Box::new(Refused { reject: Reject::BodySyntax, violations })
        })?;
        let mut reader = Reader { lenient: options.lenient, pointer: String::new(), wrong };
        match &self.body {
            Payload::Field(field) => {
                let mut message = none();
                if let Some(value) = reader.field(field, json) {
                    message.set_field(field, value);
                }
                Ok(message)
            }
            Payload::Whole | Payload::None => Ok(reader.message(input, json).unwrap_or_else(none)),
        }
    }

    /// Whether the path or the body says a field.
    fn is_taken(&self, path: &FieldPath) -> bool {
        let by_body = match &self.body {
            Payload::None => false,
            Payload::Whole => true,
            Payload::Field(field) => path.first() == Some(field),
        };
        by_body || self.variables.iter().any(|variable| variable.field == *path)
    }

    /// The answer to the client, of an answer that is whole.
    ///
    /// # Errors
    /// The answer is none that the method can give.
    pub fn answer(
        &self,
        status: StatusCode,
        head: &HeaderMap,
        body: &[u8],
        trailers: Option<&HeaderMap>,
    ) -> Result<Reply, Reject> {
        let pool = self.pool();
        let read = |fields: &HeaderMap| Status::read(fields, pool);
        let ended =
            trailers.and_then(read).or_else(|| read(head)).or_else(|| Status::of_http(status));
        let ended = ended.ok_or(Reject::TranslateAnswer)?;
        if !ended.is_ok() {
            return Ok(failure(&ended));
        }
        let message =
            frame::only(body, self.rpc.options.most).map_err(frame::FrameError::reject)?;
        let mut json = Vec::with_capacity(message.len() * 2);
        self.json(message, &mut json)?;
        Ok(Reply { status: StatusCode::OK, content_type: "application/json", body: json.into() })
    }

    /// A message as JSON.
    pub(super) fn json(&self, message: &[u8], to: &mut Vec<u8>) -> Result<(), Reject> {
        let message = DynamicMessage::decode(self.rpc.output.clone(), message);
        let message = message.map_err(|_| Reject::TranslateAnswer)?;
        let start = to.len();
        let most = self.rpc.options.most.saturating_mul(GROWTH);
        let written = match &self.answer {
            Payload::Field(field) => {
                let mut only = DynamicMessage::new(self.rpc.output.clone());
                only.set_field(field, message.get_field(field).into_owned());
                let options = self.rpc.options.write.clone();
                let options = match message.has_field(field) {
                    true => options,
                    false => options.skip_default_fields(false),
                };
                let json = only.serialize_with_options(serde_json::value::Serializer, &options);
                json.and_then(|json| {
                    let named = json.as_object().and_then(|all| {
                        all.get(field.json_name()).or_else(|| all.get(field.name()))
                    });
                    serde_json::to_writer(Bounded { to, most }, named.unwrap_or(&Json::Null))
                })
            }
            Payload::Whole | Payload::None => {
                let mut writer = serde_json::Serializer::new(Bounded { to, most });
                message.serialize_with_options(&mut writer, &self.rpc.options.write)
            }
        };
        written.map_err(|error| {
            to.truncate(start);
            if error.is_io() { Reject::TranslateTooLarge } else { Reject::TranslateAnswer }
        })
    }
}

/// How much larger JSON may be than what a message may have: names and text of numbers.
const GROWTH: usize = 8;

/// Writes so much and no more.
struct Bounded<'v> {
    to: &'v mut Vec<u8>,
    most: usize,
}

impl std::io::Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let left = self.most.checked_sub(bytes.len());
        self.most = left.ok_or(std::io::ErrorKind::FileTooLarge)?;
        self.to.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Variable {
    /// The value that the path says.
    fn text<'p>(&self, param: impl Fn(&str) -> Option<&'p str>) -> Option<Cow<'p, str>> {
        if let [Piece::Param(name)] = &self.pieces[..] {
            return decoded(param(name).unwrap_or_default(), self.segment);
        }
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Param(name) => {
                    text.push_str(&decoded(param(name).unwrap_or_default(), self.segment)?);
                }
            }
        }
        Some(text.into())
    }
}

/// Text of the path; of several segments an encoded slash stays one, so that it is not taken for another.
fn decoded(text: &str, segment: bool) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(text.into());
    }
    if segment {
        return percent_decode_str(text).decode_utf8().ok();
    }
    let pieces = text.split("%2F").map(|piece| percent_decode_str(piece).decode_utf8().ok());
    Some(pieces.collect::<Option<Vec<_>>>()?.join("%2F").into())
}

/// Takes a field away.
fn clear(message: &mut DynamicMessage, path: &[FieldDescriptor]) {
    let Some((last, way)) = path.split_last() else { return };
    let mut at = message;
    for field in way {
        if !at.has_field(field) {
            return;
        }
        let Some(next) = at.get_field_mut(field).as_message_mut() else { return };
        at = next;
    }
    at.clear_field(last);
}

/// A message in its frame.
pub(super) fn framed(message: &DynamicMessage) -> Bytes {
    let length = message.encoded_len();
    let mut frame = Vec::with_capacity(frame::HEAD + length);
    frame.push(0);
    frame.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    message.encode_raw(&mut frame);
    frame.into()
}

/// What a rule says by a field's name.
fn payload(of: &MessageDescriptor, name: &str, key: &str) -> Result<Payload, String> {
    match name {
        "" => Ok(Payload::None),
        "*" => Ok(Payload::Whole),
        name => {
            let field = of.get_field_by_name(name);
            let field = field
                .ok_or_else(|| format!("`{key}`: `{}` has no field `{name}`", of.full_name()))?;
            Ok(Payload::Field(field))
        }
    }
}

/// The answer of a call that failed.
pub(super) fn failure(status: &Status) -> Reply {
    let mut body = status.problem().to_string();
    body.push('\n');
    Reply { status: status.http(), content_type: "application/problem+json", body: body.into() }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lenient: false,
            lenient_query: false,
            write: SerializeOptions::new(),
            most: 1 << 20,
            depth: crate::message::DEPTH,
        }
    }
}
