//! A [`Record`] as a line of text, for people.
//!
//! In: a record. Out: time, client, request, status, size and duration in that order, then what else
//! is known as `key=value`. Words hold no spaces and quoted values no quotes, so the line splits.

use super::{
    Record, Redaction, address, client,
    escape::{Quoted, Word, escape},
    integer,
    timestamp::timestamp,
};

/// Whether a line has colours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Paint {
    /// It is all text.
    Plain,
    /// The status is coloured by its class, for a terminal.
    Colour,
}

/// Appends `record` as text, without a line end.
pub fn write_text(record: &Record<'_>, redaction: &Redaction, paint: Paint, out: &mut Vec<u8>) {
    timestamp(record.time, out);
    out.push(b' ');
    client(record.client, out);
    out.push(b' ');
    word(record.method, out);
    out.push(b' ');
    word(record.host(), out);
    escape::<Word>(record.path, out);
    if let Some(query) = record.query {
        out.push(b'?');
        redaction.query::<Word>(query, out);
    }
    out.push(b' ');
    word(record.protocol.as_bytes(), out);
    out.push(b' ');
    status(record.status, paint, out);
    out.push(b' ');
    integer(record.bytes_out, out);
    out.extend_from_slice(b"B ");
    millis(record.duration, out);
    rest(record, redaction, out);
}

fn rest(record: &Record<'_>, redaction: &Redaction, out: &mut Vec<u8>) {
    pair(b" reason=", record.reason, out);
    pair(b" reported=", record.reported, out);
    if let Some(operation) = record.operation {
        pair(b" operation=", operation.name(), out);
        pair(b" kind=", Some(operation.kind), out);
        out.extend_from_slice(b" depth=");
        integer(operation.depth, out);
        if let Some(cost) = operation.cost {
            out.extend_from_slice(b" cost=");
            integer(cost, out);
        }
    }
    pair(b" route=", record.route, out);
    pair(b" upstream=", record.upstream, out);
    pair(b" endpoint=", record.endpoint, out);
    pair(b" cache=", record.cache, out);
    if record.tries > 1 {
        out.extend_from_slice(b" tries=");
        integer(record.tries, out);
    }
    for (key, time) in [
        (b" identify=".as_slice(), record.identify),
        (b" waited=".as_slice(), record.waited),
        (b" connect=", record.connect),
        (b" first=", record.first_byte),
    ] {
        if let Some(micros) = time {
            out.extend_from_slice(key);
            millis(micros, out);
        }
    }
    if record.bytes_in > 0 {
        out.extend_from_slice(b" in=");
        integer(record.bytes_in, out);
        out.push(b'B');
    }
    pair(b" id=", Some(record.id), out);
    pair(b" user=", record.user, out);
    pair(b" auth=", record.auth, out);
    if let Some(peer) = record.other_peer() {
        out.extend_from_slice(b" peer=");
        address(peer, out);
    }
    pair(b" listener=", Some(record.listener), out);
    pair(b" tls=", record.tls.map(|tls| tls.version), out);
    pair(b" cipher=", record.tls.map(|tls| tls.cipher), out);
    quoted(b" cause=\"", record.cause.map(str::as_bytes), out);
    quoted(b" agent=\"", record.agent, out);
    if let Some(referer) = record.referer {
        out.extend_from_slice(b" referer=\"");
        redaction.url::<Quoted>(referer, out);
        out.push(b'"');
    }
}

fn pair(key: &[u8], value: Option<impl AsRef<[u8]>>, out: &mut Vec<u8>) {
    if let Some(value) = value {
        out.extend_from_slice(key);
        word(value.as_ref(), out);
    }
}

/// `key` ends with the quote that opens the value.
fn quoted(key: &[u8], value: Option<&[u8]>, out: &mut Vec<u8>) {
    if let Some(value) = value {
        out.extend_from_slice(key);
        escape::<Quoted>(value, out);
        out.push(b'"');
    }
}

/// A word is never empty, or the one after it would take its place.
fn word(value: &[u8], out: &mut Vec<u8>) {
    escape::<Word>(if value.is_empty() { b"-" } else { value }, out);
}

fn status(status: Option<u16>, paint: Paint, out: &mut Vec<u8>) {
    let Some(status) = status else { return out.push(b'-') };
    let colour: Option<&[u8]> = match (paint, status) {
        (Paint::Plain, _) => None,
        (Paint::Colour, 500..) => Some(b"\x1b[31m"),
        (Paint::Colour, 400..) => Some(b"\x1b[33m"),
        (Paint::Colour, 300..) => Some(b"\x1b[36m"),
        (Paint::Colour, _) => Some(b"\x1b[32m"),
    };
    out.extend_from_slice(colour.unwrap_or_default());
    integer(status, out);
    if colour.is_some() {
        out.extend_from_slice(b"\x1b[0m");
    }
}

/// Microseconds as `1.234ms`.
fn millis(micros: u64, out: &mut Vec<u8>) {
    integer(micros / 1_000, out);
    out.push(b'.');
    let rest = micros % 1_000;
    // Each is a digit.
    out.extend([rest / 100, rest / 10 % 10, rest % 10].map(|digit| b'0' + digit as u8));
    out.extend_from_slice(b"ms");
}
