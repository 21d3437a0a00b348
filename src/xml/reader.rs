//! Reads a document, event by event, and takes nothing that XML 1.0 forbids.
//!
//! `quick-xml` finds where things begin and end and whether ends match; everything that it leaves to its
//! users is checked here, so that what was read is a document whatever reads it next.

use std::borrow::Cow;

use quick_xml::{
    Reader as Splitter,
    errors::{Error as SplitError, IllFormedError, SyntaxError},
    events::Event as Piece,
};

use super::{
    XmlError,
    chars::{is_text, is_whitespace},
    names::parts,
    scope::{Scope, declared},
    tag::{DANGLING, Tag, reference, value},
};

/// How large the parts of a document may be; how large all of it may be is asked where bytes are read.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Elements within elements.
    pub depth: usize,
    /// Elements in all.
    pub elements: usize,
    /// Attributes of one element, with what it declares.
    pub attributes: usize,
    /// Declarations of namespaces that hold at a time.
    pub declarations: usize,
    /// Bytes of a name.
    pub name: usize,
}

impl Bounds {
    /// What is ample for documents that are no attack.
    pub const DEFAULT: Self =
        Self { depth: 64, elements: 100_000, attributes: 64, declarations: 64, name: 256 };
}

impl Default for Bounds {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A name, with the namespace that it is in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Name<'a> {
    /// As it is written.
    pub written: &'a str,
    /// Without its prefix.
    pub local: &'a str,
    /// Empty if it is in none.
    pub namespace: Cow<'a, str>,
}

impl Name<'_> {
    /// Whether it is this one.
    pub fn is(&self, namespace: &str, local: &str) -> bool {
        self.local == local && self.namespace == namespace
    }
}

/// What comes next in a document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event<'a> {
    /// An element begins; its attributes are the reader's until the next event.
    Start(Name<'a>),
    /// Text, or a part of it.
    Text(Cow<'a, str>),
    /// The element ends that began last.
    End,
    /// The document ends.
    Eof,
}

/// Reads a document.
pub struct Reader<'a> {
    splitter: Splitter<&'a [u8]>,
    text: &'a str,
    bounds: Bounds,
    scope: Scope<'a>,
    attributes: Vec<(Name<'a>, Cow<'a, str>)>,
    declarations: Vec<(&'a str, Cow<'a, str>)>,
    depth: usize,
    elements: usize,
    /// Where the last event began.
    at: usize,
    /// The element that began has no content.
    closes: bool,
}

impl<'a> Reader<'a> {
    /// Begins to read.
    ///
    /// # Errors
    /// The bytes are not UTF-8, or hold what no document may.
    pub fn new(bytes: &'a [u8], bounds: Bounds) -> Result<Self, XmlError> {
        if let [0xfe, 0xff, ..] | [0xff, 0xfe, ..] | [0, ..] | [_, 0, ..] = bytes {
            return Err(XmlError::at(bytes, 0, "it is not encoded as UTF-8"));
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes)
            .map_err(|error| XmlError::at(bytes, error.valid_up_to(), "it is not UTF-8"))?;
        if !is_text(text) {
            let wrong = |(_, sign): &(usize, char)| !super::chars::is_char(*sign);
            let at = text.char_indices().find(wrong).map_or(0, |(at, _)| at);
            return Err(XmlError::at(bytes, at, "a character is none of XML"));
        }
        let mut splitter = Splitter::from_str(text);
        splitter.config_mut().check_comments = true;
        Ok(Self {
            splitter,
            text,
            bounds,
            scope: Scope::default(),
            attributes: Vec::new(),
            declarations: Vec::new(),
            depth: 0,
            elements: 0,
            at: 0,
            closes: false,
        })
    }

