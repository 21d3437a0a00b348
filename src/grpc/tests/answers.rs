//! What services say, and what clients are told.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use prost::Message as _;
use prost_reflect::{DynamicMessage, Value};
use serde_json::json;

use super::*;
use crate::{
    grpc::{Broken, Lines, Reply, Streamed},
    reject::Reject,
};

fn fields(fields: &[(&'static str, &str)]) -> HeaderMap {
    fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], message].concat()
}

/// `HelloReply { text, count }`.
fn hello(text: &str, count: i64) -> Vec<u8> {
    let services = greeter(&Options::default());
    let mut message = DynamicMessage::new(services.operations[0].rpc.output.clone());
    message.set_field_by_name("text", Value::String(text.into()));
    message.set_field_by_name("count", Value::I64(count));
    frame(&message.encode_to_vec())
}

fn answer(head: &HeaderMap, body: &[u8], trailers: Option<&HeaderMap>) -> Result<Reply, Reject> {
    let services = greeter(&Options { most: 1000, ..Options::default() });
    operation(&services, "POST /v1/hello").answer(StatusCode::OK, head, body, trailers)
}

#[test]
fn a_message_becomes_json() {
    let ok = fields(&[("grpc-status", "0")]);
    let reply = answer(&HeaderMap::new(), &hello("hi ☂", 1 << 60), Some(&ok)).unwrap();
    assert_eq!(reply.status, 200);
    assert_eq!(reply.body, "{\"text\":\"hi ☂\",\"count\":\"1152921504606846976\"}");
    let options = Options::default();
    for (write, expected) in [
        (options.write.clone().skip_default_fields(false), r#"{"text":"","count":"0","raw":""}"#),
        (options.write.clone(), "{}"),
    ] {
        let services = greeter(&Options { write, ..Options::default() });
        let hello = operation(&services, "POST /v1/hello");
        let reply =
            hello.answer(StatusCode::OK, &HeaderMap::new(), &frame(b""), Some(&ok)).unwrap();
        assert_eq!(reply.body, expected);
    }
}

#[test]
fn a_field_of_the_answer_is_the_body_where_the_rule_says_so() {
    let services = greeter(&Options::default());
    let list = operation(&services, "GET /v1/books:list");
    let ok = fields(&[("grpc-status", "0")]);
    // ListBooksReply { books: [Book { title: "a" }, Book {}], next: "n" }
    for (message, expected) in [
        (&b"\x0a\x03\x12\x01a\x0a\x00\x12\x01n"[..], r#"[{"title":"a"},{}]"#),
        (b"\x12\x01n", "[]"),
    ] {
        let reply =
            list.answer(StatusCode::OK, &HeaderMap::new(), &frame(message), Some(&ok)).unwrap();
        assert_eq!(reply.body, expected);
    }
}

#[test]
fn a_failure_becomes_a_problem_with_its_details() {
    // google.rpc.Status { code: 3, details: [BadRequest { field_violations: [{ field: "name", description: "no" }] }, none.None] }
    let violation = b"\x0a\x04name\x12\x02no";
    let bad = [&[0x0a, violation.len() as u8], &violation[..]].concat();
    let any = |url: &str, value: &[u8]| {
        let url = format!("type.googleapis.com/{url}");
        let any =
            [&[0x0a, url.len() as u8], url.as_bytes(), &[0x12, value.len() as u8], value].concat();
        [&[0x1a, any.len() as u8], &any[..]].concat()
    };
    let status =
        [b"\x08\x03".to_vec(), any("google.rpc.BadRequest", &bad), any("none.None", b"x")].concat();
    use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
    let details = STANDARD_NO_PAD.encode(status);
    let end = fields(&[
        ("grpc-status", "3"),
        ("grpc-message", "100 %25 wrong %E2%98%82"),
        ("grpc-status-details-bin", &details),
    ]);
    let expected = json!({
        "type": "about:blank", "title": "Bad Request", "status": 400,
        "detail": "100 % wrong ☂", "code": "INVALID_ARGUMENT",
        "details": [
            { "@type": "type.googleapis.com/google.rpc.BadRequest",
              "fieldViolations": [{ "field": "name", "description": "no" }] },
            { "@type": "type.googleapis.com/none.None" },
        ],
    });
    // In trailers, or in the head where there is nothing else.
    for (head, trailers) in [(&HeaderMap::new(), Some(&end)), (&end, None)] {
        let reply = answer(head, b"", trailers).unwrap();
        assert_eq!((reply.status.as_u16(), reply.content_type), (400, "application/problem+json"));
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&reply.body).unwrap(), expected);
    }
    for (code, status) in [
        ("1", 499),
        ("2", 500),
        ("3", 400),
        ("4", 504),
        ("5", 404),
        ("6", 409),
        ("7", 403),
        ("8", 429),
        ("9", 400),
        ("10", 409),
        ("11", 400),
        ("12", 501),
        ("13", 500),
        ("14", 503),
        ("15", 500),
        ("16", 401),
        ("17", 500),
        ("x", 500),
    ] {
        let reply =
            answer(&HeaderMap::new(), b"", Some(&fields(&[("grpc-status", code)]))).unwrap();
        assert_eq!(reply.status, status, "{code}");
    }
}

