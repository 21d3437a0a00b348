//! A [`Record`] as a JSON object.
//!
//! In: a record. Out: an object on one line. What is unknown is left out. Written by hand: the keys
//! are constants with their punctuation, so a field is two copies and a scan. Times are microseconds
//! as integers (`_us`), because a float costs more to write and loses more to read.

use super::{
    Record, Redaction, address, client,
    escape::{Json, escape},
    integer,
    timestamp::timestamp,
};

/// Appends `record` as a JSON object, without a line end.
pub fn write_json(record: &Record<'_>, redaction: &Redaction, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"time\":\"");
    timestamp(record.time, out);
    string(b"\",\"id\":\"", record.id, out);
    out.extend_from_slice(b",\"client\":\"");
    client(record.client, out);
    if let Some(peer) = record.other_peer() {
        out.extend_from_slice(b"\",\"peer\":\"");
        address(peer, out);
    }
    string(b"\",\"listener\":\"", record.listener.as_bytes(), out);
    string(b",\"protocol\":\"", record.protocol.as_bytes(), out);
    if let Some(tls) = record.tls {
        string(b",\"tls\":\"", tls.version.as_bytes(), out);
        string(b",\"cipher\":\"", tls.cipher.as_bytes(), out);
    }
    request(record, redaction, out);
    answer(record, out);
    out.push(b'}');
}

fn request(record: &Record<'_>, redaction: &Redaction, out: &mut Vec<u8>) {
    string(b",\"method\":\"", record.method, out);
    string(b",\"host\":\"", record.host(), out);
    string(b",\"path\":\"", record.path, out);
    if let Some(query) = record.query {
        out.extend_from_slice(b",\"query\":\"");
        redaction.query::<Json>(query, out);
        out.push(b'"');
    }
    optional(b",\"agent\":\"", record.agent, out);
    if let Some(referer) = record.referer {
        out.extend_from_slice(b",\"referer\":\"");
        redaction.url::<Json>(referer, out);
        out.push(b'"');
    }
    optional(b",\"user\":\"", record.user, out);
    optional(b",\"auth\":\"", record.auth.map(str::as_bytes), out);
}

fn answer(record: &Record<'_>, out: &mut Vec<u8>) {
    if let Some(status) = record.status {
        number(b",\"status\":", status.into(), out);
    }
    if let Some(operation) = record.operation {
        optional(b",\"operation\":\"", operation.name(), out);
        string(b",\"operation_kind\":\"", operation.kind.as_bytes(), out);
        number(b",\"operation_depth\":", operation.depth, out);
        if let Some(cost) = operation.cost {
            number(b",\"operation_cost\":", cost, out);
        }
    }
    optional(b",\"reason\":\"", record.reason.map(str::as_bytes), out);
    optional(b",\"cause\":\"", record.cause.map(str::as_bytes), out);
    optional(b",\"reported\":\"", record.reported.map(str::as_bytes), out);
    optional(b",\"route\":\"", record.route.map(str::as_bytes), out);
    optional(b",\"upstream\":\"", record.upstream.map(str::as_bytes), out);
    optional(b",\"endpoint\":\"", record.endpoint.map(str::as_bytes), out);
    optional(b",\"cache\":\"", record.cache.map(str::as_bytes), out);
    number(b",\"tries\":", record.tries.into(), out);
    number(b",\"bytes_in\":", record.bytes_in, out);
    number(b",\"bytes_out\":", record.bytes_out, out);
    number(b",\"duration_us\":", record.duration, out);
    for (key, time) in [
        (b",\"identify_us\":".as_slice(), record.identify),
        (b",\"waited_us\":".as_slice(), record.waited),
        (b",\"connect_us\":", record.connect),
        (b",\"first_byte_us\":", record.first_byte),
    ] {
        if let Some(micros) = time {
            number(key, micros, out);
        }
    }
}

/// `key` ends with the quote that opens the value.
fn string(key: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(key);
    escape::<Json>(value, out);
    out.push(b'"');
}

fn optional(key: &[u8], value: Option<&[u8]>, out: &mut Vec<u8>) {
    if let Some(value) = value {
        string(key, value, out);
    }
}

fn number(key: &[u8], value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(key);
    integer(value, out);
}
