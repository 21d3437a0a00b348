//! What the origin is told, and what becomes of answers that are none.

use super::*;

/// `HelloReply { text: "hi" }`.
const HI: &[u8] = b"\0\0\0\0\x04\x0a\x02hi";

#[tokio::test]
async fn the_origin_gets_a_call_and_nothing_of_json() {
    let (origin, seen) = origin(|| grpc(&[HI], &[("grpc-status", "0"), ("x-late", "1")])).await;
    let janua = setup(&origin.url, "", "").start().await;
    let fields = "Content-Type: application/json; charset=utf-8\r\nAccept: */*\r\nAccept-Encoding: gzip\r\n\
                  If-None-Match: \"x\"\r\nRange: bytes=0-1\r\nX-Meta: 1\r\ngrpc-encoding: gzip\r\n";
    let answer = send(&janua, "POST /v1/hello", fields, b"{\"name\":\"a\"}").await;
    assert_eq!((answer.status(), answer.text()), (200, "{\"text\":\"hi\"}".into()));
    assert_eq!(answer.field("content-length").unwrap(), "13");
    assert_eq!(answer.field("x-late"), None);
    let (head, body) = seen.lock()[0].clone();
    assert_eq!(
        (head.method.as_str(), head.uri.path_and_query().unwrap().as_str()),
        ("POST", "/greeter.v1.Greeter/Hello")
    );
    assert_eq!(&body[..], b"\0\0\0\0\x03\x0a\x01a");
    let field = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap());
    for (name, expected) in [
        ("content-type", Some("application/grpc")),
        ("te", Some("trailers")),
        ("grpc-accept-encoding", Some("identity")),
        ("x-meta", Some("1")),
        ("accept", None),
        ("accept-encoding", None),
        ("content-length", Some("8")),
        ("grpc-encoding", None),
        ("if-none-match", None),
        ("range", None),
    ] {
        assert_eq!(field(name), expected, "{name}");
    }
}

#[tokio::test]
async fn an_answer_that_is_none_is_a_clear_502() {
    let ok = [("grpc-status", "0")];
    let large = [&[0, 0, 0, 0x10, 0x04, 0x0a, 0x80, 0x20][..], &[b'a'; 4096]].concat();
    for (pieces, trailers, status, reason) in [
        (&[&b""[..]][..], &ok[..], 502, "translate.answer"),
        (&[HI], &[], 502, "translate.answer"),
        (&[HI, HI], &ok, 502, "translate.answer"),
        (&[b"\0\0\0\0\x05ab"], &ok, 502, "translate.answer"),
        (&[b"\x01\0\0\0\x02ab"], &ok, 502, "translate.answer"),
        (&[b"\0\xff\xff\xff\xff"], &ok, 502, "translate.too_large"),
        (&[&large], &ok, 502, "translate.too_large"),
        (&[b"<html>"], &[], 502, "translate.answer"),
    ] {
        let pieces: Vec<Vec<u8>> = pieces.iter().map(|piece| piece.to_vec()).collect();
        let trailers = trailers.to_vec();
        let answer = move || {
            let pieces: Vec<&[u8]> = pieces.iter().map(|piece| &**piece).collect();
            grpc(&pieces, &trailers)
        };
        let (origin, _) = origin(answer).await;
        let janua = setup(&origin.url, "max-body = \"1KiB\"", "").start().await;
        let answer = send(&janua, "GET /v1/hello/a", "", b"").await;
        answer.assert_refused(status, reason, "it is no answer");
        janua.rejected("greeter/greeter.v1.Greeter.Hello", reason, 1).await;
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_seen_to_break_off() {
    let (say, origin) = told().await;
    let janua = setup(&origin.url, "", "").start().await;
    let mut client = janua.client().await;
    client.send("GET /v1/count/2 HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
    say.send(Bytes::from_static(HI)).await.unwrap();
    client.expect("{\"text\":\"hi\"}\n").await;
    say.send(Bytes::from_static(b"\x01\0\0\0\0")).await.unwrap();
    let rest = client.ended().await;
    assert!(!rest.contains("0\r\n\r\n"), "it does not end as if it were whole: {rest}");
    janua.rejected("greeter/greeter.v1.Greeter.Count", "translate.answer", 1).await;
}

#[tokio::test]
async fn what_a_request_may_not_be_never_comes_to_the_origin() {
    let (origin, seen) = origin(|| grpc(&[HI], &[("grpc-status", "0")])).await;
    let keys = "max-body = \"1KiB\"\nunknown-query = \"refuse\"";
    let janua = setup(&origin.url, keys, "").start().await;
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(2000));
    let json = "Content-Type: application/json\r\n";
    for (line, fields, body, status, reason) in [
        ("POST /v1/hello", "Content-Type: text/plain\r\n", "{}", 415, "body.type"),
        ("POST /v1/hello", "Content-Type: application/grpc\r\n", "{}", 415, "body.type"),
        ("POST /v1/hello", "Content-Encoding: gzip\r\n", "{}", 415, "body.type"),
        ("POST /v1/hello", json, "{", 400, "body.syntax"),
        ("POST /v1/hello", json, "{\"name\":1}", 422, "contract.body"),
        ("POST /v1/hello", json, "{\"moods\":[\"GLAD\"]}", 422, "contract.body"),
        ("POST /v1/hello", json, &large, 413, "request.body_too_large"),
        ("GET /v1/hello/a?none=1", "", "", 400, "contract.parameter"),
        ("GET /v1/hello/a?big=x", "", "", 400, "contract.parameter"),
        ("GET /v1/hello/a", "", "{}", 422, "contract.body"),
        ("GET /v1/count/x", "", "", 400, "contract.parameter"),
        ("GET /v1/count/1", "Accept: image/png\r\n", "", 406, "translate.accept"),
        ("PUT /v1/hello", json, "{}", 405, "method_not_allowed"),
        ("GET /v1/none", "", "", 404, "no_route"),
    ] {
        let answer = send(&janua, line, fields, body.as_bytes()).await;
        answer.assert_refused(status, reason, &format!("{line} {fields} {body}"));
    }
    assert_eq!(seen.lock().len(), 0);
}

#[tokio::test]
async fn json_is_written_as_the_section_says() {
    // HelloReply { request: HelloRequest { moods: [HAPPY] } }
    let (origin, _) =
        origin(|| grpc(&[b"\0\0\0\0\x05\x12\x03\x22\x01\x01"], &[("grpc-status", "0")])).await;
    for (json, expected) in [
        ("{}", r#"{"request":{"moods":["HAPPY"]}}"#),
        ("{ enums = \"numbers\" }", r#"{"request":{"moods":[1]}}"#),
        (
            "{ defaults = true }",
            r#"{"text":"","request":{"name":"","big":"0","raw":"","moods":["HAPPY"],"counts":{}},"metadata":{}}"#,
        ),
    ] {
        let janua = setup(&origin.url, &format!("json = {json}"), "").start().await;
        let answer = send(&janua, "GET /v1/hello/a", "", b"").await;
        assert_eq!(answer.text(), expected, "{json}");
    }
    let lenient = "json = { unknown = \"allow\" }\nbase-path = \"/api\"";
    let janua = setup(&origin.url, lenient, "").start().await;
    assert_eq!(send(&janua, "POST /api/v1/hello", "", b"{\"none\":1}").await.status(), 200);
    assert_eq!(send(&janua, "POST /v1/hello", "", b"{}").await.status(), 404);
}