#[test]
fn an_answer_that_is_none_is_never_half_an_answer() {
    let ok = fields(&[("grpc-status", "0")]);
    let two = [hello("a", 1), hello("b", 2)].concat();
    let large = frame(&[0x0a, 0x80, 0x10].into_iter().chain([b'a'; 2048]).collect::<Vec<_>>());
    for (body, trailers, expected) in [
        (&b""[..], Some(&ok), Reject::TranslateAnswer),
        (&hello("a", 1), None, Reject::TranslateAnswer),
        (&two, Some(&ok), Reject::TranslateAnswer),
        (b"\0\0\0\0\x05ab", Some(&ok), Reject::TranslateAnswer),
        (b"\x01\0\0\0\x02ab", Some(&ok), Reject::TranslateAnswer),
        (b"\0\xff\xff\xff\xff", Some(&ok), Reject::TranslateTooLarge),
        (&large, Some(&ok), Reject::TranslateTooLarge),
        (&frame(b"\x0a\x09a"), Some(&ok), Reject::TranslateAnswer),
        (&frame(b"\x0a\x01\xff"), Some(&ok), Reject::TranslateAnswer),
        (b"<html>", None, Reject::TranslateAnswer),
    ] {
        assert_eq!(answer(&HeaderMap::new(), body, trailers), Err(expected), "{body:?}");
    }
}

#[test]
fn an_answer_whose_json_would_be_huge_is_not_made() {
    // A list of messages that are empty: three bytes for each, and all names where defaults are told.
    let message: Vec<u8> = [0x9a, 0x01, 0x00].repeat(100);
    let write = Options::default().write;
    for (write, expected) in [
        (write.clone(), Ok(())),
        (write.skip_default_fields(false), Err(Reject::TranslateTooLarge)),
    ] {
        let services = greeter(&Options { most: 400, write, ..Options::default() });
        let all = operation(&services, "POST /greeter.v1.Greeter/Everything");
        let mut json = Vec::new();
        assert_eq!(all.json(&message, &mut json), expected);
        assert_eq!(json.is_empty(), expected.is_err());
    }
    let all = operation(&greeter(&Options::default()), "POST /greeter.v1.Greeter/Everything");
    let deep = [0x8a, 0x01].repeat(300);
    assert_eq!(all.json(&deep, &mut Vec::new()), Err(Reject::TranslateAnswer));
}

/// The stream of `GET /v1/count`, of pieces and trailers.
fn streamed(
    form: Lines,
    pieces: &[&[u8]],
    trailers: Option<&HeaderMap>,
) -> (String, Option<Reject>) {
    let services = greeter(&Options { most: 1000, ..Options::default() });
    let count = operation(&services, "GET /v1/count");
    let mut frames: Vec<Result<Frame<Bytes>, std::convert::Infallible>> =
        pieces.iter().map(|piece| Ok(Frame::data(Bytes::copy_from_slice(piece)))).collect();
    frames.extend(trailers.map(|trailers| Ok(Frame::trailers(trailers.clone()))));
    let body = StreamBody::new(futures_util::stream::iter(frames));
    let mut body = Streamed::new(count, form, &HeaderMap::new(), body);
    let mut text = String::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let fault = runtime.block_on(async {
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap()),
                Err(Broken::Fault(reject)) => return Some(reject),
                Err(Broken::Origin(never)) => match never {},
            }
        }
        None
    });
    (text, fault)
}

