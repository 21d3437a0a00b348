//! gRPC's own question whether a server is well: `grpc.health.v1.Health/Check`.
//!
//! A request and an answer of one field each, so they are written and read here by hand. In: the name of a
//! service. Out: what the server says of it.

use http::{
    HeaderMap, HeaderValue, Method, Request, Response, Uri, Version,
    header::{CONTENT_TYPE, TE},
    uri::PathAndQuery,
};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};

use super::check::NotWell;

const METHOD: PathAndQuery = PathAndQuery::from_static("/grpc.health.v1.Health/Check");

/// Bytes of an answer that are looked at; it has a dozen.
const MOST: usize = 4 << 10;

/// What a server says of a service, by number; what has another number is not known.
const STATUSES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];
const SERVING: u64 = 1;

/// The question for a service; of the whole server if that has no name.
pub(super) fn question(
    service: &str,
    uri: impl FnOnce(&PathAndQuery) -> Uri,
) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(message(service)));
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = uri(&METHOD);
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(TE, HeaderValue::from_static("trailers"));
    request
}

/// `HealthCheckRequest { string service = 1; }` in gRPC's frame: no compression, its length.
fn message(service: &str) -> Bytes {
    let mut field = Vec::new();
    if !service.is_empty() {
        field.push(0x0a);
        write_varint(&mut field, service.len() as u64);
        field.extend_from_slice(service.as_bytes());
    }
    let length = u32::try_from(field.len()).unwrap_or(u32::MAX);
    [&[0][..], &length.to_be_bytes(), &field].concat().into()
}

/// Whether the answer is that of a service that is well.
pub(super) async fn judge(answer: Response<Incoming>) -> Result<(), NotWell> {
    let status = answer.status().as_u16();
    if status != 200 {
        return Err(NotWell::Status(status));
    }
    // An answer without a message has its status in its head.
    said(answer.headers())?;
    let body = Limited::new(answer.into_body(), MOST).collect().await;
    let body = body.map_err(|_| NotWell::Broken)?;
    body.trailers().map_or(Ok(()), said)?;
    match state(&body.to_bytes()) {
        Some(SERVING) => Ok(()),
        Some(other) => {
            let word = usize::try_from(other).ok().and_then(|index| STATUSES.get(index));
            Err(NotWell::Grpc(word.map_or_else(|| other.to_string(), |word| (*word).to_owned())))
        }
        None => Err(NotWell::Broken),
    }
}

/// Whether a status of gRPC is there that says no.
fn said(fields: &HeaderMap) -> Result<(), NotWell> {
    match fields.get("grpc-status").map(HeaderValue::as_bytes) {
        None | Some(b"0") => Ok(()),
        // Where a server does not know the service, and where it is not asked such things.
        Some(b"5") => Err(NotWell::Grpc("NOT_FOUND".into())),
        Some(b"12") => Err(NotWell::Grpc("UNIMPLEMENTED".into())),
        Some(other) => {
            Err(NotWell::Grpc(format!("grpc-status {}", String::from_utf8_lossy(other))))
        }
    }
}

/// `HealthCheckResponse { ServingStatus status = 1; }`; a field that has its default is not there.
fn state(frame: &[u8]) -> Option<u64> {
    let (head, mut message) = frame.split_at_checked(5)?;
    let length = u32::from_be_bytes(head[1..].try_into().ok()?);
    if head[0] != 0 || usize::try_from(length) != Ok(message.len()) {
        return None;
    }
    let mut status = 0;
    while !message.is_empty() {
        let tag = read_varint(&mut message)?;
        match tag & 7 {
            0 => {
                let value = read_varint(&mut message)?;
                status = if tag >> 3 == 1 { value } else { status };
            }
            // What later versions may add is passed over.
            2 => {
                let length = usize::try_from(read_varint(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            _ => return None,
        }
    }
    Some(status)
}

fn write_varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

fn read_varint(from: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_written_as_protobuf_has_it() {
        assert_eq!(*message(""), *b"\0\0\0\0\0");
        assert_eq!(*message("a.B"), *b"\0\0\0\0\x05\x0a\x03a.B");
        let long = "x".repeat(300);
        assert_eq!(message(&long)[..8], *b"\0\0\0\x01\x2f\x0a\xac\x02");
    }

    #[test]
    fn an_answer_is_read_and_what_is_none_is_not() {
        for (frame, expected) in [
            (&b"\0\0\0\0\x02\x08\x01"[..], Some(1)),
            (b"\0\0\0\0\x02\x08\x02", Some(2)),
            (b"\0\0\0\0\x00", Some(0)),
            (b"\0\0\0\0\x05\x12\x01x\x08\x01", Some(1)),
            (b"\0\0\0\0\x03\x08\xac\x02", Some(300)),
            (b"\x01\0\0\0\x02\x08\x01", None),
            (b"\0\0\0\0\x03\x08\x01", None),
            (b"\0\0\0\0\x01\x08", None),
            (b"\0\0\0\0\x02\x12\x07", None),
            (b"\0\0\0\0\x02\x0d\x01", None),
            (b"\0\0", None),
            (b"", None),
        ] {
            assert_eq!(state(frame), expected, "{frame:?}");
        }
    }
}