    /// What comes next.
    ///
    /// # Errors
    /// It is not well-formed, is beyond a bound, or is what is not taken here.
    #[expect(clippy::should_implement_trait, reason = "an iterator could not lend its attributes")]
    pub fn next(&mut self) -> Result<Event<'a>, XmlError> {
        if self.closes {
            self.closes = false;
            self.leave();
            return Ok(Event::End);
        }
        loop {
            self.at = self.position();
            let piece = match self.splitter.read_event() {
                Ok(piece) => piece,
                Err(error) => {
                    let at = usize::try_from(self.splitter.error_position()).unwrap_or(self.at);
                    return Err(XmlError::at(self.text.as_bytes(), at, split_error(&error)));
                }
            };
            let event = match piece {
                Piece::Start(_) => self.start(1).map(Some),
                Piece::Empty(_) => {
                    self.closes = true;
                    self.start(2).map(Some)
                }
                Piece::End(_) => {
                    self.leave();
                    Ok(Some(Event::End))
                }
                Piece::Text(text) => self.text(text.xml10_content(), false),
                Piece::CData(text) => self.text(text.xml10_content(), true),
                Piece::GeneralRef(name) => {
                    let sign = reference(&name).map_err(|what| self.wrong(what))?;
                    self.text(Cow::Owned(sign.to_string()), true)
                }
                Piece::Comment(_) => Ok(None),
                Piece::Decl(_) => self.declaration().map(|()| None),
                Piece::PI(_) => Err(self.wrong("a processing instruction is not taken")),
                Piece::DocType(_) => Err(self.wrong(DOCTYPE)),
                Piece::Eof => match (self.depth, self.elements) {
                    (0, 1..) => Ok(Some(Event::Eof)),
                    (0, 0) => Err(self.wrong("there is no element")),
                    _ => Err(self.wrong("it ends before its elements do")),
                },
            };
            if let Some(event) = event? {
                return Ok(event);
            }
        }
    }

    /// Attributes of the element that just began, without what it declares.
    pub fn attributes(&self) -> &[(Name<'a>, Cow<'a, str>)] {
        &self.attributes
    }

    /// Namespaces that the element that just began declares, with their prefixes.
    pub fn declarations(&self) -> &[(&'a str, Cow<'a, str>)] {
        &self.declarations
    }

    /// The byte where the last event began.
    pub fn at(&self) -> usize {
        self.at
    }

    /// An error at the last event.
    pub fn wrong(&self, what: &'static str) -> XmlError {
        XmlError::at(self.text.as_bytes(), self.at, what)
    }

    /// The document.
    pub(super) fn document(&self) -> &'a str {
        self.text
    }

    fn position(&self) -> usize {
        usize::try_from(self.splitter.buffer_position()).unwrap_or(usize::MAX)
    }

    fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.scope.leave(self.depth);
    }

    /// An element begins; its tag ends with so many bytes that are not its own.
    fn start(&mut self, closing: usize) -> Result<Event<'a>, XmlError> {
        if self.depth == 0 && self.elements > 0 {
            return Err(self.wrong("there is more than one document element"));
        }
        self.depth += 1;
        self.elements += 1;
        if self.depth > self.bounds.depth {
            return Err(self.wrong("it is nested too deeply"));
        }
        if self.elements > self.bounds.elements {
            return Err(self.wrong("it has too many elements"));
        }
        let end = self.position().saturating_sub(closing);
        let inside = self.text.get(self.at + 1..end).unwrap_or_default();
        let (name, tag) = Tag::new(inside);
        let (prefix, local) = parts(name, self.bounds.name).map_err(|what| self.wrong(what))?;
        self.read_attributes(tag)?;
        let unbound = || self.wrong("a prefix is not bound to a namespace");
        let namespace = self.scope.namespace(prefix).ok_or_else(unbound)?;
        Ok(Event::Start(Name { written: name, local, namespace }))
    }

    fn read_attributes(&mut self, mut tag: Tag<'a>) -> Result<(), XmlError> {
        self.attributes.clear();
        self.declarations.clear();
        while let Some(attribute) = tag.next() {
            let in_tag = |(at, what)| XmlError::at(self.text.as_bytes(), self.at + 1 + at, what);
            let attribute = attribute.map_err(in_tag)?;
            let wrong = |what| in_tag((attribute.at, what));
            if self.attributes.len() + self.declarations.len() >= self.bounds.attributes {
                return Err(wrong("an element has too many attributes"));
            }
            let (_, local) = parts(attribute.name, self.bounds.name).map_err(wrong)?;
            let meant = value(attribute.value).map_err(wrong)?;
            if let Some(prefix) = declared(attribute.name) {
                if self.declarations.iter().any(|(other, _)| *other == prefix) {
                    return Err(wrong(TWICE));
                }
                if self.scope.len() >= self.bounds.declarations {
                    return Err(wrong("it declares too many namespaces"));
                }
                self.declarations.push((prefix, meant.clone()));
                self.scope.declare(self.depth, prefix, meant).map_err(wrong)?;
            } else {
                let name = Name { written: attribute.name, local, namespace: Cow::Borrowed("") };
                self.attributes.push((name, meant));
            }
        }
        self.resolve_attributes()
    }

    /// Gives attributes their namespaces; only now is known all that the element declares.
    fn resolve_attributes(&mut self) -> Result<(), XmlError> {
        for index in 0..self.attributes.len() {
            let (before, rest) = self.attributes.split_at_mut(index);
            let Some((name, _)) = rest.first_mut() else { break };
            // Without a prefix an attribute is in no namespace, whatever the default is.
            if let Some((prefix, _)) = name.written.split_once(':') {
                let Some(namespace) = self.scope.namespace(prefix) else {
                    return Err(self.wrong("a prefix is not bound to a namespace"));
                };
                name.namespace = namespace;
            }
            if before.iter().any(|(other, _)| other.is(&name.namespace, name.local)) {
                return Err(self.wrong(TWICE));
            }
        }
        Ok(())
    }

    fn text(&self, text: Cow<'a, str>, marked: bool) -> Result<Option<Event<'a>>, XmlError> {
        if self.depth == 0 {
            // Space is nothing outside of the document element, but not if somebody wrote it as text.
            return match !marked && is_whitespace(&text) {
                true => Ok(None),
                false => Err(self.wrong("there is text outside of the document element")),
            };
        }
        if !marked && text.contains("]]>") {
            return Err(self.wrong("text has a `]]>` in it"));
        }
        Ok((!text.is_empty()).then_some(Event::Text(text)))
    }

    /// `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>`, at the very beginning.
    fn declaration(&self) -> Result<(), XmlError> {
        if self.at != 0 {
            return Err(self.wrong("an XML declaration is not at the beginning"));
        }
        let inside = self.text.get(2..self.position().saturating_sub(2)).unwrap_or_default();
        let (_, mut tag) = Tag::new(inside);
        let mut expected = ["version", "encoding", "standalone"].iter();
        let mut version = false;
        while let Some(part) = tag.next() {
            let part = part.map_err(|(_, what)| self.wrong(what))?;
            let what = match part.name {
                name if !expected.any(|other| *other == name) => {
                    return Err(self.wrong("the XML declaration is malformed"));
                }
                "version" if part.value == "1.0" => {
                    version = true;
                    continue;
                }
                "encoding" if is_utf8(part.value) => continue,
                "standalone" if matches!(part.value, "yes" | "no") => continue,
                "version" => "it is of another version of XML than 1.0",
                "encoding" => "it is not encoded as UTF-8",
                _ => "the XML declaration is malformed",
            };
            return Err(self.wrong(what));
        }
        if version { Ok(()) } else { Err(self.wrong("the XML declaration is malformed")) }
    }
}