#[test]
fn a_stream_becomes_lines_or_events() {
    let ok = fields(&[("grpc-status", "0")]);
    let failed = fields(&[("grpc-status", "8"), ("grpc-message", "enough")]);
    let both = [hello("a", 1), hello("b", 2)].concat();
    let (first, second) = both.split_at(7);
    let problem = r#"{"type":"about:blank","title":"Too Many Requests","status":429,"detail":"enough","code":"RESOURCE_EXHAUSTED"}"#;
    let lines = "{\"text\":\"a\",\"count\":\"1\"}\n{\"text\":\"b\",\"count\":\"2\"}\n";
    for (form, trailers, expected) in [
        (Lines::Json, &ok, lines.to_owned()),
        (Lines::Json, &failed, format!("{lines}{{\"@error\":{problem}}}\n")),
        (
            Lines::Events,
            &ok,
            "data: {\"text\":\"a\",\"count\":\"1\"}\n\ndata: {\"text\":\"b\",\"count\":\"2\"}\n\n"
                .into(),
        ),
        (
            Lines::Events,
            &failed,
            format!(
                "data: {{\"text\":\"a\",\"count\":\"1\"}}\n\ndata: {{\"text\":\"b\",\"count\":\"2\"}}\n\nevent: error\ndata: {problem}\n\n"
            ),
        ),
    ] {
        let (text, fault) = streamed(form, &[first, second], Some(trailers));
        assert_eq!((&*text, fault), (&*expected, None));
    }
}

#[test]
fn a_stream_that_is_none_breaks_off() {
    let ok = fields(&[("grpc-status", "0")]);
    let one = hello("a", 1);
    for (last, trailers, expected) in [
        (&b"\0\0\0"[..], Some(&ok), Reject::TranslateAnswer),
        (b"\x01\0\0\0\0", Some(&ok), Reject::TranslateAnswer),
        (b"\0\0\0\xff\xff", Some(&ok), Reject::TranslateTooLarge),
        (b"\0\0\0\0\x01\x0a", Some(&ok), Reject::TranslateAnswer),
        (b"", None, Reject::TranslateAnswer),
    ] {
        let (text, fault) = streamed(Lines::Json, &[&one, last], trailers);
        assert_eq!(
            (&*text, fault),
            ("{\"text\":\"a\",\"count\":\"1\"}\n", Some(expected)),
            "{last:?}"
        );
    }
}

#[test]
fn a_stream_that_fails_at_once_is_a_problem_with_its_status() {
    let services = greeter(&Options::default());
    let count = operation(&services, "GET /v1/count");
    let grpc = ("content-type", "application/grpc");
    for (status, head, expected) in [
        (200, fields(&[grpc]), Ok(None)),
        (200, fields(&[grpc, ("grpc-status", "0")]), Ok(None)),
        (200, fields(&[grpc, ("grpc-status", "5")]), Ok(Some(404))),
        (503, fields(&[]), Ok(Some(503))),
        (504, fields(&[]), Ok(Some(503))),
        (200, fields(&[("content-type", "text/html")]), Err(Reject::TranslateAnswer)),
        (200, fields(&[("content-type", "application/grpcweb")]), Err(Reject::TranslateAnswer)),
        (404, fields(&[]), Err(Reject::TranslateAnswer)),
    ] {
        let ended = count.ended(StatusCode::from_u16(status).unwrap(), &head);
        let ended = ended.map(|reply| reply.map(|reply| reply.status.as_u16()));
        assert_eq!(ended, expected, "{status} {head:?}");
    }
}

#[test]
fn the_form_of_a_stream_is_what_the_client_takes() {
    for (accept, expected) in [
        (None, Some(Lines::Json)),
        (Some("*/*"), Some(Lines::Json)),
        (Some("application/json"), Some(Lines::Json)),
        (Some("application/x-ndjson, text/event-stream"), Some(Lines::Json)),
        (Some("text/event-stream"), Some(Lines::Events)),
        (Some("TEXT/Event-Stream; charset=utf-8, */*"), Some(Lines::Events)),
        (Some("application/json;q=0.5, text/event-stream;q=0.9"), Some(Lines::Events)),
        (Some("text/event-stream;q=0, */*"), Some(Lines::Json)),
        (Some("text/html"), None),
        (Some("text/event-stream;q=0"), None),
    ] {
        let accept = accept.map(|accept| accept.parse().unwrap());
        assert_eq!(Lines::pick(accept.as_ref()), expected, "{accept:?}");
    }
}
