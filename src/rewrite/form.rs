//! What a template's result is for, and how values are made safe for that.
//!
//! In: the bytes of a value, which may be the client's. Out: bytes that cannot end, split or leave
//! the place that they are put into. Nothing is refused here.

use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_encode};

/// What a template's result is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    /// A header field's value: control characters are left out.
    Header,
    /// A page: `<`, `>`, `&` and quotes become references.
    Html,
    /// Plain text: values go in as they are.
    Text,
    /// The value of a parameter in a query: it cannot end it.
    Query,
    /// A URI or a piece of one: values are percent-encoded.
    Uri,
}

/// What kind of value it is, which decides how it goes into a URI.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// A host, with its colons and brackets.
    Host,
    /// Anything: not a character of it means anything to a URI.
    Text,
    /// A piece of a URI already: its separators and escapes stay.
    Uri,
}

/// What is none of the characters that mean nothing anywhere in a URI.
pub(super) const TEXT: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const HOST: &AsciiSet = &TEXT.remove(b':').remove(b'[').remove(b']');
/// What may not stand in a path or query. A backslash is among it because browsers take it for a
/// slash; `[` and `]` are not, because queries are full of them and every server takes them.
const URI: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');
const QUERY: &AsciiSet = &URI.add(b'&').add(b'+').add(b'=');

impl Form {
    /// Writes a value so that it is safe in this form.
    pub(super) fn write(self, kind: Kind, value: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Header => out.extend(value.iter().copied().filter(|byte| is_field_byte(*byte))),
            Self::Html => value.iter().for_each(|byte| write_html(*byte, out)),
            Self::Text => out.extend_from_slice(value),
            Self::Query | Self::Uri => {
                let set = match kind {
                    Kind::Host => HOST,
                    Kind::Text => TEXT,
                    Kind::Uri if self == Self::Query => QUERY,
                    Kind::Uri => URI,
                };
                for piece in percent_encode(value, set) {
                    out.extend_from_slice(piece.as_bytes());
                }
            }
        }
    }
}

/// A path or query with what may not stand there percent-encoded.
pub(super) fn uri(text: &str) -> String {
    percent_encode(text.as_bytes(), URI).to_string()
}

/// Whether a byte may stand in a field's value: RFC 9110 5.5, with `obs-text`.
pub(super) fn is_field_byte(byte: u8) -> bool {
    byte == b'\t' || byte >= b' ' && byte != 0x7f
}

fn write_html(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'&' => out.extend_from_slice(b"&amp;"),
        b'<' => out.extend_from_slice(b"&lt;"),
        b'>' => out.extend_from_slice(b"&gt;"),
        b'"' => out.extend_from_slice(b"&quot;"),
        b'\'' => out.extend_from_slice(b"&#39;"),
        _ => out.push(byte),
    }
}