const TWICE: &str = "an element has an attribute twice";
const DOCTYPE: &str = "a DOCTYPE is not taken";

/// Whether this names UTF-8, or a part of it.
fn is_utf8(encoding: &str) -> bool {
    ["utf-8", "utf8", "us-ascii"].iter().any(|name| encoding.eq_ignore_ascii_case(name))
}

/// What the library found, in words that say nothing of what the document says.
fn split_error(error: &SplitError) -> &'static str {
    match error {
        SplitError::Syntax(SyntaxError::UnclosedDoctype) => DOCTYPE,
        SplitError::Syntax(SyntaxError::UnclosedPI | SyntaxError::UnclosedXmlDecl) => {
            "a processing instruction does not end"
        }
        SplitError::Syntax(SyntaxError::UnclosedComment) => "a comment does not end",
        SplitError::Syntax(SyntaxError::UnclosedCData) => "a CDATA section does not end",
        SplitError::Syntax(SyntaxError::InvalidBangMarkup) => "a `<!` begins nothing of XML",
        SplitError::Syntax(_) => "a tag does not end",
        SplitError::IllFormed(IllFormedError::MismatchedEndTag { .. }) => {
            "an end tag is not the one of its start tag"
        }
        SplitError::IllFormed(IllFormedError::UnmatchedEndTag(_)) => "an end tag has no start tag",
        SplitError::IllFormed(IllFormedError::DoubleHyphenInComment) => {
            "a comment has a `--` in it"
        }
        SplitError::IllFormed(IllFormedError::UnclosedReference) => DANGLING,
        SplitError::IllFormed(IllFormedError::MissingDoctypeName) => DOCTYPE,
        _ => "it is not well-formed XML",
    }
}
